//! Metrics of delivery: attempts, what became of events, and how a destination's worker is.
//!
//! Labels are configured destination names, HTTP status codes and the words below, which are
//! those of the sinks' verdicts. Knows no batch and no cursor.

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
};

use super::declare::{self, Closed, Declare};
use super::worker::WorkerFamilies;
use super::{BATCH_EVENTS, SECONDS_REQUEST};

const SECONDS_LAG: &[f64] = &[
    0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0,
];

const DESTINATION: &[&str] = &["destination"];
const REASON: &[&str] = &["destination", "reason"];

/// Results of a delivery attempt.
pub const ATTEMPT_RESULTS: [&str; 6] =
    ["success", "partial", "retry", "hold", "split", "permanent"];

/// Reasons of a retry.
pub const RETRY_REASONS: [&str; 9] = [
    "rate_limited",
    "server_error",
    "timeout",
    "connect",
    "tls",
    "blocked",
    "ack_timeout",
    "bad_answer",
    "storage",
];

/// Reasons of a dead letter.
pub const DEAD_LETTER_REASONS: [&str; 6] = [
    "rejected",
    "field_limit",
    "too_large",
    "render_failed",
    "poison",
    "expired",
];

/// Reasons of a discarded event.
pub const DISCARD_REASONS: [&str; 3] = ["damage", "shed", "purged"];

/// Parts of an event that a mapping can fail to know.
pub const UNKNOWN_PARTS: [&str; 5] = ["type", "version", "member", "value", "overflow"];

/// States of a destination's worker.
pub const STATES: [&str; 6] = [
    "delivering",
    "backing_off",
    "held",
    "probing",
    "paused",
    "stopping",
];

pub(super) struct DeliveryFamilies {
    attempt: AttemptFamilies,
    account: AccountFamilies,
    worker: WorkerFamilies,
}

/// What is sent, and what is answered.
struct AttemptFamilies {
    attempts: IntCounterVec,
    responses: IntCounterVec,
    retries: IntCounterVec,
    attempt_duration: HistogramVec,
    lag: HistogramVec,
    batch_events: HistogramVec,
    delivered_bytes: IntCounterVec,
    duplicates: IntCounterVec,
    diverted: IntCounterVec,
}

/// What became of events, and what still waits.
struct AccountFamilies {
    queue_events: IntGaugeVec,
    queue_oldest: GaugeVec,
    accepted: IntGaugeVec,
    delivered_events: IntCounterVec,
    filtered: IntCounterVec,
    unknown: IntCounterVec,
    dead_letters: IntCounterVec,
    dead_letter_events: IntGaugeVec,
    replayed: IntCounterVec,
    replay_events: IntGaugeVec,
    discarded: IntCounterVec,
    mismatch: IntGaugeVec,
}

/// Handles of one destination.
#[derive(Clone)]
pub struct DestinationMetrics {
    /// Events not settled.
    pub queue_events: IntGauge,
    /// Received time of the oldest of them, Unix seconds; 0 for none.
    pub queue_oldest: Gauge,
    attempts: Closed<IntCounter>,
    responses: IntCounterVec,
    name: String,
    retries: Closed<IntCounter>,
    /// Seconds per attempt.
    pub attempt_duration: Histogram,
    /// Received time to delivery, seconds.
    pub lag: Histogram,
    /// Events per attempt.
    pub batch_events: Histogram,
    /// Events this destination has to account for since it was registered.
    pub accepted: IntGauge,
    /// Delivered events.
    pub delivered_events: IntCounter,
    /// Bytes put on the wire for attempts that delivered something.
    pub delivered_bytes: IntCounter,
    /// Events its routing did not want.
    pub filtered: IntCounter,
    /// The receiver said it had the event already.
    pub receiver_conflict: IntCounter,
    /// Sent again although the receiver may have it.
    pub possible_resend: IntCounter,
    /// Taken, but put aside by the receiver.
    pub diverted: IntCounter,
    unknown: Closed<IntCounter>,
    dead_letters: Closed<IntCounter>,
    /// Dead letters neither replayed nor purged.
    pub dead_letter_events: IntGauge,
    /// Dead letters that were sent again and taken.
    pub replayed: IntCounter,
    /// Dead letters that are to be sent again.
    pub replay_events: IntGauge,
    discarded: Closed<IntCounter>,
    /// Unix seconds; 0 for never.
    pub last_success: Gauge,
    /// Unix seconds; 0 for never.
    pub last_attempt: Gauge,
    states: Closed<IntGauge>,
    /// Bytes of segments that this destination still needs.
    pub retained_bytes: IntGauge,
    max_backlog: IntGauge,
    /// 1 where the server's certificate is not checked.
    pub unverified: IntGauge,
    /// accepted - delivered - dead-lettered - filtered - discarded - queued; 0 when all is well.
    pub mismatch: IntGauge,
    /// When its worker last turned its loop, Unix seconds.
    pub heartbeat: Gauge,
    /// Batches that may be on their way at once.
    pub concurrency_limit: IntGauge,
    /// Batches on their way.
    pub in_flight: IntGauge,
    /// Accepted batches that are not yet confirmed.
    pub acks_pending: IntGauge,
    /// Partitions that wait for a person.
    pub held_partitions: IntGauge,
}

impl DeliveryFamilies {
    /// Declares the families; no series yet.
    pub(super) fn declare(d: &Declare<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            attempt: AttemptFamilies::declare(d)?,
            account: AccountFamilies::declare(d)?,
            worker: WorkerFamilies::declare(d)?,
        })
    }

    /// The handles of one destination, all series of closed label sets at zero.
    pub(super) fn destination(&self, name: &str, insecure: bool) -> DestinationMetrics {
        let (attempt, account, worker) = (&self.attempt, &self.account, &self.worker);
        let plaintext = worker.insecure.with_label_values(&[name]);
        plaintext.set(i64::from(insecure));
        let conflict = [name, "receiver_conflict"];
        let resend = [name, "possible_resend"];
        let metrics = DestinationMetrics {
            queue_events: account.queue_events.with_label_values(&[name]),
            queue_oldest: account.queue_oldest.with_label_values(&[name]),
            attempts: declare::counters(&attempt.attempts, name, &ATTEMPT_RESULTS),
            responses: attempt.responses.clone(),
            name: name.to_owned(),
            retries: declare::counters(&attempt.retries, name, &RETRY_REASONS),
            attempt_duration: attempt.attempt_duration.with_label_values(&[name]),
            lag: attempt.lag.with_label_values(&[name]),
            batch_events: attempt.batch_events.with_label_values(&[name]),
            accepted: account.accepted.with_label_values(&[name]),
            delivered_events: account.delivered_events.with_label_values(&[name]),
            delivered_bytes: attempt.delivered_bytes.with_label_values(&[name]),
            filtered: account.filtered.with_label_values(&[name]),
            receiver_conflict: attempt.duplicates.with_label_values(&conflict),
            possible_resend: attempt.duplicates.with_label_values(&resend),
            diverted: attempt.diverted.with_label_values(&[name]),
            unknown: declare::counters(&account.unknown, name, &UNKNOWN_PARTS),
            dead_letters: declare::counters(&account.dead_letters, name, &DEAD_LETTER_REASONS),
            dead_letter_events: account.dead_letter_events.with_label_values(&[name]),
            replayed: account.replayed.with_label_values(&[name]),
            replay_events: account.replay_events.with_label_values(&[name]),
            discarded: declare::counters(&account.discarded, name, &DISCARD_REASONS),
            last_success: worker.last_success.with_label_values(&[name]),
            last_attempt: worker.last_attempt.with_label_values(&[name]),
            states: STATES
                .iter()
                .map(|state| (*state, worker.state.with_label_values(&[name, state])))
                .collect(),
            retained_bytes: worker.retained_bytes.with_label_values(&[name]),
            max_backlog: worker.max_backlog.with_label_values(&[name]),
            unverified: worker.unverified.with_label_values(&[name]),
            mismatch: account.mismatch.with_label_values(&[name]),
            heartbeat: worker.heartbeat.with_label_values(&[name]),
            concurrency_limit: worker.concurrency_limit.with_label_values(&[name]),
            in_flight: worker.in_flight.with_label_values(&[name]),
            acks_pending: worker.acks_pending.with_label_values(&[name]),
            held_partitions: worker.held_partitions.with_label_values(&[name]),
        };
        // Other codes appear when they are first answered; these two make rates work from the
        // start.
        metrics.response(Some(200));
        metrics.response(None);
        metrics
    }
}

impl AttemptFamilies {
    fn declare(d: &Declare<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            attempts: d.counters(
                "delivery_attempts_total",
                "Attempts to deliver a batch.",
                &["destination", "result"],
            )?,
            responses: d.counters(
                "delivery_responses_total",
                "Answers by HTTP status; none where there was no answer.",
                &["destination", "code"],
            )?,
            retries: d.counters("delivery_retries_total", "Events to be sent again.", REASON)?,
            attempt_duration: d.histograms(
                "delivery_attempt_duration_seconds",
                "How long an attempt took.",
                DESTINATION,
                SECONDS_REQUEST,
            )?,
            lag: d.histograms(
                "delivery_lag_seconds",
                "From receipt to confirmed delivery.",
                DESTINATION,
                SECONDS_LAG,
            )?,
            batch_events: d.histograms(
                "delivery_batch_events",
                "Events per attempt.",
                DESTINATION,
                BATCH_EVENTS,
            )?,
            delivered_bytes: d.counters(
                "delivered_bytes_total",
                "Bytes sent in attempts that delivered something.",
                DESTINATION,
            )?,
            duplicates: d.counters(
                "duplicate_events_total",
                "Events that the receiver had already, or may have.",
                &["destination", "kind"],
            )?,
            diverted: d.counters(
                "diverted_events_total",
                "Events that the receiver took and put aside.",
                DESTINATION,
            )?,
        })
    }
}

impl AccountFamilies {
    fn declare(d: &Declare<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            queue_events: d.int_gauges("queue_events", "Events not yet settled.", DESTINATION)?,
            queue_oldest: d.gauges(
                "queue_oldest_event_timestamp_seconds",
                "When the oldest event not yet settled was received; 0 for none.",
                DESTINATION,
            )?,
            accepted: d.int_gauges(
                "destination_accepted_events",
                "Events to account for since the destination was registered.",
                DESTINATION,
            )?,
            delivered_events: d.counters(
                "delivered_events_total",
                "Events delivered.",
                DESTINATION,
            )?,
            filtered: d.counters(
                "filtered_events_total",
                "Events that the destination's routing did not want.",
                DESTINATION,
            )?,
            unknown: d.counters(
                "unknown_parts_total",
                "Parts of events that the mapping does not know; they are kept as text.",
                &["destination", "what"],
            )?,
            dead_letters: d.counters(
                "dead_letter_events_total",
                "Events refused for ever and kept as dead letters.",
                REASON,
            )?,
            dead_letter_events: d.int_gauges(
                "dead_letter_events",
                "Dead letters neither replayed nor purged.",
                DESTINATION,
            )?,
            replayed: d.counters(
                "dead_letters_replayed_total",
                "Dead letters sent again on request, and taken.",
                DESTINATION,
            )?,
            replay_events: d.int_gauges(
                "dead_letter_replay_events",
                "Dead letters that are to be sent again.",
                DESTINATION,
            )?,
            discarded: d.counters("discarded_events_total", "Events lost.", REASON)?,
            mismatch: d.int_gauges(
                "accounting_mismatch_events",
                "Accepted events that are in no other count; 0 when all is well.",
                DESTINATION,
            )?,
        })
    }
}

impl DestinationMetrics {
    /// Counts one attempt; `result` is one of [`ATTEMPT_RESULTS`].
    pub fn attempt(&self, result: &'static str) {
        declare::add(&self.attempts, result, 1);
    }

    /// Makes an answer's status known (at zero), and returns its counter.
    pub fn response(&self, status: Option<u16>) -> IntCounter {
        let code = status.filter(|code| (100..600).contains(code));
        let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        self.responses
            .with_label_values(&[self.name.as_str(), code.as_str()])
    }

    /// Counts events sent again; `reason` is one of [`RETRY_REASONS`].
    pub fn retry(&self, reason: &'static str, events: u64) {
        declare::add(&self.retries, reason, events);
    }

    /// Counts dead letters; `reason` is one of [`DEAD_LETTER_REASONS`].
    pub fn dead_letter(&self, reason: &'static str, events: u64) {
        declare::add(&self.dead_letters, reason, events);
    }

    /// Counts what a mapping did not know; `what` is one of [`UNKNOWN_PARTS`].
    pub fn unknown(&self, what: &'static str, parts: u64) {
        declare::add(&self.unknown, what, parts);
    }

    /// Counts discarded events; `reason` is one of [`DISCARD_REASONS`].
    pub fn discard(&self, reason: &'static str, events: u64) {
        declare::add(&self.discarded, reason, events);
    }

    /// Says how many bytes the destination may hold; none for a required one.
    pub fn limit(&self, max_backlog_bytes: Option<u64>) {
        let bytes = max_backlog_bytes.unwrap_or(0);
        self.max_backlog
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Sets the one state that is 1; `state` is one of [`STATES`].
    pub fn state(&self, state: &'static str) {
        declare::select(&self.states, state);
    }
}
