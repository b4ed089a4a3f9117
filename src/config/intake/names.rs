//! Constant labels, tags, attributes and fields, by the rules of the intake that takes them.
//!
//! What an intake would rename, drop or refuse is an error here: found at once and by the operator,
//! not later by whoever looks for an event.

use http::HeaderValue;

use crate::config::kinds::constants;
use crate::config::problems::shown;
use crate::config::table::Table;

/// The label or tag by which the relay names the event's source.
const SOURCE: &str = "source";
/// How the relay's own attributes and fields begin.
const OWN: &str = "siem_relay";
/// Datadog: tags, and characters of one ("Getting started with tags").
const DATADOG_TAGS_MAX: usize = 32;
const DATADOG_TAG_CHARS_MAX: usize = 200;
/// Loki: labels of a stream with the relay's own (`max_label_names_per_series`), bytes of a name
/// and of a value.
const LOKI_LABELS_MAX: usize = 15;
const LOKI_NAME_BYTES_MAX: usize = 1024;
/// Sumo Logic: fields of one collector or source, bytes of a name.
const SUMO_FIELDS_MAX: usize = 30;
const NAME_BYTES_MAX: usize = 255;

/// One name that breaks a rule: what is wrong, and the remedy.
type Broken = Option<(&'static str, &'static str)>;

/// A text that goes in a header.
pub(super) fn header_text(table: &Table<'_>, key: &str) -> Option<String> {
    let text = table.string(key, None)?;
    if HeaderValue::from_str(&text).is_err() || !text.is_ascii() || text.trim() != text {
        let what = "has characters that a header's value cannot have";
        table.problem(
            key,
            what,
            "keep visible ASCII characters, without spaces around them",
        );
    }
    Some(text)
}

/// `ddtags`: each begins with a letter.
pub(super) fn datadog_tags(table: &Table<'_>) -> Vec<String> {
    let tags = table.list("ddtags", Some("[]")).unwrap_or_default();
    let allowed = |c: char| c.is_alphanumeric() || "_-:./".contains(c);
    let is_tag = |tag: &&String| {
        tag.chars().count() <= DATADOG_TAG_CHARS_MAX
            && tag.starts_with(char::is_alphabetic)
            && !tag.ends_with(':')
            && tag.chars().all(allowed)
    };
    if tags.iter().filter(is_tag).count() < tags.len() {
        let what = "has a tag that Datadog would change";
        let remedy = "begin each with a letter, keep letters, digits and _-:./ up to 200 of them";
        table.problem("ddtags", what, remedy);
    }
    if tags.len() > DATADOG_TAGS_MAX {
        let what = format!("has {} entries", tags.len());
        table.problem("ddtags", what, format!("keep at most {DATADOG_TAGS_MAX}"));
    }
    tags
}

/// `X-Sumo-Fields`, where commas and equal signs stand between fields.
pub(super) fn sumo_fields(table: &Table<'_>) -> Vec<(String, String)> {
    let fields = checked(table, "fields", |name, value| {
        if !is_word(name, "_") || name.len() > NAME_BYTES_MAX {
            let remedy = "use at most 255 letters, digits and _";
            return Some(("is not the name of a field", remedy));
        }
        let fits = HeaderValue::from_str(value).is_ok() && value.is_ascii();
        (!fits || value.contains([',', '='])).then_some((
            "has a value that X-Sumo-Fields cannot have",
            "keep visible ASCII characters, without , and =",
        ))
    });
    if fields.len() > SUMO_FIELDS_MAX {
        let what = format!("has {} entries", fields.len());
        table.problem("fields", what, format!("keep at most {SUMO_FIELDS_MAX}"));
    }
    fields
}

/// LogScale's tags, without their `#`.
pub(super) fn logscale_tags(table: &Table<'_>) -> Vec<(String, String)> {
    checked(table, "tags", |name, _| match name {
        SOURCE => Some(("is the relay's own tag", "choose another name")),
        _ if !is_word(name, "_") || name.len() > NAME_BYTES_MAX => Some((
            "is not the name of a tag",
            "use letters, digits and _, without #",
        )),
        _ => None,
    })
}

/// Loki's labels (Prometheus data model).
pub(super) fn loki_labels(table: &Table<'_>) -> Vec<(String, String)> {
    let labels = checked(table, "labels", |name, _| match name {
        SOURCE => Some(("is the relay's own label", "choose another name")),
        _ if name.starts_with("__") => Some((
            "begins with __, as only Loki's own labels do",
            "choose another name",
        )),
        _ if !is_word(name, "_") || name.len() > LOKI_NAME_BYTES_MAX => Some((
            "is not the name of a label",
            "use letters, digits and _, not beginning with a digit",
        )),
        _ if name.starts_with(|c: char| c.is_ascii_digit()) => {
            Some(("begins with a digit", "begin with a letter or _"))
        }
        _ => None,
    });
    if labels.len() >= LOKI_LABELS_MAX {
        let what = format!(
            "has {} entries, and Loki takes {LOKI_LABELS_MAX}",
            labels.len()
        );
        let remedy = format!("keep at most {}: source is one", LOKI_LABELS_MAX - 1);
        table.problem("labels", what, remedy);
    }
    labels
}

/// New Relic's attributes.
pub(super) fn new_relic_attributes(table: &Table<'_>) -> Vec<(String, String)> {
    checked(table, "attributes", |name, _| {
        let taken = ["timestamp", "message", "log", "host"].contains(&name);
        if taken || name.starts_with(OWN) {
            return Some((
                "is set by the relay or by New Relic itself",
                "choose another name",
            ));
        }
        (!is_word(name, "_.:-") || name.len() > NAME_BYTES_MAX).then_some((
            "is not the name of an attribute",
            "use at most 255 letters, digits and _.:-",
        ))
    })
}

/// GELF's additional fields, written without their underscore.
pub(super) fn gelf_fields(table: &Table<'_>) -> Vec<(String, String)> {
    checked(table, "fields", |name, _| match name {
        "id" | "_id" => Some(("is a name that GELF reserves", "choose another name")),
        _ if name.starts_with('_') => Some((
            "begins with an underscore, which the relay adds",
            "remove it",
        )),
        _ if name.starts_with(OWN) => Some(("is the relay's own field", "choose another name")),
        _ if !is_word(name, "_.-") || name.len() > NAME_BYTES_MAX => {
            Some(("is not the name of a field", "use letters, digits and _.-"))
        }
        _ => None,
    })
}

fn checked(
    table: &Table<'_>,
    key: &str,
    rule: impl Fn(&str, &str) -> Broken,
) -> Vec<(String, String)> {
    let texts = constants(table, key);
    for (name, value) in &texts {
        if let Some((what, remedy)) = rule(name, value) {
            table.problem(&format!("{key}.{}", shown(name)), what, remedy);
        }
    }
    texts
}

fn is_word(name: &str, also: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || also.contains(c);
    !name.is_empty() && name.chars().all(allowed)
}
