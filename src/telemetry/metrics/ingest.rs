//! Metrics of the front door: what was asked, what became durable, which secret admitted it.
//!
//! Labels are configured source names, slot numbers and the results below. Knows no request.

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec,
};

use super::SECONDS_REQUEST;
use super::declare::{self, Closed, Declare};

/// Source label of requests that belong to none.
pub const NO_SOURCE: &str = "none";

/// Results of an ingest request.
pub const INGEST_RESULTS: [&str; 16] = [
    "accepted",
    "duplicate",
    "test",
    "challenge",
    "auth_failed",
    "forbidden",
    "malformed",
    "too_large",
    "unsupported",
    "overloaded",
    "storage_error",
    "not_found",
    "method",
    "timeout",
    "handshake",
    "aborted",
];

pub(super) struct IngestFamilies {
    requests: IntCounterVec,
    events: IntCounterVec,
    bytes: IntCounterVec,
    duration: HistogramVec,
    last_event: GaugeVec,
    secret_last_used: GaugeVec,
    unrouted: IntCounterVec,
    unauthenticated: IntGaugeVec,
}

/// Handles of one source (or of `none`).
#[derive(Clone)]
pub struct SourceMetrics {
    requests: Closed<IntCounter>,
    /// Events made durable.
    pub events: IntCounter,
    /// Their payload bytes.
    pub bytes: IntCounter,
    /// Request head to answer, seconds.
    pub duration: Histogram,
    /// Received time of the last accepted event, Unix seconds.
    pub last_event: Gauge,
    /// Events that no destination wanted.
    pub unrouted: IntCounter,
    secret_last_used: Vec<Gauge>,
}

impl IngestFamilies {
    /// Declares the families; no series yet.
    pub(super) fn declare(d: &Declare<'_>) -> Result<Self, prometheus::Error> {
        const SOURCE: &[&str] = &["source"];
        Ok(Self {
            requests: d.counters(
                "ingest_requests_total",
                "Requests at the ingest listener, by what became of them.",
                &["source", "result"],
            )?,
            events: d.counters("ingest_events_total", "Events made durable.", SOURCE)?,
            bytes: d.counters("ingest_bytes_total", "Payload bytes made durable.", SOURCE)?,
            duration: d.histograms(
                "ingest_request_duration_seconds",
                "From the end of the request head to the answer, the durable commit included.",
                SOURCE,
                SECONDS_REQUEST,
            )?,
            last_event: d.gauges(
                "ingest_last_event_timestamp_seconds",
                "When the last event was accepted.",
                SOURCE,
            )?,
            secret_last_used: d.gauges(
                "source_secret_last_used_timestamp_seconds",
                "When a configured secret last admitted an event; 0 for not since the start.",
                &["source", "slot"],
            )?,
            unrouted: d.counters(
                "unrouted_events_total",
                "Events that no destination wanted.",
                SOURCE,
            )?,
            unauthenticated: d.int_gauges(
                "source_unauthenticated",
                "1 where a source takes events from anybody.",
                SOURCE,
            )?,
        })
    }

    /// The handles of one source, all series at zero.
    pub(super) fn source(&self, name: &str, secrets: usize, open: bool) -> SourceMetrics {
        let last_event = self.last_event.with_label_values(&[name]);
        if name == NO_SOURCE {
            // Nothing is ever accepted without a source. Its zero would read as 56 years of
            // silence, so the series is taken out again; the handle stays usable. The call can
            // only fail for a series that is not there.
            self.last_event.remove_label_values(&[name]).ok();
        } else {
            let unauthenticated = self.unauthenticated.with_label_values(&[name]);
            unauthenticated.set(i64::from(open));
        }
        let slot = |slot: usize| {
            let label = slot.to_string();
            self.secret_last_used
                .with_label_values(&[name, label.as_str()])
        };
        SourceMetrics {
            requests: declare::counters(&self.requests, name, &INGEST_RESULTS),
            events: self.events.with_label_values(&[name]),
            bytes: self.bytes.with_label_values(&[name]),
            duration: self.duration.with_label_values(&[name]),
            last_event,
            unrouted: self.unrouted.with_label_values(&[name]),
            secret_last_used: (1..=secrets).map(slot).collect(),
        }
    }
}

impl SourceMetrics {
    /// Counts one request; `result` is one of [`INGEST_RESULTS`].
    pub fn request(&self, result: &'static str) {
        declare::add(&self.requests, result, 1);
    }

    /// How many requests came to each of [`INGEST_RESULTS`], in that order.
    pub fn request_counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.requests
            .iter()
            .map(|(result, counter)| (*result, counter.get()))
    }

    /// Notes that a secret was used; `slot` counts from 1.
    pub fn secret_used(&self, slot: u8, unix_seconds: f64) {
        if let Some(gauge) = self.secret_last_used.get(usize::from(slot).wrapping_sub(1)) {
            gauge.set(unix_seconds);
        }
    }
}
