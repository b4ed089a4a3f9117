//! A document under construction: fields by their dotted name, written nested and sorted.
//!
//! Names are constants of the program and each always has the same JSON type, so that no
//! vendor's value can make two documents clash in an index. Text is borrowed from the payload
//! until it is written. Every event of every destination comes by here, so fields are gathered
//! without an order, sorted once and written straight into the bytes that go out. Knows no field
//! by name.

use std::borrow::Cow;
use std::cmp::Ordering;

use bytes::Bytes;
use serde::Serialize;

use super::RenderError;

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
}

impl<'a> Document<'a> {
    /// Sets a field; of one that is set twice the last value counts.
    pub(super) fn put(&mut self, name: &'static str, value: impl Into<Field<'a>>) {
        if self.0.is_empty() {
            self.0.reserve(FIELDS_EXPECTED);
        }
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
            let same = next.0 == kept.0;
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
        for (name, field) in self.0 {
            while !name.starts_with(open) {
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

/// Room for so many at first; the largest documents have about 70.
const FIELDS_EXPECTED: usize = 16;
/// Bytes of text that are looked at at once.
const CHUNK_BYTES: usize = 16;
/// Quotes, colon, comma and braces of a field.
const NOTATION_BYTES: usize = 8;

impl Field<'_> {
    fn write(self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        match self {
            Self::Text(text) => {
                write_text(out, &text);
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

/// Appends a JSON string, escaped as serde_json does it. The payload goes this way in every
/// document, so what needs no escape is found and copied in runs.
fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some((plain, byte, after)) = next_escaped(rest) {
        out.extend_from_slice(plain);
        write_escape(out, byte);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// What stands before the first byte that JSON escapes, that byte, and the rest.
fn next_escaped(bytes: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    // Without a branch for each byte: of a chunk at once, the processor's vectors do it.
    let escaped = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\');
    let plain =
        |chunk: &&[u8; CHUNK_BYTES]| !chunk.iter().fold(false, |any, byte| any | escaped(*byte));
    let (chunks, _) = bytes.as_chunks::<CHUNK_BYTES>();
    let skipped = chunks.iter().take_while(plain).count() * CHUNK_BYTES;
    let at = skipped
        + bytes
            .get(skipped..)?
            .iter()
            .position(|byte| escaped(*byte))?;
    let (plain, rest) = bytes.split_at_checked(at)?;
    let (byte, after) = rest.split_first()?;
    Some((plain, *byte, after))
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let letter = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
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
