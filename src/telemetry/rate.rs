//! Events per second over the last minute, for the status report.
//!
//! Prometheus computes its own rates from counters; this one is for people who ask the relay.
//! Time is tokio's, so that tests can pause it; the lock is held for a few additions.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// Length of the window, and its number of one-second slots.
const WINDOW_SECONDS: u32 = 60;

/// Counts events by the second for one minute.
#[derive(Debug)]
pub struct Rate {
    /// Seconds are counted from here.
    started: Instant,
    ring: Mutex<Ring>,
}

/// One slot per second of the window, the newest last.
#[derive(Debug)]
struct Ring {
    slots: VecDeque<u64>,
    /// The second that the last slot counts.
    newest: u64,
}

impl Rate {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let slots = (0..WINDOW_SECONDS).map(|_| 0).collect();
        Self {
            started: Instant::now(),
            ring: Mutex::new(Ring { slots, newest: 0 }),
        }
    }

    /// Counts `events` now.
    pub fn add(&self, events: u64) {
        self.add_at(events, Instant::now());
    }

    /// Counts `events` at `now`; a time before the newest second counts as that second.
    pub fn add_at(&self, events: u64, now: Instant) {
        self.with_ring(now, |ring| {
            if let Some(slot) = ring.slots.back_mut() {
                *slot = slot.saturating_add(events);
            }
        });
    }

    /// Events of the last 60 seconds, the present one included, divided by 60.
    pub fn per_second(&self) -> f64 {
        self.per_second_at(Instant::now())
    }

    /// The same, at `now`.
    pub fn per_second_at(&self, now: Instant) -> f64 {
        let counted = |ring: &mut Ring| ring.slots.iter().map(|slot| *slot as f64).sum::<f64>();
        self.with_ring(now, counted) / f64::from(WINDOW_SECONDS)
    }

    fn with_ring<T>(&self, now: Instant, then: impl FnOnce(&mut Ring) -> T) -> T {
        let second = now.saturating_duration_since(self.started).as_secs();
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.advance(second);
        then(&mut ring)
    }
}

impl Default for Rate {
    fn default() -> Self {
        Self::new()
    }
}

impl Ring {
    /// Replaces the oldest slots by empty ones for the seconds that passed.
    fn advance(&mut self, second: u64) {
        let passed = second.saturating_sub(self.newest);
        for _ in 0..passed.min(u64::from(WINDOW_SECONDS)) {
            self.slots.pop_front();
            self.slots.push_back(0);
        }
        self.newest = self.newest.max(second);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn after(rate: &Rate, seconds: u64) -> Instant {
        rate.started + Duration::from_secs(seconds)
    }

    #[test]
    fn an_event_counts_for_sixty_seconds_and_no_longer() {
        let rate = Rate::new();
        rate.add_at(120, after(&rate, 5));
        for second in [5, 30, 64] {
            assert_eq!(rate.per_second_at(after(&rate, second)), 2.0, "{second}");
        }
        assert_eq!(rate.per_second_at(after(&rate, 65)), 0.0);
    }

    #[test]
    fn seconds_leave_the_window_one_by_one() {
        let rate = Rate::new();
        for second in 0..60 {
            rate.add_at(60, after(&rate, second));
        }
        assert_eq!(rate.per_second_at(after(&rate, 59)), 60.0);
        assert_eq!(rate.per_second_at(after(&rate, 69)), 50.0);
        rate.add_at(60, after(&rate, 69));
        assert_eq!(rate.per_second_at(after(&rate, 69)), 51.0);
    }

    #[test]
    fn a_long_silence_empties_the_window() {
        let rate = Rate::new();
        rate.add_at(600, after(&rate, 1));
        rate.add_at(60, after(&rate, 1_000_000));
        assert_eq!(rate.per_second_at(after(&rate, 1_000_000)), 1.0);
    }

    #[test]
    fn a_time_that_runs_back_neither_empties_nor_extends_the_window() {
        let rate = Rate::new();
        rate.add_at(60, after(&rate, 100));
        rate.add_at(60, after(&rate, 3));
        assert_eq!(rate.per_second_at(after(&rate, 100)), 2.0);
        assert_eq!(rate.per_second_at(after(&rate, 160)), 0.0);
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_instant_the_paused_clock_of_tokio_counts() {
        let rate = Rate::new();
        rate.add(30);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(rate.per_second(), 0.5);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(rate.per_second(), 0.0);
    }
}
