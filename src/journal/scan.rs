//! Looks through the last segment: what it holds, and what lies behind its end.
//!
//! It only reads, and judges nothing: recovery decides between a tear and damage.

use std::io;

use bytes::Bytes;

use super::files::{JournalFile, read_full, read_salvaged};
use super::record::{ALIGNMENT, FIXED_BYTES, MAGIC, Record, Unreadable, decode};
use super::seal::{Contents, Noted, Summary};
use super::segment::{HEADER_BYTES, Segment, SegmentHeader};

/// Bytes read at once while scanning.
pub(super) const SCAN_BYTES: usize = 4 * 1024 * 1024;

/// What the last segment holds.
#[derive(Default)]
pub(super) struct Scan {
    /// End of the last good record.
    pub(super) end: u64,
    /// What the good records are.
    pub(super) contents: Contents,
    /// The highest `synced_through` of a good record.
    pub(super) synced_through: u64,
    /// Offset and position of each record above that, in order: the last group.
    pub(super) tail: Vec<(u64, u64)>,
    /// The highest position and `synced_through` of valid records behind the end.
    pub(super) later: Option<(u64, u64)>,
    /// How many of them there are.
    pub(super) later_events: u64,
    /// The last position and the number of events by the segment's seal, which is written after
    /// these were durable; zeros where there is no seal.
    pub(super) sealed: (u64, u64),
}

/// Reads a stretch of a file, as [`read_full`] does.
type Read = fn(&dyn JournalFile, &mut [u8], u64) -> io::Result<usize>;

/// A file read in large pieces.
pub(super) struct Source<'a> {
    file: &'a dyn JournalFile,
    read: Read,
    start: u64,
    bytes: Bytes,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a dyn JournalFile) -> Self {
        Self {
            file,
            read: read_full,
            start: 0,
            bytes: Bytes::new(),
        }
    }

    /// Passes over what the disk cannot give.
    pub(super) fn salvaging(file: &'a dyn JournalFile) -> Self {
        Self {
            read: read_salvaged,
            ..Self::new(file)
        }
    }

    /// At least `wanted` bytes from `offset`, fewer at the end of the file.
    fn at(&mut self, offset: u64, wanted: usize) -> io::Result<Bytes> {
        let known = offset
            .checked_sub(self.start)
            .and_then(|skip| usize::try_from(skip).ok())
            .filter(|skip| skip.saturating_add(wanted) <= self.bytes.len());
        if let Some(skip) = known {
            return Ok(self.bytes.slice(skip..));
        }
        let mut buffer = vec![0; wanted.max(SCAN_BYTES)];
        let count = (self.read)(self.file, &mut buffer, offset)?;
        buffer.truncate(count);
        self.start = offset;
        self.bytes = Bytes::from(buffer);
        Ok(self.bytes.clone())
    }

    /// The record at `offset`, if there is one.
    pub(super) fn decode(&mut self, offset: u64, salt: u32) -> io::Result<Option<(Record, usize)>> {
        let mut wanted = FIXED_BYTES;
        loop {
            let bytes = self.at(offset, wanted)?;
            match decode(&bytes, salt) {
                Ok(found) => return Ok(Some(found)),
                Err(Unreadable::Incomplete(length)) if bytes.len() >= wanted => wanted = length,
                Err(_) => return Ok(None),
            }
        }
    }

    /// The next aligned place from `offset` on where a record might begin.
    pub(super) fn find_magic(&mut self, mut offset: u64) -> io::Result<Option<u64>> {
        loop {
            let bytes = self.at(offset, ALIGNMENT)?;
            if bytes.len() < ALIGNMENT {
                return Ok(None);
            }
            let found = bytes
                .chunks_exact(ALIGNMENT)
                .position(|word| word.starts_with(&MAGIC));
            match found {
                Some(index) => return Ok(Some(offset + (index * ALIGNMENT) as u64)),
                None => offset += (bytes.len() - bytes.len() % ALIGNMENT) as u64,
            }
        }
    }
}

/// Reads records up to the first unreadable place, then looks for valid ones behind it. Of resend
/// keys, `keys_max` are noted.
pub(super) fn scan(segment: &Segment, header: SegmentHeader, keys_max: usize) -> io::Result<Scan> {
    let mut scan = Scan {
        end: HEADER_BYTES,
        ..Scan::default()
    };
    // What the file held as an earlier segment has another salt. Should chance have given both
    // the same, its positions still are lower.
    let follows = |record: &Record, last: u64| record.position > last.max(header.base - 1);
    let mut source = Source::new(&*segment.file);
    loop {
        let (record, length) = match source.decode(scan.end, header.salt)? {
            Some((record, length)) if follows(&record, scan.contents.last) => (record, length),
            _ => break,
        };
        scan.note(&record, keys_max);
        scan.end += length as u64;
    }
    let mut offset = scan.end + ALIGNMENT as u64;
    while let Some(candidate) = source.find_magic(offset)? {
        if let Some((record, _)) = source.decode(candidate, header.salt)?
            && follows(&record, scan.contents.last)
        {
            let (position, synced) = scan.later.unwrap_or_default();
            scan.later_events += u64::from(record.position > position && !record.gap);
            scan.later = Some((
                position.max(record.position),
                synced.max(record.synced_through),
            ));
        }
        offset = candidate + ALIGNMENT as u64;
    }
    let seal = Summary::read(&*segment.file, segment.file_bytes, header.salt)?;
    scan.sealed = seal.map_or((0, 0), |seal| (seal.last, seal.events));
    Ok(scan)
}

impl Scan {
    fn note(&mut self, record: &Record, keys_max: usize) {
        self.contents.note(&Noted::of(record, self.end), keys_max);
        self.synced_through = self.synced_through.max(record.synced_through);
        let synced_through = self.synced_through;
        self.tail.retain(|(_, position)| *position > synced_through);
        self.tail.push((self.end, record.position));
    }
}
