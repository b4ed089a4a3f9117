//! What the admin listener sees: the stages' handles put together as one report.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::admin::report::{self, Incident, Report, Time, url_host};
use crate::admin::{Readiness, View};
use crate::dead_letters::DeadLetterLog;
use crate::deliver::{Controls, DestinationStatus, HeldPartition, ReplayStatus};
use crate::drift::{ContractStatus, Drift};
use crate::ingest::{Ingest, SourceStatus};
use crate::settings::Destination;
use crate::spool::{Head, Health, LocalLog, Log, Shed};
use crate::telemetry::metrics::Metrics;

/// Handles of all stages.
pub(super) struct RelayView {
    pub(super) log: LocalLog,
    pub(super) ingest: Arc<Ingest<LocalLog>>,
    pub(super) destinations: Vec<DestinationView>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) started: Instant,
    pub(super) started_at: Timestamp,
    pub(super) max_bytes: u64,
    pub(super) stopping: AtomicBool,
    pub(super) warnings: Vec<String>,
    pub(super) drift: Drift,
}

/// One destination, as configured and as it is.
pub(super) struct DestinationView {
    pub(super) settings: Destination,
    pub(super) status: DestinationStatus,
    pub(super) controls: Controls,
    pub(super) letters: DeadLetterLog,
    /// `dead_letters.max_size`.
    pub(super) letters_bytes_max: u64,
    pub(super) replay: ReplayStatus,
}

impl View for RelayView {
    fn refresh(&self) {
        let head = self.head();
        for destination in &self.destinations {
            let low_water = destination.status.snapshot(head).low_water;
            destination
                .status
                .refresh_metrics(head, self.log.retained_bytes(low_water));
        }
        let used = i64::try_from(self.log.usage().used_bytes).unwrap_or(i64::MAX);
        self.metrics.storage.used_bytes.set(used);
    }

    fn ready(&self) -> Readiness {
        if self.stopping.load(Ordering::Acquire) {
            return Readiness {
                ready: false,
                reason: "the relay is stopping".to_owned(),
            };
        }
        match &*self.log.health().borrow() {
            Health::Accepting => Readiness {
                ready: true,
                reason: String::new(),
            },
            Health::Full(reason) => refusing("full", reason),
            Health::Poisoned(reason) => refusing("poisoned", reason),
        }
    }

    fn status(&self) -> Report {
        let head = self.head();
        Report {
            version: env!("CARGO_PKG_VERSION"),
            started: time(self.started_at),
            uptime_seconds: self.started.elapsed().as_secs(),
            warnings: self.warnings(),
            journal: self.journal(head),
            sources: self.ingest.status().into_iter().map(source).collect(),
            destinations: self
                .destinations
                .iter()
                .map(|d| self.destination(d, head))
                .collect(),
            contracts: self.drift.contracts().into_iter().map(contract).collect(),
        }
    }

    fn drift(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(self.drift.report())
    }
}

impl RelayView {
    fn head(&self) -> Head {
        *self.log.head().borrow()
    }

    /// Those of the start, and destinations that nobody forgot yet.
    fn warnings(&self) -> Vec<String> {
        let is_configured = |name: &str| {
            let mut configured = self.destinations.iter();
            configured.any(|known| known.settings.name == name)
        };
        let mut warnings = self.warnings.clone();
        warnings.extend(left_behind(&self.log, is_configured));
        warnings
    }

    fn journal(&self, head: Head) -> report::Journal {
        let damaged = self.log.journal().damage().into_iter();
        let usage = self.log.usage();
        let (state, reason) = match &*self.log.health().borrow() {
            Health::Accepting => ("accepting", None),
            Health::Full(reason) => ("full", Some(reason.clone())),
            Health::Poisoned(reason) => ("poisoned", Some(reason.clone())),
        };
        report::Journal {
            state,
            reason,
            head: head.position,
            events: head.events,
            used_bytes: usage.used_bytes,
            max_bytes: self.max_bytes,
            segments: usage.segments as u64,
            damaged: damaged
                .map(|damage| report::DamagedPlace {
                    file: damage.file,
                    offset: damage.offset,
                    after: damage.after,
                })
                .collect(),
        }
    }

    fn destination(&self, view: &DestinationView, head: Head) -> report::Destination {
        let snapshot = view.status.snapshot(head);
        let now_ms = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
        let age_ms = snapshot
            .oldest_ms
            .map_or(0, |oldest| now_ms.saturating_sub(oldest));
        report::Destination {
            name: view.settings.name.clone(),
            kind: view.settings.kind.as_str(),
            host: view
                .settings
                .kind
                .endpoint()
                .and_then(|endpoint| url_host(&endpoint.url)),
            format: view.settings.format.as_str(),
            state: snapshot.state,
            reason: snapshot.reason.as_deref().map(str::to_owned),
            since: time(snapshot.since),
            rate_per_second: view.status.rate_per_second(),
            backlog_events: snapshot.backlog,
            oldest_event: snapshot.oldest_ms.and_then(Time::from_unix_ms),
            oldest_age_seconds: age_ms / 1000,
            retained_bytes: self.log.retained_bytes(snapshot.low_water),
            required: view.settings.max_backlog_bytes.is_none(),
            max_backlog_bytes: view.settings.max_backlog_bytes,
            last_shed: self
                .log
                .sheds(&view.settings.name)
                .borrow()
                .as_ref()
                .map(shed),
            accepted: snapshot.accepted,
            delivered: snapshot.totals.delivered,
            dead_lettered: snapshot.totals.dead_lettered,
            dead_letters: letters(view),
            filtered: snapshot.totals.filtered,
            discarded: snapshot.totals.discarded,
            accounting_mismatch: snapshot.mismatch,
            last_success: Time::from_unix_ms(snapshot.last_success_ms),
            last_attempt: Time::from_unix_ms(snapshot.last_attempt_ms),
            last_error: snapshot.last_error.map(|error| Incident {
                time: time(error.at),
                text: error.text.to_string(),
            }),
            next_attempt: snapshot.next_attempt.and_then(time),
            concurrency_limit: snapshot.batches.0,
            in_flight_batches: snapshot.batches.1,
            unconfirmed_batches: snapshot.batches.2,
            held_partitions: snapshot.partitions.iter().map(partition).collect(),
        }
    }
}

/// A warning for each destination that the log keeps events for although it is not configured.
pub(super) fn left_behind(
    log: &LocalLog,
    is_configured: impl Fn(&str) -> bool,
) -> impl Iterator<Item = String> {
    let left = log.registered().into_iter();
    left.filter(move |name| !is_configured(name)).map(|name| {
        format!(
            "destination {name} is registered in the journal but not configured: events are kept \
             for it until the journal is full; configure it, or run `siem-relay journal forget \
             --config FILE {name}`"
        )
    })
}

fn letters(view: &DestinationView) -> report::DeadLetters {
    let (summary, replay) = (view.letters.summary(), view.replay.snapshot());
    report::DeadLetters {
        present: summary.letters,
        oldest: Time::from_unix_ms(summary.oldest_ms),
        bytes: summary.bytes,
        max_bytes: view.letters_bytes_max,
        replaying: summary.waiting,
        replay_state: replay.state,
        replay_reason: replay.reason.as_deref().map(str::to_owned),
    }
}

fn partition(held: &HeldPartition) -> report::HeldPartition {
    report::HeldPartition {
        name: held.name.to_string(),
        reason: held.reason.to_string(),
        since: Time::from_unix_ms(held.since_ms),
        events: held.events,
    }
}

fn shed(shed: &Shed) -> report::Shed {
    report::Shed {
        time: Time::from_unix_ms(shed.at_ms),
        events: shed.events,
        first: shed.first,
        last: shed.last,
        bytes: shed.bytes,
        reason: shed.reason,
    }
}

fn refusing(state: &str, reason: &str) -> Readiness {
    Readiness {
        ready: false,
        reason: format!("the journal is {state}: {reason}"),
    }
}

fn source(status: SourceStatus) -> report::Source {
    report::Source {
        name: status.name,
        auth: status.auth.as_str(),
        unauthenticated: status.open,
        rate_per_second: status.rate_per_second,
        accepted: status.accepted,
        rejected: status.rejected.into_iter().collect(),
        last_event: status.last_event_ms.and_then(Time::from_unix_ms),
        last_refusal: status.last_refusal.map(|refusal| Incident {
            time: Time::from_unix_ms(refusal.at_ms),
            text: format!("{} from {}", refusal.result, refusal.client),
        }),
    }
}

fn contract(status: ContractStatus) -> report::Contract {
    report::Contract {
        name: status.contract.name,
        source: status.contract.source,
        r#type: status.contract.kind,
        used_by: status.contract.used_by,
        checked: status.checked,
        breaches: status.breaches,
        last_breach: status.last.map(|breach| report::Breach {
            time: Time::from_unix_ms(breach.event.received_ms()),
            event: breach.event.to_string(),
            pointer: breach.pointer,
            problem: breach.problem,
        }),
    }
}

fn time(at: Timestamp) -> Option<Time> {
    Time::from_unix_ms(u64::try_from(at.as_millisecond()).ok()?)
}
