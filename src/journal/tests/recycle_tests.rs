//! Proves: a segment that nobody needs becomes the next one and is not filled again; who reads it,
//! or damage in it, keeps it from that; and nothing of what it held is ever read again.

use std::sync::mpsc;

use super::shed_tests::{balanced, deliver_all, fill, fill_segments, small};
use super::sim::Chance;
use super::watched::{Done, Watched};
use super::*;

/// Four segments at most, the spare included; what is delivered goes for lack of space alone, and
/// so at no other time than when the next spare is made.
pub(super) fn tight(directory: &Path) -> Options {
    Options {
        retain_delivered: Duration::from_secs(3600),
        ..small(directory, 4)
    }
}

pub(super) fn spare_ready(journal: &Journal) {
    eventually("a spare is ready", || journal.shared.spare.is_ready());
}

/// Goes on to the next segment, and waits for the spare behind it.
fn next_segment(journal: &Journal) {
    let last = || journal.shared.segments().last().unwrap().base;
    let before = last();
    while last() == before {
        fill(journal, 1);
    }
    spare_ready(journal);
}

/// Three complete segments at most have been delivered, and the next spare is one of them.
fn steady(directory: &Path, watched: &Watched) -> Journal {
    let journal = open_with(tight(directory), Arc::new(watched.clone())).unwrap();
    journal.register("d", StartAt::Earliest).unwrap();
    fill_segments(&journal, 3);
    spare_ready(&journal);
    journal
}

pub(super) fn oldest(journal: &Journal) -> (u64, String) {
    let segments = journal.shared.segments();
    (segments[0].base, segments[0].name())
}

#[test]
fn a_segment_that_nobody_needs_becomes_the_next_one_and_nothing_is_filled() {
    let directory = tempfile::tempdir().unwrap();
    let watched = Watched::new(DiskFiles);
    let journal = steady(directory.path(), &watched);
    let filled = watched.filled();
    for round in 1..=10 {
        deliver_all(&journal, "d");
        let (_, first) = oldest(&journal);
        next_segment(&journal);
        assert!(watched.became_spare(&first));
        assert_eq!(watched.recycled(), round);
        assert_eq!(journal.usage().used_bytes, 3 * SEGMENT_BYTES);
    }
    assert_eq!(watched.filled(), filled);
    assert_eq!(watched.count(|done| matches!(done, Done::Removed(_))), 0);
    // Header and groups are new, what is behind them is not.
    let low_water = journal.load_cursor("d").unwrap().low_water;
    let head = *journal.head().borrow();
    let kept = read_all(&journal, low_water);
    assert_eq!(
        (kept.0.len() as u64, kept.1),
        (head.position - low_water, None)
    );
    balanced(&journal, "d");
}

#[test]
fn nothing_of_what_a_segment_held_is_read_again_wherever_the_next_one_ends() {
    // Of one size, so that old records begin where new ones end; and of another one.
    for size in [1000, 1000 + 4, 3003] {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = steady(directory.path(), &Watched::new(DiskFiles));
        deliver_all(&journal, "d");
        next_segment(&journal);
        next_segment(&journal);
        let mut expected = read_all(&journal, oldest(&journal).0 - 1).0;
        for number in 0..12 {
            let text = format!("{number}").repeat(size);
            append(&journal, record(&text)).unwrap();
            expected.push(text);
            let active = segment_files(directory.path()).pop().unwrap();
            let end = journal.shared.segments().last().unwrap().end;
            let bytes = std::fs::read(&active).unwrap();
            let behind = &bytes[usize::try_from(end).unwrap()..];
            let old = behind.windows(4).any(|word| word == record::MAGIC);
            // The first start clears what it finds behind the end.
            assert_eq!(old, number == 0, "{number}");
            drop(journal);
            let surveyed = survey(directory.path(), &DiskFiles, |_| true, |_| {}).unwrap();
            assert_eq!(surveyed.problems, Vec::<String>::new());
            journal = open_with(tight(directory.path()), Arc::new(DiskFiles)).unwrap();
            let (base, _) = oldest(&journal);
            let texts = read_all(&journal, base - 1);
            let kept = expected.len() - texts.0.len();
            assert!(texts.0 == expected[kept..] && texts.1.is_none(), "{number}");
            // A restart may let go of the oldest, and of no more.
            expected.drain(..kept);
            assert!(expected.len() > 12 && journal.damage().is_empty());
        }
    }
}

#[test]
fn no_record_of_another_salt_is_valid_and_none_from_before_a_segments_base() {
    let mut chance = Chance(7);
    for _ in 0..1000 {
        let salts = [0, 1].map(|_| u32::try_from(sim::pick(&mut chance, 1 << 31)).unwrap());
        let bytes = "x".repeat(sim::pick(&mut chance, 3000));
        let [one, other] = salts.map(|salt| record::checksum(salt, bytes.as_bytes()));
        assert_eq!(one == other, salts[0] == salts[1]);
    }
    // Should chance give a segment the salt of the one that its file was.
    let header = segment::SegmentHeader {
        journal_id: [1; 16],
        base: 50,
        events_before: 49,
        created_ms: 1,
        salt: 9,
    };
    for ours in [0_u64, 1] {
        let mut bytes = header.encode();
        for position in (50..50 + ours).chain([20, 21]) {
            let place = record::Placement {
                position,
                synced_through: position - 1,
                duplicate_of: None,
                set: (0, 1),
                salt: header.salt,
            };
            record("x").encode(&place, &mut bytes);
        }
        let directory = tempfile::tempdir().unwrap();
        let path = segment::path(directory.path(), header.base);
        std::fs::write(&path, &bytes).unwrap();
        let found = Segment {
            base: header.base,
            header: Some(header),
            file: DiskFiles.open(&path).unwrap(),
            path,
            end: bytes.len() as u64,
            file_bytes: bytes.len() as u64,
            index: Vec::new(),
        };
        let found = scan::scan(&found, header, 10).unwrap();
        assert_eq!((found.contents.events, found.later), (ours, None));
    }
}

#[test]
fn a_segment_that_somebody_reads_is_unlinked_and_is_read_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let watched = Watched::new(DiskFiles);
    let journal = steady(directory.path(), &watched);
    let (before, damage) = read_all(&journal, 0);
    assert_eq!(damage, None);
    let mut reader = journal.reader(0);
    let mut seen: Vec<_> = records(reader.read(1, 1).unwrap())
        .iter()
        .map(text)
        .collect();
    let (_, first) = oldest(&journal);
    deliver_all(&journal, "d");
    next_segment(&journal);
    assert!(watched.was_removed(&first) && !watched.became_spare(&first));
    next_segment(&journal);
    // Of what is gone it sees what it has open.
    let first_holds = before.len() / 2;
    while seen.len() < first_holds {
        let read = records(reader.read(1, 1).unwrap());
        seen.extend(read.iter().map(text));
    }
    assert_eq!(seen, before[..first_holds]);
}

#[test]
fn a_segment_in_which_something_was_lost_is_unlinked() {
    for passed in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let watched = Watched::new(DiskFiles);
        let journal = steady(directory.path(), &watched);
        let (_, first) = oldest(&journal);
        let path = directory.path().join(&first);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[30_000] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let (_, damage) = read_all(&journal, 0);
        let Some(ReadError::Damaged { after, .. }) = damage else {
            panic!("{damage:?}");
        };
        if passed {
            journal.skip(after).unwrap();
        }
        deliver_all(&journal, "d");
        next_segment(&journal);
        assert!(watched.was_removed(&first) && !watched.became_spare(&first));
        journal.sync_cursors().unwrap();
        assert_eq!(journal.damage(), []);
        assert_eq!(journal.shared.skips().len(), 0);
    }
}

#[test]
fn a_segment_of_another_length_is_unlinked() {
    let directory = tempfile::tempdir().unwrap();
    drop(steady(directory.path(), &Watched::new(DiskFiles)));
    let larger = Options {
        segment_bytes: SEGMENT_BYTES + 4096,
        ..tight(directory.path())
    };
    let watched = Watched::new(DiskFiles);
    let journal = open_with(larger, Arc::new(watched.clone())).unwrap();
    let (_, first) = oldest(&journal);
    for _ in 0..6 {
        deliver_all(&journal, "d");
        next_segment(&journal);
    }
    assert!(watched.was_removed(&first) && watched.recycled() > 0);
    let lengths = segment_files(directory.path());
    let lengths = lengths
        .iter()
        .map(|path| std::fs::metadata(path).unwrap().len());
    assert!(lengths.clone().all(|length| length == SEGMENT_BYTES + 4096));
    assert!(journal.usage().used_bytes <= 4 * SEGMENT_BYTES);
}

#[test]
fn a_segment_that_cannot_be_renamed_is_unlinked() {
    let directory = tempfile::tempdir().unwrap();
    let watched = Watched::new(DiskFiles);
    let journal = steady(directory.path(), &watched);
    watched.stuck.store(true, Ordering::SeqCst);
    deliver_all(&journal, "d");
    let (_, first) = oldest(&journal);
    next_segment(&journal);
    assert!(watched.was_removed(&first));
    assert_eq!(*journal.health().borrow(), Health::Accepting);
    balanced(&journal, "d");
}

#[test]
fn a_disk_that_takes_long_to_rename_keeps_nobody_from_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let watched = Watched::new(DiskFiles);
    let journal = steady(directory.path(), &watched);
    let (begin, begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let late = Arc::new(AtomicBool::new(false));
    let (gate, waited) = (Mutex::new(Some((begin, released))), Arc::clone(&late));
    let hang = move || {
        if let Some((begin, released)) = gate.lock().unwrap().take() {
            begin.send(()).unwrap();
            let ended = released.recv_timeout(Duration::from_secs(10));
            waited.store(ended.is_err(), Ordering::SeqCst);
        }
    };
    watched.on_rename.set(Box::new(hang)).ok().unwrap();
    deliver_all(&journal, "d");
    while begun.try_recv().is_err() {
        fill(&journal, 1);
    }
    let cursor = journal.load_cursor("d").unwrap();
    journal.store_cursor("d", &cursor).unwrap();
    journal.sync_cursors().unwrap();
    assert!(journal.usage().used_bytes > 0);
    assert!(journal.retained_bytes(0) > 0);
    assert!(!late.load(Ordering::SeqCst), "somebody waited for the disk");
    release.send(()).unwrap();
    spare_ready(&journal);
    balanced(&journal, "d");
}

#[test]
fn nothing_is_given_up_where_an_unlinked_segment_made_room_enough() {
    let directory = tempfile::tempdir().unwrap();
    let watched = Watched::new(DiskFiles);
    let journal = steady(directory.path(), &watched);
    let second = journal.shared.segments()[1].base;
    let mut cursor = journal.load_cursor("d").unwrap();
    cursor.low_water = second - 1;
    cursor.totals.delivered = second - 1;
    journal.store_cursor("d", &cursor).unwrap();
    journal.limit_backlog("d", 100 * SEGMENT_BYTES);
    let (_, first) = oldest(&journal);
    let mut reader = journal.reader(0);
    assert_eq!(records(reader.read(1, 1).unwrap()).len(), 1);
    next_segment(&journal);
    assert!(watched.was_removed(&first));
    assert_eq!(journal.load_cursor("d").unwrap().totals.discarded, 0);
    assert_eq!(oldest(&journal).0, second);
}

#[test]
fn what_an_optional_destination_gives_up_is_written_again_and_its_accounts_are_exact() {
    let directory = tempfile::tempdir().unwrap();
    let watched = Watched::new(DiskFiles);
    let journal = steady(directory.path(), &watched);
    journal.limit_backlog("d", 100 * SEGMENT_BYTES);
    let filled = watched.filled();
    for _ in 0..10 {
        let (_, first) = oldest(&journal);
        let second = journal.shared.segments()[1].base;
        next_segment(&journal);
        // One by one, as many as are needed.
        assert!(watched.became_spare(&first));
        let cursor = journal.load_cursor("d").unwrap();
        assert_eq!(cursor.low_water, second - 1);
        assert_eq!(cursor.totals.discarded, second - 1);
        balanced(&journal, "d");
    }
    assert_eq!(watched.filled(), filled);
}

#[test]
fn no_other_segment_goes_before_the_new_name_is_durable() {
    let directory = tempfile::tempdir().unwrap();
    let watched = Watched::new(DiskFiles);
    let journal = steady(directory.path(), &watched);
    deliver_all(&journal, "d");
    let (shared, seen) = (Arc::clone(&journal.shared), watched.clone());
    let remover = Mutex::new(None);
    let on_sync = move || {
        let last = seen.done.lock().unwrap().last().cloned();
        if !matches!(last, Some(Done::Renamed(_, to)) if to == "spare") {
            return;
        }
        let shared = Arc::clone(&shared);
        let (begun, begins) = sync_channel(1);
        let running = std::thread::spawn(move || {
            begun.send(()).unwrap();
            retention::run(&shared, retention::Pressure::SpaceShort)
        });
        begins.recv().unwrap();
        // It would be done soon if nothing kept it.
        let deadline = Instant::now() + Duration::from_millis(300);
        while Instant::now() < deadline && !running.is_finished() {
            std::thread::yield_now();
        }
        *remover.lock().unwrap() = Some(running);
    };
    assert!(watched.on_sync.set(Box::new(on_sync)).is_ok());
    next_segment(&journal);
    eventually("the next one goes, too", || {
        watched.count(|done| matches!(done, Done::Removed(_))) > 0
    });
    let done = watched.done.lock().unwrap().clone();
    let renamed = |done: &Done| matches!(done, Done::Renamed(_, to) if to == "spare");
    let at = done.iter().position(renamed).unwrap();
    assert_eq!(done[at + 1], Done::SyncedDirectory, "{:?}", &done[at..]);
}

#[test]
fn a_spare_that_finds_no_space_when_it_is_synced_refuses_and_does_not_poison() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open_with(small(directory.path(), 100), Arc::new(DiskFiles)).unwrap();
    fill(&journal, 1);
    spare_ready(&journal);
    drop(journal);
    // What an earlier run left may not have been synced, and so have no blocks yet.
    let watched = Watched::new(DiskFiles);
    watched.full_syncs.store(1, Ordering::SeqCst);
    let journal = open_with(small(directory.path(), 100), Arc::new(watched.clone())).unwrap();
    let mut refused = 0;
    while journal.shared.segments().len() < 3 {
        match append(&journal, record(&"x".repeat(1000))) {
            Ok(_) => {}
            Err(AppendError::Full(_)) => refused += 1,
            Err(error) => panic!("{error} after {refused}"),
        }
    }
    assert_eq!(watched.full_syncs.load(Ordering::SeqCst), 0);
    let damage = read_all(&journal, 0).1;
    assert_eq!(damage, None);
}
