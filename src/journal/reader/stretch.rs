//! Records decoded one after another, within limits.

use bytes::Bytes;

use super::ReadRecord;
use super::place::Place;
use crate::journal::Shared;
use crate::journal::record::{Unreadable, decode};

/// The records of one read.
pub(super) struct Stretch {
    pub(super) records: Vec<ReadRecord>,
    /// Those up to this position are passed over.
    after: u64,
    records_max: usize,
    bytes_max: usize,
    payload_bytes: usize,
}

impl Stretch {
    /// At most so many records behind a position, and none after so many bytes of payload; at
    /// least one in any case.
    pub(super) fn new(after: u64, records_max: usize, bytes_max: usize) -> Self {
        Self {
            records: Vec::new(),
            after,
            records_max: records_max.max(1),
            bytes_max: bytes_max.max(1),
            payload_bytes: 0,
        }
    }

    /// Takes the records that lie in memory from the place on; whether it moved.
    pub(super) fn take_at_hand(
        &mut self,
        place: &mut Place,
        shared: &Shared,
        wanted: usize,
    ) -> bool {
        let from = place.offset;
        for bytes in place.at_hand(shared, wanted) {
            let (passed, _) = self.take(place, &bytes);
            if passed < bytes.len() {
                break;
            }
        }
        place.offset > from
    }

    /// Takes records off the front of `bytes`, which begin at the place, and moves the place
    /// behind them. Returns how many bytes that were, and what is wrong with the next one if it
    /// was looked at and is no record.
    pub(super) fn take(&mut self, place: &mut Place, bytes: &Bytes) -> (usize, Option<Unreadable>) {
        let mut passed = 0;
        while self.records.len() < self.records_max
            && self.payload_bytes < self.bytes_max
            && passed < bytes.len()
        {
            let (record, length) = match decode(&bytes.slice(passed..), place.salt) {
                Ok((record, length)) if record.position > place.last => (record, length),
                Ok(_) => return (passed, Some(Unreadable::NoRecord)),
                Err(unreadable) => return (passed, Some(unreadable)),
            };
            passed += length;
            place.offset += length as u64;
            place.last = record.position;
            if record.gap {
                continue;
            }
            place.ordinal += 1;
            if record.position > self.after {
                self.payload_bytes += record.payload.len();
                self.records.push(ReadRecord {
                    record,
                    ordinal: place.ordinal,
                });
            }
        }
        (passed, None)
    }
}
