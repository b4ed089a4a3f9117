//! One event as a CloudEvent 1.0 ("CloudEvents", "JSON Event Format" and "HTTP Protocol Binding",
//! versions 1.0.2), in the structured, batched or binary mode.
//!
//! `source` and `id` together name an event, and are the same in every attempt. `time` is when the
//! relay received it: a source must be consistent in what its time means, and vendors' times are
//! not known for every event.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{HeaderMap, HeaderName};

use super::encode::insert;
use crate::settings::{CloudEvents, CloudEventsData, CloudEventsMode};
use crate::sink::Rendered;
use crate::sink::payload::{received, write_string};

const SPEC_VERSION: &str = "1.0";
/// Attributes in binary mode; the type of the payload is the request's own.
const CE_SPEC_VERSION: HeaderName = HeaderName::from_static("ce-specversion");
const CE_ID: HeaderName = HeaderName::from_static("ce-id");
const CE_SOURCE: HeaderName = HeaderName::from_static("ce-source");
const CE_TYPE: HeaderName = HeaderName::from_static("ce-type");
const CE_TIME: HeaderName = HeaderName::from_static("ce-time");
const CE_DUPLICATE_OF: HeaderName = HeaderName::from_static("ce-duplicateof");
const CE_REPLAY_ID: HeaderName = HeaderName::from_static("ce-replayid");

pub(super) fn content_type(mode: CloudEventsMode) -> &'static str {
    match mode {
        CloudEventsMode::Structured => "application/cloudevents+json; charset=UTF-8",
        CloudEventsMode::Batched => "application/cloudevents-batch+json",
        // The payload's own.
        CloudEventsMode::Binary => "application/json",
    }
}

/// Appends the event as a JSON object; in binary mode, its payload.
pub(super) fn write(out: &mut Vec<u8>, cloud: &CloudEvents, event: &Rendered) {
    if cloud.mode == CloudEventsMode::Binary {
        return out.extend_from_slice(&event.body);
    }
    write_head(out, cloud, event);
    match cloud.data {
        CloudEventsData::Json => {
            out.extend_from_slice(b"\"data\":");
            out.extend_from_slice(&event.body);
        }
        CloudEventsData::Base64 => {
            out.extend_from_slice(b"\"data_base64\":\"");
            out.extend_from_slice(BASE64.encode(&event.body).as_bytes());
            out.push(b'"');
        }
    }
    out.push(b'}');
}

/// Bytes that [`write`] appends, and a comma.
pub(super) fn bytes(cloud: &CloudEvents, event: &Rendered) -> usize {
    let payload = event.body.len();
    if cloud.mode == CloudEventsMode::Binary {
        return payload + 1;
    }
    let mut head = Vec::new();
    write_head(&mut head, cloud, event);
    let data = match cloud.data {
        CloudEventsData::Json => "\"data\":}".len() + payload,
        CloudEventsData::Base64 => "\"data_base64\":\"\"}".len() + payload.div_ceil(3) * 4,
    };
    head.len() + data + 1
}

/// Adds the attributes as headers, in binary mode.
pub(super) fn insert_attributes(headers: &mut HeaderMap, cloud: &CloudEvents, event: &Rendered) {
    if cloud.mode != CloudEventsMode::Binary {
        return;
    }
    insert(headers, CE_SPEC_VERSION, SPEC_VERSION);
    insert(headers, CE_ID, &percent_encoded(&event.id().to_string()));
    insert(headers, CE_SOURCE, &percent_encoded(&source(cloud, event)));
    insert(headers, CE_TYPE, &percent_encoded(&cloud.kind));
    insert(headers, CE_TIME, &percent_encoded(&received(&event.event)));
    if let Some(first) = event.event.duplicate_of {
        insert(
            headers,
            CE_DUPLICATE_OF,
            &percent_encoded(&first.to_string()),
        );
    }
    if let Some(replay) = event.event.replay_id {
        insert(headers, CE_REPLAY_ID, &percent_encoded(&replay.to_string()));
    }
}

/// The attributes, up to the payload.
fn write_head(out: &mut Vec<u8>, cloud: &CloudEvents, event: &Rendered) {
    out.extend_from_slice(b"{\"specversion\":\"");
    out.extend_from_slice(SPEC_VERSION.as_bytes());
    out.extend_from_slice(b"\",\"id\":\"");
    out.extend_from_slice(event.id().to_string().as_bytes());
    out.extend_from_slice(b"\",\"source\":");
    write_string(out, &source(cloud, event));
    out.extend_from_slice(b",\"type\":");
    write_string(out, &cloud.kind);
    out.extend_from_slice(b",\"time\":\"");
    out.extend_from_slice(received(&event.event).as_bytes());
    out.extend_from_slice(b"\",\"datacontenttype\":\"application/json\",");
    if let Some(first) = event.event.duplicate_of {
        // An extension: such names have letters and digits only.
        out.extend_from_slice(b"\"duplicateof\":\"");
        out.extend_from_slice(first.to_string().as_bytes());
        out.extend_from_slice(b"\",");
    }
    if let Some(replay) = event.event.replay_id {
        out.extend_from_slice(b"\"replayid\":\"");
        out.extend_from_slice(replay.to_string().as_bytes());
        out.extend_from_slice(b"\",");
    }
}

fn source(cloud: &CloudEvents, event: &Rendered) -> String {
    match &cloud.source {
        Some(source) => source.clone(),
        None => format!("siem-relay:{}", event.event.provenance.source),
    }
}

/// A header's value: space, `"`, `%` and all outside U+0021 to U+007E become the percent-encoded
/// bytes of their UTF-8 (HTTP Protocol Binding, section 3.1.3.2).
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'%' => {}
            0x21..=0x7e => {
                encoded.push(char::from(byte));
                continue;
            }
            _ => {}
        }
        // Writing to a string has no error.
        let _ = write!(encoded, "%{byte:02X}");
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::event::{EventId, ReplayId};
    use crate::sink::payload::tests::rendered;

    fn cloud(mode: CloudEventsMode, data: CloudEventsData) -> CloudEvents {
        CloudEvents {
            mode,
            source: None,
            kind: "siem-relay.event".to_owned(),
            data,
        }
    }

    fn written(cloud: &CloudEvents, event: &Rendered) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, cloud, event);
        assert_eq!(bytes(cloud, event), out.len() + 1);
        out
    }

    #[test]
    fn a_structured_event_has_every_attribute_and_the_payload_byte_for_byte() {
        let cloud = cloud(CloudEventsMode::Structured, CloudEventsData::Json);
        let written = written(&cloud, &rendered(1, "{ \"n\": 1.0 }"));
        let expected = "{\"specversion\":\"1.0\",\
            \"id\":\"01010101-0101-0101-0101-010101010101\",\"source\":\"siem-relay:acme\",\
            \"type\":\"siem-relay.event\",\"time\":\"2026-11-23T14:42:05.123Z\",\
            \"datacontenttype\":\"application/json\",\"data\":{ \"n\": 1.0 }}";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn a_payload_in_base64_and_a_configured_source_are_what_a_reader_gets_back() {
        let mut cloud = cloud(CloudEventsMode::Batched, CloudEventsData::Base64);
        cloud.source = Some("https://relay.example.com/\u{e9}\"".to_owned());
        let mut event = rendered(2, "{\"a\":1}");
        let first = EventId::from_bytes([1; 16]);
        let replay = ReplayId::new();
        let inner = Arc::get_mut(&mut event.event).unwrap();
        (inner.duplicate_of, inner.replay_id) = (Some(first), Some(replay));
        let value: Value = serde_json::from_slice(&written(&cloud, &event)).unwrap();
        assert_eq!(value["source"], json!("https://relay.example.com/\u{e9}\""));
        // printf '{"a":1}' | base64
        assert_eq!(value["data_base64"], "eyJhIjoxfQ==");
        assert_eq!(value["duplicateof"], first.to_string());
        assert_eq!(value["replayid"], replay.to_string());
        assert_eq!(value.get("data"), None);
    }

    #[test]
    fn a_binary_event_has_its_attributes_in_headers_and_no_type_of_its_own() {
        let mut cloud = cloud(CloudEventsMode::Binary, CloudEventsData::Json);
        cloud.kind = "finding, \"new\"".to_owned();
        let event = rendered(1, "[1]");
        let mut headers = HeaderMap::new();
        insert_attributes(&mut headers, &cloud, &event);
        let mut shown: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        shown.sort();
        assert_eq!(
            shown,
            [
                "ce-id: 01010101-0101-0101-0101-010101010101",
                "ce-source: siem-relay:acme",
                "ce-specversion: 1.0",
                "ce-time: 2026-11-23T14:42:05.123Z",
                "ce-type: finding,%20%22new%22",
            ]
        );
        assert_eq!(written(&cloud, &event), b"[1]");
    }

    #[test]
    fn header_values_are_percent_encoded_as_the_standards_example_is() {
        // The example of section 3.1.3.2.
        assert_eq!(
            percent_encoded("Euro \u{20ac} \u{1f600}"),
            "Euro%20%E2%82%AC%20%F0%9F%98%80"
        );
        assert_eq!(percent_encoded("100%\"\u{7f}~!"), "100%25%22%7F~!");
    }
}
