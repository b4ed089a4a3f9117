//! Proves each row of the bulk per-item table and of the whole-request table.

use super::*;
use crate::sink::status::tests::{Expected, answer, check};

use Expected::{Delivered, Diverted, Duplicate, FieldLimit, Hold, HoldIndex, Reject, Retry, Split};

mod details;

const TARGET: &str = "logs-acme";

/// A request to one of several indices.
fn judged(answer: &Answer, events: usize) -> Outcome {
    let partitions = vec![Some(Arc::from(TARGET)); events];
    judge(answer, &Posted { partitions })
}

/// A request to the only index.
fn judged_only(answer: &Answer, events: usize) -> Outcome {
    let partitions = vec![None; events];
    judge(answer, &Posted { partitions })
}

fn bulk(items: &[&str]) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|item| format!("{{\"create\":{item}}}"))
        .collect();
    format!(
        "{{\"took\":7,\"errors\":true,\"items\":[{}]}}",
        items.join(",")
    )
}

fn failed(status: u16, kind: &str, reason: &str) -> String {
    let error = serde_json::json!({"type": kind, "reason": reason});
    format!("{{\"status\":{status},\"error\":{error}}}")
}

fn detail(item: &str) -> String {
    let outcome = judged(&answer(200, &bulk(&[item])), 1);
    match &outcome.verdicts[0] {
        Verdict::Retry { detail, .. }
        | Verdict::Hold { detail, .. }
        | Verdict::Reject { detail, .. } => detail.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_row_of_the_item_table() {
    let blocked = Retry(Sent::No, RetryCause::Blocked);
    let limited = Retry(Sent::No, RetryCause::RateLimited);
    let flood = "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage \
        watermark, index has read-only-allow-delete block];";
    let rows = [
        (
            "201 stored",
            r#"{"status":201,"_index":".ds-x"}"#.to_owned(),
            Delivered,
        ),
        ("200 stored", r#"{"status":200}"#.to_owned(), Delivered),
        (
            "201, failure store used",
            r#"{"status":201,"_index":".fs-x","failure_store":"used"}"#.to_owned(),
            Diverted,
        ),
        (
            "400, failure store failed by a block",
            r#"{"status":400,"failure_store":"failed","error":{"type":"mapper_parsing_exception",
                "suppressed":[{"type":"cluster_block_exception"}]}}"#
                .to_owned(),
            blocked.clone(),
        ),
        (
            "400, failure store failed for another reason",
            r#"{"status":400,"failure_store":"failed","error":{"type":"document_parsing_exception",
                "suppressed":[{"type":"document_parsing_exception"}]}}"#
                .to_owned(),
            Reject,
        ),
        (
            "409 already stored",
            failed(
                409,
                "version_conflict_engine_exception",
                "[b]: version conflict",
            ),
            Duplicate,
        ),
        (
            "409 of another kind",
            failed(409, "other_exception", ""),
            Hold(HoldCause::Unexpected),
        ),
        (
            "400 document_parsing",
            failed(400, "document_parsing_exception", "x"),
            Reject,
        ),
        (
            "400 mapper_parsing",
            failed(400, "mapper_parsing_exception", "x"),
            Reject,
        ),
        (
            "400 strict mapping",
            failed(400, "strict_dynamic_mapping_exception", "x"),
            Reject,
        ),
        (
            "400 illegal_argument",
            failed(400, "illegal_argument_exception", "immense"),
            Reject,
        ),
        (
            "400 total fields",
            failed(
                400,
                "illegal_argument_exception",
                "Limit of total fields [1000] has been",
            ),
            FieldLimit,
        ),
        (
            "400 op_type",
            failed(
                400,
                "illegal_argument_exception",
                "only write ops with an op_type of create are allowed in data streams",
            ),
            Hold(HoldCause::Index),
        ),
        (
            "400 pipeline missing",
            failed(
                400,
                "illegal_argument_exception",
                "pipeline with id [x] does not exist",
            ),
            Hold(HoldCause::Index),
        ),
        (
            "400 closed",
            failed(400, "index_closed_exception", "closed"),
            Hold(HoldCause::Index),
        ),
        (
            "403 closed",
            failed(
                403,
                "cluster_block_exception",
                "index [x] blocked by: [FORBIDDEN/4/index closed];",
            ),
            Hold(HoldCause::Index),
        ),
        (
            "400 bad name",
            failed(400, "invalid_index_name_exception", "x"),
            Hold(HoldCause::Index),
        ),
        (
            "403 privilege",
            failed(403, "security_exception", "action"),
            Hold(HoldCause::Auth),
        ),
        (
            "403 read-only",
            failed(
                403,
                "cluster_block_exception",
                "index [x] blocked by: [FORBIDDEN/8/index write (api)];",
            ),
            blocked.clone(),
        ),
        (
            "403 create-index blocked (OpenSearch)",
            failed(
                403,
                "index_create_block_exception",
                "blocked by: [FORBIDDEN/10/...];",
            ),
            blocked.clone(),
        ),
        (
            "429 flood stage",
            failed(429, "cluster_block_exception", flood),
            blocked.clone(),
        ),
        (
            "403 flood stage (older)",
            failed(403, "cluster_block_exception", flood),
            blocked.clone(),
        ),
        (
            "404 no index",
            failed(404, "index_not_found_exception", "no such"),
            Hold(HoldCause::Index),
        ),
        (
            "429 queue",
            failed(429, "es_rejected_execution_exception", ""),
            limited.clone(),
        ),
        (
            "429 queue (OpenSearch)",
            failed(429, "rejected_execution_exception", ""),
            limited,
        ),
        (
            "429 heap",
            failed(429, "circuit_breaking_exception", ""),
            Split,
        ),
        (
            "503 shards",
            failed(503, "unavailable_shards_exception", ""),
            blocked.clone(),
        ),
        (
            "503 no shard",
            failed(503, "no_shard_available_action_exception", ""),
            blocked.clone(),
        ),
        (
            "503 no answer of the master",
            failed(503, "process_cluster_event_timeout_exception", ""),
            blocked.clone(),
        ),
        (
            "400 ids are not taken",
            failed(
                400,
                "illegal_argument_exception",
                "Document ID is not supported in create",
            ),
            Hold(HoldCause::Index),
        ),
        (
            "503 no master",
            failed(
                503,
                "cluster_block_exception",
                "blocked by: [SERVICE_UNAVAILABLE/2/no master];",
            ),
            blocked,
        ),
        (
            "5xx other",
            failed(500, "fail_processor_exception", ""),
            Retry(Sent::Unknown, RetryCause::ServerError),
        ),
        (
            "403 of another kind",
            failed(403, "x", ""),
            Hold(HoldCause::Unexpected),
        ),
        ("418", failed(418, "x", ""), Hold(HoldCause::Unexpected)),
    ];
    let items: Vec<&str> = rows.iter().map(|(_, item, _)| item.as_str()).collect();
    let outcome = judged_only(&answer(200, &bulk(&items)), items.len());
    assert_eq!(outcome.verdicts.len(), rows.len());
    for ((row, _, expected), verdict) in rows.iter().zip(&outcome.verdicts) {
        check(row, verdict, expected);
    }
}

#[test]
fn every_row_of_the_whole_request_table() {
    let server_error = Retry(Sent::Unknown, RetryCause::ServerError);
    let block = r#"{"error":{"type":"cluster_block_exception","reason":"x"},"status":503}"#;
    for (row, status, body, expected) in [
        ("400 malformed", 400, "{}", Split),
        (
            "400 pipeline missing",
            400,
            r#"{"error":{"type":"illegal_argument_exception",
                "reason":"pipeline with id [x] does not exist"},"status":400}"#,
            Hold(HoldCause::Index),
        ),
        ("401", 401, "", Hold(HoldCause::Auth)),
        ("403", 403, "", Hold(HoldCause::Auth)),
        (
            "403 block",
            403,
            block,
            Retry(Sent::No, RetryCause::Blocked),
        ),
        ("404 wrong path", 404, "", Hold(HoldCause::Url)),
        (
            "404 no index",
            404,
            r#"{"error":{"type":"index_not_found_exception"},"status":404}"#,
            Hold(HoldCause::Index),
        ),
        ("405", 405, "", Hold(HoldCause::Url)),
        ("406", 406, "", Hold(HoldCause::Request)),
        ("415", 415, "", Hold(HoldCause::Request)),
        ("408", 408, "", Retry(Sent::Unknown, RetryCause::Timeout)),
        ("413", 413, "<html>", Split),
        ("429", 429, "", Retry(Sent::No, RetryCause::RateLimited)),
        (
            "429 heap",
            429,
            r#"{"error":{"type":"circuit_breaking_exception"},"status":429}"#,
            Split,
        ),
        (
            "400 parameter",
            400,
            r#"{"error":{"type":"illegal_argument_exception",
                "reason":"request [/_bulk] contains unrecognized parameter: [require_alias]"}}"#,
            Hold(HoldCause::Request),
        ),
        (
            "400 too long an id",
            400,
            r#"{"error":{"type":"action_request_validation_exception"},"status":400}"#,
            Split,
        ),
        (
            "406 as a string",
            406,
            r#"{"error":"Content-Type header [] is not supported","status":406}"#,
            Hold(HoldCause::Request),
        ),
        ("500", 500, "", server_error.clone()),
        ("502", 502, "<html>", server_error.clone()),
        ("503", 503, "", server_error.clone()),
        (
            "503 no master",
            503,
            block,
            Retry(Sent::No, RetryCause::Blocked),
        ),
        ("504", 504, "", server_error),
        ("3xx", 301, "", Hold(HoldCause::Url)),
        ("other 4xx", 418, "", Hold(HoldCause::Unexpected)),
    ] {
        let outcome = judged_only(&answer(status, body), 2);
        assert_eq!(outcome.verdicts.len(), 2, "{row}");
        for verdict in &outcome.verdicts {
            check(row, verdict, &expected);
        }
    }
    let alone = judged_only(&answer(400, "{}"), 1);
    check("400 malformed, alone", &alone.verdicts[0], &Reject);
}
