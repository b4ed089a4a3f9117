//! Checked settings: plain data that `config` makes and the stages read.
//!
//! Everything here has passed validation: paths are absolute, limits are in range, secrets are
//! loaded. No logic lives here, and nothing reads files or the environment. Units are in the
//! names or types; defaults are documented once, in `config.toml.example`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::secret::Secret;

mod destination;
mod elastic;
mod http;
mod intake;
mod login;
mod name;
mod rules;
#[cfg(test)]
mod tests;

pub use self::http::{
    CloudEvents, CloudEventsData, CloudEventsMode, Framing, HttpTerms, Success, Wrap,
};
pub use destination::{
    Acknowledgement, BatchLimits, ClientCertificate, Compress, Destination, Endpoint, EndpointTls,
    File, FileNames, Format, HecInput, HecNames, Http, HttpNames, Kind, PartialBatches, Proxy,
    Retry, SendingPace, SplunkHec, Start, TlsVersion,
};
pub use elastic::{BulkTarget, ElasticFlavour, Elasticsearch};
pub use intake::{
    Datadog, GoogleSecops, Graylog, Intake, IntakeLimits, IntakePreset, Logscale, LogscaleInput,
    Loki, NewRelic, SecopsApi, Sentinel, SentinelColumn, SumoLogic,
};
pub use login::{Auth, Aws, AwsCredentials, AwsService, GoogleServiceAccount, OAuth2, TokenStyle};
pub use name::{
    HEADER_VALUE_BYTES_MAX, HOST_VALUE_BYTES_MAX, Letters, NAME_VALUE_BYTES_MAX, NamePart,
};
pub use rules::{Action, Condition, ModelPart, Pointer, Rule, Scalar, Test};

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The listener for vendors.
    pub server: Server,
    /// The listener for operators.
    pub admin: Admin,
    /// The log on disk.
    pub journal: Journal,
    /// Where refused events go.
    pub dead_letters: DeadLetters,
    /// How the relay logs.
    pub log: Log,
    /// Vendors, in the order of their names.
    pub sources: Vec<Source>,
    /// Destinations, in the order of their names.
    pub destinations: Vec<Destination>,
    /// What detections need of events, in the order of their names.
    pub contracts: Vec<Contract>,
}

/// The ingest listener and its limits.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address of the ingest listener.
    pub listen: SocketAddr,
    /// Path before `/<source>`, without a trailing slash; `/hooks` by default.
    pub path: String,
    /// Certificate and key; plain HTTP without.
    pub tls: Option<ServerTls>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Plain HTTP off loopback was chosen (`allow_plaintext = true`).
    pub allow_plaintext: bool,
    /// Connections open at once; more get 503.
    pub max_connections: usize,
    /// Headers of one request; more get 431.
    pub max_headers: usize,
    /// Bytes of one request's head; more get 431.
    pub max_header_bytes: usize,
    /// From connect (or the last answer) to the end of the request head; also TLS handshake.
    pub header_timeout: Duration,
    /// Bytes of one body, on the wire and decoded; more get 413.
    pub max_body_bytes: usize,
    /// From the end of the head to the end of the body; then 408.
    pub body_timeout: Duration,
    /// Body bytes held by all requests together; 503 after one second of waiting.
    pub max_inflight_bytes: usize,
    /// After SIGTERM: how long the relay is not ready but still accepts.
    pub drain_delay: Duration,
    /// After that: how long requests and deliveries in flight may take.
    pub stop_timeout: Duration,
}

/// Certificate and key of the ingest listener, PEM; re-read when they change.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// The chain, leaf first.
    pub certificate_file: PathBuf,
    /// The private key.
    pub key_file: PathBuf,
}

/// The admin listener.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Address; loopback by default.
    pub listen: SocketAddr,
    /// Needed off loopback for all but metrics and health.
    pub read_token: Option<Secret>,
    /// Needed everywhere for commands; without it none is taken. Admits reads, too.
    pub write_token: Option<Secret>,
}

/// The log on disk.
#[derive(Clone, Debug)]
pub struct Journal {
    /// Directory of segments and cursors.
    pub directory: PathBuf,
    /// Bytes of all segments together; then 503 until a destination catches up.
    pub max_size_bytes: u64,
    /// Bytes of one segment file.
    pub segment_bytes: u64,
    /// Bytes of the file system that segments leave free, for cursors and dead letters.
    pub reserve_bytes: u64,
    /// How long delivered events stay for replay.
    pub retain_delivered: Duration,
    /// Resend keys remembered.
    pub resend_window: usize,
    /// Between two checks of everything stored; zero for none.
    pub scrub_interval: Duration,
    /// A file system that does not survive a restart was chosen.
    pub allow_ephemeral: bool,
    /// No destination is wanted.
    pub collect_only: bool,
}

/// The dead-letter logs.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    /// Directory with one log per destination.
    pub directory: PathBuf,
    /// Bytes per destination; a full log holds the destination.
    pub max_size_bytes: u64,
    /// Bytes of the file system that new letters leave free, for cursors and for settling letters.
    pub reserve_bytes: u64,
}

/// Log output.
#[derive(Clone, Debug)]
pub struct Log {
    /// JSON lines or text.
    pub json: bool,
    /// A filter such as `info` or `siem_relay=debug`.
    pub level: String,
}

/// One vendor.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name: the path segment, the metric label.
    pub name: String,
    /// Which vendor's conventions hold.
    pub preset: Preset,
    /// How senders prove themselves.
    pub auth: SourceAuth,
    /// Addresses that may send; empty means all.
    pub allow_addresses: Vec<IpNet>,
    /// Request headers kept with the event; lower case, never credentials.
    pub keep_headers: Vec<String>,
    /// Header with the vendor's delivery id; the same id with the same body is answered but not
    /// stored again.
    pub delivery_id_header: Option<String>,
    /// Changes on the way to every destination, in order; before those of the destination.
    pub rules: Vec<Rule>,
    /// How bad the vendor's words for severity are; before the built-in table.
    pub severities: Vec<(String, Severity)>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// To know of.
    Informational,
    /// Some day.
    Low,
    /// Soon.
    Medium,
    /// At once.
    High,
    /// Before anything else.
    Critical,
}

/// A vendor's conventions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Data Theorem webhooks.
    DataTheorem,
    /// GitHub webhooks and the streamed audit log.
    GitHub,
    /// GitLab webhooks.
    GitLab,
    /// Snyk webhooks.
    Snyk,
    /// Wiz webhooks.
    Wiz,
    /// Okta event hooks.
    Okta,
    /// Any JSON.
    Generic,
}

impl Preset {
    /// Every preset by the word of the configuration.
    pub const ALL: [(&'static str, Self); 7] = [
        ("datatheorem", Self::DataTheorem),
        ("github", Self::GitHub),
        ("gitlab", Self::GitLab),
        ("snyk", Self::Snyk),
        ("wiz", Self::Wiz),
        ("okta", Self::Okta),
        ("generic", Self::Generic),
    ];

    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        let known = Self::ALL.into_iter().find(|(_, preset)| *preset == self);
        known.map_or("", |(word, _)| word)
    }

    /// Headers that say what an event is; kept with it. Names in lower case.
    pub fn headers(self) -> &'static [&'static str] {
        match self {
            Self::GitHub => &["x-github-event", "x-github-delivery"],
            Self::GitLab => &["x-gitlab-event", "x-gitlab-event-uuid"],
            Self::Snyk => &["x-snyk-event", "x-snyk-transport-id", "x-snyk-timestamp"],
            Self::DataTheorem | Self::Wiz | Self::Okta | Self::Generic => &[],
        }
    }

    /// The header, and its value in a vendor's connectivity test, where a header tells. The body
    /// must be one's, too.
    pub fn test_header(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::GitHub => Some(("x-github-event", "ping")),
            Self::Snyk => Some(("x-snyk-event", "ping/v0")),
            _ => None,
        }
    }

    /// The header whose value a vendor wants back, asked once with GET, before it sends any event.
    pub fn challenge_header(self) -> Option<&'static str> {
        match self {
            Self::Okta => Some("x-okta-verification-challenge"),
            _ => None,
        }
    }

    /// The header whose value is the same when a delivery is sent again, where that is known.
    pub fn delivery_id_header(self) -> Option<&'static str> {
        match self {
            Self::GitHub => Some("x-github-delivery"),
            Self::GitLab => Some("idempotency-key"),
            _ => None,
        }
    }
}

/// How senders prove themselves.
#[derive(Clone, Debug)]
pub enum SourceAuth {
    /// `Authorization: Bearer <one of these>`.
    Bearer(Vec<Secret>),
    /// The last path segment is one of these.
    Capability(Vec<Secret>),
    /// The named header's whole value is one of these.
    Header {
        /// Header name, lower case.
        name: String,
        /// Accepted values.
        values: Vec<Secret>,
    },
    /// Anybody (`allow_unauthenticated = true`).
    None,
}

/// What a detection needs of a source's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// Name: the metric label.
    pub name: String,
    /// The source whose events it is about.
    pub source: String,
    /// Pattern of the types of events; `*` stands for any text.
    pub kind: String,
    /// JSON pointers where something other than null must be.
    pub requires: Vec<String>,
    /// JSON pointers where, if anything is there, it is one of these texts.
    pub values: Vec<(String, Vec<String>)>,
    /// The rule or detection that needs it.
    pub used_by: String,
}
