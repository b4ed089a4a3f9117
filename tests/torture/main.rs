//! Proves that the real binary, killed with SIGKILL at random moments under load and started again
//! at once, loses no event that it answered 2xx.
//!
//! `SIEM_RELAY_TORTURE_KILLS` sets the number of kills, `SIEM_RELAY_TORTURE_OUTAGES=0` leaves out
//! Splunk's outages, `SIEM_RELAY_TORTURE_LIFE_MS` is the latest moment of a kill after a start, and
//! `SIEM_RELAY_TORTURE_SEED` brings a plan back. The seed and the figures are printed
//! (`--nocapture` shows them).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

#[path = "../support/chance.rs"]
mod chance;
#[path = "../support/fake_http.rs"]
mod fake_http;
mod load;
mod oracle;
mod plan;
#[path = "../support/relay.rs"]
mod relay;
#[path = "../support/siem.rs"]
mod siem;

use load::Load;
use oracle::{Arrived, Figures, arrived_in_files};
use plan::{Mood, Plan};
use relay::{PATIENCE, POLL_PAUSE, Relay, Setup, Starting, release_binary};
use siem::{Siem, never, with_secrets};

/// How often a relay that was just started is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1);

const DESTINATIONS: [&str; 3] = ["splunk", "soar", "archive"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_answered_is_lost_through_kills_at_random_moments() {
    let mut plan = Plan::from_environment();
    println!("{plan}");
    let mood = Arc::new(Mood::default());
    let hec = {
        let mood = Arc::clone(&mood);
        Siem::hec(move |_| mood.refusal()).await
    };
    let http = Siem::http(never).await;
    hec.server.forget_requests();
    http.server.forget_requests();
    let setup = set_up(&hec, &http);

    let (binary, build) = release_binary();
    println!("{build} build");
    let load = Load::start();
    let mut restarts = Vec::new();
    let mut early = 0;
    for round in plan.rounds() {
        mood.set(round.mood);
        let ready_after = live_and_die(setup.begin(&binary), round.kill_after, &load).await;
        early += usize::from(ready_after.is_none());
        restarts.extend(ready_after);
    }
    let kills = plan.kills();
    mood.set(plan::TAKES);
    let posted = load.stop().await;
    let relay = setup.start();
    let mut delivered = Vec::new();
    for name in DESTINATIONS {
        delivered.push(drained(&relay, name).await);
    }
    assert!(relay.stop().await.success());

    let archived = arrived_in_files(&setup.path("archive"));
    let arrived = [hec.taken(), http.taken(), archived]
        .into_iter()
        .zip(DESTINATIONS)
        .map(|(ids, name)| Arrived::compare(name, &posted.answered, &ids))
        .collect();
    let figures = Figures {
        kills,
        early,
        posted,
        arrived,
        restarts,
    };
    println!("{figures}");
    figures.expect_load();
    for (arrived, destination) in figures.arrived.iter().zip(delivered) {
        arrived.expect_whole();
        assert_eq!(destination["accounting_mismatch"], 0, "{destination:#}");
        // What was stored and not answered is delivered, too, and each event is counted once.
        assert_eq!(destination["delivered"], arrived.events, "{}", arrived.name);
    }
}

/// Small segments that go as soon as they may, and files that are rotated: all of it under kills.
fn set_up(hec: &Siem, http: &Siem) -> Setup {
    let destinations = format!(
        r#"
[destinations.splunk]
kind = "splunk_hec"
url = "{}"
token_env = "HEC_TOKEN"
retry_initial = "20ms"
probe_interval = "200ms"
[destinations.soar]
kind = "http"
url = "{}/events"
envelope = true
bearer_token_env = "SOAR_TOKEN"
retry_initial = "20ms"
probe_interval = "200ms"
[destinations.archive]
kind = "file"
path = "archive/events.jsonl"
envelope = true
rotate_size = "4MiB"
"#,
        hec.url(),
        http.url()
    );
    let setup = with_secrets(Setup::new("", &destinations));
    setup.edit(
        "segment_size = \"1MiB\"",
        "segment_size = \"1MiB\"\nretain_delivered = \"0s\"\nresend_window = 1000",
    );
    setup
}

/// Lets the relay work until its moment has come, and kills it; how long it took to be ready.
async fn live_and_die(
    mut starting: Starting,
    kill_after: Duration,
    load: &Load,
) -> Option<Duration> {
    let kill_at = starting.started + kill_after;
    let ready_after = loop {
        let now = Instant::now();
        if now >= kill_at {
            break None;
        }
        if let Some(address) = starting.address() {
            load.aim_at(Some(address));
            break Some(starting.started.elapsed());
        }
        tokio::time::sleep_until((now + LOOK_EVERY).min(kill_at).into()).await; // poll
    };
    moment_of_kill(kill_at).await;
    starting.kill();
    load.aim_at(None);
    ready_after
}

/// The one wait for a time: the random moment is what is tested.
async fn moment_of_kill(at: Instant) {
    tokio::time::sleep_until(at.into()).await; // the moment of the kill
}

/// Waits until a destination has all, for as long as it goes on; its status then.
async fn drained(relay: &Relay, name: &str) -> Value {
    let mut last = u64::MAX;
    let mut deadline = Instant::now() + PATIENCE;
    loop {
        let destination = relay.destination(name).await;
        let backlog = destination["backlog_events"].as_u64().unwrap();
        if backlog == 0 {
            return destination;
        }
        if backlog < last {
            last = backlog;
            deadline = Instant::now() + PATIENCE;
        }
        assert!(Instant::now() < deadline, "stands still: {destination:#}");
        tokio::time::sleep(POLL_PAUSE).await; // poll
    }
}

#[test]
fn the_oracle_reads_all_files_of_a_rotated_destination() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("events.jsonl", "{\"id\":\"a\"}\n{\"id\":\"b\"}\n");
    write("events-1.jsonl", "{\"id\":\"a\"}\n");
    write("events.jsonl.lock", "");
    let ids = arrived_in_files(directory.path());
    assert_eq!((ids["a"], ids["b"]), (2, 1));
}

#[test]
#[should_panic(expected = "a torn last line")]
fn the_oracle_takes_no_torn_line() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("events.jsonl"), "{\"id\":\"a\"}\n{").unwrap();
    arrived_in_files(directory.path());
}
