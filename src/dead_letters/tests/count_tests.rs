//! Proves that no letter comes between a count of purged events and the word that it is on disk,
//! so that a later run can tell from the totals whether it was.

use super::settle_tests::{filled, of, open};
use super::*;

#[test]
fn a_letter_waits_for_an_open_count_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (log, all) = filled(directory.path(), 5);
    log.purge(&of(all[0]), false).unwrap();
    log.append(&[numbered(7, "before the count")]).unwrap();
    assert_eq!(log.begin_count(6).unwrap(), 1);
    assert_eq!(log.begin_count(6).unwrap(), 1, "totals read again");
    assert_eq!(log.begin_count(5).unwrap(), 0, "totals to be stored again");
    let told = log.append(&[numbered(8, "too soon")]).unwrap_err();
    assert!(told.to_string().contains("purged"), "{told}");
    drop(log);
    // The totals were stored, and the kill came before that was noted.
    let log = open(directory.path());
    log.append(&[numbered(8, "too soon")]).unwrap_err();
    assert_eq!(log.begin_count(5).unwrap(), 0, "moved already");
    log.end_count().unwrap();
    log.append(&[numbered(8, "now")]).unwrap();
    assert!(!open(directory.path()).has_uncounted());
    assert_eq!(log.summary().letters, 6);
}

#[test]
fn a_letter_follows_the_word_that_the_count_is_done_where_that_could_not_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let (log, all) = filled(directory.path(), 2);
    log.purge(&of(all[0]), false).unwrap();
    assert_eq!(log.begin_count(2).unwrap(), 1);
    // As `end_count` leaves it where its write fails.
    log.file().counted_due = Some(1);
    log.append(&[numbered(8, "after")]).unwrap();
    let last: Vec<_> = lines(directory.path()).split_off(3);
    let kinds: Vec<_> = last.iter().map(|line| line["kind"].clone()).collect();
    assert_eq!(kinds, ["counted", "dead"]);
    assert!(!open(directory.path()).has_uncounted());
}

#[test]
fn an_open_count_that_moves_nothing_is_ended_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("splunk.jsonl");
    let line = line::counting(0, 3).to_string();
    std::fs::write(path, line + "\n").unwrap();
    let log = open(directory.path());
    log.append(&[letter("too soon")]).unwrap_err();
    assert!(log.has_uncounted(), "or nobody would end it");
    assert_eq!(log.begin_count(4).unwrap(), 0);
    log.end_count().unwrap();
    log.append(&[letter("now")]).unwrap();
    assert!(!log.has_uncounted());
}
