//! Proves what can be configured about an HTTP destination's requests, and what its answers mean.

use crate::settings::{CloudEvents, CloudEventsData, CloudEventsMode, Framing, HttpTerms, Wrap};

use super::http_destinations::{http, loaded_http};
use super::*;

#[test]
fn a_wrap_has_the_events_once_and_where_json_can_have_them() {
    let with = |wrap: &str| {
        http(&format!(
            "url = \"https://h/x\"\nframing = \"wrapped\"\nwrap = '{wrap}'"
        ))
    };
    for (wrap, before, after) in [
        (r#"{"events":$events}"#, r#"{"events":"#, "}"),
        (
            r#"[ {"tags":{}, "events": $events} ]"#,
            r#"[ {"tags":{}, "events": "#,
            "} ]",
        ),
        ("$events", "", ""),
    ] {
        let wrapped = Framing::Wrapped(Wrap {
            before: before.to_owned(),
            after: after.to_owned(),
        });
        assert_eq!(loaded_http(&with(wrap)).framing, wrapped);
    }
    // What stands around the events is a part of the body.
    let batch = accepted(&with(r#"{"events":$events}"#)).destinations[0].batch;
    assert_eq!(batch.max_bytes, 1_000_000 - r#"{"events":}"#.len() - 1);
    for (wrap, expected) in [
        (r#"{"events":[]}"#, "does not say where the events go"),
        (r#"[$events,$events]"#, "says twice"),
        (
            r#"{"events":"$events"}"#,
            "is not JSON once the events are in it",
        ),
        (r#"{$events:1}"#, "is not JSON once"),
        (r#"{"events":$events"#, "is not JSON once"),
        (r#"{"events":$events}{}"#, "is not JSON once"),
        (
            &format!("[\"{}\",$events]", "x".repeat(512)),
            "is longer than 512 bytes",
        ),
    ] {
        refused(&with(wrap), &format!("destinations.d.wrap: {expected}"));
    }
    let url = "url = \"https://h/x\"\n";
    for (lines, expected) in [
        ("framing = \"wrapped\"", "missing beside framing"),
        ("wrap = '$events'", "stands without framing"),
    ] {
        refused(
            &http(&format!("{url}{lines}")),
            &format!("destinations.d.wrap: {expected}"),
        );
    }
}

#[test]
fn cloud_events_say_alone_what_requests_look_like() {
    let with = |lines: &str| http(&format!("url = \"https://h/x\"\n{lines}"));
    let text = with("cloudevents = \"structured\"");
    assert_eq!(accepted(&text).destinations[0].batch.max_events, 1);
    let expected = |mode, source: Option<&str>, kind: &str, data| {
        Framing::CloudEvents(CloudEvents {
            mode,
            source: source.map(str::to_owned),
            kind: kind.to_owned(),
            data,
        })
    };
    let json = CloudEventsData::Json;
    let plain = expected(CloudEventsMode::Structured, None, "siem-relay.event", json);
    assert_eq!(loaded_http(&text).framing, plain);
    let text = with(
        "cloudevents = \"batched\"\ncloudevents_source = \"urn:relay:1\"\n\
         cloudevents_type = \"com.example.finding\"\ncloudevents_data = \"base64\"",
    );
    let (base64, batched) = (CloudEventsData::Base64, CloudEventsMode::Batched);
    let batched = expected(batched, Some("urn:relay:1"), "com.example.finding", base64);
    assert_eq!(loaded_http(&text).framing, batched);
    assert_eq!(accepted(&text).destinations[0].batch.max_events, 1000);
    for (lines, expected) in [
        (
            "cloudevents = \"json\"",
            ".cloudevents: \"json\" is unknown",
        ),
        (
            "cloudevents = \"binary\"\ncloudevents_data = \"base64\"",
            ".cloudevents_data: is base64 although",
        ),
        (
            "cloudevents = \"batched\"\nframing = \"array\"",
            ".framing: stands beside cloudevents",
        ),
        (
            "cloudevents = \"batched\"\nenvelope = true",
            ".envelope: stands beside cloudevents",
        ),
        (
            "cloudevents = \"binary\"\nbatch_max_events = 2",
            ".batch_max_events: more than one event while each",
        ),
        (
            "cloudevents = \"binary\"\nheaders = { CE-Subject = \"x\" }",
            ".headers.CE-Subject: is an attribute of a CloudEvent",
        ),
        (
            "cloudevents = \"binary\"\nheaders = { Content-Type = \"text/plain\" }",
            ".headers.Content-Type: is a header that the relay",
        ),
        (
            "cloudevents = \"binary\"\ncloudevents_source = \"a b\"",
            ".cloudevents_source: is not a URI reference",
        ),
        (
            "cloudevents_type = \"x\"",
            ".cloudevents_type: stands without cloudevents",
        ),
    ] {
        refused(&with(lines), &format!("destinations.d{expected}"));
    }
    let typed = loaded_http(&with("headers = { Content-Type = \"text/plain\" }"));
    let pair = ("content-type".to_owned(), "text/plain".to_owned());
    assert_eq!(typed.headers, [pair]);
}

#[test]
fn what_a_receiver_means_is_told_within_what_can_lose_no_event() {
    let with = |lines: &str| http(&format!("url = \"https://h/x\"\n{lines}"));
    let terms = |lines: &str| loaded_http(&with(lines)).terms;
    assert_eq!(terms(""), HttpTerms::default());
    assert_eq!(terms("idempotency_key = false").idempotency_header, None);
    assert_eq!(
        terms("idempotency_header = \"X-Request-Id\"")
            .idempotency_header
            .as_deref(),
        Some("x-request-id")
    );
    assert_eq!(
        terms("success_statuses = [409, 412]").success_statuses,
        [409, 412]
    );
    for (equals, value) in [
        ("\"ok\"", serde_json::Value::from("ok")),
        ("0", 0.into()),
        ("true", true.into()),
    ] {
        let lines = format!("success_pointer = \"/a~1b/0\"\nsuccess_equals = {equals}");
        let success = terms(&lines).success.unwrap();
        assert_eq!((&*success.pointer, success.equals), ("/a~1b/0", value));
    }
    for (lines, expected) in [
        (
            "success_statuses = [503]",
            ".success_statuses: 503 does not mean",
        ),
        (
            "success_statuses = [404]",
            ".success_statuses: 404 does not mean",
        ),
        (
            "success_statuses = [\"409\"]",
            ".success_statuses: is not a list of statuses",
        ),
        (
            "success_statuses = 409",
            ".success_statuses: is not a list of statuses",
        ),
        (
            "success_pointer = \"/a\"",
            ".success_equals: missing beside success_pointer",
        ),
        (
            "success_equals = \"ok\"",
            ".success_pointer: missing beside success_equals",
        ),
        (
            "success_pointer = \"a\"\nsuccess_equals = 1",
            ".success_pointer: \"a\" is not a JSON pointer",
        ),
        (
            "success_pointer = \"/a~2\"\nsuccess_equals = 1",
            ".success_pointer: \"/a~2\" is not a JSON pointer",
        ),
        (
            "success_pointer = \"/a\"\nsuccess_equals = 1.5",
            ".success_equals: is neither a text nor a whole number",
        ),
        (
            "idempotency_key = false\nidempotency_header = \"X-Id\"",
            ".idempotency_header: is set although idempotency_key is false",
        ),
        (
            "idempotency_header = \"Content-Type\"",
            ".idempotency_header: is not the name of",
        ),
        (
            "idempotency_header = \"Authorization\"",
            ".idempotency_header: is not the name of",
        ),
        (
            "idempotency_header = \"X-Id\"\nheaders = { X-Id = \"1\" }",
            ".idempotency_header: is also one of headers",
        ),
        (
            "idempotency_header = \"X-Id\"\nheader = \"x-id\"\nvalue_env = \"PATH\"",
            ".idempotency_header: is also the header of the login",
        ),
        (
            "header = \"Idempotency-Key\"\nvalue_env = \"PATH\"",
            ".idempotency_header: is also the header of the login",
        ),
        (
            "idempotency_header = \"X-Siem-Relay-Id\"\nframing = \"single\"",
            ".idempotency_header: is a header that the relay itself sets",
        ),
        (
            "idempotency_header = \"CE-Id\"\ncloudevents = \"binary\"",
            ".idempotency_header: is an attribute of a CloudEvent",
        ),
        (
            "idempotency_header = \"Webhook-Id\"\nsigning = { secret_file = \"lines\" }",
            ".idempotency_header: is a header that the relay sets when it signs",
        ),
    ] {
        refused(&with(lines), &format!("destinations.d{expected}"));
    }
}
