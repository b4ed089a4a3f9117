//! Proves that a log has one writer, and lies where it is kept.

use super::super::{DeadLetterError, DeadLetterLog};
use super::letter;

#[test]
fn a_log_has_one_writer_also_after_it_was_moved_away() {
    let directory = tempfile::tempdir().unwrap();
    let open = |name: &str| DeadLetterLog::open(directory.path(), name, 1 << 20);
    let log = open("splunk").unwrap();
    open("elastic").unwrap();
    let path = directory.path().join("splunk.jsonl");
    for _ in 0..2 {
        let refused = open("splunk").unwrap_err();
        assert!(matches!(&refused, DeadLetterError::Locked { path: named } if *named == path));
        let text = refused.to_string();
        assert!(text.contains("in use by another process"), "{text}");
        std::fs::rename(&path, directory.path().join("away")).unwrap();
        log.append(&[letter("one")]).unwrap();
    }
    drop(log);
    assert_eq!(open("splunk").unwrap().summary().letters, 1);
}

#[test]
fn a_directory_that_forgets_is_refused_by_name() {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    if !mounts.contains(" /dev/shm tmpfs ") {
        return println!("skipped: /dev/shm is no tmpfs here");
    }
    let shm = std::path::Path::new("/dev/shm");
    let inside = tempfile::tempdir_in(shm).unwrap();
    let letters = inside.path().join("letters");
    let refused = DeadLetterLog::refuse_ephemeral(&letters).unwrap_err();
    let text = refused.to_string();
    assert!(
        text.contains("is on tmpfs") && text.contains("allow_ephemeral"),
        "{text}"
    );
}
