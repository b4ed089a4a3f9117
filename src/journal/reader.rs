//! Reads durable records in order, from a place on.
//!
//! A reader stops at the durable end and never looks behind it. At the end of a segment it
//! compares its count with the next segment's: a segment that ends early is damage, not an end.
//! Damage is reported again at each call, until somebody passes it; it is never skipped silently.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Shared;
use super::error::ReadError;
use super::files::read_full;
use super::record::{FIXED_BYTES, Record, Unreadable, decode};
use super::seal::{IndexEntry, Summary};
use super::segment::{HEADER_BYTES, Segment};

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

/// A place in the journal to read from.
pub struct Reader {
    shared: Arc<Shared>,
    /// Position of the last record passed; what follows is wanted.
    after: u64,
    place: Option<Place>,
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
    Records(Vec<ReadRecord>),
    /// Nothing more in this segment.
    SegmentEnd,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, after: u64) -> Self {
        Self {
            shared,
            after,
            place: None,
        }
    }

    /// The next durable records: at most `records_max`, and none after `bytes_max` of payload are
    /// passed; at least one if there is one.
    pub fn read(
        &mut self,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<ReadRecord>, ReadError> {
        let head = self.shared.head.borrow().position;
        while self.after < head {
            if self.place.is_none() && !self.open_segment()? {
                return Ok(Vec::new());
            }
            match self.step(records_max, bytes_max)? {
                Step::Records(records) if records.is_empty() => {}
                Step::Records(records) => return Ok(records),
                Step::SegmentEnd => self.next_segment()?,
            }
        }
        Ok(Vec::new())
    }

    /// Opens the segment that holds the record after `after`.
    fn open_segment(&mut self) -> Result<bool, ReadError> {
        let segments = self.shared.segments();
        let index = segments.partition_point(|segment| segment.base <= self.after + 1);
        let Some(segment) = segments.get(index.saturating_sub(1)).cloned() else {
            return Ok(false);
        };
        drop(segments);
        if self.after + 1 < segment.base && self.after + 1 < self.shared.lost_below {
            return Err(ReadError::Damaged {
                file: segment.name(),
                offset: 0,
                after: self.after,
            });
        }
        self.place = Some(Place::before(segment, self.after)?);
        Ok(true)
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
        Ok(Step::Records(records))
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
                Ok(Step::Records(if wanted { vec![read] } else { Vec::new() }))
            }
            _ => Ok(Step::SegmentEnd),
        }
    }

    /// Goes on in the next segment if the present one is complete; else its end is damage.
    fn next_segment(&mut self) -> Result<(), ReadError> {
        let Some(place) = self.place.as_mut() else {
            return Ok(());
        };
        let next = {
            let segments = self.shared.segments();
            segments
                .iter()
                .find(|segment| segment.base > place.segment.base)
                .cloned()
        };
        let complete = next
            .as_ref()
            .and_then(|next| next.header)
            .is_some_and(|header| header.events_before == place.ordinal);
        match next {
            Some(next) if next.header.is_none() => {
                // Whether the present one is complete nobody can say; that one surely is damaged.
                let after = next.base.saturating_sub(1);
                self.place = Some(Place::at_start(next, after)?);
                Ok(())
            }
            Some(next) if complete => {
                self.after = self.after.max(next.base.saturating_sub(1));
                *place = Place::at_start(next, self.after)?;
                Ok(())
            }
            _ => Err(ReadError::Damaged {
                file: place.segment.name(),
                offset: place.offset,
                after: place.last.max(place.segment.base.saturating_sub(1)),
            }),
        }
    }
}

impl Place {
    fn at_start(segment: Segment, after: u64) -> Result<Self, ReadError> {
        let Some(header) = segment.header else {
            return Err(ReadError::Damaged {
                file: segment.name(),
                offset: 0,
                after,
            });
        };
        Ok(Self {
            salt: header.salt,
            offset: HEADER_BYTES,
            ordinal: header.events_before,
            last: segment.base.saturating_sub(1),
            segment,
        })
    }

    /// Near the record after `after`, as far as the segment's index tells; else at its start.
    fn before(mut segment: Segment, after: u64) -> Result<Self, ReadError> {
        let index = std::mem::take(&mut segment.index);
        let mut place = Self::at_start(segment, after)?;
        if after <= place.last {
            return Ok(place);
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
        Ok(place)
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
