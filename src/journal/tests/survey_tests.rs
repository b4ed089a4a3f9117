//! Proves: a survey changes nothing, tells damage from a torn end, and reads on behind damage.

use std::collections::BTreeMap;

use super::*;

fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

/// What a survey reads and finds wrong.
fn look(directory: &Path) -> (Vec<String>, Vec<String>) {
    let mut texts = Vec::new();
    let survey = survey(
        directory,
        &DiskFiles,
        |_| true,
        |record| texts.push(String::from_utf8(record.payload.to_vec()).unwrap()),
    );
    (texts, survey.unwrap().problems)
}

fn filled(directory: &Path) -> Vec<String> {
    let journal = open(directory);
    journal.register("splunk", StartAt::Earliest).unwrap();
    let mut texts = Vec::new();
    while journal.usage().segments < 3 {
        let text = format!("{} {}", texts.len(), "x".repeat(2000));
        append(&journal, record(&text)).unwrap();
        texts.push(text);
    }
    texts
}

#[test]
fn a_healthy_journal_is_read_whole_and_nothing_is_changed() {
    let directory = tempfile::tempdir().unwrap();
    let texts = filled(directory.path());
    let before = files(directory.path());
    assert_eq!(look(directory.path()), (texts, vec![]));
    assert_eq!(files(directory.path()), before);
}

#[test]
fn behind_damage_every_other_event_is_read_and_the_place_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut texts = filled(directory.path());
    let path = segment_files(directory.path()).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    let length = record(&texts[0]).stored_bytes();
    let fourth = usize::try_from(segment::HEADER_BYTES).unwrap() + 3 * length;
    bytes[fourth + 50] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    texts.remove(3);
    let (found, problems) = look(directory.path());
    assert_eq!(found, texts);
    assert!(
        problems[0].contains(&format!("offset {fourth}, after position 3")),
        "{problems:?}"
    );
    assert!(problems[1].contains("were stored"), "{problems:?}");
}

#[test]
fn a_segment_outside_the_wanted_times_is_known_by_its_seal_and_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let texts = filled(directory.path());
    let all = survey(directory.path(), &DiskFiles, |_| true, |_| {}).unwrap();
    // Its payloads are gone, and nobody has to notice.
    let path = segment_files(directory.path()).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..4096 + 100].fill(7);
    std::fs::write(path, bytes).unwrap();
    let mut read = 0;
    let some = survey(directory.path(), &DiskFiles, |_| false, |_| read += 1).unwrap();
    assert_eq!(some.segments, all.segments);
    assert_eq!(some.problems, all.problems);
    let last = all.segments.last().unwrap();
    assert!(!last.sealed && read == last.events && texts.len() as u64 > read);
}

#[test]
fn what_is_wrong_with_a_seal_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let texts = filled(directory.path());
    let path = segment_files(directory.path()).remove(0);
    let whole = std::fs::read(&path).unwrap();
    for (from_end, problem) in [(10, "no valid seal"), (72 + 10, "the index in its seal")] {
        let mut bytes = whole.clone();
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let (read, problems) = look(directory.path());
        assert_eq!(read, texts);
        assert!(problems[0].contains(problem), "{problems:?}");
    }
}

#[test]
fn a_segment_that_is_gone_is_missed() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let first = segment_files(directory.path()).remove(0);
    std::fs::remove_file(first).unwrap();
    let (_, problems) = look(directory.path());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("destination splunk needs events after position 0"));
}

#[test]
fn a_torn_end_that_nobody_vouched_for_is_no_damage() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    append(&journal, record("one")).unwrap();
    drop(journal);
    let cursors = std::fs::read(directory.path().join("cursors")).unwrap();
    let journal = open(directory.path());
    let set = vec![record("two"), record("three")];
    journal.append(set).unwrap().wait().unwrap();
    drop(journal);
    std::fs::write(directory.path().join("cursors"), cursors).unwrap();
    let path = segment_files(directory.path()).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    let second = usize::try_from(segment::HEADER_BYTES).unwrap() + record("one").stored_bytes();
    bytes[second + 20] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(look(directory.path()), (vec!["one".to_owned()], vec![]));
}

#[test]
fn the_journal_of_a_running_relay_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let _running = open(directory.path());
    let refused = survey(directory.path(), &DiskFiles, |_| true, |_| {});
    assert!(matches!(refused, Err(OpenError::Locked(_))));
}

#[test]
fn what_a_refused_group_left_in_a_complete_segment_is_not_surveyed() {
    let directory = tempfile::tempdir().unwrap();
    let files = FaultyFiles::default();
    let full = Arc::clone(&files.full);
    let journal = open_with(options(directory.path()), Arc::new(files)).unwrap();
    append(&journal, record("before")).unwrap();
    full.store(true, Ordering::SeqCst);
    let set = vec![record("lost 1"), record("lost 2"), record("lost 3")];
    assert!(journal.append(set).unwrap().wait().is_err());
    full.store(false, Ordering::SeqCst);
    append(&journal, record(&"x".repeat(61_150))).unwrap();
    assert_eq!(journal.usage().segments, 2);
    drop(journal);
    let mut events = 0;
    let found = survey(directory.path(), &DiskFiles, |_| true, |_| events += 1).unwrap();
    assert_eq!((found.problems, events), (vec![], 2));
}
