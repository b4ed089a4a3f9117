//! Events to request bodies and the headers that belong to them.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use crate::sink::Rendered;
use crate::sink::payload;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const ID: HeaderName = HeaderName::from_static("x-siem-relay-id");
const RECEIVED: HeaderName = HeaderName::from_static("x-siem-relay-received");

/// One JSON array.
pub(super) fn array(batch: &[Rendered], envelope: bool) -> Vec<u8> {
    let mut body = with_capacity(batch, envelope);
    let mut before = b'[';
    for event in batch {
        body.push(before);
        payload::write(&mut body, event, envelope);
        before = b',';
    }
    body.push(b']');
    body
}

/// One JSON value a line.
pub(super) fn lines(batch: &[Rendered], envelope: bool) -> Vec<u8> {
    let mut body = with_capacity(batch, envelope);
    for event in batch {
        payload::write_line(&mut body, event, envelope);
    }
    body
}

/// One event, byte for byte.
pub(super) fn single(event: &Rendered, envelope: bool) -> Vec<u8> {
    let mut body = Vec::with_capacity(bytes(event, envelope));
    payload::write(&mut body, event, envelope);
    body
}

/// Bytes that one event adds, with its comma or line end.
pub(super) fn bytes(event: &Rendered, envelope: bool) -> usize {
    payload::line_bytes(event, envelope)
}

/// The same body always has the same key: a structured-field string, quotes included.
pub(super) fn insert_key(headers: &mut HeaderMap, body: &[u8]) {
    use std::fmt::Write;

    let mut key = String::with_capacity(66);
    key.push('"');
    for byte in Sha256::digest(body) {
        // Writing to a string has no error.
        let _ = write!(key, "{byte:02x}");
    }
    key.push('"');
    insert(headers, IDEMPOTENCY_KEY, &key);
}

/// What the envelope would have said.
pub(super) fn insert_provenance(headers: &mut HeaderMap, event: &Rendered) {
    insert(headers, ID, &event.id().to_string());
    insert(headers, RECEIVED, &payload::received(&event.event));
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Hexadecimal, ids and dates are printable ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn with_capacity(batch: &[Rendered], envelope: bool) -> Vec<u8> {
    let bytes: usize = batch.iter().map(|event| bytes(event, envelope)).sum();
    Vec::with_capacity(bytes + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::payload::tests::rendered;

    fn batch() -> [Rendered; 2] {
        [rendered(1, "{\"a\":\r\n1}"), rendered(2, "\"b\"")]
    }

    #[test]
    fn an_array_keeps_every_byte_of_the_payloads() {
        assert_eq!(array(&batch(), false), b"[{\"a\":\r\n1},\"b\"]");
    }

    #[test]
    fn lines_lose_only_the_line_ends_between_tokens() {
        assert_eq!(lines(&batch(), false), b"{\"a\":1}\n\"b\"\n");
    }

    #[test]
    fn a_single_event_is_its_payload() {
        assert_eq!(
            single(&rendered(1, "{\"a\":\r\n1}"), false),
            b"{\"a\":\r\n1}"
        );
    }

    #[test]
    fn envelopes_make_valid_json_in_every_framing() {
        let array: Vec<serde_json::Value> = serde_json::from_slice(&array(&batch(), true)).unwrap();
        assert_eq!(array[1]["event"], "b");
        let lines = String::from_utf8(lines(&batch(), true)).unwrap();
        let values = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        assert_eq!(values.collect::<Vec<serde_json::Value>>(), array);
        let single: serde_json::Value =
            serde_json::from_slice(&single(&rendered(1, "7"), true)).unwrap();
        assert_eq!(single["received"], "2026-11-23T14:42:05.123Z");
    }

    #[test]
    fn the_batch_limit_counts_at_least_what_is_sent() {
        for envelope in [false, true] {
            let bytes: usize = batch().iter().map(|event| bytes(event, envelope)).sum();
            assert!(array(&batch(), envelope).len() <= bytes + 1);
            assert!(lines(&batch(), envelope).len() <= bytes);
        }
    }

    #[test]
    fn the_key_is_the_digest_of_the_body_in_quotes() {
        let mut headers = HeaderMap::new();
        insert_key(&mut headers, b"abc");
        assert_eq!(
            headers["idempotency-key"],
            "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""
        );
    }

    #[test]
    fn headers_carry_id_and_received_time() {
        let mut headers = HeaderMap::new();
        insert_provenance(&mut headers, &rendered(1, "{}"));
        assert_eq!(
            headers["x-siem-relay-id"],
            "01010101-0101-0101-0101-010101010101"
        );
        assert_eq!(headers["x-siem-relay-received"], "2026-11-23T14:42:05.123Z");
    }
}
