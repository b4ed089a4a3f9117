//! Data Theorem's policy violations in ECS: opened, resolved, won't fix, and whatever comes.
//!
//! Two tables carry what maps one to one; the rest is derived below them. A value of another
//! JSON type than expected and every unknown member ends as text in `datatheorem.other`, so
//! that nothing a vendor adds reaches a dynamic mapping. `docs/mapping/datatheorem-ecs.md`
//! lists the result and is tested against it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::document::Document;
use super::ecs::DATA_THEOREM;
use super::instant;
use super::json::{self, Object};
use super::kind::{self, Change};
use super::url::Url;

/// Longest `datatheorem.other`, in bytes: the longest term that Elasticsearch takes. The paths
/// repeat, so that without a limit a small payload could make a very large document.
const OTHER_BYTES_MAX: usize = 32_766;
/// Longest title made from a description, in bytes.
const TITLE_BYTES_MAX: usize = 256;

/// Scalars of `data`, and the fields that take their text.
const DATA: [(&str, &[&str]); 15] = [
    ("uuid", &["datatheorem.policy_violation.uuid"]),
    (
        "policy_violation_status",
        &["datatheorem.policy_violation.status"],
    ),
    ("relevance", &["datatheorem.policy_violation.relevance"]),
    ("severity", &["datatheorem.policy_violation.severity"]),
    (
        "recommendation",
        &["datatheorem.policy_violation.recommendation"],
    ),
    (
        "additional_information",
        &["datatheorem.policy_violation.additional_information"],
    ),
    ("title", &["rule.name"]),
    ("description", &["vulnerability.description"]),
    ("portal_url", &["event.url", "event.reference"]),
    ("policy_name", &["rule.ruleset"]),
    ("policy_uuid", &["datatheorem.policy.uuid"]),
    ("policy_portal_url", &["rule.reference"]),
    ("violated_policy_rule_uuid", &["rule.uuid"]),
    ("violated_policy_rule_type_uuid", &["rule.id"]),
    ("exception_explanation", &["event.reason"]),
];

/// Scalars of `data.affected_asset`, and the fields that take their text.
const ASSET: [(&str, &[&str]); 7] = [
    ("uuid", &["datatheorem.asset.uuid", "service.id"]),
    ("name", &["datatheorem.asset.name", "service.name"]),
    ("type", &["datatheorem.asset.type"]),
    ("portal_url", &["datatheorem.asset.portal_url"]),
    ("hosted_on", &["datatheorem.asset.hosted_on"]),
    ("discovered_via", &["datatheorem.asset.discovered_via"]),
    (
        "cloud_console_url",
        &["datatheorem.asset.cloud_console_url"],
    ),
];

/// Scalars of `data.affected_asset.belongs_to_asset_group`.
const ASSET_GROUP: [(&str, &[&str]); 2] = [
    ("uuid", &["datatheorem.asset_group.uuid"]),
    ("name", &["datatheorem.asset_group.name"]),
];

/// What has no field, by its path in the payload, as the vendor wrote it.
type Other<'a> = BTreeMap<String, &'a RawValue>;

/// Maps a violation of which the type says that `happened`; `inner` is the value of `event`
/// without its type, `outer` what is left of the envelope.
pub(super) fn map<'a>(
    document: &mut Document<'a>,
    happened: &str,
    mut inner: Object<'a>,
    outer: Object<'a>,
) {
    let mut other = Other::new();
    document.put("event.dataset", "datatheorem.policy_violation");
    document.put("event.category", vec![Cow::Borrowed("vulnerability")]);
    document.put("event.type", vec![Cow::Borrowed("info")]);
    document.put("vulnerability.scanner.vendor", DATA_THEOREM);
    document.put_some("datatheorem.version", inner.take("version", json::text));
    if let Some(mut data) = inner.take("data", json::object) {
        copy(document, &mut data, &DATA);
        document.put_some(
            "event.start",
            data.take("date_created", instant::from_rfc3339),
        );
        document.put_some(
            "datatheorem.policy_violation.exception_date_created",
            data.take("exception_date_created", instant::from_rfc3339),
        );
        if let Some(asset) = data.take("affected_asset", json::object) {
            map_asset(document, asset, &mut other);
        }
        keep(&mut other, "event.data.", data);
    }
    keep(&mut other, "event.", inner);
    keep(&mut other, "", outer);
    put_change(document, happened);
    put_severity(document);
    put_title_and_message(document);
    put_other(document, &other);
}

fn map_asset<'a>(document: &mut Document<'a>, mut asset: Object<'a>, other: &mut Other<'a>) {
    copy(document, &mut asset, &ASSET);
    document.put_some(
        "datatheorem.asset.date_created",
        asset.take("date_created", instant::from_rfc3339),
    );
    if let Some(url) = asset.take("url", json::text) {
        put_url(document, url);
    }
    let hosted_on = document.text("datatheorem.asset.hosted_on");
    let provider = hosted_on.and_then(|text| cloud_provider(text));
    document.put_some("cloud.provider", provider);
    if let Some(mut group) = asset.take("belongs_to_asset_group", json::object) {
        copy(document, &mut group, &ASSET_GROUP);
        keep(
            other,
            "event.data.affected_asset.belongs_to_asset_group.",
            group,
        );
    }
    keep(other, "event.data.affected_asset.", asset);
}

/// Fills `url.*` and `related.*`; text that is no absolute URL has a field of its own.
fn put_url<'a>(document: &mut Document<'a>, text: Cow<'a, str>) {
    let Some(url) = Url::parse(&text) else {
        document.put("datatheorem.asset.url", text);
        return;
    };
    document.put("url.scheme", url.scheme.clone());
    document.put_some("url.port", url.port);
    document.put_some("url.path", url.path.map(str::to_owned));
    match url.ip() {
        Some(address) => document.put("related.ip", vec![Cow::Owned(address.to_string())]),
        None => document.put("related.hosts", vec![Cow::Owned(url.domain.clone())]),
    }
    document.put("url.domain", url.domain);
    document.put("url.full", text.clone());
    document.put("url.original", text);
}

/// Sets action and kind from the end of the type, or from the status where that says nothing.
fn put_change(document: &mut Document<'_>, happened: &str) {
    let status = document.text("datatheorem.policy_violation.status");
    let status = status.map(|text| kind::words(text)).unwrap_or_default();
    let change = Change::from_words(happened).or_else(|| Change::from_words(&status));
    if change.is_some_and(Change::is_open) {
        document.put("event.kind", "alert");
    }
    let word = match change {
        Some(change) => change.as_str(),
        None if happened.is_empty() => &status,
        None => happened,
    };
    let separator = if word.is_empty() { "" } else { "-" };
    document.put("event.action", format!("policy-violation{separator}{word}"));
}

/// `severity` before `relevance`; a word that neither table knows sets nothing.
fn put_severity(document: &mut Document<'_>) {
    let names = [
        "datatheorem.policy_violation.severity",
        "datatheorem.policy_violation.relevance",
    ];
    let known = names
        .into_iter()
        .find_map(|name| severity(document.text(name)?));
    if let Some((number, word)) = known {
        document.put("event.severity", number);
        document.put("vulnerability.severity", word);
    }
}

/// The message is the whole description with its line breaks repaired; the vendor writes them
/// as the two characters `\n`. The rule's name is the title, else the first sentence.
fn put_title_and_message(document: &mut Document<'_>) {
    let description = document.text("vulnerability.description");
    let repaired = description.map(|text| text.replace("\\n", "\n"));
    if document.text("rule.name").is_none() {
        let title = repaired.as_deref().and_then(first_sentence);
        document.put_some("rule.name", title);
    }
    let message = repaired.or_else(|| document.text("rule.name").map(|title| title.to_string()));
    document.put_some("message", message);
}

/// Writes what has no field, unless it is too long; the original has it in any case.
fn put_other(document: &mut Document<'_>, other: &Other<'_>) {
    if other.is_empty() {
        return;
    }
    // Strings and raw values can always be written.
    let text = serde_json::to_string(other).ok();
    let text = text.filter(|text| text.len() <= OTHER_BYTES_MAX);
    document.put_some("datatheorem.other", text);
}

/// Moves the scalars that a table names into their fields.
fn copy<'a>(
    document: &mut Document<'a>,
    from: &mut Object<'a>,
    table: &'static [(&'static str, &'static [&'static str])],
) {
    for (key, names) in table {
        let Some(text) = from.take(key, json::text) else {
            continue;
        };
        for name in *names {
            document.put(name, text.clone());
        }
    }
}

fn keep<'a>(other: &mut Other<'a>, path: &str, from: Object<'a>) {
    for (key, value) in from.into_rest() {
        other.insert(format!("{path}{key}"), value);
    }
}

fn severity(word: &str) -> Option<(u64, &'static str)> {
    match word.to_ascii_uppercase().as_str() {
        "HIGH" | "URGENT" => Some((73, "High")),
        "MEDIUM" | "IMPORTANT" => Some((47, "Medium")),
        "LOW" | "PROACTIVE" => Some((21, "Low")),
        _ => None,
    }
}

fn cloud_provider(hosted_on: &str) -> Option<&'static str> {
    let words = kind::words(hosted_on);
    words.split('-').find_map(|word| match word {
        "aws" | "amazon" => Some("aws"),
        "gcp" | "google" => Some("gcp"),
        "azure" => Some("azure"),
        _ => None,
    })
}

/// The text up to a line break, or up to a full stop that ends a sentence: at the end, or before
/// white space and a letter that is not small (so that `e.g. this` goes on).
fn first_sentence(text: &str) -> Option<String> {
    let line = text.trim().lines().next()?;
    let end = line.match_indices(['.', '!', '?']).find_map(|(at, mark)| {
        let rest = line.get(at.checked_add(mark.len())?..)?;
        let next = rest.trim_start();
        let ends =
            next.is_empty() || (next.len() < rest.len() && !next.starts_with(char::is_lowercase));
        ends.then_some(at)
    });
    let sentence = line.get(..end.unwrap_or(line.len()))?.trim_end();
    let title = sentence.get(..sentence.floor_char_boundary(TITLE_BYTES_MAX))?;
    title
        .contains(char::is_alphanumeric)
        .then(|| title.to_owned())
}
