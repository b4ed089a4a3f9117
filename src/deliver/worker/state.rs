//! The worker's states, what each shows, and waiting in them.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};

use super::shed::shed;
use super::{Worker, WorkerError};
use crate::sink::{HoldCause, Sink};
use crate::spool::Log;

/// Longest wait without a sign of life.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);

/// What the worker does.
pub(super) enum State {
    Delivering,
    /// Nothing failed: the destination asked for a slower pace.
    Easing {
        wait: Duration,
    },
    BackingOff {
        wait: Duration,
        detail: Arc<str>,
    },
    Held {
        cause: HoldCause,
        detail: Arc<str>,
    },
    Probing,
    Stopping,
}

impl<L: Log, S: Sink> Worker<L, S> {
    /// Waits for new events.
    pub(super) async fn idle(&mut self) -> State {
        self.show();
        tokio::select! {
            changed = self.head.changed() => match changed {
                Ok(()) => State::Delivering,
                // The log is gone: the relay is stopping.
                Err(_) => State::Stopping,
            },
            () = shed(&mut self.sheds) => {
                // Seen here, done by whoever stores the cursor next, which is at once.
                self.sheds.mark_changed();
                State::Delivering
            }
            // Counted by whoever stores the cursor next.
            () = self.dead_letters.purged() => State::Delivering,
            () = sleep(HEARTBEAT) => State::Delivering,
            () = self.stop.cancelled() => State::Stopping,
        }
    }

    /// Waits, with signs of life, and follows the log where it gives up events meanwhile.
    pub(super) async fn pause(
        &mut self,
        wait: Duration,
        next: State,
    ) -> Result<State, WorkerError> {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(next);
            }
            tokio::select! {
                () = sleep(left.min(HEARTBEAT)) => self.beat(),
                () = shed(&mut self.sheds) => {
                    self.sheds.mark_changed();
                    self.store_cursor().await?;
                }
                () = self.dead_letters.purged() => self.store_cursor().await?,
                () = self.stop.cancelled() => return Ok(State::Stopping),
            }
        }
    }

    /// Makes the state visible, once per change.
    pub(super) fn enter(&mut self, state: &State) {
        let destination = &self.name;
        let after = |wait: Duration| {
            let wait = SignedDuration::try_from(wait).ok();
            wait.and_then(|wait| Timestamp::now().checked_add(wait).ok())
        };
        match state {
            State::Delivering => self.status.enter("delivering", None, None),
            State::Probing => self.status.enter("probing", None, None),
            State::Stopping => self.status.enter("stopping", None, None),
            State::Easing { wait } => {
                let reason = "the destination asks for a slower pace".into();
                let next = after(*wait);
                self.status.enter("backing_off", Some(reason), next);
            }
            State::BackingOff { wait, detail } => {
                let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                if self.trouble.as_ref() == Some(detail) {
                    tracing::debug!(destination, wait_ms, %detail, "still backing off");
                } else {
                    tracing::warn!(destination, wait_ms, %detail, "delivery failed, backing off");
                }
                self.trouble = Some(Arc::clone(detail));
                self.status.failed(Arc::clone(detail));
                self.status
                    .enter("backing_off", Some(Arc::clone(detail)), after(*wait));
            }
            State::Held { cause, detail } => {
                let cause = cause.as_str();
                if self.trouble.as_ref() != Some(detail) {
                    tracing::error!(destination, cause, %detail, "held: a person must act");
                }
                self.trouble = Some(Arc::clone(detail));
                self.status.failed(Arc::clone(detail));
                let reason = format!("{cause}: {detail}").into();
                let next = after(self.destination.probe_interval);
                self.status.enter("held", Some(reason), next);
            }
        }
    }

    pub(super) fn beat(&self) {
        self.metrics
            .heartbeat
            .set(Duration::from_millis(now_ms()).as_secs_f64());
    }
}

/// The wall clock, in Unix milliseconds.
pub(super) fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}
