//! Members that no model takes, as the vendor wrote them, within limits.
//!
//! They leave as text only: a vendor's novelty must neither meet a dynamic mapping nor bring a
//! number that a destination cannot read. Depth costs nothing, since a value is never opened.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::json::{self, Object};
use super::mask;

/// Longest text of all of them, in bytes: the longest term that Elasticsearch takes. The paths
/// repeat, so that without a limit a small payload could make a very large document.
pub(super) const BYTES_MAX: usize = 32_766;
/// Members shown one by one; more of them are in one text.
pub(super) const MEMBERS_MAX: usize = 64;

/// Stands in for a value that is not shown; the same word as that of rules.
const HIDDEN: &str = r#""[redacted]""#;

/// Members by their path in the payload.
#[derive(Debug, Default)]
pub(super) struct Other<'a>(BTreeMap<String, Cow<'a, RawValue>>);

/// A member that the model has no place for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmapped {
    /// Its place in the payload: the keys on the way, with dots in between.
    pub path: String,
    /// The JSON type of its value.
    pub kind: &'static str,
}

/// Members for a format that shows each of them.
#[derive(Debug, Default)]
pub(super) struct Shown<'a> {
    /// Text by path: strings decoded, any other value as written.
    pub(super) members: BTreeMap<String, Cow<'a, str>>,
    /// The members beyond the limits as one JSON text; none where even that is too long.
    pub(super) overflow: Option<String>,
}

impl<'a> Other<'a> {
    /// Each of them, without its value, in the order of their paths.
    pub(super) fn list(&self) -> Vec<Unmapped> {
        let unmapped = |(path, value): (&String, &Cow<'a, RawValue>)| Unmapped {
            path: path.clone(),
            kind: json::kind(value),
        };
        self.0.iter().map(unmapped).collect()
    }

    /// Adds what is left of an object at `path`, which ends with a dot or is empty. Values that
    /// `hides` picks by name or content are not shown, and of URLs neither login nor query.
    pub(super) fn keep_but(
        &mut self,
        path: &str,
        from: Object<'a>,
        hides: fn(&str, &RawValue) -> bool,
    ) {
        for (key, value) in from.into_rest() {
            let shown = (!hides(&key, value)).then(|| mask::bare(value)).flatten();
            let value = shown.or_else(|| json::value(HIDDEN).ok().map(Cow::Borrowed));
            self.0
                .extend(value.map(|value| (format!("{path}{key}"), value)));
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    /// All of them as one JSON text; none if there are none, or they are too long.
    pub(super) fn text(&self) -> Option<String> {
        text(&self.0)
    }

    /// Whether a limit leaves something out of [`Other::text`] or [`Other::shown`].
    pub(super) fn is_large(&self) -> bool {
        let bytes = self.0.iter().map(|(path, value)| entry_bytes(path, value));
        self.0.len() > MEMBERS_MAX || bytes.sum::<usize>() > BYTES_MAX
    }

    /// Each of them, within the limits, in the order of their paths.
    pub(super) fn shown(&self) -> Shown<'a> {
        let mut shown = Shown::default();
        let mut rest = BTreeMap::new();
        let mut bytes: usize = 0;
        for (path, value) in &self.0 {
            bytes = bytes.saturating_add(entry_bytes(path, value));
            if bytes > BYTES_MAX || shown.members.len() >= MEMBERS_MAX {
                rest.insert(path.clone(), value.clone());
                continue;
            }
            shown.members.insert(path.clone(), plain(value));
        }
        shown.overflow = text(&rest);
        shown
    }
}

/// A string decoded, any other value as written.
fn plain<'a>(value: &Cow<'a, RawValue>) -> Cow<'a, str> {
    match value {
        Cow::Borrowed(value) => decoded(value),
        Cow::Owned(value) => Cow::Owned(decoded(value).into_owned()),
    }
}

fn decoded(value: &RawValue) -> Cow<'_, str> {
    json::string(value).unwrap_or(Cow::Borrowed(value.get()))
}

fn text(members: &BTreeMap<String, Cow<'_, RawValue>>) -> Option<String> {
    if members.is_empty() {
        return None;
    }
    // Strings and raw values can always be written.
    let text = serde_json::to_string(members).ok();
    text.filter(|text| text.len() <= BYTES_MAX)
}

fn entry_bytes(path: &str, value: &RawValue) -> usize {
    path.len().saturating_add(value.get().len())
}
