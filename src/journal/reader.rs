//! Reads durable records in order, from a place on.
//!
//! A reader stops at the durable end and never looks behind it. At the end of a segment it
//! compares its count with the next segment's: a segment that ends early is damage, not an end.
//! Damage is reported again at each call, until somebody passes it (see `skip`), and is then
//! reported once as lost; it is never skipped silently. Damage in front of what is wanted is
//! nobody's loss here, and is passed over.

use std::sync::Arc;

use super::Shared;
use super::error::ReadError;
use super::record::{Record, Unreadable, decode};
use super::skip::{Obstacle, Passed};

mod place;
mod stretch;

use place::Place;
use stretch::Stretch;

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

/// Events that a reader cannot have any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The last position before them.
    pub after: u64,
    /// The last of their positions.
    pub through: u64,
    /// Events stored before them; 0 where that is not known, since their segments are gone.
    pub before: u64,
    /// Events stored up to the last of them: how many they are is the difference.
    pub ordinal: u64,
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

/// What was found at a place.
enum Step {
    Read(Read),
    /// Nothing more in this segment.
    SegmentEnd,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.recent.remove_reader();
    }
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, after: u64) -> Self {
        shared.recent.add_reader();
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
        let (before, segment) = {
            let segments = self.shared.segments();
            let index = segments.partition_point(|segment| segment.base <= self.after + 1);
            let before = index.checked_sub(2).and_then(|index| segments.get(index));
            let segment = segments.get(index.saturating_sub(1));
            (before.cloned(), segment.cloned())
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
                ordinal: before
                    .and_then(|before| before.events_through())
                    .unwrap_or(0),
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

    /// The next records as far as they lie in memory, within the same limits: without a look at a
    /// file, so it never waits. None where the next one is not there, of which [`Reader::read`]
    /// tells more.
    pub fn read_at_hand(
        &mut self,
        records_max: usize,
        bytes_max: usize,
    ) -> Option<Vec<ReadRecord>> {
        let place = self.place.as_mut()?;
        // Whoever has the segments may be busy with a file.
        place.refresh_end(&self.shared.try_segments()?);
        let mut stretch = Stretch::new(self.after, records_max, bytes_max);
        stretch.take_at_hand(place, &self.shared, wanted(bytes_max));
        self.after = self.after.max(place.last);
        (!stretch.records.is_empty()).then_some(stretch.records)
    }

    /// Reads a stretch of the present segment.
    fn step(&mut self, records_max: usize, bytes_max: usize) -> Result<Step, ReadError> {
        let Some(place) = self.place.as_mut() else {
            return Ok(Step::SegmentEnd);
        };
        place.refresh_end(&self.shared.segments());
        let wanted = wanted(bytes_max);
        let mut stretch = Stretch::new(self.after, records_max, bytes_max);
        if !stretch.take_at_hand(place, &self.shared, wanted) {
            let bytes = place.fetch(wanted)?;
            match stretch.take(place, &bytes) {
                // What is already decoded goes out first; the rest is fetched at the next call.
                (passed, _) if passed > 0 => {}
                (_, Some(Unreadable::Incomplete(length)))
                    if bytes.len() < length && place.remaining() >= length as u64 =>
                {
                    return self.large(length);
                }
                _ => return Ok(Step::SegmentEnd),
            }
        }
        self.after = self.after.max(place.last);
        Ok(Step::Read(Read::Records(stretch.records)))
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
        let (gone, next) = {
            let segments = self.shared.segments();
            let gone = segments.iter().all(|s| s.base > place.segment.base);
            let next = segments.iter().find(|s| s.base > place.segment.base);
            (gone, next.cloned())
        };
        let obstacle = match next {
            Some(next) => match next.header {
                // Where the present one is gone, so may be others: nobody needs what was in them.
                Some(header) if gone || header.events_before == place.ordinal => {
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

/// Bytes to look at for so many of payload.
fn wanted(bytes_max: usize) -> usize {
    bytes_max.saturating_add(SLACK_BYTES).min(FETCH_BYTES_MAX)
}
