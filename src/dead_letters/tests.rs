//! Proves that a dead letter tells the whole story and is read back whole, that a torn line is cut,
//! and that a full log refuses. `settle_tests` proves what becomes of letters.

use serde_json::Value;

use super::*;
use crate::event::{AuthMethod, EventId, Provenance};

mod count_tests;
mod damage_tests;
mod fixture;
mod place_tests;
mod rewrite_tests;
mod settle_tests;

fn letter(detail: &str) -> DeadLetter {
    numbered(0, detail)
}

/// A letter with an id of its own, which died of `rejected`.
fn numbered(number: u64, detail: &str) -> DeadLetter {
    let provenance = Provenance {
        source: "datatheorem".to_owned(),
        auth: AuthMethod::Bearer,
        secret_slot: Some(1),
        ..Provenance::unknown()
    };
    let event = Event {
        position: 7 + number,
        id: EventId::new(1_763_900_000_123 + number),
        received_ms: 1_763_900_000_123 + number,
        duplicate_of: None,
        replay_id: None,
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
    let log = DeadLetterLog::open(directory.path(), "splunk", 1 << 20).unwrap();
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
    let log = DeadLetterLog::open(directory.path(), "splunk", 1 << 20).unwrap();
    log.append(&[letter("one"), letter("two")]).unwrap();
    drop(log);
    let whole = std::fs::read(&path).unwrap();
    for end in 0..whole.len() {
        std::fs::write(&path, &whole[..end]).unwrap();
        let log = DeadLetterLog::open(directory.path(), "splunk", 1 << 20).unwrap();
        let kept = whole[..end].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(lines(directory.path()).len(), kept);
        log.append(&[letter("next")]).unwrap();
        assert_eq!(lines(directory.path()).last().unwrap()["detail"], "next");
    }
}

#[test]
fn a_log_at_its_limit_refuses_and_keeps_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let log = DeadLetterLog::open(directory.path(), "splunk", 700).unwrap();
    log.append(&[letter("one")]).unwrap();
    let refused = log.append(&[letter("two")]);
    assert!(matches!(
        refused,
        Err(DeadLetterError::Full { limit: 700, .. })
    ));
    assert_eq!(lines(directory.path()).len(), 1);
}

#[test]
fn a_log_that_was_moved_away_or_emptied_is_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("splunk.jsonl");
    let log = DeadLetterLog::open(directory.path(), "splunk", 700).unwrap();
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

#[test]
fn an_event_comes_back_from_its_letter_as_it_was_utf_8_or_not() {
    let directory = tempfile::tempdir().unwrap();
    let log = DeadLetterLog::open(directory.path(), "splunk", 1 << 20).unwrap();
    let mut sent = vec![numbered(0, "text"), numbered(1, "bytes")];
    let provenance = Provenance {
        peer: Some("10.0.0.1:443".parse().unwrap()),
        client: Some("2001:db8::7".parse().unwrap()),
        test: true,
        content_type: Some("application/json".to_owned()),
        content_encoding: Some("gzip".to_owned()),
        headers: vec![("x-id".to_owned(), "a \"b\"".to_owned())],
        auth: AuthMethod::Capability,
        ..Provenance::clone(&sent[1].event.provenance)
    };
    sent[1].event = Arc::new(Event {
        provenance: Arc::new(provenance),
        duplicate_of: Some(EventId::new(3)),
        payload: Bytes::from_static(b"\xff\x00\xfe"),
        ..Event::clone(&sent[1].event)
    });
    log.append(&sent).unwrap();
    log.request_replay(&Filter::default(), false).unwrap();
    let kept = log.waiting(None, 10, 1 << 20).unwrap();
    assert_eq!(kept.len(), 2);
    for ((_, letter), sent) in kept.iter().zip(&sent) {
        let mut event = letter.event().unwrap();
        assert!(event.replay_id.take().is_some());
        assert_eq!(format!("{event:?}"), format!("{:?}", sent.event));
        assert_eq!(letter.attempts(), 2);
    }
    assert_eq!(lines(directory.path())[1]["original_base64"], "/wD+");
}

#[test]
fn a_log_of_a_later_version_is_refused_and_kept_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("splunk.jsonl");
    let text = "{\"v\":1,\"kind\":\"counted\",\"events\":0}\n{\"v\":2,\"kind\":\"new\"}\n{\"torn";
    std::fs::write(&path, text).unwrap();
    let refused = DeadLetterLog::open(directory.path(), "splunk", 1 << 20).unwrap_err();
    let told = refused.to_string();
    assert!(told.contains("version 2 in line 2"), "{told}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert!(read(directory.path(), "splunk", &Filter::default(), |_| true).is_err());
}

#[test]
fn too_little_free_space_refuses_and_enough_of_it_takes_letters_again() {
    let directory = tempfile::tempdir().unwrap();
    let log = DeadLetterLog::open(directory.path(), "splunk", 1 << 20).unwrap();
    let log = log.with_reserve(u64::MAX);
    let refused = log.append(&[letter("one")]).unwrap_err();
    assert!(
        matches!(refused, DeadLetterError::Short { .. }),
        "{refused}"
    );
    assert_eq!(log.summary().letters, 0);
    let log = log.with_reserve(1);
    log.append(&[letter("one")]).unwrap();
    assert_eq!(log.summary().letters, 1);
}
