//! Documents of the Elastic Common Schema 9.4.0, and the plain wrapping of `format = "original"`.
//!
//! Every event gets the common fields here: times, identity, the original text, provenance; what
//! it is about is written by `subject`. Fields are constants with one JSON type each; what has
//! none ends as text in `<vendor>.other`, so that nothing a vendor adds reaches a dynamic
//! mapping. `docs/mapping/*-ecs.md` list the result and are tested against it.

use super::document::{Document, FIELDS_EXPECTED, Field};
use super::facts::Facts;
use super::model::{Batch, Model, Subject};
use super::severity;
use super::vendor::Ecs;

mod finding;
mod people;
mod subject;

/// The version of the schema that these documents keep to.
const ECS_VERSION: &str = "9.4.0";
/// Fields of the plain wrapping.
const WRAPPED_FIELDS: usize = 6;

/// The original with its identity and provenance, and nothing interpreted but the time.
pub(super) fn wrapped<'a>(facts: &Facts<'a>, model: &Model<'a>) -> Document<'a> {
    let mut document = common(facts, model, WRAPPED_FIELDS);
    document.put_object("siem_relay", facts.way_in());
    document
}

/// The ECS document of any event.
pub(super) fn document<'a>(facts: &Facts<'a>, model: Model<'a>) -> Document<'a> {
    let mut document = common(facts, &model, FIELDS_EXPECTED);
    let source = facts.source();
    document.put_object("siem_relay", facts.provenance());
    document.put("ecs.version", ECS_VERSION);
    document.put("event.kind", "event");
    document.put("event.hash", facts.hash());
    document.put_some("observer.hostname", model.host);
    document.put_some("organization.name", model.organization);
    document.put_some("event.action", model.action);
    document.put_some("event.provider", model.provider);
    document.put_some("observer.product", model.product);
    match model.message.or_else(|| model.code.clone()) {
        Some(message) => document.put("message", message),
        None => document.put("message", format!("event from {source}")),
    }
    document.put_some("event.code", model.code);
    let Some(vendor) = model.vendor else {
        document.put("event.module", source);
        document.put("event.dataset", format!("{source}.webhook"));
        document.put("observer.name", source);
        return document;
    };
    document.put("observer.vendor", vendor.name);
    document.put("event.dataset", format!("{}.webhook", vendor.module));
    document.put_some(vendor.ecs.other, model.other.text());
    document.put_some(vendor.ecs.version, model.version);
    document.put_some(vendor.ecs.event_id, model.event_id);
    for (place, text) in model.own {
        document.put(place.ecs, text);
    }
    if let Some(level) = model.level.filter(|_| !is_finding(&model.subject)) {
        document.put("event.severity", severity::number(level));
    }
    let is_login = matches!(model.subject, Subject::Login(_));
    people::origin(&mut document, model.origin, is_login);
    if let Some(all) = model.batch {
        batch(&mut document, &vendor.ecs, *all);
    }
    subject::write(&mut document, vendor, model.subject);
    document
}

/// A finding has its own severity, or none.
fn is_finding(subject: &Subject<'_>) -> bool {
    matches!(subject, Subject::Finding(_))
}

/// What several entries in one delivery have.
fn batch<'a>(to: &mut Document<'a>, names: &Ecs, all: Batch<'a>) {
    to.put(names.batch_count, all.count);
    to.put(names.batch_codes, all.codes);
    to.put(names.batch_ids, all.ids);
    for user in all.users {
        to.add("related.user", user);
    }
    let addresses = all.addresses.iter();
    for address in addresses.filter_map(|text| text.parse::<std::net::IpAddr>().ok()) {
        to.add("related.ip", address.to_string().into());
    }
}

fn common<'a>(facts: &Facts<'a>, model: &Model<'a>, fields: usize) -> Document<'a> {
    let mut document = Document::expecting(fields);
    document.put("@timestamp", Field::Instant(facts.happened));
    document.put("event.created", Field::Instant(facts.received));
    document.put("event.id", facts.event.id);
    document.put_some("event.module", model.vendor.map(|vendor| vendor.module));
    document.put_some("event.original", facts.original);
    document
}
