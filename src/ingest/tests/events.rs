//! What is stored with an event: provenance, resend key, test mark.

use sha2::{Digest, Sha256};

use super::support::*;
use crate::settings::{Preset, Source, SourceAuth};
use crate::spool::{OnRepeat, ResendKey};

async fn send(source: Source, headers: &str, body: &str) -> (Relay, crate::spool::NewEvent) {
    let path = format!("/hooks/{}", source.name);
    let relay = Relay::start(vec![source]).await;
    let answer = relay.send(request(&path, headers, body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let event = relay.log.events.lock().unwrap().pop().unwrap();
    (relay, event)
}

fn open() -> Source {
    source("open", SourceAuth::None)
}

fn key(text: &str) -> [u8; 16] {
    Sha256::digest(text)[..16].try_into().unwrap()
}

#[tokio::test]
async fn the_body_makes_a_key_that_only_marks() {
    let (_relay, event) = send(open(), "", "{\"a\":1}").await;
    let expected = ResendKey {
        key: key("body\0open\0{\"a\":1}"),
        on_repeat: OnRepeat::Mark,
    };
    assert_eq!(event.resend, Some(expected));
}

#[tokio::test]
async fn a_delivery_id_and_the_body_make_a_key_that_drops_and_the_body_alone_does_not() {
    let with_id = Source {
        delivery_id_header: Some("x-delivery".to_owned()),
        ..open()
    };
    let (_relay, event) = send(with_id.clone(), "X-Delivery: abc\r\n", "{}").await;
    let expected = ResendKey {
        key: key("id\0open\0abc\0{}"),
        on_repeat: OnRepeat::Drop,
    };
    assert_eq!(event.resend, Some(expected));
    let (_relay, event) = send(with_id.clone(), "X-Delivery: abc\r\n", "[]").await;
    assert_ne!(event.resend.unwrap().key, expected.key);
    let (_relay, event) = send(with_id, "X-Delivery: \r\n", "{}").await;
    assert_eq!(event.resend.unwrap().on_repeat, OnRepeat::Mark);
}

#[tokio::test]
async fn a_connectivity_test_is_marked_counted_as_such_and_never_a_resend() {
    let body = r#"{"event": "Hello, world!"}"#;
    let datatheorem = Source {
        preset: Preset::DataTheorem,
        ..open()
    };
    let (relay, event) = send(datatheorem, "", body).await;
    assert!(event.provenance.test);
    assert_eq!(event.resend, None);
    assert_eq!(relay.requests("open", "test"), 1);
    assert_eq!(relay.all_requests(), 1);
    let text = relay.metrics.render().unwrap();
    assert!(text.contains("siem_relay_ingest_events_total{source=\"open\"} 1\n"));

    let (relay, event) = send(open(), "", body).await;
    assert!(!event.provenance.test && event.resend.is_some());
    assert_eq!(relay.requests("open", "accepted"), 1);
}

#[tokio::test]
async fn snyks_ping_is_a_connectivity_test_by_its_header_and_its_body() {
    let snyk = Source {
        preset: Preset::Snyk,
        ..open()
    };
    let (ping, body) = ("X-Snyk-Event: ping/v0\r\n", r#"{"webhookId": "d3cf26b3"}"#);
    let (_relay, event) = send(snyk.clone(), ping, body).await;
    assert!(event.provenance.test);
    let (_relay, event) = send(snyk.clone(), ping, r#"{"newIssues": []}"#).await;
    assert!(!event.provenance.test);
    let (_relay, event) = send(snyk, "X-Snyk-Event: project_snapshot/v0\r\n", body).await;
    assert!(!event.provenance.test);
}

#[tokio::test]
async fn githubs_ping_is_a_connectivity_test_by_its_header_and_its_body() {
    let github = Source {
        preset: Preset::GitHub,
        ..open()
    };
    let (ping, body) = ("X-GitHub-Event: ping\r\n", r#"{"zen": "x", "hook_id": 1}"#);
    let (relay, event) = send(github.clone(), ping, body).await;
    assert!(event.provenance.test && event.resend.is_none());
    assert_eq!(relay.requests("open", "test"), 1);
    let (_relay, event) = send(github.clone(), ping, r#"{"action": "created"}"#).await;
    assert!(!event.provenance.test && event.resend.is_some());
    let (_relay, event) = send(github, "X-GitHub-Event: push\r\n", body).await;
    assert!(!event.provenance.test);
    let (_relay, event) = send(open(), ping, body).await;
    assert!(!event.provenance.test);
}

#[tokio::test]
async fn allowed_headers_are_kept_within_limits_and_credentials_never() {
    let keep = [
        "x-one",
        "authorization",
        "cookie",
        "x-own",
        "x-many",
        "x-absent",
    ];
    let source = Source {
        keep_headers: keep.map(str::to_owned).to_vec(),
        auth: SourceAuth::Header {
            name: "x-own".to_owned(),
            values: vec![secret("header-secret-value")],
        },
        ..open()
    };
    let long = "é".repeat(600);
    let mut headers = format!("X-One: {long}\r\nCookie: a\r\nAuthorization: b\r\n");
    headers.push_str("X-Own: header-secret-value\r\n");
    headers.push_str(&"X-Many: 1\r\n".repeat(20));
    let (_relay, event) = send(source, &headers, "{}").await;
    let kept = event.provenance.headers;
    assert_eq!(kept.len(), 16);
    assert_eq!(kept[0], ("x-one".to_owned(), "é".repeat(512)));
    assert!(kept[1..].iter().all(|header| header.0 == "x-many"));
    assert_eq!(
        event.provenance.content_type.as_deref(),
        Some("application/json")
    );
}

#[tokio::test]
async fn events_and_bytes_are_counted_as_stored() {
    let relay = Relay::start(vec![vendor()]).await;
    relay.post("{\"a\":1}").await;
    relay.post("{}").await;
    let text = relay.metrics.render().unwrap();
    for line in [
        "siem_relay_ingest_events_total{source=\"vendor\"} 2\n",
        "siem_relay_ingest_bytes_total{source=\"vendor\"} 9\n",
        "siem_relay_ingest_request_duration_seconds_count{source=\"vendor\"} 2\n",
    ] {
        assert!(text.contains(line), "{line} not in {text}");
    }
}
