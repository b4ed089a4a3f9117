//! Every metric of the relay, declared once, with all its label sets at zero from the start.
//!
//! Stages get their own struct of resolved handles, so that no label is looked up on a hot path.
//! Gauges that are derived from state (oldest event, queue, storage) are set by `app` right
//! before a scrape is answered. `docs/metrics.md` is the catalogue; a test holds it to this.

use std::sync::Arc;

use prometheus::process_collector::ProcessCollector;
use prometheus::{IntCounter, IntCounterVec, Registry, TextEncoder};

mod admin;
mod declare;
mod delivery;
mod drift;
mod ingest;
mod storage;
#[cfg(test)]
mod tests;
mod worker;

use declare::Declare;
use delivery::DeliveryFamilies;
use drift::ContractFamilies;
use ingest::IngestFamilies;

pub use admin::{ADMIN_COMMANDS, AdminMetrics, COMMAND_RESULTS};
pub use delivery::{
    ATTEMPT_RESULTS, DEAD_LETTER_REASONS, DISCARD_REASONS, DestinationMetrics, RETRY_REASONS,
    STATES, UNKNOWN_PARTS,
};
pub use drift::{ContractMetrics, DriftMetrics};
pub use ingest::{INGEST_RESULTS, NO_SOURCE, SourceMetrics};
pub use storage::{STORAGE_OPS, STORAGE_STATES, StorageMetrics};

/// `Content-Type` of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Levels of a log line.
pub const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

const SECONDS_REQUEST: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
const BATCH_EVENTS: &[f64] = &[1.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0];

/// The registry and everything in it.
pub struct Metrics {
    registry: Registry,
    ingest: IngestFamilies,
    delivery: DeliveryFamilies,
    contracts: ContractFamilies,
    /// The follower's own metrics.
    pub drift: DriftMetrics,
    /// The admin listener's own metrics.
    pub admin: AdminMetrics,
    /// The journal's own metrics.
    pub storage: StorageMetrics,
    /// Log lines by level, one of [`LEVELS`]; counted by the log set-up.
    pub log_messages: IntCounterVec,
    /// Those of them that nobody took; counted where they are written.
    pub log_messages_lost: IntCounter,
}

impl Metrics {
    /// Declares everything. Fails only on a programming error (a metric declared twice).
    pub fn new() -> Result<Arc<Self>, prometheus::Error> {
        let registry = Registry::new();
        let declare = Declare(&registry);
        let log_messages = declare.counters(
            "log_messages_total",
            "Log lines written, or lost.",
            &["level"],
        )?;
        let lost = declare.counters(
            "log_messages_lost_total",
            "Log lines that stdout did not take.",
            &[],
        )?;
        for level in LEVELS {
            log_messages.with_label_values(&[level]);
        }
        let build = declare.int_gauges(
            "build_info",
            "Always 1; the labels say what runs.",
            &["version", "target"],
        )?;
        let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION"), target.as_str()])
            .set(1);
        registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(Arc::new(Self {
            ingest: IngestFamilies::declare(&declare)?,
            delivery: DeliveryFamilies::declare(&declare)?,
            contracts: ContractFamilies::declare(&declare)?,
            drift: DriftMetrics::declare(&declare)?,
            admin: AdminMetrics::declare(&declare)?,
            storage: StorageMetrics::declare(&declare)?,
            log_messages,
            log_messages_lost: lost.with_label_values::<&str>(&[]),
            registry,
        }))
    }

    /// The text exposition format, version 0.0.4.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// Handles of one source; `secrets` is its number of accepted secrets, `open` says that it
    /// takes events from anybody.
    pub fn source(&self, name: &str, secrets: usize, open: bool) -> SourceMetrics {
        self.ingest.source(name, secrets, open)
    }

    /// Handles of one destination; `insecure` says that events leave without TLS.
    pub fn destination(&self, name: &str, insecure: bool) -> DestinationMetrics {
        self.delivery.destination(name, insecure)
    }

    /// Handles of one contract.
    pub fn contract(&self, name: &str) -> ContractMetrics {
        self.contracts.contract(name)
    }
}
