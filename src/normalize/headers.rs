//! Request headers that a source keeps beside an event, since they say what it is.

use std::borrow::Cow;

use crate::event::Provenance;

use super::model::Text;

/// Longest value taken, in bytes: names of events, ids and dates are far below.
const VALUE_BYTES_MAX: usize = 64;

/// A header's value; `name` in lower case. None for a blank or an oversized one.
pub(super) fn value<'a>(provenance: &'a Provenance, name: &str) -> Text<'a> {
    let found = provenance.headers.iter().find(|(key, _)| key == name);
    let value = found.map(|(_, value)| value.trim());
    let value = value.filter(|value| !value.is_empty() && value.len() <= VALUE_BYTES_MAX);
    value.map(Cow::Borrowed)
}
