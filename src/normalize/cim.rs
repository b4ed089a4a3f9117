//! Flat events in the names of Splunk's Common Information Model 6.2.0.
//!
//! Membership of a data model comes from the add-on, which tags by sourcetype: so each family has
//! one. A field that a model requires and the vendor does not give says `none`, since the model
//! would otherwise call the event incomplete; nothing else is invented. The payload is in
//! `original`. `docs/mapping/datatheorem-cim.md` lists the result.

use std::borrow::Cow;

use super::datatheorem::VENDOR;
use super::document::Document;
use super::envelope::Envelope;
use super::facts::Facts;
use super::instant::milliseconds;
use super::kind;
use super::model::{Account, AccountChange, Asset, Finding, Login, Model, Note, Subject, Text};
use super::severity;
use super::url::Url;

/// Stands for what the vendor does not say.
const NONE: &str = "none";
/// Values that the models count as missing.
const EMPTY: [&str; 5] = ["", "-", "unknown", "null", "(null)"];
/// The vendor's portal, where its envelope names no host.
const PORTAL_HOST: &str = "securetheorem.com";
/// Categories of objects that Splunk keeps for other data than assets.
const RESERVED: [&str; 5] = ["user", "file", "directory", "registry", "unknown"];

/// The flat event. Written by [`Document::into_flat_bytes`].
pub(super) fn document<'a>(
    facts: &Facts<'a>,
    envelope: &Envelope<'a>,
    model: Model<'a>,
) -> Document<'a> {
    let mut document = Document::default();
    document.put("timestamp", milliseconds(facts.happened));
    document.put("received", milliseconds(facts.received));
    document.put("original", facts.text);
    document.put_object("siem_relay", facts.provenance());
    document.put_some("other", model.other.text());
    document.put_some("vendor_version", model.version);
    document.put_some("event_code", model.code.clone());
    document.put_some("event_action", model.action.clone());
    let message = model.message.or_else(|| model.code.clone());
    document.put_some("message", message);
    match (model.vendor, &model.product) {
        (Some(vendor), Some(product)) => {
            document.put("vendor_product", format!("{vendor} {product}"));
        }
        (Some(vendor), None) => document.put("vendor_product", vendor),
        (None, _) => document.put("vendor_product", facts.source()),
    }
    let common = Common {
        code: model.code,
        action: model.action,
        host: envelope.host().unwrap_or(PORTAL_HOST).to_owned(),
    };
    match model.subject {
        Subject::Violation(it) => vulnerability(&mut document, *it, &common, "policy violation"),
        Subject::MobileFinding(it) => vulnerability(&mut document, *it, &common, "mobile finding"),
        Subject::Protection(it) => alert(&mut document, *it, &common, facts),
        Subject::Note(it) => note(&mut document, *it, &common),
        Subject::Asset(it) => asset(&mut document, *it, &common),
        Subject::Login(it) => login(&mut document, *it, &common),
        Subject::Account(it) => account(&mut document, *it, &common),
        Subject::Generic => {}
    }
    document
}

/// The sourcetype of an event's family.
pub(super) fn sourcetype(model: &Model<'_>) -> &'static str {
    match model.subject {
        Subject::Violation(_) | Subject::MobileFinding(_) => "datatheorem:vulnerability",
        Subject::Protection(_) => "datatheorem:alert",
        Subject::Note(_) => "datatheorem:note",
        Subject::Asset(_) => "datatheorem:asset",
        Subject::Login(_) => "datatheorem:authentication",
        Subject::Account(_) => "datatheorem:account",
        Subject::Generic if model.vendor.is_some() => "datatheorem:event",
        Subject::Generic => "siem_relay:event",
    }
}

/// What several models want.
struct Common<'a> {
    code: Text<'a>,
    action: Option<String>,
    host: String,
}

impl<'a> Common<'a> {
    fn words(&self) -> Cow<'a, str> {
        self.action.clone().map_or(Cow::Borrowed(NONE), Cow::Owned)
    }
}

/// Data model Vulnerabilities.
fn vulnerability<'a>(
    to: &mut Document<'a>,
    it: Finding<'a>,
    common: &Common<'a>,
    category: &'static str,
) {
    to.put("category", required(it.category.or(Some(category.into()))));
    to.put("cve", NONE);
    to.put("cvss", it.score.unwrap_or(0.0));
    to.put("dest", dest(&it.asset));
    to.put("dvc", common.host.clone());
    to.put("severity", level(it.level));
    to.put(
        "signature",
        required(it.title.or_else(|| common.code.clone())),
    );
    to.put(
        "signature_id",
        required(it.rule_type.or_else(|| common.code.clone())),
    );
    to.put_some("url", it.portal_url);
    to.put_some("dt_uuid", it.uid);
    to.put_some("dt_target_uuid", it.target_uid);
    to.put_some("status", it.status);
    to.put_some("action", it.change.map(kind::Change::as_str));
    to.put_some("description", it.description);
    to.put_some("recommendation", it.recommendation);
    to.put_some("additional_information", it.additional);
    to.put_some("vendor_severity", it.severity);
    to.put_some("relevance", it.relevance);
    to.put_some("vendor_priority", it.priority);
    to.put_some("exploitability", it.exploitability);
    to.put_some("cvss_vector", it.vector);
    to.put_some("reason", it.exception);
    to.put_some("reason_time", it.exception_at.map(|at| at.to_string()));
    to.put_some("first_found", it.created.map(|at| at.to_string()));
    to.put_some("policy", it.policy_name);
    to.put_some("policy_uuid", it.policy_uuid);
    to.put_some("policy_url", it.policy_url);
    to.put_some("rule_uuid", it.rule_uuid);
    to.put_some("src", it.address);
    about_asset(to, it.asset);
}

/// Data model Alerts.
fn alert<'a>(to: &mut Document<'a>, it: Finding<'a>, common: &Common<'a>, facts: &Facts<'a>) {
    let uid = it.uid.unwrap_or_else(|| facts.event.id.to_string().into());
    to.put("app", VENDOR);
    to.put("dest", dest(&it.asset));
    to.put("id", required(Some(uid)));
    to.put("severity", level(it.level));
    let title = it.title.or_else(|| common.code.clone());
    to.put(
        "description",
        required(it.description.or_else(|| title.clone())),
    );
    to.put("signature", required(title));
    to.put(
        "signature_id",
        required(it.rule_type.or_else(|| common.code.clone())),
    );
    to.put("src", required(it.address));
    to.put("type", "alert");
    to.put("user", NONE);
    to.put_some("url", it.portal_url);
    to.put_some("status", it.status);
    to.put_some("vendor_severity", it.severity);
    about_asset(to, it.asset);
}

/// Data model Change; of an account with the tag `account`.
fn change<'a>(to: &mut Document<'a>, common: &Common<'a>, action: &'static str) {
    to.put("action", action);
    to.put("command", required(common.code.clone()));
    to.put("dest", common.host.clone());
    to.put("dvc", common.host.clone());
    to.put("src", NONE);
    to.put("status", "success");
    to.put("object_attrs", NONE);
    to.put("user", NONE);
}

fn asset<'a>(to: &mut Document<'a>, it: Asset<'a>, common: &Common<'a>) {
    change(to, common, "created");
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
    to.put("change_type", "finding note");
    to.put("object_category", "note");
    to.put("object", "finding note");
    to.put("object_id", plain(it.uid));
    to.put("user", required(it.author));
    to.put_some("description", it.text);
    to.put_some("dt_uuid", it.finding_uid);
    to.put_some("first_found", it.created.map(|at| at.to_string()));
}

fn account<'a>(to: &mut Document<'a>, it: Account<'a>, common: &Common<'a>) {
    let action = match it.change {
        Some(AccountChange::Created) => "created",
        Some(AccountChange::Deleted) => "deleted",
        Some(AccountChange::Updated) | None => "modified",
    };
    change(to, common, action);
    to.put("change_type", "AAA");
    to.put("object_category", "user");
    to.put("object", required(it.user.clone()));
    to.put("object_id", plain(it.user.clone()));
    to.put("object_attrs", plain(it.role.clone()));
    to.put("user", required(it.user));
    to.put("src_user", required(it.by));
    to.put_some("authentication_method", it.strategy);
    to.put_some("first_name", it.first_name);
    to.put_some("last_name", it.last_name);
    to.put_some("notification_email", it.notification_email);
    to.put_some("role", it.role);
}

/// Data model Authentication.
fn login<'a>(to: &mut Document<'a>, it: Login<'a>, common: &Common<'a>) {
    let action = match it.success {
        Some(true) => "success",
        Some(false) => "failure",
        None => "error",
    };
    to.put("action", action);
    to.put("app", "datatheorem");
    to.put("dest", common.host.clone());
    to.put("src", required(it.address));
    to.put("user", required(it.user));
    to.put("signature", common.words());
    to.put("signature_id", required(common.code.clone()));
    to.put_some("authentication_method", it.strategy);
    to.put_some("reason", it.reason);
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
