//! A vendor's question whether the URL is its customer's: a header's value, to be sent back once
//! before the first event.
//!
//! It is admitted as an event of the same source is, and nothing of it is kept. Knows no vendor:
//! the header is the preset's.

use http::request::Parts;
use http::{HeaderMap, Method};

use super::reply::{Refused, Taken};
use crate::settings::Preset;

/// Longest value that is sent back, in bytes; Okta's have about 40.
const VALUE_BYTES_MAX: usize = 256;

/// Whether a head asks this; `has_body` says that something comes after the head.
pub(super) fn is_asked(preset: Preset, head: &Parts, has_body: bool) -> bool {
    let name = preset.challenge_header();
    head.method == Method::GET
        && !has_body
        && name.is_some_and(|name| head.headers.contains_key(name))
}

/// The answer to a sender who was admitted.
pub(super) fn answer(preset: Preset, headers: &HeaderMap) -> Result<Taken, Refused> {
    let name = preset.challenge_header().ok_or(Refused::Challenge)?;
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Refused::Challenge);
    };
    let value = value.to_str().map_err(|_| Refused::Challenge)?;
    if value.is_empty() || value.len() > VALUE_BYTES_MAX {
        return Err(Refused::Challenge);
    }
    Ok(Taken::Challenge {
        verification: value.to_owned(),
    })
}
