//! Opening: which records are there, where writing goes on, and whether anything is damaged.
//!
//! Only the last segment is read through; the ones before it are complete by construction, and a
//! reader checks their ends. See the journal's essay for the rule that tells a tear from damage.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::cursors::{CursorFile, CursorTable, Stored};
use super::error::OpenError;
use super::files::{Files, JournalFile, read_full, write_full};
use super::record::{ALIGNMENT, MAGIC, Record, Unreadable, decode};
use super::segment::{self, HEADER_BYTES, HeaderFault, Segment, SegmentHeader, VERSION};
use super::{Head, Options};

/// Bytes read at once while scanning.
const SCAN_BYTES: usize = 4 * 1024 * 1024;

/// A journal as it was found, made ready to go on.
pub(super) struct Recovered {
    pub(super) journal_id: [u8; 16],
    pub(super) segments: Vec<Segment>,
    pub(super) head: Head,
    pub(super) next_position: u64,
    pub(super) cursors: CursorTable,
    pub(super) cursor_file: CursorFile,
    pub(super) tail: Tail,
}

/// Where the committer goes on.
pub(super) struct Tail {
    pub(super) file: Arc<dyn JournalFile>,
    pub(super) salt: u32,
    pub(super) segment_bytes: u64,
    pub(super) offset: u64,
    /// There is no segment to go on in: the committer begins one.
    pub(super) closed: bool,
}

/// What the last segment holds.
#[derive(Default)]
struct Scan {
    /// End of the last good record.
    end: u64,
    /// Its position; 0 for none.
    last: u64,
    events: u64,
    /// The highest `synced_through` of a good record.
    synced_through: u64,
    /// Offset and position of each record above that, in order: the last group.
    tail: Vec<(u64, u64)>,
    /// The highest position and `synced_through` of valid records behind the end.
    later: Option<(u64, u64)>,
}

/// Opens or creates the files and decides where writing goes on.
pub(super) fn recover(files: &dyn Files, options: &Options) -> Result<Recovered, OpenError> {
    let directory = &options.directory;
    let names = files
        .list(directory)
        .map_err(OpenError::io("list", directory))?;
    let bases = names.iter().filter_map(|name| segment::base_of(name));
    let mut bases: Vec<u64> = bases.collect();
    bases.sort_unstable();
    let known = names.iter().any(|name| name == "cursors");
    if !known && !bases.is_empty() {
        // Without cursors nobody knows what was delivered: that is for a person to decide.
        return Err(OpenError::Cursors(CursorFile::path(directory)));
    }
    let (cursor_file, journal_id, stored) = if known {
        CursorFile::open(files, directory)?
    } else {
        let journal_id = uuid::Uuid::new_v4().into_bytes();
        let file = CursorFile::create(files, directory, journal_id)?;
        (file, journal_id, Stored::default())
    };
    let mut segments = Vec::with_capacity(bases.len());
    for base in bases {
        segments.push(open_segment(files, directory, base, journal_id)?);
    }
    finish(journal_id, segments, cursor_file, stored)
}

fn finish(
    journal_id: [u8; 16],
    mut segments: Vec<Segment>,
    cursor_file: CursorFile,
    stored: Stored,
) -> Result<Recovered, OpenError> {
    let cursors_max = stored
        .cursors
        .values()
        .map(super::Cursor::position_max)
        .max();
    let mut position_max = stored.position_max.max(stored.head.position);
    position_max = position_max.max(cursors_max.unwrap_or(0));
    position_max = position_max.max(segments.last().map_or(0, |last| last.base - 1));
    let mut head = Head::default();
    let mut writable = None;
    if let Some(last) = segments.last_mut() {
        let path = last.path.clone();
        let failed = || OpenError::io("recover", path.clone());
        match last.header {
            Some(header) => {
                let mut scan = scan(last, header).map_err(failed())?;
                scan.last = scan.last.max(header.base - 1);
                position_max = position_max.max(scan.last);
                position_max = position_max.max(scan.later.map_or(0, |(position, _)| position));
                let claimed = stored
                    .head
                    .position
                    .max(scan.later.map_or(0, |(_, sync)| sync));
                let events = header.events_before + scan.events;
                let damaged = claimed > scan.last;
                if damaged {
                    tracing::error!(
                        file = last.name(),
                        offset = scan.end,
                        after = scan.last,
                        durable = claimed,
                        "journal damaged: destinations that need the place are held"
                    );
                } else {
                    make_durable(last, &scan, stored.head.position).map_err(failed())?;
                    writable = Some((header.salt, scan.end));
                }
                head = Head {
                    position: scan.last.max(claimed),
                    events: if damaged {
                        events.max(stored.head.events)
                    } else {
                        events
                    },
                };
                last.end = if damaged { last.file_bytes } else { scan.end };
            }
            None => {
                head = Head {
                    position: position_max,
                    events: stored.head.events,
                }
            }
        }
    } else {
        head.position = stored.head.position;
        head.events = stored.head.events;
    }
    let tail = match (segments.last(), writable) {
        (Some(last), Some((salt, offset))) => Tail {
            file: Arc::clone(&last.file),
            salt,
            segment_bytes: last.file_bytes,
            offset,
            closed: false,
        },
        _ => Tail {
            file: Arc::new(NoFile),
            salt: 0,
            segment_bytes: 0,
            offset: 0,
            closed: true,
        },
    };
    Ok(Recovered {
        journal_id,
        segments,
        head,
        next_position: position_max.max(head.position) + 1,
        cursors: CursorTable {
            cursors: stored.cursors,
            dirty: true,
        },
        cursor_file,
        tail,
    })
}

fn open_segment(
    files: &dyn Files,
    directory: &Path,
    base: u64,
    journal_id: [u8; 16],
) -> Result<Segment, OpenError> {
    let path = segment::path(directory, base);
    let file = files.open(&path).map_err(OpenError::io("open", &path))?;
    let file_bytes = file.length().map_err(OpenError::io("inspect", &path))?;
    let header = match SegmentHeader::read(&*file) {
        Ok(header) if header.journal_id != journal_id => return Err(OpenError::Foreign(path)),
        Ok(header) if header.base == base => Some(header),
        Err(HeaderFault::Version(version)) => {
            return Err(OpenError::Version {
                path,
                version,
                known: VERSION,
            });
        }
        Err(HeaderFault::Io(error)) => return Err(OpenError::io("read", &path)(error)),
        Ok(_) | Err(HeaderFault::Invalid) => {
            let file = path.display().to_string();
            tracing::error!(
                file,
                "segment has no valid first block: readers of it are held"
            );
            None
        }
    };
    Ok(Segment {
        base,
        header,
        file,
        path,
        end: file_bytes,
        file_bytes,
    })
}

/// Reads records up to the first unreadable place, then looks for valid ones behind it.
fn scan(segment: &Segment, header: SegmentHeader) -> io::Result<Scan> {
    let mut scan = Scan {
        end: HEADER_BYTES,
        ..Scan::default()
    };
    let mut source = Source::new(&*segment.file);
    loop {
        let (record, length) = match source.decode(scan.end, header.salt)? {
            Some((record, length)) if record.position > scan.last => (record, length),
            _ => break,
        };
        note(&mut scan, &record);
        scan.end += length as u64;
    }
    let mut offset = scan.end + ALIGNMENT as u64;
    while let Some(candidate) = source.find_magic(offset)? {
        if let Some((record, _)) = source.decode(candidate, header.salt)?
            && record.position > scan.last
        {
            let (position, synced) = scan.later.unwrap_or_default();
            scan.later = Some((
                position.max(record.position),
                synced.max(record.synced_through),
            ));
        }
        offset = candidate + ALIGNMENT as u64;
    }
    Ok(scan)
}

fn note(scan: &mut Scan, record: &Record) {
    scan.last = record.position;
    scan.events += u64::from(!record.gap);
    scan.synced_through = scan.synced_through.max(record.synced_through);
    let synced_through = scan.synced_through;
    scan.tail.retain(|(_, position)| *position > synced_through);
    scan.tail.push((scan.end, record.position));
}

/// Cuts what is torn, and writes the last group again: after a failed sync the kernel may have
/// shown bytes that are not on disk. The sync at the end is also the proof that the directory
/// takes writes, before anything is answered.
fn make_durable(segment: &Segment, scan: &Scan, durable: u64) -> io::Result<()> {
    let unsure = scan.tail.iter().find(|(_, position)| *position > durable);
    let from = unsure.map_or(scan.end, |(offset, _)| *offset);
    let mut group = vec![0; usize::try_from(scan.end - from).unwrap_or(0)];
    if read_full(&*segment.file, &mut group, from)? < group.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    write_full(&*segment.file, &group, from)?;
    // Zeros to the end, so that no part of a torn group is ever taken for a record.
    let mut offset = scan.end;
    let zeros = vec![0; SCAN_BYTES];
    let mut found = vec![0; SCAN_BYTES];
    while offset < segment.file_bytes {
        let count = read_full(&*segment.file, &mut found, offset)?;
        if count == 0 {
            break;
        }
        let found = found.get(..count).unwrap_or_default();
        if found.iter().any(|byte| *byte != 0) {
            write_full(
                &*segment.file,
                zeros.get(..count).unwrap_or_default(),
                offset,
            )?;
        }
        offset += count as u64;
    }
    segment.file.sync_data()
}

/// A file read in large pieces.
struct Source<'a> {
    file: &'a dyn JournalFile,
    start: u64,
    bytes: Bytes,
}

impl<'a> Source<'a> {
    fn new(file: &'a dyn JournalFile) -> Self {
        Self {
            file,
            start: 0,
            bytes: Bytes::new(),
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
        let count = read_full(self.file, &mut buffer, offset)?;
        buffer.truncate(count);
        self.start = offset;
        self.bytes = Bytes::from(buffer);
        Ok(self.bytes.clone())
    }

    /// The record at `offset`, if there is one.
    fn decode(&mut self, offset: u64, salt: u32) -> io::Result<Option<(Record, usize)>> {
        let mut wanted = super::record::FIXED_BYTES;
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
    fn find_magic(&mut self, mut offset: u64) -> io::Result<Option<u64>> {
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

/// Stands for the file of a tail that is closed; never used before a rotation replaces it.
struct NoFile;

impl JournalFile for NoFile {
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(0)
    }
}
