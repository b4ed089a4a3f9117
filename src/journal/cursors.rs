//! Cursors: how far each destination is, and the file that remembers it.
//!
//! One file, two slots, each with sequence and checksum. A store always writes the slot that does
//! not hold the last good state, so a torn or failed write leaves that state as it was; the other
//! slot becomes the last good one only after its sync returned. The slots also carry the durable
//! head, which lets recovery tell a torn tail from damage.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | magic `SIEMRCUR` |
//! | 8 | 4 + 4 | format version 0; CRC-32 of the journal id |
//! | 16 | 16 | journal id |
//! | 4096, and again 4096 + 8 MiB | 4 + 4 | CRC-32 of the rest of the slot; its length |
//! | + 8 | 8 | sequence |
//! | + 16 | 3 * 8 | durable position, events up to it, highest position handed out |
//! | + 40 | 2 | number of cursors; each as in `encode_cursor` |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Head;
use super::error::{CursorError, OpenError};
use super::files::{Files, JournalFile, read_full, write_full};
use super::record::Fields;

/// Destinations that the file can hold, configured or not.
pub const CURSORS_MAX: usize = 64;
/// Settled ranges that a destination may have above its low water.
pub const RANGES_MAX: usize = 4096;

const VERSION: u32 = 0;
const MAGIC: [u8; 8] = *b"SIEMRCUR";
const HEADER_BYTES: u64 = 4096;
/// 64 cursors of 4,096 ranges of 16 bytes fit.
const SLOT_BYTES: u64 = 8 * 1024 * 1024;
const FILE_NAME: &str = "cursors";

/// How far one destination is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Every position up to here is settled.
    pub low_water: u64,
    /// Settled positions above it: inclusive ranges, ascending, not touching.
    pub done: Vec<(u64, u64)>,
    /// Events in those ranges; positions have gaps, so ranges alone do not tell.
    pub done_events: u64,
    /// Events before the destination's start, which it never counts.
    pub skipped_events: u64,
    /// What became of the settled ones.
    pub totals: Totals,
    /// When an event was last delivered; Unix milliseconds, 0 for never.
    pub last_success_ms: u64,
    /// Grows with each store; a store with an outdated one is refused. Not kept on disk.
    pub revision: u64,
}

/// What became of a destination's settled events, since it was registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Taken by the destination.
    pub delivered: u64,
    /// Refused and kept as dead letters.
    pub dead_lettered: u64,
    /// Not wanted by the destination's routing.
    pub filtered: u64,
    /// Lost on purpose or by damage, each reported.
    pub discarded: u64,
}

impl Totals {
    /// Events that are settled, one way or another.
    pub fn settled(&self) -> u64 {
        self.delivered + self.dead_lettered + self.filtered + self.discarded
    }
}

/// All cursors, in memory.
#[derive(Default)]
pub(super) struct CursorTable {
    pub(super) cursors: BTreeMap<String, Cursor>,
    /// Something is not yet in the file.
    pub(super) dirty: bool,
}

/// What a slot holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) head: Head,
    pub(super) position_max: u64,
    pub(super) cursors: BTreeMap<String, Cursor>,
}

/// The open file.
pub(super) struct CursorFile {
    file: Arc<dyn JournalFile>,
    sequence: u64,
    /// Index of the slot with the last good state.
    good_slot: u64,
    /// Reused for encoding.
    buffer: Vec<u8>,
}

impl Cursor {
    /// The highest position it names.
    pub(super) fn position_max(&self) -> u64 {
        self.done
            .last()
            .map_or(self.low_water, |(_, end)| (*end).max(self.low_water))
    }

    /// Events up to its low water, those before its start included: the ordinal of the last one.
    pub fn events_passed(&self) -> u64 {
        (self.skipped_events + self.totals.settled()).saturating_sub(self.done_events)
    }
}

impl CursorTable {
    /// The cursor of a destination.
    pub(super) fn load(&self, destination: &str) -> Result<Cursor, CursorError> {
        let cursor = self.cursors.get(destination);
        cursor
            .cloned()
            .ok_or_else(|| CursorError::Unknown(destination.to_owned()))
    }

    /// Replaces a cursor; returns its new revision.
    pub(super) fn store(&mut self, destination: &str, cursor: &Cursor) -> Result<u64, CursorError> {
        let known = self
            .cursors
            .get_mut(destination)
            .ok_or_else(|| CursorError::Unknown(destination.to_owned()))?;
        if known.revision != cursor.revision {
            return Err(CursorError::Conflict(destination.to_owned()));
        }
        known.clone_from(cursor);
        known.revision += 1;
        self.dirty = true;
        Ok(known.revision)
    }
}

impl CursorFile {
    /// Creates the file of a new journal; durable when this returns.
    pub(super) fn create(
        files: &dyn Files,
        directory: &Path,
        journal_id: [u8; 16],
    ) -> Result<Self, OpenError> {
        let temporary = directory.join("cursors.new");
        let path = directory.join(FILE_NAME);
        let file = files
            .create(&temporary)
            .map_err(OpenError::io("create", &temporary))?;
        let mut header = Vec::with_capacity(32);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&journal_id).to_le_bytes());
        header.extend_from_slice(&journal_id);
        write_full(&*file, &header, 0).map_err(OpenError::io("write", &temporary))?;
        let mut created = Self {
            file,
            sequence: 0,
            good_slot: 1,
            buffer: Vec::new(),
        };
        // The content is durable before the name is, so the name never stands for less.
        created
            .store(&Stored::default())
            .map_err(|error| OpenError::io("write", &temporary)(std::io::Error::other(error)))?;
        files
            .rename(&temporary, &path)
            .map_err(OpenError::io("rename", &temporary))?;
        files
            .sync_directory(directory)
            .map_err(OpenError::io("sync", directory))?;
        Ok(created)
    }

    /// Opens an existing file; returns it, the journal's id, and what it holds.
    pub(super) fn open(
        files: &dyn Files,
        directory: &Path,
    ) -> Result<(Self, [u8; 16], Stored), OpenError> {
        let path = directory.join(FILE_NAME);
        let file = files.open(&path).map_err(OpenError::io("open", &path))?;
        let mut header = [0; 32];
        let count = read_full(&*file, &mut header, 0).map_err(OpenError::io("read", &path))?;
        if count < header.len() || !header.starts_with(&MAGIC) {
            return Err(OpenError::Cursors(path));
        }
        let mut fields = Fields(header.get(8..).unwrap_or_default());
        let version = u32::from_le_bytes(fields.take());
        if version != VERSION {
            return Err(OpenError::Version {
                path,
                version,
                known: VERSION,
            });
        }
        let checksum = u32::from_le_bytes(fields.take());
        let journal_id: [u8; 16] = fields.take();
        if crc32fast::hash(&journal_id) != checksum {
            return Err(OpenError::Cursors(path));
        }
        let mut best: Option<(u64, u64, Stored)> = None;
        for slot in 0..2 {
            let read = read_slot(&*file, slot).map_err(OpenError::io("read", &path))?;
            if let Some((sequence, stored)) = read
                && best.as_ref().is_none_or(|(known, _, _)| sequence > *known)
            {
                best = Some((sequence, slot, stored));
            }
        }
        let Some((sequence, good_slot, stored)) = best else {
            return Err(OpenError::Cursors(path));
        };
        Ok((
            Self {
                file,
                sequence,
                good_slot,
                buffer: Vec::new(),
            },
            journal_id,
            stored,
        ))
    }

    /// Where the file is.
    pub(super) fn path(directory: &Path) -> PathBuf {
        directory.join(FILE_NAME)
    }

    /// Writes and syncs; the last good state stays readable until the new one is durable.
    pub(super) fn store(&mut self, stored: &Stored) -> Result<(), CursorError> {
        let sequence = self.sequence + 1;
        encode_slot(sequence, stored, &mut self.buffer);
        if self.buffer.len() as u64 > SLOT_BYTES {
            return Err(CursorError::TooMany);
        }
        let slot = 1 - self.good_slot;
        write_full(&*self.file, &self.buffer, slot_offset(slot))
            .and_then(|()| self.file.sync_data())
            .map_err(|error| CursorError::Storage(error.to_string()))?;
        self.good_slot = slot;
        self.sequence = sequence;
        Ok(())
    }
}

fn slot_offset(slot: u64) -> u64 {
    HEADER_BYTES + slot * SLOT_BYTES
}

fn encode_slot(sequence: u64, stored: &Stored, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&stored.head.position.to_le_bytes());
    out.extend_from_slice(&stored.head.events.to_le_bytes());
    out.extend_from_slice(&stored.position_max.to_le_bytes());
    let count = u16::try_from(stored.cursors.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&count.to_le_bytes());
    for (name, cursor) in &stored.cursors {
        encode_cursor(name, cursor, out);
    }
    let length = u32::try_from(out.len()).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(4..8) {
        field.copy_from_slice(&length.to_le_bytes());
    }
    let checksum = crc32fast::hash(out.get(4..).unwrap_or_default());
    if let Some(field) = out.get_mut(..4) {
        field.copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Name length (u8) and name, low water, events in the ranges, skipped, the four totals, last
/// success, number of ranges (u32), ranges; all numbers but the first and that one are u64.
fn encode_cursor(name: &str, cursor: &Cursor, out: &mut Vec<u8>) {
    let name = name.as_bytes().get(..255).unwrap_or(name.as_bytes());
    out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(name);
    let totals = &cursor.totals;
    for number in [
        cursor.low_water,
        cursor.done_events,
        cursor.skipped_events,
        totals.delivered,
        totals.dead_lettered,
        totals.filtered,
        totals.discarded,
        cursor.last_success_ms,
    ] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    let count = u32::try_from(cursor.done.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_le_bytes());
    for (start, end) in &cursor.done {
        out.extend_from_slice(&start.to_le_bytes());
        out.extend_from_slice(&end.to_le_bytes());
    }
}

fn read_slot(file: &dyn JournalFile, slot: u64) -> std::io::Result<Option<(u64, Stored)>> {
    let mut head = [0; 8];
    if read_full(file, &mut head, slot_offset(slot))? < head.len() {
        return Ok(None);
    }
    let mut fields = Fields(&head);
    let checksum = u32::from_le_bytes(fields.take());
    let length = u64::from(u32::from_le_bytes(fields.take()));
    if !(42..=SLOT_BYTES).contains(&length) {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    if read_full(file, &mut bytes, slot_offset(slot))? < bytes.len()
        || crc32fast::hash(bytes.get(4..).unwrap_or_default()) != checksum
    {
        return Ok(None);
    }
    Ok(decode_slot(bytes.get(8..).unwrap_or_default()))
}

/// Decodes what follows the slot's length; none when it ends early.
pub(super) fn decode_slot(bytes: &[u8]) -> Option<(u64, Stored)> {
    let mut fields = Checked(bytes);
    let sequence = fields.number()?;
    let head = Head {
        position: fields.number()?,
        events: fields.number()?,
    };
    let position_max = fields.number()?;
    let count = u16::from_le_bytes(fields.take()?);
    let mut cursors = BTreeMap::new();
    for _ in 0..count {
        let [length] = fields.take()?;
        let name = fields.bytes(usize::from(length))?;
        let name = String::from_utf8(name.to_vec()).ok()?;
        let mut cursor = Cursor {
            low_water: fields.number()?,
            done_events: fields.number()?,
            skipped_events: fields.number()?,
            ..Cursor::default()
        };
        cursor.totals = Totals {
            delivered: fields.number()?,
            dead_lettered: fields.number()?,
            filtered: fields.number()?,
            discarded: fields.number()?,
        };
        cursor.last_success_ms = fields.number()?;
        let ranges = u32::from_le_bytes(fields.take()?);
        for _ in 0..ranges {
            cursor.done.push((fields.number()?, fields.number()?));
        }
        cursors.insert(name, cursor);
    }
    Some((
        sequence,
        Stored {
            head,
            position_max,
            cursors,
        },
    ))
}

/// Takes fields off the front of bytes of unknown length.
struct Checked<'a>(&'a [u8]);

impl<'a> Checked<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }
}
