//! Proves that what was answered 2xx arrives everywhere through a kill, and that a graceful stop
//! repeats nothing.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::fake_http::Reply;
use crate::relay::{Relay, Setup};
use crate::siem::{Four, NAMES, Siem, file_ids, never, with_secrets};

const EVENTS: usize = 1000;
const CLIENTS: usize = 16;

/// Posts until `EVENTS` were tried or the relay is gone; returns the ids answered 200.
async fn post_all(relay: &Relay, next: &Arc<AtomicUsize>) -> BTreeSet<String> {
    let answered = Arc::new(Mutex::new(BTreeSet::new()));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (next, answered, client) = (
            Arc::clone(next),
            Arc::clone(&answered),
            relay.client.clone(),
        );
        let url = format!("http://{}/hooks/datatheorem", relay.address);
        clients.spawn(async move {
            while next.load(Ordering::SeqCst) < EVENTS {
                let number = next.fetch_add(1, Ordering::SeqCst);
                let request = client
                    .post(&url)
                    .bearer_auth(crate::relay::TOKEN)
                    .header("content-type", "application/json")
                    .body(format!("{{\"n\":{number}}}"));
                let Ok(response) = request.send().await else {
                    return;
                };
                let Ok(text) = response.text().await else {
                    return;
                };
                let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
                if let Some(id) = answer["id"].as_str() {
                    answered.lock().unwrap().insert(id.to_owned());
                }
            }
        });
    }
    clients.join_all().await;
    let answered = answered.lock().unwrap();
    answered.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answered_event_arrives_everywhere_through_a_kill_in_the_middle() {
    let siems = Four::willing().await;
    let setup = &siems.setup;
    let next = Arc::new(AtomicUsize::new(0));

    let relay = setup.start();
    let pid = relay.pid().to_string();
    let killer = {
        let next = Arc::clone(&next);
        tokio::spawn(async move {
            crate::relay::eventually("half is posted", || {
                next.load(Ordering::SeqCst) >= EVENTS / 2
            })
            .await;
            std::process::Command::new("kill")
                .args(["-9", &pid])
                .status()
                .unwrap();
        })
    };
    let mut answered = post_all(&relay, &next).await;
    killer.await.unwrap();
    relay.kill();
    let before = answered.len();
    assert!(
        (EVENTS / 4..EVENTS).contains(&before),
        "the kill was not in the middle: {before}"
    );

    let relay = setup.start();
    answered.extend(post_all(&relay, &next).await);
    for name in NAMES {
        relay.drained(name).await;
    }
    let archive = file_ids(&setup.text("archive/events.jsonl"));
    for (name, taken) in [
        ("splunk", siems.hec.taken()),
        ("elastic", siems.elastic.taken()),
        ("soar", siems.http.taken()),
        ("archive", archive),
    ] {
        let lost: Vec<_> = answered
            .iter()
            .filter(|id| !taken.contains_key(*id))
            .collect();
        assert!(
            lost.is_empty(),
            "{name} lost {} of {}: {lost:?}",
            lost.len(),
            answered.len()
        );
        let repeated: usize = taken.values().map(|count| count - 1).sum();
        // At most what was delivered in the 10 ms before the kill, and the batch under way.
        assert!(repeated < EVENTS / 2, "{name} got {repeated} events twice");
    }
}

#[tokio::test]
async fn a_graceful_stop_settles_and_repeats_nothing() {
    let hec = Siem::hec(never).await;
    let destinations = format!(
        "[destinations.splunk]\nkind = \"splunk_hec\"\nurl = \"{}\"\ntoken_env = \"HEC_TOKEN\"",
        hec.url()
    );
    let setup = with_secrets(Setup::new("", &destinations));
    for round in 1..=3_usize {
        let relay = setup.start();
        for number in 0..20 {
            relay
                .accepted(format!("{{\"round\":{round},\"n\":{number}}}"))
                .await;
        }
        assert!(relay.stop().await.success());
        // The stop lets the worker end its attempt; what it did not begin waits for the next run.
    }
    let relay = setup.start();
    let status = relay.drained("splunk").await;
    assert_eq!(status["delivered"], 60);
    let taken = hec.taken();
    assert_eq!(taken.len(), 60);
    assert!(taken.values().all(|count| *count == 1), "{taken:?}");
}

#[tokio::test]
async fn events_wait_in_the_journal_for_a_destination_that_comes_later() {
    let file = "[destinations.first]\nkind = \"file\"\npath = \"first.jsonl\"\n";
    let setup = Setup::new("", file);
    let relay = setup.start();
    for number in 0..10 {
        relay.accepted(format!("{{\"n\":{number}}}")).await;
    }
    relay.drained("first").await;
    assert!(relay.stop().await.success());
    setup.edit(
        file,
        &format!("{file}[destinations.second]\nkind = \"file\"\npath = \"second.jsonl\"\n"),
    );
    let relay = setup.start();
    assert_eq!(relay.drained("second").await["delivered"], 10);
    assert_eq!(setup.text("second.jsonl"), setup.text("first.jsonl"));
    assert_eq!(relay.destination("first").await["delivered"], 10);
}

#[tokio::test]
async fn a_delivery_that_never_ends_does_not_keep_the_relay_from_stopping() {
    let file = "[destinations.stuck]\nkind = \"file\"\npath = \"stuck.jsonl\"\n";
    let setup = Setup::new("", file).env("SIEM_RELAY_SERVER__STOP_TIMEOUT", "1s");
    // Opening it waits for a reader that never comes, as a disk that hangs would.
    let lock = setup.path(".stuck.jsonl.lock");
    let made = std::process::Command::new("mkfifo").arg(&lock).status();
    assert!(made.unwrap().success());
    let relay = setup.start();
    relay.accepted("{\"n\":1}").await;
    relay
        .until("stuck", |status| status["last_attempt"].is_string())
        .await;
    assert!(relay.stop().await.success());
    std::fs::remove_file(&lock).unwrap();
    let relay = setup.start();
    assert_eq!(relay.drained("stuck").await["delivered"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_fails_delivers_nothing() {
    // Each such start would break an attempt off, and a supervisor starts again for ever.
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    let hec = Siem::hec(move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
        Some(Reply::status(503, ""))
    })
    .await;
    let destination = format!(
        "[destinations.splunk]\nkind = \"splunk_hec\"\nurl = \"{}\"\n\
         token_env = \"HEC_TOKEN\"\nretry_initial = \"60s\"\nretry_max = \"60s\"\n\
         gzip = false\nbatch_max_events = 1\n",
        hec.url()
    );
    let setup = with_secrets(Setup::new("", &destination));
    let relay = setup.start();
    // Enough that the start takes a moment.
    for number in 0..1500 {
        relay.accepted(format!("{{\"n\":{number}}}")).await;
    }
    relay
        .until("splunk", |status| status["state"] == "backing_off")
        .await;
    assert!(relay.stop().await.success());
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let before = requests.load(Ordering::SeqCst);
    let setup = setup.env("SIEM_RELAY_ADMIN__LISTEN", &address);
    for _ in 0..5 {
        let (code, _, stderr) = setup.output(&["run", "--config", "config.toml"]);
        assert_eq!(code, 5, "{stderr}");
    }
    assert_eq!(requests.load(Ordering::SeqCst), before);
}
