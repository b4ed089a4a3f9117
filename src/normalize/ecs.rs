//! Documents of the Elastic Common Schema 9.4.0, and the plain wrapping of `format = "original"`.
//!
//! Every event gets the common fields here: times, identity, the original text, provenance. A
//! policy violation is then mapped field by field (`violation`); every other event stays a safe
//! general document, in which only constants and the vendor's type are interpreted.

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::event::Event;
use crate::settings::Preset;

use super::document::Document;
use super::envelope::Envelope;
use super::json::{self, Object};
use super::kind::Kind;
use super::{instant, violation};

/// The version of the schema that these documents keep to.
const ECS_VERSION: &str = "9.4.0";
/// `event.module` and the custom namespace of Data Theorem's fields.
const DATA_THEOREM_MODULE: &str = "datatheorem";
/// `observer.vendor` and `vulnerability.scanner.vendor`.
pub(super) const DATA_THEOREM: &str = "Data Theorem";

/// The event under `event`, as far as it can be read.
enum Inner<'a> {
    /// An object, as real events have it.
    Object(Object<'a>),
    /// A string, as the connectivity test has it.
    Text(Cow<'a, str>),
    /// Anything else, or no event.
    Unknown,
}

/// The original with its identity and provenance, and nothing interpreted but the time.
pub(super) fn wrapped<'a>(
    event: &'a Event,
    text: &'a str,
    preset: Preset,
    envelope: &Envelope<'a>,
) -> Document<'a> {
    let mut document = Document::default();
    let received = instant::from_epoch_ms(event.received_ms);
    let happened = envelope.time().and_then(instant::from_epoch_digits);
    document.put("@timestamp", happened.unwrap_or_else(|| received.clone()));
    document.put("event.id", event.id.to_string());
    document.put("event.created", received);
    document.put("event.original", text);
    if preset == Preset::DataTheorem {
        document.put("event.module", DATA_THEOREM_MODULE);
    }
    let provenance = &*event.provenance;
    document.put("siem_relay.source", provenance.source.as_str());
    document.put("siem_relay.auth", provenance.auth.as_str());
    let client = provenance.client.map(|address| address.to_string());
    document.put_some("siem_relay.client_address", client);
    if provenance.test {
        document.put("siem_relay.test", true);
    }
    let first = event.duplicate_of.map(|id| id.to_string());
    document.put_some("siem_relay.duplicate_of", first);
    document
}

/// The ECS document of any event.
pub(super) fn document<'a>(
    event: &'a Event,
    text: &'a str,
    preset: Preset,
    envelope: Envelope<'a>,
) -> Document<'a> {
    let mut document = wrapped(event, text, preset, &envelope);
    let source = event.provenance.source.as_str();
    document.put("ecs.version", ECS_VERSION);
    document.put("event.kind", "event");
    document.put("event.hash", sha256_hex(&event.payload));
    document.put("message", format!("event from {source}"));
    match preset {
        Preset::Generic => {
            document.put("event.module", source);
            document.put("event.dataset", format!("{source}.webhook"));
            document.put("observer.name", source);
        }
        Preset::DataTheorem => data_theorem(&mut document, event, envelope),
    }
    document
}

fn data_theorem<'a>(document: &mut Document<'a>, event: &'a Event, envelope: Envelope<'a>) {
    document.put("event.dataset", "datatheorem.webhook");
    document.put("observer.vendor", DATA_THEOREM);
    document.put_some("observer.hostname", envelope.host().map(str::to_owned));
    match Inner::read(&envelope) {
        Inner::Object(inner) => typed(document, inner, envelope.into_rest()),
        Inner::Text(_) | Inner::Unknown if event.provenance.test => {
            document.put("event.action", "connectivity-test");
            document.put("message", "connectivity test");
        }
        Inner::Text(text) => document.put("message", text),
        Inner::Unknown => {}
    }
}

fn typed<'a>(document: &mut Document<'a>, mut inner: Object<'a>, outer: Object<'a>) {
    let code = inner.get("type").and_then(json::text);
    let Some(kind) = code.and_then(Kind::parse) else {
        return;
    };
    document.put("event.code", kind.code.clone());
    document.put("message", kind.code.clone());
    document.put_some("event.provider", kind.product.clone());
    document.put_some("observer.product", kind.product_name());
    if !kind.words.is_empty() {
        document.put("event.action", kind.words.clone());
    }
    if let Some(happened) = kind.policy_violation() {
        // The type is in the document now; what is left of it must not count as unknown.
        inner.take("type", Some);
        violation::map(document, happened, inner, outer);
    }
}

impl<'a> Inner<'a> {
    fn read(envelope: &Envelope<'a>) -> Self {
        let Some(value) = envelope.event() else {
            return Self::Unknown;
        };
        match (json::object(value), json::text(value)) {
            (Some(object), _) => Self::Object(object),
            (None, Some(text)) => Self::Text(text),
            (None, None) => Self::Unknown,
        }
    }
}

fn sha256_hex(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
