//! Bulk answers to verdicts, item by item (Elasticsearch bulk reference, per-item table).
//!
//! Items are told apart by status and `error.type`; blocks by type alone, since releases disagree
//! on the status. Items have no names, only places: an answer with another number of items than
//! were sent says nothing about any of them.

use std::sync::Arc;

use serde::Deserialize;

use crate::sink::client::Answer;
use crate::sink::status;
use crate::sink::{HoldCause, Note, Outcome, Pace, RetryCause, Scope, Sent, Verdict};

/// From here on a reason quotes the event.
const QUOTED_VALUES: [&str; 2] = [
    " Preview of field's value",
    " The prefix of the first immense term",
];

#[derive(Deserialize)]
struct BulkAnswer {
    items: Vec<ItemOf>,
}

#[derive(Deserialize)]
struct ItemOf {
    create: Item,
}

#[derive(Deserialize)]
struct Item {
    status: u16,
    #[serde(default)]
    error: Option<ItemError>,
    #[serde(default)]
    failure_store: Option<String>,
}

#[derive(Deserialize)]
struct ItemError {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    suppressed: Vec<Suppressed>,
}

/// Why the failure store could not take a document.
#[derive(Deserialize)]
struct Suppressed {
    #[serde(default, rename = "type")]
    kind: String,
}

/// An answer that refuses the whole request.
#[derive(Deserialize)]
struct WholeError {
    error: ItemError,
}

/// One verdict per event.
pub(super) fn judge(answer: &Answer, events: usize, target: &str) -> Outcome {
    if !answer.is_success() {
        let verdict = judge_whole(answer, events, target);
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
    Outcome {
        verdicts: items.map(|item| judge_item(answer, item, target)).collect(),
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

fn judge_whole(answer: &Answer, events: usize, target: &str) -> Verdict {
    let error = serde_json::from_slice::<WholeError>(&answer.body).ok();
    let error = error.map(|whole| whole.error);
    let kind = error.as_ref().map_or("", |error| &error.kind);
    match answer.status {
        _ if is_block(kind) => judge_block(answer, answer.status, error.as_ref(), target),
        400 if is_setting(error.as_ref()) => hold_setting(answer, answer.status, error.as_ref()),
        400 if error.is_some() => {
            status::split_or_reject(describe(answer, answer.status, error.as_ref(), ""), events)
        }
        400 => status::split_or_reject(status::describe(answer, ""), events),
        404 if kind == "index_not_found_exception" => {
            hold_index(answer, answer.status, error.as_ref(), target)
        }
        _ => status::judge(answer),
    }
}

fn judge_item(answer: &Answer, item: &Item, target: &str) -> Verdict {
    let error = item.error.as_ref();
    let kind = error.map_or("", |error| &error.kind);
    let retry = |sent, cause| Verdict::Retry {
        after: answer.retry_after,
        sent,
        cause,
        detail: describe(answer, item.status, error, ""),
    };
    match item.status {
        200..300 => status::delivered(match item.failure_store.as_deref() {
            Some("used") => Note::Diverted,
            _ => Note::Plain,
        }),
        409 if matches!(kind, "" | "version_conflict_engine_exception") => {
            status::delivered(Note::Duplicate)
        }
        status if is_block(kind) => judge_block(answer, status, error, target),
        429 => retry(Sent::No, RetryCause::RateLimited),
        503 => retry(Sent::No, RetryCause::ServerError),
        500.. => retry(Sent::Unknown, RetryCause::ServerError),
        401 | 403 if kind == "security_exception" => status::hold(
            HoldCause::Auth,
            describe(answer, item.status, error, "grant create_doc on the target"),
        ),
        404 => hold_index(answer, item.status, error, target),
        400 => judge_bad_item(answer, item, target),
        _ => status::hold(
            HoldCause::Unexpected,
            describe(
                answer,
                item.status,
                error,
                "nobody has classified this answer",
            ),
        ),
    }
}

/// A 400: usually the event's own fault, but not where every event would meet the same.
fn judge_bad_item(answer: &Answer, item: &Item, target: &str) -> Verdict {
    let error = item.error.as_ref();
    let kind = error.map_or("", |error| &error.kind);
    if is_setting(error) {
        return hold_setting(answer, item.status, error);
    }
    if matches!(
        kind,
        "index_closed_exception" | "invalid_index_name_exception"
    ) {
        return hold_index(answer, item.status, error, target);
    }
    let store_is_pressed = item.failure_store.as_deref() == Some("failed")
        && error.is_some_and(|error| error.suppressed.iter().any(|one| is_passing(&one.kind)));
    if store_is_pressed {
        return Verdict::Retry {
            after: answer.retry_after,
            sent: Sent::No,
            cause: RetryCause::Blocked,
            detail: describe(
                answer,
                item.status,
                error,
                "the failure store takes nothing now",
            ),
        };
    }
    status::reject(describe(answer, item.status, error, ""))
}

/// A block goes away by itself or by an administrator; a closed index only by a person who
/// wants it open.
fn judge_block(answer: &Answer, status: u16, error: Option<&ItemError>, target: &str) -> Verdict {
    let reason = error.and_then(|error| error.reason.as_deref());
    if reason.is_some_and(|reason| reason.contains("FORBIDDEN/4/index closed")) {
        return hold_index(answer, status, error, target);
    }
    Verdict::Retry {
        after: answer.retry_after,
        sent: Sent::No,
        cause: RetryCause::Blocked,
        detail: describe(answer, status, error, "free disk space or lift the block"),
    }
}

fn hold_index(answer: &Answer, status: u16, error: Option<&ItemError>, target: &str) -> Verdict {
    Verdict::Hold {
        cause: HoldCause::Index,
        detail: describe(
            answer,
            status,
            error,
            "create or open the index or data stream",
        ),
        scope: Scope::Partition(Arc::from(target)),
    }
}

fn hold_setting(answer: &Answer, status: u16, error: Option<&ItemError>) -> Verdict {
    let advice = "check index or data_stream, and pipeline";
    status::hold(HoldCause::Index, describe(answer, status, error, advice))
}

/// An argument that is illegal for every event alike: the target's kind, or a missing pipeline.
fn is_setting(error: Option<&ItemError>) -> bool {
    let Some(error) = error.filter(|error| error.kind == "illegal_argument_exception") else {
        return false;
    };
    let reason = error.reason.as_deref().unwrap_or_default();
    reason.contains("only write ops with an op_type of create")
        || (reason.contains("pipeline with id") && reason.contains("does not exist"))
}

/// `cluster_block_exception`, and OpenSearch's `index_create_block_exception`.
fn is_block(kind: &str) -> bool {
    kind.ends_with("_block_exception")
}

/// An error that passes by itself.
fn is_passing(kind: &str) -> bool {
    is_block(kind)
        || kind.ends_with("rejected_execution_exception")
        || matches!(
            kind,
            "circuit_breaking_exception"
                | "unavailable_shards_exception"
                | "no_shard_available_action_exception"
                | "process_cluster_event_timeout_exception"
        )
}

/// `HTTP <status>: <type>: <reason>; <advice>`, the reason without the event's values.
fn describe(
    answer: &Answer,
    item_status: u16,
    error: Option<&ItemError>,
    advice: &str,
) -> Arc<str> {
    let quote = error.map(|error| {
        let mut reason = error.reason.as_deref().unwrap_or_default();
        for mark in QUOTED_VALUES {
            reason = reason.split_once(mark).map_or(reason, |(before, _)| before);
        }
        answer.quote(&format!("{}: {reason}", error.kind))
    });
    status::described(item_status, &quote.unwrap_or_default(), advice)
}

#[cfg(test)]
mod tests;
