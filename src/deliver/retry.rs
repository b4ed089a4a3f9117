//! How long to wait before the next attempt; the only user of the `backoff` crate.
//!
//! The crate is used as a pure schedule. Its jitter is applied after its cap and its default
//! gives up after 15 minutes, so every field is set here and the result is clamped: a wait is
//! never longer than `max` and never zero, and there is always a next one.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

use crate::settings::Retry;

/// Shortest wait, whatever the settings: a destination is never hammered.
const WAIT_MIN: Duration = Duration::from_millis(10);
/// Most of the wait that a destination asks for by which it becomes longer, so that all who were
/// asked do not come back at once.
const WISH_JITTER_MAX: f64 = 0.1;

/// The waits of one destination.
pub(super) struct Schedule {
    backoff: ExponentialBackoff,
    max: Duration,
    /// Share by which a wait that was asked for becomes longer at most.
    wish_jitter: f64,
}

impl Schedule {
    pub(super) fn new(settings: &Retry) -> Self {
        let backoff = ExponentialBackoff {
            current_interval: settings.initial,
            initial_interval: settings.initial,
            randomization_factor: settings.jitter.clamp(0.0, 1.0),
            multiplier: settings.multiplier.max(1.0),
            max_interval: settings.max,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Self {
            backoff,
            max: settings.max,
            wish_jitter: settings.jitter.clamp(0.0, WISH_JITTER_MAX),
        }
    }

    /// The next wait; at least what the destination asked for, as far as `max` allows.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let own = self.backoff.next_backoff().unwrap_or(self.max);
        let wait = own.max(asked.map_or(Duration::ZERO, |asked| self.later(asked)));
        wait.min(self.max).max(WAIT_MIN)
    }

    /// A wish, or somewhat more.
    fn later(&self, asked: Duration) -> Duration {
        let asked = asked.min(self.max);
        let middle = 1.0 + self.wish_jitter / 2.0;
        let interval = asked.mul_f64(middle);
        let mut once = ExponentialBackoff {
            current_interval: interval,
            initial_interval: interval,
            randomization_factor: self.wish_jitter / 2.0 / middle,
            max_interval: interval,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        once.next_backoff().map_or(asked, |wait| wait.max(asked))
    }

    /// Begins again with the first wait.
    pub(super) fn reset(&mut self) {
        self.backoff.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(jitter: f64) -> Retry {
        Retry {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(1),
            multiplier: 2.0,
            jitter,
        }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_begin_again_after_success() {
        let mut schedule = Schedule::new(&settings(0.0));
        let waits: Vec<_> = (0..6).map(|_| schedule.next(None).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
        schedule.reset();
        assert_eq!(schedule.next(None).as_millis(), 100);
    }

    #[test]
    fn jitter_never_leaves_the_bounds_and_the_schedule_never_ends() {
        let mut schedule = Schedule::new(&settings(1.0));
        for _ in 0..10_000 {
            let wait = schedule.next(None);
            assert!(
                wait >= WAIT_MIN && wait <= Duration::from_secs(1),
                "{wait:?}"
            );
        }
    }

    #[test]
    fn the_destinations_wish_is_a_minimum_below_the_longest_wait() {
        let mut schedule = Schedule::new(&settings(0.0));
        let asked = |ms| Some(Duration::from_millis(ms));
        assert_eq!(schedule.next(asked(700)).as_millis(), 700);
        assert_eq!(schedule.next(asked(10)).as_millis(), 200);
        assert_eq!(schedule.next(asked(3_600_000)).as_millis(), 1000);
    }

    #[test]
    fn a_wish_grows_by_a_tenth_at_most_and_never_shrinks() {
        let mut schedule = Schedule::new(&Retry {
            max: Duration::from_secs(100),
            ..settings(1.0)
        });
        let asked = Duration::from_secs(50);
        let waits: Vec<_> = (0..1_000)
            .map(|_| {
                schedule.reset();
                schedule.next(Some(asked))
            })
            .collect();
        let most = Duration::from_millis(55_001);
        assert!(waits.iter().all(|wait| *wait >= asked && *wait <= most));
        assert!(
            waits.iter().any(|wait| *wait > Duration::from_secs(54)),
            "they are spread"
        );
        for _ in 0..1_000 {
            let endless = Some(Duration::from_secs(365 * 24 * 60 * 60));
            assert_eq!(schedule.next(endless), Duration::from_secs(100));
        }
    }
}
