//! What HTTP statuses mean to every destination, and how verdicts are worded.
//!
//! Each protocol judges its own special answers first and leaves the rest to [`judge`]. Nothing
//! unclassified is ever dropped: an unknown answer holds the destination.

use std::sync::Arc;
use std::time::Duration;

use super::client::Answer;
use super::{HoldCause, Note, Pace, RejectCause, RetryCause, Scope, Sent, Verdict};

/// What the events around a refused one get, where the destination took none of them.
const BEHIND: &str = "not taken, because another event of the request was refused";
/// Words of AWS about a signature that is wrong, or not of this time ("Troubleshoot Signature
/// Version 4 signing for AWS API requests").
const OF_TIME: [&str; 5] = [
    "SignatureDoesNotMatch",
    "request signature we calculated does not match",
    "Signature expired",
    "Signature not yet current",
    "RequestTimeTooSkewed",
];

/// A verdict on a whole request by its status alone.
pub(super) fn judge(answer: &Answer) -> Verdict {
    let after = answer.retry_after;
    match answer.status {
        300..=399 => hold_url(answer, &redirected(answer)),
        401 | 403 | 407 => hold_auth(answer),
        404 | 405 | 410 => hold_url(answer, "check url"),
        406 | 415 => hold(
            HoldCause::Request,
            describe(
                answer,
                "it does not take this media type or encoding; check kind and gzip",
            ),
        ),
        408 => retry(answer, after, Sent::Unknown, RetryCause::Timeout),
        // With a time it is a condition that passes (RFC 9110, section 15.5.14).
        413 if after.is_some() => retry(answer, after, Sent::No, RetryCause::Blocked),
        413 => Verdict::Split {
            detail: describe(answer, ""),
        },
        429 => retry(answer, after, Sent::No, RetryCause::RateLimited),
        500.. => retry(answer, after, Sent::Unknown, RetryCause::ServerError),
        _ => hold(
            HoldCause::Unexpected,
            describe(
                answer,
                "nobody has classified this answer; look at the destination's log",
            ),
        ),
    }
}

/// The same for a request with so many events whose receiver may refuse what is in it.
pub(super) fn judge_post(answer: &Answer, events: usize) -> Verdict {
    let hold_request = |advice| hold(HoldCause::Request, describe(answer, advice));
    match answer.status {
        400 | 422 => split_or_reject(describe(answer, ""), events),
        421 | 425 => {
            let cause = RetryCause::ServerError;
            retry(answer, answer.retry_after, Sent::No, cause)
        }
        414 | 426 | 431 => hold_request("check url and headers"),
        501 | 505 => hold_request("it will not take this request at a later time either"),
        _ => judge(answer),
    }
}

/// Whether the answer asks for less.
pub(super) fn pace(answer: &Answer) -> Pace {
    match answer.status {
        429 => Pace::Slower {
            after: answer.retry_after,
        },
        // Of a redirect it is the least wait before the next request (RFC 9110, section 10.2.3).
        300..=399 if answer.retry_after.is_some() => Pace::Slower {
            after: answer.retry_after,
        },
        _ => Pace::Steady,
    }
}

/// The destination is held because of its credentials.
pub(super) fn hold_auth(answer: &Answer) -> Verdict {
    let text = String::from_utf8_lossy(&answer.body);
    let advice = if OF_TIME.iter().any(|words| text.contains(words)) {
        "check this machine's clock, then the keys; at AWS region and service, too"
    } else {
        "check the credentials and what they permit"
    };
    hold(HoldCause::Auth, describe(answer, advice))
}

/// The answer is no answer of this protocol: it must not count as delivery.
pub(super) fn bad_answer(answer: &Answer, what: &str) -> Verdict {
    Verdict::Retry {
        after: answer.retry_after,
        sent: Sent::Unknown,
        cause: RetryCause::BadAnswer,
        detail: describe(answer, what),
    }
}

/// Of several events: they are sent again in portions until the refused one is alone.
pub(super) fn split_or_reject(detail: Arc<str>, events: usize) -> Verdict {
    if events > 1 {
        Verdict::Split { detail }
    } else {
        reject(detail)
    }
}

/// An event beside a refused one: nothing is wrong with it, it goes at once.
pub(super) fn behind() -> Verdict {
    Verdict::Retry {
        after: Some(Duration::ZERO),
        sent: Sent::No,
        cause: RetryCause::Blocked,
        detail: Arc::from(BEHIND),
    }
}

/// An event that was not sent, because what comes before it goes elsewhere.
pub(super) fn unsent() -> Verdict {
    Verdict::Retry {
        after: Some(Duration::ZERO),
        sent: Sent::No,
        cause: RetryCause::Blocked,
        detail: Arc::from("not sent, because earlier events go elsewhere or with other metadata"),
    }
}

pub(super) fn delivered(note: Note) -> Verdict {
    Verdict::Delivered { note }
}

pub(super) fn hold(cause: HoldCause, detail: Arc<str>) -> Verdict {
    Verdict::Hold {
        cause,
        detail,
        scope: Scope::Destination,
    }
}

pub(super) fn reject(detail: Arc<str>) -> Verdict {
    Verdict::Reject {
        cause: RejectCause::Rejected,
        detail,
    }
}

pub(super) fn retry(
    answer: &Answer,
    after: Option<Duration>,
    sent: Sent,
    cause: RetryCause,
) -> Verdict {
    Verdict::Retry {
        after,
        sent,
        cause,
        detail: describe(answer, ""),
    }
}

/// `HTTP <status>: <quote>; <advice>`, without the parts that are empty. Names the proxy that may
/// have answered instead of the destination.
pub(super) fn describe(answer: &Answer, advice: &str) -> Arc<str> {
    let quote = answer.quote_body();
    match &answer.via {
        None => described(answer.status, &quote, advice),
        Some(proxy) => {
            let via = format!("by way of the proxy {proxy}");
            let quote = if quote.is_empty() {
                via
            } else {
                format!("{via}: {quote}")
            };
            described(answer.status, &quote, advice)
        }
    }
}

/// As [`describe`], with a quote that was made of the answer's parts.
pub(super) fn described(status: u16, quote: &str, advice: &str) -> Arc<str> {
    let mut text = format!("HTTP {status}");
    for (between, part) in [(": ", quote), ("; ", advice)] {
        if !part.is_empty() {
            text.push_str(between);
            text.push_str(part);
        }
    }
    text.into()
}

fn redirected(answer: &Answer) -> String {
    let advice = "redirects are not followed; set url to the final address";
    match &answer.location {
        None => advice.to_owned(),
        Some(location) => format!("it points to {location}; {advice}"),
    }
}

fn hold_url(answer: &Answer, advice: &str) -> Verdict {
    hold(HoldCause::Url, describe(answer, advice))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A verdict without its words.
    #[derive(Clone, Debug, PartialEq)]
    pub(in crate::sink) enum Expected {
        Delivered,
        Pending(u64),
        Duplicate,
        Diverted,
        Retry(Sent, RetryCause),
        Behind,
        Hold(HoldCause),
        HoldIndex(&'static str),
        Split,
        Reject,
        FieldLimit,
    }

    /// A whole answer.
    pub(in crate::sink) fn answer(status: u16, body: &str) -> Answer {
        let mut answer = Answer::default();
        answer.status = status;
        answer.body = bytes::Bytes::copy_from_slice(body.as_bytes());
        answer
    }

    /// Fails with the row's name where the verdict is another.
    #[track_caller]
    pub(in crate::sink) fn check(row: &str, verdict: &Verdict, expected: &Expected) {
        assert_eq!(&expected_of(verdict), expected, "{row}: {verdict:?}");
    }

    fn expected_of(verdict: &Verdict) -> Expected {
        match verdict {
            Verdict::Delivered { note } => match note {
                Note::Plain => Expected::Delivered,
                Note::Duplicate => Expected::Duplicate,
                Note::Diverted => Expected::Diverted,
            },
            Verdict::Retry { .. } if *verdict == behind() => Expected::Behind,
            Verdict::Retry { sent, cause, .. } => Expected::Retry(*sent, *cause),
            Verdict::Hold { cause, scope, .. } => match scope {
                Scope::Destination => Expected::Hold(*cause),
                Scope::Partition(name) => {
                    assert_eq!(*cause, HoldCause::Index);
                    Expected::HoldIndex(name.to_string().leak())
                }
            },
            Verdict::Split { .. } => Expected::Split,
            Verdict::Reject {
                cause: RejectCause::FieldLimit,
                ..
            } => Expected::FieldLimit,
            Verdict::Reject { .. } => Expected::Reject,
            Verdict::Pending { ticket } => Expected::Pending(ticket.id),
        }
    }

    #[test]
    fn a_description_has_only_the_parts_there_are() {
        assert_eq!(&*described(500, "", ""), "HTTP 500");
        assert_eq!(
            &*described(403, "no", "check token"),
            "HTTP 403: no; check token"
        );
        assert_eq!(&*described(404, "", "check url"), "HTTP 404; check url");
    }
}
