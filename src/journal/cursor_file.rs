//! The cursor file: what a restart must know of destinations and of the journal's end.
//!
//! One file, two slots, each with sequence and checksum. A store always writes the slot that does
//! not hold the last good state, so a torn or failed write leaves that state as it was; the other
//! slot becomes the last good one only after its sync returned. The slots also carry the durable
//! head, which lets recovery tell a torn tail from damage.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | magic `SIEMRCUR` |
//! | 8 | 4 + 4 | format version 1; CRC-32 of the journal id |
//! | 16 | 16 | journal id |
//! | 4096, and again 4096 + 8 MiB | 4 + 4 | CRC-32 of the rest of the slot; its length |
//! | + 8 | 8 | sequence |
//! | + 16 | 3 * 8 | durable position, events up to it, highest position handed out |
//! | + 40 | 2 | number of cursors; each as in `encode_cursor` |
//! | behind | 2 | number of skips; each as in `encode_skip` |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Head;
use super::cursors::{Cursor, Totals};
use super::error::{CursorError, OpenError};
use super::files::{Files, JournalFile, read_full, write_full};
use super::record::Fields;
use super::skip::{SKIPS_MAX, Skip};

const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"SIEMRCUR";
const HEADER_BYTES: u64 = 4096;
/// 64 cursors of 4,096 ranges of 16 bytes fit.
const SLOT_BYTES: u64 = 8 * 1024 * 1024;
const FILE_NAME: &str = "cursors";

/// What a slot holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) head: Head,
    pub(super) position_max: u64,
    pub(super) cursors: BTreeMap<String, Cursor>,
    pub(super) skips: Vec<Skip>,
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

    /// Writes the state that was found once more, and syncs it: an earlier run's sync of it may
    /// have failed, and then it is nowhere but in memory, while the next store goes over the
    /// state before.
    pub(super) fn confirm(&mut self, stored: &Stored) -> Result<(), CursorError> {
        encode_slot(self.sequence, stored, &mut self.buffer);
        self.write(self.good_slot)
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
        self.write(slot)?;
        self.good_slot = slot;
        self.sequence = sequence;
        Ok(())
    }

    fn write(&self, slot: u64) -> Result<(), CursorError> {
        write_full(&*self.file, &self.buffer, slot_offset(slot))
            .and_then(|()| self.file.sync_data())
            .map_err(|error| CursorError::Storage(error.to_string()))
    }
}

fn slot_offset(slot: u64) -> u64 {
    HEADER_BYTES + slot * SLOT_BYTES
}

/// A slot as it lies on disk.
pub(super) fn encode_slot(sequence: u64, stored: &Stored, out: &mut Vec<u8>) {
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
    let count = u16::try_from(stored.skips.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&count.to_le_bytes());
    for skip in &stored.skips {
        encode_skip(skip, out);
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

/// After, through, base, offset, ordinal: each a u64.
fn encode_skip(skip: &Skip, out: &mut Vec<u8>) {
    let numbers = [
        skip.after,
        skip.through,
        skip.base,
        skip.offset,
        skip.ordinal,
    ];
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes());
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
    if !(44..=SLOT_BYTES).contains(&length) {
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
    let count = usize::from(u16::from_le_bytes(fields.take()?));
    let mut skips = Vec::with_capacity(count.min(SKIPS_MAX));
    for _ in 0..count {
        skips.push(Skip {
            after: fields.number()?,
            through: fields.number()?,
            base: fields.number()?,
            offset: fields.number()?,
            ordinal: fields.number()?,
        });
    }
    let stored = Stored {
        head,
        position_max,
        cursors,
        skips,
    };
    Some((sequence, stored))
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
