//! Who may ask for more than metrics and health: the read token, and the Host header.
//!
//! Tokens are compared as SHA-256 digests in constant time, so that neither length nor content
//! shows in how long an answer takes. Nothing a client sent is repeated to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, HeaderName, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::reply;
use crate::secret::Secret;

const SCHEME: &str = "Bearer ";

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// Off loopback, and nobody has configured a token.
    NoToken,
    /// No token, or a wrong one.
    Unauthorized,
    /// A Host that is not this machine: perhaps a web page that had its name resolve to it.
    ForeignHost,
}

/// Admits who bears the configured token.
pub(super) fn check_token(token: Option<&Secret>, headers: &HeaderMap) -> Result<(), Denied> {
    let token = token.ok_or(Denied::NoToken)?;
    let offered = only(headers, AUTHORIZATION).ok_or(Denied::Unauthorized)?;
    let (scheme, offered) = offered
        .split_at_checked(SCHEME.len())
        .ok_or(Denied::Unauthorized)?;
    let value = token.value();
    let expected = Sha256::digest(value.expose_secret().as_bytes());
    let offered = Sha256::digest(offered.trim_ascii().as_bytes());
    let same = bool::from(expected.as_slice().ct_eq(offered.as_slice()));
    if same && scheme.eq_ignore_ascii_case(SCHEME) {
        Ok(())
    } else {
        Err(Denied::Unauthorized)
    }
}

/// Admits who named this machine by a loopback name or address.
pub(super) fn check_host(headers: &HeaderMap) -> Result<(), Denied> {
    match only(headers, HOST) {
        Some(host) if is_loopback(host) => Ok(()),
        _ => Err(Denied::ForeignHost),
    }
}

impl Denied {
    /// The answer, with what to do next.
    pub(super) fn answer(self) -> Response<Full<Bytes>> {
        match self {
            Self::NoToken => reply::error(
                StatusCode::FORBIDDEN,
                "forbidden",
                "off loopback this needs a read token and none is configured; \
                 set admin.read_token_file or admin.read_token_env, or ask on loopback",
            ),
            Self::Unauthorized => {
                let detail = "send Authorization: Bearer with the token of admin.read_token_file \
                              or admin.read_token_env";
                let mut response = reply::error(StatusCode::UNAUTHORIZED, "unauthorized", detail);
                let challenge = HeaderValue::from_static("Bearer realm=\"siem-relay admin\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                response
            }
            Self::ForeignHost => reply::error(
                StatusCode::FORBIDDEN,
                "forbidden",
                "on loopback the Host header must be localhost, 127.0.0.1 or [::1], with or \
                 without a port; ask under one of these names",
            ),
        }
    }
}

/// The value of a header that came exactly once; which of two values holds is anybody's guess.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
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
