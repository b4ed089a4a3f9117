//! How many batches may be on their way at once. Pure.
//!
//! Grows by one while answers do not get slower for it, shrinks by one where they do, halves when
//! the destination says that it is too much. After a failure one batch goes alone until one passed.

use std::time::Duration;

/// An answer that took so many times the shortest is slower for the company.
const SLOW: u32 = 2;
/// And one that took so many times is slower by far.
const VERY_SLOW: u32 = 4;
/// Share of the shortest time by which it is forgotten with each round.
const FORGET: u32 = 16;

/// The limit of one destination.
#[derive(Debug)]
pub(super) struct Concurrency {
    max: usize,
    limit: usize,
    /// The shortest an answer took, slowly forgotten.
    shortest: Option<Duration>,
    /// Answers since the limit was last looked at.
    seen: usize,
    /// The last attempt failed.
    half_open: bool,
}

impl Concurrency {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max: max.max(1),
            limit: 1,
            shortest: None,
            seen: 0,
            half_open: false,
        }
    }

    /// Batches that may be on their way now.
    pub(super) fn allowed(&self) -> usize {
        if self.half_open { 1 } else { self.limit }
    }

    /// A batch passed; `busy` where as many as allowed were on their way, each a full portion.
    pub(super) fn passed(&mut self, took: Duration, busy: bool) {
        self.half_open = false;
        let shortest = self.shortest.map_or(took, |known| known.min(took));
        self.shortest = Some(shortest);
        if !busy {
            return;
        }
        self.seen += 1;
        if self.seen < self.limit {
            return;
        }
        self.seen = 0;
        if took <= shortest * SLOW {
            self.limit = (self.limit + 1).min(self.max);
        } else if took > shortest * VERY_SLOW {
            self.limit = (self.limit - 1).max(1);
        }
        self.shortest = Some(shortest + shortest / FORGET);
    }

    /// The destination asks for less; whether there is less than this.
    pub(super) fn slower(&mut self) -> bool {
        let less = self.limit > 1;
        self.limit = (self.limit / 2).max(1);
        self.seen = 0;
        less
    }

    /// An attempt failed: one batch at a time until one passes.
    pub(super) fn failed(&mut self) {
        self.slower();
        self.half_open = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_millis(10);

    fn grown(max: usize) -> Concurrency {
        let mut concurrency = Concurrency::new(max);
        for _ in 0..100 {
            concurrency.passed(FAST, true);
        }
        concurrency
    }

    #[test]
    fn the_limit_grows_while_it_is_used_and_answers_stay_fast() {
        assert_eq!(grown(8).allowed(), 8);
        let mut idle = Concurrency::new(8);
        for _ in 0..100 {
            idle.passed(FAST, false);
        }
        assert_eq!(idle.allowed(), 1);
        assert_eq!(grown(1).allowed(), 1);
    }

    #[test]
    fn slow_answers_stop_the_growth_and_very_slow_ones_undo_it() {
        let mut concurrency = Concurrency::new(8);
        concurrency.passed(FAST, true);
        assert_eq!(concurrency.allowed(), 2);
        for _ in 0..4 {
            concurrency.passed(FAST * 3, true);
        }
        assert_eq!(concurrency.allowed(), 2);
        let mut concurrency = grown(8);
        for _ in 0..8 {
            concurrency.passed(FAST * 9, true);
        }
        assert_eq!(concurrency.allowed(), 7);
    }

    #[test]
    fn a_wish_halves_it_and_a_failure_lets_one_batch_go_alone_until_one_passes() {
        let mut concurrency = grown(8);
        assert!(concurrency.slower());
        assert_eq!(concurrency.allowed(), 4);
        concurrency.failed();
        assert_eq!(concurrency.allowed(), 1);
        concurrency.passed(FAST, false);
        assert_eq!(concurrency.allowed(), 2);
        assert!(concurrency.slower());
        assert!(!concurrency.slower(), "one is the least");
    }
}
