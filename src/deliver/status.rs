//! What people and metrics see of a destination: its state, why, since when, and its counts.
//!
//! The worker writes a snapshot after each step; readers combine it with the log's head, so that
//! the backlog is true also while an attempt is under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::parked::Held;
use super::window::Window;
use crate::spool::{Head, Totals};
use crate::telemetry::metrics::DestinationMetrics;
use crate::telemetry::rate::Rate;

/// The state of one destination's worker. Cloning shares it.
#[derive(Clone)]
pub struct DestinationStatus {
    shared: Arc<Mutex<Shared>>,
    metrics: DestinationMetrics,
    rate: Arc<Rate>,
}

struct Shared {
    snapshot: Snapshot,
    /// Backlog at the head that the worker last saw.
    backlog: u64,
    head: Head,
}

/// A destination at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// `delivering`, `backing_off`, `held`, `probing`, `paused` or `stopping`.
    pub state: &'static str,
    /// Why it is in that state, for people.
    pub reason: Option<Arc<str>>,
    /// When it entered the state.
    pub since: Timestamp,
    /// When the next attempt is due, while it waits.
    pub next_attempt: Option<Timestamp>,
    /// The last thing that went wrong.
    pub last_error: Option<LastError>,
    /// When an event was last delivered; Unix milliseconds, 0 for never.
    pub last_success_ms: u64,
    /// When a delivery was last tried; Unix milliseconds, 0 for not since the start.
    pub last_attempt_ms: u64,
    /// Received time of the oldest event not settled; Unix milliseconds.
    pub oldest_ms: Option<u64>,
    /// Events not settled.
    pub backlog: u64,
    /// Events to account for.
    pub accepted: u64,
    /// What became of the settled ones.
    pub totals: Totals,
    /// Accepted events that are in no count; 0 when all is well.
    pub mismatch: i64,
    /// Every position up to here is settled.
    pub low_water: u64,
    /// Batches that may be on their way at once, those that are, and those that are accepted and
    /// not yet confirmed.
    pub batches: (usize, usize, usize),
    /// Parts of the destination that wait for a person.
    pub partitions: Vec<HeldPartition>,
}

/// A part of a destination that waits for a person while others flow.
#[derive(Clone, Debug)]
pub struct HeldPartition {
    /// Its name: an index.
    pub name: Arc<str>,
    /// Why, for people.
    pub reason: Arc<str>,
    /// Since when; Unix milliseconds.
    pub since_ms: u64,
    /// Events that wait for it.
    pub events: usize,
}

/// The last thing that went wrong at a destination.
#[derive(Clone, Debug)]
pub struct LastError {
    /// When.
    pub at: Timestamp,
    /// What, for people.
    pub text: Arc<str>,
}

impl DestinationStatus {
    /// The status of a destination whose worker has not begun.
    pub fn new(metrics: DestinationMetrics) -> Self {
        let snapshot = Snapshot {
            state: "delivering",
            reason: None,
            since: Timestamp::now(),
            next_attempt: None,
            last_error: None,
            last_success_ms: 0,
            last_attempt_ms: 0,
            oldest_ms: None,
            backlog: 0,
            accepted: 0,
            totals: Totals::default(),
            mismatch: 0,
            low_water: 0,
            batches: (1, 0, 0),
            partitions: Vec::new(),
        };
        metrics.state(snapshot.state);
        let shared = Shared {
            snapshot,
            backlog: 0,
            head: Head::default(),
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
            metrics,
            rate: Arc::new(Rate::new()),
        }
    }

    /// The destination now, given the log's present end.
    pub fn snapshot(&self, head: Head) -> Snapshot {
        let shared = self.lock();
        let mut snapshot = shared.snapshot.clone();
        let newer = head.events.saturating_sub(shared.head.events);
        snapshot.backlog = shared.backlog + newer;
        snapshot.accepted += newer;
        snapshot.oldest_ms = match snapshot.oldest_ms {
            _ if snapshot.backlog == 0 => None,
            Some(ms) => Some(ms),
            // Arrived after the worker's last look: it cannot be older than a moment.
            None => u64::try_from(Timestamp::now().as_millisecond()).ok(),
        };
        snapshot
    }

    /// Sets the gauges that follow from the state; called right before a scrape is answered.
    pub fn refresh_metrics(&self, head: Head, retained_bytes: u64) {
        let snapshot = self.snapshot(head);
        let metrics = &self.metrics;
        metrics.queue_events.set(signed(snapshot.backlog));
        metrics
            .queue_oldest
            .set(seconds(snapshot.oldest_ms.unwrap_or(0)));
        metrics.accepted.set(signed(snapshot.accepted));
        metrics.mismatch.set(snapshot.mismatch);
        metrics.last_success.set(seconds(snapshot.last_success_ms));
        metrics.last_attempt.set(seconds(snapshot.last_attempt_ms));
        metrics.retained_bytes.set(signed(retained_bytes));
    }

    /// Delivered events a second, over the last minute.
    pub fn rate_per_second(&self) -> f64 {
        self.rate.per_second()
    }

    pub(super) fn delivered(&self, events: u64) {
        self.rate.add(events);
    }

    pub(super) fn enter(
        &self,
        state: &'static str,
        reason: Option<Arc<str>>,
        next_attempt: Option<Timestamp>,
    ) {
        let mut shared = self.lock();
        let snapshot = &mut shared.snapshot;
        if snapshot.state != state {
            snapshot.since = Timestamp::now();
        }
        snapshot.state = state;
        snapshot.reason = reason;
        snapshot.next_attempt = next_attempt;
        self.metrics.state(state);
    }

    pub(super) fn failed(&self, text: Arc<str>) {
        self.lock().snapshot.last_error = Some(LastError {
            at: Timestamp::now(),
            text,
        });
    }

    pub(super) fn attempted(&self, unix_ms: u64) {
        self.lock().snapshot.last_attempt_ms = unix_ms;
    }

    /// Takes over how many batches may go, are on their way, and are not yet confirmed.
    pub(super) fn on_the_way(&self, allowed: usize, flying: usize, unconfirmed: usize) {
        self.lock().snapshot.batches = (allowed, flying, unconfirmed);
        self.metrics.concurrency_limit.set(signed(allowed as u64));
        self.metrics.in_flight.set(signed(flying as u64));
        self.metrics.acks_pending.set(signed(unconfirmed as u64));
    }

    /// Takes over which parts of the destination wait.
    pub(super) fn partitions<'a>(
        &self,
        held: impl Iterator<Item = (&'a Arc<str>, &'a Held, usize)>,
    ) {
        let mut shared = self.lock();
        let known = &mut shared.snapshot.partitions;
        known.clear();
        known.extend(held.map(|(name, held, events)| HeldPartition {
            name: Arc::clone(name),
            reason: Arc::clone(&held.detail),
            since_ms: held.since_ms,
            events,
        }));
        self.metrics.held_partitions.set(signed(known.len() as u64));
    }

    /// Takes over counts; `blocked_ms` is the age of events that cannot be read, if there are.
    pub(super) fn update(&self, window: &Window, head: Head, blocked_ms: Option<u64>) {
        let mut shared = self.lock();
        shared.head = head;
        let backlog = window.backlog(head);
        shared.backlog = backlog;
        let snapshot = &mut shared.snapshot;
        snapshot.accepted = window.accepted(head);
        snapshot.totals = window.totals();
        snapshot.mismatch = window.mismatch(head);
        snapshot.low_water = window.low_water();
        snapshot.last_success_ms = window.last_success_ms();
        snapshot.oldest_ms = match window.oldest_ms().or(blocked_ms) {
            // What waits was not read yet: it is about as old as what was settled just now.
            None if backlog > 0 => snapshot.oldest_ms,
            oldest => oldest,
        };
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "milliseconds fit a double for 285,000 years"
)]
fn seconds(unix_ms: u64) -> f64 {
    unix_ms as f64 / 1000.0
}
