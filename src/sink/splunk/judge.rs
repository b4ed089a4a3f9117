//! HEC answers to verdicts: the HTTP status first, then `code` (Splunk HEC reference, response
//! codes). Nothing is dropped for a code that nobody has classified.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::sink::client::Answer;
use crate::sink::status;
use crate::sink::{HoldCause, Note, Outcome, Pace, RetryCause, Scope, Sent, Ticket, Verdict};

/// Splunk Cloud refuses a body over about 5 MB with code 6 for the first event, not with 413.
const SPLIT_BODY_BYTES: usize = 5_000_000;

/// What was sent, as far as an answer can speak of it.
pub(super) struct Posted<'a> {
    pub(super) events: usize,
    pub(super) body_bytes: usize,
    /// The part of the destination that all events go to; none leaves the index to the token, or
    /// they go to several.
    pub(super) partition: Option<&'a Arc<str>>,
    /// What the number of an invalid event says.
    pub(super) numbers: Numbers,
    /// The channel, for tickets.
    pub(super) channel: &'a Arc<str>,
    /// Whether the endpoint gives acknowledgement ids as a rule.
    pub(super) acknowledges: bool,
}

/// What the number of an invalid event says about those before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// They were taken.
    PrefixAccepted,
    /// They were not.
    AllRejected,
    /// Nothing: it is no number of an event.
    Meaningless,
}

/// An outcome, and what else the answer says.
pub(super) struct Judged {
    pub(super) outcome: Outcome,
    /// The acknowledgement id, which may stand for no event.
    pub(super) ack_id: Option<u64>,
    /// Whether the body is a HEC answer.
    pub(super) is_hec: bool,
}

/// The body of a HEC answer. `code` is what makes it one.
#[derive(Deserialize)]
struct HecAnswer {
    #[serde(default)]
    text: String,
    code: i64,
    #[serde(default, rename = "invalid-event-number")]
    invalid_event: Option<i64>,
    /// `null` is none.
    #[serde(default, rename = "ackId")]
    ack_id: Option<serde_json::Value>,
}

/// What an answer says about acknowledgement.
#[derive(Clone, Copy)]
enum Ack {
    None,
    Id(u64),
    /// There is something, and it is no id.
    Unreadable,
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
            let (verdict, slower) = judge_taken(answer, hec, posted);
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
        ack_id: hec.as_ref().and_then(|hec| match hec.ack() {
            Ack::Id(id) => Some(id),
            Ack::None | Ack::Unreadable => None,
        }),
        is_hec: hec.is_some(),
        outcome: Outcome {
            verdicts,
            pace,
            status: Some(answer.status),
            wire_bytes: 0,
        },
    }
}

/// A 2xx, and whether it asks for less: codes 24 and 25 took the events.
fn judge_taken(answer: &Answer, hec: &HecAnswer, posted: &Posted<'_>) -> (Verdict, bool) {
    if !matches!(hec.code, 0 | 24 | 25) {
        let what = "this code does not say that the events were taken; check url";
        return (status::bad_answer(answer, what), false);
    }
    (taken(answer, hec.ack(), posted), hec.code != 0)
}

/// Events that Splunk has taken.
fn taken(answer: &Answer, ack: Ack, posted: &Posted<'_>) -> Verdict {
    match ack {
        Ack::None => status::delivered(Note::Plain),
        Ack::Id(id) => Verdict::Pending {
            ticket: Ticket {
                channel: Arc::clone(posted.channel),
                id,
            },
        },
        Ack::Unreadable => {
            let what = "its ackId is no number that can be asked about";
            status::bad_answer(answer, what)
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

/// An event is at fault: by Splunk's rules what comes before it was taken, what comes after it
/// was not.
fn judge_invalid(answer: &Answer, hec: &HecAnswer, posted: &Posted<'_>) -> Vec<Verdict> {
    let number = hec.invalid_event.and_then(|i| usize::try_from(i).ok());
    let named = |number: &usize| *number < posted.events && posted.numbers != Numbers::Meaningless;
    let Some(number) = number.filter(named) else {
        return vec![
            status::split_or_reject(describe(answer, hec, ""), posted.events);
            posted.events
        ];
    };
    if number == 0 && posted.body_bytes > SPLIT_BODY_BYTES {
        let detail = describe(answer, hec, "the request is over 5 MB");
        return vec![Verdict::Split { detail }; posted.events];
    }
    let before = match (posted.numbers, hec.ack()) {
        (Numbers::PrefixAccepted, Ack::None) if posted.acknowledges => untold(),
        (Numbers::PrefixAccepted, ack) => taken(answer, ack, posted),
        (Numbers::AllRejected | Numbers::Meaningless, _) => status::behind(),
    };
    let refused = status::reject(describe(answer, hec, ""));
    (0..posted.events)
        .map(|at| match at.cmp(&number) {
            std::cmp::Ordering::Less => before.clone(),
            std::cmp::Ordering::Equal => refused.clone(),
            std::cmp::Ordering::Greater => status::behind(),
        })
        .collect()
}

/// Events before an invalid one that should have come with an acknowledgement id: they may be
/// there, and nobody can ask about them.
fn untold() -> Verdict {
    Verdict::Retry {
        after: Some(Duration::ZERO),
        sent: Sent::Unknown,
        cause: RetryCause::BadAnswer,
        detail: Arc::from("taken before an event that was refused, but without an ackId"),
    }
}

/// The number that comes with code 7 is not the event's: it is not looked at.
fn hold_index(answer: &Answer, hec: &HecAnswer, posted: &Posted<'_>) -> Verdict {
    let advice = "create the index, or allow it for the token";
    Verdict::Hold {
        cause: HoldCause::Index,
        detail: describe(answer, hec, advice),
        scope: match posted.partition {
            Some(partition) => Scope::Partition(Arc::clone(partition)),
            None => Scope::Destination,
        },
    }
}

fn describe(answer: &Answer, hec: &HecAnswer, advice: &str) -> Arc<str> {
    let quote = format!("{} (code {})", answer.quote(&hec.text), hec.code);
    status::described(answer.status, &quote, advice)
}

impl HecAnswer {
    fn ack(&self) -> Ack {
        match &self.ack_id {
            None => Ack::None,
            Some(id) => id.as_u64().map_or(Ack::Unreadable, Ack::Id),
        }
    }
}

#[cfg(test)]
mod tests;
