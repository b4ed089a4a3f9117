//! The seal: what ends a complete segment, so that nobody has to read it to know what is in it.
//!
//! It lies at the very end of the file, behind the records and the zeros that follow them, and is
//! written and synced before the next segment begins. Nothing depends on it for safety: a segment
//! whose seal is missing or damaged is read through instead. All numbers are little endian, all
//! checksums CRC-32 seeded with the segment's salt.
//!
//! | part | size | what |
//! |---|---|---|
//! | keys | 32 each | resend key and id of each record that is remembered, oldest first |
//! | index | 24 each | position and offset of a record, events of the segment before it |
//! | summary | 72 | the last bytes of the file |
//!
//! | summary offset | size | field |
//! |---|---|---|
//! | 0 | 8 | magic `SIEMREND` |
//! | 8 | 4 | checksum of bytes 12..72 |
//! | 12 | 4 + 4 | checksums of the index and of the keys |
//! | 20 | 4 + 4 | index entries; keys |
//! | 28 | 4 | zero |
//! | 32 | 8 | end: offset behind the last record |
//! | 40 | 8 | position of the last record; base - 1 where there is none |
//! | 48 | 8 | events |
//! | 56 | 8 + 8 | earliest and latest received time, Unix milliseconds; 0 for no event |

use std::collections::VecDeque;
use std::io;

use super::files::{JournalFile, read_full};
use super::record::{Fields, Record, checksum};

/// Bytes of records between two entries of the index.
const INDEX_EVERY_BYTES: u64 = 64 * 1024;
/// Bytes of one key with its id.
const KEY_BYTES: usize = 32;
const ENTRY_BYTES: usize = 24;
const SUMMARY_BYTES: usize = 72;
const MAGIC: [u8; 8] = *b"SIEMREND";

/// A resend key, and the id of the first record that had it.
pub(super) type Key = ([u8; 16], [u8; 16]);

/// A place in a segment where reading can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexEntry {
    /// Position of the record there.
    pub(super) position: u64,
    /// Where it begins in the file.
    pub(super) offset: u64,
    /// Events of the segment before it.
    pub(super) events: u64,
}

/// What a segment holds, gathered record by record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Position of the last record; 0 for none.
    pub(super) last: u64,
    pub(super) events: u64,
    /// Earliest and latest received time; zeros for none.
    pub(super) received_ms: (u64, u64),
    pub(super) index: Vec<IndexEntry>,
    /// The latest, oldest first.
    pub(super) keys: VecDeque<Key>,
}

/// What there is to note of one record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noted {
    pub(super) position: u64,
    pub(super) offset: u64,
    pub(super) received_ms: u64,
    pub(super) gap: bool,
    pub(super) key: Option<Key>,
}

/// A seal without its index and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) end: u64,
    pub(super) last: u64,
    pub(super) events: u64,
    pub(super) received_ms: (u64, u64),
    entries: u32,
    keys: u32,
    index_checksum: u32,
    keys_checksum: u32,
}

impl Noted {
    /// What is noted of a record that was read at `offset`.
    pub(super) fn of(record: &Record, offset: u64) -> Self {
        let key = record.resend.filter(|_| record.duplicate_of.is_none());
        Self {
            position: record.position,
            offset,
            received_ms: record.received_ms,
            gap: record.gap,
            key: key.map(|resend| (resend.key, record.id)),
        }
    }
}

impl Contents {
    /// Takes in the next record; of keys, the last `keys_max` are kept.
    pub(super) fn note(&mut self, noted: &Noted, keys_max: usize) {
        let due = |last: &IndexEntry| noted.offset - last.offset >= INDEX_EVERY_BYTES;
        if self.index.last().is_none_or(due) {
            self.index.push(IndexEntry {
                position: noted.position,
                offset: noted.offset,
                events: self.events,
            });
        }
        self.last = noted.position;
        if noted.gap {
            return;
        }
        let received = noted.received_ms;
        let (earliest, latest) = self.received_ms;
        self.received_ms = match self.events {
            0 => (received, received),
            _ => (earliest.min(received), latest.max(received)),
        };
        self.events += 1;
        if let Some(key) = noted.key {
            self.keys.push_back(key);
        }
        if self.keys.len() > keys_max {
            self.keys.pop_front();
        }
    }

    /// The seal, as the last bytes of a file that has so many left. An earlier run that remembered
    /// fewer keys may have set aside less than all of them take: the oldest are left out then.
    pub(super) fn seal(&self, end: u64, salt: u32, bytes_left: u64) -> Vec<u8> {
        let rest_bytes = ENTRY_BYTES * self.index.len() + SUMMARY_BYTES;
        let room = bytes_left.saturating_sub(rest_bytes as u64) / KEY_BYTES as u64;
        let keys_max = usize::try_from(room).unwrap_or(usize::MAX);
        let left_out = self.keys.len().saturating_sub(keys_max);
        let keys = self.keys.iter().skip(left_out);
        let key_count = keys.len();
        let mut seal = Vec::with_capacity(KEY_BYTES * key_count + rest_bytes);
        for (key, id) in keys {
            seal.extend_from_slice(key);
            seal.extend_from_slice(id);
        }
        let index_at = seal.len();
        let keys_checksum = checksum(salt, &seal);
        for entry in &self.index {
            for number in [entry.position, entry.offset, entry.events] {
                seal.extend_from_slice(&number.to_le_bytes());
            }
        }
        let index_checksum = checksum(salt, seal.get(index_at..).unwrap_or_default());
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        let mut checked = Vec::with_capacity(SUMMARY_BYTES);
        checked.extend_from_slice(&index_checksum.to_le_bytes());
        checked.extend_from_slice(&keys_checksum.to_le_bytes());
        checked.extend_from_slice(&count(self.index.len()));
        checked.extend_from_slice(&count(key_count));
        checked.extend_from_slice(&[0; 4]);
        let (earliest, latest) = self.received_ms;
        for number in [end, self.last, self.events, earliest, latest] {
            checked.extend_from_slice(&number.to_le_bytes());
        }
        seal.extend_from_slice(&MAGIC);
        seal.extend_from_slice(&checksum(salt, &checked).to_le_bytes());
        seal.extend_from_slice(&checked);
        seal
    }
}

/// Bytes that the seal of a segment with so many keys takes at most.
pub(super) fn bytes_max(segment_bytes: u64, keys: usize) -> u64 {
    let entries = segment_bytes / INDEX_EVERY_BYTES + 1;
    entries * ENTRY_BYTES as u64 + (keys * KEY_BYTES + SUMMARY_BYTES) as u64
}

impl Summary {
    /// Reads the end of a file; none where there is no valid seal.
    pub(super) fn read(
        file: &dyn JournalFile,
        file_bytes: u64,
        salt: u32,
    ) -> io::Result<Option<Self>> {
        let mut bytes = [0; SUMMARY_BYTES];
        let Some(at) = file_bytes.checked_sub(SUMMARY_BYTES as u64) else {
            return Ok(None);
        };
        let count = read_full(file, &mut bytes, at)?;
        let summary = (count == SUMMARY_BYTES).then(|| Self::decode(&bytes, salt));
        Ok(summary.flatten().filter(|summary| {
            // What is claimed must have room between the records and the end.
            summary.end.saturating_add(summary.bytes()) <= file_bytes
        }))
    }

    fn decode(bytes: &[u8; SUMMARY_BYTES], salt: u32) -> Option<Self> {
        let mut fields = Fields(bytes.strip_prefix(&MAGIC)?);
        let stored = u32::from_le_bytes(fields.take());
        if checksum(salt, fields.0) != stored {
            return None;
        }
        let index_checksum = u32::from_le_bytes(fields.take());
        let keys_checksum = u32::from_le_bytes(fields.take());
        let entries = u32::from_le_bytes(fields.take());
        let keys = u32::from_le_bytes(fields.take());
        let _zero: [u8; 4] = fields.take();
        let mut number = || u64::from_le_bytes(fields.take());
        Some(Self {
            end: number(),
            last: number(),
            events: number(),
            received_ms: (number(), number()),
            entries,
            keys,
            index_checksum,
            keys_checksum,
        })
    }

    fn bytes(&self) -> u64 {
        self.index_bytes() + self.keys_bytes() + SUMMARY_BYTES as u64
    }

    fn index_bytes(&self) -> u64 {
        u64::from(self.entries) * ENTRY_BYTES as u64
    }

    fn keys_bytes(&self) -> u64 {
        u64::from(self.keys) * KEY_BYTES as u64
    }

    /// The index; none where it is damaged.
    pub(super) fn index(
        &self,
        file: &dyn JournalFile,
        file_bytes: u64,
        salt: u32,
    ) -> io::Result<Option<Vec<IndexEntry>>> {
        let at = file_bytes - (self.bytes() - self.keys_bytes());
        let bytes = read_part(file, at, self.index_bytes())?;
        if checksum(salt, &bytes) != self.index_checksum {
            return Ok(None);
        }
        let entries = bytes.chunks_exact(ENTRY_BYTES).map(|entry| {
            let mut fields = Fields(entry);
            IndexEntry {
                position: u64::from_le_bytes(fields.take()),
                offset: u64::from_le_bytes(fields.take()),
                events: u64::from_le_bytes(fields.take()),
            }
        });
        let entries: Vec<IndexEntry> = entries.collect();
        // Readers count on from an entry without asking what it says.
        let sound = |entry: &IndexEntry| {
            entry.position > 0 && entry.offset < self.end && entry.events <= self.events
        };
        Ok(entries.iter().all(sound).then_some(entries))
    }

    /// The keys, oldest first; none where they are damaged.
    pub(super) fn keys(
        &self,
        file: &dyn JournalFile,
        file_bytes: u64,
        salt: u32,
    ) -> io::Result<Option<Vec<Key>>> {
        let bytes = read_part(file, file_bytes - self.bytes(), self.keys_bytes())?;
        if checksum(salt, &bytes) != self.keys_checksum {
            return Ok(None);
        }
        let keys = bytes.chunks_exact(KEY_BYTES).map(|key| {
            let mut fields = Fields(key);
            (fields.take(), fields.take())
        });
        Ok(Some(keys.collect()))
    }
}

fn read_part(file: &dyn JournalFile, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    // A part that is cut short fails its checksum.
    read_full(file, &mut bytes, at)?;
    Ok(bytes)
}
