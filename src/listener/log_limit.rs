//! Bounds how many log lines per second hostile or broken clients can cause.
//!
//! What is left out is not forgotten: the next admitted line says how many there were. Counters,
//! not log lines, are the complete record.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);

/// Admits a number of lines per second and counts the rest.
#[derive(Debug)]
pub struct LogLimit {
    per_second: u32,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    admitted: u32,
    /// Lines left out since the last admitted one, which the next one reports.
    suppressed: u64,
}

impl LogLimit {
    /// A limit of `per_second` lines.
    pub fn new(per_second: u32) -> Self {
        let window = Window {
            began: Instant::now(),
            admitted: 0,
            suppressed: 0,
        };
        Self {
            per_second,
            window: Mutex::new(window),
        }
    }

    /// `Some` if a line may be written now, with the number of lines left out before it.
    pub fn admit(&self) -> Option<u64> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Option<u64> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(window.began) >= WINDOW {
            window.began = now;
            window.admitted = 0;
        }
        if window.admitted >= self.per_second {
            window.suppressed = window.suppressed.saturating_add(1);
            return None;
        }
        window.admitted += 1;
        Some(std::mem::take(&mut window.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_over_the_limit_are_counted_and_reported_by_the_next_one() {
        let limit = LogLimit::new(2);
        let now = Instant::now();
        assert_eq!(limit.admit_at(now), Some(0));
        assert_eq!(limit.admit_at(now), Some(0));
        assert_eq!(limit.admit_at(now), None);
        assert_eq!(limit.admit_at(now), None);
        assert_eq!(limit.admit_at(now + WINDOW), Some(2));
        assert_eq!(limit.admit_at(now + WINDOW), Some(0));
    }
}
