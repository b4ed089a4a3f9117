//! A document under construction: fields by their dotted ECS name, written nested and sorted.
//!
//! Names are constants of the program and each always has the same JSON type, so that no
//! vendor's value can make two documents clash in an index. Text is borrowed from the payload
//! until it is written. Knows no field by name.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::RenderError;

/// Fields by dotted name; the order is the names', so equal fields give equal bytes.
#[derive(Debug, Default)]
pub(super) struct Document<'a>(BTreeMap<&'static str, Field<'a>>);

/// The JSON types that fields have.
#[derive(Debug, serde::Serialize)]
#[serde(untagged)]
pub(super) enum Field<'a> {
    /// A string, also for dates.
    Text(Cow<'a, str>),
    /// A whole number.
    Number(u64),
    /// True or false.
    Flag(bool),
    /// An array of strings.
    List(Vec<Cow<'a, str>>),
    /// A whole number that may be negative.
    Signed(i64),
    /// A number with a fraction; always finite.
    Float(f64),
    /// Fields below this one.
    Object(Document<'a>),
    /// An array of objects.
    Objects(Vec<Document<'a>>),
    /// Members that the vendor names; all are strings.
    Texts(BTreeMap<String, Cow<'a, str>>),
}

impl<'a> Document<'a> {
    /// Sets a field.
    pub(super) fn put(&mut self, name: &'static str, value: impl Into<Field<'a>>) {
        self.0.insert(name, value.into());
    }

    /// Sets a field that may be unknown.
    pub(super) fn put_some(&mut self, name: &'static str, value: Option<impl Into<Field<'a>>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// Adds to a list of strings, each of which is there once.
    pub(super) fn add(&mut self, name: &'static str, text: Cow<'a, str>) {
        let field = self.0.entry(name).or_insert(Field::List(Vec::new()));
        if let Field::List(list) = field
            && !list.contains(&text)
        {
            list.push(text);
        }
    }

    /// Sets an object below which something is known.
    pub(super) fn put_object(&mut self, name: &'static str, below: Document<'a>) {
        if !below.0.is_empty() {
            self.put(name, Field::Object(below));
        }
    }

    /// The fields as one flat JSON object: of an object below, `name.field`.
    pub(super) fn into_flat_bytes(self) -> Result<Bytes, RenderError> {
        let mut flat: BTreeMap<Cow<'_, str>, &Field<'a>> = BTreeMap::new();
        for (name, field) in &self.0 {
            let Field::Object(below) = field else {
                flat.insert(Cow::Borrowed(name), field);
                continue;
            };
            let below = below.0.iter();
            flat.extend(below.map(|(inner, field)| (format!("{name}.{inner}").into(), field)));
        }
        written(&flat)
    }

    /// The document as JSON.
    pub(super) fn into_bytes(self) -> Result<Bytes, RenderError> {
        written(&self)
    }
}

fn written(value: &impl Serialize) -> Result<Bytes, RenderError> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(|error| RenderError::Unwritable(error.to_string()))
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.0.iter().map(|(name, field)| (*name, field));
        Level(fields.collect()).serialize(serializer)
    }
}

impl<'a> From<&'a str> for Field<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Field<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Field<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Field<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<i64> for Field<'_> {
    fn from(number: i64) -> Self {
        Self::Signed(number)
    }
}

impl From<f64> for Field<'_> {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<bool> for Field<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl<'a> From<Vec<Cow<'a, str>>> for Field<'a> {
    fn from(list: Vec<Cow<'a, str>>) -> Self {
        Self::List(list)
    }
}

/// The fields below one object, sorted, each with what is left of its name.
struct Level<'d, 'a>(Vec<(&'static str, &'d Field<'a>)>);

impl Serialize for Level<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for group in self.0.chunk_by(|one, next| head(one.0) == head(next.0)) {
            let Some((name, field)) = group.first() else {
                continue;
            };
            if name.contains('.') {
                let below = group
                    .iter()
                    .filter_map(|(name, field)| Some((name.split_once('.')?.1, *field)));
                map.serialize_entry(head(name), &Level(below.collect()))?;
            } else {
                map.serialize_entry(name, field)?;
            }
        }
        map.end()
    }
}

fn head(name: &str) -> &str {
    name.split_once('.').map_or(name, |(head, _)| head)
}
