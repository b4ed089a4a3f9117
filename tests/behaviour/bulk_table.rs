//! Proves with the real binary what becomes of each event under every answer of the bulk reference:
//! one item refused between others that are taken, and the whole request refused.

use serde_json::{Value, json};

use crate::bulk::{STREAM, number, setup};
use crate::fake_bulk::FakeBulk;
use crate::fake_http::Reply;
use crate::relay::Relay;

/// What becomes of the event that an answer is about.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It counts as delivered.
    Delivered,
    /// The same, and as one that was there.
    Duplicate,
    /// The same, and as one that was put aside.
    Diverted,
    /// It becomes a dead letter with this reason.
    Dead(&'static str),
    /// It is tried again by itself, and stored once the answer changes.
    Retried,
    /// It waits for a person with this cause, and is stored once the answer changes.
    Held(&'static str),
}

use Fate::{Dead, Delivered, Diverted, Duplicate, Held, Retried};

/// Status, `error.type`, `error.reason`, `failure_store`, and what becomes of the event.
type ItemRow = (u16, &'static str, &'static str, &'static str, Fate);

const FLOOD: &str = "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage \
                     watermark, index has read-only-allow-delete block];";
const ARGUMENT: &str = "illegal_argument_exception";
const BLOCK: &str = "cluster_block_exception";

const ITEMS: &[ItemRow] = &[
    (200, "", "", "", Delivered),
    (201, "", "", "", Delivered),
    (201, "", "", "used", Diverted),
    (
        400,
        "mapper_parsing_exception",
        "x",
        "failed by a block",
        Retried,
    ),
    (
        400,
        "mapper_parsing_exception",
        "x",
        "failed",
        Dead("rejected"),
    ),
    (
        409,
        "version_conflict_engine_exception",
        "exists",
        "",
        Duplicate,
    ),
    (
        400,
        "document_parsing_exception",
        "failed to parse",
        "not_enabled",
        Dead("rejected"),
    ),
    (
        400,
        "mapper_parsing_exception",
        "failed to parse",
        "",
        Dead("rejected"),
    ),
    (
        400,
        "strict_dynamic_mapping_exception",
        "x",
        "",
        Dead("rejected"),
    ),
    (
        400,
        ARGUMENT,
        "Document contains at least one immense term",
        "",
        Dead("rejected"),
    ),
    (
        400,
        ARGUMENT,
        "Limit of total fields [1000] has been exceeded",
        "",
        Dead("field_limit"),
    ),
    (
        400,
        ARGUMENT,
        "only write ops with an op_type of create are allowed",
        "",
        Held("index"),
    ),
    (
        400,
        ARGUMENT,
        "pipeline with id [x] does not exist",
        "",
        Held("index"),
    ),
    (400, "index_closed_exception", "closed", "", Held("index")),
    (400, "invalid_index_name_exception", "x", "", Held("index")),
    (403, "security_exception", "unauthorized", "", Held("auth")),
    (
        403,
        BLOCK,
        "index [x] blocked by: [FORBIDDEN/5/index read-only (api)];",
        "",
        Retried,
    ),
    (
        403,
        BLOCK,
        "index [x] blocked by: [FORBIDDEN/8/index write (api)];",
        "",
        Retried,
    ),
    (
        403,
        BLOCK,
        "blocked by: [FORBIDDEN/10/cluster create-index blocked (api)];",
        "",
        Retried,
    ),
    (
        403,
        BLOCK,
        "index [x] blocked by: [FORBIDDEN/12/index read-only / allow delete];",
        "",
        Retried,
    ),
    (429, BLOCK, FLOOD, "", Retried),
    (
        404,
        "index_not_found_exception",
        "no such index",
        "",
        Held("index"),
    ),
    (429, "es_rejected_execution_exception", "queue", "", Retried),
    (429, "rejected_execution_exception", "queue", "", Retried),
    (429, "circuit_breaking_exception", "too large", "", Retried),
    (503, "unavailable_shards_exception", "primary", "", Retried),
    (503, "no_shard_available_action_exception", "x", "", Retried),
    (
        503,
        "process_cluster_event_timeout_exception",
        "x",
        "",
        Retried,
    ),
    (
        503,
        BLOCK,
        "blocked by: [SERVICE_UNAVAILABLE/2/no master];",
        "",
        Retried,
    ),
    (500, "exception", "something broke", "", Retried),
];

/// Status, body, what becomes of the events; of a dead letter, only the event it is about.
const WHOLE: &[(u16, &str, Fate)] = &[
    (
        400,
        r#"{"error":{"type":"json_parse_exception"},"status":400}"#,
        Dead("rejected"),
    ),
    (
        400,
        r#"{"error":{"type":"action_request_validation_exception"}}"#,
        Dead("rejected"),
    ),
    (401, "", Held("auth")),
    (
        403,
        r#"{"error":{"type":"security_exception"},"status":403}"#,
        Held("auth"),
    ),
    (404, "", Held("url")),
    (
        406,
        r#"{"error":"Content-Type is not supported","status":406}"#,
        Held("request"),
    ),
    (408, "", Retried),
    (413, "", Dead("too_large")),
    (
        429,
        r#"{"error":{"type":"rejected_execution_exception"},"status":429}"#,
        Retried,
    ),
    (
        429,
        r#"{"error":{"type":"circuit_breaking_exception"},"status":429}"#,
        Retried,
    ),
    (502, "<html>", Retried),
    (503, "", Retried),
    (504, "", Retried),
    (200, "garbage", Retried),
];

fn item((status, kind, reason, store, _): &ItemRow) -> Value {
    let mut item = json!({"_index": "i", "status": status});
    if !kind.is_empty() {
        item["error"] = json!({"type": kind, "reason": reason});
    }
    if !store.is_empty() {
        item["failure_store"] = json!(store.split(' ').next());
    }
    if store.ends_with("block") {
        item["error"]["suppressed"] = json!([{"type": BLOCK, "reason": "blocked"}]);
    }
    item
}

/// A relay, its bulk server, and how much it has settled.
struct Case {
    relay: Relay,
    bulk: FakeBulk,
    row: String,
}

impl Case {
    async fn counter(&self, sample: &str) -> f64 {
        self.relay.metric(sample).await
    }

    /// Posts a bad event between two good ones, and proves that the bad one meets its fate and the
    /// good ones are stored.
    async fn meets(&self, fate: Fate) {
        let counts = [
            "siem_relay_duplicate_events_total{destination=\"bulk\",kind=\"receiver_conflict\"}",
            "siem_relay_diverted_events_total{destination=\"bulk\"}",
        ];
        let dead = |reason| {
            format!(
                "siem_relay_dead_letter_events_total{{destination=\"bulk\",reason=\"{reason}\"}}"
            )
        };
        let before = [self.counter(counts[0]).await, self.counter(counts[1]).await];
        let status = self.relay.destination("bulk").await;
        let (delivered, letters) = (
            number(&status, "delivered"),
            number(&status, "dead_lettered"),
        );
        let dead_before = match fate {
            Dead(reason) => self.counter(&dead(reason)).await,
            _ => 0.0,
        };
        let mut ids = Vec::new();
        for word in ["good", "bad", "good"] {
            ids.push(
                self.relay
                    .accepted(format!("{{\"n\":\"{word}-{}\"}}", self.row))
                    .await,
            );
        }
        let row = &self.row;
        match fate {
            Retried => {
                let tried = |status: &Value| status["state"] == "backing_off";
                self.relay.until("bulk", tried).await;
            }
            Held(cause) => {
                let held = |status: &Value| {
                    let reason = status["reason"].as_str().unwrap_or_default();
                    status["state"] == "held" && reason.starts_with(cause)
                };
                self.relay.until("bulk", held).await;
            }
            _ => {}
        }
        if matches!(fate, Retried | Held(_)) {
            let status = self.relay.destination("bulk").await;
            assert_eq!(number(&status, "dead_lettered"), letters, "{row}");
            assert!(!self.bulk.stored().contains_key(&ids[1]), "{row}");
            self.bulk.serve();
        }
        let status = self.relay.drained("bulk").await;
        let is_dead = matches!(fate, Dead(_));
        let expected = (
            delivered + 3 - u64::from(is_dead),
            letters + u64::from(is_dead),
        );
        let after = (
            number(&status, "delivered"),
            number(&status, "dead_lettered"),
        );
        assert_eq!(after, expected, "{row}: {status}");
        let stored = self.bulk.stored();
        let has = [0, 1, 2].map(|at| stored.contains_key(&ids[at]));
        let bad_is_stored = matches!(fate, Retried | Held(_));
        assert_eq!(has, [true, bad_is_stored, true], "{row}");
        if let Dead(reason) = fate {
            assert_eq!(
                self.counter(&dead(reason)).await,
                dead_before + 1.0,
                "{row}"
            );
        }
        let counted = [self.counter(counts[0]).await, self.counter(counts[1]).await];
        let more = [matches!(fate, Duplicate), matches!(fate, Diverted)];
        for at in [0, 1] {
            let more = f64::from(u8::from(more[at]));
            assert_eq!(counted[at] - before[at], more, "{row}: {}", counts[at]);
        }
    }
}

#[tokio::test]
async fn every_item_of_the_table_meets_its_fate_and_the_others_arrive() {
    let bulk = FakeBulk::start().await;
    let setup = setup(&bulk, STREAM);
    let mut case = Case {
        relay: setup.start(),
        bulk,
        row: String::new(),
    };
    for (at, row) in ITEMS.iter().enumerate() {
        case.row = format!("item {at}: {} {} {}", row.0, row.1, row.3);
        let (bad, answer) = (format!("bad-{}", case.row), item(row));
        case.bulk
            .rule(move |_, _, document| document.contains(&bad).then(|| answer.clone()));
        case.meets(row.4).await;
        case.bulk.serve();
    }
}

#[tokio::test]
async fn every_refusal_of_a_whole_request_meets_its_fate() {
    let bulk = FakeBulk::start().await;
    let setup = setup(&bulk, STREAM);
    let mut case = Case {
        relay: setup.start(),
        bulk,
        row: String::new(),
    };
    for (at, (status, body, fate)) in WHOLE.iter().enumerate() {
        case.row = format!("whole {at}: {status}");
        let bad = format!("bad-{}", case.row);
        case.bulk.poison(&bad, Reply::status(*status, *body));
        case.meets(*fate).await;
        case.bulk.serve();
    }
}
