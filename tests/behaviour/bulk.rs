//! Proves with the real binary what becomes of each event under every answer of the bulk reference:
//! one item refused beside others, the whole request refused; and that pressure, a template fault
//! and a closed index lose nothing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::fake_bulk::{FakeBulk, Turn};
use crate::fake_http::Reply;
use crate::relay::{Relay, Setup, TOKEN, answer, eventually};

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

fn setup(bulk: &FakeBulk, keys: &str) -> Setup {
    let destination = format!(
        "[destinations.bulk]\nkind = \"elasticsearch\"\nurl = \"{}\"\n\
         probe_interval = \"100ms\"\nretry_initial = \"50ms\"\nretry_max = \"200ms\"\n{keys}",
        bulk.url()
    );
    let setup = Setup::new("", &destination);
    setup.edit(
        "max_body = \"256KiB\"",
        "max_body = \"256KiB\"\nmax_connections = 64",
    );
    setup
}

const STREAM: &str = "data_stream = \"logs-a-b\"";

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

fn number(status: &Value, key: &str) -> u64 {
    status[key].as_u64().unwrap()
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

/// Posts 2,000 events a second for three seconds, as far as the machine can; the ids answered.
async fn load(relay: &Relay) -> Vec<String> {
    let end = Instant::now() + Duration::from_secs(3);
    let url = format!("http://{}/hooks/datatheorem", relay.address);
    let mut senders = JoinSet::new();
    for sender in 0..8 {
        let request = relay.client.post(&url).bearer_auth(TOKEN);
        let request = request.header("content-type", "application/json");
        senders.spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(4));
            let mut ids = Vec::new();
            while Instant::now() < end {
                pace.tick().await;
                let body = format!("{{\"sender\":{sender},\"n\":{}}}", ids.len());
                let sent = request.try_clone().unwrap().body(body).send().await;
                let (status, said) = answer(sent.unwrap()).await;
                assert_eq!(status, 200, "{said}");
                ids.push(said["id"].as_str().unwrap().to_owned());
            }
            ids
        });
    }
    senders.join_all().await.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fifth_of_all_items_refused_for_pressure_for_three_seconds_loses_nothing() {
    let bulk = FakeBulk::start().await;
    bulk.server.forget_requests();
    bulk.rule(|number, _, _| {
        let error = json!({"type": "es_rejected_execution_exception", "reason": "queue"});
        (number % 5 == 0).then(|| json!({"_index": "i", "status": 429, "error": error}))
    });
    let setup = setup(&bulk, STREAM);
    let relay = setup.start();
    let ids = load(&relay).await;
    assert!(ids.len() > 100, "only {} posted", ids.len());
    let retries = "siem_relay_delivery_retries_total{destination=\"bulk\",reason=\"rate_limited\"}";
    assert!(relay.metric(retries).await > 0.0, "nothing was refused");
    bulk.serve();
    let status = relay.drained("bulk").await;
    assert_eq!(status["delivered"], json!(ids.len()));
    assert_eq!(status["dead_lettered"], 0);
    let stored = bulk.stored();
    assert!(
        ids.iter().all(|id| stored.get(id) == Some(&1)),
        "some are lost"
    );
    assert_eq!((stored.len(), bulk.conflicts()), (ids.len(), 0));
}

#[tokio::test]
async fn lost_answers_and_silence_lose_nothing_and_store_nothing_twice() {
    let bulk = FakeBulk::start().await;
    let setup = setup(&bulk, &format!("{STREAM}\nrequest_timeout = \"200ms\""));
    let faults = [
        Reply::CloseWithoutAnswer,
        Reply::Reset { status: 200 },
        Reply::Stall,
        Reply::status(200, "garbage"),
        Reply::status(502, "<html>"),
    ];
    bulk.next(faults.map(Turn::ServeThen));
    let relay = setup.start();
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(relay.accepted(format!("{{\"n\":{n}}}")).await);
    }
    let status = relay.drained("bulk").await;
    assert_eq!(
        (&status["delivered"], &status["dead_lettered"]),
        (&json!(20), &json!(0))
    );
    let stored = bulk.stored();
    assert!(ids.iter().all(|id| stored.get(id) == Some(&1)));
    let resent = bulk.conflicts();
    assert!(resent >= 5, "{resent}");
    let conflicts =
        "siem_relay_duplicate_events_total{destination=\"bulk\",kind=\"receiver_conflict\"}";
    // Each event is told once, however often it was resent before.
    let told = relay.metric(conflicts).await;
    assert!((1.0..=20.0).contains(&told), "{told}");
}

#[tokio::test]
async fn an_event_over_which_the_server_fails_is_singled_out_by_its_item() {
    let bulk = FakeBulk::start().await;
    bulk.rule(|_, _, document| {
        let error = json!({"type": "exception", "reason": "a processor broke"});
        let bad = document.contains("poison");
        bad.then(|| json!({"_index": "i", "status": 500, "error": error}))
    });
    let setup = setup(&bulk, STREAM);
    let relay = setup.start();
    let id = relay.accepted("{\"n\":\"poison\"}").await;
    // Others have to be taken in between.
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut posted = 1;
    while relay.destination("bulk").await["dead_lettered"] == 0 {
        assert!(Instant::now() < deadline, "it is never given up");
        relay.accepted(format!("{{\"n\":{posted}}}")).await;
        posted += 1;
    }
    relay.drained("bulk").await;
    let letter: Value = serde_json::from_str(&setup.text("dead-letters/bulk.jsonl")).unwrap();
    assert_eq!(
        (&letter["id"], &letter["reason"]),
        (&json!(id), &json!("poison"))
    );
    assert_eq!(bulk.stored().len(), posted - 1);
}

#[tokio::test]
async fn a_template_that_refuses_every_event_holds_and_loses_none() {
    let bulk = FakeBulk::start().await;
    let refusal = json!({"_index": "i", "status": 400, "error": {
        "type": "strict_dynamic_mapping_exception", "reason": "not allowed"}});
    bulk.rule(move |_, _, _| Some(refusal.clone()));
    let setup = setup(&bulk, STREAM);
    let relay = setup.start();
    let mut ids = Vec::new();
    for n in 0..60 {
        ids.push(relay.accepted(format!("{{\"n\":{n}}}")).await);
    }
    let held = |status: &Value| {
        let reason = status["reason"].as_str().unwrap_or_default();
        status["state"] == "held" && reason.starts_with("rejections")
    };
    let status = relay.until("bulk", held).await;
    assert!(number(&status, "dead_lettered") < 20, "{status}");
    bulk.serve();
    relay.drained("bulk").await;
    // Those that had become dead letters are sent again.
    eventually("all are there", || bulk.stored().len() == ids.len()).await;
}

#[tokio::test]
async fn one_missing_index_of_several_holds_only_its_own_events() {
    let bulk = FakeBulk::start().await;
    bulk.rule(|_, index, _| {
        let error = json!({"type": "index_not_found_exception", "reason": "no such index"});
        let missing = index.starts_with("f-2");
        missing.then(|| json!({"_index": index, "status": 404, "error": error}))
    });
    let setup = setup(&bulk, "index = \"f-{yyyy.MM}\"");
    let relay = setup.start();
    for n in 0..5 {
        relay.accepted(format!("{{\"n\":{n}}}")).await;
    }
    let held = |status: &Value| status["held_partitions"][0]["events"] == 5;
    let status = relay.until("bulk", held).await;
    assert_ne!(status["state"], "held", "{status}");
    let name = status["held_partitions"][0]["name"].as_str().unwrap();
    assert!(name.starts_with("f-20") && name.len() == 9, "{name}");
    bulk.serve();
    assert_eq!(relay.drained("bulk").await["delivered"], 5);
    assert_eq!(bulk.stored_in(name), 5);
}
