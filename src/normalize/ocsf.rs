//! Events of the Open Cybersecurity Schema Framework 1.8.0.
//!
//! Each family has the class that its data can fill without inventing: 2002 for vulnerabilities
//! with an identifier, 2003 for misconfigurations, 2004 for what somebody does, 2007 for other
//! findings, 5023 for assets, 3002 for logins, 3001 for accounts, 6003 for what else somebody did,
//! and the base event for the rest. What has no attribute is text in `unmapped`, and the payload
//! is in `raw_data` of every event. `docs/mapping/*-ocsf.md` list the result.

use std::borrow::Cow;

use crate::settings::Severity;

use super::document::{Document, FIELDS_EXPECTED, Field};
use super::facts::Facts;
use super::model::{Batch, Model, Origin, Subject, Text, User, seen};
use super::severity;

mod finding;
mod people;
mod subject;
mod weakness;

/// The version of the schema that these events keep to.
const OCSF_VERSION: &str = "1.8.0";

/// A class, and what happened in its terms.
struct Class {
    category: u64,
    uid: u64,
    name: &'static str,
    activity: u64,
    /// The caption of the activity; with 99 the vendor's words stand in for it.
    activity_name: &'static str,
}

/// What the subject needs to know of the event.
struct Around<'f, 'a> {
    facts: &'f Facts<'a>,
    origin: Origin<'a>,
    /// What people log in to.
    service: &'a str,
    code: Text<'a>,
}

/// The OCSF event. With `timestamp` it has `@timestamp` besides, which Elasticsearch needs and
/// OCSF does not know.
pub(super) fn document<'a>(facts: &Facts<'a>, model: Model<'a>, timestamp: bool) -> Document<'a> {
    let mut document = Document::expecting(FIELDS_EXPECTED);
    if timestamp {
        document.put("@timestamp", Field::Instant(facts.happened));
    }
    document.put("time", facts.happened.as_millisecond());
    document.put_some("raw_data", facts.original);
    document.put("raw_data_hash.algorithm", "SHA-256");
    document.put("raw_data_hash.algorithm_id", 3_u64);
    document.put("raw_data_hash.value", facts.hash());
    let size = u64::try_from(facts.event.payload.len()).unwrap_or(u64::MAX);
    document.put("raw_data_size", size);
    metadata(&mut document, facts, &model);
    let action = model.action.clone();
    let message = model.message.clone().or_else(|| model.code.clone());
    document.put_some("message", message);
    document.put("unmapped.siem_relay", Field::Object(facts.provenance()));
    if let Some(version) = &model.version {
        document.put("unmapped.version", version.clone());
    }
    let shown = model.other.shown();
    if !shown.members.is_empty() {
        let members = shown.members.into_iter().map(member).collect();
        document.put("unmapped.members", Field::Objects(members));
    }
    document.put_some("unmapped.overflow", shown.overflow);
    for (place, text) in model.own {
        document.put(place.ocsf, text);
    }
    severity_of(&mut document, &model.subject, model.level);
    if let Some(all) = model.batch {
        batch(&mut document, *all);
    }
    let service = model.vendor.map_or(facts.source(), |vendor| vendor.service);
    let around = Around {
        facts,
        origin: model.origin,
        service,
        code: model.code,
    };
    let class = subject::write(&mut document, model.subject, around);
    put_class(&mut document, &class, action);
    document
}

/// As OCSF's own `key_value_object`: a vendor's name never becomes that of a field, of which an
/// index takes only so many, and not all names.
fn member<'a>((path, text): (String, Cow<'a, str>)) -> Document<'a> {
    let mut member = Document::default();
    member.put("name", path);
    member.put("value", text);
    member
}

fn put_class<'a>(document: &mut Document<'a>, class: &Class, action: Option<String>) {
    document.put("category_uid", class.category);
    document.put("class_uid", class.uid);
    document.put("class_name", class.name);
    document.put("activity_id", class.activity);
    if class.activity == 99 {
        let words = action.unwrap_or_else(|| "unnamed".to_owned());
        document.put("activity_name", words);
    } else {
        document.put("activity_name", class.activity_name);
    }
    document.put("type_uid", class.uid * 100 + class.activity);
}

fn metadata<'a>(document: &mut Document<'a>, facts: &Facts<'a>, model: &Model<'a>) {
    document.put("metadata.version", OCSF_VERSION);
    document.put("metadata.uid", facts.event.id);
    document.put("metadata.log_name", facts.source());
    document.put("metadata.logged_time", facts.received.as_millisecond());
    document.put_some("metadata.event_code", model.code.clone());
    document.put_some("metadata.log_provider", model.provider.clone());
    document.put_some("metadata.original_event_uid", model.event_id.clone());
    document.put_some("metadata.tenant_uid", model.organization.clone());
    let vendor = model.vendor.map(|vendor| vendor.name);
    document.put_some("metadata.product.vendor_name", vendor);
    match (&model.product, vendor) {
        (Some(product), _) => document.put("metadata.product.name", product.clone()),
        (None, Some(vendor)) => document.put("metadata.product.name", vendor),
        (None, None) => document.put("metadata.product.name", facts.source()),
    }
}

/// What the vendor says, but a failed login is at least of low severity.
fn severity_of(document: &mut Document<'_>, subject: &Subject<'_>, level: Option<Severity>) {
    let level = match subject {
        Subject::Finding(it) => it.level,
        Subject::Login(it) if it.success == Some(false) && severity::id(level) < 2 => {
            Some(Severity::Low)
        }
        Subject::Generic => level,
        _ => level.or(Some(Severity::Informational)),
    };
    document.put("severity_id", severity::id(level));
    document.put("severity", severity::caption(level));
}

/// What several entries in one delivery have.
fn batch<'a>(document: &mut Document<'a>, all: Batch<'a>) {
    document.put("unmapped.batch.count", all.count);
    document.put("unmapped.batch.codes", all.codes);
    document.put("unmapped.batch.ids", all.ids);
    document.put("unmapped.batch.users", all.users);
    document.put("unmapped.batch.addresses", all.addresses);
}

/// An address that OCSF's own pattern takes; other text has no place in `email_addr`.
fn email(text: &str) -> Option<&str> {
    let (local, domain) = text.split_once('@')?;
    let (name, rest) = domain.split_once('.')?;
    let local_ok = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+,-./=?^_`{|}~".contains(c);
    let name_ok = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let ok = !local.is_empty()
        && local.chars().all(local_ok)
        && !name.is_empty()
        && name.chars().all(name_ok)
        && !rest.is_empty()
        && rest.chars().all(|c| name_ok(c) || c == '.');
    ok.then_some(text)
}

/// A user; OCSF wants a name or an id even where the vendor gives none.
fn user<'a>(it: User<'a>) -> Document<'a> {
    let mut user = Document::default();
    let address = seen(&it.email).and_then(email).map(str::to_owned);
    user.put_some("email_addr", address);
    let name = it.name.or(it.email).or_else(|| it.full_name.clone());
    if name.is_some() || it.uid.is_none() {
        user.put("name", name.unwrap_or(Cow::Borrowed("unknown")));
    }
    user.put_some("uid", it.uid);
    user.put_some("full_name", it.full_name);
    user
}
