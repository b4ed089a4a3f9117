//! The resend window: which keys were stored lately, and by which record.
//!
//! Two generations bounded by count: a full young one becomes the old one, and the old one is
//! dropped. So between half of the limit and the whole of it is remembered, at two look-ups and
//! no bookkeeping per key. Keys are digests, so one multiplication makes a hash of them. It is
//! seeded all the same: who can choose bodies can choose digests' prefixes, and must not be able to
//! choose which ones meet in the map.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;

use super::record::Fields;
use super::scan::scan;
use super::seal::{Contents, Key, Summary};
use super::segment::Segment;

/// An odd number without a pattern (of SplitMix64).
const MIXER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Keys of stored records.
pub(super) struct ResendWindow {
    generation_max: usize,
    young: HashMap<[u8; 16], [u8; 16], Seeded>,
    old: HashMap<[u8; 16], [u8; 16], Seeded>,
}

/// Makes hashes of digests; its seeds are random, of this process.
#[derive(Clone)]
struct Seeded([u64; 2]);

/// The hash of one digest.
struct DigestHasher {
    seeds: [u64; 2],
    hash: u64,
}

impl ResendWindow {
    /// Remembers up to `limit` keys; 0 remembers none.
    pub(super) fn new(limit: usize) -> Self {
        let seeded = Seeded::random();
        Self {
            generation_max: limit / 2,
            young: HashMap::with_hasher(seeded.clone()),
            old: HashMap::with_hasher(seeded),
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

    /// Brings what [`Self::first`] and [`Self::insert`] look at into the processor's caches.
    /// Look-ups one right after the other wait for memory together, those between other work each
    /// for itself.
    pub(super) fn touch(&self, key: &[u8; 16]) {
        std::hint::black_box((self.young.contains_key(key), self.old.contains_key(key)));
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

impl Seeded {
    fn random() -> Self {
        let random = RandomState::new();
        Self([random.hash_one(0), random.hash_one(1)])
    }
}

impl BuildHasher for Seeded {
    type Hasher = DigestHasher;

    fn build_hasher(&self) -> DigestHasher {
        DigestHasher {
            seeds: self.0,
            hash: 0,
        }
    }
}

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks(16) {
            let (mut halves, [first, second]) = (Fields(pair), self.seeds);
            let left = u64::from_le_bytes(halves.take()) ^ first ^ self.hash;
            let right = u64::from_le_bytes(halves.take()) ^ second;
            // The second product spreads what the first one leaves in order.
            self.hash = folded(folded(left, right), MIXER);
        }
    }

    /// All keys have one length.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.hash
    }
}

/// Both halves of a product, one over the other: each bit depends on all bits of both factors.
fn folded(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    let half = u128::from(u64::MAX);
    u64::try_from((product & half) ^ (product >> 64)).unwrap_or_default()
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
    use std::collections::BTreeSet;

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
    fn hashes_spread_whatever_the_keys_have_in_common_and_differ_with_the_seeds() {
        let (seeded, other) = (Seeded::random(), Seeded::random());
        // Keys that differ in one byte alone, wherever that is: a set for each byte.
        for byte in 0..16 {
            let keys = (0..=255_u8).map(|value| {
                let mut key = [7; 16];
                key[byte] = value;
                key
            });
            // What a map of such keys looks at: the top bits, and the lowest.
            let hashes: Vec<_> = keys.map(|key| seeded.hash_one(key)).collect();
            for part in [|hash: u64| hash >> 57, |hash: u64| hash & 0x7f] {
                let parts: BTreeSet<_> = hashes.iter().map(|hash| part(*hash)).collect();
                assert!(parts.len() > 64, "byte {byte}: {} of 128", parts.len());
            }
        }
        assert_ne!(seeded.hash_one([7_u8; 16]), other.hash_one([7_u8; 16]));
    }

    #[test]
    fn a_limit_of_zero_remembers_nothing() {
        let mut window = ResendWindow::new(0);
        window.insert([1; 16], [1; 16]);
        assert_eq!(window.first(&[1; 16]), None);
    }
}
