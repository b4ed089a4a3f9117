//! Finds a value in JSON text without reading the rest of it into memory.
//!
//! Skipping is iterative in serde_json, so depth costs no stack. Of duplicate names the last one
//! counts, as in most parsers. A lone surrogate, which has no UTF-8 form, reads as U+FFFD.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::settings::Pointer;

/// The step that stands for each element of an array; where values are changed, for each member
/// of an object as well.
pub(super) const EACH: &str = "*";

/// The value that a pointer leads to, as its source text without white space around it; none where
/// there is none, or the text is no JSON on the way.
pub(super) fn at<'t>(text: &'t str, pointer: &Pointer) -> Option<&'t str> {
    below(text, &pointer.0)
}

/// A scalar that a pointer leads to: a string decoded, a number or boolean as written.
pub fn scalar<'t>(text: &'t str, pointer: &Pointer) -> Option<Cow<'t, str>> {
    let found = at(text, pointer)?;
    match found.as_bytes().first()? {
        b'"' => string(found),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(found)),
    }
}

/// The same from the names and indices of a pointer.
pub(super) fn below<'t>(text: &'t str, steps: &[String]) -> Option<&'t str> {
    let mut found = text.trim_ascii();
    for step in steps {
        found = step_into(found, step)?;
    }
    Some(found)
}

/// Whether `passes` says so of a value that the steps lead to, each as its source text without
/// white space around it. On an array `*` is each element, on an object the member of that name.
/// No byte is skipped more than once for each step, whatever the steps are. What is no JSON behind
/// an element that passes is not seen.
pub(super) fn any(text: &str, steps: &[String], passes: &mut dyn FnMut(&str) -> bool) -> bool {
    let mut found = text.trim_ascii();
    let mut left = steps;
    while let Some((step, rest)) = left.split_first() {
        if step == EACH && found.starts_with('[') {
            return any_element(found, rest, passes);
        }
        let Some(inner) = step_into(found, step) else {
            return false;
        };
        (found, left) = (inner, rest);
    }
    passes(found)
}

fn step_into<'t>(text: &'t str, step: &str) -> Option<&'t str> {
    match text.as_bytes().first()? {
        b'{' => member(text, step),
        b'[' => element(text, index(step)?),
        _ => None,
    }
}

/// Calls itself by way of [`any`] no deeper than a pointer has steps.
fn any_element(text: &str, steps: &[String], passes: &mut dyn FnMut(&str) -> bool) -> bool {
    let mut passed = false;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // Broken off at the first one that passes, which the deserializer takes for an error.
    let _broken_off = deserializer.deserialize_seq(Elements {
        steps,
        passes,
        passed: &mut passed,
    });
    passed
}

/// A step as the index of an array's element: digits without leading zeros (RFC 6901).
pub(super) fn index(step: &str) -> Option<usize> {
    let digits = !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (step == "0" || !step.starts_with('0'));
    plain.then(|| step.parse().ok()).flatten()
}

/// A JSON string decoded; none for any other value.
pub fn string(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?;
    if memchr(b'\\', inner.as_bytes()).is_none() {
        return inner.strip_suffix('"').map(Cow::Borrowed);
    }
    serde_json::from_str::<Decoded>(text)
        .ok()
        .map(|text| text.0)
}

/// A string of JSON, also a name, decoded; a lone surrogate becomes U+FFFD.
pub struct Decoded<'t>(pub Cow<'t, str>);

impl<'de> Deserialize<'de> for Decoded<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Asked for bytes, serde_json passes lone surrogates, which it refuses in text.
        deserializer.deserialize_bytes(Text).map(Self)
    }
}

fn member<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_map(Member { name }).ok()?
}

fn element(text: &str, index: usize) -> Option<&str> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_seq(Element { index }).ok()?
}

/// The last member of this name.
struct Member<'n> {
    name: &'n str,
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Decoded>()? {
            if key.0 == self.name {
                found = Some(map.next_value::<&RawValue>()?.get());
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// The element at this index.
struct Element {
    index: usize,
}

impl<'de> Visitor<'de> for Element {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let (mut at, mut found) = (0, None);
        while let Some(value) = seq.next_element::<&RawValue>()? {
            if at == self.index {
                found = Some(value.get());
            }
            at += 1;
        }
        Ok(found)
    }
}

/// Each element, until one passes.
struct Elements<'s> {
    steps: &'s [String],
    passes: &'s mut dyn FnMut(&str) -> bool,
    passed: &'s mut bool,
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(value) = seq.next_element::<&RawValue>()? {
            if any(value.get(), self.steps, self.passes) {
                *self.passed = true;
                break;
            }
        }
        Ok(())
    }
}

struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        // Nearly all of them are, and to find that out is cheaper than to look for what is not.
        let valid = std::str::from_utf8(bytes).map(Cow::Borrowed);
        Ok(valid.unwrap_or_else(|_| String::from_utf8_lossy(bytes)))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(String::from_utf8_lossy(bytes).into_owned()))
    }
}
