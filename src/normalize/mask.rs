//! What must not be shown of an event, whatever it is: values of secrets.
//!
//! Webhooks are seldom documented to have any; vendors' interfaces have, and a proxy or a later
//! version may add one. So everything unknown that could hold one is hidden. Knows no vendor.

use serde_json::value::RawValue;

/// Whether the value of an unknown member may be or hold a secret.
pub(super) fn hides(key: &str, value: &RawValue) -> bool {
    let key = key.to_ascii_lowercase();
    let named = [
        "secret",
        "password",
        "passphrase",
        "private_key",
        "credential",
    ]
    .iter()
    .any(|word| key.contains(word));
    named || key == "token" || key.ends_with("_token") || holds(value.get())
}

/// Whether a member of such a name is somewhere inside. A name with an escape is taken for one.
fn holds(text: &str) -> bool {
    if !text.starts_with(['{', '[']) {
        return false;
    }
    let text = text.to_ascii_lowercase();
    let marks = [
        "secret\"",
        "secret_type\"",
        "token\"",
        "password\"",
        "private_key\"",
        "\\u",
    ];
    marks.iter().any(|mark| text.contains(mark))
}

/// The same of an event that is about a secret: nothing nested is shown either.
pub(super) fn hides_closed(key: &str, value: &RawValue) -> bool {
    let text = value.get();
    hides(key, value) || text.starts_with(['{', '[']) || ["value", "match"].contains(&key)
}
