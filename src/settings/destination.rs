//! Destinations' settings: what every one has, and what its kind needs.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::http::{Framing, HttpTerms};
use crate::secret::Secret;

use super::{Auth, Condition, Elasticsearch, Intake, NamePart, Rule};

/// One destination.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Name: the metric label, the cursor's and dead-letter log's key.
    pub name: String,
    /// Sources wanted; none means all.
    pub sources: Option<Vec<String>>,
    /// What events must be besides; none means any.
    pub when: Option<Condition>,
    /// Changes on the way to it, in order.
    pub rules: Vec<Rule>,
    /// How events are rendered.
    pub format: Format,
    /// Documents of another format than `original` have what the vendor sent, too.
    pub keep_original: bool,
    /// Where a new destination begins.
    pub start: Start,
    /// Size of one batch.
    pub batch: BatchLimits,
    /// Waits between attempts.
    pub retry: Retry,
    /// Wait between probes of a held destination.
    pub probe_interval: Duration,
    /// How fast it is sent to, and for how long.
    pub pace: SendingPace,
    /// Bytes of the journal that an optional destination may hold before its oldest events are
    /// given up; none for a required one, whose events never are.
    pub max_backlog_bytes: Option<u64>,
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
    /// Open Cybersecurity Schema Framework.
    Ocsf,
    /// Splunk's Common Information Model, flat.
    Cim,
}

impl Format {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Original, Self::Ecs, Self::Ocsf, Self::Cim];

    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Ecs => "ecs",
            Self::Ocsf => "ocsf",
            Self::Cim => "cim",
        }
    }
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

/// How fast a destination is sent to, and for how long an event is tried.
#[derive(Clone, Copy, Debug)]
pub struct SendingPace {
    /// Most batches on their way at once; with 1 the order is strict.
    pub max_in_flight: usize,
    /// Most events per second; none for no limit.
    pub rate_limit: Option<u32>,
    /// Age from receipt at which an event that was tried and failed becomes a dead letter; none for
    /// never.
    pub max_event_age: Option<Duration>,
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
    Http(Box<Http>),
    /// A SIEM whose protocol is known.
    Intake(Box<Intake>),
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
    /// What else TLS is told.
    pub tls: EndpointTls,
    /// The way out, where there is no direct one.
    pub proxy: Option<Proxy>,
    /// Whether request bodies are compressed.
    pub gzip: bool,
}

/// TLS with a destination, besides whom it trusts.
#[derive(Clone, Debug, Default)]
pub struct EndpointTls {
    /// Shown to a server that asks for a certificate.
    pub client: Option<ClientCertificate>,
    /// Older versions are refused.
    pub min_version: TlsVersion,
    /// Whether any certificate of the server is accepted, of whomever.
    pub skip_verify: bool,
}

/// The relay's own certificate at a destination.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// Certificate chain, PEM, leaf first.
    pub certificate_file: PathBuf,
    /// Its private key, PEM.
    pub key_file: PathBuf,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2.
    #[default]
    V1_2,
    /// 1.3.
    V1_3,
}

/// An HTTP proxy: `CONNECT` for https, the full URL in the request line for http.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// `http://host:port`, without credentials.
    pub url: String,
    /// User and password of Basic authentication at the proxy.
    pub login: Option<(String, Secret)>,
}

/// Splunk HTTP Event Collector.
#[derive(Clone, Debug)]
pub struct SplunkHec {
    /// `https://host:8088`, 1 to 16 of them; they differ in nothing but the URL.
    pub endpoints: Vec<Endpoint>,
    /// The HEC token.
    pub token: Secret,
    /// Which of HEC's two inputs takes the events.
    pub input: HecInput,
    /// `index` of events whose source is not in `indexes`; left to the token when absent.
    pub index: Option<String>,
    /// `index` by the event's source.
    pub indexes: Vec<(String, String)>,
    /// `source`; `siem-relay:<source name>` when absent.
    pub source: Option<String>,
    /// `sourcetype`.
    pub sourcetype: Option<String>,
    /// `host`; the vendor's, where it states one, when absent.
    pub host: Option<String>,
    /// Those of `index`, `source`, `sourcetype` and `host` that follow from the event.
    pub names: HecNames,
    /// Constant index-time fields; none for [`HecInput::Raw`].
    pub fields: Vec<(String, String)>,
    /// What the number of an invalid event says about those before it.
    pub partial_batches: PartialBatches,
    /// How long to wait for indexer acknowledgement, where the token uses it.
    pub acknowledgement: Acknowledgement,
}

/// Metadata that follows from the event, each instead of the constant of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HecNames {
    /// `index` of events whose source is not in `indexes`.
    pub index: Option<Vec<NamePart>>,
    /// `source`.
    pub source: Option<Vec<NamePart>>,
    /// `sourcetype`.
    pub sourcetype: Option<Vec<NamePart>>,
    /// `host`, whose values are made of [`Letters::Host`](super::Letters::Host).
    pub host: Option<Vec<NamePart>>,
}

/// The inputs of HEC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HecInput {
    /// `/services/collector/event`: envelopes with metadata of their own.
    Event,
    /// `/services/collector/raw`: payloads, one a line; metadata is the request's.
    Raw,
}

/// What an answer says that names one event of a batch as invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartialBatches {
    /// Those before it were taken: Splunk.
    PrefixAccepted,
    /// Nothing was taken: gateways and other products that speak HEC.
    AllRejected,
}

/// How to wait for indexer acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Wait between two questions.
    pub interval: Duration,
    /// Time after which an unacknowledged batch is sent again.
    pub timeout: Duration,
    /// Batches that may wait; more are not sent.
    pub max_batches: usize,
}

/// Any HTTP endpoint.
#[derive(Clone, Debug)]
pub struct Http {
    /// The full URL.
    pub endpoint: Endpoint,
    /// How events are put into bodies.
    pub framing: Framing,
    /// How to log in.
    pub auth: Auth,
    /// Whether each event is wrapped as `{"id", "received", "source", "event"}`.
    pub envelope: bool,
    /// Constant headers, without credentials.
    pub headers: Vec<(String, String)>,
    /// What of a request follows from its events.
    pub names: HttpNames,
    /// What the receiver makes of requests, and means by its answers.
    pub terms: HttpTerms,
}

/// What of a request follows from its events, which are alike in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpNames {
    /// Segments of the path behind that of the URL. Checked: none is ever empty, `.` or `..`.
    pub path: Vec<Vec<NamePart>>,
    /// Headers, whose values are made of [`Letters::Header`](super::Letters::Header); names in
    /// lower case, none of them a constant one.
    pub headers: Vec<(String, Vec<NamePart>)>,
}

/// A local JSON-lines file.
#[derive(Clone, Debug)]
pub struct File {
    /// The file being written, or how its path is made; rotated ones get a number.
    pub path: PathBuf,
    /// Where the path follows from the event.
    pub names: Option<FileNames>,
    /// Bytes after which it is rotated.
    pub rotate_bytes: u64,
    /// Age after which it is rotated.
    pub rotate_age: Option<Duration>,
    /// Rotated files kept; older ones are deleted. None keeps all.
    pub keep_files: Option<usize>,
    /// What becomes of rotated files.
    pub compress: Compress,
    /// Free bytes left on the file system; nothing is written that would leave less.
    pub min_free_bytes: u64,
    /// Whether each event is wrapped as `{"id", "received", "source", "event"}`.
    pub envelope: bool,
}

/// A path that follows from the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNames {
    /// Where all of them lie, the same for every event.
    pub directory: PathBuf,
    /// The directories below it and the file's name. Checked: none is ever empty, `.` or `..`.
    pub below: Vec<Vec<NamePart>>,
}

/// How rotated files are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compress {
    /// Not at all.
    None,
    /// As `NAME.gz`.
    Gzip,
}

impl Kind {
    /// The word in the configuration.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::SplunkHec(_) => "splunk_hec",
            Self::Elasticsearch(_) => "elasticsearch",
            Self::Http(_) => "http",
            Self::Intake(intake) => intake.preset.as_str(),
            Self::File(_) => "file",
        }
    }

    /// Where an HTTP destination is; of several places, the first in plain HTTP, since that is the
    /// one to know of, or else the first.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::SplunkHec(splunk) => to_know_of(&splunk.endpoints),
            Self::Elasticsearch(elastic) => to_know_of(&elastic.endpoints),
            Self::Http(http) => Some(&http.endpoint),
            Self::Intake(intake) => Some(&intake.endpoint),
            Self::File(_) => None,
        }
    }
}

fn to_know_of(endpoints: &[Endpoint]) -> Option<&Endpoint> {
    let mut all = endpoints.iter();
    let plain = all.find(|endpoint| endpoint.url.starts_with("http://"));
    plain.or_else(|| endpoints.first())
}

/// Without the path and query of the URL, which may be a capability.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("url", &origin(&self.url))
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("ca_file", &self.ca_file)
            .field("tls", &self.tls)
            .field("proxy", &self.proxy)
            .field("gzip", &self.gzip)
            .finish()
    }
}

/// Scheme, host and port of a URL; `***` of what is none.
pub(super) fn origin(url: &str) -> String {
    let uri: Option<Uri> = url.parse().ok();
    let origin = uri.as_ref().and_then(|uri| {
        let host = uri.authority()?.as_str().rsplit('@').next()?;
        Some(format!("{}://{host}", uri.scheme_str()?))
    });
    origin.unwrap_or_else(|| "***".to_owned())
}
