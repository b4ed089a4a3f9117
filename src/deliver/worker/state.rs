//! The worker's states, what each shows, and what a person wants of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Worker;
use crate::deliver::control::Wanted;
use crate::sink::{HoldCause, Sink};
use crate::spool::Log;

/// Longest wait without a sign of life.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);

/// What the worker does.
pub(super) enum State {
    Delivering,
    BackingOff {
        until: Instant,
        detail: Arc<str>,
        /// Nothing failed: the destination asked for a slower pace.
        easing: bool,
    },
    /// A person must act.
    Held {
        until: Instant,
        cause: HoldCause,
        detail: Arc<str>,
    },
    /// One event goes, to see whether a held destination takes it.
    Probing,
    /// A person wants it to wait.
    Paused,
    /// Settles what is on its way, and ends.
    Stopping,
}

impl State {
    /// When it ends by itself.
    pub(super) fn until(&self) -> Option<Instant> {
        match self {
            Self::BackingOff { until, .. } | Self::Held { until, .. } => Some(*until),
            Self::Delivering | Self::Probing | Self::Paused | Self::Stopping => None,
        }
    }

    fn until_mut(&mut self) -> Option<&mut Instant> {
        match self {
            Self::BackingOff { until, .. } | Self::Held { until, .. } => Some(until),
            Self::Delivering | Self::Probing | Self::Paused | Self::Stopping => None,
        }
    }
}

impl<L: Log, S: Sink> Worker<L, S> {
    /// Goes over to a state and makes it visible.
    pub(super) fn enter(&mut self, state: State) {
        let destination = &self.name;
        match &state {
            State::Delivering => self.status.enter("delivering", None, None),
            State::Probing => self.status.enter("probing", None, None),
            State::Stopping => self.status.enter("stopping", None, None),
            State::Paused => {
                tracing::info!(destination, "paused");
                let reason = "somebody paused it; resume it to go on".into();
                self.status.enter("paused", Some(reason), None);
            }
            State::BackingOff {
                until,
                detail,
                easing: true,
            } => {
                let reason = Some(Arc::clone(detail));
                self.status.enter("backing_off", reason, at(*until));
            }
            State::BackingOff { until, detail, .. } => {
                let wait = until.saturating_duration_since(Instant::now());
                let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                if self.trouble.as_ref() == Some(detail) {
                    tracing::debug!(destination, wait_ms, %detail, "still backing off");
                } else {
                    tracing::warn!(destination, wait_ms, %detail, "delivery failed, backing off");
                }
                self.trouble = Some(Arc::clone(detail));
                self.status.failed(Arc::clone(detail));
                let reason = Some(Arc::clone(detail));
                self.status.enter("backing_off", reason, at(*until));
            }
            State::Held {
                until,
                cause,
                detail,
            } => {
                let cause = cause.as_str();
                if self.trouble.as_ref() != Some(detail) {
                    tracing::error!(destination, cause, %detail, "held: a person must act");
                }
                self.trouble = Some(Arc::clone(detail));
                self.status.failed(Arc::clone(detail));
                let reason = format!("{cause}: {detail}").into();
                self.status.enter("held", Some(reason), at(*until));
            }
        }
        self.state = state;
    }

    /// Waits longer than it would by itself.
    pub(super) fn prolong(&mut self, wait: Duration) {
        if let State::BackingOff { until, .. } | State::Held { until, .. } = &mut self.state {
            *until = (*until).max(Instant::now() + wait);
        }
    }

    /// Does what a person wants.
    pub(super) fn take_controls(&mut self) {
        let wanted = *self.controls.borrow_and_update();
        let before = std::mem::replace(&mut self.wanted, wanted);
        if wanted.tries != before.tries {
            let now = Instant::now();
            if let Some(until) = self.state.until_mut() {
                *until = now;
            }
            self.parked.hurry(now);
            // Who asks for it may have changed the credentials just now.
            self.refreshed = None;
        }
        match self.state {
            State::Stopping => {}
            State::Paused if !wanted.paused => {
                tracing::info!(destination = self.name, "resumed");
                self.enter(State::Delivering);
            }
            State::Paused => {}
            _ if wanted.paused => self.enter(State::Paused),
            _ => {}
        }
    }

    pub(super) fn beat(&self) {
        self.metrics
            .heartbeat
            .set(Duration::from_millis(now_ms()).as_secs_f64());
    }
}

/// Waits until a person wants something; for ever where nobody can.
pub(super) async fn wish(controls: &mut watch::Receiver<Wanted>) {
    if controls.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The wall clock's time at a moment to come.
fn at(moment: Instant) -> Option<Timestamp> {
    let wait = moment.saturating_duration_since(Instant::now());
    let wait = SignedDuration::try_from(wait).ok()?;
    Timestamp::now().checked_add(wait).ok()
}

/// The wall clock, in Unix milliseconds.
pub(super) fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}
