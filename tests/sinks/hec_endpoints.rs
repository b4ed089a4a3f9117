//! Several addresses of one HEC: they take turns, a rolling restart costs nothing, and each is
//! asked about its own batches.

use std::time::{Duration, Instant};

use siem_relay::sink::splunk::Splunk;
use siem_relay::sink::{Sink, Verdict};

use crate::fake_hec::{FakeHec, Turn};
use crate::fake_http::Reply;
use crate::hec::words;
use crate::setup::*;

/// How long a test waits for what happens aside.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Two HECs, and a sink that has both.
async fn two() -> ([FakeHec; 2], Splunk, Token) {
    let (hecs, token) = (
        [FakeHec::start().await, FakeHec::start().await],
        Token::new(),
    );
    let mut settings = hec_settings(endpoint(&hecs[0].url()), &token);
    settings.endpoints.push(endpoint(&hecs[1].url()));
    (hecs, Splunk::new(&settings, "splunk").unwrap(), token)
}

fn counts(hecs: &[FakeHec; 2]) -> [usize; 2] {
    [0, 1].map(|at| hecs[at].indexed().len())
}

#[tokio::test]
async fn requests_take_turns_and_each_endpoint_has_its_own_channel() {
    let (hecs, sink, _token) = two().await;
    for n in 1..=4 {
        assert!(is_delivered(&sink.send(&[event(n, "{}")]).await));
    }
    assert_eq!(counts(&hecs), [2, 2]);
    let channels = [0, 1].map(|at| {
        let received = hecs[at].server.received();
        received[0]
            .header("x-splunk-request-channel")
            .unwrap()
            .to_owned()
    });
    assert_ne!(channels[0], channels[1]);
}

#[tokio::test]
async fn each_endpoint_is_asked_about_what_it_took() {
    let (hecs, sink, _token) = two().await;
    let mut tickets = Vec::new();
    for hec in &hecs {
        hec.acknowledge(true);
    }
    for n in 1..=4 {
        match sink.send(&[event(n, "{}")]).await.verdicts.remove(0) {
            Verdict::Pending { ticket } => tickets.push(ticket),
            other => panic!("not pending: {other:?}"),
        }
    }
    // One of them falls silent: the other one is asked all the same.
    hecs[0].next_questions([Turn::Refuse(Reply::CloseWithoutAnswer)]);
    let said = sink.confirm(&tickets).await;
    assert_eq!(said.confirmed, [tickets[1].clone(), tickets[3].clone()]);
    assert!(said.lost.is_empty());
    let said = sink
        .confirm(&[tickets[0].clone(), tickets[2].clone()])
        .await;
    assert_eq!(said.confirmed, [tickets[0].clone(), tickets[2].clone()]);
}

#[tokio::test]
async fn an_endpoint_that_is_gone_costs_no_event_a_wait() {
    let ([mut gone, other], sink, _token) = two().await;
    gone.server.stop().await;
    for n in 1..=4 {
        assert!(is_delivered(&sink.send(&[event(n, "{}")]).await), "{n}");
    }
    assert_eq!(other.indexed().len(), 4);
    // Once it is back its health is asked for, aside, and it is used again.
    gone.server.restart().await;
    let begun = Instant::now();
    while gone.indexed().is_empty() {
        assert!(begun.elapsed() < WAIT_MAX, "the endpoint is not used again");
        assert!(is_delivered(&sink.send(&[event(9, "{}")]).await));
    }
    assert!(gone.health_asked() >= 1);
}

#[tokio::test]
async fn an_endpoint_that_says_503_is_passed_over_until_its_health_is_good() {
    let ([busy, other], sink, _token) = two().await;
    busy.health(503, 18);
    let answer = |code| Reply::status(503, format!(r#"{{"text":"busy","code":{code}}}"#));
    // Code 9 took nothing: the batch goes to the other one at once.
    busy.next_posts([Turn::Refuse(answer(9))]);
    assert!(is_delivered(&sink.send(&batch()).await));
    let begun = Instant::now();
    while busy.health_asked() == 0 {
        assert!(begun.elapsed() < WAIT_MAX, "nobody asks for its health");
        assert!(is_delivered(&sink.send(&batch()).await));
    }
    // It is unhealthy: it takes nothing although it would.
    for _ in 0..4 {
        assert!(is_delivered(&sink.send(&batch()).await));
    }
    assert!(busy.indexed().is_empty() && !other.indexed().is_empty());
}

#[tokio::test]
async fn a_503_of_which_nobody_knows_is_told_and_the_next_batch_goes_elsewhere() {
    let ([leaving, other], sink, _token) = two().await;
    let answer = Reply::status(503, r#"{"text":"Server is shutting down","code":23}"#);
    leaving.next_posts([Turn::ServeThen(answer)]);
    let outcome = sink.send(&batch()).await;
    let verdict = "retry server_error Unknown";
    assert_eq!(words(&outcome.verdicts), [verdict, verdict], "{outcome:?}");
    for _ in 0..3 {
        assert!(is_delivered(&sink.send(&batch()).await));
    }
    assert_eq!(other.indexed().values().max(), Some(&3));
    assert_eq!(leaving.server.received().len(), 1);
}

#[tokio::test]
async fn with_no_endpoint_left_one_is_tried_and_the_fault_is_told() {
    let ([mut a, mut b], sink, _token) = two().await;
    a.server.stop().await;
    b.server.stop().await;
    for _ in 0..3 {
        let outcome = sink.send(&batch()).await;
        assert_eq!(words(&outcome.verdicts), ["retry connect No"; 2]);
        assert_eq!(outcome.wire_bytes, 0);
    }
    a.server.restart().await;
    b.server.restart().await;
    assert!(is_delivered(&sink.send(&batch()).await));
}

#[tokio::test]
async fn a_held_token_is_told_at_once_and_no_endpoint_is_passed_over_for_it() {
    let (hecs, sink, _token) = two().await;
    hecs[0].token("another");
    let outcome = sink.send(&batch()).await;
    assert_eq!(words(&outcome.verdicts), ["hold auth", "hold auth"]);
    assert!(is_delivered(&sink.send(&batch()).await));
    hecs[0].token(TOKEN);
    assert!(is_delivered(&sink.send(&batch()).await));
    assert!(!hecs[0].indexed().is_empty());
}
