//! Proves what goes out for the vendor's published examples, byte for byte where it must be.
//!
//! Fixtures are in `tests/fixtures/datatheorem`. `connectivity-test` and
//! `policy-violation-resolved` are the vendor's published examples; `opened` and `wont-fix` are
//! made up after them. `*.ecs.json` are the expected documents, laid out for reading.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::event::{AuthMethod, EventId, Provenance, ReplayId};

mod document;
mod envelope;
mod formats;
mod github;
mod gitlab;
mod hostile;
mod mapping;
mod mask;
mod okta;
mod readers;
mod snyk;
mod tables;
mod vendors;
mod view;
mod wiz;

const CONNECTIVITY_TEST: &str =
    include_str!("../../tests/fixtures/datatheorem/connectivity-test.json");
const RESOLVED: &str =
    include_str!("../../tests/fixtures/datatheorem/policy-violation-resolved.json");
const OPENED: &str = include_str!("../../tests/fixtures/datatheorem/policy-violation-opened.json");
const WONT_FIX: &str =
    include_str!("../../tests/fixtures/datatheorem/policy-violation-wont-fix.json");

fn event(payload: impl Into<Bytes>) -> Arc<Event> {
    Arc::new(Event {
        position: 1,
        id: "019ab000-0000-7000-8000-000000000001"
            .parse::<EventId>()
            .unwrap(),
        received_ms: 1_763_900_000_123,
        duplicate_of: None,
        replay_id: None,
        provenance: Arc::new(Provenance {
            source: "appsec".to_owned(),
            peer: Some("127.0.0.1:9".parse().unwrap()),
            client: Some("192.0.2.7".parse().unwrap()),
            auth: AuthMethod::Bearer,
            secret_slot: Some(1),
            test: false,
            content_type: None,
            content_encoding: None,
            headers: Vec::new(),
        }),
        payload: payload.into(),
    })
}

fn test_event(payload: &'static str) -> Arc<Event> {
    let mut event = Arc::unwrap_or_clone(event(payload));
    Arc::make_mut(&mut event.provenance).test = true;
    Arc::new(event)
}

fn reading(preset: Preset) -> Reading {
    Reading {
        preset,
        severities: Vec::new(),
    }
}

/// Renders with the built-in table of severities.
fn render(
    event: &Arc<Event>,
    preset: Preset,
    format: Format,
    shape: Shape,
) -> Result<Rendered, RenderError> {
    let rendered = super::render(event, event, &reading(preset), format, shape, true);
    rendered.map(|(rendered, _)| rendered)
}

fn render_as(payload: &str, format: Format, shape: Shape) -> Rendered {
    let event = event(payload.to_owned());
    render(&event, Preset::DataTheorem, format, shape).unwrap()
}

fn ecs(payload: &str) -> Value {
    let rendered = render_as(payload, Format::Ecs, Shape::Document);
    serde_json::from_slice(&rendered.body).unwrap()
}

fn hec(payload: &str) -> Rendered {
    render_as(payload, Format::Original, Shape::HecEvent)
}

/// Compares with a committed document; on a difference prints the whole for reading.
fn assert_document(rendered: &Rendered, expected: &str) {
    let value: Value = serde_json::from_slice(&rendered.body).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    assert!(pretty == expected.trim_end(), "{pretty}");
}

#[test]
fn the_published_violation_becomes_the_expected_ecs_document() {
    let rendered = render_as(RESOLVED, Format::Ecs, Shape::Document);
    let expected =
        include_str!("../../tests/fixtures/datatheorem/policy-violation-resolved.ecs.json");
    assert_document(&rendered, expected);
}

#[test]
fn the_published_connectivity_test_becomes_the_expected_ecs_document() {
    let event = test_event(CONNECTIVITY_TEST);
    let rendered = render(&event, Preset::DataTheorem, Format::Ecs, Shape::Document).unwrap();
    let expected = include_str!("../../tests/fixtures/datatheorem/connectivity-test.ecs.json");
    assert_document(&rendered, expected);
}

#[test]
fn variants_become_the_expected_ecs_documents() {
    let opened = render_as(OPENED, Format::Ecs, Shape::Document);
    let expected =
        include_str!("../../tests/fixtures/datatheorem/policy-violation-opened.ecs.json");
    assert_document(&opened, expected);
    let wont_fix = render_as(WONT_FIX, Format::Ecs, Shape::Document);
    let expected =
        include_str!("../../tests/fixtures/datatheorem/policy-violation-wont-fix.ecs.json");
    assert_document(&wont_fix, expected);
}

#[test]
fn the_same_event_gives_the_same_bytes() {
    for shape in [
        Shape::HecEvent,
        Shape::Document,
        Shape::Payload,
        Shape::Entry,
    ] {
        for format in [Format::Original, Format::Ecs, Format::Ocsf, Format::Cim] {
            let (one, two) = (
                render_as(OPENED, format, shape),
                render_as(OPENED, format, shape),
            );
            assert_eq!(one.body, two.body);
        }
    }
}

#[test]
fn splunk_gets_the_vendors_event_byte_for_byte_with_its_newlines() {
    let rendered = hec(RESOLVED);
    let start = RESOLVED.find("{\n    \"type\"").unwrap();
    let end = RESOLVED.find(",\n  \"time\"").unwrap();
    assert_eq!(rendered.body, RESOLVED[start..end]);
    assert!(rendered.body.contains(&b'\n'));
    assert_eq!(rendered.time.as_deref(), Some("1611733052"));
    assert_eq!(rendered.host.as_deref(), Some("securetheorem.com"));
    assert_eq!(hec(CONNECTIVITY_TEST).body, "\"Hello, world!\"");
}

#[test]
fn splunk_gets_the_ecs_document_with_the_vendors_time_and_host() {
    let rendered = render_as(RESOLVED, Format::Ecs, Shape::HecEvent);
    let document = render_as(RESOLVED, Format::Ecs, Shape::Document);
    assert_eq!(rendered.body, document.body);
    assert_eq!(rendered.time.as_deref(), Some("1611733052"));
    assert_eq!(rendered.host.as_deref(), Some("securetheorem.com"));
}

#[test]
fn an_intake_gets_the_payload_with_the_vendors_time_and_host_beside_it() {
    let rendered = render_as(RESOLVED, Format::Original, Shape::Entry);
    assert_eq!(rendered.body, RESOLVED);
    assert_eq!(rendered.time.as_deref(), Some("1611733052"));
    assert_eq!(rendered.host.as_deref(), Some("securetheorem.com"));
}

#[test]
fn splunk_gets_the_whole_payload_where_event_is_not_usable() {
    for payload in [
        r#"{"event": null, "time": 1611733052}"#,
        r#"{"event": " \t\n", "time": 1611733052}"#,
        r#"{"time": 1611733052}"#,
    ] {
        let rendered = hec(payload);
        assert_eq!(rendered.body, payload);
        assert_eq!(rendered.time.as_deref(), Some("1611733052"));
    }
    for payload in ["[1, {\"event\": 2}]\n", " \"text\" ", "7", "true"] {
        assert_eq!(hec(payload).body, payload);
    }
    for (value, body) in [("false", "false"), ("0", "0"), ("[]", "[]"), ("{}", "{}")] {
        assert_eq!(hec(&format!(r#"{{"event": {value}}}"#)).body, body);
    }
}

#[test]
fn a_generic_payload_has_no_envelope() {
    let event = event(RESOLVED);
    for format in [Format::Original, Format::Ecs] {
        let rendered = render(&event, Preset::Generic, format, Shape::HecEvent).unwrap();
        assert_eq!((rendered.time, rendered.host), (None, None));
        if format == Format::Original {
            assert_eq!(rendered.body, RESOLVED);
        }
    }
}

#[test]
fn time_is_taken_only_from_plain_digits_and_host_only_from_text() {
    let time = |value: &str| hec(&format!(r#"{{"event": 1, "time": {value}}}"#)).time;
    for good in ["1611733052", "1611733052.123456789", "0"] {
        assert_eq!(time(good).as_deref(), Some(good));
    }
    for bad in [
        "-1",
        "1e9",
        "1E9",
        "\"1611733052\"",
        "null",
        "true",
        "{}",
        "161173305212345678901",
    ] {
        assert_eq!(time(bad), None, "{bad}");
    }
    let host = |value: &str| hec(&format!(r#"{{"event": 1, "host": {value}}}"#)).host;
    assert_eq!(host(r#""a\u002eb""#).as_deref(), Some("a.b"));
    let long = format!("\"{}\"", "a".repeat(256));
    for bad in ["\"\"", "\" \"", "7", "null", "[\"a\"]", "\"a\\nb\"", &long] {
        assert_eq!(host(bad), None, "{bad}");
    }
}

#[test]
fn of_duplicate_keys_the_last_wins() {
    let first = r#""event": 1, "time": 1, "host": "x""#;
    let last = r#""event": {"a": 1, "a": 2}, "time": 2, "host": "y""#;
    let rendered = hec(&format!("{{{first}, {last}}}"));
    assert_eq!(rendered.body, r#"{"a": 1, "a": 2}"#);
    assert_eq!(rendered.time.as_deref(), Some("2"));
    assert_eq!(rendered.host.as_deref(), Some("y"));
}

#[test]
fn elasticsearch_gets_the_original_as_one_string() {
    let rendered = render_as(RESOLVED, Format::Original, Shape::Document);
    let value: Value = serde_json::from_slice(&rendered.body).unwrap();
    let expected = serde_json::json!({
        "@timestamp": "2021-01-27T07:37:32.000Z",
        "event": {
            "id": "019ab000-0000-7000-8000-000000000001",
            "created": "2025-11-23T12:13:20.123Z",
            "original": RESOLVED,
            "module": "datatheorem",
        },
        "siem_relay": {"source": "appsec", "auth": "bearer", "client_address": "192.0.2.7"},
    });
    assert_eq!(value, expected);
}

#[test]
fn a_repeat_names_the_first_event_a_replayed_one_its_replay_and_a_test_says_so() {
    let mut repeat = Arc::unwrap_or_clone(test_event("7"));
    repeat.duplicate_of = Some(EventId::from_bytes([7; 16]));
    let replay = ReplayId::new();
    repeat.replay_id = Some(replay);
    let repeat = Arc::new(repeat);
    let rendered = render(&repeat, Preset::Generic, Format::Original, Shape::Document).unwrap();
    let value: Value = serde_json::from_slice(&rendered.body).unwrap();
    assert_eq!(value["siem_relay"]["test"], true);
    let first = EventId::from_bytes([7; 16]).to_string();
    assert_eq!(value["siem_relay"]["duplicate_of"], first);
    assert_eq!(value["siem_relay"]["replay_id"], replay.to_string());
    assert_eq!(value["event"].get("module"), None);
}

#[test]
fn http_and_file_share_the_payloads_memory() {
    let event = event(RESOLVED.as_bytes().to_vec());
    let rendered = render(
        &event,
        Preset::DataTheorem,
        Format::Original,
        Shape::Payload,
    )
    .unwrap();
    assert_eq!(rendered.body.as_ptr(), event.payload.as_ptr());
    assert_eq!(rendered.body, event.payload);
}

#[test]
fn a_payload_that_would_harm_a_batch_is_an_error_that_does_not_repeat_it() {
    let outcome = |payload: &'static [u8]| {
        let event = event(payload);
        render(
            &event,
            Preset::DataTheorem,
            Format::Original,
            Shape::HecEvent,
        )
        .map(|rendered| rendered.body)
    };
    assert_eq!(outcome(b"\"\xff\""), Err(RenderError::NotUtf8));
    for blank in [&b"null"[..], b" \"\" ", b"\" \\n\""] {
        assert_eq!(outcome(blank), Err(RenderError::Blank));
    }
    let cut = outcome(b"{\"event\": {\"secret-word\"").unwrap_err();
    assert!(matches!(cut, RenderError::NotJson { line: 1, .. }));
    assert!(!cut.to_string().contains("secret-word"));
}

#[test]
fn a_renderer_knows_the_presets_of_its_sources() {
    let source = Source {
        name: "appsec".to_owned(),
        preset: Preset::DataTheorem,
        auth: crate::settings::SourceAuth::None,
        allow_addresses: Vec::new(),
        keep_headers: Vec::new(),
        delivery_id_header: None,
        rules: Vec::new(),
        severities: Vec::new(),
    };
    let event = event(CONNECTIVITY_TEST);
    let known = Renderer::new(&[source], Format::Original, Shape::HecEvent);
    assert_eq!(known.render(&event).unwrap().0.body, "\"Hello, world!\"");
    let unknown = Renderer::new(&[], Format::Original, Shape::HecEvent);
    assert_eq!(unknown.render(&event).unwrap().0.body, CONNECTIVITY_TEST);
}
