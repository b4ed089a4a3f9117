//! Proves the commands on a stopped relay's journal: they tell what is there and what is damaged,
//! save what can be read, and keep a renamed destination's place.

use std::path::PathBuf;

use serde_json::Value;

use crate::relay::Setup;

const FILE: &str = "[destinations.archive]\nkind = \"file\"\npath = \"archive.jsonl\"\n";

/// A stopped relay's directory with three delivered events, and their ids.
async fn stopped() -> (Setup, Vec<String>) {
    let setup = Setup::new("", FILE);
    let relay = setup.start();
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(relay.accepted(format!("{{\"n\":{number}}}")).await);
    }
    relay.drained("archive").await;
    assert!(relay.stop().await.success());
    (setup, ids)
}

fn journal(setup: &Setup, command: &[&str]) -> (i32, String, String) {
    let (name, rest) = command.split_first().unwrap();
    let arguments = [&["journal", name, "--config", "config.toml"], rest].concat();
    setup.output(&arguments)
}

fn segment(setup: &Setup) -> PathBuf {
    setup.path("journal").join("00000000000000000001.seg")
}

#[tokio::test]
async fn a_sound_journal_is_verified_inspected_and_exported() {
    let (setup, ids) = stopped().await;
    let (code, out, err) = journal(&setup, &["verify"]);
    assert_eq!(
        (code, out.as_str()),
        (0, "1 segment(s), 3 event(s), 0 problem(s)\n"),
        "{err}"
    );
    let (code, out, _) = journal(&setup, &["inspect"]);
    assert_eq!(code, 0);
    assert!(out.contains("3 event(s), positions 1 to 3"), "{out}");
    assert!(
        out.contains("destination archive: settled up to 3, 0 range(s)"),
        "{out}"
    );
    let (code, out, _) = journal(&setup, &["export"]);
    assert_eq!(code, 0);
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        lines
            .iter()
            .map(|line| line["id"].as_str().unwrap())
            .eq(&ids)
    );
    assert_eq!(lines[2]["original"], "{\"n\":2}");
    assert_eq!(lines[2]["source"], "datatheorem");
    let received = lines[2]["received"].as_str().unwrap();
    let later = journal(&setup, &["export", "--since", received]).1;
    assert!(later.contains(&ids[2]) && later.lines().count() <= 3);
    assert_eq!(
        journal(&setup, &["export", "--until", "2020-01-01T00:00:00Z"]).1,
        ""
    );
    assert_eq!(journal(&setup, &["export", "--source", "another"]).1, "");
    assert_eq!(journal(&setup, &["export", "--since", "yesterday"]).0, 2);
}

#[tokio::test]
async fn damage_is_told_and_what_can_be_read_is_saved() {
    let (setup, ids) = stopped().await;
    let mut bytes = std::fs::read(segment(&setup)).unwrap();
    let second = bytes
        .windows(7)
        .position(|window| window == b"{\"n\":1}")
        .unwrap();
    bytes[second] ^= 1;
    std::fs::write(segment(&setup), bytes).unwrap();
    let (code, out, err) = journal(&setup, &["verify"]);
    assert_eq!(
        (code, out.as_str()),
        (4, "1 segment(s), 2 event(s), 1 problem(s)\n")
    );
    assert!(
        err.contains("after position 1; valid records follow"),
        "{err}"
    );
    let (code, out, _) = journal(&setup, &["export"]);
    assert_eq!(code, 4);
    let saved: Vec<_> = ids.iter().filter(|id| out.contains(*id)).collect();
    assert_eq!(saved, [&ids[0], &ids[2]]);
}

#[tokio::test]
async fn a_renamed_destination_goes_on_where_it_was() {
    let (setup, _) = stopped().await;
    let (code, _, err) = journal(&setup, &["rename", "archive", "store"]);
    assert_eq!(code, 2, "{err}");
    setup.edit("[destinations.archive]", "[destinations.store]");
    assert_eq!(journal(&setup, &["rename", "unknown", "store"]).0, 2);
    let (code, out, err) = journal(&setup, &["rename", "archive", "store"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(out, "destination store goes on where archive was\n");
    // A destination that has letters: their log keeps its name.
    std::fs::write(setup.path("dead-letters/store.jsonl"), "a letter\n").unwrap();
    setup.edit("[destinations.store]", "[destinations.archive]");
    let (code, out, err) = journal(&setup, &["rename", "store", "archive"]);
    assert_eq!(code, 0, "{err}");
    let (first, second) = out.split_once('\n').unwrap();
    assert_eq!(first, "destination archive goes on where store was");
    assert!(
        second.contains("/store.jsonl") && second.contains("/archive.jsonl"),
        "{second}"
    );
    setup.edit("[destinations.archive]", "[destinations.store]");
    std::fs::remove_file(setup.path("dead-letters/store.jsonl")).unwrap();
    assert_eq!(journal(&setup, &["rename", "archive", "store"]).0, 0);
    let relay = setup.start();
    relay.accepted("{\"n\":3}").await;
    assert_eq!(relay.drained("store").await["delivered"], 4);
    assert_eq!(setup.text("archive.jsonl").lines().count(), 4);
    let (code, _, err) = journal(&setup, &["verify"]);
    assert_eq!(code, 4, "the relay runs");
    assert!(err.contains("in use by another process"), "{err}");
}
