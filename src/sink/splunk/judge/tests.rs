//! Proves each row of the HEC response-code table and each rule about the invalid event's number.

use std::sync::LazyLock;
use std::time::Duration;

use super::*;
use crate::sink::status::tests::{Expected, answer, check};

use Expected::{Behind, Delivered, Hold, HoldIndex, Pending, Reject, Retry, Split};

static CHANNEL: LazyLock<Arc<str>> = LazyLock::new(|| "a-channel".into());
static SEC: LazyLock<Arc<str>> = LazyLock::new(|| "sec".into());

/// Events for one index, to Splunk itself.
fn posted(events: usize) -> Posted<'static> {
    Posted {
        events,
        body_bytes: 1_000 * events,
        partition: Some(&SEC),
        numbers: Numbers::PrefixAccepted,
        channel: &CHANNEL,
        acknowledges: false,
    }
}

fn hec(code: i64, text: &str) -> String {
    format!(r#"{{"text":"{text}","code":{code}}}"#)
}

fn invalid(code: i64, number: i64) -> String {
    format!(r#"{{"text":"Invalid data format","code":{code},"invalid-event-number":{number}}}"#)
}

/// The same verdict for all of a request's events.
#[track_caller]
fn all(row: &str, status: u16, body: &str, sent: &Posted<'_>, expected: &Expected) {
    let outcome = judge(&answer(status, body), sent).outcome;
    assert_eq!(outcome.verdicts.len(), sent.events, "{row}");
    assert_eq!(outcome.status, Some(status));
    for verdict in &outcome.verdicts {
        check(row, verdict, expected);
    }
}

#[track_caller]
fn each(row: &str, body: &str, sent: &Posted<'_>, expected: &[Expected]) {
    let outcome = judge(&answer(400, body), sent).outcome;
    assert_eq!(outcome.verdicts.len(), expected.len(), "{row}");
    for (verdict, expected) in outcome.verdicts.iter().zip(expected) {
        check(row, verdict, expected);
    }
}

#[test]
fn every_row_of_the_code_table() {
    let server_error = |sent| Retry(sent, RetryCause::ServerError);
    let busy = Retry(Sent::No, RetryCause::RateLimited);
    for (code, status, text, expected) in [
        (0, 200, "Success", Delivered),
        (1, 403, "Token disabled", Hold(HoldCause::Auth)),
        (2, 401, "Token is required", Hold(HoldCause::Auth)),
        (3, 401, "Invalid authorization", Hold(HoldCause::Auth)),
        (4, 403, "Invalid token", Hold(HoldCause::Auth)),
        (5, 400, "No data", Split),
        (6, 400, "Invalid data format", Split),
        (7, 400, "Incorrect index", HoldIndex("sec")),
        (8, 500, "Internal server error", server_error(Sent::Unknown)),
        (9, 503, "Server is busy", server_error(Sent::No)),
        (10, 400, "Data channel is missing", Hold(HoldCause::Request)),
        (11, 400, "Invalid data channel", Hold(HoldCause::Request)),
        (12, 400, "Event field is required", Split),
        (13, 400, "Event field cannot be blank", Split),
        (14, 400, "ACK is disabled", Hold(HoldCause::Request)),
        (15, 400, "Error in handling indexed fields", Split),
        (
            16,
            400,
            "Query string authorization is not enabled",
            Hold(HoldCause::Auth),
        ),
        (
            18,
            503,
            "HEC is unhealthy, queues are full",
            server_error(Sent::Unknown),
        ),
        (
            19,
            503,
            "HEC is unhealthy, ack service unavailable",
            server_error(Sent::Unknown),
        ),
        (
            20,
            503,
            "HEC is unhealthy, both",
            server_error(Sent::Unknown),
        ),
        (21, 400, "Invalid token", Hold(HoldCause::Auth)),
        (22, 400, "Token disabled", Hold(HoldCause::Auth)),
        (
            23,
            503,
            "Server is shutting down",
            server_error(Sent::Unknown),
        ),
        (
            24,
            200,
            "HEC queue is approaching its capacity limit",
            Delivered,
        ),
        (
            25,
            200,
            "HEC ACK is approaching its capacity limit",
            Delivered,
        ),
        (26, 429, "HEC queue is at capacity", busy.clone()),
        (27, 429, "HEC ACK channel is at capacity", busy),
        (
            28,
            400,
            "Data channel is missing. If you have",
            Hold(HoldCause::Request),
        ),
    ] {
        all(text, status, &hec(code, text), &posted(3), &expected);
    }
}

#[test]
fn every_answer_without_a_code() {
    let server_error = Retry(Sent::Unknown, RetryCause::ServerError);
    let html = "<html><body>nginx</body></html>";
    for (row, status, body, expected) in [
        ("408", 408, "", Retry(Sent::Unknown, RetryCause::Timeout)),
        ("429", 429, html, Retry(Sent::No, RetryCause::RateLimited)),
        ("500", 500, "", server_error.clone()),
        ("502", 502, html, server_error.clone()),
        ("503 of a proxy", 503, html, server_error.clone()),
        ("504", 504, html, server_error),
        ("413", 413, html, Split),
        ("415", 415, "", Hold(HoldCause::Request)),
        (
            "404",
            404,
            r#"{"text":"not found","code":404}"#,
            Hold(HoldCause::Url),
        ),
        ("405", 405, "", Hold(HoldCause::Url)),
        ("3xx", 302, "", Hold(HoldCause::Url)),
        ("401", 401, html, Hold(HoldCause::Auth)),
        ("403", 403, html, Hold(HoldCause::Auth)),
        (
            "unknown code on 4xx",
            400,
            r#"{"text":"new","code":99}"#,
            Hold(HoldCause::Unexpected),
        ),
        ("400 of a proxy", 400, html, Hold(HoldCause::Unexpected)),
        ("other 4xx", 418, "", Hold(HoldCause::Unexpected)),
    ] {
        all(row, status, body, &posted(3), &expected);
    }
}

#[test]
fn a_200_that_is_no_hec_answer_is_no_delivery() {
    let expected = Retry(Sent::Unknown, RetryCause::BadAnswer);
    for body in [
        "",
        "OK",
        "<html>Sign in</html>",
        "{}",
        "{\"text\":\"Success\"}",
        "{\"text\":\"Success\",\"code\":0",
        "{\"text\":\"HEC is healthy\",\"code\":17}",
    ] {
        all(body, 200, body, &posted(3), &expected);
    }
    let mut cut = answer(200, &hec(0, "Success"));
    cut.cut = true;
    check(
        "cut",
        &judge(&cut, &posted(1)).outcome.verdicts[0],
        &expected,
    );
}

#[test]
fn codes_24_and_25_and_429_ask_for_less() {
    let after = Some(Duration::from_secs(3));
    for (status, code) in [(200, 24), (200, 25), (429, 26)] {
        let mut answer = answer(status, &hec(code, ""));
        answer.retry_after = after;
        assert_eq!(
            judge(&answer, &posted(1)).outcome.pace,
            Pace::Slower { after }
        );
    }
    assert_eq!(
        judge(&answer(200, &hec(0, "")), &posted(1)).outcome.pace,
        Pace::Steady
    );
}

#[test]
fn what_stands_before_the_invalid_event_is_delivered_and_what_follows_goes_at_once() {
    for code in [6, 12, 13, 15] {
        each(
            "number 0",
            &invalid(code, 0),
            &posted(3),
            &[Reject, Behind, Behind],
        );
        each(
            "number 1",
            &invalid(code, 1),
            &posted(3),
            &[Delivered, Reject, Behind],
        );
        each(
            "number 2",
            &invalid(code, 2),
            &posted(3),
            &[Delivered, Delivered, Reject],
        );
        each("alone", &invalid(code, 0), &posted(1), &[Reject]);
    }
}

#[test]
fn a_number_that_names_no_event_divides_the_request_until_one_is_alone() {
    for code in [5, 6, 12, 13, 15] {
        for body in [hec(code, ""), invalid(code, 3), invalid(code, -1)] {
            all("out of range or absent", 400, &body, &posted(3), &Split);
            all(
                "out of range or absent, alone",
                400,
                &body,
                &posted(1),
                &Reject,
            );
        }
    }
}

#[test]
fn an_invalid_first_event_of_a_body_over_5_mb_means_too_much_at_once() {
    let sent = |events| Posted {
        body_bytes: 5_000_001,
        ..posted(events)
    };
    all("several", 400, &invalid(6, 0), &sent(3), &Split);
    all("alone", 400, &invalid(6, 0), &sent(1), &Split);
    each(
        "not the first",
        &invalid(6, 1),
        &sent(2),
        &[Delivered, Reject],
    );
}

#[test]
fn the_number_of_code_7_is_not_believed_and_without_an_index_all_of_it_waits() {
    all("number", 400, &invalid(7, 1), &posted(3), &HoldIndex("sec"));
    let sent = Posted {
        partition: None,
        ..posted(1)
    };
    all(
        "token's index",
        400,
        &hec(7, "Incorrect index"),
        &sent,
        &Hold(HoldCause::Index),
    );
}

#[test]
fn an_ack_id_leaves_every_event_of_an_accepted_request_pending() {
    for code in [0, 24, 25] {
        let body = format!(r#"{{"text":"Success","code":{code},"ackId":7}}"#);
        all("ackId", 200, &body, &posted(3), &Pending(7));
        let judged = judge(&answer(200, &body), &posted(1));
        assert_eq!(judged.ack_id, Some(7));
        let ticket = Ticket {
            channel: Arc::from("a-channel"),
            id: 7,
        };
        assert_eq!(judged.outcome.verdicts, [Verdict::Pending { ticket }]);
        assert_eq!(judged.outcome.pace == Pace::Steady, code == 0);
    }
    let none = r#"{"text":"Success","code":0,"ackId":null}"#;
    all("null is none", 200, none, &posted(3), &Delivered);
}

#[test]
fn an_ack_id_that_cannot_be_asked_about_is_no_delivery() {
    let expected = Retry(Sent::Unknown, RetryCause::BadAnswer);
    for id in ["-1", "1.5", "\"7\"", "true", "[7]", "18446744073709551616"] {
        let body = format!(r#"{{"text":"Success","code":0,"ackId":{id}}}"#);
        all(id, 200, &body, &posted(3), &expected);
        let body = format!(r#"{{"text":"x","code":6,"invalid-event-number":1,"ackId":{id}}}"#);
        each(id, &body, &posted(3), &[expected.clone(), Reject, Behind]);
    }
}

#[test]
fn what_stands_before_the_invalid_event_is_pending_where_it_has_an_ack_id() {
    for code in [6, 12, 13, 15] {
        let body = |number| {
            format!(r#"{{"text":"x","code":{code},"invalid-event-number":{number},"ackId":3}}"#)
        };
        let expected = [Pending(3), Pending(3), Reject];
        each("number 2", &body(2), &posted(3), &expected);
        let expected = [Reject, Behind, Behind];
        each("number 0", &body(0), &posted(3), &expected);
        let judged = judge(&answer(400, &body(2)), &posted(3));
        assert_eq!(judged.ack_id, Some(3), "the id is used up either way");
    }
}

#[test]
fn a_prefix_without_the_ack_id_that_the_endpoint_gives_as_a_rule_is_sent_again() {
    let sent = Posted {
        acknowledges: true,
        ..posted(3)
    };
    let untold = Retry(Sent::Unknown, RetryCause::BadAnswer);
    each("6", &invalid(6, 1), &sent, &[untold, Reject, Behind]);
}

#[test]
fn where_nothing_was_taken_the_prefix_is_sent_again() {
    let sent = |events| Posted {
        numbers: Numbers::AllRejected,
        ..posted(events)
    };
    for code in [6, 12, 13, 15] {
        let expected = [Behind, Behind, Reject];
        each("number 2", &invalid(code, 2), &sent(3), &expected);
        let expected = [Reject, Behind, Behind];
        each("number 0", &invalid(code, 0), &sent(3), &expected);
        all("no number", 400, &hec(code, ""), &sent(3), &Split);
        all("out of range", 400, &invalid(code, 3), &sent(3), &Split);
        all("alone", 400, &hec(code, ""), &sent(1), &Reject);
    }
}

#[test]
fn where_numbers_mean_nothing_the_request_is_divided() {
    let sent = |events| Posted {
        numbers: Numbers::Meaningless,
        ..posted(events)
    };
    all("several", 400, &invalid(6, 1), &sent(3), &Split);
    all("alone", 400, &invalid(6, 0), &sent(1), &Reject);
}

#[test]
fn a_detail_says_what_splunk_said_and_what_to_do() {
    let judged = judge(&answer(400, &hec(7, "Incorrect index")), &posted(1));
    let Verdict::Hold { detail, .. } = &judged.outcome.verdicts[0] else {
        panic!("not held")
    };
    assert_eq!(
        &**detail,
        "HTTP 400: Incorrect index (code 7); create the index, or allow it for the token"
    );
}
