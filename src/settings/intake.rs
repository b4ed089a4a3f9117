//! Settings of intake presets: SIEMs whose protocol is known, so that a place and a key are enough.
//!
//! Limits are facts of the intakes, kept here because `config` offers them as defaults and ceilings
//! and `sink` holds events against them. Where a row of a vendor's documents says KB or MB without
//! more, the smaller reading (powers of ten) holds: too small a request is no loss, one that is too
//! large is cut short there.

use std::time::Duration;

use crate::secret::Secret;

use super::{Auth, Endpoint};

const HOUR: Duration = Duration::from_secs(3600);
/// Events and bytes of one request where the vendor states no limit, as for any HTTP endpoint.
const EVENTS: usize = 1000;
const EVENTS_MAX: usize = 10_000;
const MB: usize = 1_000_000;

/// A destination with a known protocol.
#[derive(Clone, Debug)]
pub struct Intake {
    /// Scheme and host, to which the preset adds a path, or the full URL where it adds none.
    pub endpoint: Endpoint,
    /// Where the URL comes from, if it is the credential.
    pub secret_url: Option<Secret>,
    /// How to log in.
    pub auth: Auth,
    /// Which intake it is, and what only that one needs.
    pub preset: IntakePreset,
}

/// The intakes.
#[derive(Clone, Debug)]
pub enum IntakePreset {
    /// Microsoft Sentinel, by the Logs Ingestion API.
    Sentinel(Sentinel),
    /// Google SecOps.
    GoogleSecops(GoogleSecops),
    /// Datadog logs, version 2.
    Datadog(Datadog),
    /// An HTTP Logs and Metrics source of Sumo Logic.
    SumoLogic(SumoLogic),
    /// CrowdStrike LogScale, and Falcon Next-Gen SIEM.
    Logscale(Logscale),
    /// An HTTP source of Panther.
    Panther,
    /// Grafana Loki.
    Loki(Loki),
    /// New Relic logs.
    NewRelic(NewRelic),
    /// Graylog, a GELF HTTP input.
    Graylog(Graylog),
    /// The `http_endpoint` input of Elastic Agent and Filebeat.
    ElasticAgent,
}

/// What one request may be, and how long its events stay welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntakeLimits {
    /// Most events of one request unless configured.
    pub events: usize,
    /// And the most that can be configured.
    pub events_max: usize,
    /// Most bytes of one request before compression, unless configured.
    pub bytes: usize,
    /// And the most that can be configured. An event that is larger alone is never sent.
    pub bytes_max: usize,
    /// How far in the past the intake takes events, where it says so: the default of
    /// `max_event_age`.
    pub age_max: Option<Duration>,
}

/// Microsoft Sentinel.
#[derive(Clone, Debug)]
pub struct Sentinel {
    /// The data collection rule's immutable id, `dcr-...`.
    pub rule_id: String,
    /// The stream that the rule declares, `Custom-...`.
    pub stream: String,
    /// Which column has the event.
    pub column: SentinelColumn,
}

/// The column that the event goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentinelColumn {
    /// `RawData`, a string.
    RawData,
    /// `Event`, dynamic.
    Event,
}

/// Google SecOps.
#[derive(Clone, Debug)]
pub struct GoogleSecops {
    /// The log type, which names the parser.
    pub log_type: String,
    /// The instance, which is the customer id.
    pub instance: String,
    /// Which of the two intakes takes events.
    pub api: SecopsApi,
}

/// The intakes of Google SecOps.
#[derive(Clone, Debug)]
pub enum SecopsApi {
    /// `logs:import` of the Chronicle API.
    Import {
        /// `v1alpha`, `v1beta` or `v1`.
        version: String,
        /// The Google Cloud project.
        project: String,
        /// Such as `us` or `europe-west3`.
        region: String,
        /// A forwarder's id, to which the events are credited.
        forwarder: Option<String>,
    },
    /// `unstructuredlogentries:batchCreate` of the ingestion API that it replaces.
    Legacy,
}

/// Datadog logs.
#[derive(Clone, Debug, Default)]
pub struct Datadog {
    /// `ddsource`; the event's source when absent.
    pub ddsource: Option<String>,
    /// `service`.
    pub service: String,
    /// `hostname`; the vendor's host, where it states one, when absent.
    pub hostname: Option<String>,
    /// `ddtags`, each `name:value` or a bare word.
    pub tags: Vec<String>,
}

/// A Sumo Logic source. Its metadata goes in headers.
#[derive(Clone, Debug, Default)]
pub struct SumoLogic {
    /// `X-Sumo-Category`; the source's own setting when absent.
    pub category: Option<String>,
    /// `X-Sumo-Host`; likewise.
    pub host: Option<String>,
    /// `X-Sumo-Name`; likewise.
    pub name: Option<String>,
    /// `X-Sumo-Fields`.
    pub fields: Vec<(String, String)>,
}

/// LogScale, or a connector of Falcon Next-Gen SIEM.
#[derive(Clone, Debug)]
pub struct Logscale {
    /// Which of the two.
    pub input: LogscaleInput,
    /// Constant tags; none for a connector.
    pub tags: Vec<(String, String)>,
}

/// How LogScale takes events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogscaleInput {
    /// `/api/v1/ingest/humio-structured`.
    Structured,
    /// The URL that Falcon Next-Gen SIEM gives a HEC/HTTP connector, in full.
    Connector,
}

/// Grafana Loki.
#[derive(Clone, Debug, Default)]
pub struct Loki {
    /// Constant labels of every stream, beside `source`.
    pub labels: Vec<(String, String)>,
    /// `X-Scope-OrgID`.
    pub tenant: Option<String>,
}

/// New Relic logs.
#[derive(Clone, Debug, Default)]
pub struct NewRelic {
    /// Constant attributes of every event.
    pub attributes: Vec<(String, String)>,
}

/// Graylog.
#[derive(Clone, Debug)]
pub struct Graylog {
    /// GELF `host`; the vendor's host, or `siem-relay`, when absent.
    pub host: Option<String>,
    /// GELF `level`, a syslog severity from 0 to 7.
    pub level: u8,
    /// Constant additional fields, without their underscore.
    pub fields: Vec<(String, String)>,
    /// Whether a request has several events, which the input must be set up for.
    pub bulk: bool,
}

impl IntakePreset {
    /// The word in the configuration.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Sentinel(_) => "sentinel",
            Self::GoogleSecops(_) => "google_secops",
            Self::Datadog(_) => "datadog",
            Self::SumoLogic(_) => "sumo_logic",
            Self::Logscale(_) => "logscale",
            Self::Panther => "panther",
            Self::Loki(_) => "loki",
            Self::NewRelic(_) => "new_relic",
            Self::Graylog(_) => "graylog",
            Self::ElasticAgent => "elastic_agent",
        }
    }

    /// The intake's limits; sources and doubts are in `docs/intakes.md`.
    pub fn limits(&self) -> IntakeLimits {
        let limits = |events, events_max, bytes, bytes_max| IntakeLimits {
            events,
            events_max,
            bytes,
            bytes_max,
            age_max: None,
        };
        let within = |hours, limits| IntakeLimits {
            age_max: Some(hours * HOUR),
            ..limits
        };
        match self {
            Self::Sentinel(_) => within(48, limits(EVENTS, EVENTS_MAX, MB, MB)),
            Self::GoogleSecops(GoogleSecops {
                api: SecopsApi::Legacy,
                ..
            }) => limits(EVENTS, EVENTS_MAX, MB, MB),
            Self::GoogleSecops(_) => limits(EVENTS, EVENTS_MAX, 2 * MB, 4 * MB),
            Self::Datadog(_) => within(18, limits(1000, 1000, 5 * MB, 5 * MB)),
            Self::SumoLogic(_) => limits(EVENTS, EVENTS_MAX, MB, MB),
            Self::Logscale(_) => limits(EVENTS, EVENTS_MAX, 1 << 20, 33_554_432),
            Self::Panther => limits(EVENTS, EVENTS_MAX, MB, 5 * MB),
            // A request over the tenant's burst of 6 MB is refused each time.
            Self::Loki(_) => within(7 * 24, limits(EVENTS, EVENTS_MAX, MB, 4 * MB)),
            Self::NewRelic(_) => within(48, limits(EVENTS, EVENTS_MAX, MB, MB)),
            Self::Graylog(Graylog { bulk: false, .. }) => limits(1, 1, MB, 50 * MB),
            Self::Graylog(_) | Self::ElasticAgent => limits(EVENTS, EVENTS_MAX, MB, 50 * MB),
        }
    }
}
