//! Proves that a log is rewritten only where that makes room.

use std::os::unix::fs::MetadataExt;

use super::settle_tests::{filled, refused, taken};
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
