//! Documents of the Elastic Common Schema 9.4.0, and the plain wrapping of `format = "original"`.
//!
//! Every event gets the common fields here: times, identity, the original text, provenance; what
//! it is about is written by `subject`. Fields are constants with one JSON type each; what has
//! none ends as text in `datatheorem.other`, so that nothing a vendor adds reaches a dynamic
//! mapping. `docs/mapping/datatheorem-ecs.md` lists the result and is tested against it.

use crate::settings::Preset;

use super::document::Document;
use super::envelope::Envelope;
use super::facts::Facts;
use super::instant::milliseconds;
use super::model::Model;

mod subject;

/// The version of the schema that these documents keep to.
const ECS_VERSION: &str = "9.4.0";
/// `event.module` and the custom namespace of Data Theorem's fields.
const DATA_THEOREM_MODULE: &str = "datatheorem";

/// The original with its identity and provenance, and nothing interpreted but the time.
pub(super) fn wrapped<'a>(facts: &Facts<'a>, preset: Preset) -> Document<'a> {
    let mut document = common(facts, preset);
    document.put_object("siem_relay", facts.way_in());
    document
}

/// The ECS document of any event.
pub(super) fn document<'a>(
    facts: &Facts<'a>,
    preset: Preset,
    envelope: &Envelope<'a>,
    model: Model<'a>,
) -> Document<'a> {
    let mut document = common(facts, preset);
    let source = facts.source();
    document.put_object("siem_relay", facts.provenance());
    document.put("ecs.version", ECS_VERSION);
    document.put("event.kind", "event");
    document.put("event.hash", facts.hash());
    if preset == Preset::Generic {
        document.put("event.module", source);
        document.put("event.dataset", format!("{source}.webhook"));
        document.put("observer.name", source);
    }
    document.put_some("observer.vendor", model.vendor);
    document.put_some("observer.hostname", envelope.host().map(str::to_owned));
    if model.vendor.is_some() {
        document.put("event.dataset", "datatheorem.webhook");
        document.put_some("datatheorem.other", model.other.text());
    }
    document.put_some("datatheorem.version", model.version);
    document.put_some("event.action", model.action);
    document.put_some("event.provider", model.provider);
    document.put_some("observer.product", model.product);
    match model.message.or_else(|| model.code.clone()) {
        Some(message) => document.put("message", message),
        None => document.put("message", format!("event from {source}")),
    }
    document.put_some("event.code", model.code);
    subject::write(&mut document, model.subject);
    document
}

fn common<'a>(facts: &Facts<'a>, preset: Preset) -> Document<'a> {
    let mut document = Document::default();
    document.put("@timestamp", milliseconds(facts.happened));
    document.put("event.id", facts.event.id.to_string());
    document.put("event.created", milliseconds(facts.received));
    document.put("event.original", facts.text);
    if preset == Preset::DataTheorem {
        document.put("event.module", DATA_THEOREM_MODULE);
    }
    document
}
