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
    event: Option<&'a RawValue>,
    opened: Option<Opened<'a>>,
    time: Option<&'a str>,
    host: Option<Cow<'a, str>>,
    rest: Object<'a>,
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
    /// if `data` is an object as well, as it should be.
    pub(super) fn open(payload: &'a str) -> Self {
        let objects = Object::parse_along(payload, &["event", "data"]);
        let mut objects = objects.unwrap_or_default().into_iter();
        if let (Some(outer), Some(event)) = (objects.next(), objects.next()) {
            let data = objects.next().unwrap_or_default();
            let mut envelope = Self::of(outer);
            envelope.opened = Some(Opened { event, data });
            return envelope;
        }
        let mut envelope = Self::read(payload);
        let event = envelope.event.and_then(json::object);
        envelope.opened = event.map(|mut event| Opened {
            data: event.take("data", json::object).unwrap_or_default(),
            event,
        });
        envelope
    }

    fn of(mut members: Object<'a>) -> Self {
        Self {
            event: members.take("event", Some),
            opened: None,
            time: members.take("time", epoch_digits),
            host: members.take("host", host),
            rest: members,
        }
    }

    /// No envelope: the vendor has none, or it is unknown.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// Takes out the event, where it is an object and was opened.
    pub(super) fn take_opened(&mut self) -> Option<Opened<'a>> {
        self.opened.take()
    }

    /// The value of `event`, whatever it is, unless it was opened.
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
