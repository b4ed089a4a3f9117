//! Every metric of the relay, declared once, with all its label sets at zero from the start.
//!
//! Stages get their own struct of resolved handles, so that no label is looked up on a hot path.
//! Gauges that are derived from state (oldest event, queue, storage) are set by `app` right
//! before a scrape is answered.

use std::sync::Arc;

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

/// `Content-Type` of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Source label of requests that belong to none.
pub const NO_SOURCE: &str = "none";

/// Results of an ingest request.
pub const INGEST_RESULTS: [&str; 15] = [
    "accepted",
    "duplicate",
    "test",
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
pub const DEAD_LETTER_REASONS: [&str; 3] = ["rejected", "too_large", "render_failed"];

/// Reasons of a discarded event.
pub const DISCARD_REASONS: [&str; 3] = ["damage", "shed", "purged"];

/// States of a destination's worker.
pub const STATES: [&str; 6] = [
    "delivering",
    "backing_off",
    "held",
    "probing",
    "paused",
    "stopping",
];

const SECONDS_REQUEST: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
const SECONDS_COMMIT: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
];
const SECONDS_LAG: &[f64] = &[
    0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0,
];
const BATCH_EVENTS: &[f64] = &[1.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0];

/// The registry and everything in it.
pub struct Metrics {
    registry: Registry,
    ingest: IngestFamilies,
    delivery: DeliveryFamilies,
    /// The journal's own metrics.
    pub storage: StorageMetrics,
    /// Log lines by level.
    pub log_messages: IntCounterVec,
}

struct IngestFamilies {
    requests: IntCounterVec,
    events: IntCounterVec,
    bytes: IntCounterVec,
    duration: HistogramVec,
    last_event: GaugeVec,
    secret_last_used: GaugeVec,
    unrouted: IntCounterVec,
    unauthenticated: IntGaugeVec,
}

struct DeliveryFamilies {
    queue_events: IntGaugeVec,
    queue_oldest: GaugeVec,
    attempts: IntCounterVec,
    responses: IntCounterVec,
    retries: IntCounterVec,
    attempt_duration: HistogramVec,
    lag: HistogramVec,
    batch_events: HistogramVec,
    accepted: IntGaugeVec,
    delivered_events: IntCounterVec,
    delivered_bytes: IntCounterVec,
    filtered: IntCounterVec,
    duplicates: IntCounterVec,
    dead_letters: IntCounterVec,
    dead_letter_events: IntGaugeVec,
    discarded: IntCounterVec,
    last_success: GaugeVec,
    last_attempt: GaugeVec,
    state: IntGaugeVec,
    retained_bytes: IntGaugeVec,
    mismatch: IntGaugeVec,
    heartbeat: GaugeVec,
    insecure: IntGaugeVec,
}

/// Handles of one source (or of `none`).
#[derive(Clone)]
pub struct SourceMetrics {
    requests: Vec<(&'static str, IntCounter)>,
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

/// Handles of one destination.
#[derive(Clone)]
pub struct DestinationMetrics {
    /// Events not settled.
    pub queue_events: IntGauge,
    /// Received time of the oldest of them, Unix seconds; 0 for none.
    pub queue_oldest: Gauge,
    attempts: Vec<(&'static str, IntCounter)>,
    responses: IntCounterVec,
    name: String,
    retries: Vec<(&'static str, IntCounter)>,
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
    dead_letters: Vec<(&'static str, IntCounter)>,
    /// Dead letters waiting for a person.
    pub dead_letter_events: IntGauge,
    discarded: Vec<(&'static str, IntCounter)>,
    /// Unix seconds; 0 for never.
    pub last_success: Gauge,
    /// Unix seconds; 0 for never.
    pub last_attempt: Gauge,
    states: Vec<(&'static str, IntGauge)>,
    /// Bytes of segments that this destination still needs.
    pub retained_bytes: IntGauge,
    /// accepted - delivered - dead-lettered - filtered - discarded - queued; 0 when all is well.
    pub mismatch: IntGauge,
    /// When its worker last turned its loop, Unix seconds.
    pub heartbeat: Gauge,
}

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
    errors: IntCounterVec,
    states: IntGaugeVec,
}

impl Metrics {
    /// Declares everything. Fails only on a programming error (a metric declared twice).
    pub fn new() -> Result<Arc<Self>, prometheus::Error> {
        let registry = Registry::new();
        let declare = Declare(&registry);
        let metrics = Self {
            ingest: IngestFamilies::declare(&declare)?,
            delivery: DeliveryFamilies::declare(&declare)?,
            storage: StorageMetrics::declare(&declare)?,
            log_messages: declare.counters(
                "log_messages_total",
                "Log lines written.",
                &["level"],
            )?,
            registry,
        };
        for level in ["error", "warn", "info", "debug", "trace"] {
            metrics.log_messages.with_label_values(&[level]);
        }
        let build = Declare(&metrics.registry).int_gauges(
            "build_info",
            "Always 1; the labels say what runs.",
            &["version", "target"],
        )?;
        let target = concat!(env!("CARGO_PKG_NAME"), "-", env!("CARGO_PKG_VERSION"));
        let _ = target;
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION"), std::env::consts::ARCH])
            .set(1);
        let process = prometheus::process_collector::ProcessCollector::for_self();
        metrics.registry.register(Box::new(process))?;
        Ok(Arc::new(metrics))
    }

    /// The text exposition format, version 0.0.4.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// Handles of one source; `secrets` is its number of accepted secrets.
    pub fn source(&self, name: &str, secrets: usize, open: bool) -> SourceMetrics {
        let family = &self.ingest;
        if name != NO_SOURCE {
            family
                .unauthenticated
                .with_label_values(&[name])
                .set(i64::from(open));
        }
        SourceMetrics {
            requests: resolve(&family.requests, name, &INGEST_RESULTS),
            events: family.events.with_label_values(&[name]),
            bytes: family.bytes.with_label_values(&[name]),
            duration: family.duration.with_label_values(&[name]),
            last_event: family.last_event.with_label_values(&[name]),
            unrouted: family.unrouted.with_label_values(&[name]),
            secret_last_used: (1..=secrets)
                .map(|slot| {
                    family
                        .secret_last_used
                        .with_label_values(&[name, &slot.to_string()])
                })
                .collect(),
        }
    }

    /// Handles of one destination.
    pub fn destination(&self, name: &str, insecure: bool) -> DestinationMetrics {
        let family = &self.delivery;
        family
            .insecure
            .with_label_values(&[name])
            .set(i64::from(insecure));
        let conflict = [name, "receiver_conflict"];
        let resend = [name, "possible_resend"];
        let metrics = DestinationMetrics {
            queue_events: family.queue_events.with_label_values(&[name]),
            queue_oldest: family.queue_oldest.with_label_values(&[name]),
            attempts: resolve(&family.attempts, name, &ATTEMPT_RESULTS),
            responses: family.responses.clone(),
            name: name.to_owned(),
            retries: resolve(&family.retries, name, &RETRY_REASONS),
            attempt_duration: family.attempt_duration.with_label_values(&[name]),
            lag: family.lag.with_label_values(&[name]),
            batch_events: family.batch_events.with_label_values(&[name]),
            accepted: family.accepted.with_label_values(&[name]),
            delivered_events: family.delivered_events.with_label_values(&[name]),
            delivered_bytes: family.delivered_bytes.with_label_values(&[name]),
            filtered: family.filtered.with_label_values(&[name]),
            receiver_conflict: family.duplicates.with_label_values(&conflict),
            possible_resend: family.duplicates.with_label_values(&resend),
            dead_letters: resolve(&family.dead_letters, name, &DEAD_LETTER_REASONS),
            dead_letter_events: family.dead_letter_events.with_label_values(&[name]),
            discarded: resolve(&family.discarded, name, &DISCARD_REASONS),
            last_success: family.last_success.with_label_values(&[name]),
            last_attempt: family.last_attempt.with_label_values(&[name]),
            states: STATES
                .iter()
                .map(|state| (*state, family.state.with_label_values(&[name, state])))
                .collect(),
            retained_bytes: family.retained_bytes.with_label_values(&[name]),
            mismatch: family.mismatch.with_label_values(&[name]),
            heartbeat: family.heartbeat.with_label_values(&[name]),
        };
        for code in ["200", "none"] {
            metrics.response(code.parse().ok());
        }
        metrics
    }
}

impl SourceMetrics {
    /// Counts one request; `result` is one of [`INGEST_RESULTS`].
    pub fn request(&self, result: &'static str) {
        add(&self.requests, result, 1);
    }

    /// Notes that a secret was used; `slot` counts from 1.
    pub fn secret_used(&self, slot: u8, unix_seconds: f64) {
        if let Some(gauge) = self.secret_last_used.get(usize::from(slot).wrapping_sub(1)) {
            gauge.set(unix_seconds);
        }
    }
}

impl DestinationMetrics {
    /// Counts one attempt; `result` is one of [`ATTEMPT_RESULTS`].
    pub fn attempt(&self, result: &'static str) {
        add(&self.attempts, result, 1);
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
        add(&self.retries, reason, events);
    }

    /// Counts dead letters; `reason` is one of [`DEAD_LETTER_REASONS`].
    pub fn dead_letter(&self, reason: &'static str, events: u64) {
        add(&self.dead_letters, reason, events);
    }

    /// Counts discarded events; `reason` is one of [`DISCARD_REASONS`].
    pub fn discard(&self, reason: &'static str, events: u64) {
        add(&self.discarded, reason, events);
    }

    /// Sets the one state that is 1; `state` is one of [`STATES`].
    pub fn state(&self, state: &'static str) {
        for (name, gauge) in &self.states {
            gauge.set(i64::from(*name == state));
        }
    }
}

impl StorageMetrics {
    /// Counts a failed file operation; `op` is `write`, `sync`, `create`, `read`, `remove` or `cursor`.
    pub fn error(&self, op: &'static str) {
        self.errors.with_label_values(&[op]).inc();
    }

    /// Sets the one state that is 1: `accepting`, `full` or `poisoned`.
    pub fn state(&self, state: &'static str) {
        for name in STORAGE_STATES {
            self.states
                .with_label_values(&[name])
                .set(i64::from(name == state));
        }
    }

    fn declare(declare: &Declare<'_>) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            used_bytes: declare.int_gauge("storage_used_bytes", "Bytes of all segment files.")?,
            limit_bytes: declare.int_gauge("storage_limit_bytes", "journal.max_size.")?,
            commit_duration: declare.histogram(
                "storage_commit_duration_seconds",
                "One group's write and sync.",
                SECONDS_COMMIT,
            )?,
            commit_events: declare.histogram(
                "storage_commit_events",
                "Events made durable by one sync.",
                BATCH_EVENTS,
            )?,
            errors: declare.counters("storage_errors_total", "Failed file operations.", &["op"])?,
            states: declare.int_gauges(
                "storage_state",
                "1 for the log's state: accepting, full or poisoned.",
                &["state"],
            )?,
        };
        for op in ["write", "sync", "create", "read", "remove", "cursor"] {
            metrics.errors.with_label_values(&[op]);
        }
        metrics.state("accepting");
        Ok(metrics)
    }
}

const STORAGE_STATES: [&str; 3] = ["accepting", "full", "poisoned"];

impl IngestFamilies {
    fn declare(d: &Declare<'_>) -> Result<Self, prometheus::Error> {
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
}

impl DeliveryFamilies {
    fn declare(d: &Declare<'_>) -> Result<Self, prometheus::Error> {
        const DESTINATION: &[&str] = &["destination"];
        const REASON: &[&str] = &["destination", "reason"];
        Ok(Self {
            queue_events: d.int_gauges("queue_events", "Events not yet settled.", DESTINATION)?,
            queue_oldest: d.gauges(
                "queue_oldest_event_timestamp_seconds",
                "When the oldest event not yet settled was received; 0 for none.",
                DESTINATION,
            )?,
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
            delivered_bytes: d.counters(
                "delivered_bytes_total",
                "Bytes sent in attempts that delivered something.",
                DESTINATION,
            )?,
            filtered: d.counters(
                "filtered_events_total",
                "Events that the destination's routing did not want.",
                DESTINATION,
            )?,
            duplicates: d.counters(
                "duplicate_events_total",
                "Events that the receiver had already, or may have.",
                &["destination", "kind"],
            )?,
            dead_letters: d.counters(
                "dead_letter_events_total",
                "Events refused for ever and kept as dead letters.",
                REASON,
            )?,
            dead_letter_events: d.int_gauges(
                "dead_letter_events",
                "Dead letters waiting for a person.",
                DESTINATION,
            )?,
            discarded: d.counters("discarded_events_total", "Events lost.", REASON)?,
            last_success: d.gauges(
                "destination_last_success_timestamp_seconds",
                "When an event was last delivered; 0 for never.",
                DESTINATION,
            )?,
            last_attempt: d.gauges(
                "destination_last_attempt_timestamp_seconds",
                "When a delivery was last tried; 0 for not since the start.",
                DESTINATION,
            )?,
            state: d.int_gauges(
                "destination_state",
                "1 for the worker's state.",
                &["destination", "state"],
            )?,
            retained_bytes: d.int_gauges(
                "journal_retained_bytes",
                "Bytes of segments that the destination still needs.",
                DESTINATION,
            )?,
            mismatch: d.int_gauges(
                "accounting_mismatch_events",
                "Accepted events that are in no other count; 0 when all is well.",
                DESTINATION,
            )?,
            heartbeat: d.gauges(
                "worker_heartbeat_timestamp_seconds",
                "When the worker last turned its loop.",
                DESTINATION,
            )?,
            insecure: d.int_gauges(
                "destination_plaintext",
                "1 where events leave without TLS.",
                DESTINATION,
            )?,
        })
    }
}

/// Declares metrics under the relay's prefix.
struct Declare<'a>(&'a Registry);

impl Declare<'_> {
    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(opts(name, help), labels)?)
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<GaugeVec, prometheus::Error> {
        self.register(GaugeVec::new(opts(name, help), labels)?)
    }

    fn int_gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(opts(name, help), labels)?)
    }

    fn int_gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.register(IntGauge::with_opts(opts(name, help))?)
    }

    fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, prometheus::Error> {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        self.register(Histogram::with_opts(opts)?)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, prometheus::Error> {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        self.register(HistogramVec::new(opts, labels)?)
    }

    fn register<C>(&self, collector: C) -> Result<C, prometheus::Error>
    where
        C: prometheus::core::Collector + Clone + 'static,
    {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("siem_relay_{name}"), help)
}

fn resolve(
    family: &IntCounterVec,
    name: &str,
    values: &[&'static str],
) -> Vec<(&'static str, IntCounter)> {
    values
        .iter()
        .map(|value| (*value, family.with_label_values(&[name, value])))
        .collect()
}

fn add(counters: &[(&'static str, IntCounter)], label: &'static str, by: u64) {
    if let Some((_, counter)) = counters.iter().find(|(name, _)| *name == label) {
        counter.inc_by(by);
    }
}
