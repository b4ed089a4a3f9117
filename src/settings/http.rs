//! How requests to an HTTP destination look, and what its answers mean.

use serde_json::Value;

/// How events are put into bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One JSON array.
    Array,
    /// One JSON value a line.
    Ndjson,
    /// One event a request.
    Single,
    /// One JSON array inside of a constant text.
    Wrapped(Wrap),
    /// As CloudEvents 1.0.
    CloudEvents(CloudEvents),
}

/// What stands around the array; with any array in between it is one JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrap {
    /// Before the array.
    pub before: String,
    /// Behind it.
    pub after: String,
}

/// CloudEvents 1.0 over HTTP ("HTTP Protocol Binding for CloudEvents", version 1.0.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudEvents {
    /// Which of the three modes.
    pub mode: CloudEventsMode,
    /// `source` of every event, a URI reference; `siem-relay:<source name>` when absent.
    pub source: Option<String>,
    /// `type` of every event.
    pub kind: String,
    /// How the payload is carried; always [`CloudEventsData::Json`] in binary mode.
    pub data: CloudEventsData,
}

/// The content modes of CloudEvents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloudEventsMode {
    /// One event a request, as one JSON object.
    Structured,
    /// An array of such objects; only for receivers that asked for it.
    Batched,
    /// One event a request: attributes in headers, the payload as body.
    Binary,
}

/// How a CloudEvent carries the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloudEventsData {
    /// As JSON under `data`.
    Json,
    /// Its bytes under `data_base64`, so that no JSON reader between changes one.
    Base64,
}

/// What the receiver makes of requests, and what it means by its answers.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpTerms {
    /// Header with the request's key, lower case; none for no key.
    pub idempotency_header: Option<String>,
    /// Statuses other than 2xx with which it says that it has the request's events already.
    pub success_statuses: Vec<u16>,
    /// What the body of a 2xx must say besides.
    pub success: Option<Success>,
}

/// What the body of a 2xx must say for its events to be delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct Success {
    /// Where to look (RFC 6901).
    pub pointer: String,
    /// What must be there: a text, a whole number, or a truth value.
    pub equals: Value,
}

impl Default for HttpTerms {
    fn default() -> Self {
        Self {
            idempotency_header: Some("idempotency-key".to_owned()),
            success_statuses: Vec::new(),
            success: None,
        }
    }
}

impl Framing {
    /// Whether a request holds one event only.
    pub fn is_single(&self) -> bool {
        match self {
            Self::Single => true,
            Self::CloudEvents(cloud) => cloud.mode != CloudEventsMode::Batched,
            Self::Array | Self::Ndjson | Self::Wrapped(_) => false,
        }
    }

    /// Bytes of a body that are no event's: brackets, and what is wrapped around them.
    pub fn frame_bytes(&self) -> usize {
        match self {
            // Each event is counted with a comma, of which there is one less.
            Self::Array => 1,
            Self::CloudEvents(cloud) if cloud.mode == CloudEventsMode::Batched => 1,
            Self::Wrapped(wrap) => wrap.before.len() + wrap.after.len() + 1,
            Self::Ndjson | Self::Single | Self::CloudEvents(_) => 0,
        }
    }
}
