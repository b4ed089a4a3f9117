//! Proves that a dead letter tells the whole story, that a torn line is cut, and that a full log
//! refuses.

use super::*;
use crate::event::{AuthMethod, EventId, Provenance};

fn letter(detail: &str) -> DeadLetter {
    let provenance = Provenance {
        source: "datatheorem".to_owned(),
        auth: AuthMethod::Bearer,
        secret_slot: Some(1),
        ..Provenance::unknown()
    };
    let event = Event {
        position: 7,
        id: EventId::new(1_763_900_000_123),
        received_ms: 1_763_900_000_123,
        duplicate_of: None,
        provenance: Arc::new(provenance),
        payload: Bytes::from_static(b"{\"n\": 1e400}"),
    };
    DeadLetter {
        event: Arc::new(event),
        reason: "rejected",
        detail: detail.into(),
        attempts: 2,
        rendered: Some(Bytes::from_static(b"{\"event\":1}")),
    }
}

fn lines(directory: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(directory.join("splunk.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_letter_holds_reason_answer_rendered_form_and_original() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = DeadLetterLog::open(directory.path(), "splunk", 1 << 20).unwrap();
    let letter = letter("400 code 6 \"Invalid data format\"\nsecond line");
    log.append(std::slice::from_ref(&letter)).unwrap();
    let line = lines(directory.path()).remove(0);
    assert_eq!(line["id"], letter.event.id.to_string());
    assert_eq!(line["received"], "2025-11-23T12:13:20.123Z");
    assert_eq!(line["reason"], "rejected");
    assert_eq!(line["detail"], &*letter.detail);
    assert_eq!(line["attempts"], 2);
    assert_eq!(line["source"], "datatheorem");
    assert_eq!(line["rendered"], "{\"event\":1}");
    assert_eq!(line["original"], "{\"n\": 1e400}");
}

#[test]
fn a_torn_last_line_is_cut_at_the_next_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("splunk.jsonl");
    let mut log = DeadLetterLog::open(directory.path(), "splunk", 1 << 20).unwrap();
    log.append(&[letter("one"), letter("two")]).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for end in 0..whole.len() {
        std::fs::write(&path, &whole[..end]).unwrap();
        let mut log = DeadLetterLog::open(directory.path(), "splunk", 1 << 20).unwrap();
        let kept = whole[..end].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(lines(directory.path()).len(), kept);
        log.append(&[letter("next")]).unwrap();
        assert_eq!(lines(directory.path()).last().unwrap()["detail"], "next");
    }
}

#[test]
fn a_log_at_its_limit_refuses_and_keeps_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = DeadLetterLog::open(directory.path(), "splunk", 700).unwrap();
    log.append(&[letter("one")]).unwrap();
    let refused = log.append(&[letter("two")]);
    assert!(matches!(
        refused,
        Err(DeadLetterError::Full { limit: 700, .. })
    ));
    assert_eq!(lines(directory.path()).len(), 1);
}

#[test]
fn what_a_failed_write_left_behind_does_not_follow_the_next_letter() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = DeadLetterLog::open(directory.path(), "splunk", 1 << 20).unwrap();
    log.append(&[letter("one")]).unwrap();
    // As if a write had failed, and then cutting what it left.
    let path = directory.path().join("splunk.jsonl");
    let mut other = OpenOptions::new().append(true).open(&path).unwrap();
    other.write_all(&[b'x'; 5000]).unwrap();
    other.write_all(b"\n").unwrap();
    log.append(&[letter("two")]).unwrap();
    drop(log);
    DeadLetterLog::open(directory.path(), "splunk", 1 << 20).unwrap();
    assert_eq!(lines(directory.path()).len(), 2);
}

#[test]
fn a_log_that_was_moved_away_or_emptied_is_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("splunk.jsonl");
    let mut log = DeadLetterLog::open(directory.path(), "splunk", 700).unwrap();
    log.append(&[letter("one")]).unwrap();
    assert!(log.append(&[letter("two")]).is_err());
    std::fs::rename(&path, directory.path().join("kept")).unwrap();
    log.append(&[letter("two")]).unwrap();
    assert_eq!(lines(directory.path()).remove(0)["detail"], "two");
    std::fs::write(&path, "").unwrap();
    log.append(&[letter("three")]).unwrap();
    assert_eq!(lines(directory.path()).remove(0)["detail"], "three");
}

#[test]
fn only_the_relays_user_and_group_read_letters() {
    use std::os::unix::fs::PermissionsExt;
    let outer = tempfile::tempdir().unwrap();
    let directory = outer.path().join("letters");
    DeadLetterLog::open(&directory, "splunk", 700).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&directory) & 0o027, 0);
    assert_eq!(mode(&directory.join("splunk.jsonl")) & 0o137, 0);
}
