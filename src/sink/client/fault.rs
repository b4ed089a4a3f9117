//! Why there is no answer, told apart by what the destination may have received.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::AlertDescription;

use crate::settings::Endpoint;
use crate::sink::status;
use crate::sink::{HoldCause, RetryCause, Sent, Verdict};

/// How the HTTP library says that a proxy answered `CONNECT` with 407, or neither with that nor
/// with 200. Its type is not public; the sinks' tests would notice other words.
const PROXY_LOGIN: &str = "tunnel error: proxy authorization required";
const TUNNEL_REFUSED: &str = "tunnel error: unsuccessful";
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
    /// The secret cannot be sent, or is refused where it is exchanged for a token.
    Credential,
    /// No token could be had for now, so that the request was not made.
    Token {
        /// What kept the token away.
        cause: RetryCause,
        /// The wish of who issues them (`Retry-After`), unbounded as received.
        after: Option<Duration>,
    },
    /// The proxy wants another login, or one at all.
    ProxyLogin,
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
        !matches!(self, Self::Timeout | Self::Broken)
    }
}

impl Fault {
    /// A login that is refused for good: the text says by whom, why, and what to do.
    pub(super) fn refused(text: String) -> Self {
        Self::new(FaultKind::Credential, text)
    }

    /// No token for now.
    pub(super) fn no_token(cause: RetryCause, after: Option<Duration>, text: String) -> Self {
        Self::new(FaultKind::Token { cause, after }, text)
    }

    /// What a fault on the way to `whom` means for the request that waits for a token.
    pub(super) fn while_logging_in(self, whom: &str) -> Self {
        let text = format!("no token from {whom}: {}", self.detail);
        let cause = match self.kind {
            FaultKind::Credential | FaultKind::ProxyLogin => {
                return Self::new(self.kind, text);
            }
            FaultKind::Token { cause, .. } => cause,
            FaultKind::Connect | FaultKind::Broken => RetryCause::Connect,
            FaultKind::Tls => RetryCause::Tls,
            FaultKind::Timeout => RetryCause::Timeout,
        };
        Self::no_token(cause, None, text)
    }

    /// The proxy (`host:port`) answered 407.
    pub(super) fn proxy_login(proxy: &str) -> Self {
        let text = format!(
            "the proxy {proxy} refuses the login (407); check proxy_user and the proxy's password"
        );
        Self::new(FaultKind::ProxyLogin, text)
    }

    /// Classifies an error of sending; `proxy` is the `host:port` of the one in between.
    pub(super) fn from_reqwest(
        error: reqwest::Error,
        endpoint: &Endpoint,
        proxy: Option<&str>,
    ) -> Self {
        let error = error.without_url();
        let causes = causes(&error);
        if is_refusal(&error) {
            let text = format!(
                "the server refused TLS: {causes}; check client_cert_file and tls_min_version"
            );
            return Self::new(FaultKind::Tls, text);
        }
        if error.is_connect() {
            if tls_error(&error).is_some() {
                let text = format!(
                    "TLS failed: {causes}; check the server's certificate and name, and ca_file"
                );
                return Self::new(FaultKind::Tls, text);
            }
            return Self::no_connection(&causes, proxy);
        }
        if error.is_timeout() {
            let timeout = endpoint.request_timeout;
            let text = format!("no answer within request_timeout ({timeout:?})");
            return Self::new(FaultKind::Timeout, text);
        }
        let mut text = format!("the connection broke before an answer: {causes}");
        if endpoint.tls.client.is_some() {
            // Where its reset overtakes its reason, this is all there is to see.
            text.push_str("; if it always does, the server may not accept client_cert_file");
        }
        Self::new(FaultKind::Broken, text)
    }

    fn no_connection(causes: &str, proxy: Option<&str>) -> Self {
        let text = match proxy {
            Some(proxy) if causes.contains(PROXY_LOGIN) => return Self::proxy_login(proxy),
            Some(proxy) if causes.contains(TUNNEL_REFUSED) => format!(
                "the proxy {proxy} opened no connection to the destination; check what the proxy \
                 permits, its log, and whether it reaches the destination"
            ),
            Some(proxy) => format!(
                "no connection by way of the proxy {proxy}: {causes}; check proxy_url, name \
                 resolution and firewall"
            ),
            None => {
                format!("no connection: {causes}; check url, name resolution and firewall")
            }
        };
        Self::new(FaultKind::Connect, text)
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
            FaultKind::Credential | FaultKind::ProxyLogin => {
                return status::hold(HoldCause::Auth, Arc::clone(&self.detail));
            }
            FaultKind::Token { cause, after } => {
                return Verdict::Retry {
                    after,
                    sent: Sent::No,
                    cause,
                    detail: Arc::clone(&self.detail),
                };
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

/// The TLS error among the causes.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            return Some(error);
        }
        next = inner(cause);
    }
    None
}

/// Whether the server ended the handshake because of what the relay showed or offered. With TLS
/// 1.3 it says so after the relay's part of the handshake, so that it looks like the answer to a
/// request; but nobody there has read that.
fn is_refusal(error: &reqwest::Error) -> bool {
    use AlertDescription as Alert;

    let Some(rustls::Error::AlertReceived(alert)) = tls_error(error) else {
        return false;
    };
    matches!(
        alert,
        Alert::HandshakeFailure
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::ProtocolVersion
            | Alert::InsufficientSecurity
            | Alert::CertificateRequired
    )
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
