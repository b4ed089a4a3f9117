//! Checked settings: plain data that `config` makes and the stages read.
//!
//! Everything here has passed validation: paths are absolute, limits are in range, secrets are
//! loaded. No logic lives here, and nothing reads files or the environment. Units are in the
//! names or types; defaults are documented once, in `config.toml.example`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use ipnet::IpNet;

use crate::secret::Secret;

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
    /// Header with the vendor's delivery id; a repeat of it is answered but not stored again.
    pub delivery_id_header: Option<String>,
}

/// A vendor's conventions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Data Theorem webhooks.
    DataTheorem,
    /// Any JSON.
    Generic,
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

/// One destination.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Name: the metric label, the cursor's and dead-letter log's key.
    pub name: String,
    /// Sources wanted; none means all.
    pub sources: Option<Vec<String>>,
    /// How events are rendered.
    pub format: Format,
    /// Where a new destination begins.
    pub start: Start,
    /// Size of one batch.
    pub batch: BatchLimits,
    /// Waits between attempts.
    pub retry: Retry,
    /// Wait between probes of a held destination.
    pub probe_interval: Duration,
    /// What it is, and how to reach it.
    pub kind: Kind,
}

/// How events are rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// What the vendor sent.
    Original,
    /// Elastic Common Schema.
    Ecs,
}

/// Where a new destination begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest event kept.
    Earliest,
    /// With the next event.
    Latest,
}

/// Size of one batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Most events in a request.
    pub max_events: usize,
    /// Most uncompressed bytes in a request; a larger single event goes alone.
    pub max_bytes: usize,
}

/// Waits between attempts: exponential, with jitter.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// First wait.
    pub initial: Duration,
    /// Longest wait, also for `Retry-After`.
    pub max: Duration,
    /// Growth from wait to wait; 1 and up.
    pub multiplier: f64,
    /// Share by which a wait varies, 0 to 1.
    pub jitter: f64,
}

/// The kinds of destination.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Splunk HTTP Event Collector.
    SplunkHec(SplunkHec),
    /// Elasticsearch or OpenSearch.
    Elasticsearch(Elasticsearch),
    /// Any HTTP endpoint.
    Http(Http),
    /// A local file.
    File(File),
}

/// What every HTTP destination has.
#[derive(Clone)]
pub struct Endpoint {
    /// Base or full URL, without credentials.
    pub url: String,
    /// TCP and TLS set-up.
    pub connect_timeout: Duration,
    /// A whole attempt.
    pub request_timeout: Duration,
    /// PEM bundle trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether request bodies are compressed.
    pub gzip: bool,
}

/// Splunk HTTP Event Collector.
#[derive(Clone, Debug)]
pub struct SplunkHec {
    /// `https://host:8088`.
    pub endpoint: Endpoint,
    /// The HEC token.
    pub token: Secret,
    /// `index`, left to the token when absent.
    pub index: Option<String>,
    /// `source`; `siem-relay:<source name>` when absent.
    pub source: Option<String>,
    /// `sourcetype`.
    pub sourcetype: Option<String>,
    /// Constant index-time fields.
    pub fields: Vec<(String, String)>,
}

/// Elasticsearch or OpenSearch.
#[derive(Clone, Debug)]
pub struct Elasticsearch {
    /// `https://host:9200`.
    pub endpoint: Endpoint,
    /// Index or data stream.
    pub target: String,
    /// How to log in.
    pub auth: ElasticsearchAuth,
    /// An ingest pipeline.
    pub pipeline: Option<String>,
}

/// Login at Elasticsearch or OpenSearch.
#[derive(Clone, Debug)]
pub enum ElasticsearchAuth {
    /// None.
    None,
    /// `ApiKey <encoded>`.
    ApiKey(Secret),
    /// Basic.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: Secret,
    },
    /// Bearer.
    Bearer(Secret),
}

/// Any HTTP endpoint.
#[derive(Clone, Debug)]
pub struct Http {
    /// The full URL.
    pub endpoint: Endpoint,
    /// How events are put into bodies.
    pub framing: Framing,
    /// How to log in.
    pub auth: HttpAuth,
    /// Whether each event is wrapped as `{"id", "received", "source", "event"}`.
    pub envelope: bool,
    /// Constant headers, without credentials.
    pub headers: Vec<(String, String)>,
}

/// How events are put into bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One JSON array.
    Array,
    /// One JSON value a line.
    Ndjson,
    /// One event a request.
    Single,
}

/// Login at an HTTP endpoint.
#[derive(Clone, Debug)]
pub enum HttpAuth {
    /// None.
    None,
    /// Bearer.
    Bearer(Secret),
    /// Basic.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: Secret,
    },
    /// A header of any name.
    Header {
        /// Header name, lower case.
        name: String,
        /// Its value.
        value: Secret,
    },
}

/// A local JSON-lines file.
#[derive(Clone, Debug)]
pub struct File {
    /// The file being written; rotated ones get a number.
    pub path: PathBuf,
    /// Bytes after which it is rotated.
    pub rotate_bytes: u64,
    /// Age after which it is rotated.
    pub rotate_age: Option<Duration>,
    /// Rotated files kept; older ones are deleted. None keeps all.
    pub keep_files: Option<usize>,
    /// Whether each event is wrapped as `{"id", "received", "source", "event"}`.
    pub envelope: bool,
}

impl Kind {
    /// The word in the configuration.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::SplunkHec(_) => "splunk_hec",
            Self::Elasticsearch(_) => "elasticsearch",
            Self::Http(_) => "http",
            Self::File(_) => "file",
        }
    }
}

/// Without the path and query of the URL, which may be a capability.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uri: Option<Uri> = self.url.parse().ok();
        let origin = uri.as_ref().and_then(|uri| {
            let host = uri.authority()?.as_str().rsplit('@').next()?;
            Some(format!("{}://{host}", uri.scheme_str()?))
        });
        f.debug_struct("Endpoint")
            .field("url", &origin.as_deref().unwrap_or("***"))
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("ca_file", &self.ca_file)
            .field("gzip", &self.gzip)
            .finish()
    }
}

#[cfg(test)]
mod tests;
