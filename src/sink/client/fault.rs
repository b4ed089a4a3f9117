//! Why there is no answer, told apart by what the destination may have received.

use std::error::Error;
use std::io;
use std::sync::Arc;

use super::login::LoginError;
use crate::settings::Endpoint;
use crate::sink::status;
use crate::sink::{HoldCause, RetryCause, Sent, Verdict};

/// Longest text of a cause, in bytes.
const CAUSES_BYTES_MAX: usize = 512;

/// A request without an answer.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
#[error("{detail}")]
pub struct Fault {
    /// Which kind.
    pub kind: FaultKind,
    /// For people: what happened and what to look at; no URL, no credential.
    pub detail: Arc<str>,
}

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The secret cannot be sent.
    Credential,
    /// No connection: name, address, port, or no TLS in time.
    Connect,
    /// TLS was refused, usually a certificate.
    Tls,
    /// The request was on its way, and no whole answer came in time.
    Timeout,
    /// The request was on its way, and the connection broke.
    Broken,
}

impl FaultKind {
    /// Whether the destination certainly has nothing.
    pub(super) fn is_before_sending(self) -> bool {
        matches!(self, Self::Credential | Self::Connect | Self::Tls)
    }
}

impl Fault {
    pub(super) fn credential(error: &LoginError) -> Self {
        Self::new(FaultKind::Credential, error.to_string())
    }

    /// Classifies an error of sending.
    pub(super) fn from_reqwest(error: reqwest::Error, endpoint: &Endpoint) -> Self {
        let error = error.without_url();
        let causes = causes(&error);
        if error.is_connect() {
            if is_tls(&error) {
                let text = format!(
                    "TLS failed: {causes}; check the server's certificate and name, and ca_file"
                );
                return Self::new(FaultKind::Tls, text);
            }
            let text = format!("no connection: {causes}; check url, name resolution and firewall");
            return Self::new(FaultKind::Connect, text);
        }
        if error.is_timeout() {
            let timeout = endpoint.request_timeout;
            let text = format!("no answer within request_timeout ({timeout:?})");
            return Self::new(FaultKind::Timeout, text);
        }
        let text = format!("the connection broke before an answer: {causes}");
        Self::new(FaultKind::Broken, text)
    }

    /// Classifies an error of reading an answer's body.
    pub(super) fn from_body(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_timeout() {
            let text = "the answer did not end within request_timeout";
            return Self::new(FaultKind::Timeout, text.to_owned());
        }
        let text = format!("the connection broke inside the answer: {}", causes(&error));
        Self::new(FaultKind::Broken, text)
    }

    /// What it means for every event of the request.
    pub fn verdict(&self) -> Verdict {
        let (sent, cause) = match self.kind {
            FaultKind::Credential => {
                return status::hold(HoldCause::Auth, Arc::clone(&self.detail));
            }
            FaultKind::Connect => (Sent::No, RetryCause::Connect),
            FaultKind::Tls => (Sent::No, RetryCause::Tls),
            FaultKind::Timeout => (Sent::Unknown, RetryCause::Timeout),
            FaultKind::Broken => (Sent::Unknown, RetryCause::Connect),
        };
        Verdict::Retry {
            after: None,
            sent,
            cause,
            detail: Arc::clone(&self.detail),
        }
    }

    fn new(kind: FaultKind, text: String) -> Self {
        Self {
            kind,
            detail: text.into(),
        }
    }
}

/// The two innermost causes as text: the outer ones only say that a request failed.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        next = inner(cause);
    }
    let inner = texts.get(texts.len().saturating_sub(2)..);
    let mut text = inner.unwrap_or_default().join(": ");
    if text.is_empty() {
        text = error.to_string();
    }
    if let Some(end) = (0..=CAUSES_BYTES_MAX)
        .rev()
        .find(|end| text.is_char_boundary(*end))
    {
        text.truncate(end);
    }
    text
}

/// Whether a TLS error is among the causes.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if cause.is::<rustls::Error>() {
            return true;
        }
        next = inner(cause);
    }
    false
}

/// The next cause. An I/O error names as its source the source of what it wraps, and would hide
/// that itself.
fn inner<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match cause
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(wrapped) => Some(wrapped),
        None => cause.source(),
    }
}
