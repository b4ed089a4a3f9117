//! Proves of dead letters, with the real binary: they are listed and shown, sent again exactly once
//! when the destination takes them, also over a kill, and given up with true accounts.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::fake_http::port::OwnPort;
use crate::fake_http::{Received, Reply};
use crate::relay::{Relay, Setup, eventually};
use crate::siem::Siem;

const WRITE_TOKEN: &str = "write-token-of-31-bytes-for-you";
const SECRET: &str = "soar-token-of-24-bytes!!";

/// What the destination does with events whose payload has `"bad"`.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Refuses,
    Takes,
    /// It takes nothing of the bad ones and never answers about them.
    Silent,
}

/// A relay's set-up with one HTTP destination that refuses some events, one by one.
struct Picky {
    siem: Siem,
    mood: Arc<Mutex<Mood>>,
    setup: Setup,
    /// Written in the config: commands must find it.
    _admin: OwnPort,
}

impl Picky {
    async fn new(extra: &str) -> Self {
        let mood = Arc::new(Mutex::new(Mood::Refuses));
        let shared = Arc::clone(&mood);
        let siem = Siem::http(move |request: &Received| {
            // Not the bare word: an event's id is hexadecimal and can have it.
            let bad = request.text().contains("\"bad\":");
            match *shared.lock().unwrap() {
                _ if !bad => None,
                Mood::Takes => None,
                // A receiver that repeats the credential it was sent.
                Mood::Refuses => Some(Reply::status(422, format!("no: Bearer {SECRET}"))),
                Mood::Silent => Some(Reply::Stall),
            }
        })
        .await;
        let admin = OwnPort::take();
        let text = format!(
            r#"
[server]
listen = "127.0.0.1:0"
drain_delay = "0s"
max_body = "256KiB"
[admin]
listen = "{}"
write_token_env = "WRITE_TOKEN"
[journal]
directory = "journal"
segment_size = "1MiB"
max_size = "64MiB"
allow_ephemeral = true
[dead_letters]
directory = "dead-letters"
{extra}
[sources.datatheorem]
preset = "datatheorem"
auth = {{ bearer_token_env = "TEST_TOKEN" }}
[destinations.soar]
kind = "http"
url = "{}/events"
envelope = true
batch_max_events = 1
bearer_token_env = "SOAR_TOKEN"
retry_initial = "20ms"
probe_interval = "100ms"
"#,
            admin.address(),
            siem.url()
        );
        let setup = Setup::with_text(&text)
            .env("WRITE_TOKEN", WRITE_TOKEN)
            .env("SOAR_TOKEN", SECRET);
        Self {
            siem,
            mood,
            setup,
            _admin: admin,
        }
    }

    fn mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Posts good and bad events, and waits until all are settled; the bad ones' ids.
    async fn fill(&self, relay: &Relay, bad: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for number in 0..bad {
            ids.push(relay.accepted(format!("{{\"bad\":{number}}}")).await);
            relay.accepted(format!("{{\"good\":{number}}}")).await;
        }
        relay.drained("soar").await;
        ids
    }

    fn letters(&self, command: &[&str]) -> (i32, String, String) {
        let (name, rest) = command.split_first().unwrap();
        let arguments = [&["dead-letters", name, "--config", "config.toml"], rest].concat();
        self.setup.output(&arguments)
    }

    /// What a command that must work prints.
    fn told(&self, command: &[&str]) -> String {
        let (code, out, err) = self.letters(command);
        assert_eq!(code, 0, "{command:?}: {out}{err}");
        out
    }

    fn listed(&self, more: &[&str]) -> Vec<Value> {
        let out = self.told(&[&["list", "--json"], more].concat());
        let lines = out.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Waits until the replay has nothing left.
async fn replayed(relay: &Relay, present: u64) -> Value {
    let done = |it: &Value| {
        it["dead_letters"]["replaying"] == 0 && it["dead_letters"]["present"] == present
    };
    relay.until("soar", done).await
}

async fn metric(relay: &Relay, name: &str) -> f64 {
    let sample = format!("siem_relay_{name}{{destination=\"soar\"}}");
    relay.metric(&sample).await
}

#[tokio::test]
async fn letters_are_listed_shown_and_replayed_exactly_once_when_the_destination_is_mended() {
    let picky = Picky::new("").await;
    let relay = picky.setup.start();
    let ids = picky.fill(&relay, 4).await;
    let listed = picky.listed(&[]);
    // In the order of their deaths, which need not be that of the events.
    let told: BTreeSet<_> = listed.iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(
        (listed.len(), &told),
        (4, &ids.iter().map(|id| &**id).collect())
    );
    assert!(listed.iter().all(|it| it["reason"] == "rejected"
        && it["source"] == "datatheorem"
        && it["destination"] == "soar"
        && it["state"] == "dead"));
    assert_eq!(picky.listed(&["--limit", "2"]).len(), 2);
    assert_eq!(
        picky
            .listed(&["--id", &ids[1], "--reason", "rejected"])
            .len(),
        1
    );
    assert_eq!(picky.listed(&["--until", "2020-01-01T00:00:00Z"]).len(), 0);
    assert_eq!(picky.listed(&["--source", "other"]).len(), 0);
    let line = picky.told(&["list", "--id", &ids[0]]);
    let end = " soar rejected datatheorem 1 dead\n";
    assert!(line.starts_with(&ids[0]) && line.ends_with(end), "{line}");
    let shown: Value = serde_json::from_str(&picky.told(&["show", &ids[2]])).unwrap();
    assert_eq!(shown["original"], "{\"bad\":2}");
    assert!(shown["detail"].as_str().unwrap().contains("422"), "{shown}");
    for text in [
        shown.to_string(),
        picky.setup.text("dead-letters/soar.jsonl"),
    ] {
        assert!(!text.contains(SECRET) && !text.contains(WRITE_TOKEN));
    }
    assert_eq!(
        picky
            .letters(&["show", "019aaf1f-0000-7000-8000-000000000001"])
            .0,
        2
    );
    assert_eq!(picky.letters(&["replay"]).0, 2, "which letters is not said");

    let out = picky.told(&["replay", "--destination", "soar", "--dry-run"]);
    assert_eq!(out, "destination soar: 4 letter(s) would send again\n");
    // Not mended yet: refused again, and dead still.
    picky.told(&["replay", "--id", &ids[0]]);
    let again = || picky.listed(&["--id", &ids[0]])[0].clone();
    eventually("refused again", || again()["attempts"] == 2).await;
    assert_eq!(again()["state"], "dead");
    assert!(picky.siem.taken().keys().all(|id| !ids.contains(id)));

    picky.mood(Mood::Takes);
    assert_eq!(
        picky.told(&["replay", "--all"]),
        "destination soar: 4 letter(s) to be sent again\n"
    );
    let status = replayed(&relay, 0).await;
    assert_eq!(status["dead_letters"]["oldest"], Value::Null);
    assert_eq!(
        (&status["delivered"], &status["dead_lettered"]),
        (&json!(4), &json!(4))
    );
    assert_eq!(metric(&relay, "dead_letters_replayed_total").await, 4.0);
    assert_eq!(metric(&relay, "dead_letter_events").await, 0.0);
    assert_eq!(
        picky.told(&["replay", "--all"]),
        "destination soar: 0 letter(s) to be sent again\n"
    );
    relay.accepted("{\"good\":9}").await;
    relay.drained("soar").await;
    let mut replays: Vec<(String, String)> = Vec::new();
    for request in picky.siem.server.received() {
        for event in serde_json::from_slice::<Vec<Value>>(&request.body).unwrap() {
            if let Some(replay) = event["replay_id"].as_str() {
                replays.push((replay.to_owned(), event["id"].as_str().unwrap().to_owned()));
            }
        }
    }
    let of_all: BTreeSet<_> = replays[1..].iter().map(|(_, id)| &**id).collect();
    assert_eq!((replays.len(), of_all), (5, told), "{replays:?}");
    assert!(
        replays[0].1 == ids[0] && replays[0].0 != replays[1].0,
        "{replays:?}"
    );
    assert!(
        replays[1..]
            .iter()
            .all(|(replay, _)| *replay == replays[1].0),
        "{replays:?}"
    );
    let taken = picky.siem.taken();
    assert_eq!(taken.len(), 9);
    assert!(taken.values().all(|times| *times == 1), "{taken:?}");
    assert_eq!(picky.listed(&[]).len(), 0);
}

#[tokio::test]
async fn a_replay_goes_on_after_a_kill_and_one_asked_of_no_relay_begins_at_the_next_start() {
    let picky = Picky::new("").await;
    let relay = picky.setup.start();
    let ids: BTreeSet<_> = picky.fill(&relay, 3).await.into_iter().collect();
    // A kill would take the place of the last 10 ms, whose events then go once more.
    assert!(relay.stop().await.success());
    let out = picky.told(&["replay", "--destination", "soar"]);
    assert!(out.contains("3 letter(s) to be sent again"), "{out}");
    assert!(out.contains("no relay runs"), "{out}");
    // The first attempt gets no answer, and the relay is killed within it.
    picky.mood(Mood::Silent);
    let before = picky.siem.server.received().len();
    let relay = picky.setup.start();
    eventually("an attempt", || picky.siem.server.received().len() > before).await;
    let waiting = picky.listed(&[]);
    assert!(
        waiting.iter().any(|it| it["state"] == "sending"),
        "{waiting:?}"
    );
    relay.kill();
    picky.mood(Mood::Takes);
    let relay = picky.setup.start();
    replayed(&relay, 0).await;
    let taken = picky.siem.taken();
    assert!(ids.iter().all(|id| taken[id] == 1), "{taken:?}");
    let sample = "siem_relay_duplicate_events_total{destination=\"soar\",kind=\"possible_resend\"}";
    assert_eq!(
        relay.metric(sample).await,
        1.0,
        "the attempt that was left open"
    );
    // New events were not held up, nor their count.
    relay.accepted("{\"good\":9}").await;
    assert_eq!(relay.drained("soar").await["delivered"], 4);
}

#[tokio::test]
async fn a_purge_moves_letters_to_the_discarded_ones_once_with_and_without_a_relay() {
    let picky = Picky::new("").await;
    let relay = picky.setup.start();
    let ids = picky.fill(&relay, 5).await;
    assert_eq!(
        picky.letters(&["purge", "--dry-run"]).0,
        2,
        "which is not said"
    );
    let out = picky.told(&["purge", "--all", "--dry-run"]);
    assert_eq!(out, "destination soar: 5 letter(s) would give up\n");
    let out = picky.told(&["purge", "--id", &ids[0], "--id", &ids[1]]);
    assert_eq!(out, "destination soar: 2 letter(s) given up\n");
    let counts = |dead: u64, discarded: u64| {
        move |it: &Value| it["dead_lettered"] == dead && it["discarded"] == discarded
    };
    let status = relay.until("soar", counts(3, 2)).await;
    assert_eq!(status["dead_letters"]["present"], 3);
    let discarded =
        relay.metric("siem_relay_discarded_events_total{destination=\"soar\",reason=\"purged\"}");
    assert_eq!(discarded.await, 2.0);
    assert_eq!(metric(&relay, "accounting_mismatch_events").await, 0.0);
    relay.kill();
    let out = picky.told(&["purge", "--id", &ids[2]]);
    assert_eq!(out, "destination soar: 1 letter(s) given up\n");
    for _ in 0..2 {
        let relay = picky.setup.start();
        let status = relay.until("soar", counts(2, 3)).await;
        assert_eq!(
            (&status["accepted"], &status["delivered"]),
            (&json!(10), &json!(5))
        );
        assert_eq!(status["dead_letters"]["present"], 2);
        assert_eq!(metric(&relay, "accounting_mismatch_events").await, 0.0);
        relay.kill();
    }
    assert_eq!(picky.listed(&[]).len(), 2);
}

#[tokio::test]
async fn a_full_log_holds_its_destination_until_letters_are_purged() {
    let picky = Picky::new("max_size = \"1MiB\"").await;
    let relay = picky.setup.start();
    let padding = "x".repeat(200_000);
    for number in 0..4 {
        relay
            .accepted(format!("{{\"bad\":{number},\"p\":\"{padding}\"}}"))
            .await;
    }
    relay.accepted("{\"good\":1}").await;
    let held = relay.until("soar", |it| it["state"] == "held").await;
    let reason = held["reason"].as_str().unwrap();
    assert!(reason.contains("dead_letters: ") && reason.contains("dead_letters.max_size"));
    assert_eq!(held["dead_letters"]["present"], 2, "each is 200 KB twice");
    assert_eq!(
        (&held["backlog_events"], &held["delivered"]),
        (&json!(3), &json!(0))
    );
    // Room for one more, and it goes on by itself to the next.
    picky.told(&["purge", "--limit", "1"]);
    let settled = |dead: u64, discarded: u64, backlog: u64| {
        move |it: &Value| {
            it["dead_lettered"] == dead
                && it["discarded"] == discarded
                && it["backlog_events"] == backlog
        }
    };
    relay.until("soar", settled(2, 1, 2)).await;
    picky.told(&["purge", "--all"]);
    let done = relay.until("soar", settled(1, 3, 0)).await;
    assert_eq!(done["delivered"], 1);
    assert_eq!(done["dead_letters"]["present"], 1);
}
