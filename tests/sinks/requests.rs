//! What each destination is sent, and that credentials stay in their header.

use bytes::Bytes;
use siem_relay::settings::{self, Auth, Framing, HttpTerms};
use siem_relay::sink::client::{Login, post_once};
use siem_relay::sink::http::Http;
use siem_relay::sink::splunk::Splunk;
use siem_relay::sink::{HoldCause, Note, Rendered, Sink, Verdict};

use crate::fake_http::{FakeHttp, Received, Reply};
use crate::setup::*;

#[tokio::test]
async fn a_hec_request_has_token_channel_and_envelopes() {
    let server = FakeHttp::start(|_| Reply::status(200, SUCCESS)).await;
    let token = Token::new();
    let sink = hec(endpoint(&format!("{}/", server.url())), &token);
    for _ in 0..2 {
        assert!(is_delivered(&sink.send(&batch()).await));
    }
    let received = server.received();
    let first = &received[0];
    assert_eq!(
        (&*first.method, &*first.path),
        ("POST", "/services/collector/event")
    );
    assert_eq!(
        first.header("authorization"),
        Some(&*format!("Splunk {TOKEN}"))
    );
    assert_eq!(first.header("content-type"), Some("application/json"));
    assert_eq!(
        first.header("user-agent"),
        Some(concat!("siem-relay/", env!("CARGO_PKG_VERSION")))
    );
    let channel = first.header("x-splunk-request-channel").unwrap();
    assert_eq!(channel.len(), 36);
    assert_eq!(
        received[1].header("x-splunk-request-channel"),
        Some(channel)
    );
    assert_eq!(first.text().lines().count(), 2);
    assert!(first.text().starts_with("{\"time\":1795444925.123,"));
    assert_eq!(received[1].connection, 0, "the connection is used again");
}

#[tokio::test]
async fn a_compressed_body_is_the_same_body() {
    let server = FakeHttp::start(|_| Reply::status(200, SUCCESS)).await;
    let token = Token::new();
    let plain = hec(endpoint(&server.url()), &token);
    let mut endpoint = endpoint(&server.url());
    endpoint.gzip = true;
    let gzip = hec(endpoint, &token);
    // The second batch is compressed on another thread.
    let large = format!("\"{}\"", "finding ".repeat(40_000));
    for batch in [batch().to_vec(), vec![event(1, &large)]] {
        assert!(is_delivered(&plain.send(&batch).await));
        let outcome = gzip.send(&batch).await;
        assert!(is_delivered(&outcome));
        let received = server.received();
        let [.., sent_plain, sent_gzip] = received.as_slice() else {
            panic!("two requests were sent")
        };
        assert_eq!(sent_gzip.header("content-encoding"), Some("gzip"));
        assert_eq!(sent_plain.header("content-encoding"), None);
        assert_eq!(sent_gzip.body, sent_plain.body);
        assert!(sent_gzip.wire_bytes < sent_plain.wire_bytes);
        assert_eq!(outcome.wire_bytes, sent_gzip.wire_bytes);
    }
}

#[tokio::test]
async fn a_rotated_token_is_used_after_a_refresh() {
    let good = "Splunk the-new-token";
    let server = FakeHttp::start(move |request| match request.header("authorization") {
        Some(token) if token == good => Reply::status(200, SUCCESS),
        _ => Reply::status(403, r#"{"text":"Invalid token","code":4}"#),
    })
    .await;
    let token = Token::new();
    let sink = hec(endpoint(&server.url()), &token);
    let held = sink.send(&batch()).await;
    assert!(matches!(
        held.verdicts[0],
        Verdict::Hold {
            cause: HoldCause::Auth,
            ..
        }
    ));
    std::fs::write(token.path(), "the-new-token\n").unwrap();
    sink.refresh();
    assert!(is_delivered(&sink.send(&batch()).await));
}

#[tokio::test]
async fn an_answer_that_repeats_the_credentials_is_quoted_without_them() {
    let echo = |request: &Received| {
        let head = format!("{:?} {}", request.headers, request.path);
        Reply::status(404, head)
    };
    let server = FakeHttp::start(echo).await;
    let token = Token::new();
    let capability = "c4p4b1l1ty-c4p4b1l1ty";
    let url = format!("{}/intake/{capability}?key=s3cr3t-v4lue", server.url());
    let basic = Auth::Basic {
        user: "relay".to_owned(),
        password: token.secret.clone(),
    };
    let header = Auth::Header {
        name: "x-api-key".to_owned(),
        value: token.secret.clone(),
    };
    for auth in [Auth::Bearer(token.secret.clone()), basic, header] {
        let sink = http(endpoint(&url), Framing::Array, false, auth);
        let outcome = sink.send(&batch()).await;
        let detail = detail(&outcome.verdicts[0]);
        assert!(
            detail.contains("***") && detail.contains("/intake/"),
            "{detail}"
        );
        // The encoded form of `relay:1111...`.
        for secret in [TOKEN, capability, "s3cr3t-v4lue", "cmVsYXk6MTEx"] {
            assert!(!detail.contains(secret), "{detail}");
        }
    }
}

#[tokio::test]
async fn a_bulk_request_has_its_path_lines_and_login() {
    let stored = r#"{"items":[{"create":{"status":201}},{"create":{"status":409,
        "error":{"type":"version_conflict_engine_exception"}}}]}"#;
    let server = FakeHttp::start(move |_| Reply::status(200, stored)).await;
    let token = Token::new();
    let key = Auth::ApiKey(token.secret.clone());
    let sink = elastic(
        endpoint(&format!("{}/es", server.url())),
        key,
        Some("redact"),
    );
    let outcome = sink.send(&batch()).await;
    let notes = [Note::Plain, Note::Duplicate].map(|note| Verdict::Delivered { note });
    assert_eq!(outcome.verdicts, notes);
    let received = server.received().remove(0);
    let path = received.path.replace("%2C", ",").replace("%2A", "*");
    assert_eq!(
        path,
        "/es/_bulk?filter_path=took,errors,items.*.status,items.*._index,\
         items.*.failure_store,items.*.error.type,items.*.error.reason,\
         items.*.error.suppressed.type&pipeline=redact"
    );
    assert_eq!(
        received.header("authorization"),
        Some(&*format!("ApiKey {TOKEN}"))
    );
    assert_eq!(
        received.header("content-type"),
        Some("application/x-ndjson")
    );
    assert_eq!(received.text().lines().count(), 4);
    assert!(received.text().ends_with("{\"b\":2}\n"));
}

#[tokio::test]
async fn each_framing_has_its_body_and_headers() {
    let server = FakeHttp::start(|_| Reply::status(202, "queued")).await;
    let url = format!("{}/events?tenant=1", server.url());
    for (framing, media_type, body) in [
        (Framing::Array, "application/json", "[{\"a\":1},{\"b\":2}]"),
        (
            Framing::Ndjson,
            "application/x-ndjson",
            "{\"a\":1}\n{\"b\":2}\n",
        ),
    ] {
        let sink = http(endpoint(&url), framing, false, Auth::None);
        for _ in 0..2 {
            assert!(is_delivered(&sink.send(&batch()).await));
        }
        let received = server.received();
        let [.., first, second] = received.as_slice() else {
            panic!("two requests were sent")
        };
        assert_eq!(first.path, "/events?tenant=1");
        assert_eq!(first.text(), body);
        assert_eq!(first.header("content-type"), Some(media_type));
        assert_eq!(first.header("x-tenant"), Some("blue"));
        assert_eq!(first.header("authorization"), None);
        let key = first.header("idempotency-key").unwrap();
        assert_eq!(key.len(), 66);
        assert_eq!(
            second.header("idempotency-key"),
            Some(key),
            "the same bytes, the same key"
        );
    }
}

#[tokio::test]
async fn one_event_a_request_goes_on_behind_a_refused_one_and_stops_at_a_busy_server() {
    let server = FakeHttp::start(|request| match request.number {
        1 => Reply::status(422, "no"),
        2 => Reply::status(413, "too large"),
        4 => Reply::status(503, "busy"),
        _ => Reply::status(200, ""),
    })
    .await;
    let sink = http(endpoint(&server.url()), Framing::Single, false, Auth::None);
    let batch: Vec<Rendered> = (1..=6).map(|n| event(n, &n.to_string())).collect();
    let outcome = sink.send(&batch).await;
    let words: Vec<&str> = outcome
        .verdicts
        .iter()
        .map(|verdict| match verdict {
            Verdict::Delivered { .. } => "delivered",
            Verdict::Reject { cause, .. } => cause.as_str(),
            Verdict::Retry { cause, .. } => cause.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        words,
        [
            "delivered",
            "rejected",
            "too_large",
            "delivered",
            "server_error",
            "blocked"
        ]
    );
    let received = server.received();
    assert_eq!(received.len(), 5, "nothing is sent behind a busy answer");
    let first = &received[0];
    assert_eq!(first.text(), "1");
    assert_eq!(
        first.header("x-siem-relay-id"),
        Some("01010101-0101-0101-0101-010101010101")
    );
    assert_eq!(
        first.header("x-siem-relay-received"),
        Some("2026-11-23T14:42:05.123Z")
    );
    assert_eq!(outcome.status, Some(503));
    assert_eq!(outcome.wire_bytes, 5);
}

#[tokio::test]
async fn headers_that_the_relay_sets_cannot_be_configured() {
    for (name, value) in [
        ("Content-Length", "3"),
        ("Idempotency-Key", "\"1\""),
        ("bad name", "x"),
        ("x-ok", "line\nbreak"),
    ] {
        let settings = settings::Http {
            endpoint: endpoint("http://127.0.0.1:1/"),
            framing: Framing::Array,
            auth: Auth::None,
            envelope: false,
            headers: vec![(name.to_owned(), value.to_owned())],
            names: Default::default(),
            terms: HttpTerms::default(),
        };
        let error = Http::new(&settings).err().unwrap().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[tokio::test]
async fn a_url_must_be_whole_and_is_never_repeated() {
    let token = Token::new();
    for url in [
        "splunk:8088",
        "ftp://h/secret-path",
        "/secret-path",
        "http://",
    ] {
        let settings = hec_settings(endpoint(url), &token);
        let error = Splunk::new(&settings, "splunk").err().unwrap().to_string();
        assert!(!error.contains("secret-path"), "{error}");
        assert!(error.contains("https://host:port/path"), "{error}");
    }
}

#[tokio::test]
async fn one_post_can_be_tried_out_without_a_destination() {
    let server = FakeHttp::start(|_| Reply::status(200, "{\"id\":\"x\"}")).await;
    let token = Token::new();
    let login = Login::Scheme("Bearer", token.secret.clone());
    let url = format!("{}/hooks/acme", server.url());
    let answer = post_once(&url, &login, None, Bytes::from_static(b"{}"))
        .await
        .unwrap();
    assert_eq!(
        (answer.status, &*answer.body),
        (200, &b"{\"id\":\"x\"}"[..])
    );
    let received = server.wait_for(1).await.remove(0);
    assert_eq!(received.path, "/hooks/acme");
    assert_eq!(
        received.header("authorization"),
        Some(&*format!("Bearer {TOKEN}"))
    );
    assert_eq!(received.text(), "{}");
}
