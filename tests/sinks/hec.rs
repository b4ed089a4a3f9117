//! Every answer of the HEC reference over real sockets: answer in, verdict of each event out; then
//! what the fake HEC makes of indexes, invalid events and the raw input.

use std::sync::Arc;
use std::time::Duration;

use siem_relay::event::{Event, Provenance};
use siem_relay::settings::{HecInput, PartialBatches, SplunkHec};
use siem_relay::sink::splunk::Splunk;
use siem_relay::sink::{Pace, Rendered, Scope, Sent, Sink, Verdict};

use crate::fake_hec::FakeHec;
use crate::fake_http::{FakeHttp, Reply};
use crate::setup::*;

/// A verdict in a word or two, without its detail.
pub(crate) fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Delivered { .. } => "delivered".to_owned(),
        Verdict::Pending { ticket } => format!("pending {}", ticket.id),
        Verdict::Retry {
            after: Some(Duration::ZERO),
            sent: Sent::No,
            ..
        } => "at once".to_owned(),
        Verdict::Retry { sent, cause, .. } => format!("retry {} {sent:?}", cause.as_str()),
        Verdict::Hold { cause, scope, .. } => match scope {
            Scope::Destination => format!("hold {}", cause.as_str()),
            Scope::Partition(name) => format!("hold {} {name}", cause.as_str()),
        },
        Verdict::Split { .. } => "split".to_owned(),
        Verdict::Reject { .. } => "reject".to_owned(),
    }
}

pub(crate) fn words(verdicts: &[Verdict]) -> Vec<String> {
    verdicts.iter().map(word).collect()
}

/// A sink for one address with changed settings.
pub(crate) fn sink_with(url: &str, token: &Token, change: impl FnOnce(&mut SplunkHec)) -> Splunk {
    let mut settings = hec_settings(endpoint(url), token);
    change(&mut settings);
    Splunk::new(&settings, "splunk").unwrap()
}

fn three() -> [Rendered; 3] {
    [1, 2, 3].map(|n| event(n, &format!(r#"{{"n":{n}}}"#)))
}

/// An event of another source.
fn event_of(source: &str, n: u8) -> Rendered {
    let mut rendered = event(n, &format!(r#"{{"n":{n}}}"#));
    let provenance = Provenance {
        source: source.to_owned(),
        ..Provenance::unknown()
    };
    rendered.event = Arc::new(Event {
        provenance: Arc::new(provenance),
        ..Event::clone(&rendered.event)
    });
    rendered
}

/// Status, body after `"code":`, and the verdict of each of three events.
type Row = (u16, &'static str, &'static [&'static str]);

const BY_CODE: &[Row] = &[
    (200, "0", &["delivered"]),
    (200, r#"0,"ackId":4"#, &["pending 4"]),
    (200, r#"0,"ackId":"4""#, &["retry bad_answer Unknown"]),
    (403, "1", &["hold auth"]),
    (401, "2", &["hold auth"]),
    (401, "3", &["hold auth"]),
    (403, "4", &["hold auth"]),
    (400, "5", &["split"]),
    (400, "6", &["split"]),
    (
        400,
        r#"6,"invalid-event-number":0"#,
        &["reject", "at once", "at once"],
    ),
    (
        400,
        r#"6,"invalid-event-number":1"#,
        &["delivered", "reject", "at once"],
    ),
    (
        400,
        r#"6,"invalid-event-number":2"#,
        &["delivered", "delivered", "reject"],
    ),
    (400, r#"6,"invalid-event-number":3"#, &["split"]),
    (400, r#"6,"invalid-event-number":-1"#, &["split"]),
    (
        400,
        r#"6,"invalid-event-number":1,"ackId":9"#,
        &["pending 9", "reject", "at once"],
    ),
    (400, "7", &["hold index sec"]),
    (400, r#"7,"invalid-event-number":1"#, &["hold index sec"]),
    (500, "8", &["retry server_error Unknown"]),
    (503, "9", &["retry server_error No"]),
    (400, "10", &["hold request"]),
    (400, "11", &["hold request"]),
    (
        400,
        r#"12,"invalid-event-number":1"#,
        &["delivered", "reject", "at once"],
    ),
    (
        400,
        r#"13,"invalid-event-number":1"#,
        &["delivered", "reject", "at once"],
    ),
    (400, "14", &["hold request"]),
    (
        400,
        r#"15,"invalid-event-number":1"#,
        &["delivered", "reject", "at once"],
    ),
    (400, "16", &["hold auth"]),
    (200, "17", &["retry bad_answer Unknown"]),
    (503, "18", &["retry server_error Unknown"]),
    (503, "19", &["retry server_error Unknown"]),
    (503, "20", &["retry server_error Unknown"]),
    (400, "21", &["hold auth"]),
    (400, "22", &["hold auth"]),
    (503, "23", &["retry server_error Unknown"]),
    (200, "24", &["delivered"]),
    (200, r#"25,"ackId":0"#, &["pending 0"]),
    (429, "26", &["retry rate_limited No"]),
    (429, "27", &["retry rate_limited No"]),
    (400, "28", &["hold request"]),
    (400, "99", &["hold unexpected"]),
];

/// Status, whole body, verdict.
const WITHOUT_CODE: &[Row] = &[
    (200, "", &["retry bad_answer Unknown"]),
    (204, "", &["retry bad_answer Unknown"]),
    (200, "<html>", &["retry bad_answer Unknown"]),
    (301, "", &["hold url"]),
    (302, "<html>", &["hold url"]),
    (307, "", &["hold url"]),
    (400, "<html>", &["hold unexpected"]),
    (401, "<html>", &["hold auth"]),
    (403, "", &["hold auth"]),
    (404, r#"{"text":"not found","code":404}"#, &["hold url"]),
    (405, "", &["hold url"]),
    (407, "", &["hold auth"]),
    (408, "", &["retry timeout Unknown"]),
    (413, "<html>", &["split"]),
    (415, "", &["hold request"]),
    (418, "", &["hold unexpected"]),
    (429, "", &["retry rate_limited No"]),
    (500, "<html>", &["retry server_error Unknown"]),
    (502, "", &["retry server_error Unknown"]),
    (503, "<html>", &["retry server_error Unknown"]),
    (504, "", &["retry server_error Unknown"]),
];

#[tokio::test]
async fn every_answer_becomes_its_verdicts() {
    let by_code = BY_CODE.iter().map(|(status, rest, expected)| {
        let body = format!(r#"{{"text":"as Splunk words it","code":{rest}}}"#);
        (*status, body, *expected)
    });
    let without = WITHOUT_CODE.iter();
    let without = without.map(|(status, body, expected)| (*status, (*body).to_owned(), *expected));
    let token = Token::new();
    for (status, body, expected) in by_code.chain(without) {
        let reply = Reply::status(status, body.clone());
        let server = FakeHttp::start(move |_| reply.clone()).await;
        // A sink of its own: what an endpoint answered before matters.
        let outcome = hec(endpoint(&server.url()), &token).send(&three()).await;
        let expected = [0, 1, 2].map(|at| *expected.get(at).unwrap_or(&expected[0]));
        assert_eq!(words(&outcome.verdicts), expected, "{status} {body}");
        assert_eq!(outcome.status, Some(status));
        let slower = status == 429 || body.contains(":24") || body.contains(":25");
        assert_eq!(outcome.pace != Pace::Steady, slower, "{status} {body}");
    }
}

#[tokio::test]
async fn splunk_keeps_what_stands_before_an_invalid_event_and_the_sink_knows() {
    let (hec, token) = (FakeHec::start().await, Token::new());
    hec.poison(r#""n":2"#);
    let sink = sink_with(&hec.url(), &token, |_| {});
    let outcome = sink.send(&three()).await;
    assert_eq!(words(&outcome.verdicts), ["delivered", "reject", "at once"]);
    assert_eq!(hec.indexed().len(), 1);
    // With acknowledgement the prefix waits for its own.
    hec.acknowledge(true);
    let outcome = sink.send(&three()).await;
    assert_eq!(words(&outcome.verdicts), ["pending 0", "reject", "at once"]);
}

#[tokio::test]
async fn of_a_gateway_that_refuses_all_the_prefix_is_sent_again_and_loses_nothing() {
    let (hec, token) = (FakeHec::start().await, Token::new());
    hec.poison(r#""n":2"#);
    hec.reject_all(true);
    let change = |settings: &mut SplunkHec| {
        settings.partial_batches = PartialBatches::AllRejected;
    };
    let sink = sink_with(&hec.url(), &token, change);
    let outcome = sink.send(&three()).await;
    assert_eq!(words(&outcome.verdicts), ["at once", "reject", "at once"]);
    assert!(hec.indexed().is_empty());
    let [first, _, third] = three();
    assert!(is_delivered(&sink.send(&[first, third]).await));
    assert_eq!(hec.indexed().len(), 2);
}

#[tokio::test]
async fn a_refused_index_holds_its_own_part_and_no_other() {
    let (hec, token) = (FakeHec::start().await, Token::new());
    hec.allow_indexes(&["sec", "own"]);
    let change = |settings: &mut SplunkHec| {
        settings.index = Some("sec".to_owned());
        let indexes = [("scanner", "own"), ("bad", "forbidden")];
        settings.indexes = indexes.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
    };
    let sink = sink_with(&hec.url(), &token, change);
    for (source, index, verdict) in [
        ("acme", "sec", "delivered"),
        ("scanner", "own", "delivered"),
        ("bad", "forbidden", "hold index forbidden"),
    ] {
        let batch = [event_of(source, 1), event_of(source, 2)];
        assert_eq!(sink.partition(&batch[0]).as_deref(), Some(index));
        assert_eq!(words(&sink.send(&batch).await.verdicts), [verdict, verdict]);
        let sent = hec.server.received().pop().unwrap().text();
        assert_eq!(sent.matches(&format!("\"index\":\"{index}\"")).count(), 2);
    }
    // A batch of several parts says nothing about one of them.
    let mixed = [event_of("acme", 1), event_of("bad", 2)];
    let verdicts = sink.send(&mixed).await.verdicts;
    assert_eq!(words(&verdicts), ["hold index", "hold index"]);
}

#[tokio::test]
async fn the_raw_input_gets_lines_and_its_metadata_in_the_query() {
    let (hec, token) = (FakeHec::start().await, Token::new());
    hec.acknowledge(true);
    let change = |settings: &mut SplunkHec| {
        settings.input = HecInput::Raw;
        settings.index = Some("sec".to_owned());
        settings.sourcetype = Some("acme:raw&x".to_owned());
    };
    let sink = sink_with(&hec.url(), &token, change);
    let batch = [
        event(1, "{\r\n \"a\": \"x\\ny\"\n}"),
        event(2, "7"),
        event_of("other", 3),
    ];
    let outcome = sink.send(&batch).await;
    assert_eq!(
        words(&outcome.verdicts),
        ["pending 0", "pending 0", "at once"]
    );
    assert_eq!(hec.lines(), [r#"{ "a": "x\ny"}"#, "7"]);
    let received = hec.server.received().remove(0);
    assert_eq!(
        received.path,
        "/services/collector/raw?index=sec&source=siem-relay%3Aacme&sourcetype=acme%3Araw%26x"
    );
    assert_eq!(
        received.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(
        received.header("x-splunk-request-channel").map(str::len),
        Some(36)
    );
    assert_eq!(outcome.wire_bytes, received.wire_bytes);
    let part = sink.partition(&batch[2]);
    assert_eq!(part.as_deref(), Some("sec from siem-relay:other"));
    let outcome = sink.send(&batch[2..]).await;
    assert_eq!(words(&outcome.verdicts), ["pending 1"]);
}

#[tokio::test]
async fn the_number_in_a_refusal_of_raw_lines_is_not_believed() {
    let body = r#"{"text":"Invalid data format","code":6,"invalid-event-number":1}"#;
    let server = FakeHttp::start(move |_| Reply::status(400, body)).await;
    let token = Token::new();
    let raw = |settings: &mut SplunkHec| settings.input = HecInput::Raw;
    let sink = sink_with(&server.url(), &token, raw);
    let outcome = sink.send(&three()).await;
    assert_eq!(words(&outcome.verdicts), ["split"; 3]);
}
