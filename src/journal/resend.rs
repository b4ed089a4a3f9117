//! The resend window: which keys were stored lately, and by which record.
//!
//! Two generations bounded by count: a full young one becomes the old one, and the old one is
//! dropped. So between half of the limit and the whole of it is remembered, at two look-ups and
//! no bookkeeping per key. Keys are digests, but the map hashes them with a random seed all the
//! same: who can choose bodies can choose digests' prefixes.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::ReadError;
use super::reader::Reader;
use super::record::Record;
use super::{Shared, segment::Segment};

/// Bytes of payload read at once while rebuilding.
const READ_BYTES: usize = 1024 * 1024;
/// Records read at once while rebuilding.
const READ_RECORDS: usize = 4096;

/// Keys of stored records.
pub(super) struct ResendWindow {
    generation_max: usize,
    young: HashMap<[u8; 16], [u8; 16]>,
    old: HashMap<[u8; 16], [u8; 16]>,
}

impl ResendWindow {
    /// Remembers up to `limit` keys; 0 remembers none.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            generation_max: limit / 2,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// Reads the keys of the last records of a journal that is being opened.
    pub(super) fn rebuild(shared: &Arc<Shared>) -> Self {
        let limit = shared.options.resend_window;
        let mut window = Self::new(limit);
        if limit == 0 {
            return window;
        }
        let head = *shared.head.borrow();
        let oldest = head.events.saturating_sub(limit as u64);
        let recent = |segment: &Segment| {
            segment
                .header
                .is_some_and(|header| header.events_before <= oldest)
        };
        let base = {
            let segments = shared.segments();
            let first = segments.iter().rev().find(|segment| recent(segment));
            first.or(segments.first()).map_or(1, |segment| segment.base)
        };
        let mut reader = Reader::new(Arc::clone(shared), base.saturating_sub(1));
        loop {
            match reader.read(READ_RECORDS, READ_BYTES) {
                Ok(records) if records.is_empty() => return window,
                Ok(records) => records.iter().for_each(|read| window.note(&read.record)),
                Err(error) => {
                    tracing::warn!(%error, "some resends will not be recognised");
                    // The newest keys are wanted most, and they are behind the damage.
                    let ReadError::Damaged { after, .. } = error else {
                        return window;
                    };
                    let Some(base) = shared.next_base(after + 1) else {
                        return window;
                    };
                    reader = Reader::new(Arc::clone(shared), base - 1);
                }
            }
        }
    }

    fn note(&mut self, record: &Record) {
        if let Some(resend) = record.resend
            && record.duplicate_of.is_none()
            && self.first(&resend.key).is_none()
        {
            self.insert(resend.key, record.id);
        }
    }

    /// The first record with this key.
    pub(super) fn first(&self, key: &[u8; 16]) -> Option<[u8; 16]> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    /// Remembers a key that [`Self::first`] does not know.
    pub(super) fn insert(&mut self, key: [u8; 16], id: [u8; 16]) {
        if self.generation_max == 0 {
            return;
        }
        if self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_half_of_the_limit_and_at_most_all_of_it_is_remembered() {
        let mut window = ResendWindow::new(8);
        for number in 0..100_u8 {
            window.insert([number; 16], [number; 16]);
            for recent in number.saturating_sub(3)..=number {
                assert_eq!(window.first(&[recent; 16]), Some([recent; 16]));
            }
            assert!(number < 8 || window.first(&[number - 8; 16]).is_none());
        }
    }

    #[test]
    fn a_limit_of_zero_remembers_nothing() {
        let mut window = ResendWindow::new(0);
        window.insert([1; 16], [1; 16]);
        assert_eq!(window.first(&[1; 16]), None);
    }
}
