//! Proves that a relay notices when a vendor changes its events: what changed is told with the
//! event that shows it, also after the relay is gone; broken contracts are counted and named; and
//! delivery goes on through all of it.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use crate::relay::{PATIENCE, POLL_PAUSE, Relay, Setup, answer, binary};

const ARCHIVE: &str = "[destinations.archive]\nkind = \"file\"\npath = \"out/archive.jsonl\"";
const CONTRACT: &str = r#"[contracts.open_findings]
source = "datatheorem"
type = "*_OPENED"
requires = ["/event/data/uuid"]
values = { "/event/data/severity" = ["LOW", "HIGH"] }
used_by = "appsec: high finding open for a day"
"#;

fn finding(number: u64) -> Value {
    let severity = if number.is_multiple_of(2) {
        "LOW"
    } else {
        "HIGH"
    };
    json!({ "event": { "type": "API__VIOLATION_OPENED", "data": {
        "uuid": format!("u{number}"),
        "severity": severity,
        "score": number,
        "asset": { "name": "gumtree" },
    } } })
}

async fn send(relay: &Relay, value: &Value) -> String {
    relay.accepted(value.to_string()).await
}

/// Waits until so many events were looked at since the start.
async fn looked_at(relay: &Relay, events: f64) {
    let sample = "siem_relay_drift_events_total{result=\"observed\"}";
    let deadline = Instant::now() + PATIENCE;
    while relay.metric(sample).await < events {
        assert!(Instant::now() < deadline, "events are not looked at");
        tokio::time::sleep(POLL_PAUSE).await; // poll
    }
}

/// The changes that the command tells: what, field, detail, event.
fn told(setup: &Setup, relay: Option<&Relay>, more: &[&str]) -> Vec<[String; 4]> {
    let (code, out, err) = run(setup, relay, &[&["--json"], more].concat());
    assert_eq!(code, 0, "{out}{err}");
    let lines = out.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["source"], "datatheorem");
        ["what", "field", "detail", "event"].map(|key| line[key].as_str().unwrap().to_owned())
    });
    lines.collect()
}

fn run(setup: &Setup, relay: Option<&Relay>, more: &[&str]) -> (i32, String, String) {
    let arguments = [&["drift", "--config", "config.toml"], more].concat();
    let mut command = setup.command(&binary(), &arguments);
    if let Some(relay) = relay {
        command.env("SIEM_RELAY_ADMIN__LISTEN", relay.admin.to_string());
    }
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn change(what: &str, field: &str, detail: &str, event: &str) -> [String; 4] {
    [what, field, detail, event].map(str::to_owned)
}

#[tokio::test]
async fn changes_are_told_with_their_events_by_the_relay_and_by_its_file() {
    let setup = Setup::new("", ARCHIVE);
    let (code, _, err) = run(&setup, None, &[]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("start the relay first"), "{err}");

    let relay = setup.start();
    for number in 0..6 {
        send(&relay, &finding(number)).await;
    }
    looked_at(&relay, 6.0).await;
    let learned = told(&setup, Some(&relay), &[]);
    assert_eq!(learned.len(), 1);
    assert_eq!(
        learned[0][..3],
        ["new_value", "/event/data/severity", "HIGH"]
    );

    let mut retyped = finding(6);
    retyped["event"]["data"]["score"] = json!("6");
    let retyped = send(&relay, &retyped).await;
    let mut dropped = finding(7);
    dropped["event"]["data"]
        .as_object_mut()
        .unwrap()
        .remove("asset");
    let dropped = send(&relay, &dropped).await;
    let mut worded = finding(8);
    worded["event"]["data"]["severity"] = json!("CRITICAL");
    worded["event"]["data"]
        .as_object_mut()
        .unwrap()
        .remove("asset");
    let worded = send(&relay, &worded).await;
    looked_at(&relay, 9.0).await;
    let expected = [
        change(
            "retyped",
            "/event/data/score",
            "string, was number",
            &retyped,
        ),
        change(
            "missing_field",
            "/event/data/asset",
            "absent in 2 event(s), was in 7",
            &dropped,
        ),
        change("new_value", "/event/data/severity", "CRITICAL", &worded),
    ];
    assert_eq!(told(&setup, Some(&relay), &[])[1..], expected);
    assert_eq!(told(&setup, Some(&relay), &["--since", "0s"]), [[""; 4]; 0]);
    assert_eq!(
        told(&setup, Some(&relay), &["--source", "other"]),
        [[""; 4]; 0]
    );
    let (_, out, _) = run(&setup, Some(&relay), &[]);
    assert!(
        out.starts_with(&format!(
            "the relay at {}: 9 event(s) looked at",
            relay.admin
        )),
        "{out}"
    );
    assert!(
        out.contains(&format!("first in event {worded}\n4 change(s)\n")),
        "{out}"
    );

    // Kept at the stop, told from the file, and gone on from after a restart.
    assert!(relay.stop().await.success());
    assert_eq!(told(&setup, None, &[])[1..], expected);
    let (_, out, _) = run(&setup, None, &[]);
    assert!(
        out.contains("journal/drift (admin.listen names no port to ask at): 9 event(s)"),
        "{out}"
    );
    let relay = setup.start();
    let mut newer = finding(9);
    newer["event"]["data"]["cvss"] = json!(9.8);
    let newer = send(&relay, &newer).await;
    looked_at(&relay, 1.0).await;
    // The field that was dropped is back, so it is missed no more.
    let after = [
        expected[0].clone(),
        expected[2].clone(),
        change("new_field", "/event/data/cvss", "number", &newer),
    ];
    assert_eq!(told(&setup, Some(&relay), &[])[1..], after);
}

#[tokio::test]
async fn a_broken_contract_is_counted_logged_and_shown_while_delivery_goes_on() {
    let setup = Setup::new(CONTRACT, ARCHIVE);
    let relay = setup.start();
    let breaches = "siem_relay_contract_breaches_total{contract=\"open_findings\"}";
    assert_eq!(relay.metric(breaches).await, 0.0);
    send(&relay, &finding(1)).await;
    let mut other = finding(2);
    other["event"] = json!({ "type": "API__ASSET_ADDED" });
    send(&relay, &other).await;
    let mut worded = finding(3);
    worded["event"]["data"]["severity"] = json!("sesame-severity");
    send(&relay, &worded).await;
    let mut missing = finding(4);
    missing["event"]["data"]
        .as_object_mut()
        .unwrap()
        .remove("uuid");
    let missing = send(&relay, &missing).await;
    looked_at(&relay, 4.0).await;
    assert_eq!(relay.metric(breaches).await, 2.0);
    let contract = relay.status().await["contracts"][0].clone();
    assert_eq!(contract["used_by"], "appsec: high finding open for a day");
    assert_eq!(
        (&contract["checked"], &contract["breaches"]),
        (&json!(3), &json!(2))
    );
    let last = &contract["last_breach"];
    assert_eq!(
        (&last["event"], &last["pointer"], &last["problem"]),
        (
            &json!(missing),
            &json!("/event/data/uuid"),
            &json!("missing")
        )
    );
    // One line a minute, which names the detection and not what the event holds.
    let log = relay.log_text();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("contract broken"))
        .collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in [
        "open_findings",
        "high finding open",
        "/event/data/severity",
        "unknown_value",
    ] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
    assert!(!log.contains("sesame"), "{log}");
    let archive = relay.drained("archive").await;
    assert_eq!(
        (&archive["delivered"], &archive["dead_lettered"]),
        (&json!(4), &json!(0))
    );
}

#[tokio::test]
async fn a_damaged_sketch_starts_anew_and_costs_no_event() {
    let setup = Setup::new("", ARCHIVE);
    let relay = setup.start();
    for number in 0..4 {
        send(&relay, &finding(number)).await;
    }
    looked_at(&relay, 4.0).await;
    assert!(relay.stop().await.success());
    let path = setup.path("journal/drift");
    std::fs::write(&path, cut(&path)).unwrap();
    let (code, _, err) = run(&setup, None, &[]);
    assert_eq!(code, 4, "{err}");
    assert!(err.contains("is damaged"), "{err}");
    let relay = setup.start();
    for number in [4, 6, 8] {
        send(&relay, &finding(number)).await;
    }
    // What is still in the journal is learned again.
    looked_at(&relay, 7.0).await;
    assert!(
        relay
            .log_text()
            .contains("the sketch of events starts anew")
    );
    assert_eq!(relay.drained("archive").await["delivered"], 7);
    assert!(relay.stop().await.success());
    assert_eq!(told(&setup, None, &[]).len(), 1);
}

fn cut(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    bytes[..bytes.len() / 2].to_vec()
}

#[tokio::test]
async fn the_report_needs_what_other_reads_need() {
    let setup = Setup::new("", ARCHIVE);
    setup.edit(
        "[admin]\nlisten = \"127.0.0.1:0\"",
        "[admin]\nlisten = \"0.0.0.0:0\"\nread_token_env = \"READ\"",
    );
    let setup = setup.env("READ", "a-read-token-of-enough-bytes");
    let relay = setup.start();
    let port = relay.admin.port();
    let url = format!("http://127.0.0.1:{port}/api/v1/drift");
    let bare = relay.client.get(&url).send().await.unwrap();
    assert_eq!(answer(bare).await.0, 401);
    let posted = relay
        .client
        .post(&url)
        .bearer_auth("a-read-token-of-enough-bytes");
    assert_eq!(answer(posted.send().await.unwrap()).await.0, 405);
    let (code, out, err) = run(&setup, Some(&relay), &[]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.starts_with(&format!("the relay at 127.0.0.1:{port}: 0 event(s)")),
        "{out}"
    );
}
