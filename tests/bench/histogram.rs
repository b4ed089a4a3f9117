//! Latencies in buckets of about 3 % width, from nanoseconds to hours, in constant memory.

use std::time::Duration;

/// Buckets per doubling, as a power of two.
const FINENESS: u32 = 5;
const BUCKETS: usize = (64 - FINENESS as usize + 1) << FINENESS;

/// Counts durations.
pub(crate) struct Histogram {
    counts: Vec<u32>,
    count: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            count: 0,
        }
    }

    pub(crate) fn add(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.counts.get_mut(bucket(nanos)) {
            *bucket += 1;
            self.count += 1;
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (own, more) in self.counts.iter_mut().zip(&other.counts) {
            *own += more;
        }
        self.count += other.count;
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The duration that this many percent of all do not exceed, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: u64) -> f64 {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut passed = 0;
        for (index, count) in self.counts.iter().enumerate() {
            passed += u64::from(*count);
            if passed >= rank {
                return lower_bound(index) as f64 / 1e6;
            }
        }
        f64::NAN
    }
}

/// Linear below `2^FINENESS`; above, the leading bits after the first one choose the bucket.
fn bucket(nanos: u64) -> usize {
    let magnitude = nanos.max(1).ilog2();
    let shift = magnitude.saturating_sub(FINENESS);
    ((shift as usize) << FINENESS) + (nanos >> shift) as usize
}

fn lower_bound(bucket: usize) -> u64 {
    let linear = 1 << FINENESS;
    if bucket < 2 * linear {
        return bucket as u64;
    }
    let shift = (bucket >> FINENESS) - 1;
    ((linear + (bucket & (linear - 1))) as u64) << shift
}
