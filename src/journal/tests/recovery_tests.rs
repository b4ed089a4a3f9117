//! Proves: a torn tail is cut and nothing before it; what was durable and is gone is damage, seen
//! by readers and never silent; positions are never used twice.

use std::path::PathBuf;

use super::*;

/// Five records, each its own group; the cursor file knows only of the first four.
fn five_records(directory: &Path) -> (PathBuf, usize, Vec<u8>) {
    let journal = open(directory);
    for number in 1..=4 {
        append(&journal, record(&format!("record {number}"))).unwrap();
    }
    drop(journal);
    let cursors = std::fs::read(directory.join("cursors")).unwrap();
    let journal = open(directory);
    append(&journal, record("record 5")).unwrap();
    let end = usize::try_from(journal.shared.segments()[0].end).unwrap();
    drop(journal);
    std::fs::write(directory.join("cursors"), cursors).unwrap();
    let [path] = segment_files(directory).try_into().unwrap();
    let record_bytes = record("record 5").stored_bytes();
    (
        path,
        end - record_bytes,
        std::fs::read(directory.join("cursors")).unwrap(),
    )
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_nothing_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let (path, start, cursors) = five_records(directory.path());
    let whole = std::fs::read(&path).unwrap();
    // The last payload byte is followed by padding zeros, so the whole record ends there.
    let length = 96 + "header".len() + "record 5".len();
    for cut in start..start + length {
        let mut torn = whole.clone();
        torn[cut..].fill(0);
        std::fs::write(&path, torn).unwrap();
        std::fs::write(directory.path().join("cursors"), &cursors).unwrap();
        let journal = open(directory.path());
        let (texts, damage) = read_all(&journal, 0);
        assert_eq!((texts.len(), damage), (4, None), "cut at {}", cut - start);
        let next = position(append(&journal, record("new")).unwrap());
        assert!(next >= 5);
        assert_eq!(read_all(&journal, 4).0, ["new"]);
        drop(journal);
        for extra in segment_files(directory.path())
            .iter()
            .filter(|other| **other != path)
        {
            std::fs::remove_file(extra).unwrap();
        }
    }
}

#[test]
fn a_whole_tail_that_nobody_vouched_for_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    five_records(directory.path());
    let journal = open(directory.path());
    assert_eq!(read_all(&journal, 0).0.len(), 5);
}

#[test]
fn a_flipped_byte_in_a_durable_record_is_damage_and_ingest_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let (path, start, cursors) = five_records(directory.path());
    let whole = std::fs::read(&path).unwrap();
    let record_bytes = record("record 5").stored_bytes();
    let third = start - 2 * record_bytes;
    for byte in third..third + 96 + "header".len() + "record 3".len() {
        let mut flipped = whole.clone();
        flipped[byte] ^= 0x10;
        std::fs::write(&path, flipped).unwrap();
        std::fs::write(directory.path().join("cursors"), &cursors).unwrap();
        let journal = open(directory.path());
        let (texts, damage) = read_all(&journal, 0);
        assert_eq!(texts, ["record 1", "record 2"]);
        let Some(ReadError::Damaged { offset, after, .. }) = damage else {
            panic!("byte {} flipped: {damage:?}", byte - third);
        };
        assert_eq!((offset, after), (third as u64, 2));
        let next = position(append(&journal, record("new")).unwrap());
        assert!(next > 5, "position {next} may be in use");
        assert_eq!(read_all(&journal, next - 1).0, ["new"]);
        drop(journal);
        for extra in segment_files(directory.path())
            .iter()
            .filter(|other| **other != path)
        {
            std::fs::remove_file(extra).unwrap();
        }
    }
}

#[test]
fn a_lost_tail_that_the_cursor_file_vouches_for_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    for number in 1..=4 {
        append(&journal, record(&format!("record {number}"))).unwrap();
    }
    drop(journal);
    let path = segment_files(directory.path()).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    let last =
        usize::try_from(segment::HEADER_BYTES).unwrap() + 3 * record("record 4").stored_bytes();
    bytes[last..].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let journal = open(directory.path());
    let (texts, damage) = read_all(&journal, 0);
    assert_eq!(texts.len(), 3);
    assert!(
        matches!(damage, Some(ReadError::Damaged { after: 3, .. })),
        "{damage:?}"
    );
    assert_eq!(position(append(&journal, record("new")).unwrap()), 5);
    assert_eq!(read_all(&journal, 4).0, ["new"]);
}

#[test]
fn a_sealed_segment_that_lost_its_end_is_damage_and_not_merely_short() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    while journal.usage().segments < 2 {
        append(&journal, record(&"x".repeat(1000))).unwrap();
    }
    let events = journal.head().borrow().events;
    drop(journal);
    let path = segment_files(directory.path()).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.windows(4).rposition(|word| word == b"SRr1").unwrap();
    bytes[last..].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let journal = open(directory.path());
    let (texts, damage) = read_all(&journal, 0);
    assert_eq!(texts.len() as u64, events - 2);
    assert!(
        matches!(damage, Some(ReadError::Damaged { .. })),
        "{damage:?}"
    );
}

#[test]
fn a_segment_without_a_valid_first_block_holds_its_readers_only() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    append(&journal, record("one")).unwrap();
    drop(journal);
    let path = segment_files(directory.path()).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let journal = open(directory.path());
    assert!(matches!(
        read_all(&journal, 0).1,
        Some(ReadError::Damaged { .. })
    ));
    let next = position(append(&journal, record("two")).unwrap());
    assert!(next > 1);
    assert_eq!(read_all(&journal, next - 1).0, ["two"]);
}

#[test]
fn damage_that_only_later_records_vouch_for_is_not_passed_over_silently() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    let cursors = std::fs::read(directory.path().join("cursors")).unwrap();
    for number in 1..=5 {
        append(&journal, record(&format!("record {number}"))).unwrap();
    }
    drop(journal);
    // The cursor file is from before the first record, as after a kill within a second.
    std::fs::write(directory.path().join("cursors"), cursors).unwrap();
    let path = segment_files(directory.path()).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096 + 2 * record("record 1").stored_bytes() + 100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    for round in 0..2 {
        let journal = open(directory.path());
        append(&journal, record("new")).unwrap();
        let (texts, damage) = read_all(&journal, 0);
        assert_eq!(texts, ["record 1", "record 2"], "round {round}");
        assert!(
            matches!(damage, Some(ReadError::Damaged { after: 2, .. })),
            "{damage:?}"
        );
    }
}

#[test]
fn a_segment_without_a_valid_first_block_is_never_replaced_and_its_positions_not_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    let cursors = std::fs::read(directory.path().join("cursors")).unwrap();
    append(&journal, record("one")).unwrap();
    append(&journal, record("two")).unwrap();
    drop(journal);
    std::fs::write(directory.path().join("cursors"), cursors).unwrap();
    let path = segment_files(directory.path()).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let journal = open(directory.path());
    assert!(position(append(&journal, record("three")).unwrap()) > 2);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    let (texts, damage) = read_all(&journal, 0);
    assert!(texts.is_empty());
    assert!(
        matches!(damage, Some(ReadError::Damaged { .. })),
        "{damage:?}"
    );
}

#[test]
fn a_resend_of_a_record_behind_damage_is_recognised_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    append(&journal, record("one")).unwrap();
    drop(journal);
    let path = segment_files(directory.path()).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096 + 100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let keyed = NewRecord {
        resend: Some(Resend {
            key: [7; 16],
            drop_repeats: true,
        }),
        ..record("two")
    };
    let journal = open(directory.path());
    append(&journal, keyed.clone()).unwrap();
    drop(journal);
    let journal = open(directory.path());
    let repeated = append(&journal, keyed.clone()).unwrap();
    assert_eq!(repeated, Stored::Repeat { first: keyed.id });
}

#[test]
fn damage_of_a_first_block_is_reported_for_its_own_file() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    while journal.usage().segments < 3 {
        append(&journal, record(&"x".repeat(1000))).unwrap();
    }
    drop(journal);
    let path = segment_files(directory.path()).remove(1);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let Some(ReadError::Damaged { file, .. }) = read_all(&open(directory.path()), 0).1 else {
        panic!()
    };
    assert_eq!(file, path.file_name().unwrap().to_str().unwrap());
}
