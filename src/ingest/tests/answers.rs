//! Each request gets the answer that the design lists for it, counted once, and nothing that was
//! refused reaches the log.

use super::support::*;
use crate::event::EventId;
use crate::settings::SourceAuth;
use crate::spool::AppendError;

#[tokio::test]
async fn an_event_is_answered_with_its_id_when_the_log_has_it() {
    let relay = Relay::start(vec![vendor()]).await;
    let answer = relay.post(r#"{"a": 1}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let event = relay.log.events.lock().unwrap().pop().unwrap();
    let expected = format!(r#"{{"id":"{}","status":"accepted"}}"#, event.id);
    assert_eq!(answer.body, expected);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(event.payload, r#"{"a": 1}"#);
    assert_eq!(event.id.received_ms(), event.received_ms);
    assert_eq!(relay.requests("vendor", "accepted"), 1);
    assert_eq!(relay.all_requests(), 1);
}

#[tokio::test]
async fn a_repeat_is_answered_with_the_first_id_and_a_marked_event_keeps_its_own() {
    let relay = Relay::start(vec![vendor()]).await;
    let first = EventId::new(1_000);
    relay.behave(Behaviour::Repeat(first));
    let answer = relay.post("{}").await;
    let expected = format!(r#"{{"id":"{first}","status":"duplicate"}}"#);
    assert_eq!((answer.status, answer.body), (200, expected));
    assert_eq!(relay.requests("vendor", "duplicate"), 1);

    relay.behave(Behaviour::Mark(first));
    let answer = relay.post("{}").await;
    assert_eq!(answer.field("status"), "accepted");
    assert_eq!(answer.field("duplicate_of"), first.to_string());
    assert_ne!(answer.field("id"), first.to_string());
    assert_eq!(relay.requests("vendor", "accepted"), 1);
}

#[tokio::test]
async fn other_paths_do_not_exist_in_any_spelling() {
    let relay = Relay::start(vec![vendor()]).await;
    for path in [
        "/",
        "/hooks",
        "/hooks/",
        "/hooks/other",
        "/hooks/vendor/",
        "/hooks/vendor/x",
        "/hooks/Vendor",
        "/hooks//vendor",
        "/hooks/%76endor",
        "/hooksvendor",
        "/healthz/",
    ] {
        let answer = relay.send(request(path, "", "{}")).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert_eq!(answer.field("error"), "not_found");
    }
    assert_eq!(relay.requests("none", "not_found"), 11);
    assert_eq!(relay.all_requests(), 11);
    assert_eq!(relay.stored(), 0);
}

#[tokio::test]
async fn the_query_is_not_part_of_the_path() {
    let relay = Relay::start(vec![source("open", SourceAuth::None)]).await;
    let answer = relay.send(request("/hooks/open?a=b", "", "{}")).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn another_method_is_told_which_one_works() {
    let relay = Relay::start(vec![vendor()]).await;
    let answer = relay.send("GET /hooks/vendor HTTP/1.1\r\n\r\n").await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("allow"), Some("POST"));
    assert_eq!(answer.field("error"), "method");
    assert_eq!(relay.requests("vendor", "method"), 1);
}

#[tokio::test]
async fn load_balancers_are_answered_and_not_counted() {
    let relay = Relay::start(vec![vendor()]).await;
    let answer = relay.send("GET /healthz HTTP/1.1\r\n\r\n").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    let mut stream = relay.connect().await;
    let head = b"HEAD /healthz HTTP/1.1\r\nConnection: close\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, head)
        .await
        .unwrap();
    let answer = String::from_utf8(read_to_close(&mut stream).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    assert_eq!(relay.all_requests(), 0);

    let answer = relay.send(request("/healthz", "", "")).await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    assert_eq!(relay.requests("none", "method"), 1);
}

#[tokio::test]
async fn what_the_log_refuses_is_never_answered_with_success() {
    let relay = Relay::start(vec![vendor()]).await;
    let text = || "disk /secret/path".to_owned();
    let too_large = AppendError::TooLarge { bytes: 9, limit: 8 };
    for (error, status, word, retry_after) in [
        (AppendError::Full(text()), 503, "storage_error", Some("30")),
        (
            AppendError::Poisoned(text()),
            503,
            "storage_error",
            Some("60"),
        ),
        (AppendError::Overloaded, 503, "overloaded", Some("1")),
        (AppendError::Closed, 503, "overloaded", Some("5")),
        (too_large, 413, "too_large", None),
    ] {
        relay.behave(Behaviour::Fail(error.clone()));
        let answer = relay.post("{}").await;
        assert_eq!(answer.status, status, "{error:?}");
        assert_eq!(answer.field("error"), word, "{error:?}");
        assert_eq!(answer.header("retry-after"), retry_after, "{error:?}");
        assert!(!answer.body.contains("/secret"), "{answer:?}");
    }
    assert_eq!(relay.requests("vendor", "storage_error"), 2);
    assert_eq!(relay.requests("vendor", "overloaded"), 2);
    assert_eq!(relay.requests("vendor", "too_large"), 1);
    assert_eq!(relay.all_requests(), 5);
    assert_eq!(relay.stored(), 0);
}

#[tokio::test]
async fn a_refusal_repeats_neither_body_nor_token_nor_path() {
    let relay = Relay::start(vec![vendor()]).await;
    let needle = "n33dle";
    let bearer = format!("Authorization: Bearer {needle}\r\n");
    let good = format!("Authorization: Bearer {TOKEN}\r\nX: {needle}\r\n");
    for request in [
        request(&format!("/hooks/{needle}"), "", "{}"),
        request("/hooks/vendor", &bearer, "{}"),
        request("/hooks/vendor", &good, needle),
    ] {
        let answer = relay.send(request).await;
        assert!(answer.status >= 400);
        assert!(!answer.body.is_empty() && !answer.head.contains(needle));
        assert!(!answer.body.contains(needle), "{answer:?}");
    }
}

#[tokio::test]
async fn the_status_shows_what_was_taken_and_refused() {
    let relay = Relay::start(vec![vendor(), source("open", SourceAuth::None)]).await;
    relay.post("{}").await;
    relay.send(request("/hooks/vendor", "", "{}")).await;
    relay.post("nonsense").await;
    let status = relay.ingest.status();
    let names: Vec<_> = status.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["open", "vendor"]);
    assert!(status[0].open && !status[1].open);
    assert_eq!((status[0].accepted, status[1].accepted), (0, 1));
    assert_eq!(
        status[1].rejected,
        [("auth_failed", 1), ("malformed", 1)],
        "{status:?}"
    );
    let refusal = status[1].last_refusal.unwrap();
    assert_eq!(refusal.result, "malformed");
    assert!(refusal.client.is_loopback() && refusal.at_ms > 0);
    assert!(status[1].last_event_ms.is_some() && status[0].last_event_ms.is_none());
}
