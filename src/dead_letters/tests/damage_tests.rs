//! Proves that nothing is cut but what a failed write of this process left.

use std::fs::OpenOptions;
use std::io::Write;

use super::settle_tests::{filled, of, open};
use super::*;

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
