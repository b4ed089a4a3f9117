//! Data Theorem's envelope around an event: `event`, `time`, `host`.
//!
//! Only what is of the right form is taken; the rest stays available as unknown members. What the
//! event itself says is not looked at.

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
    event: Content<'a>,
    time: Option<&'a str>,
    host: Option<Cow<'a, str>>,
    rest: Object<'a>,
}

/// The value of `event`.
#[derive(Debug, Default)]
pub(super) enum Content<'a> {
    /// There is none, or it was taken.
    #[default]
    Nothing,
    /// Any value, as it stands.
    Closed(&'a RawValue),
    /// An object, taken apart.
    Opened(Opened<'a>),
}

/// An event that is an object.
#[derive(Debug)]
pub(super) struct Opened<'a> {
    /// Without what is in `data`.
    pub(super) event: Object<'a>,
    /// The object under `data`.
    pub(super) data: Object<'a>,
}

impl<'a> Envelope<'a> {
    /// Reads a payload; one that is no object has no envelope. The event stays closed.
    pub(super) fn read(payload: &'a str) -> Self {
        Object::parse(payload).map_or_else(Self::none, Self::of)
    }

    /// The same with the event opened, where it is an object. The payload is gone through once
    /// unless `event` or `data` is something else than an object.
    pub(super) fn open(payload: &'a str) -> Self {
        if let Some(objects) = Object::parse_along(payload, &["event", "data"]) {
            let mut objects = objects.into_iter();
            let mut envelope = objects.next().map_or_else(Self::none, Self::of);
            if let Some(event) = objects.next() {
                let data = objects.next().unwrap_or_default();
                envelope.event = Content::Opened(Opened { event, data });
            }
            return envelope;
        }
        let mut envelope = Self::read(payload);
        if let Some(mut event) = envelope.event().and_then(json::object) {
            let data = event.take("data", json::object).unwrap_or_default();
            envelope.event = Content::Opened(Opened { event, data });
        }
        envelope
    }

    fn of(mut members: Object<'a>) -> Self {
        let event = members.take("event", Some);
        Self {
            event: event.map_or(Content::Nothing, Content::Closed),
            time: members.take("time", epoch_digits),
            host: members.take("host", host),
            rest: members,
        }
    }

    /// No envelope: the vendor has none, or it is unknown.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// Takes out the value of `event`.
    pub(super) fn take_event(&mut self) -> Content<'a> {
        std::mem::take(&mut self.event)
    }

    /// The value of `event` of an envelope that was read, or that could not be opened.
    pub(super) fn event(&self) -> Option<&'a RawValue> {
        match &self.event {
            Content::Closed(value) => Some(value),
            Content::Nothing | Content::Opened(_) => None,
        }
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
