//! Proves with a HEC that behaves as Splunk does: outages of every kind lose nothing and repeat
//! only what may have been taken; accepted is not delivered until it is acknowledged; a forbidden
//! index holds its own events only; a paused destination waits.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::fake_hec::{FakeHec, Indexing, Turn};
use crate::fake_http::Reply;
use crate::relay::{Relay, Setup, TOKEN, eventually};

const HEC_TOKEN: &str = "11111111-2222-3333-4444-555555555555";
/// How long a fault lasts.
pub(crate) const OUTAGE: Duration = Duration::from_secs(3);
/// Events posted a second while it lasts, as far as the machine can.
const RATE: u32 = 2000;
const SENDERS: u32 = 8;

fn setup(hec: &FakeHec, keys: &str) -> Setup {
    hec.token(HEC_TOKEN);
    let destination = format!(
        "[destinations.splunk]\nkind = \"splunk_hec\"\nurl = \"{}\"\n\
         token_env = \"HEC_TOKEN\"\nprobe_interval = \"200ms\"\nretry_initial = \"50ms\"\n\
         retry_max = \"500ms\"\nack_interval = \"100ms\"\nack_timeout = \"1s\"\n{keys}",
        hec.url()
    );
    let write_token = "an-admin-write-token-of-32-bytes";
    let setup = Setup::new("", &destination).env("HEC_TOKEN", HEC_TOKEN);
    setup.edit("[admin]\n", "[admin]\nwrite_token_env = \"ADMIN_TOKEN\"\n");
    setup.edit(
        "max_body = \"256KiB\"",
        "max_body = \"256KiB\"\nmax_connections = 64",
    );
    setup.env("ADMIN_TOKEN", write_token)
}

/// Posts at [`RATE`] until the fault has lasted long enough; the ids answered.
pub(crate) async fn load(relay: &Relay) -> Vec<String> {
    let end = Instant::now() + OUTAGE;
    let url = format!("http://{}/hooks/datatheorem", relay.address);
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let request = relay.client.post(&url).bearer_auth(TOKEN);
        let request = request.header("content-type", "application/json");
        senders.spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_secs(1) * SENDERS / RATE);
            let mut ids = Vec::new();
            while Instant::now() < end {
                pace.tick().await;
                let body = format!("{{\"sender\":{sender},\"n\":{}}}", ids.len());
                let answer = request
                    .try_clone()
                    .unwrap()
                    .body(body)
                    .send()
                    .await
                    .unwrap();
                let (status, answer) = crate::relay::answer(answer).await;
                assert_eq!(status, 200, "{answer}");
                ids.push(answer["id"].as_str().unwrap().to_owned());
            }
            ids
        });
    }
    senders.join_all().await.concat()
}

/// All of them are there; how many copies more than one of each.
pub(crate) fn all_there(ids: &[String], indexed: &BTreeMap<String, usize>) -> usize {
    let missing: Vec<_> = ids.iter().filter(|id| !indexed.contains_key(*id)).collect();
    assert!(
        missing.is_empty(),
        "{} of {} are lost",
        missing.len(),
        ids.len()
    );
    indexed.values().sum::<usize>() - indexed.len()
}

async fn possible_resends(relay: &Relay) -> f64 {
    let sample =
        "siem_relay_duplicate_events_total{destination=\"splunk\",kind=\"possible_resend\"}";
    relay.metric(sample).await
}

/// A load during which every request meets `turn`; copies at the end, and resends counted.
async fn outage(turn: Turn) -> (usize, f64) {
    let hec = FakeHec::start().await;
    let setup = setup(&hec, "");
    let relay = setup.start();
    hec.next_posts(std::iter::repeat_n(turn, 100_000));
    let ids = load(&relay).await;
    assert!(ids.len() > 100, "only {} posted", ids.len());
    hec.serve();
    let status = relay.drained("splunk").await;
    assert_eq!(status["delivered"], json!(ids.len()));
    assert_eq!(status["dead_lettered"], 0);
    (
        all_there(&ids, &hec.indexed()),
        possible_resends(&relay).await,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_seconds_of_refusals_lose_nothing_and_repeat_nothing() {
    let refusals = [
        Reply::status(401, r#"{"text":"Invalid authorization","code":3}"#),
        Reply::status(
            404,
            r#"{"text":"The requested URL was not found","code":404}"#,
        ),
        Reply::status(503, r#"{"text":"Server is busy","code":9}"#),
        Reply::status(429, r#"{"text":"HEC queue is at capacity","code":26}"#)
            .header("retry-after", "1"),
    ];
    for refusal in refusals {
        let what = format!("{refusal:?}");
        let (copies, resends) = outage(Turn::Refuse(refusal)).await;
        assert_eq!((copies, resends), (0, 0.0), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_seconds_of_lost_answers_lose_nothing_and_count_each_repeat() {
    let (copies, resends) = outage(Turn::ServeThen(Reply::CloseWithoutAnswer)).await;
    assert!(copies > 0, "nothing was taken twice, so nothing was tested");
    let copies = u32::try_from(copies).unwrap();
    assert!(
        resends >= f64::from(copies),
        "{resends} counted of {copies}"
    );
}

#[tokio::test]
async fn five_percent_of_accepted_batches_vanish_and_all_events_arrive() {
    let hec = FakeHec::start().await;
    hec.acknowledge(true);
    let setup = setup(&hec, "");
    let relay = setup.start();
    let mut ids = Vec::new();
    for batch in 0..60 {
        hec.indexing(if batch % 20 == 7 {
            Indexing::Lost
        } else {
            Indexing::AtOnce
        });
        // Questions for acknowledgement come in between, and are no batches.
        let batches = || {
            let received = hec.server.received();
            received
                .iter()
                .filter(|one| one.path.ends_with("/event"))
                .count()
        };
        let before = batches();
        ids.push(relay.accepted(format!("{{\"n\":{batch}}}")).await);
        eventually("sent", || batches() > before).await;
    }
    let status = relay.drained("splunk").await;
    assert_eq!(status["delivered"], 60);
    assert_eq!(all_there(&ids, &hec.indexed()), 0);
    assert!(possible_resends(&relay).await >= 3.0);
}

#[tokio::test]
async fn an_acknowledgement_that_never_comes_means_another_copy_and_no_loss() {
    let hec = FakeHec::start().await;
    hec.acknowledge(true);
    hec.indexing(Indexing::Unacknowledged);
    let setup = setup(&hec, "");
    let relay = setup.start();
    let id = relay.accepted("{}").await;
    relay
        .until("splunk", |status| status["unconfirmed_batches"] == 1)
        .await;
    assert_eq!(relay.destination("splunk").await["delivered"], 0);
    eventually("it is sent again", || {
        hec.indexed().get(&id).is_some_and(|copies| *copies >= 2)
    })
    .await;
    hec.indexing(Indexing::AtOnce);
    relay.drained("splunk").await;
    assert_eq!(relay.destination("splunk").await["delivered"], 1);
}

#[tokio::test]
async fn a_restart_of_either_side_before_the_acknowledgement_loses_nothing() {
    let hec = FakeHec::start().await;
    hec.acknowledge(true);
    hec.indexing(Indexing::Waiting);
    let setup = setup(&hec, "");
    let relay = setup.start();
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push(relay.accepted(format!("{{\"n\":{n}}}")).await);
    }
    relay
        .until("splunk", |status| status["unconfirmed_batches"] != 0)
        .await;
    // The indexer forgets what it took, and what it promised.
    hec.restart();
    for n in 10..20 {
        ids.push(relay.accepted(format!("{{\"n\":{n}}}")).await);
    }
    relay
        .until("splunk", |status| status["unconfirmed_batches"] != 0)
        .await;
    relay.kill();
    hec.restart();
    hec.indexing(Indexing::AtOnce);
    let relay = setup.start();
    relay.drained("splunk").await;
    all_there(&ids, &hec.indexed());
}

#[tokio::test]
async fn a_forbidden_index_holds_its_own_events_only_and_goes_on_by_itself() {
    let hec = FakeHec::start().await;
    hec.allow_indexes(&["main"]);
    let keys = "index = \"main\"\nindexes = { other = \"secret\" }";
    let setup = setup(&hec, keys);
    setup.edit(
        "[sources.datatheorem]",
        "[sources.other]\npreset = \"generic\"\nauth = { bearer_token_env = \"TEST_TOKEN\" }\n\
         [sources.datatheorem]",
    );
    let relay = setup.start();
    let url = format!("http://{}/hooks/other", relay.address);
    let mut ids = Vec::new();
    for n in 0..20 {
        let request = relay.client.post(&url).bearer_auth(TOKEN);
        let request = request.header("content-type", "application/json");
        let answer = request.body(format!("{{\"n\":{n}}}")).send().await.unwrap();
        let (status, answer) = crate::relay::answer(answer).await;
        assert_eq!(status, 200, "{answer}");
        ids.push(answer["id"].as_str().unwrap().to_owned());
        ids.push(relay.accepted(format!("{{\"n\":{n}}}")).await);
    }
    let status = relay
        .until("splunk", |status| {
            status["delivered"] == 20 && status["backlog_events"] == 20
        })
        .await;
    let held = &status["held_partitions"][0];
    assert_eq!(
        (&held["name"], &held["events"]),
        (&json!("secret"), &json!(20))
    );
    assert_eq!(status["state"], "delivering");
    let gauge = "siem_relay_destination_held_partitions{destination=\"splunk\"}";
    assert_eq!(relay.metric(gauge).await, 1.0);
    hec.allow_indexes(&["main", "secret"]);
    let status = relay.drained("splunk").await;
    assert_eq!(status["delivered"], 40);
    assert_eq!(all_there(&ids, &hec.indexed()), 0);
}

#[tokio::test]
async fn a_destination_is_paused_resumed_and_tried_by_command() {
    let hec = FakeHec::start().await;
    let setup = setup(&hec, "");
    setup.edit("probe_interval = \"200ms\"", "probe_interval = \"1h\"");
    let relay = setup.start();
    // The file names no port, so the command is told.
    let admin = relay.admin.to_string();
    let command = |verb: &str| {
        let arguments = ["destination", verb, "--config", "config.toml", "splunk"];
        let mut command = setup.command(&crate::relay::binary(), &arguments);
        let output = command
            .env("SIEM_RELAY_ADMIN__LISTEN", &admin)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(command("pause").contains("paused"));
    relay
        .until("splunk", |status| status["state"] == "paused")
        .await;
    let id = relay.accepted("{}").await;
    relay
        .until("splunk", |status| status["backlog_events"] == 1)
        .await;
    assert!(hec.indexed().is_empty());
    hec.next_posts([Turn::Refuse(Reply::status(
        403,
        r#"{"text":"Invalid token","code":4}"#,
    ))]);
    command("resume");
    relay
        .until("splunk", |status| status["state"] == "held")
        .await;
    command("try");
    relay.drained("splunk").await;
    assert_eq!(hec.indexed().get(&id), Some(&1));
}
