//! Flat events in the names of Splunk's Common Information Model 6.2.0.
//!
//! Membership of a data model comes from the add-on, which tags by sourcetype: so each family has
//! one. A field that a model requires and the vendor does not give says `none`, since the model
//! would otherwise call the event incomplete; nothing else is invented. The payload is in
//! `original`. `docs/mapping/*-cim.md` list the result.

use std::borrow::Cow;

use super::document::{Document, FIELDS_EXPECTED, Field};
use super::facts::Facts;
use super::kind;
use super::model::{Asset, Batch, Model, Note, Origin, Subject, Text};
use super::severity;
use super::url::Url;
use super::vendor::Vendor;

mod finding;
mod people;

/// Stands for what the vendor does not say.
const NONE: &str = "none";
/// Values that the models count as missing.
const EMPTY: [&str; 5] = ["", "-", "unknown", "null", "(null)"];
/// Categories of objects that Splunk keeps for other data than assets.
const RESERVED: [&str; 5] = ["user", "file", "directory", "registry", "unknown"];

/// The flat event. Written by [`Document::into_flat_bytes`].
pub(super) fn document<'a>(facts: &Facts<'a>, model: Model<'a>) -> Document<'a> {
    let mut document = Document::expecting(FIELDS_EXPECTED);
    document.put("timestamp", Field::Instant(facts.happened));
    document.put("received", Field::Instant(facts.received));
    document.put_some("original", facts.original);
    document.put_object("siem_relay", facts.provenance());
    document.put_some("other", model.other.text());
    document.put_some("vendor_version", model.version);
    document.put_some("vendor_event_id", model.event_id);
    document.put_some("organization", model.organization);
    document.put_some("event_code", model.code.clone());
    document.put_some("event_action", model.action.clone());
    let message = model.message.or_else(|| model.code.clone());
    document.put_some("message", message);
    let Some(vendor) = model.vendor else {
        document.put("vendor_product", facts.source());
        return document;
    };
    match &model.product {
        Some(product) => document.put("vendor_product", format!("{} {product}", vendor.name)),
        None => document.put("vendor_product", vendor.name),
    }
    for (place, text) in model.own {
        document.put(place.cim, text);
    }
    if let Some(all) = model.batch {
        batch(&mut document, &all);
    }
    let common = Common {
        vendor,
        code: model.code,
        action: model.action,
        host: model.host.unwrap_or(Cow::Borrowed(vendor.host)),
        origin: model.origin,
    };
    document.put_some("user_agent", common.origin.user_agent.clone());
    document.put_some("src_country", common.origin.country.clone());
    document.put_some("src_city", common.origin.city.clone());
    match model.subject {
        Subject::Finding(it) if finding::is_alert(&it) => {
            finding::alert(&mut document, *it, &common, facts);
        }
        Subject::Finding(it) => finding::vulnerability(&mut document, *it, &common),
        Subject::Note(it) => note(&mut document, *it, &common),
        Subject::Asset(it) => asset(&mut document, *it, &common),
        Subject::Login(it) => people::login(&mut document, *it, &common),
        Subject::Account(it) => people::account(&mut document, *it, &common),
        Subject::Activity(it) => people::activity(&mut document, *it, &common),
        Subject::Generic => {
            document.put_some("user", common.origin.user.word());
            document.put_some("src", common.origin.address);
        }
    }
    document
}

/// What several entries in one delivery have.
fn batch<'a>(to: &mut Document<'a>, all: &Batch<'a>) {
    to.put("batch_count", all.count);
    to.put_some("batch_code", joined(&all.codes));
    to.put_some("batch_id", joined(&all.ids));
    to.put_some("batch_user", joined(&all.users));
    to.put_some("batch_src", joined(&all.addresses));
}

/// A list as one text; none for an empty one.
fn joined(list: &[Cow<'_, str>]) -> Option<String> {
    (!list.is_empty()).then(|| list.join(","))
}

/// The sourcetype of an event's family.
pub(super) fn sourcetype(model: &Model<'_>) -> &'static str {
    let Some(vendor) = model.vendor else {
        return "siem_relay:event";
    };
    let names = &vendor.sourcetypes;
    match &model.subject {
        Subject::Finding(it) if finding::is_alert(it) => names.alert,
        Subject::Finding(_) => names.vulnerability,
        Subject::Note(_) => names.note,
        Subject::Asset(_) => names.asset,
        Subject::Login(_) => names.authentication,
        Subject::Account(_) => names.account,
        Subject::Activity(_) => names.audit,
        Subject::Generic => names.event,
    }
}

/// What several models want.
struct Common<'a> {
    vendor: &'static Vendor,
    code: Text<'a>,
    action: Option<String>,
    host: Cow<'a, str>,
    origin: Origin<'a>,
}

impl<'a> Common<'a> {
    fn words(&self) -> Cow<'a, str> {
        self.action.clone().map_or(Cow::Borrowed(NONE), Cow::Owned)
    }
}

/// Data model Change; of an account with the tag `account`.
fn change<'a>(to: &mut Document<'a>, common: &Common<'a>, action: &'static str) {
    to.put("action", action);
    to.put("command", required(common.code.clone()));
    to.put("dest", common.host.clone());
    to.put("dvc", common.host.clone());
    to.put("src", required(common.origin.address.clone()));
    to.put("object_attrs", NONE);
    to.put("user", NONE);
}

fn asset<'a>(to: &mut Document<'a>, it: Asset<'a>, common: &Common<'a>) {
    change(to, common, "created");
    to.put("status", "success");
    let category = it.kind.as_deref().map(kind::words).unwrap_or_default();
    let category = category.replace('-', "_");
    let known = !category.is_empty() && !RESERVED.contains(&category.as_str());
    to.put("change_type", "asset");
    to.put(
        "object_category",
        if known { category } else { "asset".to_owned() },
    );
    to.put(
        "object",
        required(it.name.clone().or_else(|| it.url.clone())),
    );
    to.put("object_id", plain(it.uid.clone()));
    to.put("dest", dest(&it));
    to.put_some(
        "object_path",
        it.portal_url.clone().map(|text| plain(Some(text))),
    );
    about_asset(to, it);
}

fn note<'a>(to: &mut Document<'a>, it: Note<'a>, common: &Common<'a>) {
    let deleted = common.words().ends_with("deleted");
    change(to, common, if deleted { "deleted" } else { "created" });
    to.put("status", "success");
    to.put("change_type", "finding note");
    to.put("object_category", "note");
    to.put("object", "finding note");
    to.put("object_id", plain(it.uid));
    to.put("user", required(it.author));
    to.put_some("description", it.text);
    to.put_some("dt_uuid", it.finding_uid);
    to.put_some("first_found", it.created.map(|at| at.to_string()));
}

fn about_asset<'a>(to: &mut Document<'a>, it: Asset<'a>) {
    to.put_some("dest_url", it.url);
    to.put_some("asset_uuid", it.uid);
    to.put_some("asset_name", it.name);
    to.put_some("asset_type", it.kind);
    to.put_some("asset_url", it.portal_url);
    to.put_some("asset_created", it.created.map(|at| at.to_string()));
    to.put_some("hosted_on", it.hosted_on);
    to.put_some("discovered_via", it.discovered_via);
    to.put_some("cloud_console_url", it.console_url);
    to.put_some("asset_group", it.group_name);
    to.put_some("asset_group_uuid", it.group_uid);
    to.put_some("vendor_account", it.account_uid.or(it.account_name));
    to.put_some("vendor_region", it.region);
}

/// The host of the asset's URL, else its name.
fn dest<'a>(it: &Asset<'a>) -> Cow<'a, str> {
    let host = it.url.as_deref().and_then(Url::parse).map(|url| url.domain);
    let name = it.name.clone().or_else(|| it.uid.clone());
    required(host.map(Cow::Owned).or(name))
}

fn level(level: Option<crate::settings::Severity>) -> &'static str {
    match severity::id(level) {
        5 => "critical",
        4 => "high",
        3 => "medium",
        2 => "low",
        _ => "informational",
    }
}

/// The text, unless the models count it as missing.
fn required(text: Text<'_>) -> Cow<'_, str> {
    let missing = |text: &str| EMPTY.contains(&text.trim().to_lowercase().as_str());
    text.filter(|text| !missing(text))
        .unwrap_or(Cow::Borrowed(NONE))
}

/// The same without double quotes, which some fields may not have.
fn plain(text: Text<'_>) -> Cow<'_, str> {
    let text = required(text);
    if text.contains('"') {
        return Cow::Owned(text.replace('"', "'"));
    }
    text
}
