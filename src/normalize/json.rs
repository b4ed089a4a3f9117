//! Reads vendors' JSON lazily: one object level at a time, values kept as their source text.
//!
//! Skipping a value is iterative in serde_json, so depth has no limit here and no stack to
//! exhaust; what is opened in one go is a path of a few constant keys. Numbers but small ones stay
//! text: none is too large. Of duplicate keys the last wins. A lone surrogate, which has no UTF-8
//! form, reads as U+FFFD. Knows no vendor.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::rules::Decoded;

/// Members that most objects of vendors have at most.
const MEMBERS_EXPECTED: usize = 16;
/// Largest number that is read as one.
const NUMBER_MAX: u64 = 2_147_483_647;

/// One level of a JSON object; its values are not looked into yet.
///
/// Sorted by length and text of the key, each once: to look for one of another length costs little.
/// What was taken out leaves its place empty.
#[derive(Debug, Default)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Option<&'a RawValue>)>);

impl<'a> Object<'a> {
    /// Reads a text that is an object; none for anything else.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let object = deserializer.deserialize_map(Members).ok()?;
        deserializer.end().ok()?;
        Some(object)
    }

    /// Reads a text that is an object, and in one go the objects within each other that lie under
    /// these keys, as deep as they go: the outermost first, each without the member that holds the
    /// next one. None where the text or one of those members is no object.
    pub(super) fn parse_along(text: &'a str, keys: &[&str]) -> Option<Vec<Self>> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let objects = Along(keys).deserialize(&mut deserializer).ok()?;
        deserializer.end().ok()?;
        Some(objects)
    }

    /// Of equal keys the last one wins.
    fn of(mut members: Vec<(Cow<'a, str>, Option<&'a RawValue>)>) -> Self {
        // Keeps the order of equal keys.
        members.sort_by(|one, next| order(&one.0, &next.0));
        members.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = next.1;
            }
            same
        });
        Self(members)
    }

    /// A member as it stands.
    pub(super) fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0.get(self.find(key)?)?.1
    }

    /// Takes out a member that `read` understands; any other stays for [`Object::into_rest`].
    pub(super) fn take<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&'a RawValue) -> Option<T>,
    ) -> Option<T> {
        let index = self.find(key)?;
        let (_, place) = self.0.get_mut(index)?;
        let value = read((*place)?)?;
        *place = None;
        Some(value)
    }

    /// The same without empty arrays and objects, which say nothing either.
    pub(super) fn without_empty(mut self) -> Self {
        let empty = |value: &&RawValue| matches!(value.get(), "[]" | "{}");
        self.0
            .retain(|(_, value)| !value.as_ref().is_some_and(empty));
        self
    }

    /// What nobody took and says something, in no order that matters.
    pub(super) fn into_rest(self) -> impl Iterator<Item = (Cow<'a, str>, &'a RawValue)> {
        let rest = self.0.into_iter();
        let rest = rest.filter_map(|(key, value)| Some((key, value?)));
        rest.filter(|(_, value)| !is_blank(value))
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.0.binary_search_by(|(other, _)| order(other, key)).ok()
    }
}

fn order(one: &str, next: &str) -> Ordering {
    let lengths = one.len().cmp(&next.len());
    lengths.then_with(|| one.cmp(next))
}

/// A member as text.
pub(super) fn text<'a>(from: &mut Object<'a>, key: &str) -> Option<Cow<'a, str>> {
    from.take(key, scalar)
}

/// The first of these members that is there; the others stay.
pub(super) fn first<'a>(from: &mut Object<'a>, keys: &[&str]) -> Option<Cow<'a, str>> {
    keys.iter().find_map(|key| text(from, key))
}

/// A whole number that is not negative and that an integer of 32 bits can have: OCSF has no other,
/// and indexes refuse an event for one of more than 63 bits.
pub(super) fn number(value: &RawValue) -> Option<u64> {
    let number = value.get().parse().ok();
    number.filter(|number| *number <= NUMBER_MAX)
}

/// The elements of an array, as far as `max`; none for any other value.
pub(super) fn array(value: &RawValue, max: usize) -> Option<Vec<&RawValue>> {
    let mut deserializer = serde_json::Deserializer::from_str(value.get());
    deserializer.deserialize_seq(Elements(max)).ok()
}

/// Any well-formed JSON text as one value.
pub(super) fn value(text: &str) -> Result<&RawValue, serde_json::Error> {
    serde_json::from_str(text)
}

/// A value's members, if it is an object.
pub(super) fn object(value: &RawValue) -> Option<Object<'_>> {
    Object::parse(value.get())
}

/// A scalar as text: a string decoded, a number or boolean as written. None for null, for blank
/// strings and for objects and arrays.
pub(super) fn scalar(value: &RawValue) -> Option<Cow<'_, str>> {
    match value.get().as_bytes().first()? {
        b'{' | b'[' | b'n' => None,
        b'"' => string(value).filter(|text| !text.trim().is_empty()),
        _ => Some(Cow::Borrowed(value.get())),
    }
}

/// The JSON type of a value.
pub(super) fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

/// A string decoded; none for any other value.
pub(super) fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    crate::rules::string(value.get())
}

/// Takes a well-formed JSON text apart at its first string: what is before, the string with its
/// quotes, what is after.
pub(super) fn next_string(text: &str) -> Option<(&str, &str, &str)> {
    let (before, from) = text.split_at_checked(text.find('"')?)?;
    // The quote that opens it does not end it either.
    let mut escaped = true;
    let end = from.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    let (string, after) = from.split_at_checked(end.checked_add(1)?)?;
    Some((before, string, after))
}

/// Null, or a string without anything but white space.
pub(super) fn is_blank(value: &RawValue) -> bool {
    value.get() == "null" || string(value).is_some_and(|text| text.trim().is_empty())
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(MEMBERS_EXPECTED);
        while let Some((key, value)) = map.next_entry::<Decoded, &RawValue>()? {
            members.push((key.0, Some(value)));
        }
        Ok(Object::of(members))
    }
}

/// Reads an object, and the one under the first of these keys in the same way: calls itself no
/// deeper than there are keys.
struct Along<'k>(&'k [&'k str]);

impl<'de> DeserializeSeed<'de> for Along<'_> {
    type Value = Vec<Object<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Along<'_> {
    type Value = Vec<Object<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(MEMBERS_EXPECTED);
        let mut below = Vec::new();
        while let Some(Decoded(key)) = map.next_key()? {
            match self.0.split_first() {
                Some((first, rest)) if key == *first => below = map.next_value_seed(Along(rest))?,
                _ => members.push((key, Some(map.next_value::<&RawValue>()?))),
            }
        }
        let outermost = std::iter::once(Object::of(members));
        Ok(outermost.chain(below).collect())
    }
}

/// Collects so many elements, and skips the rest.
struct Elements(usize);

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while elements.len() < self.0 {
            match seq.next_element::<&RawValue>()? {
                Some(element) => elements.push(element),
                None => return Ok(elements),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(elements)
    }
}
