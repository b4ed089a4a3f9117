//! Proves: an optional destination that is dead stops nobody. Its oldest events are given up,
//! each counted once and the ranges told, also across a kill, and it goes on with the newer ones.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::fake_http::port::OwnPort;
use crate::relay::{Relay, Setup};
use crate::siem::{Siem, file_ids, never};

/// Ten times what the dead destination may hold.
const EVENTS: usize = 150;

/// The log lines that tell what was given up.
fn told(log: &str) -> Vec<Value> {
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut lines: Vec<_> = lines
        .filter(|line| line["message"] == "oldest events given up")
        .collect();
    lines.sort_by_key(|line| line["first"].as_u64());
    lines
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

async fn post(relay: &Relay, ids: &mut Vec<String>, count: usize) {
    for _ in 0..count {
        let body = format!("{{\"pad\":\"{}\"}}", "x".repeat(200_000));
        ids.push(relay.accepted(body).await);
    }
}

#[tokio::test]
async fn a_dead_optional_destination_stops_nobody_and_every_event_is_accounted_for() {
    // Nobody listens there.
    let dead = OwnPort::take();
    let destinations = format!(
        "[destinations.dead]\nkind = \"http\"\nurl = \"{}\"\nenvelope = true\n\
         required = false\nmax_backlog = \"3MiB\"\nretry_initial = \"50ms\"\n\
         retry_max = \"200ms\"\n\
         [destinations.archive]\nkind = \"file\"\npath = \"archive.jsonl\"\nenvelope = true",
        dead.url()
    );
    let setup = Setup::new("", &destinations);
    setup.edit("max_size = \"64MiB\"", "max_size = \"8MiB\"");
    let relay = setup.start();
    let mut ids = Vec::new();
    post(&relay, &mut ids, EVENTS).await;
    let archive = relay.drained("archive").await;
    assert_eq!(archive["delivered"], EVENTS);
    let archived = file_ids(&setup.text("archive.jsonl"));
    assert!(ids.iter().all(|id| archived.get(id) == Some(&1)));

    // Once what is left is within the limit nothing more is given up, and the worker follows.
    let settled = |status: &Value| {
        let lines = told(&relay.log_text());
        let events: u64 = lines.iter().map(|line| number(&line["events"])).sum();
        number(&status["retained_bytes"]) <= 3 << 20 && number(&status["discarded"]) == events
    };
    let status = relay.until("dead", settled).await;
    assert_eq!(status["required"], false);
    assert_eq!(status["max_backlog_bytes"], 3 << 20);
    let discarded = number(&status["discarded"]);
    let backlog = number(&status["backlog_events"]);
    assert!(discarded > 100, "{status:#}");
    assert_eq!(discarded + backlog, EVENTS as u64);
    let lines = told(&relay.log_text());
    assert_eq!(lines[0]["first"], 1);
    for pair in lines.windows(2) {
        assert_eq!(number(&pair[1]["first"]), number(&pair[0]["last"]) + 1);
    }
    let last = lines.last().unwrap();
    for key in ["events", "first", "last", "bytes", "reason"] {
        assert_eq!(status["last_shed"][key], last[key], "{status:#}");
    }
    let shed = "siem_relay_discarded_events_total{destination=\"dead\",reason=\"shed\"}";
    assert_eq!(relay.metric(shed).await, discarded as f64);

    // A kill changes nothing of it, and what is left arrives where somebody listens again.
    relay.kill();
    let http = Siem::http(never).await;
    setup.edit(&dead.url(), &http.url());
    let relay = setup.start();
    let status = relay.drained("dead").await;
    assert_eq!(number(&status["discarded"]), discarded);
    assert_eq!(number(&status["delivered"]), backlog);
    let taken: BTreeSet<_> = http.taken().into_keys().collect();
    let newest = ids.iter().skip(EVENTS - usize::try_from(backlog).unwrap());
    assert!(newest.eq(ids.iter().filter(|id| taken.contains(*id))));
}

#[tokio::test]
async fn a_configuration_without_a_required_destination_gets_a_warning() {
    let setup = Setup::new(
        "",
        "[destinations.archive]\nkind = \"file\"\npath = \"archive.jsonl\"\nrequired = false",
    );
    let (code, text, _) = setup.output(&["check", "--config", "config.toml"]);
    assert_eq!(code, 0);
    assert!(text.contains("no destination is required"), "{text}");
    setup.edit("required = false", "max_backlog = \"2MiB\"");
    let (code, _, problems) = setup.output(&["check", "--config", "config.toml"]);
    assert_eq!(code, 3);
    assert!(problems.contains("set required = false"), "{problems}");
}
