//! Proves that a damaged letter is kept, told and sent nowhere while all others go on, and that
//! nothing is cut but what a failed write of this process left.

use std::fs::OpenOptions;
use std::io::Write;

use super::settle_tests::{filled, ids, of, open, refused, taken};
use super::*;

/// Replaces the first `from` behind the first `after`.
fn damage(directory: &Path, after: &str, from: &str, to: &[u8]) -> Vec<u8> {
    let path = directory.join("splunk.jsonl");
    let mut bytes = std::fs::read(&path).unwrap();
    let find = |bytes: &[u8], text: &str| {
        let mut windows = bytes.windows(text.len());
        windows.position(|found| found == text.as_bytes()).unwrap()
    };
    let start = find(&bytes, after);
    let start = start + find(&bytes[start..], from);
    bytes.splice(start..start + from.len(), to.iter().copied());
    std::fs::write(&path, &bytes).unwrap();
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let mut end = 0;
    let mut lines = lines.inspect(|line| end += line.len());
    let line = lines.find(|line| line.windows(to.len()).any(|found| found == to));
    line.unwrap().to_vec()
}

fn listed(directory: &Path) -> (Vec<Letter>, usize) {
    let mut letters = Vec::new();
    let unreadable = read(directory, "splunk", &Filter::default(), |letter| {
        letters.push(letter);
        true
    });
    (letters, unreadable.unwrap())
}

#[test]
fn a_damaged_letter_is_kept_as_it_is_and_stops_no_other() {
    for damaged in [&b"\xff"[..], b"\\udc00 alone"] {
        let directory = tempfile::tempdir().unwrap();
        let (log, all) = filled(directory.path(), 3);
        let offset = log.file().index.get(all[1]).unwrap().line.offset;
        drop(log);
        let line = damage(directory.path(), &all[1].to_string(), "1e400", damaged);
        let log = open(directory.path());
        let reason = Filter {
            reason: Some("rejected".to_owned()),
            ..Filter::default()
        };
        assert_eq!(log.request_replay(&reason, true).unwrap(), 2);
        let (letters, unreadable) = listed(directory.path());
        assert_eq!((letters.len(), unreadable), (3, 1));
        assert_eq!(letters[1].id, all[1]);
        let told = letters[1].text("detail");
        assert!(told.contains(&format!("byte {offset} ")), "{told}");

        assert_eq!(log.request_replay(&Filter::default(), false).unwrap(), 3);
        let waiting = log.waiting(None, 9, 1 << 20).unwrap();
        let events = waiting.iter().map(|(_, letter)| letter.event().is_some());
        assert_eq!(events.collect::<Vec<_>>(), [true, false, true]);
        // As a replay does: it refuses alone what holds no event.
        log.begin_sending(&[all[0], all[2]]).unwrap();
        log.settle(&[refused(all[1]), refused(all[0]), taken(all[2])])
            .unwrap();
        log.file().compact(|_| Ok(())).unwrap();
        let kept = std::fs::read(directory.path().join("splunk.jsonl")).unwrap();
        assert!(kept.windows(line.len()).any(|found| found == line));
        for log in [log, open(directory.path())] {
            assert_eq!((log.summary().letters, log.summary().waiting), (2, 0));
            assert_eq!(ids(&log), all[..2]);
        }
        let log = open(directory.path());
        assert_eq!(log.purge(&of(all[1]), false).unwrap(), 1);
        assert_eq!(listed(directory.path()).1, 0);
    }
}

#[test]
fn a_letter_whose_last_refusal_is_damaged_is_read_as_it_first_died() {
    let directory = tempfile::tempdir().unwrap();
    let (log, all) = filled(directory.path(), 2);
    log.request_replay(&of(all[0]), false).unwrap();
    log.begin_sending(&all[..1]).unwrap();
    log.settle(&[refused(all[0])]).unwrap();
    drop(log);
    let line = damage(directory.path(), "413 again", "413 again", b"\xff\xff");
    let log = open(directory.path());
    log.file().compact(|_| Ok(())).unwrap();
    let kept = std::fs::read(directory.path().join("splunk.jsonl")).unwrap();
    assert!(kept.windows(line.len()).any(|found| found == line));
    log.request_replay(&Filter::default(), false).unwrap();
    let waiting = log.waiting(None, 9, 1 << 20).unwrap();
    assert_eq!(waiting[0].1.text("reason"), "rejected");
    assert!(waiting[0].1.event().is_some());
}

#[test]
fn letters_of_another_process_are_neither_cut_nor_rewritten_away() {
    let directory = tempfile::tempdir().unwrap();
    let (log, all) = filled(directory.path(), 2);
    let other = open(directory.path());
    other.append(&[numbered(7, "of another process")]).unwrap();
    let told = log.append(&[numbered(8, "mine")]).unwrap_err().to_string();
    assert!(told.contains("another process"), "{told}");
    assert!(log.purge(&of(all[0]), false).is_err());
    log.file().compact(|_| Ok(())).unwrap_err();
    assert_eq!(open(directory.path()).summary().letters, 3);
    assert_eq!(log.summary().letters, 2);
}

#[test]
fn what_a_failed_write_left_behind_does_not_follow_the_next_letter() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    log.append(&[letter("one")]).unwrap();
    // As if a write had failed, and then cutting what it left.
    let path = directory.path().join("splunk.jsonl");
    let mut other = OpenOptions::new().append(true).open(&path).unwrap();
    other.write_all(&[b'x'; 5000]).unwrap();
    other.write_all(b"\n").unwrap();
    log.file().torn = true;
    log.append(&[letter("two")]).unwrap();
    drop(log);
    open(directory.path());
    assert_eq!(lines(directory.path()).len(), 2);
}

#[test]
fn a_rewrite_leaves_nothing_of_a_failed_write_to_be_cut() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _) = filled(directory.path(), 2);
    log.file().torn = true;
    log.file().compact(|_| Ok(())).unwrap();
    open(directory.path())
        .append(&[numbered(7, "of another process")])
        .unwrap();
    log.append(&[numbered(8, "mine")]).unwrap_err();
    assert_eq!(open(directory.path()).summary().letters, 3);
}
