//! Metrics of a destination's worker: how it is, how much it may send, and what it holds.
//!
//! Declares the families; their handles are among the destination's. Knows no batch and no cursor.

use prometheus::{GaugeVec, IntGaugeVec};

use super::declare::Declare;

const DESTINATION: &[&str] = &["destination"];

/// How a destination's worker is.
pub(super) struct WorkerFamilies {
    pub(super) state: IntGaugeVec,
    pub(super) last_success: GaugeVec,
    pub(super) last_attempt: GaugeVec,
    pub(super) retained_bytes: IntGaugeVec,
    pub(super) max_backlog: IntGaugeVec,
    pub(super) heartbeat: GaugeVec,
    pub(super) insecure: IntGaugeVec,
    pub(super) concurrency_limit: IntGaugeVec,
    pub(super) in_flight: IntGaugeVec,
    pub(super) acks_pending: IntGaugeVec,
    pub(super) held_partitions: IntGaugeVec,
    pub(super) unverified: IntGaugeVec,
}

impl WorkerFamilies {
    pub(super) fn declare(d: &Declare<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            state: d.int_gauges(
                "destination_state",
                "1 for the worker's state.",
                &["destination", "state"],
            )?,
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
            retained_bytes: d.int_gauges(
                "journal_retained_bytes",
                "Bytes of segments that the destination still needs.",
                DESTINATION,
            )?,
            max_backlog: d.int_gauges(
                "destination_max_backlog_bytes",
                "Bytes beyond which an optional destination sheds; 0 for a required one.",
                DESTINATION,
            )?,
            heartbeat: d.gauges(
                "worker_heartbeat_timestamp_seconds",
                "When the worker last turned its loop.",
                DESTINATION,
            )?,
            concurrency_limit: d.int_gauges(
                "destination_concurrency_limit",
                "Batches that may be on their way at once, as the destination bears it.",
                DESTINATION,
            )?,
            in_flight: d.int_gauges(
                "destination_inflight_requests",
                "Batches on their way.",
                DESTINATION,
            )?,
            acks_pending: d.int_gauges(
                "acks_pending",
                "Batches accepted and not yet confirmed.",
                DESTINATION,
            )?,
            held_partitions: d.int_gauges(
                "destination_held_partitions",
                "Indexes, paths or files that wait for a person while others flow.",
                DESTINATION,
            )?,
            insecure: d.int_gauges(
                "destination_plaintext",
                "1 where events leave without TLS.",
                DESTINATION,
            )?,
            unverified: d.int_gauges(
                "destination_tls_unverified",
                "1 where the certificate of the destination is not checked.",
                DESTINATION,
            )?,
        })
    }
}
