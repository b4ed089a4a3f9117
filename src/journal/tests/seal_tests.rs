//! Proves: a complete segment ends with a seal that says what is in it; reading begins near the
//! wanted record; whatever becomes of a seal, no event is lost, repeated or misread for it.

use super::seal::{Contents, IndexEntry, Noted, Summary};
use super::*;

/// Keyed records of 1 kB in at least `segments` segments; the journal, and each record's position.
fn filled(directory: &Path, segments: usize) -> (Journal, Vec<u64>) {
    let journal = open(directory);
    let mut positions = Vec::new();
    while journal.usage().segments < segments {
        positions.push(position(append(&journal, keyed(positions.len())).unwrap()));
    }
    (journal, positions)
}

pub(super) fn keyed(number: usize) -> NewRecord {
    let mut key = [9; 16];
    key[..8].copy_from_slice(&number.to_le_bytes());
    NewRecord {
        received_ms: 1000 + number as u64,
        resend: Some(Resend {
            key,
            drop_repeats: true,
        }),
        ..record(&format!("{number:01000}"))
    }
}

fn summary(segment: &Segment) -> Option<Summary> {
    let salt = segment.header.unwrap().salt;
    Summary::read(&*segment.file, segment.file_bytes, salt).unwrap()
}

#[test]
fn a_complete_segment_says_what_is_in_it_and_the_one_being_written_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = filled(directory.path(), 3);
    let segments = journal.shared.segments();
    for pair in segments.windows(2) {
        let [segment, next] = pair else { panic!() };
        let (header, after) = (segment.header.unwrap(), next.header.unwrap());
        let seal = summary(segment).expect("sealed");
        assert_eq!(seal.events, after.events_before - header.events_before);
        assert_eq!((seal.end, seal.last), (segment.end, next.base - 1));
        let first = header.events_before;
        let received = (1000 + first, 1000 + first + seal.events - 1);
        assert_eq!(seal.received_ms, received);
        let (file, bytes) = (&*segment.file, segment.file_bytes);
        let keys = seal.keys(file, bytes, header.salt).unwrap().unwrap();
        assert_eq!(keys.len() as u64, seal.events);
        let index = seal.index(file, bytes, header.salt).unwrap().unwrap();
        let start = IndexEntry {
            position: segment.base,
            offset: segment::HEADER_BYTES,
            events: 0,
        };
        assert_eq!(index.first(), Some(&start));
    }
    assert_eq!(summary(segments.last().unwrap()), None);
}

#[test]
fn reading_from_any_position_begins_with_the_next_record() {
    let directory = tempfile::tempdir().unwrap();
    let large = Options {
        segment_bytes: 512 * 1024,
        ..options(directory.path())
    };
    let open = || open_with(large.clone(), Arc::new(DiskFiles)).unwrap();
    let mut journal = open();
    let mut positions = Vec::new();
    while journal.usage().segments < 3 || positions.len() < 1100 {
        positions.push(position(append(&journal, keyed(positions.len())).unwrap()));
    }
    for reopened in [false, true] {
        if reopened {
            drop(journal);
            journal = open();
        }
        for (number, after) in positions.iter().enumerate() {
            let records = records(journal.reader(*after).read(1, 1).unwrap());
            let Some(read) = records.first() else {
                assert_eq!(number, positions.len() - 1);
                continue;
            };
            assert_eq!(read.record.position, positions[number + 1]);
            assert_eq!(read.ordinal, number as u64 + 2, "events up to it");
            assert_eq!(read.record.payload, keyed(number + 1).payload);
        }
        let last = journal.shared.segments().last().unwrap().clone();
        assert!(last.index.len() > 1, "{:?}", last.index);
    }
}

#[test]
fn resends_are_recognised_from_seals_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, positions) = filled(directory.path(), 4);
    drop(journal);
    // Payloads are of no use for it: only what seals say can help.
    for path in segment_files(directory.path()).iter().take(2) {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[4096..4096 + 40 * 1024].fill(7);
        std::fs::write(path, bytes).unwrap();
    }
    let journal = open(directory.path());
    for number in 0..positions.len() {
        let stored = append(&journal, keyed(number)).unwrap();
        assert!(matches!(stored, Stored::Repeat { .. }), "record {number}");
    }
}

#[test]
fn any_byte_of_a_seal_may_flip_and_every_event_and_resend_is_still_known() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, positions) = filled(directory.path(), 2);
    let sealed = journal.shared.segments()[0].clone();
    drop(journal);
    let path = segment_files(directory.path()).remove(0);
    let whole = std::fs::read(&path).unwrap();
    let keys = usize::try_from(summary(&sealed).unwrap().events).unwrap();
    let seal_bytes = 72 + 24 + 32 * keys;
    for byte in whole.len() - seal_bytes..whole.len() {
        let mut flipped = whole.clone();
        flipped[byte] ^= 1;
        std::fs::write(&path, flipped).unwrap();
        let journal = open(directory.path());
        let middle = positions[positions.len() / 2];
        let wanted = positions.iter().filter(|position| **position > middle);
        let (texts, damage) = read_all(&journal, middle);
        assert_eq!((texts.len(), damage), (wanted.count(), None), "byte {byte}");
        let stored = append(&journal, keyed(0)).unwrap();
        assert!(matches!(stored, Stored::Repeat { .. }), "byte {byte}");
    }
}

#[test]
fn a_seal_whose_records_are_gone_is_damage_and_no_torn_end() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    let cursors = std::fs::read(directory.path().join("cursors")).unwrap();
    while journal.usage().segments < 2 {
        append(&journal, record(&"x".repeat(1000))).unwrap();
    }
    let (end, base) = {
        let segments = journal.shared.segments();
        (segments[0].end, segments[1].base)
    };
    drop(journal);
    // Killed after the seal and before the next segment, whose record was not answered. Nothing
    // but the seal says that the last record was ever durable.
    std::fs::write(directory.path().join("cursors"), cursors).unwrap();
    let [path, next] = segment_files(directory.path()).try_into().unwrap();
    std::fs::remove_file(next).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let end = usize::try_from(end).unwrap();
    bytes[end - 1024..end].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let journal = open(directory.path());
    assert_eq!(
        position(append(&journal, record("new")).unwrap()),
        base,
        "positions are not used again"
    );
    let damage = read_all(&journal, 0).1;
    assert!(matches!(damage, Some(ReadError::Damaged { .. })));
}

#[test]
fn a_start_takes_the_seal_off_a_segment_that_is_gone_on_in() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, positions) = filled(directory.path(), 2);
    let old_end = journal.shared.segments()[0].end;
    drop(journal);
    let [path, next] = segment_files(directory.path()).try_into().unwrap();
    std::fs::remove_file(next).unwrap();
    let cursors = directory.path().join("cursors");
    std::fs::remove_file(&cursors).unwrap();
    let id = std::fs::read(&path).unwrap()[16..32].try_into().unwrap();
    CursorFile::create(&DiskFiles, directory.path(), id).unwrap();
    let journal = open(directory.path());
    assert_eq!(summary(&journal.shared.segments()[0]), None);
    let new = position(append(&journal, record("new")).unwrap());
    assert!(journal.shared.segments()[0].end > old_end);
    let (texts, damage) = read_all(&journal, 0);
    // The record for which the second segment was begun went with that.
    assert_eq!((texts.len(), damage), (positions.len(), None));
    assert_eq!(texts.last().unwrap(), "new");
    assert_eq!(new, positions[positions.len() - 1]);
}

#[test]
fn the_index_and_the_kept_keys_are_bounded() {
    let mut contents = Contents::default();
    for number in 0..10_000 {
        contents.note(
            &Noted {
                position: number + 1,
                offset: 4096 + number * 1000,
                received_ms: 10_000 - number,
                gap: number % 10 == 0,
                key: Some(([1; 16], [2; 16])),
            },
            50,
        );
    }
    assert_eq!(contents.keys.len(), 50);
    assert_eq!((contents.events, contents.last), (9_000, 10_000));
    assert_eq!(contents.received_ms, (1, 9_999));
    assert!(contents.index.len() as u64 <= 4096 + 10_000_000 / (64 * 1024));
    let seal = contents.seal(10_004_096, 5, 1_000_000);
    assert!(seal.len() as u64 <= seal::bytes_max(10_100_000, 50));
}

#[test]
fn what_a_refused_group_left_is_gone_for_good_before_the_next_segment_begins() {
    for seed in 0..40 {
        let directory = tempfile::tempdir().unwrap();
        let disk = sim::SimDisk::default();
        let open = |disk: &sim::SimDisk| {
            open_with(options(directory.path()), Arc::new(disk.clone())).unwrap()
        };
        let journal = open(&disk);
        eventually("the spare is there", || journal.shared.spare.is_ready());
        let mut expected = vec!["before".to_owned()];
        append(&journal, record("before")).unwrap();
        loop {
            // Half of the padded group is written, and whole records are in it.
            let set: Vec<_> = (0..4).map(|n| record(&format!("refused {n}"))).collect();
            disk.fault_at(0, sim::Fault::Short);
            match journal.append(set).unwrap().wait() {
                Err(AppendError::Full(_)) => break,
                // The fault met the cursor file, whose turn comes once a second.
                Ok(_) => expected.extend((0..4).map(|n| format!("refused {n}"))),
                Err(error) => panic!("{error}"),
            }
        }
        disk.heal();
        let room = SEGMENT_BYTES - 4096 - seal::bytes_max(SEGMENT_BYTES, 1);
        let large = "x".repeat(usize::try_from(room).unwrap() - 96 - 16);
        eventually("space is looked for again", || {
            append(&journal, record(&large)).is_ok()
        });
        disk.cut_power();
        drop(journal);
        let journal = open(&disk.after_power_cut(&mut sim::Chance(seed)));
        expected.push(large);
        assert_eq!(read_all(&journal, 0), (expected, None), "seed {seed}");
    }
}

#[test]
fn of_more_keys_than_are_remembered_the_latest_are_known_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let few = Options {
        resend_window: 4,
        ..options(directory.path())
    };
    let open = || open_with(few.clone(), Arc::new(DiskFiles)).unwrap();
    let mut journal = open();
    let mut stored = 0;
    // In the segment that is written to, and once the seal is all that tells of it.
    for _ in 0..2 {
        while stored < 10 || stored % 10 != 0 {
            append(&journal, keyed(stored)).unwrap();
            stored += 1;
        }
        drop(journal);
        journal = open();
        for number in stored - 4..stored {
            let again = append(&journal, keyed(number)).unwrap();
            assert!(matches!(again, Stored::Repeat { .. }), "record {number}");
        }
        while journal.usage().segments < 2 {
            append(&journal, keyed(stored)).unwrap();
            stored += 1;
        }
    }
}

#[test]
fn a_larger_resend_window_costs_no_record_at_the_end_of_a_segment() {
    let directory = tempfile::tempdir().unwrap();
    let remember = |resend_window| {
        let options = Options {
            resend_window,
            // Nothing goes: all is read in the end.
            retain_delivered: Duration::from_secs(3600),
            ..options(directory.path())
        };
        open_with(options, Arc::new(DiskFiles)).unwrap()
    };
    let journal = remember(0);
    let mut stored = 0;
    let mut fill = |journal: &Journal, count: usize| {
        for _ in 0..count {
            append(journal, keyed(stored)).unwrap();
            stored += 1;
        }
        stored
    };
    let mut per_segment = 0;
    while journal.usage().segments < 2 {
        per_segment = fill(&journal, 1) - 1;
    }
    // The second one is as full as the first one became.
    fill(&journal, per_segment - 1);
    assert_eq!(journal.usage().segments, 2);
    drop(journal);
    let journal = remember(1000);
    let all = fill(&journal, 1);
    assert_eq!(journal.usage().segments, 3);
    let (texts, damage) = read_all(&journal, 0);
    assert_eq!((texts.len(), damage), (all, None));
}

#[test]
fn an_index_that_makes_no_sense_harms_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, positions) = filled(directory.path(), 2);
    let sealed = journal.shared.segments()[0].clone();
    let salt = sealed.header.unwrap().salt;
    let middle = positions[positions.len() / 2];
    for (position, offset, events) in [(0, 4096, 0), (1, u64::MAX, 0), (1, 4096, u64::MAX)] {
        let contents = Contents {
            index: vec![IndexEntry {
                position,
                offset,
                events,
            }],
            ..Contents::default()
        };
        let seal = contents.seal(sealed.end, salt, 1000);
        let at = sealed.file_bytes - seal.len() as u64;
        sealed.file.write_at(&seal, at).unwrap();
        let (texts, damage) = read_all(&journal, middle);
        let wanted = positions.iter().filter(|position| **position > middle);
        assert_eq!((texts.len(), damage), (wanted.count(), None));
    }
}

#[test]
fn what_a_sealed_last_segment_lost_is_counted_exactly() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    let cursors = std::fs::read(directory.path().join("cursors")).unwrap();
    while journal.usage().segments < 2 {
        append(&journal, record(&"x".repeat(1000))).unwrap();
    }
    let end = usize::try_from(journal.shared.segments()[0].end).unwrap();
    drop(journal);
    // Killed between the seal and the next segment; the cursor file knows of nothing stored.
    std::fs::write(directory.path().join("cursors"), cursors).unwrap();
    let [path, next] = segment_files(directory.path()).try_into().unwrap();
    std::fs::remove_file(next).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[end - 3000..end].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let journal = open(directory.path());
    let Some(ReadError::Damaged { after, .. }) = read_all(&journal, 0).1 else {
        panic!("not noticed");
    };
    assert_eq!(journal.skip(after).unwrap().events, 3);
}
