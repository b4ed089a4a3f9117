//! One configured source at run time: its settings, its metric handles, what became of requests.
//!
//! A [`Tally`] counts the requests of a source, or those that belong to none. Numbers for the
//! status begin at zero with the process; what is durable is counted by the log.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::client;
use super::reply::Refused;
use crate::event::{AuthMethod, EventId, Provenance};
use crate::listener::Refusal;
use crate::settings::{self, SourceAuth};
use crate::telemetry::metrics::{Metrics, SourceMetrics};
use crate::telemetry::rate::Rate;

/// What a source has taken and refused since the start.
#[derive(Clone, Debug)]
pub struct SourceStatus {
    /// Its configured name.
    pub name: String,
    /// Whether it takes events from anybody.
    pub open: bool,
    /// How senders prove themselves.
    pub auth: AuthMethod,
    /// Events made durable.
    pub accepted: u64,
    /// Events a second, over the last minute.
    pub rate_per_second: f64,
    /// Resends that were answered but not stored again.
    pub repeated: u64,
    /// Refused requests by result, without zeros.
    pub rejected: Vec<(&'static str, u64)>,
    /// Received time of the last event, Unix milliseconds.
    pub last_event_ms: Option<u64>,
    /// The last refused request.
    pub last_refusal: Option<LastRefusal>,
}

/// One refused request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastRefusal {
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// A word of `telemetry::metrics::INGEST_RESULTS`.
    pub result: &'static str,
    /// Whom it came from.
    pub client: IpAddr,
}

/// Whether no destination wants this payload of a source, which came in so.
pub type Unwanted = Box<dyn Fn(&[u8], &Provenance) -> bool + Send + Sync>;

/// What is counted of an event that is durable.
pub(super) struct Stored {
    /// Bytes of the payload.
    pub(super) bytes: usize,
    /// Number of the secret that admitted it.
    pub(super) slot: Option<u8>,
    /// It only tests the connection.
    pub(super) test: bool,
    /// No destination wants it.
    pub(super) unwanted: bool,
}

/// A source that takes requests.
pub(super) struct Source {
    pub(super) settings: settings::Source,
    pub(super) tally: Tally,
    repeated: AtomicU64,
    rate: Rate,
    /// Tells of a payload whether no destination wants it; absent where one wants all.
    unwanted: OnceLock<Unwanted>,
    /// 0 for none.
    last_event_ms: AtomicU64,
}

/// Counts the requests of a source, or of none.
pub(super) struct Tally {
    name: String,
    metrics: SourceMetrics,
    refusals: Mutex<Refusals>,
}

#[derive(Default)]
struct Refusals {
    /// Keys are metric results, so there are few.
    by_result: BTreeMap<&'static str, u64>,
    last: Option<LastRefusal>,
}

impl Source {
    pub(super) fn new(settings: &settings::Source, metrics: &Metrics) -> Arc<Self> {
        let name = settings.name.as_str();
        let secrets = match &settings.auth {
            SourceAuth::Bearer(secrets) | SourceAuth::Capability(secrets) => secrets.len(),
            SourceAuth::Header { values, .. } => values.len(),
            SourceAuth::None => 0,
        };
        let open = matches!(settings.auth, SourceAuth::None);
        if open {
            tracing::warn!(
                source = name,
                "source takes events from anybody who can reach the listener; give it an auth"
            );
        }
        Arc::new(Self {
            settings: settings.clone(),
            tally: Tally::new(name, metrics.source(name, secrets, open)),
            repeated: AtomicU64::new(0),
            rate: Rate::new(),
            unwanted: OnceLock::new(),
            last_event_ms: AtomicU64::new(0),
        })
    }

    pub(super) fn check_address(&self, client: IpAddr) -> Result<(), Refused> {
        let allowed = &self.settings.allow_addresses;
        if allowed.is_empty() || client::contains(allowed, client) {
            Ok(())
        } else {
            Err(Refused::Forbidden)
        }
    }

    /// Counts an event that is durable now.
    pub(super) fn stored(&self, id: EventId, about: &Stored) {
        let &Stored {
            bytes,
            slot,
            test,
            unwanted,
        } = about;
        let received_ms = id.received_ms();
        let metrics = &self.tally.metrics;
        metrics.events.inc();
        self.rate.add(1);
        if unwanted {
            metrics.unrouted.inc();
        }
        metrics
            .bytes
            .inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
        metrics.last_event.set(seconds(received_ms));
        self.last_event_ms.fetch_max(received_ms, Ordering::Relaxed);
        self.admitted(slot, received_ms);
        if test {
            let source = self.settings.name.as_str();
            tracing::info!(source, %id, "connectivity test received");
        }
    }

    /// Notes when an event of it was last stored before the relay started.
    pub(super) fn restore_last_event(&self, received_ms: u64) {
        self.last_event_ms.fetch_max(received_ms, Ordering::Relaxed);
        self.tally.metrics.last_event.set(seconds(received_ms));
    }

    /// From here on its events count as wanted by nobody where `unwanted` says so of their
    /// payload. Only the first call counts.
    pub(super) fn set_unwanted(&self, unwanted: Unwanted) {
        self.unwanted.get_or_init(|| unwanted);
    }

    /// Whether no destination wants this payload.
    pub(super) fn is_unwanted(&self, payload: &[u8], provenance: &Provenance) -> bool {
        self.unwanted
            .get()
            .is_some_and(|unwanted| unwanted(payload, provenance))
    }

    /// Counts a resend that was not stored.
    pub(super) fn repeated(&self, id: EventId, slot: Option<u8>) {
        self.repeated.fetch_add(1, Ordering::Relaxed);
        self.admitted(slot, id.received_ms());
    }

    pub(super) fn status(&self) -> SourceStatus {
        let refusals = self.tally.refusals();
        let last_event_ms = self.last_event_ms.load(Ordering::Relaxed);
        SourceStatus {
            name: self.settings.name.clone(),
            open: matches!(self.settings.auth, SourceAuth::None),
            auth: method(&self.settings.auth),
            accepted: self.tally.metrics.events.get(),
            rate_per_second: self.rate.per_second(),
            repeated: self.repeated.load(Ordering::Relaxed),
            rejected: refusals.by_result.clone().into_iter().collect(),
            last_event_ms: (last_event_ms > 0).then_some(last_event_ms),
            last_refusal: refusals.last,
        }
    }

    fn admitted(&self, slot: Option<u8>, received_ms: u64) {
        if let Some(slot) = slot {
            self.tally.metrics.secret_used(slot, seconds(received_ms));
        }
    }
}

impl Tally {
    pub(super) fn new(name: &str, metrics: SourceMetrics) -> Self {
        Self {
            name: name.to_owned(),
            metrics,
            refusals: Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Counts a request by its result.
    pub(super) fn ended(&self, result: &'static str, took: Duration) {
        self.metrics.request(result);
        self.metrics.duration.observe(took.as_secs_f64());
    }

    /// Remembers a refused request for the status.
    pub(super) fn refused(&self, result: &'static str, client: IpAddr) {
        let mut refusals = self.refusals();
        *refusals.by_result.entry(result).or_default() += 1;
        refusals.last = Some(LastRefusal {
            at_ms: super::now_ms(),
            result,
            client,
        });
    }

    /// Counts a connection that ended without a request; the listener has logged it.
    pub(super) fn refused_connection(&self, refusal: Refusal) {
        self.metrics.request(match refusal {
            Refusal::Overloaded => "overloaded",
            Refusal::Handshake => "handshake",
            Refusal::Malformed => "malformed",
            Refusal::Timeout => "timeout",
            Refusal::Aborted => "aborted",
        });
    }

    fn refusals(&self) -> std::sync::MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The provenance word for a source's kind of authentication.
pub fn method(auth: &SourceAuth) -> AuthMethod {
    match auth {
        SourceAuth::None => AuthMethod::None,
        SourceAuth::Bearer(_) => AuthMethod::Bearer,
        SourceAuth::Capability(_) => AuthMethod::Capability,
        SourceAuth::Header { .. } => AuthMethod::Header,
    }
}

fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}
