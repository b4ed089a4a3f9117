//! Bulk answers to verdicts, item by item (Elasticsearch bulk reference, per-item table).
//!
//! Items are told apart by status and `error.type`; blocks by type alone, since releases disagree
//! on the status. Items have no names, only places: an answer with another number of items than
//! were sent says nothing about any of them.

use std::sync::Arc;

use super::node::refuses_a_parameter;
use crate::sink::client::Answer;
use crate::sink::status;
use crate::sink::{HoldCause, Note, Outcome, Pace, RejectCause, RetryCause, Scope, Sent, Verdict};

mod answer;

use answer::{BulkAnswer, Item, ItemError, WholeError};

/// From here on a reason quotes the event.
const QUOTED_VALUES: [&str; 2] = [
    " Preview of field's value",
    " The prefix of the first immense term",
];

/// What was posted.
pub(super) struct Posted {
    /// Per event the part of the destination that it goes to, where there are several.
    pub(super) partitions: Vec<Option<Arc<str>>>,
}

/// What is judged: an error with its status, of one event or of the whole request.
struct Failure<'a> {
    answer: &'a Answer,
    status: u16,
    error: Option<&'a ItemError>,
    partition: Option<&'a Arc<str>>,
    /// Events that the request had.
    events: usize,
}

/// One verdict per event.
pub(super) fn judge(answer: &Answer, posted: &Posted) -> Outcome {
    let events = posted.partitions.len();
    if !answer.is_success() {
        let verdict = judge_whole(answer, posted);
        let mut outcome = Outcome::all(events, verdict, Some(answer.status), 0);
        outcome.pace = status::pace(answer);
        return outcome;
    }
    let bulk: Option<BulkAnswer> = match answer.cut {
        true => None,
        false => serde_json::from_slice(&answer.body).ok(),
    };
    let Some(bulk) = bulk.filter(|bulk| bulk.items.len() == events) else {
        let what = "this is no answer to each event of the request; check url";
        let verdict = status::bad_answer(answer, what);
        return Outcome::all(events, verdict, Some(answer.status), 0);
    };
    let items = bulk.items.iter().map(|item| &item.create);
    let pressed = items.clone().any(|item| item.status == 429);
    let verdicts = items.zip(&posted.partitions).map(|(item, partition)| {
        judge_item(
            item,
            &Failure {
                answer,
                status: item.status,
                error: item.error.as_ref(),
                partition: partition.as_ref(),
                events,
            },
        )
    });
    Outcome {
        verdicts: verdicts.collect(),
        pace: match pressed {
            true => Pace::Slower {
                after: answer.retry_after,
            },
            false => Pace::Steady,
        },
        status: Some(answer.status),
        wire_bytes: 0,
    }
}

fn judge_whole(answer: &Answer, posted: &Posted) -> Verdict {
    let whole = serde_json::from_slice::<WholeError>(&answer.body).ok();
    let first = posted.partitions.first().and_then(Option::as_ref);
    let mut others = posted.partitions.iter().map(Option::as_ref);
    let failure = Failure {
        answer,
        status: answer.status,
        error: whole.as_ref().map(|whole| &whole.error),
        // What is said of several parts at once is said of none of them.
        partition: first.filter(|_| others.all(|other| other == first)),
        events: posted.partitions.len(),
    };
    let kind = failure.kind();
    match answer.status {
        _ if is_block(kind) => failure.blocked(),
        400 if failure.is_setting() => failure.hold_setting(),
        400 if refuses_a_parameter(answer) => status::hold(
            HoldCause::Request,
            status::describe(
                answer,
                "this release is too old for require_alias or pipeline",
            ),
        ),
        400 if failure.error.is_some() => {
            status::split_or_reject(failure.describe(""), failure.events)
        }
        400 => status::split_or_reject(status::describe(answer, ""), failure.events),
        404 if kind == "index_not_found_exception" => failure.hold_index(HoldCause::Index, MISSING),
        429 if kind == "circuit_breaking_exception" => failure.broken_circuit(),
        _ => status::judge(answer),
    }
}

const MISSING: &str = "create or open the index or data stream";

fn judge_item(item: &Item, failure: &Failure<'_>) -> Verdict {
    let kind = failure.kind();
    match item.status {
        200..300 => status::delivered(match item.failure_store.as_deref() {
            Some("used") => Note::Diverted,
            _ => Note::Plain,
        }),
        409 if matches!(kind, "" | "version_conflict_engine_exception") => {
            status::delivered(Note::Duplicate)
        }
        _ if is_block(kind) => failure.blocked(),
        429 if kind == "circuit_breaking_exception" => failure.broken_circuit(),
        429 => failure.retry(Sent::No, RetryCause::RateLimited, ""),
        // Shards move or have no place: nothing is wrong with the event, however long it lasts.
        503 => failure.retry(Sent::No, RetryCause::Blocked, ""),
        500.. => failure.retry(Sent::Unknown, RetryCause::ServerError, ""),
        401 | 403 if kind == "security_exception" => {
            failure.hold_index(HoldCause::Auth, "grant create_doc on the target")
        }
        404 => failure.hold_index(HoldCause::Index, MISSING),
        400 => judge_bad_item(item, failure),
        _ => status::hold(
            HoldCause::Unexpected,
            failure.describe("nobody has classified this answer"),
        ),
    }
}

fn judge_bad_item(item: &Item, failure: &Failure<'_>) -> Verdict {
    if failure.is_setting() {
        return failure.hold_setting();
    }
    if matches!(
        failure.kind(),
        "index_closed_exception" | "invalid_index_name_exception"
    ) {
        // The name is the configuration's, never an event's.
        return failure.hold_index(HoldCause::Index, MISSING);
    }
    let store_is_pressed = item.failure_store.as_deref() == Some("failed")
        && failure.error.is_some_and(ItemError::is_suppressed_passing);
    if store_is_pressed {
        let advice = "the failure store takes nothing now";
        return failure.retry(Sent::No, RetryCause::Blocked, advice);
    }
    if failure.reason().contains("Limit of total fields") {
        let advice = "raise index.mapping.total_fields.limit, or let fewer fields be mapped";
        return Verdict::Reject {
            cause: RejectCause::FieldLimit,
            detail: failure.describe(advice),
        };
    }
    status::reject(failure.describe(""))
}

impl Failure<'_> {
    fn kind(&self) -> &str {
        self.error.map_or("", |error| &error.kind)
    }

    fn reason(&self) -> &str {
        let reason = self.error.and_then(|error| error.reason.as_deref());
        reason.unwrap_or_default()
    }

    fn retry(&self, sent: Sent, cause: RetryCause, advice: &str) -> Verdict {
        Verdict::Retry {
            after: self.answer.retry_after,
            sent,
            cause,
            detail: self.describe(advice),
        }
    }

    /// Too much memory at once: less of it, but never a dead letter.
    fn broken_circuit(&self) -> Verdict {
        if self.events > 1 {
            return Verdict::Split {
                detail: self.describe(""),
            };
        }
        self.retry(Sent::No, RetryCause::RateLimited, "")
    }

    /// A block goes away by itself or by an administrator, and then the events go on; a closed
    /// index only by a person who wants it open. Where it is about one index of several, only what
    /// goes there waits.
    fn blocked(&self) -> Verdict {
        if self.reason().contains("FORBIDDEN/4/index closed") {
            return self.hold_index(HoldCause::Index, MISSING);
        }
        let advice = "free disk space or lift the block";
        if self.partition.is_some() && matches!(self.status, 403 | 429) {
            return self.hold_index(HoldCause::Index, advice);
        }
        self.retry(Sent::No, RetryCause::Blocked, advice)
    }

    /// Holds the index, where the destination has several, and else all of it.
    fn hold_index(&self, cause: HoldCause, advice: &str) -> Verdict {
        Verdict::Hold {
            cause,
            detail: self.describe(advice),
            scope: match self.partition {
                Some(partition) => Scope::Partition(Arc::clone(partition)),
                None => Scope::Destination,
            },
        }
    }

    /// An argument that is illegal for every event alike: the target's kind, a missing pipeline,
    /// or ids where the service makes its own.
    fn is_setting(&self) -> bool {
        let (kind, reason) = (self.kind(), self.reason());
        let is_argument = kind == "illegal_argument_exception";
        reason.contains(NO_IDS)
            || is_argument && reason.contains("only write ops with an op_type of create")
            || is_argument && reason.contains("pipeline with id") && reason.contains("not exist")
    }

    fn hold_setting(&self) -> Verdict {
        let advice = match self.reason().contains(NO_IDS) {
            true => "set ids = false",
            false => "check index or data_stream, and pipeline",
        };
        status::hold(HoldCause::Index, self.describe(advice))
    }

    /// `HTTP <status>: <type>: <reason>; <advice>`, the reason without the event's values.
    fn describe(&self, advice: &str) -> Arc<str> {
        let quote = self.error.map(|error| {
            let mut reason = self.reason();
            for mark in QUOTED_VALUES {
                reason = reason.split_once(mark).map_or(reason, |(before, _)| before);
            }
            self.answer.quote(&format!("{}: {reason}", error.kind))
        });
        status::described(self.status, &quote.unwrap_or_default(), advice)
    }
}

/// Amazon OpenSearch Serverless says so of time-series and vector collections.
const NO_IDS: &str = "Document ID is not supported";

/// `cluster_block_exception`, and OpenSearch's `index_create_block_exception`.
fn is_block(kind: &str) -> bool {
    kind.ends_with("_block_exception")
}

#[cfg(test)]
mod tests;
