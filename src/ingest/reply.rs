//! Every answer of the front door, as one table.
//!
//! Answers are built from constants and ids alone, so they cannot repeat a body, a token or a
//! path; but a vendor's challenge, which asks for just that, has its value sent back. The error
//! word, the metric result and the log's result are the same, with one exception: a wrong
//! capability is answered exactly like an unknown path but counted as what it is.

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use crate::event::EventId;
use crate::spool::AppendError;

const NOT_FOUND: &str = "no webhook has this URL; compare it with the source's name and secret";

/// A request whose event is durable, or that brought none and was answered.
#[derive(Debug)]
pub(super) enum Taken {
    Event {
        id: EventId,
        duplicate_of: Option<EventId>,
    },
    Test {
        id: EventId,
    },
    /// Recognised by the vendor's delivery id, and stored before.
    Repeat {
        first: EventId,
    },
    /// The vendor asked whether the URL is its customer's.
    Challenge {
        /// What it wants back.
        verification: String,
    },
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    NotFound,
    WrongCapability,
    Method,
    HealthMethod,
    BodyTooLarge,
    ContentEncoding,
    ContentType,
    Forbidden,
    WrongBearer,
    WrongHeader,
    Overloaded,
    BodyTimeout,
    BodyCutOff,
    BrokenBody,
    Gzip,
    EmptyBody,
    NotJson,
    Challenge,
    RecordTooLarge,
    LogFull,
    LogPoisoned,
    LogOverloaded,
    LogClosed,
    LogSilent,
}

/// What is left of a refused request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing: the connection can take the next request.
    None,
    /// Something: the connection must be closed.
    Unread,
}

#[derive(Serialize)]
struct TakenBody<'a> {
    id: &'a EventId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<&'a EventId>,
}

/// As Okta wants it.
#[derive(Serialize)]
struct ChallengeBody<'a> {
    verification: &'a str,
}

#[derive(Serialize)]
struct RefusedBody {
    error: &'static str,
    detail: &'static str,
}

impl Taken {
    /// The metric result.
    pub(super) fn result(&self) -> &'static str {
        match self {
            Self::Event { .. } => "accepted",
            Self::Test { .. } => "test",
            Self::Repeat { .. } => "duplicate",
            Self::Challenge { .. } => "challenge",
        }
    }

    /// The answer; `spent` are the request's headers, whose memory serves once more.
    pub(super) fn response(&self, spent: HeaderMap) -> Response<Full<Bytes>> {
        let (id, status, duplicate_of) = match self {
            Self::Event { id, duplicate_of } => (id, "accepted", duplicate_of.as_ref()),
            Self::Test { id } => (id, "accepted", None),
            Self::Repeat { first } => (first, "duplicate", None),
            Self::Challenge { verification } => {
                return json(StatusCode::OK, &ChallengeBody { verification }, spent);
            }
        };
        let body = TakenBody {
            id,
            status,
            duplicate_of,
        };
        json(StatusCode::OK, &body, spent)
    }
}

impl Refused {
    /// The metric result.
    pub(super) fn result(self) -> &'static str {
        match self {
            Self::WrongCapability => "auth_failed",
            other => other.row().1,
        }
    }

    /// What is wrong and what to do, without anything the sender sent.
    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::WrongCapability => "the path ends in none of the source's secrets",
            other => other.row().2,
        }
    }

    pub(super) fn response(self, rest: Rest) -> Response<Full<Bytes>> {
        let (status, error, detail) = self.row();
        let mut response = json(status, &RefusedBody { error, detail }, HeaderMap::new());
        let headers = response.headers_mut();
        if let Some((name, value)) = self.header() {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if rest == Rest::Unread {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Status, error word, detail.
    fn row(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::NotFound | Self::WrongCapability => (S::NOT_FOUND, "not_found", NOT_FOUND),
            Self::Method => (S::METHOD_NOT_ALLOWED, "method", "send the event with POST"),
            Self::HealthMethod => (S::METHOD_NOT_ALLOWED, "method", "ask with GET or HEAD"),
            Self::BodyTooLarge => (
                S::PAYLOAD_TOO_LARGE,
                "too_large",
                "the body, sent or decoded, is over server.max_body; send less or raise it",
            ),
            Self::RecordTooLarge => (
                S::PAYLOAD_TOO_LARGE,
                "too_large",
                "the event does not fit into a journal segment; send less or use larger segments",
            ),
            Self::ContentEncoding => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "unsupported",
                "send the body as it is or with content-encoding gzip",
            ),
            Self::ContentType => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "unsupported",
                "send JSON with content-type application/json",
            ),
            Self::Forbidden => (
                S::FORBIDDEN,
                "forbidden",
                "the sender's address is not among the source's allowed addresses",
            ),
            Self::WrongBearer => (
                S::UNAUTHORIZED,
                "auth_failed",
                "send the source's token as authorization: Bearer <token>",
            ),
            Self::WrongHeader => (
                S::UNAUTHORIZED,
                "auth_failed",
                "send the source's secret in the header that its configuration names",
            ),
            Self::Overloaded | Self::LogOverloaded => (
                S::SERVICE_UNAVAILABLE,
                "overloaded",
                "too many events at once; send again later",
            ),
            Self::BodyTimeout => (
                S::REQUEST_TIMEOUT,
                "timeout",
                "the body did not arrive in time; send it faster or in smaller events",
            ),
            Self::BodyCutOff => (S::BAD_REQUEST, "aborted", "the body ended too early"),
            Self::BrokenBody => (
                S::BAD_REQUEST,
                "malformed",
                "the chunked transfer coding of the body is broken",
            ),
            Self::Gzip => (
                S::BAD_REQUEST,
                "malformed",
                "the body is not gzip as declared, or has bytes after its end",
            ),
            Self::EmptyBody => (S::BAD_REQUEST, "malformed", "the body is empty; send JSON"),
            Self::NotJson => (
                S::BAD_REQUEST,
                "malformed",
                "the body is not one JSON value in UTF-8",
            ),
            Self::Challenge => (
                S::BAD_REQUEST,
                "malformed",
                "send the challenge in one header of 1 to 256 visible characters",
            ),
            Self::LogFull => (
                S::SERVICE_UNAVAILABLE,
                "storage_error",
                "the relay has no space to keep events; send again later",
            ),
            Self::LogPoisoned => (
                S::SERVICE_UNAVAILABLE,
                "storage_error",
                "the relay cannot keep events until it is restarted; send again later",
            ),
            Self::LogSilent => (
                S::SERVICE_UNAVAILABLE,
                "storage_error",
                "the relay could not keep the event in time; send again later",
            ),
            Self::LogClosed => (
                S::SERVICE_UNAVAILABLE,
                "overloaded",
                "the relay is stopping; send again later",
            ),
        }
    }

    /// The header that the status calls for.
    fn header(self) -> Option<(HeaderName, &'static str)> {
        match self {
            Self::Method => Some((ALLOW, "POST")),
            Self::HealthMethod => Some((ALLOW, "GET, HEAD")),
            Self::ContentEncoding => Some((ACCEPT_ENCODING, "gzip, identity")),
            Self::WrongBearer => Some((WWW_AUTHENTICATE, "Bearer")),
            Self::Overloaded | Self::LogOverloaded => Some((RETRY_AFTER, "1")),
            Self::LogClosed | Self::LogSilent => Some((RETRY_AFTER, "5")),
            Self::LogFull => Some((RETRY_AFTER, "30")),
            Self::LogPoisoned => Some((RETRY_AFTER, "60")),
            _ => None,
        }
    }
}

impl From<AppendError> for Refused {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Full(_) => Self::LogFull,
            AppendError::Poisoned(_) => Self::LogPoisoned,
            AppendError::Overloaded => Self::LogOverloaded,
            AppendError::TooLarge { .. } => Self::RecordTooLarge,
            AppendError::Closed => Self::LogClosed,
        }
    }
}

/// The answer to a load balancer.
pub(super) fn healthy() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from("ok\n"));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

fn json(
    status: StatusCode,
    body: &impl Serialize,
    mut headers: HeaderMap,
) -> Response<Full<Bytes>> {
    // Structs of strings always serialise; an empty body would still carry the status.
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    headers.clear();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.headers_mut() = headers;
    response
}
