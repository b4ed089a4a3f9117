//! Every way a connection or an answer can fail, and what it says about the events.

use std::time::Duration;

use siem_relay::settings::Auth;
use siem_relay::sink::{HoldCause, Outcome, RetryCause, Sent, Sink, Verdict};

use crate::fake_http::{FakeHttp, Reply};
use crate::setup::*;

/// What a HEC sink makes of one reply.
async fn outcome_of(reply: Reply, timeout: Duration) -> Outcome {
    let server = FakeHttp::start(move |_| reply.clone()).await;
    let token = Token::new();
    let mut endpoint = endpoint(&server.url());
    endpoint.request_timeout = timeout;
    let outcome = hec(endpoint, &token).send(&batch()).await;
    assert_eq!(outcome.verdicts.len(), 2, "one verdict per event");
    assert_eq!(outcome.verdicts[0], outcome.verdicts[1]);
    outcome
}

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_refused_connection_means_that_nothing_was_sent() {
    let mut server = FakeHttp::start(|_| Reply::status(200, SUCCESS)).await;
    let token = Token::new();
    let sink = hec(endpoint(&server.url()), &token);
    server.stop().await;
    let outcome = sink.send(&batch()).await;
    assert_eq!(retry(&outcome.verdicts[0]), (Sent::No, RetryCause::Connect));
    assert_eq!((outcome.wire_bytes, outcome.status), (0, None));
    let detail = detail(&outcome.verdicts[0]);
    assert!(
        detail.contains("refused") && detail.contains("check url"),
        "{detail}"
    );
    assert!(
        !detail.contains("collector"),
        "a URL may be a credential: {detail}"
    );
    server.restart().await;
    assert!(is_delivered(&sink.send(&batch()).await));
}

#[tokio::test]
async fn an_acceptance_that_breaks_off_leaves_the_outcome_unknown() {
    let outcome = outcome_of(Reply::Reset { status: 200 }, LONG).await;
    assert_eq!(
        retry(&outcome.verdicts[0]),
        (Sent::Unknown, RetryCause::Connect)
    );
    assert!(outcome.wire_bytes > 0);
}

#[tokio::test]
async fn a_refusal_that_breaks_off_still_counts() {
    let outcome = outcome_of(Reply::Reset { status: 413 }, LONG).await;
    assert!(
        matches!(outcome.verdicts[0], Verdict::Split { .. }),
        "{outcome:?}"
    );
    assert_eq!(outcome.status, Some(413));
}

#[tokio::test]
async fn silence_is_a_timeout_with_the_outcome_unknown() {
    let outcome = outcome_of(Reply::Stall, SHORT).await;
    assert_eq!(
        retry(&outcome.verdicts[0]),
        (Sent::Unknown, RetryCause::Timeout)
    );
    assert!(detail(&outcome.verdicts[0]).contains("200ms"));
}

#[tokio::test]
async fn an_answer_in_drops_counts_if_it_ends_in_time_and_else_is_a_timeout() {
    let drip = |status| Reply::Drip {
        status,
        body: SUCCESS.into(),
    };
    assert!(is_delivered(&outcome_of(drip(200), LONG).await));
    let outcome = outcome_of(drip(200), SHORT).await;
    assert_eq!(
        retry(&outcome.verdicts[0]),
        (Sent::Unknown, RetryCause::Timeout)
    );
}

#[tokio::test]
async fn a_close_without_an_answer_leaves_the_outcome_unknown() {
    let outcome = outcome_of(Reply::CloseWithoutAnswer, LONG).await;
    assert_eq!(
        retry(&outcome.verdicts[0]),
        (Sent::Unknown, RetryCause::Connect)
    );
}

#[tokio::test]
async fn a_200_that_is_not_the_protocols_answer_is_no_delivery() {
    // What is over the limit is not known, so even a good beginning does not count.
    let endless = format!("{SUCCESS}{}", " ".repeat(70 * 1024));
    for body in ["<html>Sign in to the Wi-Fi</html>", "", &endless] {
        let outcome = outcome_of(Reply::status(200, body), LONG).await;
        let expected = (Sent::Unknown, RetryCause::BadAnswer);
        assert_eq!(retry(&outcome.verdicts[0]), expected);
    }
    let server = FakeHttp::start(|_| Reply::status(200, "<html>")).await;
    let sink = elastic(endpoint(&server.url()), Auth::None, None);
    let outcome = sink.send(&batch()).await;
    assert_eq!(
        retry(&outcome.verdicts[1]),
        (Sent::Unknown, RetryCause::BadAnswer)
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_token_stays_with_its_server() {
    let elsewhere = FakeHttp::start(|_| Reply::status(200, SUCCESS)).await;
    let location = format!("{}/services/collector/event", elsewhere.url());
    for status in [301, 302, 303, 307, 308] {
        let reply = Reply::status(status, "").header("location", &location);
        let outcome = outcome_of(reply, LONG).await;
        let Verdict::Hold { cause, .. } = &outcome.verdicts[0] else {
            panic!("{outcome:?}")
        };
        assert_eq!(*cause, HoldCause::Url);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn retry_after_reaches_the_verdict() {
    let reply = Reply::status(429, "").header("retry-after", "17");
    let outcome = outcome_of(reply, LONG).await;
    let Verdict::Retry { after, .. } = &outcome.verdicts[0] else {
        panic!("{outcome:?}")
    };
    assert_eq!(*after, Some(Duration::from_secs(17)));
}
