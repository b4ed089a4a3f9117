//! Reads durable records in order, from a place on.
//!
//! A reader stops at the durable end and never looks behind it. At the end of a segment it
//! compares its count with the next segment's: a segment that ends early is damage, not an end.
//! Damage is reported again at each call, until somebody passes it (see `skip`), and is then
//! reported once as lost; it is never skipped silently. Damage in front of what is wanted is
//! nobody's loss here, and is passed over.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Shared;
use super::error::ReadError;
use super::files::read_full;
use super::record::{FIXED_BYTES, Record, Unreadable, decode};
use super::seal::{IndexEntry, Summary};
use super::segment::{HEADER_BYTES, Segment, SegmentHeader};
use super::skip::{Lost, Obstacle, Passed, Skip};

/// Bytes fetched beside those asked for, so that the last record is mostly whole.
const SLACK_BYTES: usize = 16 * 1024;
/// Largest fetch that is not for one large record.
const FETCH_BYTES_MAX: usize = 1024 * 1024;

/// A record with its ordinal.
#[derive(Clone, Debug)]
pub struct ReadRecord {
    /// The record.
    pub record: Record,
    /// How many events were ever stored up to it.
    pub ordinal: u64,
}

/// What comes next in the journal.
#[derive(Clone, Debug)]
pub enum Read {
    /// These records; none at the durable end.
    Records(Vec<ReadRecord>),
    /// A damaged place that a person passed.
    Lost(Lost),
}

/// A place in the journal to read from.
pub struct Reader {
    shared: Arc<Shared>,
    /// Position of the last record passed; what follows is wanted.
    after: u64,
    place: Option<Place>,
    /// Where it was held when damage was last reported.
    obstacle: Option<Obstacle>,
}

/// Where in which segment the next record is.
struct Place {
    segment: Segment,
    salt: u32,
    offset: u64,
    /// Ordinal of the last event passed.
    ordinal: u64,
    /// Position of the last record passed in the segment.
    last: u64,
}

/// What was found at a place.
enum Step {
    Read(Read),
    /// Nothing more in this segment.
    SegmentEnd,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, after: u64) -> Self {
        Self {
            shared,
            after,
            place: None,
            obstacle: None,
        }
    }

    /// The next durable records: at most `records_max`, and none after `bytes_max` of payload are
    /// passed; at least one if there is one.
    pub fn read(&mut self, records_max: usize, bytes_max: usize) -> Result<Read, ReadError> {
        let head = self.shared.head.borrow().position;
        while self.after < head {
            let read = if self.place.is_none() {
                self.open_segment()?
            } else {
                match self.step(records_max, bytes_max)? {
                    Step::Read(read) => Some(read),
                    Step::SegmentEnd => self.next_segment()?,
                }
            };
            match read {
                None => {}
                Some(Read::Records(records)) if records.is_empty() => {}
                Some(read) => return Ok(read),
            }
        }
        Ok(Read::Records(Vec::new()))
    }

    /// Position of the last record passed.
    pub(super) fn after(&self) -> u64 {
        self.after
    }

    /// Goes on behind the damage that was just reported, for this reader alone, and tells what
    /// lies there; none where it cannot.
    pub(super) fn pass(&mut self) -> Option<Passed> {
        let obstacle = self.obstacle.take()?;
        let skip = obstacle.behind(&self.shared).ok()?;
        let moved = self.after < skip.through;
        self.after = self.after.max(skip.through);
        self.place = Place::behind(&self.shared, &skip);
        let goes_on = moved || self.place.is_some();
        goes_on.then(|| obstacle.passed(&self.shared, &skip))
    }

    /// What the reader cannot pass, if it is held where it is.
    pub(super) fn obstacle(&mut self) -> Result<Option<Obstacle>, ReadError> {
        match self.read(1, 1) {
            Err(ReadError::Damaged { .. }) => Ok(self.obstacle.take()),
            Err(error) => Err(error),
            Ok(_) => Ok(None),
        }
    }

    /// Opens the segment that holds the record after `after`.
    fn open_segment(&mut self) -> Result<Option<Read>, ReadError> {
        let segment = {
            let segments = self.shared.segments();
            let index = segments.partition_point(|segment| segment.base <= self.after + 1);
            segments.get(index.saturating_sub(1)).cloned()
        };
        // There is always one once something is durable.
        let Some(segment) = segment else {
            self.after = self.shared.head.borrow().position;
            return Ok(None);
        };
        let missing = self.after + 1 < segment.base && self.after + 1 < self.shared.lost_below;
        match segment.header {
            Some(header) if !missing => {
                self.place = Some(Place::before(segment, header, self.after));
                Ok(None)
            }
            // Segments in front are gone, or a first block cannot be read, which leaves nothing of
            // its segment.
            _ => self.blocked(Obstacle {
                offset: 0,
                after: if missing {
                    self.after
                } else {
                    segment.base - 1
                },
                ordinal: 0,
                missing,
                segment,
            }),
        }
    }

    /// Goes on behind damage where that is passed or nothing wanted is in it; else is held.
    fn blocked(&mut self, obstacle: Obstacle) -> Result<Option<Read>, ReadError> {
        let skip = match self.shared.passed(obstacle.after) {
            Some(skip) => skip,
            None => {
                let wanted_behind = obstacle.after < self.after && !obstacle.missing;
                let behind = wanted_behind.then(|| obstacle.behind(&self.shared));
                match behind {
                    Some(Ok(skip)) if skip.through <= self.after => skip,
                    _ => {
                        let damage = self.shared.found_damage(&obstacle);
                        self.obstacle = Some(obstacle);
                        return Err(ReadError::Damaged {
                            file: damage.file,
                            offset: damage.offset,
                            after: damage.after,
                        });
                    }
                }
            }
        };
        let lost = Lost {
            after: obstacle.after,
            through: skip.through,
            before: obstacle.ordinal,
            ordinal: skip.ordinal,
        };
        self.place = Place::behind(&self.shared, &skip);
        let wanted = self.after < skip.through;
        self.after = self.after.max(skip.through);
        Ok(wanted.then_some(Read::Lost(lost)))
    }

    /// Reads a stretch of the present segment.
    fn step(&mut self, records_max: usize, bytes_max: usize) -> Result<Step, ReadError> {
        let Some(place) = self.place.as_mut() else {
            return Ok(Step::SegmentEnd);
        };
        place.refresh_end(&self.shared);
        let records_max = records_max.max(1);
        let wanted = bytes_max.saturating_add(SLACK_BYTES).min(FETCH_BYTES_MAX);
        let bytes = place.fetch(wanted)?;
        let mut records = Vec::new();
        let mut passed = 0;
        let mut payload_bytes = 0;
        while records.len() < records_max && payload_bytes < bytes_max.max(1) {
            let rest = bytes.slice(passed..);
            match decode(&rest, place.salt) {
                Ok((record, length)) if record.position > place.last => {
                    passed += length;
                    place.last = record.position;
                    if record.gap {
                        continue;
                    }
                    place.ordinal += 1;
                    if record.position > self.after {
                        payload_bytes += record.payload.len();
                        records.push(ReadRecord {
                            record,
                            ordinal: place.ordinal,
                        });
                    }
                }
                // What is already decoded goes out first; the rest is fetched at the next call.
                _ if passed > 0 => break,
                Err(Unreadable::Incomplete(length)) if bytes.len() < length => {
                    if place.remaining() < length as u64 {
                        return Ok(Step::SegmentEnd);
                    }
                    return self.large(length);
                }
                _ => return Ok(Step::SegmentEnd),
            }
        }
        place.offset += passed as u64;
        self.after = self.after.max(place.last);
        Ok(Step::Read(Read::Records(records)))
    }

    /// Reads one record that is larger than a fetch.
    fn large(&mut self, length: usize) -> Result<Step, ReadError> {
        let Some(place) = self.place.as_mut() else {
            return Ok(Step::SegmentEnd);
        };
        let bytes = place.fetch(length)?;
        match decode(&bytes, place.salt) {
            Ok((record, stored)) if record.position > place.last => {
                place.offset += stored as u64;
                place.last = record.position;
                place.ordinal += u64::from(!record.gap);
                let wanted = !record.gap && record.position > self.after;
                self.after = self.after.max(place.last);
                let read = ReadRecord {
                    record,
                    ordinal: place.ordinal,
                };
                let records = if wanted { vec![read] } else { Vec::new() };
                Ok(Step::Read(Read::Records(records)))
            }
            _ => Ok(Step::SegmentEnd),
        }
    }

    /// Goes on in the next segment if the present one is complete; else its end is damage.
    fn next_segment(&mut self) -> Result<Option<Read>, ReadError> {
        let Some(place) = self.place.as_mut() else {
            return Ok(None);
        };
        let next = {
            let segments = self.shared.segments();
            let next = segments.iter().find(|s| s.base > place.segment.base);
            next.cloned()
        };
        let obstacle = match next {
            Some(next) => match next.header {
                Some(header) if header.events_before == place.ordinal => {
                    self.after = self.after.max(next.base - 1);
                    *place = Place::at_start(next, header);
                    return Ok(None);
                }
                Some(_) => place.obstacle(),
                // Whether the present one is complete nobody can say; that one surely is damaged.
                None => Obstacle {
                    offset: 0,
                    after: next.base - 1,
                    ordinal: place.ordinal,
                    missing: false,
                    segment: next,
                },
            },
            None => place.obstacle(),
        };
        self.blocked(obstacle)
    }
}

impl Place {
    fn at_start(segment: Segment, header: SegmentHeader) -> Self {
        Self {
            salt: header.salt,
            offset: HEADER_BYTES,
            ordinal: header.events_before,
            last: segment.base - 1,
            segment,
        }
    }

    /// Near the record after `after`, as far as the segment's index tells; else at its start.
    fn before(mut segment: Segment, header: SegmentHeader, after: u64) -> Self {
        let index = std::mem::take(&mut segment.index);
        let mut place = Self::at_start(segment, header);
        if after <= place.last {
            return place;
        }
        let index = match index.is_empty() {
            false => index,
            // What cannot be read here is reported when the records are.
            true => place.sealed_index().unwrap_or_default(),
        };
        let passed = index.partition_point(|entry| entry.position <= after + 1);
        if let Some(entry) = index.get(passed.wrapping_sub(1)) {
            place.offset = entry.offset;
            place.ordinal += entry.events;
            place.last = entry.position - 1;
        }
        place
    }

    /// Behind a damaged place; none if the segment there went meanwhile.
    fn behind(shared: &Shared, skip: &Skip) -> Option<Self> {
        let segments = shared.segments();
        let segment = segments.iter().find(|s| s.base == skip.base).cloned()?;
        let header = segment.header?;
        Some(Self {
            offset: skip.offset,
            ordinal: skip.ordinal,
            last: skip.through,
            ..Self::at_start(segment, header)
        })
    }

    fn obstacle(&self) -> Obstacle {
        Obstacle {
            segment: self.segment.clone(),
            offset: self.offset,
            after: self.last,
            ordinal: self.ordinal,
            missing: false,
        }
    }

    fn sealed_index(&self) -> Option<Vec<IndexEntry>> {
        let (file, bytes) = (&*self.segment.file, self.segment.file_bytes);
        let seal = Summary::read(file, bytes, self.salt).ok()??;
        seal.index(file, bytes, self.salt).ok()?
    }

    /// The segment may have grown, if it is the one being written.
    fn refresh_end(&mut self, shared: &Shared) {
        let segments = shared.segments();
        if let Some(segment) = segments.iter().rev().find(|s| s.base == self.segment.base) {
            self.segment.end = segment.end;
        }
    }

    fn remaining(&self) -> u64 {
        self.segment.end.saturating_sub(self.offset)
    }

    /// Up to `wanted` durable bytes from the place on.
    fn fetch(&self, wanted: usize) -> Result<Bytes, ReadError> {
        let remaining = usize::try_from(self.remaining()).unwrap_or(usize::MAX);
        let wanted = wanted.max(FIXED_BYTES).min(remaining);
        let mut buffer = BytesMut::zeroed(wanted);
        let count = read_full(&*self.segment.file, &mut buffer, self.offset).map_err(|error| {
            ReadError::Io {
                file: self.segment.name(),
                message: error.to_string(),
            }
        })?;
        buffer.truncate(count);
        Ok(buffer.freeze())
    }
}
