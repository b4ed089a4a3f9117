//! Proves that logs of every released version are read, for ever: their bytes are committed.

use super::*;

fn fixture(version: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fixtures.join(format!("dead-letters-{version}"))
}

/// The log of a version, opened in a copy of it.
fn opened(version: &str) -> (tempfile::TempDir, DeadLetterLog) {
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("splunk.jsonl");
    std::fs::copy(fixture(version).join("splunk.jsonl"), to).unwrap();
    let log = DeadLetterLog::open(directory.path(), "splunk", 1 << 20).unwrap();
    (directory, log)
}

#[test]
fn version_1_is_read_as_it_was_written() {
    let (directory, log) = opened("v1");
    let summary = log.summary();
    assert_eq!((summary.letters, summary.waiting), (4, 2));
    assert!(log.has_uncounted());
    let mut letters = Vec::new();
    read(directory.path(), "splunk", &Filter::default(), |letter| {
        letters.push(letter);
        true
    })
    .unwrap();
    let states: Vec<_> = letters.iter().map(|letter| letter.state.as_str()).collect();
    assert_eq!(states, ["dead", "waiting", "sending", "dead"]);
    let reasons: Vec<_> = letters.iter().map(|letter| letter.text("reason")).collect();
    assert_eq!(reasons, ["rejected", "rejected", "too_large", "too_large"]);
    assert_eq!(letters[3].attempts(), 4, "of the last refusal");
    let event = letters[0].event().unwrap();
    assert_eq!(event.payload, "{\"n\": 1e400}");
    assert_eq!(event.received_ms, 1_763_900_000_123);
    assert_eq!(event.provenance.auth, AuthMethod::Bearer);
    assert_eq!(event.provenance.headers[0].0, "x-request-id");
    assert_eq!(letters[1].event().unwrap().payload, b"\xff\x00\xfe"[..]);
    // Of two purged letters one is counted, and one is not.
    assert_eq!(log.begin_count(9).unwrap(), 1);
}

#[test]
fn version_0_of_earlier_builds_is_read() {
    let (_directory, log) = opened("v0");
    assert_eq!(log.summary().letters, 2);
    assert_eq!(log.request_replay(&Filter::default(), false).unwrap(), 2);
    let letters = log.waiting(None, 9, 1 << 20).unwrap();
    let event = letters[1].1.event().unwrap();
    assert_eq!(event.payload, "{\"n\":2}");
    assert_eq!(event.provenance.source, "datatheorem");
    log.append(&[letter("next")]).unwrap();
    assert_eq!(log.summary().letters, 3);
}
