//! When an event is too old to be tried again.
//!
//! Age is told by the wall clock, which can jump. It counts only while that clock agrees with the
//! monotonic one: a wrong date must not turn a backlog into dead letters.

use std::time::Duration;

use tokio::time::Instant;

/// Difference up to which the clocks agree: a clock that is being corrected slowly may be off.
const AGREE: Duration = Duration::from_secs(60);

/// The age limit of one destination.
#[derive(Debug)]
pub(super) struct AgeLimit {
    max: Option<Duration>,
    /// Both clocks at one moment; the wall clock in Unix milliseconds.
    start: Option<(u64, Instant)>,
}

impl AgeLimit {
    pub(super) fn new(max: Option<Duration>) -> Self {
        Self { max, start: None }
    }

    /// Whether an event received at this time is beyond the limit. Times in Unix milliseconds.
    pub(super) fn is_over(&mut self, received_ms: u64, now_ms: u64, now: Instant) -> bool {
        let Some(max) = self.max else {
            return false;
        };
        let (start_ms, start) = *self.start.get_or_insert((now_ms, now));
        let wall = Duration::from_millis(now_ms.saturating_sub(start_ms));
        let steady = now.saturating_duration_since(start);
        if now_ms < start_ms || wall.abs_diff(steady) > AGREE {
            // From here on by the new time, once it has proved steady.
            self.start = Some((now_ms, now));
            return false;
        }
        Duration::from_millis(now_ms.saturating_sub(received_ms)) > max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    #[test]
    fn an_event_is_over_its_age_while_the_clocks_agree() {
        let start = Instant::now();
        let mut limit = AgeLimit::new(Some(Duration::from_secs(3600)));
        let later = start + Duration::from_secs(600);
        assert!(!limit.is_over(0, HOUR_MS, start));
        assert!(limit.is_over(0, HOUR_MS + 600_000, later));
        assert!(!limit.is_over(600_001, HOUR_MS + 600_000, later));
    }

    #[test]
    fn a_clock_that_jumps_ages_nothing() {
        let start = Instant::now();
        let mut limit = AgeLimit::new(Some(Duration::from_secs(3600)));
        assert!(!limit.is_over(0, 1, start));
        let later = start + Duration::from_secs(1);
        assert!(!limit.is_over(0, 100 * HOUR_MS, later), "jumped ahead");
        assert!(!limit.is_over(0, HOUR_MS, later), "and back");
        // The new time holds once it goes on steadily.
        let steady = later + Duration::from_secs(2);
        assert!(limit.is_over(0, HOUR_MS + 2000, steady));
    }

    #[test]
    fn without_a_limit_nothing_ages() {
        assert!(!AgeLimit::new(None).is_over(0, u64::MAX, Instant::now()));
    }
}
