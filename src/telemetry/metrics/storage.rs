//! Metrics of the log on disk: its size, its commits, its errors and whether it takes events.
//!
//! Labels are the two closed sets below. Knows no file.

use prometheus::{Histogram, IntCounter, IntGauge};

use super::BATCH_EVENTS;
use super::declare::{self, Closed, Declare};

/// File operations that can fail.
pub const STORAGE_OPS: [&str; 6] = ["write", "sync", "create", "read", "remove", "cursor"];

/// States of the log.
pub const STORAGE_STATES: [&str; 3] = ["accepting", "full", "poisoned"];

const SECONDS_COMMIT: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
];

/// Handles of the journal.
#[derive(Clone)]
pub struct StorageMetrics {
    /// Bytes of all segment files.
    pub used_bytes: IntGauge,
    /// `journal.max_size`.
    pub limit_bytes: IntGauge,
    /// Seconds of one group's write and sync.
    pub commit_duration: Histogram,
    /// Events per group.
    pub commit_events: Histogram,
    damaged_places: IntGauge,
    errors: Closed<IntCounter>,
    states: Closed<IntGauge>,
}

impl StorageMetrics {
    /// Counts a failed file operation; `op` is one of [`STORAGE_OPS`].
    pub fn error(&self, op: &'static str) {
        declare::add(&self.errors, op, 1);
    }

    /// Sets how many damaged places are known that nobody passed.
    pub fn damaged(&self, places: usize) {
        self.damaged_places
            .set(i64::try_from(places).unwrap_or(i64::MAX));
    }

    /// Sets the one state that is 1; `state` is one of [`STORAGE_STATES`].
    pub fn state(&self, state: &'static str) {
        declare::select(&self.states, state);
    }

    /// Declares everything; the log is `accepting` until it says otherwise.
    pub(super) fn declare(d: &Declare<'_>) -> Result<Self, prometheus::Error> {
        let errors = d.counters("storage_errors_total", "Failed file operations.", &["op"])?;
        let states = d.int_gauges(
            "storage_state",
            "1 for the log's state: accepting, full or poisoned.",
            &["state"],
        )?;
        let metrics = Self {
            used_bytes: d.int_gauge("storage_used_bytes", "Bytes of all segment files.")?,
            limit_bytes: d.int_gauge(
                "storage_limit_bytes",
                "Most bytes of all segment files together (journal.max_size).",
            )?,
            commit_duration: d.histogram(
                "storage_commit_duration_seconds",
                "One group's write and sync.",
                SECONDS_COMMIT,
            )?,
            commit_events: d.histogram(
                "storage_commit_events",
                "Events made durable by one sync.",
                BATCH_EVENTS,
            )?,
            damaged_places: d.int_gauge(
                "storage_damaged_places",
                "Known places in the log that were durable and cannot be read.",
            )?,
            errors: STORAGE_OPS
                .map(|op| (op, errors.with_label_values(&[op])))
                .into(),
            states: STORAGE_STATES
                .map(|state| (state, states.with_label_values(&[state])))
                .into(),
        };
        metrics.state("accepting");
        Ok(metrics)
    }
}
