//! A document under construction: fields by their dotted name, written nested and sorted.
//!
//! Names are constants of the program and each always has the same JSON type, so that no
//! vendor's value can make two documents clash in an index. Text is borrowed from the payload
//! until it is written. Every event of every destination comes by here, so fields are gathered
//! without an order, sorted once and written straight into the bytes that go out. Knows no field
//! by name.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;

use crate::event::EventId;

use super::RenderError;
use super::strings;

/// Fields by dotted name, in the order in which they were set. They are written in the order of
/// the names, so equal fields give equal bytes.
///
/// Names are made of small letters, digits, `_`, `@` and dots: nothing that JSON escapes, and
/// nothing that sorts before a dot, so that what is below one object stands together.
#[derive(Debug, Default)]
pub(super) struct Document<'a>(Vec<(&'static str, Field<'a>)>);

/// The JSON types that fields have.
#[derive(Debug)]
pub(super) enum Field<'a> {
    /// A string; also a date as exact as the vendor wrote it.
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
    /// A string: an instant in RFC 3339, cut to milliseconds.
    Instant(Timestamp),
    /// A string: an event's id.
    Id(EventId),
    /// A string: an address.
    Address(IpAddr),
    /// A string: SHA-256 in hexadecimal digits.
    Digest([u8; 32]),
}

impl<'a> Document<'a> {
    /// A document that will have about so many fields.
    pub(super) fn expecting(fields: usize) -> Self {
        Self(Vec::with_capacity(fields))
    }

    /// Sets a field; of one that is set twice the last value counts.
    pub(super) fn put(&mut self, name: &'static str, value: impl Into<Field<'a>>) {
        self.0.push((name, value.into()));
    }

    /// Sets a field that may be unknown.
    pub(super) fn put_some(&mut self, name: &'static str, value: Option<impl Into<Field<'a>>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// Adds to a list of strings, each of which is there once.
    pub(super) fn add(&mut self, name: &'static str, text: Cow<'a, str>) {
        let known = self.0.iter_mut().find(|(known, _)| *known == name);
        match known {
            Some((_, Field::List(list))) if list.contains(&text) => {}
            Some((_, Field::List(list))) => list.push(text),
            _ => self.put(name, vec![text]),
        }
    }

    /// Sets an object below which something is known.
    pub(super) fn put_object(&mut self, name: &'static str, below: Document<'a>) {
        if !below.0.is_empty() {
            self.put(name, Field::Object(below));
        }
    }

    /// The document as JSON.
    pub(super) fn into_bytes(self) -> Result<Bytes, RenderError> {
        let mut out = Vec::with_capacity(self.bytes());
        self.write(&mut out).map_err(unwritable)?;
        Ok(out.into())
    }

    /// The fields as one flat JSON object: of an object below, `name.field`.
    pub(super) fn into_flat_bytes(mut self) -> Result<Bytes, RenderError> {
        let mut out = Vec::with_capacity(self.bytes());
        self.sort();
        out.push(b'{');
        for (name, field) in self.0 {
            let Field::Object(mut below) = field else {
                write_name(&mut out, &["\"", name, "\":"]);
                field.write(&mut out).map_err(unwritable)?;
                continue;
            };
            below.sort();
            for (inner, field) in below.0 {
                write_name(&mut out, &["\"", name, ".", inner, "\":"]);
                field.write(&mut out).map_err(unwritable)?;
            }
        }
        out.push(b'}');
        Ok(out.into())
    }

    /// By name; of equal names the last one stays.
    fn sort(&mut self) {
        // Keeps the order of equal names.
        self.0.sort_by(|one, next| order(one.0, next.0));
        self.0.dedup_by(|next, kept| {
            let same = order(next.0, kept.0).is_eq();
            if same {
                std::mem::swap(next, kept);
            }
            same
        });
    }

    /// Appends the document, nested.
    fn write(mut self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        self.sort();
        out.push(b'{');
        // The path of the innermost object that is open, with the dot at its end.
        let mut open = "";
        let mut before = "";
        for (name, field) in self.0 {
            let common = common_bytes(before, name);
            before = name;
            while open.len() > common {
                out.push(b'}');
                open = parent(open);
            }
            let mut rest = name.get(open.len()..).unwrap_or_default();
            while let Some((head, below)) = rest.split_once('.') {
                write_name(out, &["\"", head, "\":{"]);
                rest = below;
            }
            open = name.get(..name.len() - rest.len()).unwrap_or_default();
            write_name(out, &["\"", rest, "\":"]);
            field.write(out)?;
        }
        while !open.is_empty() {
            out.push(b'}');
            open = parent(open);
        }
        out.push(b'}');
        Ok(())
    }

    /// About as many bytes as it has when written, if little must be escaped.
    fn bytes(&self) -> usize {
        let fields = self.0.iter();
        let bytes = fields.map(|(name, field)| name.len() + field.bytes() + NOTATION_BYTES);
        bytes.sum::<usize>() + NOTATION_BYTES
    }
}

/// Fields that the largest documents have, about.
pub(super) const FIELDS_EXPECTED: usize = 72;
/// Quotes, colon, comma and braces of a field.
const NOTATION_BYTES: usize = 8;

impl Field<'_> {
    fn write(self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        match self {
            Self::Text(text) => {
                strings::write_text(out, &text);
                Ok(())
            }
            Self::Instant(at) => strings::write_instant(out, &at),
            Self::Id(id) => {
                strings::write_plain(out, id.encode(&mut [0; EventId::TEXT_BYTES]));
                Ok(())
            }
            Self::Address(IpAddr::V4(address)) => {
                strings::write_octets(out, address.octets());
                Ok(())
            }
            Self::Address(address) => {
                strings::write_plain(out, &address.to_string());
                Ok(())
            }
            Self::Digest(digest) => {
                strings::write_digest(out, &digest);
                Ok(())
            }
            Self::Number(number) => scalar(out, &number),
            Self::Flag(flag) => scalar(out, &flag),
            Self::Signed(number) => scalar(out, &number),
            Self::Float(number) => scalar(out, &number),
            Self::List(list) => scalar(out, &list),
            Self::Object(below) => below.write(out),
            Self::Objects(all) => {
                out.push(b'[');
                for (index, below) in all.into_iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    below.write(out)?;
                }
                out.push(b']');
                Ok(())
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            // A payload has many quotes, each of which is escaped.
            Self::Text(text) => text.len() + text.len() / 8,
            Self::List(list) => list.iter().map(|text| text.len() + NOTATION_BYTES).sum(),
            Self::Object(below) => below.bytes(),
            Self::Objects(all) => all.iter().map(Document::bytes).sum(),
            Self::Digest(digest) => 2 * digest.len(),
            Self::Instant(_) | Self::Id(_) | Self::Address(_) => EventId::TEXT_BYTES,
            Self::Number(_) | Self::Flag(_) | Self::Signed(_) | Self::Float(_) => NOTATION_BYTES,
        }
    }
}

/// As strings compare, but eight bytes at a time: most names differ early.
fn order(one: &str, next: &str) -> Ordering {
    let (mut one, mut next) = (one.as_bytes(), next.as_bytes());
    while let (Some((a, after_a)), Some((b, after_b))) =
        (one.split_first_chunk::<8>(), next.split_first_chunk::<8>())
    {
        let ordering = u64::from_be_bytes(*a).cmp(&u64::from_be_bytes(*b));
        if ordering.is_ne() {
            return ordering;
        }
        (one, next) = (after_a, after_b);
    }
    one.cmp(next)
}

/// How many bytes both begin with.
fn common_bytes(one: &str, next: &str) -> usize {
    let pairs = one.bytes().zip(next.bytes());
    pairs.take_while(|(a, b)| a == b).count()
}

/// The path of the object around this one; both with the dot at their end, or empty.
fn parent(path: &'static str) -> &'static str {
    let inner = path.strip_suffix('.').unwrap_or_default();
    let end = inner.rfind('.').map_or(0, |dot| dot + 1);
    inner.get(..end).unwrap_or_default()
}

/// Appends the parts of a member's name with its notation, after a comma where one is due.
fn write_name(out: &mut Vec<u8>, parts: &[&str]) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

fn scalar(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), serde_json::Error> {
    serde_json::to_writer(out, value)
}

fn unwritable(error: serde_json::Error) -> RenderError {
    RenderError::Unwritable(error.to_string())
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

impl From<EventId> for Field<'_> {
    fn from(id: EventId) -> Self {
        Self::Id(id)
    }
}

impl From<IpAddr> for Field<'_> {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
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
