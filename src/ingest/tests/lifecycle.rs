//! Stopping, and senders who leave: what was begun is finished, and what was answered is stored.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::support::*;
use crate::event::{AuthMethod, EventId, Provenance};
use crate::ingest::reply::{Refused, Rest};
use crate::spool::NewEvent;

async fn begin(relay: &Relay) -> TcpStream {
    let mut stream = relay.connect().await;
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let post = request("/hooks/vendor", &token, "{}");
    stream.write_all(&post).await.unwrap();
    relay.begun(1).await;
    stream
}

#[tokio::test]
async fn an_append_goes_on_when_its_sender_leaves() {
    let relay = Relay::start(vec![vendor()]).await;
    relay.block();
    drop(begin(&relay).await);
    eventually("counted", || relay.requests("vendor", "aborted") == 1).await;
    assert_eq!(relay.stored(), 0);
    relay.release();
    eventually("stored", || relay.ingest.status()[0].accepted == 1).await;
    assert_eq!(relay.stored(), 1);
    assert_eq!(relay.all_requests(), 1);
}

#[tokio::test]
async fn a_log_that_does_not_answer_is_a_503_and_its_append_goes_on() {
    let relay = Relay::start(vec![vendor()]).await;
    relay.block();
    let id = EventId::new(1);
    let event = NewEvent {
        id,
        received_ms: 1,
        provenance: Provenance {
            source: "vendor".to_owned(),
            peer: None,
            client: None,
            auth: AuthMethod::Bearer,
            secret_slot: Some(1),
            test: false,
            content_type: None,
            content_encoding: None,
            headers: Vec::new(),
        },
        payload: "{}".into(),
        resend: None,
    };
    let source = Arc::clone(&relay.ingest.sources["vendor"]);
    let budget = Arc::clone(&relay.ingest.budget);
    let all = budget.available_permits();
    let permit = Arc::clone(&budget).acquire_owned().await.unwrap();
    tokio::time::pause();
    let began = Instant::now();
    let refused = relay
        .ingest
        .append(source, event, permit)
        .await
        .unwrap_err();
    assert_eq!(refused, Refused::LogSilent);
    assert_eq!(began.elapsed().as_secs(), 30);
    assert_eq!(refused.response(Rest::None).status(), 503);
    assert_eq!(budget.available_permits(), all - 1);
    relay.release();
    eventually("stored", || budget.available_permits() == all).await;
    assert_eq!(relay.log.events.lock().unwrap()[0].id, id);
}

#[tokio::test]
async fn a_stop_lets_requests_in_flight_finish_and_takes_no_more() {
    let mut relay = Relay::start(vec![vendor()]).await;
    relay.block();
    let mut idle = relay.connect().await;
    let mut stream = begin(&relay).await;
    relay.stop.cancel();
    assert_eq!(read_to_close(&mut idle).await, b"");
    eventually("closed to new ones", || {
        std::net::TcpStream::connect(relay.address).is_err()
    })
    .await;
    assert!(!relay.served.is_finished());
    relay.release();
    let answer = read_answer(&mut stream).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
    drop(stream);
    timeout(DEADLINE, &mut relay.served).await.unwrap().unwrap();
    assert_eq!(relay.stored(), 1);
}

#[tokio::test]
async fn a_forced_stop_drops_requests_in_flight_and_counts_them() {
    let mut relay = Relay::start(vec![vendor()]).await;
    relay.block();
    let mut stream = begin(&relay).await;
    relay.stop.cancel();
    relay.force.cancel();
    timeout(DEADLINE, &mut relay.served).await.unwrap().unwrap();
    assert_eq!(read_to_close(&mut stream).await, b"");
    assert_eq!(relay.requests("vendor", "aborted"), 1);
}

#[tokio::test]
async fn a_sender_who_leaves_within_the_head_is_counted_once() {
    let relay = Relay::start(vec![vendor()]).await;
    let mut stream = relay.connect().await;
    stream.write_all(b"POST /hooks/ven").await.unwrap();
    stream.shutdown().await.unwrap();
    read_to_close(&mut stream).await;
    eventually("counted", || relay.requests("none", "aborted") == 1).await;
    // Health checks connect and close; that is nobody's failure.
    drop(relay.connect().await);
    relay.post("{}").await;
    assert_eq!(relay.all_requests(), 2);
}

#[tokio::test]
async fn one_connection_takes_many_requests() {
    let relay = Relay::start(vec![vendor()]).await;
    let mut stream = relay.connect().await;
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let post = request("/hooks/vendor", &token, "{}");
    for _ in 0..3 {
        stream.write_all(&post).await.unwrap();
        assert_eq!(read_answer(&mut stream).await.status, 200);
    }
    stream.write_all(&post.repeat(3)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(read_answer(&mut stream).await.status, 200);
    }
    assert_eq!(relay.stored(), 6);
}
