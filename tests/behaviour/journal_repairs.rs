//! Proves that a damaged place holds the destination that needs it and can be passed, while the
//! relay runs and while it is stopped: the place's event is counted as discarded, all others
//! arrive. And that a destination that is gone can be forgotten while the relay runs.

use serde_json::{Value, json};

use crate::relay::{Relay, Setup, answer, binary};

const ARCHIVE: &str = "[destinations.archive]\nkind = \"file\"\npath = \"archive.jsonl\"\n\
                       probe_interval = \"50ms\"\n";
const WRITE_TOKEN: &str = "a-write-token-for-tests-of-33-bytes";

/// A configuration with a write token.
fn setup(destinations: &str) -> Setup {
    let setup = Setup::new("", destinations).env("WRITE_TOKEN", WRITE_TOKEN);
    setup.edit("[admin]", "[admin]\nwrite_token_env = \"WRITE_TOKEN\"");
    setup
}

/// A running relay whose destination is held by the second of five stored events.
async fn held() -> (Setup, Relay, Vec<String>) {
    let setup = setup("");
    setup.edit("[journal]", "[journal]\ncollect_only = true");
    let relay = setup.start();
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(relay.accepted(format!("{{\"n\":{number}}}")).await);
    }
    assert!(relay.stop().await.success());
    let segment = setup.path("journal").join("00000000000000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let found = bytes.windows(7).position(|window| window == b"{\"n\":1}");
    bytes[found.unwrap()] ^= 1;
    std::fs::write(segment, bytes).unwrap();
    setup.edit("collect_only = true", "collect_only = false");
    setup.edit("[sources.", &format!("{ARCHIVE}[sources."));
    let relay = setup.start();
    let archive = relay
        .until("archive", |archive| {
            archive["state"] == "held" && archive["delivered"] == 1
        })
        .await;
    let reason = archive["reason"].as_str().unwrap();
    let command = "`siem-relay journal skip --config FILE --after 1`";
    assert!(reason.contains(command), "{reason}");
    (setup, relay, ids)
}

/// All but the second event arrived, and that one is accounted for.
async fn gone_on(setup: &Setup, relay: &Relay) {
    let archive = relay.drained("archive").await;
    let counts = ["accepted", "delivered", "discarded", "accounting_mismatch"];
    assert_eq!(counts.map(|key| &archive[key]), [5, 4, 1, 0], "{archive:#}");
    let delivered = setup.text("archive.jsonl");
    let delivered: Vec<&str> = delivered.lines().collect();
    assert_eq!(delivered, [0, 2, 3, 4].map(|n| format!("{{\"n\":{n}}}")));
    assert_eq!(relay.status().await["journal"]["damaged"], json!([]));
    let gauge = "siem_relay_storage_damaged_places";
    assert_eq!(relay.metric(gauge).await, 0.0);
}

/// Runs a command on the journal, told where the running relay's admin listener is.
fn journal(setup: &Setup, relay: Option<&Relay>, command: &[&str]) -> (i32, String, String) {
    let (name, rest) = command.split_first().unwrap();
    let arguments = [&["journal", name, "--config", "config.toml"], rest].concat();
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

async fn post(relay: &Relay, path: &str, body: Value) -> (u16, Value) {
    let url = format!("http://{}/api/v1/journal/{path}", relay.admin);
    let request = relay.client.post(url).bearer_auth(WRITE_TOKEN);
    let request = request.header("content-type", "application/json");
    answer(request.body(body.to_string()).send().await.unwrap()).await
}

fn place(done: &str) -> String {
    format!(
        "{done} 00000000000000000001.seg at offset OFFSET, after position 1 through 2: 1 event(s) \
         given up\n"
    )
}

/// The output with the offset, which depends on the provenance's length, left out.
fn without_offset(out: &str) -> String {
    let (before, rest) = out.split_once("at offset ").unwrap();
    let (_, after) = rest.split_once(',').unwrap();
    format!("{before}at offset OFFSET,{after}")
}

#[tokio::test]
async fn a_running_relay_passes_a_damaged_place_and_goes_on() {
    let (setup, relay, ids) = held().await;
    let damaged = relay.status().await["journal"]["damaged"].clone();
    assert_eq!(damaged[0]["file"], "00000000000000000001.seg");
    assert_eq!(
        (&damaged[0]["after"], damaged.as_array().unwrap().len()),
        (&json!(1), 1)
    );
    let gauge = "siem_relay_storage_damaged_places";
    assert_eq!(relay.metric(gauge).await, 1.0);
    let (code, out, err) = journal(&setup, Some(&relay), &["skip", "--dry-run"]);
    assert_eq!(
        (code, without_offset(&out)),
        (0, place("would pass")),
        "{err}"
    );
    assert_eq!(relay.status().await["journal"]["damaged"], damaged);
    let (code, out, err) = journal(&setup, Some(&relay), &["skip"]);
    assert_eq!(code, 0, "{err}");
    assert!(without_offset(&out).starts_with(&place("passed")), "{out}");
    gone_on(&setup, &relay).await;
    for again in [&["skip"][..], &["skip", "--after", "1"]] {
        let (code, out, err) = journal(&setup, Some(&relay), again);
        assert_eq!(code, 0, "{err}");
        assert!(out.starts_with("nothing to do: "), "{out}");
    }
    let total = "siem_relay_admin_commands_total{command=\"journal_skip\",result=";
    assert_eq!(relay.metric(&format!("{total}\"done\"}}")).await, 3.0);
    assert_eq!(relay.metric(&format!("{total}\"previewed\"}}")).await, 1.0);
    let log = relay.log_text();
    assert_eq!(log.matches("command carried out").count(), 4, "{log}");
    assert!(log.contains("1 place(s), 1 event(s)") && log.contains("\"peer\":\"127.0.0.1:"));
    assert!(!log.contains(WRITE_TOKEN));
    assert!(relay.stop().await.success());
    let (code, _, err) = journal(&setup, None, &["verify"]);
    assert_eq!(code, 4);
    assert!(
        err.contains("passed with `siem-relay journal skip`"),
        "{err}"
    );
    assert!(!journal(&setup, None, &["export"]).1.contains(&ids[1]));
}

#[tokio::test]
async fn a_stopped_relay_s_journal_is_passed_over_and_the_next_start_goes_on() {
    let (setup, relay, _) = held().await;
    assert!(relay.stop().await.success());
    for _ in 0..2 {
        let (code, out, err) = journal(&setup, None, &["skip", "--dry-run"]);
        assert_eq!(
            (code, without_offset(&out)),
            (0, place("would pass")),
            "{err}"
        );
    }
    let (_, _, err) = journal(&setup, None, &["verify"]);
    assert!(!err.contains("passed with"), "{err}");
    let (code, out, _) = journal(&setup, None, &["skip", "--after", "3"]);
    assert_eq!(
        (code, out.contains("behind position 3")),
        (0, true),
        "{out}"
    );
    let (code, out, err) = journal(&setup, None, &["skip"]);
    assert_eq!((code, without_offset(&out)), (0, place("passed")), "{err}");
    let (code, out, _) = journal(&setup, None, &["skip"]);
    assert_eq!(
        (code, out.as_str()),
        (0, "nothing to do: no known damage holds a destination\n")
    );
    let relay = setup.start();
    gone_on(&setup, &relay).await;
}

#[tokio::test]
async fn a_destination_that_is_gone_is_forgotten_while_the_relay_runs() {
    let old = "[destinations.old]\nkind = \"file\"\npath = \"old.jsonl\"\n";
    let setup = setup(&format!("{ARCHIVE}{old}"));
    let relay = setup.start();
    relay.accepted("{\"n\":0}").await;
    relay.drained("old").await;
    assert!(relay.stop().await.success());
    setup.edit(old, "");
    let relay = setup.start();
    relay.accepted("{\"n\":1}").await;
    relay.accepted("{\"n\":2}").await;
    relay.drained("archive").await;
    let warned = |status: Value| status["warnings"].to_string().contains("journal forget");
    assert!(warned(relay.status().await));
    let (code, _, err) = journal(&setup, Some(&relay), &["forget", "archive"]);
    assert_eq!(code, 2, "{err}");
    let (status, refused) = post(&relay, "forget", json!({"destination": "archive"})).await;
    assert_eq!(
        (status, &refused["error"]),
        (409, &json!("conflict")),
        "{refused}"
    );
    let (code, out, err) = journal(&setup, Some(&relay), &["forget", "old"]);
    let expected = "forgot destination old; 2 event(s) were waiting for it\n";
    assert_eq!((code, out.as_str()), (0, expected), "{err}");
    assert!(!warned(relay.status().await));
    let (code, _, err) = journal(&setup, Some(&relay), &["forget", "old"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("not registered in the journal"), "{err}");
    relay.accepted("{\"n\":3}").await;
    assert_eq!(relay.drained("archive").await["delivered"], 4);
    assert!(relay.stop().await.success());
    assert!(
        !journal(&setup, None, &["inspect"])
            .1
            .contains("destination old")
    );
}

#[tokio::test]
async fn without_the_write_token_the_command_says_what_to_do_and_changes_nothing() {
    let (setup, relay, _) = held().await;
    let other = setup.path("other");
    std::fs::write(other, "not-the-write-token-of-this-relay").unwrap();
    setup.edit(
        "write_token_env = \"WRITE_TOKEN\"",
        "write_token_file = \"other\"",
    );
    let (code, _, err) = journal(&setup, Some(&relay), &["skip"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("401 unauthorized"), "{err}");
    setup.edit("write_token_file = \"other\"", "");
    let (code, _, err) = journal(&setup, Some(&relay), &["skip"]);
    assert_eq!(code, 4, "{err}");
    for part in [
        "in use by another process",
        "admin.write_token_file",
        "stop it",
    ] {
        assert!(err.contains(part), "{err}");
    }
    assert_eq!(relay.destination("archive").await["discarded"], 0);
    assert!(relay.stop().await.success());
    // Started without one, it takes commands from nobody.
    let relay = setup.start();
    let (status, refused) = post(&relay, "skip", json!({"all": true})).await;
    assert_eq!(
        (status, &refused["error"]),
        (403, &json!("forbidden")),
        "{refused}"
    );
    let (code, _, err) = journal(&setup, None, &["skip"]);
    assert_eq!(code, 4, "{err}");
}
