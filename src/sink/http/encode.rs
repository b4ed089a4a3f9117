//! Events to request bodies and the headers that belong to them.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use super::cloud_events;
use crate::settings::{CloudEvents, CloudEventsMode, Framing, Wrap};
use crate::sink::Rendered;
use crate::sink::payload;

const ID: HeaderName = HeaderName::from_static("x-siem-relay-id");
const RECEIVED: HeaderName = HeaderName::from_static("x-siem-relay-received");
const REPLAY_ID: HeaderName = HeaderName::from_static("x-siem-relay-replay-id");

/// What requests look like.
pub(super) struct Form {
    framing: Framing,
    /// Whether each event is wrapped as `{"id", "received", "source", "event"}`.
    envelope: bool,
}

/// SHA-256 of a body, and before it of what follows from its events elsewhere in the request, in
/// hexadecimal: 64 characters, the same for the same bytes.
pub(super) struct RequestDigest(String);

impl Form {
    pub(super) fn new(framing: Framing, envelope: bool) -> Self {
        Self { framing, envelope }
    }

    /// Whether a request holds one event only.
    pub(super) fn is_single(&self) -> bool {
        self.framing.is_single()
    }

    /// The form of CloudEvents, where that is asked for.
    pub(super) fn cloud_events(&self) -> Option<&CloudEvents> {
        match &self.framing {
            Framing::CloudEvents(cloud) => Some(cloud),
            _ => None,
        }
    }

    pub(super) fn content_type(&self) -> &'static str {
        match &self.framing {
            Framing::Ndjson => "application/x-ndjson",
            Framing::Array | Framing::Single | Framing::Wrapped(_) => "application/json",
            Framing::CloudEvents(cloud) => cloud_events::content_type(cloud.mode),
        }
    }

    /// Bytes that one event adds to a body, with its comma or line end.
    pub(super) fn event_bytes(&self, event: &Rendered) -> usize {
        match &self.framing {
            Framing::CloudEvents(cloud) => cloud_events::bytes(cloud, event),
            _ => payload::line_bytes(event, self.envelope),
        }
    }

    /// The body of a request with these events; with one, where a request holds one only.
    pub(super) fn body(&self, batch: &[Rendered]) -> Vec<u8> {
        let bytes: usize = batch.iter().map(|event| self.event_bytes(event)).sum();
        let mut body = Vec::with_capacity(bytes + self.framing.frame_bytes());
        let envelope = self.envelope;
        match &self.framing {
            Framing::Array => array(&mut body, batch, |out, event| {
                payload::write(out, event, envelope);
            }),
            Framing::Wrapped(Wrap { before, after }) => {
                body.extend_from_slice(before.as_bytes());
                array(&mut body, batch, |out, event| {
                    payload::write(out, event, envelope);
                });
                body.extend_from_slice(after.as_bytes());
            }
            Framing::Ndjson => {
                for event in batch {
                    payload::write_line(&mut body, event, envelope);
                }
            }
            Framing::Single => {
                for event in batch {
                    payload::write(&mut body, event, envelope);
                }
            }
            Framing::CloudEvents(cloud) if cloud.mode == CloudEventsMode::Batched => {
                array(&mut body, batch, |out, event| {
                    cloud_events::write(out, cloud, event);
                });
            }
            Framing::CloudEvents(cloud) => {
                for event in batch {
                    cloud_events::write(&mut body, cloud, event);
                }
            }
        }
        body
    }

    /// Adds the headers that say what the body does not, where it holds one event.
    pub(super) fn insert_event(&self, headers: &mut HeaderMap, event: &Rendered) {
        match &self.framing {
            Framing::CloudEvents(cloud) => cloud_events::insert_attributes(headers, cloud, event),
            Framing::Single if !self.envelope => {
                insert(headers, ID, &event.id().to_string());
                insert(headers, RECEIVED, &payload::received(&event.event));
                if let Some(replay) = event.event.replay_id {
                    insert(headers, REPLAY_ID, &replay.to_string());
                }
            }
            _ => {}
        }
    }
}

impl RequestDigest {
    /// `following` has the same number of texts for all requests of a destination; where it has
    /// none, the digest is the body's.
    pub(super) fn of<'a>(following: impl Iterator<Item = &'a str>, body: &[u8]) -> Self {
        use std::fmt::Write;

        let mut hash = Sha256::new();
        for text in following {
            // With its length before it, no text can be taken for the end of another.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.update(body);
        let mut digits = String::with_capacity(64);
        for byte in hash.finalize() {
            // Writing to a string has no error.
            let _ = write!(digits, "{byte:02x}");
        }
        Self(digits)
    }

    /// As a structured-field string, quotes included (RFC 9651, section 3.3.3).
    pub(super) fn insert(&self, headers: &mut HeaderMap, name: HeaderName) {
        insert(headers, name, &format!("\"{}\"", self.0));
    }
}

/// One JSON array.
fn array(body: &mut Vec<u8>, batch: &[Rendered], mut write: impl FnMut(&mut Vec<u8>, &Rendered)) {
    let mut before = b'[';
    for event in batch {
        body.push(before);
        write(body, event);
        before = b',';
    }
    body.push(b']');
}

/// Sets a header to printable ASCII.
pub(super) fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Hexadecimal, ids, dates and what was percent-encoded are printable ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::ReplayId;
    use crate::sink::payload::tests::rendered;

    fn batch() -> [Rendered; 2] {
        [rendered(1, "{\"a\":\r\n1}"), rendered(2, "\"b\"")]
    }

    fn wrapped() -> Framing {
        Framing::Wrapped(Wrap {
            before: "{\"events\":".to_owned(),
            after: ",\"v\":1}".to_owned(),
        })
    }

    fn body(framing: Framing, envelope: bool, batch: &[Rendered]) -> Vec<u8> {
        Form::new(framing, envelope).body(batch)
    }

    #[test]
    fn an_array_keeps_every_byte_of_the_payloads() {
        let body = body(Framing::Array, false, &batch());
        assert_eq!(body, b"[{\"a\":\r\n1},\"b\"]");
    }

    #[test]
    fn a_wrapped_array_stands_between_its_constant_texts() {
        let body = body(wrapped(), false, &batch());
        assert_eq!(body, b"{\"events\":[{\"a\":\r\n1},\"b\"],\"v\":1}");
    }

    #[test]
    fn lines_lose_only_the_line_ends_between_tokens() {
        let body = body(Framing::Ndjson, false, &batch());
        assert_eq!(body, b"{\"a\":1}\n\"b\"\n");
    }

    #[test]
    fn a_single_event_is_its_payload() {
        let event = [rendered(1, "{\"a\":\r\n1}")];
        assert_eq!(body(Framing::Single, false, &event), b"{\"a\":\r\n1}");
    }

    #[test]
    fn envelopes_make_valid_json_in_every_framing() {
        let array = body(Framing::Array, true, &batch());
        let array: Vec<serde_json::Value> = serde_json::from_slice(&array).unwrap();
        assert_eq!(array[1]["event"], "b");
        let wrapped = body(wrapped(), true, &batch());
        let wrapped: serde_json::Value = serde_json::from_slice(&wrapped).unwrap();
        assert_eq!(wrapped["events"], serde_json::Value::from(array.clone()));
        let lines = String::from_utf8(body(Framing::Ndjson, true, &batch())).unwrap();
        let values = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        assert_eq!(values.collect::<Vec<serde_json::Value>>(), array);
        let single = body(Framing::Single, true, &[rendered(1, "7")]);
        let single: serde_json::Value = serde_json::from_slice(&single).unwrap();
        assert_eq!(single["received"], "2026-11-23T14:42:05.123Z");
    }

    #[test]
    fn the_batch_limit_counts_at_least_what_is_sent() {
        for framing in [Framing::Array, Framing::Ndjson, wrapped()] {
            for envelope in [false, true] {
                let form = Form::new(framing.clone(), envelope);
                let events: usize = batch().iter().map(|event| form.event_bytes(event)).sum();
                assert!(form.body(&batch()).len() <= events + framing.frame_bytes());
            }
        }
    }

    #[test]
    fn the_key_is_the_digest_of_the_body_in_quotes() {
        let mut headers = HeaderMap::new();
        let digest = RequestDigest::of(std::iter::empty(), b"abc");
        digest.insert(&mut headers, HeaderName::from_static("idempotency-key"));
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(headers["idempotency-key"], format!("\"{expected}\""));
    }

    #[test]
    fn the_key_is_of_what_follows_the_event_too() {
        let of = |texts: &[&str], body: &[u8]| RequestDigest::of(texts.iter().copied(), body).0;
        let digests = [
            of(&["ab", "c"], b"d"),
            of(&["a", "bc"], b"d"),
            of(&["ab", ""], b"cd"),
            of(&[], b"abcd"),
        ];
        for (at, one) in digests.iter().enumerate() {
            assert!(digests.iter().skip(at + 1).all(|other| one != other));
        }
        assert_eq!(digests[0], of(&["ab", "c"], b"d"));
    }

    #[test]
    fn headers_carry_id_and_received_time_where_no_envelope_does() {
        let mut headers = HeaderMap::new();
        let event = rendered(1, "{}");
        Form::new(Framing::Single, true).insert_event(&mut headers, &event);
        assert!(headers.is_empty());
        Form::new(Framing::Single, false).insert_event(&mut headers, &event);
        assert_eq!(
            headers["x-siem-relay-id"],
            "01010101-0101-0101-0101-010101010101"
        );
        assert_eq!(headers["x-siem-relay-received"], "2026-11-23T14:42:05.123Z");
        assert_eq!(headers.len(), 2);
    }

    #[test]
    fn a_header_says_of_which_replay_an_event_is_where_no_envelope_does() {
        let mut event = rendered(1, "{}");
        let replay = ReplayId::new();
        Arc::get_mut(&mut event.event).unwrap().replay_id = Some(replay);
        for (envelope, expected) in [(false, Some(replay.to_string())), (true, None)] {
            let mut headers = HeaderMap::new();
            Form::new(Framing::Single, envelope).insert_event(&mut headers, &event);
            let found = headers.get("x-siem-relay-replay-id");
            assert_eq!(found.map(|it| it.to_str().unwrap().to_owned()), expected);
        }
    }
}
