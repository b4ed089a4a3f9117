//! What must not be shown of an event, whatever it is: values of secrets.
//!
//! Webhooks are seldom documented to have any; vendors' interfaces have, and a proxy or a later
//! version may add one. So everything unknown that could hold one is hidden, and no URL that is
//! shown has a login. Knows no vendor.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::json;
use super::model::{Asset, Finding, Model, Subject, Text};
use super::url::{without_logins, without_queries};

/// Words in the names of secrets, in small letters without anything between them: `api_key`,
/// `apiKey` and `X-API-Key` have one.
const NAMES: [&str; 11] = [
    "accesskey",
    "apikey",
    "authorization",
    "cookie",
    "credential",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "token",
];
/// Ends of names that have such a word, of what tells which secret it is and what it may do.
/// `secret_id` is none of them: some products log in with it.
const ABOUT: [&str; 6] = [
    "count",
    "credentialid",
    "keyid",
    "scopes",
    "tokenid",
    "type",
];
/// Names the kind of a leaked secret; whatever is beside it may be the secret.
const LEAK: &str = "secrettype";

/// Whether the value of an unknown member may be or hold a secret.
pub(super) fn hides(key: &str, value: &RawValue) -> bool {
    is_secret(&letters(key), value.get()) || holds(value.get())
}

/// The same of an event that is about a secret: only numbers and whether something is so are shown.
pub(super) fn hides_closed(key: &str, value: &RawValue) -> bool {
    !matches!(json::kind(value), "boolean" | "number") || hides(key, value)
}

/// What is shown of a value that is not hidden: all but the logins, queries and fragments of URLs,
/// where codes and tokens of logins are. None where that cannot be written.
pub(super) fn bare(value: &RawValue) -> Option<Cow<'_, RawValue>> {
    let mut out = String::new();
    let mut changed = false;
    let mut rest = value.get();
    while let Some((before, text, after)) = json::next_string(rest) {
        out.push_str(before);
        let decoded = crate::rules::string(text).unwrap_or(Cow::Borrowed(text));
        match without_queries(&without_logins(&decoded)) {
            shorter if shorter != decoded => {
                out.push_str(&serde_json::to_string(&shorter).ok()?);
                changed = true;
            }
            _ => out.push_str(text),
        }
        rest = after;
    }
    if !changed {
        return Some(Cow::Borrowed(value));
    }
    out.push_str(rest);
    RawValue::from_string(out).ok().map(Cow::Owned)
}

/// Takes the logins out of the URLs that a reader found a place for.
pub(super) fn take_logins(model: &mut Model<'_>) {
    for (_, text) in &mut model.own {
        take_login(text);
    }
    take_some(&mut model.message);
    match &mut model.subject {
        Subject::Finding(it) => of_finding(it),
        Subject::Asset(it) => of_asset(it),
        Subject::Activity(it) => take_some(&mut it.object_name),
        _ => {}
    }
}

fn of_finding(it: &mut Finding<'_>) {
    let texts = [
        &mut it.uid,
        &mut it.title,
        &mut it.description,
        &mut it.recommendation,
        &mut it.additional,
        &mut it.portal_url,
        &mut it.policy_url,
    ];
    texts.into_iter().for_each(take_some);
    for weakness in &mut it.weaknesses {
        take_some(&mut weakness.title);
        take_some(&mut weakness.url);
    }
    of_asset(&mut it.asset);
}

fn of_asset(it: &mut Asset<'_>) {
    let texts = [
        &mut it.uid,
        &mut it.name,
        &mut it.url,
        &mut it.portal_url,
        &mut it.console_url,
    ];
    texts.into_iter().for_each(take_some);
}

fn take_some(text: &mut Text<'_>) {
    text.iter_mut().for_each(take_login);
}

fn take_login(text: &mut Cow<'_, str>) {
    if let Cow::Owned(shorter) = without_logins(text) {
        *text = Cow::Owned(shorter);
    }
}

/// The letters and digits of a name, in lower case.
fn letters(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// Whether a value with a name of these letters may be a secret. True, false and null are none.
fn is_secret(name: &str, value: &str) -> bool {
    NAMES.iter().any(|word| name.contains(word))
        && !ABOUT.iter().any(|end| name.ends_with(end))
        && !value.starts_with(['t', 'f', 'n'])
}

/// Whether a member of such a name is somewhere inside.
fn holds(text: &str) -> bool {
    if !text.starts_with(['{', '[']) {
        return false;
    }
    let mut rest = text;
    while let Some((_, name, after)) = json::next_string(rest) {
        if let Some(value) = after.trim_start().strip_prefix(':') {
            let name = letters(&crate::rules::string(name).unwrap_or_default());
            if name == LEAK || is_secret(&name, value.trim_start()) {
                return true;
            }
        }
        rest = after;
    }
    false
}
