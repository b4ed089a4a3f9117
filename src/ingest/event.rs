//! From an admitted request to the event that the log keeps: id, provenance, resend key, test mark.
//!
//! Nothing here refuses: what does not fit is cut, because provenance must never cost an event.
//! The payload is not looked at, but for its digest.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HeaderValue, PROXY_AUTHORIZATION,
};
use sha2::{Digest, Sha256};

use super::source;
use crate::event::{EventId, Provenance};
use crate::settings::{Preset, Source, SourceAuth};
use crate::spool::{NewEvent, OnRepeat, ResendKey};

/// Headers kept per event; more are left out.
const KEPT_HEADERS_MAX: usize = 16;
/// Bytes kept of one header's value; the rest is cut.
const KEPT_VALUE_BYTES_MAX: usize = 1024;

/// What is known of a request when its body is complete.
pub(super) struct Arrival<'a> {
    pub(super) source: &'a Source,
    pub(super) headers: &'a HeaderMap,
    pub(super) peer: SocketAddr,
    pub(super) client: IpAddr,
    pub(super) slot: Option<u8>,
    pub(super) received_ms: u64,
    /// The vendor's connectivity test.
    pub(super) test: bool,
}

impl Arrival<'_> {
    /// Makes the event; `payload` is decoded and well-formed.
    pub(super) fn into_event(self, payload: Bytes) -> NewEvent {
        let resend = if self.test {
            // Each press of the vendor's test button is an event of its own.
            None
        } else {
            Some(self.resend_key(&payload))
        };
        NewEvent {
            id: EventId::new(self.received_ms),
            received_ms: self.received_ms,
            provenance: self.provenance(),
            payload,
            resend,
        }
    }

    fn provenance(&self) -> Provenance {
        let text = |name| self.headers.get(name).map(lossy);
        Provenance {
            source: self.source.name.clone(),
            peer: Some(self.peer),
            client: Some(self.client),
            auth: source::method(&self.source.auth),
            secret_slot: self.slot,
            test: self.test,
            content_type: text(CONTENT_TYPE),
            content_encoding: text(CONTENT_ENCODING)
                .filter(|value| !value.is_empty() && !value.eq_ignore_ascii_case("identity")),
            headers: self.kept_headers(),
        }
    }

    fn kept_headers(&self) -> Vec<(String, String)> {
        self.source
            .keep_headers
            .iter()
            .filter(|name| !self.is_credential(name))
            .flat_map(|name| {
                let values = self.headers.get_all(name.as_str()).iter();
                values.map(|value| (name.clone(), lossy(value)))
            })
            .take(KEPT_HEADERS_MAX)
            .collect()
    }

    /// The configuration refuses these already; a record that leaks a secret is kept for days.
    fn is_credential(&self, name: &str) -> bool {
        let known = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];
        known.iter().any(|header| header == name)
            || matches!(&self.source.auth, SourceAuth::Header { name: own, .. } if own == name)
    }

    /// A vendor's delivery id with the same body tells a resend for certain, so its repeat need not
    /// be stored. Equal bytes alone do not: two failed logins in one second can be the same, and
    /// both are real. Neither does the id alone: no vendor's signature covers it, so an old body
    /// sent with the id of a delivery yet to come would have that one answered and not stored.
    fn resend_key(&self, payload: &[u8]) -> ResendKey {
        let delivery_id = self.source.delivery_id_header.as_deref();
        let delivery_id = delivery_id
            .and_then(|name| self.headers.get(name))
            .map(HeaderValue::as_bytes)
            .filter(|value| !value.is_empty());
        let (kind, on_repeat) = match delivery_id {
            Some(_) => ("id", OnRepeat::Drop),
            None => ("body", OnRepeat::Mark),
        };
        let mut digest = Sha256::new()
            .chain_update(kind)
            .chain_update([0])
            .chain_update(&self.source.name)
            .chain_update([0]);
        if let Some(id) = delivery_id {
            // No header's value has a zero byte, so that id and body cannot run into each other.
            digest.update(id);
            digest.update([0]);
        }
        let digest = digest.chain_update(payload).finalize();
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(digest) {
            *to = from;
        }
        ResendKey { key, on_repeat }
    }
}

/// Whether a header says that it is the vendor's connectivity test. No signature covers headers, so
/// the payload must say the same (`json::is_ping`).
pub(super) fn says_test(preset: Preset, headers: &HeaderMap) -> bool {
    preset
        .test_header()
        .is_some_and(|(name, test)| headers.get(name).is_some_and(|value| value == test))
}

fn lossy(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    text.truncate(text.floor_char_boundary(KEPT_VALUE_BYTES_MAX));
    text
}
