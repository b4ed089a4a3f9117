//! Opening: which records are there, where writing goes on, and whether anything is damaged.
//!
//! Only the last segment is read through; the ones before it are complete by construction, and a
//! reader checks their ends. See the journal's essay for the rule that tells a tear from damage.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::cursor_file::{CursorFile, Stored};
use super::cursors::CursorTable;
use super::error::OpenError;
use super::files::{Files, JournalFile, read_full, write_full};
use super::record::FIXED_BYTES;
use super::scan::{SCAN_BYTES, Scan, scan};
use super::seal::Contents;
use super::segment::{self, HeaderFault, Segment, SegmentHeader, VERSION};
use super::{Head, Options, Skip};

/// A journal as it was found, made ready to go on.
pub(super) struct Recovered {
    pub(super) journal_id: [u8; 16],
    pub(super) segments: Vec<Segment>,
    pub(super) head: Head,
    pub(super) next_position: u64,
    pub(super) cursors: CursorTable,
    pub(super) cursor_file: CursorFile,
    pub(super) skips: Vec<Skip>,
    pub(super) tail: Tail,
    /// Readers that need a position below this one are held: its segment is gone. 0 for none.
    pub(super) lost_below: u64,
}

/// Where the committer goes on.
pub(super) struct Tail {
    pub(super) file: Arc<dyn JournalFile>,
    pub(super) salt: u32,
    pub(super) segment_bytes: u64,
    pub(super) offset: u64,
    /// What can be read of the last segment, whether it can be gone on in or not.
    pub(super) contents: Contents,
    /// There is no segment to go on in: the committer begins one.
    pub(super) closed: bool,
}

/// Where the journal ends, and whether its last segment can be gone on in.
struct Ending {
    head: Head,
    /// The highest position that the segment holds or may hold.
    position_max: u64,
    /// Salt and offset.
    writable: Option<(u32, u64)>,
    contents: Contents,
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
        let (mut file, journal_id, stored) = CursorFile::open(files, directory)?;
        file.confirm(&stored).map_err(|error| {
            let path = CursorFile::path(directory);
            OpenError::io("write", path)(io::Error::other(error))
        })?;
        (file, journal_id, stored)
    } else {
        let journal_id = uuid::Uuid::new_v4().into_bytes();
        let file = CursorFile::create(files, directory, journal_id)?;
        (file, journal_id, Stored::default())
    };
    // A kill between a rename and its sync leaves a name that a power cut could still take, and
    // with it what is stored under that name from now on.
    files
        .sync_directory(directory)
        .map_err(OpenError::io("sync", directory))?;
    let mut segments = Vec::with_capacity(bases.len());
    for base in bases {
        segments.push(open_segment(files, directory, base, journal_id)?);
    }
    finish(journal_id, segments, cursor_file, stored, options)
}

fn finish(
    journal_id: [u8; 16],
    mut segments: Vec<Segment>,
    cursor_file: CursorFile,
    stored: Stored,
    options: &Options,
) -> Result<Recovered, OpenError> {
    let cursors_max = stored
        .cursors
        .values()
        .map(super::Cursor::position_max)
        .max();
    let mut position_max = stored.position_max.max(stored.head.position);
    position_max = position_max.max(cursors_max.unwrap_or(0));
    position_max = position_max.max(segments.last().map_or(0, |last| last.base - 1));
    let mut ending = Ending {
        head: stored.head,
        position_max: 0,
        writable: None,
        contents: Contents::default(),
    };
    if let Some(last) = segments.last_mut() {
        ending = find_end(last, &stored, options.resend_window)?;
        position_max = position_max.max(ending.position_max);
    }
    let (head, contents) = (ending.head, ending.contents);
    let tail = match (segments.last(), ending.writable) {
        (Some(last), Some((salt, offset))) => Tail {
            file: Arc::clone(&last.file),
            salt,
            segment_bytes: last.file_bytes,
            offset,
            contents,
            closed: false,
        },
        _ => Tail {
            file: Arc::new(NoFile),
            salt: 0,
            segment_bytes: 0,
            offset: 0,
            contents,
            closed: true,
        },
    };
    let next_position = position_max.max(head.position) + 1;
    let first = segments
        .first()
        .map_or((next_position, head.events), |first| {
            let events_before = first.header.map_or(0, |header| header.events_before);
            (first.base, events_before)
        });
    Ok(Recovered {
        journal_id,
        lost_below: lost_below(&stored, first),
        segments,
        head,
        next_position,
        cursors: CursorTable {
            cursors: stored.cursors,
            dirty: true,
        },
        cursor_file,
        skips: stored.skips,
        tail,
    })
}

/// The log's first position, if events before it are gone that a cursor has not passed.
fn lost_below(stored: &Stored, (base, events_before): (u64, u64)) -> u64 {
    let mut lost = 0;
    for (destination, cursor) in &stored.cursors {
        if cursor.low_water + 1 < base && cursor.events_passed() < events_before {
            let after = cursor.low_water;
            tracing::error!(
                destination,
                after,
                first = base,
                "journal segments are missing: the destination is held"
            );
            lost = base;
        }
    }
    lost
}

/// Decides where the journal ends, by its last segment.
fn find_end(last: &mut Segment, stored: &Stored, keys_max: usize) -> Result<Ending, OpenError> {
    let scanned = last
        .header
        .map(|header| (header, scan(last, header, keys_max)));
    match scanned {
        Some((header, Ok(scan))) => known_ending(last, header, scan, stored),
        Some((_, Err(error))) => {
            let file = last.name();
            tracing::error!(%error, file, "segment cannot be read: readers of it are held");
            Ok(unknown_ending(last, stored))
        }
        None => Ok(unknown_ending(last, stored)),
    }
}

fn known_ending(
    last: &mut Segment,
    header: SegmentHeader,
    scan: Scan,
    stored: &Stored,
) -> Result<Ending, OpenError> {
    let end = scan.contents.last.max(header.base - 1);
    let (later, later_synced) = scan.later.unwrap_or_default();
    let (sealed, sealed_events) = scan.sealed;
    let claimed = stored.head.position.max(later_synced).max(sealed);
    let events = header.events_before + scan.contents.events;
    let position_max = end.max(later);
    if claimed > end {
        tracing::error!(
            file = last.name(),
            offset = scan.end,
            after = end,
            durable = claimed,
            "journal damaged: destinations that need the place are held"
        );
        last.end = last.file_bytes;
        // Always more than can be read: a reader compares, and would take the damage for a true
        // end.
        let events = stored.head.events.max(events + scan.later_events.max(1));
        let events = events.max(header.events_before.saturating_add(sealed_events));
        let head = Head {
            position: claimed,
            events,
        };
        return Ok(Ending {
            head,
            position_max,
            writable: None,
            contents: scan.contents,
        });
    }
    make_durable(last, &scan, stored.head.position)
        .map_err(OpenError::io("recover", last.path.clone()))?;
    last.end = scan.end;
    last.index.clone_from(&scan.contents.index);
    let head = Head {
        position: end,
        events,
    };
    Ok(Ending {
        head,
        position_max,
        writable: Some((header.salt, scan.end)),
        contents: scan.contents,
    })
}

/// Nobody knows what the segment holds: none of its positions, nor its name, may be used again,
/// and no count may be one that a reader could reach.
fn unknown_ending(last: &Segment, stored: &Stored) -> Ending {
    let position_max = last.base + last.file_bytes / FIXED_BYTES as u64;
    let head = Head {
        position: position_max,
        events: stored.head.events + 1,
    };
    Ending {
        head,
        position_max,
        writable: None,
        contents: Contents::default(),
    }
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
        Err(HeaderFault::Io(error)) => {
            let file = path.display().to_string();
            tracing::error!(%error, file, "segment cannot be read: readers of it are held");
            None
        }
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
        index: Vec::new(),
    })
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
    // Zeros to the end, so that no part of a torn group is ever taken for a record, and no seal
    // claims to know what is written from here on.
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
