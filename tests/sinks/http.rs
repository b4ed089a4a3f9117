//! Every row of the generic HTTP reference over real sockets: answer in, verdict of each event out;
//! then what can be configured about requests and about the meaning of answers.

use std::time::Duration;

use serde_json::{Value, json};
use siem_relay::settings::{
    self, Auth, CloudEvents, CloudEventsData, CloudEventsMode, Framing, HttpTerms, NamePart,
    Pointer, Success, Wrap,
};
use siem_relay::sink::http::Http;
use siem_relay::sink::{Note, Sink, Verdict};

use crate::fake_http::{FakeHttp, Received, Reply};
use crate::hec::words;
use crate::http_answers::rows;
use crate::setup::*;

fn sink(url: &str, change: impl FnOnce(&mut settings::Http)) -> Http {
    let mut settings = settings::Http {
        endpoint: endpoint(url),
        framing: Framing::Array,
        auth: Auth::None,
        envelope: false,
        headers: Vec::new(),
        names: Default::default(),
        terms: HttpTerms::default(),
    };
    change(&mut settings);
    Http::new(&settings).unwrap()
}

/// The only request that a batch makes of a destination with these settings.
async fn request(change: impl FnOnce(&mut settings::Http)) -> Received {
    let server = FakeHttp::start(|_| Reply::status(204, "")).await;
    assert!(is_delivered(
        &sink(&server.url(), change).send(&batch()).await
    ));
    let mut received = server.received();
    assert_eq!(received.len(), 1);
    received.remove(0)
}

#[tokio::test]
async fn every_answer_becomes_its_verdicts() {
    for row in rows() {
        for reply in row.replies {
            let what = format!("{}: {reply:?}", row.name);
            let (kept, patience) = match reply {
                Reply::Stall => (reply, Duration::from_millis(200)),
                _ => (reply, Duration::from_secs(10)),
            };
            let server = FakeHttp::start(move |_| kept.clone()).await;
            let sink = sink(&server.url(), |settings| {
                settings.endpoint.request_timeout = patience;
            });
            let three = [1, 2, 3].map(|n| event(n, &format!("{{\"n\":{n}}}")));
            let outcome = sink.send(&three).await;
            assert_eq!(words(&outcome.verdicts), [row.several; 3], "{what}");
            let outcome = sink.send(&three[..1]).await;
            assert_eq!(words(&outcome.verdicts), [row.alone], "{what}");
        }
    }
}

#[tokio::test]
async fn a_redirect_names_its_target_and_no_session() {
    let to = "https://sso.example.com/login?session=s3cret";
    let server = FakeHttp::start(move |_| Reply::status(302, "").header("location", to)).await;
    let outcome = sink(&server.url(), |_| {}).send(&batch()).await;
    let detail = detail(&outcome.verdicts[0]);
    assert!(
        detail.contains("points to https://sso.example.com/login;"),
        "{detail}"
    );
    assert!(!detail.contains("s3cret"), "{detail}");
}

#[tokio::test]
async fn a_misdirected_request_goes_again_on_a_new_connection() {
    for (status, connections) in [(421, 2), (425, 1)] {
        let server = FakeHttp::start(move |request| match request.number {
            0 => Reply::status(status, ""),
            _ => Reply::status(204, ""),
        })
        .await;
        let sink = sink(&server.url(), |_| {});
        for delivered in [false, true] {
            assert_eq!(is_delivered(&sink.send(&batch()).await), delivered);
        }
        assert_eq!(server.connections(), connections, "{status}");
    }
}

#[tokio::test]
async fn a_conflict_means_what_the_configuration_says() {
    let terms = |key: bool, statuses: &[u16]| HttpTerms {
        idempotency_header: key.then(|| "idempotency-key".to_owned()),
        success_statuses: statuses.to_vec(),
        success: None,
    };
    let server = FakeHttp::start(|_| Reply::status(409, "")).await;
    for (terms, word) in [
        (terms(true, &[]), "retry blocked Unknown"),
        (terms(false, &[]), "hold unexpected"),
        (terms(true, &[409]), "delivered"),
        (terms(true, &[412]), "retry blocked Unknown"),
    ] {
        let sink = sink(&server.url(), |settings| settings.terms = terms);
        let outcome = sink.send(&batch()).await;
        assert_eq!(words(&outcome.verdicts), [word; 2]);
        if word == "delivered" {
            let note = Note::Duplicate;
            assert_eq!(outcome.verdicts[0], Verdict::Delivered { note });
        }
    }
}

#[tokio::test]
async fn a_2xx_counts_only_if_its_body_says_so() {
    let long = format!(r#"{{"pad":"{}","status":"ok"}}"#, "x".repeat(64 * 1024));
    for (body, word) in [
        (r#"{"status":"ok"}"#, "delivered"),
        (r#"{"status":"failed"}"#, "retry server_error Unknown"),
        (r#"{"state":"ok"}"#, "retry bad_answer Unknown"),
        ("<html>Sign in</html>", "retry bad_answer Unknown"),
        ("", "retry bad_answer Unknown"),
        (&long, "retry bad_answer Unknown"),
    ] {
        let body = body.to_owned();
        let server = FakeHttp::start(move |_| Reply::status(200, body.clone())).await;
        let sink = sink(&server.url(), |settings| {
            settings.terms.success = Some(Success {
                pointer: "/status".to_owned(),
                equals: json!("ok"),
            });
        });
        assert_eq!(words(&sink.send(&batch()).await.verdicts), [word; 2]);
    }
}

#[tokio::test]
async fn a_wrapped_array_goes_out_whole() {
    let received = request(|settings| {
        settings.framing = Framing::Wrapped(Wrap {
            before: "[{\"tags\":{},\"events\":".to_owned(),
            after: "}]".to_owned(),
        });
    })
    .await;
    assert_eq!(
        received.text(),
        r#"[{"tags":{},"events":[{"a":1},{"b":2}]}]"#
    );
    assert_eq!(received.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn the_key_can_have_another_header_or_none() {
    let received = request(|settings| {
        settings.terms.idempotency_header = Some("x-request-id".to_owned());
    })
    .await;
    let key = received.header("x-request-id").unwrap();
    assert!(
        key.len() == 66 && key.starts_with('"') && key.ends_with('"'),
        "{key}"
    );
    assert_eq!(received.header("idempotency-key"), None);
    let received = request(|settings| settings.terms.idempotency_header = None).await;
    assert_eq!(received.header("idempotency-key"), None);
}

/// Names of which a header follows the event's `n`, or a segment of the path.
fn names(place: &str) -> settings::HttpNames {
    let value = NamePart::Value {
        at: Pointer(vec!["n".to_owned()]),
        otherwise: "none".to_owned(),
    };
    let mut names = settings::HttpNames::default();
    match place {
        "path" => names.path.push(vec![value]),
        header => names.headers.push((header.to_owned(), vec![value])),
    }
    names
}

#[tokio::test]
async fn a_url_keeps_its_last_slash_where_no_segment_comes_behind_it() {
    for (place, path) in [("x-n", "/in/"), ("path", "/in/7")] {
        let server = FakeHttp::start(|_| Reply::status(204, "")).await;
        let sink = sink(&format!("{}/in/", server.url()), |settings| {
            settings.names = names(place);
        });
        assert!(is_delivered(&sink.send(&[event(1, r#"{"n":7}"#)]).await));
        assert_eq!(server.received()[0].path, path);
    }
}

#[tokio::test]
async fn like_bodies_for_different_paths_have_keys_of_their_own() {
    let server = FakeHttp::start(|_| Reply::status(204, "")).await;
    let sink = sink(&server.url(), |settings| {
        settings.terms.idempotency_header = Some("idempotency-key".to_owned());
        settings.names = names("path");
    });
    for payload in [r#"{"n":7}"#, r#"{"n":8}"#, r#"{"n":7}"#] {
        let mut event = event(1, payload);
        event.body = "{}".into();
        assert!(is_delivered(&sink.send(&[event]).await));
    }
    let received = server.received();
    let key = |at: usize| received[at].header("idempotency-key").unwrap();
    assert_ne!(key(0), key(1));
    assert_eq!(key(0), key(2));
}

fn cloud(mode: CloudEventsMode) -> Framing {
    Framing::CloudEvents(CloudEvents {
        mode,
        source: Some("https://relay.example.com/%7E".to_owned()),
        kind: "siem-relay.event".to_owned(),
        data: CloudEventsData::Json,
    })
}

#[tokio::test]
async fn batched_cloud_events_are_an_array_of_a_type_of_its_own() {
    let received = request(|settings| settings.framing = cloud(CloudEventsMode::Batched)).await;
    let media_type = "application/cloudevents-batch+json";
    assert_eq!(received.header("content-type"), Some(media_type));
    let events: Vec<Value> = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(events.len(), 2);
    let expected = json!({
        "specversion": "1.0", "id": "02020202-0202-0202-0202-020202020202",
        "source": "https://relay.example.com/%7E", "type": "siem-relay.event",
        "time": "2026-11-23T14:42:05.123Z", "datacontenttype": "application/json",
        "data": {"b": 2},
    });
    assert_eq!(events[1], expected);
}

#[tokio::test]
async fn other_cloud_events_have_a_request_each() {
    for mode in [CloudEventsMode::Structured, CloudEventsMode::Binary] {
        let server = FakeHttp::start(|_| Reply::status(202, "")).await;
        let sink = sink(&server.url(), |settings| settings.framing = cloud(mode));
        assert!(is_delivered(&sink.send(&batch()).await));
        let received = server.received();
        assert_eq!(received.len(), 2);
        let second = &received[1];
        let id = Some("02020202-0202-0202-0202-020202020202");
        if mode == CloudEventsMode::Binary {
            assert_eq!(second.text(), r#"{"b":2}"#);
            assert_eq!(second.header("content-type"), Some("application/json"));
            assert_eq!(second.header("ce-id"), id);
            assert_eq!(
                second.header("ce-source"),
                Some("https://relay.example.com/%257E")
            );
            assert_eq!(second.header("ce-specversion"), Some("1.0"));
            assert_eq!(second.header("ce-datacontenttype"), None);
        } else {
            let event: Value = serde_json::from_slice(&second.body).unwrap();
            assert_eq!(
                (event["id"].as_str(), &event["data"]),
                (id, &json!({"b": 2}))
            );
            let media_type = "application/cloudevents+json; charset=UTF-8";
            assert_eq!(second.header("content-type"), Some(media_type));
            assert_eq!(second.header("ce-id"), None);
        }
    }
}

#[tokio::test]
async fn attributes_of_cloud_events_cannot_be_constant_headers() {
    for name in ["Content-Type", "CE-Id"] {
        let settings = settings::Http {
            endpoint: endpoint("http://127.0.0.1:1/"),
            framing: cloud(CloudEventsMode::Binary),
            auth: Auth::None,
            envelope: false,
            headers: vec![(name.to_owned(), "x".to_owned())],
            names: Default::default(),
            terms: HttpTerms::default(),
        };
        let error = Http::new(&settings).err().unwrap().to_string();
        assert!(error.contains(name), "{error}");
    }
}
