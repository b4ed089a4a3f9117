//! Who may ask for more than metrics and health, and who may give commands: tokens, the Host
//! header, and what tells a browser from a program.
//!
//! Tokens are compared as SHA-256 digests in constant time, so that neither length nor content
//! shows in how long an answer takes. Nothing a client sent is repeated to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::reply;
use crate::secret::Secret;

const SCHEME: &str = "Bearer ";
/// Where a browser says that the request's page came from (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// Off loopback, and nobody has configured a token.
    NoToken,
    /// No token, or a wrong one.
    Unauthorized,
    /// A Host that is not this machine: perhaps a web page that had its name resolve to it.
    ForeignHost,
    /// A command, and nobody has configured a token for them.
    NoWriteToken,
    /// A command without a token, or with a wrong one.
    WriteUnauthorized,
    /// A command with the token that is for reading.
    ReadToken,
    /// A command that a web page sent.
    CrossSite,
}

/// Admits to reads who bears one of the configured tokens: whoever may give commands may look.
pub(super) fn check_token(
    read: Option<&Secret>,
    write: Option<&Secret>,
    headers: &HeaderMap,
) -> Result<(), Denied> {
    if read.is_none() && write.is_none() {
        return Err(Denied::NoToken);
    }
    let offered = offered(headers).ok_or(Denied::Unauthorized)?;
    // Both are compared, so that the time tells nothing.
    let admitted = is_token(read, offered) | is_token(write, offered);
    admitted.then_some(()).ok_or(Denied::Unauthorized)
}

/// Admits to commands who bears the write token.
pub(super) fn check_write(
    read: Option<&Secret>,
    write: Option<&Secret>,
    headers: &HeaderMap,
) -> Result<(), Denied> {
    if write.is_none() {
        return Err(Denied::NoWriteToken);
    }
    let offered = offered(headers).ok_or(Denied::WriteUnauthorized)?;
    let (reads, writes) = (is_token(read, offered), is_token(write, offered));
    // A file that is replaced later may make both the same: that must not let readers write.
    match (reads, writes) {
        (true, _) => Err(Denied::ReadToken),
        (false, true) => Ok(()),
        (false, false) => Err(Denied::WriteUnauthorized),
    }
}

/// Admits what no web page sent. A page can have its browser send a command here, also with
/// credentials that the browser keeps; it cannot keep the browser from saying so.
pub(super) fn check_site(headers: &HeaderMap) -> Result<(), Denied> {
    let foreign = |value: &HeaderValue| !matches!(value.as_bytes(), b"none" | b"same-origin");
    let sites = headers.get_all(SEC_FETCH_SITE);
    if headers.contains_key(ORIGIN) || sites.iter().any(foreign) {
        return Err(Denied::CrossSite);
    }
    Ok(())
}

/// Admits who named this machine by a loopback name or address.
pub(super) fn check_host(headers: &HeaderMap) -> Result<(), Denied> {
    match only(headers, HOST) {
        Some(host) if is_loopback(host) => Ok(()),
        _ => Err(Denied::ForeignHost),
    }
}

impl Denied {
    /// The answer.
    pub(super) fn answer(self) -> Response<Full<Bytes>> {
        let (status, error, detail) = self.row();
        reply::error(status, error, detail)
    }

    /// Status, error word, and what to do next.
    pub(super) fn row(self) -> (StatusCode, &'static str, &'static str) {
        let unauthorized = (StatusCode::UNAUTHORIZED, "unauthorized");
        let ((status, error), detail) = match self {
            Self::Unauthorized => (
                unauthorized,
                "send Authorization: Bearer with the token of admin.read_token_file, \
                 admin.read_token_env or the write token",
            ),
            Self::WriteUnauthorized => (
                unauthorized,
                "send Authorization: Bearer with the token of admin.write_token_file or \
                 admin.write_token_env",
            ),
            forbidden => ((StatusCode::FORBIDDEN, "forbidden"), forbidden.remedy()),
        };
        (status, error, detail)
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::NoToken => {
                "off loopback this needs a read token and none is configured; \
                 set admin.read_token_file or admin.read_token_env, or ask on loopback"
            }
            Self::ForeignHost => {
                "on loopback the Host header must be localhost, 127.0.0.1 or [::1], with or \
                 without a port; ask under one of these names"
            }
            Self::NoWriteToken => {
                "commands need a write token and none is configured; set admin.write_token_file \
                 or admin.write_token_env and restart the relay, or stop the relay and run the \
                 command on its journal"
            }
            Self::ReadToken => {
                "this is the read token, which admits to no command; send the token of \
                 admin.write_token_file or admin.write_token_env"
            }
            Self::CrossSite => {
                "commands are not taken from web pages; send them without Origin and \
                 Sec-Fetch-Site headers, as siem-relay and curl do"
            }
            Self::Unauthorized | Self::WriteUnauthorized => "send the token",
        }
    }
}

/// What is offered as a bearer token.
fn offered(headers: &HeaderMap) -> Option<&str> {
    let (scheme, offered) = only(headers, AUTHORIZATION)?.split_at_checked(SCHEME.len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(SCHEME);
    is_bearer.then(|| offered.trim_ascii())
}

fn is_token(token: Option<&Secret>, offered: &str) -> bool {
    let Some(token) = token else {
        return false;
    };
    let value = token.value();
    let expected = Sha256::digest(value.expose_secret().as_bytes());
    let offered = Sha256::digest(offered.as_bytes());
    bool::from(expected.as_slice().ct_eq(offered.as_slice()))
}

/// The value of a header that came exactly once; which of two values holds is anybody's guess.
pub(super) fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn is_loopback(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, port)| {
            address.parse() == Ok(Ipv6Addr::LOCALHOST)
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        });
    }
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, is_port(port)),
        None => (host, true),
    };
    let here = name.eq_ignore_ascii_case("localhost")
        || name
            .parse()
            .is_ok_and(|address: Ipv4Addr| IpAddr::from(address).is_loopback());
    here && port
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}
