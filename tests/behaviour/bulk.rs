//! Proves with the real binary that pressure, lost answers, a bad event, a template fault and a
//! missing index lose nothing at a bulk destination, and store nothing twice.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::fake_bulk::{FakeBulk, Turn};
use crate::fake_http::Reply;
use crate::relay::{Relay, Setup, TOKEN, answer, eventually};

/// A relay's set-up that delivers to this server alone.
pub(crate) fn setup(bulk: &FakeBulk, keys: &str) -> Setup {
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

/// A target with one name.
pub(crate) const STREAM: &str = "data_stream = \"logs-a-b\"";

/// A count of a destination's status.
pub(crate) fn number(status: &Value, key: &str) -> u64 {
    status[key].as_u64().unwrap()
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
