//! Follows rules: what goes out is changed, what the journal keeps is not.
//!
//! A rule that finds nothing, or not what it is about, does nothing: but one that takes away or
//! hides either does so or keeps the event from going out. Rules are followed in their order; each
//! sees what those before it left, its condition too.

use std::borrow::Cow;

use aws_lc_rs::hmac;
use bytes::Bytes;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::value::RawValue;

use super::condition::{Asked, holds_of};
use super::json;
use super::moves::{each, get, keep, put, remove, rename};
use super::node::{Node, Opening, TooWide};
use crate::secret::Secret;
use crate::settings::{Action, ModelPart, Pointer, Rule};

/// Bytes of a value that is copied; a larger one is not, so that copies of copies stay small.
const COPIED_BYTES_MAX: usize = 64 * 1024;
/// Digits of an epoch time in seconds, at most; up to 14 are milliseconds, up to 17 microseconds.
const SECONDS_DIGITS_MAX: usize = 11;
const MILLIS_DIGITS_MAX: usize = 14;
const MICROS_DIGITS_MAX: usize = 17;

/// Why rules cannot be followed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The log holds what ingest would have refused; what is no JSON cannot be redacted.
    #[error("the payload is not well-formed JSON, so that its rules cannot be followed")]
    NotJson,
    /// Too many values on the way.
    #[error(transparent)]
    TooWide(#[from] TooWide),
}

/// The payload as the rules leave it: the very bytes, where they changed nothing.
pub fn apply<'r>(
    rules: impl IntoIterator<Item = &'r Rule>,
    payload: &Bytes,
) -> Result<Bytes, RuleError> {
    let mut rules = rules.into_iter().peekable();
    if rules.peek().is_none() {
        return Ok(payload.clone());
    }
    let text = std::str::from_utf8(payload).map_err(|_| RuleError::NotJson)?;
    let whole: &RawValue = serde_json::from_str(text).map_err(|_| RuleError::NotJson)?;
    let mut root = Node::Text(Cow::Borrowed(whole.get().trim_ascii()));
    let mut opening = Opening::new();
    for rule in rules {
        let met = rule.when.as_ref().is_none_or(|when| holds_of(when, &root));
        if met {
            follow(&rule.action, &mut root, &mut opening)?;
        }
    }
    if !opening.changed {
        return Ok(payload.clone());
    }
    let mut out = Vec::with_capacity(payload.len());
    root.write(&mut out);
    Ok(out.into())
}

/// What is left of an event; nothing has read a model from it.
impl Asked for Node<'_> {
    fn any(&self, at: &Pointer, passes: &mut dyn FnMut(&str) -> bool) -> bool {
        Node::any(self, &at.0, passes)
    }

    fn model(&self, _: ModelPart) -> Option<Cow<'_, str>> {
        None
    }
}

fn follow(action: &Action, root: &mut Node<'_>, opening: &mut Opening) -> Result<(), TooWide> {
    match action {
        Action::Rename { from, to } => rename(root, from, to, opening)?,
        Action::Copy { from, to } => {
            let copied = get(root, &from.0);
            if let Some(value) = copied.filter(|value| value.bytes() <= COPIED_BYTES_MAX) {
                opening.changed |= put(root, &to.0, value, opening)?.is_none();
            }
        }
        Action::Set { to, value } => {
            let value = Node::Text(Cow::Owned(value.clone()));
            opening.changed |= put(root, &to.0, value, opening)?.is_none();
        }
        Action::Drop(all) => {
            for at in all {
                remove(root, &at.0, opening)?;
            }
        }
        Action::Keep(all) => {
            let all: Vec<_> = all.iter().map(|at| at.0.as_slice()).collect();
            keep(root, &all, opening)?;
        }
        Action::Redact { at, key, mask } => {
            let key = key.as_ref().map(hmac_key);
            for at in at {
                each(root, &at.0, opening, &mut |value| {
                    redacted(value, key.as_ref(), mask)
                })?;
            }
        }
        Action::ParseTime(all) => {
            for at in all {
                each(root, &at.0, opening, &mut |value| {
                    let text = json::string(value.text());
                    let time = time(text.as_deref().unwrap_or(value.text()))?;
                    Some(Node::string(&time.to_string()))
                })?;
            }
        }
        Action::Lower(all) => {
            for at in all {
                each(root, &at.0, opening, &mut |value| {
                    let text = json::string(value.text())?;
                    Some(Node::string(&text.to_lowercase()))
                })?;
            }
        }
    }
    Ok(())
}

fn hmac_key(secret: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.value().expose_secret().as_bytes())
}

/// Null says nothing and stays. A string is hashed as its characters, anything else as its text.
fn redacted<'a>(value: &Node<'a>, key: Option<&hmac::Key>, mask: &str) -> Option<Node<'a>> {
    if value.text() == "null" {
        return None;
    }
    let Some(key) = key else {
        return Some(Node::string(mask));
    };
    let mut text = Vec::new();
    match json::string(value.text()) {
        Some(string) => text.extend_from_slice(string.as_bytes()),
        None => value.write(&mut text),
    }
    let tag = hmac::sign(key, &text);
    let hex: String = tag
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some(Node::string(&format!("hmac-sha256:{hex}")))
}

/// RFC 3339, RFC 2822, or an epoch in seconds to nanoseconds by its number of digits.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    if let Ok(time) = jiff::fmt::rfc2822::parse(text) {
        return Some(time.timestamp());
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let number: i64 = whole.parse().ok()?;
    let length = whole.len();
    if length <= SECONDS_DIGITS_MAX {
        let nanoseconds = format!("{:0<9}", fraction.get(..fraction.len().min(9))?);
        Timestamp::new(number, nanoseconds.parse().ok()?).ok()
    } else if length <= MILLIS_DIGITS_MAX {
        Timestamp::from_millisecond(number).ok()
    } else if length <= MICROS_DIGITS_MAX {
        Timestamp::from_microsecond(number).ok()
    } else {
        Timestamp::from_nanosecond(number.into()).ok()
    }
}
