//! Data Theorem's envelope around an event: `event`, `time`, `host`.
//!
//! Only what is of the right form is taken; the rest stays available as unknown members. Reads
//! one level of the payload and does not look into the event.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::json::{self, Object};

/// Longest `time` taken, in characters: nanosecond epochs have 20 with their dot.
const TIME_CHARS_MAX: usize = 20;
/// Longest `host` taken, in bytes: the limit of a DNS name.
const HOST_BYTES_MAX: usize = 255;

/// The envelope; empty where the payload is none.
#[derive(Debug, Default)]
pub(super) struct Envelope<'a> {
    event: Option<&'a RawValue>,
    time: Option<&'a str>,
    host: Option<Cow<'a, str>>,
    rest: Object<'a>,
}

impl<'a> Envelope<'a> {
    /// Reads a payload; one that is no object has no envelope.
    pub(super) fn read(payload: &'a str) -> Self {
        let Some(mut members) = Object::parse(payload) else {
            return Self::none();
        };
        Self {
            event: members.take("event", Some),
            time: members.take("time", epoch_digits),
            host: members.take("host", host),
            rest: members,
        }
    }

    /// No envelope: the vendor has none, or it is unknown.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// The value of `event`, whatever it is.
    pub(super) fn event(&self) -> Option<&'a RawValue> {
        self.event
    }

    /// Epoch seconds as the vendor wrote them: digits with at most one dot.
    pub(super) fn time(&self) -> Option<&'a str> {
        self.time
    }

    /// The vendor's host.
    pub(super) fn host(&self) -> Option<Cow<'a, str>> {
        self.host.clone()
    }

    /// Takes out the members nobody knows, or of the wrong form.
    pub(super) fn take_rest(&mut self) -> Object<'a> {
        std::mem::take(&mut self.rest)
    }

    /// Whether the vendor states a time of a form that is not read.
    pub(super) fn has_odd_time(&self) -> bool {
        self.rest
            .get("time")
            .is_some_and(|value| !json::is_blank(value))
    }
}

/// A JSON number without sign and exponent. JSON itself allows one dot, between digits.
fn epoch_digits(value: &RawValue) -> Option<&str> {
    let digits = value.get();
    let plain = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    (plain && digits.len() <= TIME_CHARS_MAX).then_some(digits)
}

fn host(value: &RawValue) -> Option<Cow<'_, str>> {
    json::string(value).filter(|host| {
        !host.trim().is_empty() && host.len() <= HOST_BYTES_MAX && !host.contains(char::is_control)
    })
}
