//! A JSON value that is opened only where a rule goes: everything else stays its source text.
//!
//! So numbers, strings and whatever lies deeper go out as the vendor wrote them. Opening drops all
//! but the last of members of the same name: a shadowed one must not carry out what a rule takes
//! away from the one that counts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::json;

/// Values opened for one event, at most: each takes about a hundred bytes.
const OPENED_MAX: usize = 262_144;
/// What stands for an object or array that was opened, for whoever asks only for its type.
const OPENED_OBJECT: &str = "{}";
const OPENED_ARRAY: &str = "[]";

/// An event's paths lead through more values than may be opened.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("its rules lead through objects and arrays of more than {OPENED_MAX} values")]
pub struct TooWide;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Node<'a> {
    /// Its source text, without white space around it.
    Text(Cow<'a, str>),
    /// An opened object.
    Object(Vec<Member<'a>>),
    /// An opened array.
    Array(Vec<Node<'a>>),
}

/// A member of an object.
#[derive(Clone, Debug)]
pub(super) struct Member<'a> {
    pub(super) name: String,
    /// The name as it is written, in its quotes.
    key: Cow<'a, str>,
    pub(super) value: Node<'a>,
}

/// What may still be opened, and whether anything is not as it came.
#[derive(Debug)]
pub(super) struct Opening {
    left: usize,
    pub(super) changed: bool,
}

impl<'a> Member<'a> {
    pub(super) fn new(name: &str, value: Node<'a>) -> Self {
        Self {
            name: name.to_owned(),
            key: Cow::Owned(serde_json::Value::from(name).to_string()),
            value,
        }
    }
}

impl Opening {
    pub(super) fn new() -> Self {
        Self {
            left: OPENED_MAX,
            changed: false,
        }
    }
}

impl<'a> Node<'a> {
    /// A string.
    pub(super) fn string(text: &str) -> Self {
        Self::Text(Cow::Owned(serde_json::Value::from(text).to_string()))
    }

    /// Source text of a scalar; for an object or array something that begins like it.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Object(_) => OPENED_OBJECT,
            Self::Array(_) => OPENED_ARRAY,
        }
    }

    /// Whether `passes` says so of a value that the steps lead to; see [`json::any`].
    pub(super) fn any(&self, steps: &[String], passes: &mut dyn FnMut(&str) -> bool) -> bool {
        let Some((step, rest)) = steps.split_first() else {
            return passes(self.text());
        };
        match self {
            Self::Text(text) => json::any(text, steps, passes),
            Self::Object(members) => {
                let member = members.iter().find(|member| member.name == *step);
                member.is_some_and(|member| member.value.any(rest, passes))
            }
            Self::Array(items) if step == json::EACH => {
                items.iter().any(|item| item.any(rest, passes))
            }
            Self::Array(items) => {
                let item = json::index(step).and_then(|index| items.get(index));
                item.is_some_and(|item| item.any(rest, passes))
            }
        }
    }

    /// Opens an object or array; anything else stays as it is.
    pub(super) fn open(&mut self, opening: &mut Opening) -> Result<(), TooWide> {
        let Self::Text(text) = self else {
            return Ok(());
        };
        let opened = match text {
            Cow::Borrowed(text) => {
                let text: &'a str = text;
                opened(text, opening)?
            }
            // What a rule made is small; its parts get texts of their own.
            Cow::Owned(text) => opened(text, opening)?.map(Node::into_owned),
        };
        if let Some(opened) = opened {
            *self = opened;
        }
        Ok(())
    }

    /// Bytes of the text that it is written as.
    pub(super) fn bytes(&self) -> usize {
        let mut text = Vec::new();
        self.write(&mut text);
        text.len()
    }

    /// Appends its text.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Object(members) => {
                out.push(b'{');
                for (index, member) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(member.key.as_bytes());
                    out.push(b':');
                    member.value.write(out);
                }
                out.push(b'}');
            }
            Self::Array(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
        }
    }

    /// The same with texts of its own.
    pub(super) fn into_owned<'o>(self) -> Node<'o> {
        match self {
            Self::Text(text) => Node::Text(Cow::Owned(text.into_owned())),
            Self::Object(members) => {
                let owned = members.into_iter().map(|member| Member {
                    name: member.name,
                    key: Cow::Owned(member.key.into_owned()),
                    value: member.value.into_owned(),
                });
                Node::Object(owned.collect())
            }
            Self::Array(items) => Node::Array(items.into_iter().map(Node::into_owned).collect()),
        }
    }
}

/// An object or array one level deep; none for anything else.
fn opened<'t>(text: &'t str, opening: &mut Opening) -> Result<Option<Node<'t>>, TooWide> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let left = opening.left;
    let level = Level { left };
    let read = match text.as_bytes().first() {
        Some(b'{') => deserializer.deserialize_map(level),
        Some(b'[') => deserializer.deserialize_seq(level),
        _ => return Ok(None),
    };
    // The whole text was checked before: what fails here fails for its size.
    let (node, read) = read.map_err(|_| TooWide)?;
    opening.left = left.saturating_sub(read);
    let kept = match &node {
        Node::Object(members) => members.len(),
        _ => read,
    };
    opening.changed |= kept < read;
    Ok(Some(node))
}

/// One level, with the number of values read.
struct Level {
    left: usize,
}

impl<'de> Visitor<'de> for Level {
    type Value = (Node<'de>, usize);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<Member<'de>> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut read = 0;
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            read += 1;
            if read > self.left {
                return Err(A::Error::custom("too many members"));
            }
            let name = json::string(key.get()).ok_or_else(|| A::Error::custom("no string"))?;
            let name = name.into_owned();
            let value = Node::Text(Cow::Borrowed(value.get()));
            let place = places.get(&name).and_then(|&place| members.get_mut(place));
            if let Some(member) = place {
                member.value = value;
                continue;
            }
            places.insert(name.clone(), members.len());
            let key = Cow::Borrowed(key.get());
            members.push(Member { name, key, value });
        }
        Ok((Node::Object(members), read))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(value) = seq.next_element::<&RawValue>()? {
            if items.len() >= self.left {
                return Err(A::Error::custom("too many elements"));
            }
            items.push(Node::Text(Cow::Borrowed(value.get())));
        }
        let read = items.len();
        Ok((Node::Array(items), read))
    }
}
