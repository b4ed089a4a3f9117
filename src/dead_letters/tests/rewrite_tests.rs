//! Proves that a log is rewritten only where that makes room and finds room, and that a rewrite
//! that fails on the way leaves a log that goes on.

use std::os::unix::fs::MetadataExt;

use super::super::compact::Step;
use super::settle_tests::{filled, ids, of, open, refused, taken};
use super::*;

fn inode(directory: &Path) -> u64 {
    let named = std::fs::metadata(directory.join("splunk.jsonl"));
    named.unwrap().ino()
}

#[test]
fn a_full_log_is_rewritten_only_where_that_makes_room() {
    let directory = tempfile::tempdir().unwrap();
    let (log, all) = filled(directory.path(), 3);
    log.request_replay(&Filter::default(), false).unwrap();
    log.begin_sending(&all[..2]).unwrap();
    log.settle(&[taken(all[0]), refused(all[1])]).unwrap();
    let (live, rewritten) = {
        let file = log.file();
        (file.index.live_bytes(), file.rewritten_bytes())
    };
    drop(log);
    let log_of = |bytes_max| DeadLetterLog::open(directory.path(), "splunk", bytes_max).unwrap();
    let empty = line::dead(&numbered(7, ""), jiff::Timestamp::now());
    let next = numbered(7, &"x".repeat(100));
    let bytes = empty.to_string().len() as u64 + 100 + 1;
    let before = inode(directory.path());
    // The present letters alone would fit, and what must be said of them does not.
    for limit in [live, live + bytes, rewritten + bytes - 1] {
        let refused = log_of(limit).append(std::slice::from_ref(&next));
        assert!(matches!(refused, Err(DeadLetterError::Full { .. })));
        assert_eq!(inode(directory.path()), before, "{limit}");
    }
    let log = log_of(rewritten + bytes);
    log.append(&[next]).unwrap();
    assert_ne!(inode(directory.path()), before);
    assert_eq!(log.summary().bytes, rewritten + bytes);
}

#[test]
fn a_rewrite_leaves_the_reserve_of_the_file_system_alone_but_for_a_small_one() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    for number in 0..4 {
        log.append(&[numbered(number, &"x".repeat(40_000))])
            .unwrap();
    }
    let all = ids(&log);
    let purged = |log: &DeadLetterLog, id| {
        let before = inode(directory.path());
        assert_eq!(log.purge(&of(id), false).unwrap(), 1);
        inode(directory.path()) != before
    };
    assert!(purged(&log, all[0]), "enough is free");
    let log = log.with_reserve(u64::MAX);
    assert!(
        !purged(&log, all[1]),
        "a rewrite would take from the reserve"
    );
    assert_eq!(open(directory.path()).summary().letters, 2);
    assert!(purged(&log, all[2]), "a small one");
    assert!(log.summary().bytes < 50_000);
}

#[test]
fn a_rewrite_that_fails_at_any_step_leaves_a_log_that_counts_and_goes_on() {
    let steps = [Step::Write, Step::Sync, Step::Index, Step::Rename];
    for stop in steps.into_iter().chain([Step::SyncDirectory]) {
        let directory = tempfile::tempdir().unwrap();
        let (log, all) = filled(directory.path(), 4);
        log.request_replay(&of(all[0]), false).unwrap();
        log.begin_sending(&all[..1]).unwrap();
        log.settle(&[taken(all[0])]).unwrap();
        log.purge(&of(all[1]), false).unwrap();
        let reached = |step| match step == stop {
            true => Err(std::io::Error::other("failed here")),
            false => Ok(()),
        };
        log.file().compact(reached).unwrap_err();
        assert_eq!(log.begin_count(9).unwrap(), 1);
        log.end_count().unwrap();
        log.append(&[numbered(9, "later")]).unwrap();
        let log = open(directory.path());
        assert!(!log.has_uncounted(), "{stop:?}");
        assert_eq!(log.summary().letters, 3, "{stop:?}");
    }
}
