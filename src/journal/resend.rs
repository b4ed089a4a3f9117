//! The resend window: which keys were stored lately, and by which record.
//!
//! Two generations bounded by count: a full young one becomes the old one, and the old one is
//! dropped. So between half of the limit and the whole of it is remembered, at two look-ups and
//! no bookkeeping per key. Keys are digests, but the map hashes them with a random seed all the
//! same: who can choose bodies can choose digests' prefixes.

use std::collections::HashMap;
use std::io;

use super::scan::scan;
use super::seal::{Contents, Key, Summary};
use super::segment::Segment;

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

    /// Takes over the keys of the last records of a journal that is being opened: those of the
    /// segment that is written to, and from the seals of as many before it as it takes.
    pub(super) fn rebuild(segments: &[Segment], last: &Contents, limit: usize) -> Self {
        let mut window = Self::new(limit);
        let mut missing = limit.saturating_sub(last.keys.len());
        let mut older = Vec::new();
        for segment in segments.iter().rev().skip(1) {
            if missing == 0 {
                break;
            }
            match keys_of(segment, limit) {
                Ok(keys) => {
                    missing = missing.saturating_sub(keys.len());
                    older.push(keys);
                }
                Err(error) => {
                    let file = segment.name();
                    tracing::warn!(%error, file, "some resends will not be recognised");
                }
            }
        }
        for (key, id) in older.iter().rev().flatten().chain(&last.keys) {
            if window.first(key).is_none() {
                window.insert(*key, *id);
            }
        }
        window
    }

    /// The first record with this key.
    pub(super) fn first(&self, key: &[u8; 16]) -> Option<[u8; 16]> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    /// Forgets a key again whose record was not stored after all.
    pub(super) fn remove(&mut self, key: &[u8; 16]) {
        // A key behind it in the same group may have begun a new generation.
        self.young.remove(key);
        self.old.remove(key);
    }

    /// Remembers a key that [`Self::first`] does not know.
    pub(super) fn insert(&mut self, key: [u8; 16], id: [u8; 16]) {
        if self.generation_max == 0 {
            return;
        }
        if self.young.len() >= self.generation_max {
            // The memory of the one that is dropped is used again.
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
        }
        self.young.insert(key, id);
    }
}

/// The resend keys of a segment that is not written to any more. Without a valid seal, as behind
/// damage, its records are read; what lies behind the damage is then not known.
fn keys_of(segment: &Segment, keys_max: usize) -> io::Result<Vec<Key>> {
    let Some(header) = segment.header else {
        return Err(io::Error::other("no valid first block"));
    };
    let (file, file_bytes) = (&*segment.file, segment.file_bytes);
    if let Some(seal) = Summary::read(file, file_bytes, header.salt)?
        && let Some(keys) = seal.keys(file, file_bytes, header.salt)?
    {
        return Ok(keys);
    }
    Ok(scan(segment, header, keys_max)?.contents.keys.into())
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
