//! HEC answers to verdicts: the HTTP status first, then `code` (Splunk HEC reference, response
//! codes). Nothing is dropped for a code that nobody has classified.

use std::sync::Arc;

use serde::Deserialize;

use crate::sink::client::Answer;
use crate::sink::status;
use crate::sink::{HoldCause, Note, Outcome, Pace, RetryCause, Scope, Sent, Verdict};

/// Splunk Cloud refuses a body over about 5 MB with code 6 for the first event, not with 413.
const SPLIT_BODY_BYTES: usize = 5_000_000;

/// What was sent, as far as an answer can speak of it.
pub(super) struct Posted<'a> {
    pub(super) events: usize,
    pub(super) body_bytes: usize,
    /// The configured index; none leaves it to the token.
    pub(super) index: Option<&'a str>,
}

/// An outcome, and whether the token uses indexer acknowledgement.
pub(super) struct Judged {
    pub(super) outcome: Outcome,
    pub(super) acknowledgement: bool,
}

/// The body of a HEC answer. `code` is what makes it one.
#[derive(Deserialize)]
struct HecAnswer {
    #[serde(default)]
    text: String,
    code: i64,
    #[serde(default, rename = "invalid-event-number")]
    invalid_event: Option<i64>,
    #[serde(default, rename = "ackId")]
    ack_id: Option<serde_json::Value>,
}

/// One verdict per event.
pub(super) fn judge(answer: &Answer, posted: &Posted<'_>) -> Judged {
    let hec: Option<HecAnswer> = match answer.cut {
        true => None,
        false => serde_json::from_slice(&answer.body).ok(),
    };
    let mut pace = status::pace(answer);
    let verdicts = match (&hec, answer.status) {
        (Some(hec), 200..300) => {
            let (verdict, slower) = judge_taken(answer, hec);
            if slower {
                pace = Pace::Slower {
                    after: answer.retry_after,
                };
            }
            vec![verdict; posted.events]
        }
        (None, 200..300) => {
            let what = "this is no HEC answer, perhaps a proxy's; check url";
            vec![status::bad_answer(answer, what); posted.events]
        }
        (Some(hec), 400) => judge_refused(answer, hec, posted),
        (Some(hec), 503) => vec![judge_busy(answer, hec); posted.events],
        _ => vec![status::judge(answer); posted.events],
    };
    Judged {
        acknowledgement: answer.is_success() && hec.is_some_and(|hec| hec.ack_id.is_some()),
        outcome: Outcome {
            verdicts,
            pace,
            status: Some(answer.status),
            wire_bytes: 0,
        },
    }
}

/// A 2xx, and whether it asks for less: codes 24 and 25 took the events.
fn judge_taken(answer: &Answer, hec: &HecAnswer) -> (Verdict, bool) {
    match hec.code {
        0 => (status::delivered(Note::Plain), false),
        24 | 25 => (status::delivered(Note::Plain), true),
        _ => {
            let what = "this code does not say that the events were taken; check url";
            (status::bad_answer(answer, what), false)
        }
    }
}

/// A 503: code 9 took nothing; of the others nobody knows.
fn judge_busy(answer: &Answer, hec: &HecAnswer) -> Verdict {
    let sent = match hec.code {
        9 => Sent::No,
        _ => Sent::Unknown,
    };
    status::retry(answer, answer.retry_after, sent, RetryCause::ServerError)
}

fn judge_refused(answer: &Answer, hec: &HecAnswer, posted: &Posted<'_>) -> Vec<Verdict> {
    let verdict = match hec.code {
        // An event that Splunk takes for nothing, alone or among others.
        5 => status::split_or_reject(describe(answer, hec, ""), posted.events),
        6 | 12 | 13 | 15 => return judge_invalid(answer, hec, posted),
        7 => hold_index(answer, hec, posted),
        1..=4 | 16 | 21 | 22 => {
            let advice = "check token and what it permits";
            status::hold(HoldCause::Auth, describe(answer, hec, advice))
        }
        10 | 11 | 14 | 28 => {
            let advice = "check the token's indexer acknowledgement and what stands between";
            status::hold(HoldCause::Request, describe(answer, hec, advice))
        }
        _ => {
            let advice = "nobody has classified this code; look at Splunk's log";
            status::hold(HoldCause::Unexpected, describe(answer, hec, advice))
        }
    };
    vec![verdict; posted.events]
}

/// An event is at fault: what comes before it was indexed, what comes after it was not.
fn judge_invalid(answer: &Answer, hec: &HecAnswer, posted: &Posted<'_>) -> Vec<Verdict> {
    let number = hec.invalid_event.and_then(|i| usize::try_from(i).ok());
    let Some(number) = number.filter(|number| *number < posted.events) else {
        return vec![
            status::split_or_reject(describe(answer, hec, ""), posted.events);
            posted.events
        ];
    };
    if number == 0 && posted.body_bytes > SPLIT_BODY_BYTES {
        let detail = describe(answer, hec, "the request is over 5 MB");
        return vec![Verdict::Split { detail }; posted.events];
    }
    let refused = status::reject(describe(answer, hec, ""));
    (0..posted.events)
        .map(|at| match at.cmp(&number) {
            std::cmp::Ordering::Less => status::delivered(Note::Plain),
            std::cmp::Ordering::Equal => refused.clone(),
            std::cmp::Ordering::Greater => status::behind(),
        })
        .collect()
}

/// The number that comes with code 7 is not the event's: it is not looked at.
fn hold_index(answer: &Answer, hec: &HecAnswer, posted: &Posted<'_>) -> Verdict {
    let advice = "create the index, or allow it for the token";
    Verdict::Hold {
        cause: HoldCause::Index,
        detail: describe(answer, hec, advice),
        scope: match posted.index {
            Some(index) => Scope::Partition(Arc::from(index)),
            None => Scope::Destination,
        },
    }
}

fn describe(answer: &Answer, hec: &HecAnswer, advice: &str) -> Arc<str> {
    let quote = format!("{} (code {})", answer.quote(&hec.text), hec.code);
    status::described(answer.status, &quote, advice)
}

#[cfg(test)]
mod tests;
