//! Reads a stopped journal through without changing it: what is in it, and what is wrong.
//!
//! Unlike a reader it goes on behind damage, wherever the next valid record is, so that all that
//! can be read can be saved. It takes the journal's lock: a running relay's journal is changing.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::cursor_file::CursorFile;
use super::cursors::Cursor;
use super::error::OpenError;
use super::files::{Files, JournalFile};
use super::record::{ALIGNMENT, Record};
use super::scan::Source;
use super::seal::Summary;
use super::segment::{self, HEADER_BYTES, HeaderFault, SegmentHeader, VERSION};
use super::skip::Skip;
use super::{Head, lock};

/// A journal as it lies on disk.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The durable head as the cursor file has it: up to a second old.
    pub head: Head,
    /// How far each destination is.
    pub cursors: BTreeMap<String, Cursor>,
    /// Segments, oldest first.
    pub segments: Vec<SegmentSurvey>,
    /// What is wrong, each with file, place and what is missing.
    pub problems: Vec<String>,
}

/// One segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentSurvey {
    /// File name.
    pub file: String,
    /// File length.
    pub bytes: u64,
    /// The first position it may hold.
    pub base: u64,
    /// Events stored before it, by its first block; none where that cannot be read.
    pub events_before: Option<u64>,
    /// When it was begun, Unix milliseconds.
    pub created_ms: u64,
    /// Events that can be read.
    pub events: u64,
    /// Positions of the first and the last of them, the former as the base says where only the
    /// seal was read; 0 for none.
    pub positions: (u64, u64),
    /// Earliest and latest received time of them, Unix milliseconds; 0 for none.
    pub received_ms: (u64, u64),
    /// End of the last record that can be read.
    pub end: u64,
    /// Places between records that cannot be read: offset, and the last position before.
    pub unreadable: Vec<(u64, u64)>,
    /// It has a seal, so that nothing more is written to it.
    pub sealed: bool,
    /// What is wrong with its seal, for people.
    pub seal_problem: Option<&'static str>,
}

/// Looks through all segments; `each` gets every record that can be read, oldest first. A segment
/// whose seal is read, and that is not `wanted` by earliest and latest received time, is not read
/// further: its seal says what is in it.
pub fn survey(
    directory: &Path,
    files: &dyn Files,
    wanted: impl Fn((u64, u64)) -> bool,
    mut each: impl FnMut(&Record),
) -> Result<Survey, OpenError> {
    let _lock = lock::lock(directory)?;
    let (_, journal_id, stored) = CursorFile::open(files, directory)?;
    let names = files
        .list(directory)
        .map_err(OpenError::io("list", directory))?;
    let mut bases: Vec<u64> = names
        .iter()
        .filter_map(|name| segment::base_of(name))
        .collect();
    bases.sort_unstable();
    let mut survey = Survey {
        head: stored.head,
        cursors: stored.cursors,
        segments: Vec::with_capacity(bases.len()),
        problems: Vec::new(),
    };
    let newest = bases.last().copied();
    for base in bases {
        let durable = (Some(base) == newest).then_some(survey.head.position);
        let path = segment::path(directory, base);
        let failed = || OpenError::io("read", path.clone());
        let file = files.open(&path).map_err(failed())?;
        let mut found = SegmentSurvey {
            file: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            bytes: file.length().map_err(failed())?,
            base,
            end: HEADER_BYTES,
            ..SegmentSurvey::default()
        };
        match SegmentHeader::read(&*file) {
            Ok(header) if header.journal_id != journal_id => return Err(OpenError::Foreign(path)),
            Ok(header) => {
                found.events_before = Some(header.events_before);
                found.created_ms = header.created_ms;
                let seal = Summary::read(&*file, found.bytes, header.salt).map_err(failed())?;
                found.sealed = seal.is_some();
                match seal {
                    Some(seal) if !wanted(seal.received_ms) => found.take(&seal),
                    seal => {
                        let mut source = Source::salvaging(&*file);
                        found
                            .read(&mut source, header.salt, durable, seal, &mut each)
                            .map_err(failed())?;
                        found
                            .compare(seal, Some(base) == newest, &*file, header.salt)
                            .map_err(failed())?;
                    }
                }
            }
            Err(HeaderFault::Version(version)) => {
                return Err(OpenError::Version {
                    path,
                    version,
                    known: VERSION,
                });
            }
            Err(HeaderFault::Io(error)) => return Err(failed()(error)),
            Err(HeaderFault::Invalid) => {
                let problem = format!("{}: no valid first block", found.file);
                let before = base.saturating_sub(1);
                survey.problems.push(told(problem, before, &stored.skips));
            }
        }
        survey.segments.push(found);
    }
    survey.judge(&stored.skips);
    Ok(survey)
}

impl SegmentSurvey {
    /// Takes over what the seal says.
    fn take(&mut self, seal: &Summary) {
        self.events = seal.events;
        self.end = seal.end;
        self.received_ms = seal.received_ms;
        if seal.events > 0 {
            self.positions = (self.base, seal.last);
        }
    }

    /// Holds the seal against the records.
    fn compare(
        &mut self,
        seal: Option<Summary>,
        newest: bool,
        file: &dyn JournalFile,
        salt: u32,
    ) -> io::Result<()> {
        let Some(seal) = seal else {
            // The last segment has none yet, and one that ends in damage never gets one.
            let expected = !newest && self.unreadable.is_empty();
            self.seal_problem = expected.then_some("it has no valid seal: starts are slower");
            return Ok(());
        };
        let keys = seal.keys(file, self.bytes, salt)?;
        let index = seal.index(file, self.bytes, salt)?;
        let read = (self.events, self.end, self.received_ms);
        self.seal_problem = if keys.is_none() {
            Some("the keys in its seal are damaged: some resends are not recognised")
        } else if index.is_none() {
            Some("the index in its seal is damaged: reading from its middle is slow")
        } else if self.unreadable.is_empty() && read != (seal.events, seal.end, seal.received_ms) {
            Some("what can be read is not what its seal says")
        } else {
            None
        };
        Ok(())
    }

    /// Reads all records, passing over what cannot be read. `durable` is given for the last
    /// segment, whose end may be torn.
    fn read(
        &mut self,
        source: &mut Source<'_>,
        salt: u32,
        durable: Option<u64>,
        seal: Option<Summary>,
        each: &mut impl FnMut(&Record),
    ) -> io::Result<()> {
        let mut last = self.base.saturating_sub(1);
        let mut offset = HEADER_BYTES;
        loop {
            while let Some((record, length)) = source.decode(offset, salt)?
                && record.position > last
            {
                last = record.position;
                offset += length as u64;
                self.end = offset;
                if !record.gap {
                    self.note(&record);
                    each(&record);
                }
            }
            let Some((next, synced)) = later(source, offset, salt, last)? else {
                return Ok(());
            };
            if seal.is_some_and(|seal| next >= seal.end) {
                // What a refused group left, which was never answered.
                return Ok(());
            }
            if durable.is_some_and(|durable| durable.max(synced) <= last) {
                // A torn group that nobody vouched for: a start cuts it.
                return Ok(());
            }
            self.unreadable.push((offset, last));
            offset = next;
        }
    }

    fn note(&mut self, record: &Record) {
        let first = self.events == 0;
        self.events += 1;
        let (earliest, latest) = self.received_ms;
        let received = record.received_ms;
        self.received_ms = (
            if first {
                received
            } else {
                earliest.min(received)
            },
            latest.max(received),
        );
        self.positions = (
            if first {
                record.position
            } else {
                self.positions.0
            },
            record.position,
        );
    }
}

impl Survey {
    /// Compares what was found with what segments and cursors say must be there.
    fn judge(&mut self, skips: &[Skip]) {
        for (index, found) in self.segments.iter().enumerate() {
            for (offset, after) in &found.unreadable {
                let problem = format!(
                    "{}: unreadable at offset {offset}, after position {after}; valid records \
                     follow",
                    found.file
                );
                self.problems.push(told(problem, *after, skips));
            }
            if let Some(problem) = found.seal_problem {
                self.problems.push(format!("{}: {problem}", found.file));
            }
            let next = self
                .segments
                .get(index + 1)
                .and_then(|next| next.events_before);
            if let (Some(before), Some(next)) = (found.events_before, next)
                && before + found.events != next
            {
                let problem = format!(
                    "{}: {} event(s) can be read, {} were stored",
                    found.file,
                    found.events,
                    next.saturating_sub(before)
                );
                // What is missing is missing behind one of these; the last stands for a lost tail.
                let last = found.positions.1.max(found.base.saturating_sub(1));
                let place = found.unreadable.last().map_or(last, |(_, after)| *after);
                self.problems.push(told(problem, place, skips));
            }
        }
        let last = self.segments.iter().rev().find(|found| found.events > 0);
        let last = last.map_or(0, |found| found.positions.1);
        let kept = self.segments.first().map_or(0, |first| first.base);
        if self.head.position > last && self.head.position >= kept && kept > 0 {
            let problem = format!(
                "events up to position {} were durable, but none after {last} can be read",
                self.head.position
            );
            self.problems.push(told(problem, last, skips));
        }
        for (name, cursor) in &self.cursors {
            if kept > cursor.low_water + 1 && self.head.position > cursor.low_water {
                let problem = format!(
                    "destination {name} needs events after position {}, but the oldest segment \
                     begins at {kept}",
                    cursor.low_water
                );
                self.problems.push(told(problem, cursor.low_water, skips));
            }
        }
    }
}

/// The problem with the place behind a position, and whether that was passed.
fn told(problem: String, after: u64, skips: &[Skip]) -> String {
    match skips.iter().any(|skip| skip.covers(after)) {
        true => problem + "; passed with `siem-relay journal skip`",
        false => problem,
    }
}

/// Where the next valid record above `last` is behind `offset`, and the highest
/// `synced_through` of it and all behind it.
fn later(
    source: &mut Source<'_>,
    mut offset: u64,
    salt: u32,
    last: u64,
) -> io::Result<Option<(u64, u64)>> {
    let mut found: Option<(u64, u64)> = None;
    while let Some(candidate) = source.find_magic(offset)? {
        if let Some((record, _)) = source.decode(candidate, salt)?
            && record.position > last
        {
            let (first, synced) = found.unwrap_or((candidate, 0));
            found = Some((first, synced.max(record.synced_through)));
        }
        offset = candidate + ALIGNMENT as u64;
    }
    Ok(found)
}
