//! A status to one verdict for the whole request (generic HTTP reference, status to action).

use crate::sink::client::Answer;
use crate::sink::status;
use crate::sink::{HoldCause, Note, RetryCause, Sent, Verdict};

/// What the answer means for each of the request's `events`.
pub(super) fn judge(answer: &Answer, events: usize) -> Verdict {
    let retry = |sent, cause| status::retry(answer, answer.retry_after, sent, cause);
    match answer.status {
        200..300 => status::delivered(Note::Plain),
        400 | 422 => status::split_or_reject(status::describe(answer, ""), events),
        // With an idempotency key: the first attempt is still running there.
        409 => retry(Sent::Unknown, RetryCause::Blocked),
        // Too large only for now, when it names a time.
        421 | 425 => retry(Sent::No, RetryCause::ServerError),
        414 | 426 | 431 => hold_request(answer, "check url and headers"),
        501 | 505 => hold_request(
            answer,
            "it will not take this request at a later time either",
        ),
        _ => status::judge(answer),
    }
}

fn hold_request(answer: &Answer, advice: &str) -> Verdict {
    status::hold(HoldCause::Request, status::describe(answer, advice))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sink::status::tests::{Expected, answer, check};

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
                    check(row, &judge(&answer, events), &expected);
                }
            }
        }
    }

    #[test]
    fn bad_content_is_halved_until_the_event_is_alone() {
        for status in [400, 422] {
            let answer = answer(status, "nope");
            check("several", &judge(&answer, 2), &Expected::Split);
            check("alone", &judge(&answer, 1), &Expected::Reject);
        }
    }

    #[test]
    fn a_413_that_names_a_time_is_not_for_ever() {
        let after = Some(Duration::from_secs(9));
        let mut answer = answer(413, "");
        answer.retry_after = after;
        let Verdict::Retry { after: asked, .. } = judge(&answer, 1) else {
            panic!("not a retry")
        };
        assert_eq!(asked, after);
    }
}
