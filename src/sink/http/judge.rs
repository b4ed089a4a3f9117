//! An answer to one verdict for the whole request (generic HTTP reference, status to action).

use serde_json::Value;

use crate::settings::Success;
use crate::sink::client::Answer;
use crate::sink::status;
use crate::sink::{HoldCause, Note, RetryCause, Sent, Verdict};

/// What is known of the receiver.
#[derive(Default)]
pub(super) struct Terms {
    /// Whether requests have a key by which it knows a repeat.
    pub(super) keyed: bool,
    /// Statuses with which it says that it has the events already.
    pub(super) success_statuses: Vec<u16>,
    /// What the body of a 2xx must say besides.
    pub(super) success: Option<Success>,
}

/// What the answer means for each of the request's `events`.
pub(super) fn judge(answer: &Answer, events: usize, terms: &Terms) -> Verdict {
    let retry = |sent, cause| status::retry(answer, answer.retry_after, sent, cause);
    match answer.status {
        status if terms.success_statuses.contains(&status) => status::delivered(Note::Duplicate),
        200..300 => match &terms.success {
            None => status::delivered(Note::Plain),
            Some(success) => accepted(answer, success),
        },
        // The first attempt with this key is still running there. Without a key nobody knows.
        409 if terms.keyed => retry(Sent::Unknown, RetryCause::Blocked),
        410 => status::hold(
            HoldCause::Url,
            status::describe(
                answer,
                "the receiver wants no more requests here; correct url, or pause or remove the \
                 destination",
            ),
        ),
        _ => status::judge_post(answer, events),
    }
}

/// A 2xx counts only if its body says so.
///
/// What cannot be read may be a proxy's page, and says nothing. What says otherwise is the
/// receiver's word that something failed: it is treated as a server error is, so that one event
/// that causes it each time is found and put aside, and all others go on.
fn accepted(answer: &Answer, success: &Success) -> Verdict {
    let retry = |cause, what: &str| Verdict::Retry {
        after: answer.retry_after,
        sent: Sent::Unknown,
        cause,
        detail: status::describe(answer, what),
    };
    if answer.cut {
        let what = "the answer is longer than 64 KiB, so success_pointer cannot be looked for";
        return retry(RetryCause::BadAnswer, what);
    }
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else {
        let what = "the answer is not JSON, so it does not have what success_pointer names";
        return retry(RetryCause::BadAnswer, what);
    };
    match body.pointer(&success.pointer) {
        Some(found) if *found == success.equals => status::delivered(Note::Plain),
        Some(_) => {
            let what = "at success_pointer the answer does not say success_equals";
            retry(RetryCause::ServerError, what)
        }
        None => {
            let what = "the answer does not have what success_pointer names";
            retry(RetryCause::BadAnswer, what)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sink::status::tests::{Expected, answer, check};

    fn keyed() -> Terms {
        Terms {
            keyed: true,
            ..Terms::default()
        }
    }

    #[test]
    fn every_row_of_the_status_table() {
        use HoldCause::{Auth, Request, Unexpected, Url};
        use RetryCause::{Blocked, RateLimited, ServerError, Timeout};
        let unknown = |cause| Expected::Retry(Sent::Unknown, cause);
        let not_sent = |cause| Expected::Retry(Sent::No, cause);
        for (row, statuses, expected) in [
            (
                "2xx (200, 201, 202, 204)",
                &[200, 201, 202, 204, 260][..],
                Expected::Delivered,
            ),
            ("3xx", &[301, 302, 304, 307, 308], Expected::Hold(Url)),
            ("401, 403, 407", &[401, 403, 407], Expected::Hold(Auth)),
            (
                "404, 405: wrong URL or method",
                &[404, 405],
                Expected::Hold(Url),
            ),
            (
                "406, 415, 426: wrong media type",
                &[406, 415, 426],
                Expected::Hold(Request),
            ),
            ("408: may be stored in part", &[408], unknown(Timeout)),
            ("409 with Idempotency-Key", &[409], unknown(Blocked)),
            ("410", &[410], Expected::Hold(Url)),
            ("413", &[413], Expected::Split),
            ("414, 431", &[414, 431], Expected::Hold(Request)),
            ("421, 425", &[421, 425], not_sent(ServerError)),
            ("429", &[429], not_sent(RateLimited)),
            (
                "500, 502, 503, 504, 507-511, 520-530",
                &[500, 502, 503, 504, 507, 508, 510, 511, 520, 524, 530],
                unknown(ServerError),
            ),
            ("501, 505", &[501, 505], Expected::Hold(Request)),
            (
                "other 4xx",
                &[402, 411, 418, 423, 451, 499],
                Expected::Hold(Unexpected),
            ),
        ] {
            for status in statuses {
                let answer = answer(*status, "");
                for events in [1, 3] {
                    check(row, &judge(&answer, events, &keyed()), &expected);
                }
            }
        }
    }

    #[test]
    fn bad_content_is_halved_until_the_event_is_alone() {
        for status in [400, 422] {
            let answer = answer(status, "nope");
            check("several", &judge(&answer, 2, &keyed()), &Expected::Split);
            check("alone", &judge(&answer, 1, &keyed()), &Expected::Reject);
        }
    }

    #[test]
    fn a_413_that_names_a_time_is_not_for_ever() {
        let after = Some(Duration::from_secs(9));
        let mut answer = answer(413, "");
        answer.retry_after = after;
        let Verdict::Retry { after: asked, .. } = judge(&answer, 1, &keyed()) else {
            panic!("not a retry")
        };
        assert_eq!(asked, after);
    }

    #[test]
    fn a_conflict_means_what_the_configuration_says() {
        let conflict = answer(409, "");
        let held = Expected::Hold(HoldCause::Unexpected);
        check("no key", &judge(&conflict, 2, &Terms::default()), &held);
        let terms = Terms {
            success_statuses: vec![409],
            ..keyed()
        };
        check(
            "there already",
            &judge(&conflict, 2, &terms),
            &Expected::Duplicate,
        );
        // Nothing else becomes a delivery by that.
        check(
            "gone",
            &judge(&answer(410, ""), 1, &terms),
            &Expected::Hold(HoldCause::Url),
        );
    }

    #[test]
    fn a_2xx_whose_body_does_not_say_success_is_no_delivery() {
        let bad = Expected::Retry(Sent::Unknown, RetryCause::BadAnswer);
        let failed = Expected::Retry(Sent::Unknown, RetryCause::ServerError);
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for (equals, body, expected) in [
            (
                Value::from("ok"),
                r#"{"a":{"status":"ok"}}"#,
                Expected::Delivered,
            ),
            (Value::from(0), r#"{"a":{"status":0}}"#, Expected::Delivered),
            (
                Value::from(true),
                r#"{"a":{"status":true}}"#,
                Expected::Delivered,
            ),
            (
                Value::from("ok"),
                r#"{"a":{"status":"busy"}}"#,
                failed.clone(),
            ),
            (Value::from("0"), r#"{"a":{"status":0}}"#, failed.clone()),
            (Value::from(true), r#"{"a":{"status":null}}"#, failed),
            (Value::from("ok"), r#"{"status":"ok"}"#, bad.clone()),
            (Value::from("ok"), r#"{"a":{"status":"ok"}"#, bad.clone()),
            (Value::from("ok"), "<html>ok</html>", bad.clone()),
            (Value::from("ok"), "", bad.clone()),
            (Value::from("ok"), &deep, bad.clone()),
        ] {
            let terms = Terms {
                success: Some(Success {
                    pointer: "/a/status".to_owned(),
                    equals,
                }),
                ..keyed()
            };
            let mut answer = answer(200, body);
            check(body, &judge(&answer, 3, &terms), &expected);
            answer.cut = true;
            check("cut", &judge(&answer, 3, &terms), &bad);
            answer.cut = false;
            answer.status = 400;
            check("a refusal", &judge(&answer, 1, &terms), &Expected::Reject);
        }
    }
}
