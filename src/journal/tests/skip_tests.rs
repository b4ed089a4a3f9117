//! Proves: a damaged place holds exactly the readers that need it; passing it gives up what it
//! held and nothing else, is counted, lasts, and is told to each reader that comes to it.

use std::collections::BTreeMap;

use super::*;

/// Stored records by position, and what a reader is told of the rest.
pub(super) struct Story {
    pub(super) texts: BTreeMap<u64, String>,
    pub(super) lost: Vec<Lost>,
}

/// Everything behind `after`; the last ordinal must be that of the last record.
pub(super) fn tell(journal: &Journal, after: u64) -> Story {
    let mut story = Story {
        texts: BTreeMap::new(),
        lost: Vec::new(),
    };
    let mut reader = journal.reader(after);
    loop {
        match reader.read(3, 5000).unwrap() {
            Read::Records(records) if records.is_empty() => return story,
            Read::Records(records) => {
                for read in &records {
                    story.texts.insert(read.record.position, text(read));
                    assert!(read.ordinal <= journal.head().borrow().events);
                }
                let last = records.last().unwrap();
                if last.record.position == journal.head().borrow().position {
                    assert_eq!(last.ordinal, journal.head().borrow().events);
                }
            }
            Read::Lost(lost) => story.lost.push(lost),
        }
    }
}

/// Numbered records in three segments, by position.
pub(super) fn filled(directory: &Path) -> (Journal, BTreeMap<u64, String>) {
    let journal = open(directory);
    let mut texts = BTreeMap::new();
    while journal.usage().segments < 3 {
        let text = format!("{} {}", texts.len(), "x".repeat(1000));
        texts.insert(
            position(append(&journal, record(&text)).unwrap()),
            text.clone(),
        );
    }
    (journal, texts)
}

/// Where the record at a position lies in its file.
fn place_of(journal: &Journal, wanted: u64) -> (PathBuf, usize) {
    let segments = journal.shared.segments();
    let segment = segments.iter().rev().find(|s| s.base <= wanted).unwrap();
    let salt = segment.header.unwrap().salt;
    let mut source = scan::Source::new(&*segment.file);
    let mut offset = segment::HEADER_BYTES;
    while let Some((record, length)) = source.decode(offset, salt).unwrap() {
        if record.position == wanted {
            return (segment.path.clone(), usize::try_from(offset).unwrap());
        }
        offset += length as u64;
    }
    panic!("no record at {wanted}");
}

/// Spoils the records at these positions.
pub(super) fn spoil(journal: &Journal, positions: &[u64]) {
    for wanted in positions {
        let (path, offset) = place_of(journal, *wanted);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[offset + 60] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
}

pub(super) fn held_after(journal: &Journal, after: u64) -> Option<u64> {
    let mut reader = journal.reader(after);
    loop {
        match reader.read(3, 5000) {
            Ok(Read::Records(records)) if records.is_empty() => return None,
            Ok(_) => {}
            Err(ReadError::Damaged { after, .. }) => return Some(after),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn only_readers_that_need_a_damaged_place_are_held() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, texts) = filled(directory.path());
    let positions: Vec<u64> = texts.keys().copied().collect();
    let damaged = [positions[4], positions[5], positions[20]];
    // From the back: the way to a record leads over those before it.
    for wanted in damaged.iter().rev() {
        spoil(&journal, &[*wanted]);
    }
    for after in 0..*positions.last().unwrap() {
        let needed = damaged.iter().find(|position| **position > after);
        let held = held_after(&journal, after);
        match needed {
            None => assert_eq!(held, None, "behind {after}"),
            Some(needed) => assert!(held.is_some_and(|held| held < *needed), "behind {after}"),
        }
        if needed.is_none() {
            let expected: Vec<_> = texts.range(after + 1..).map(|(_, text)| text).collect();
            let story = tell(&journal, after);
            assert_eq!(story.texts.values().collect::<Vec<_>>(), expected);
        }
    }
}

#[test]
fn what_is_passed_is_counted_and_nothing_else_is_given_up_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, mut texts) = filled(directory.path());
    let positions: Vec<u64> = texts.keys().copied().collect();
    let last_of_first = journal.shared.segments()[1].base - 1;
    let last = *positions.last().unwrap();
    for wanted in [
        last,
        last_of_first,
        positions[9],
        positions[8],
        positions[3],
    ] {
        spoil(&journal, &[wanted]);
        texts.remove(&wanted);
    }
    let total = journal.head().borrow().events;
    let mut given_up = 0;
    while let Some(after) = held_after(&journal, 0) {
        assert!(
            journal.damage().iter().any(|damage| damage.after == after),
            "what holds a reader is known"
        );
        given_up += journal.skip(after).unwrap().events;
        assert!(journal.damage().iter().all(|damage| damage.after != after));
        assert!(
            matches!(journal.skip(after), Err(SkipError::Sound(_))),
            "twice"
        );
    }
    assert_eq!(given_up, 5);
    for round in 0..2 {
        let story = tell(&journal, 0);
        assert_eq!(story.texts, texts, "round {round}");
        let lost: u64 = story.lost.iter().map(|l| l.ordinal - l.before).sum();
        assert_eq!(lost, 5);
        assert_eq!(story.texts.len() as u64 + lost, total);
        drop(journal);
        journal = open(directory.path());
    }
    let new = position(append(&journal, record("new")).unwrap());
    assert!(new > last);
    assert_eq!(
        tell(&journal, last).texts.into_values().last().unwrap(),
        "new"
    );
}

#[test]
fn a_segment_without_its_first_block_and_one_that_is_gone_can_be_passed() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, texts) = filled(directory.path());
    journal.register("splunk", StartAt::Earliest).unwrap();
    let bases: Vec<u64> = journal.shared.segments().iter().map(|s| s.base).collect();
    let total = journal.head().borrow().events;
    drop(journal);
    let [first, second, _] = segment_files(directory.path()).try_into().unwrap();
    std::fs::remove_file(first).unwrap();
    let mut bytes = std::fs::read(&second).unwrap();
    bytes[40] ^= 1;
    std::fs::write(second, bytes).unwrap();
    let journal = open(directory.path());
    // A first block that is damaged does not say how many events are missing in front of it.
    let mut given_up = 0;
    while let Some(after) = held_after(&journal, 0) {
        given_up += journal.skip(after).unwrap().events;
    }
    let kept: BTreeMap<_, _> = texts
        .range(bases[2]..)
        .map(|(p, t)| (*p, t.clone()))
        .collect();
    assert_eq!(given_up, total - kept.len() as u64);
    let journal = {
        drop(journal);
        open(directory.path())
    };
    let story = tell(&journal, 0);
    assert_eq!(story.texts, kept);
    let ordinal = story.lost.last().unwrap().ordinal;
    assert_eq!(ordinal + kept.len() as u64, total);
}

#[test]
fn a_skip_that_cannot_be_stored_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, texts) = filled(directory.path());
    let third = *texts.keys().nth(2).unwrap();
    spoil(&journal, &[third]);
    drop(journal);
    let files = FaultyFiles::default();
    let broken_sync = Arc::clone(&files.broken_sync);
    let journal = open_with(options(directory.path()), Arc::new(files)).unwrap();
    broken_sync.store(true, Ordering::SeqCst);
    let refused = journal.skip(third - 1);
    assert!(matches!(refused, Err(SkipError::Storage(_))), "{refused:?}");
    broken_sync.store(false, Ordering::SeqCst);
    assert_eq!(held_after(&journal, 0), Some(third - 1));
}

#[test]
fn a_passed_place_is_forgotten_with_its_segment() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, texts) = filled(directory.path());
    journal.register("splunk", StartAt::Earliest).unwrap();
    let third = *texts.keys().nth(2).unwrap();
    spoil(&journal, &[third]);
    journal.skip(third - 1).unwrap();
    assert_eq!(journal.shared.skips().len(), 1);
    let mut cursor = journal.load_cursor("splunk").unwrap();
    cursor.low_water = journal.shared.segments()[2].base - 1;
    journal.store_cursor("splunk", &cursor).unwrap();
    retention::run(&journal.shared, retention::Pressure::SpaceShort);
    journal.sync_cursors().unwrap();
    assert_eq!(journal.shared.skips().len(), 0);
}

#[test]
fn a_check_finds_damage_that_no_reader_has_met_and_reads_on_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, texts) = filled(directory.path());
    let positions: Vec<u64> = texts.keys().copied().collect();
    let second = journal.shared.segments()[1].base;
    let damaged = [second + 3, positions[7], positions[2]];
    for wanted in damaged {
        spoil(&journal, &[wanted]);
    }
    drop(journal);
    let checked = Options {
        scrub_interval: Duration::from_millis(1),
        ..options(directory.path())
    };
    let journal = open_with(checked, Arc::new(DiskFiles)).unwrap();
    eventually("all damage is known", || journal.damage().len() == 3);
    let mut known: Vec<u64> = journal.damage().iter().map(|d| d.after).collect();
    known.sort_unstable();
    assert_eq!(known, [positions[2] - 1, positions[7] - 1, second + 2]);
    for after in known {
        journal.skip(after).unwrap();
    }
    assert_eq!(journal.damage(), []);
}

#[test]
fn a_journal_can_be_closed_at_any_moment_of_a_check() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = filled(directory.path());
    drop(journal);
    let checked = Options {
        scrub_interval: Duration::from_secs(3600 * 24),
        ..options(directory.path())
    };
    let (closed, all_closed) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for _ in 0..100 {
            drop(open_with(checked.clone(), Arc::new(DiskFiles)).unwrap());
        }
        closed.send(()).unwrap();
    });
    all_closed
        .recv_timeout(Duration::from_secs(60))
        .expect("a check that does not see the end");
}

#[test]
fn what_a_segment_without_its_first_block_held_is_told_exactly() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = filled(directory.path());
    let bases: Vec<u64> = journal.shared.segments().iter().map(|s| s.base).collect();
    drop(journal);
    let second = segment_files(directory.path()).remove(1);
    let mut bytes = std::fs::read(&second).unwrap();
    bytes[40] ^= 1;
    std::fs::write(second, bytes).unwrap();
    let journal = open(directory.path());
    let after = held_after(&journal, 0).unwrap();
    assert_eq!(journal.skip(after).unwrap().events, bases[2] - bases[1]);
}
