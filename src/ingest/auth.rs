//! Whether the sender knows one of the source's secrets.
//!
//! Every configured secret is compared, as SHA-256 digests and without early exit, so that the
//! time taken says neither how much of a guess was right nor how long a secret is.

use http::HeaderMap;
use http::header::{AUTHORIZATION, AsHeaderName};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::reply::Refused;
use crate::secret::Secret;
use crate::settings::SourceAuth;

const BEARER: &str = "bearer";

/// Checks a head's credential. Returns the slot that matched, `None` for an open source;
/// `from_path` is the slot that the path matched.
pub(super) fn check(
    auth: &SourceAuth,
    from_path: Option<u8>,
    headers: &HeaderMap,
) -> Result<Option<u8>, Refused> {
    match auth {
        SourceAuth::None => Ok(None),
        SourceAuth::Capability(_) => from_path.map(Some).ok_or(Refused::WrongCapability),
        SourceAuth::Bearer(secrets) => bearer_token(headers)
            .and_then(|token| matching_slot(secrets, token))
            .map(Some)
            .ok_or(Refused::WrongBearer),
        SourceAuth::Header { name, values } => only_value(headers, name)
            .and_then(|value| matching_slot(values, value))
            .map(Some)
            .ok_or(Refused::WrongHeader),
    }
}

/// Which secret the candidate equals, counted from 1.
pub(super) fn matching_slot(secrets: &[Secret], candidate: &[u8]) -> Option<u8> {
    let candidate = Sha256::digest(candidate);
    let mut matched = 0u8;
    for (slot, secret) in (1..=u8::MAX).zip(secrets) {
        let digest = Sha256::digest(secret.value().expose_secret().as_bytes());
        let equal: Choice = digest.as_slice().ct_eq(candidate.as_slice());
        matched.conditional_assign(&slot, equal);
    }
    (matched != 0).then_some(matched)
}

/// RFC 6750, section 2.1; the scheme is case-insensitive (RFC 9110, section 11.1).
fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    let value = only_value(headers, AUTHORIZATION)?;
    let (scheme, token) = value.split_at_checked(BEARER.len())?;
    let token = token.strip_prefix(b" ")?.trim_ascii_start();
    scheme
        .eq_ignore_ascii_case(BEARER.as_bytes())
        .then_some(token)
}

/// A credential that is sent twice is none: two readers could take a different one.
fn only_value(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&[u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}
