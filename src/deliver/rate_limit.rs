//! How many events may go now, by the destination's configured rate. Pure.
//!
//! A bucket that holds what may go in a second: after a pause that much goes at once.

use std::time::Duration;

use tokio::time::Instant;

/// Bucket of one destination.
#[derive(Debug)]
pub(super) struct RateLimit {
    /// Events per second; none for no limit.
    rate: Option<f64>,
    available: f64,
    at: Instant,
}

impl RateLimit {
    pub(super) fn new(events_per_second: Option<u32>, now: Instant) -> Self {
        let rate = events_per_second.map(|rate| f64::from(rate.max(1)));
        Self {
            available: rate.unwrap_or(0.0),
            rate,
            at: now,
        }
    }

    /// Events that may go now, at least one, or when the next one may.
    pub(super) fn allowed(&mut self, now: Instant) -> Result<usize, Instant> {
        let Some(rate) = self.rate else {
            return Ok(usize::MAX);
        };
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.available = (self.available + passed * rate).min(rate);
        self.at = now;
        if self.available >= 1.0 {
            return Ok(whole(self.available));
        }
        // A little late rather than a little early, which would be asked again at once.
        let wait = Duration::from_secs_f64((1.0 - self.available) / rate);
        Err(now + wait + Duration::from_millis(1))
    }

    /// So many went.
    pub(super) fn spend(&mut self, events: usize) {
        if self.rate.is_some() {
            self.available -= f64::from(u32::try_from(events).unwrap_or(u32::MAX));
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1 and the configured rate, which is 32 bits"
)]
fn whole(events: f64) -> usize {
    events as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_events_goes_at_once_and_then_one_by_one() {
        let start = Instant::now();
        let mut limit = RateLimit::new(Some(10), start);
        assert_eq!(limit.allowed(start), Ok(10));
        limit.spend(10);
        let next = limit.allowed(start).unwrap_err();
        assert!(next > start + Duration::from_millis(99) && next < start + Duration::from_secs(1));
        assert_eq!(limit.allowed(next), Ok(1));
        assert_eq!(limit.allowed(start + Duration::from_secs(60)), Ok(10));
    }

    #[test]
    fn without_a_rate_everything_goes() {
        let mut limit = RateLimit::new(None, Instant::now());
        limit.spend(1_000_000);
        assert_eq!(limit.allowed(Instant::now()), Ok(usize::MAX));
    }
}
