//! Proves: an optional destination gives up its oldest events, counted exactly, where it holds too
//! much or space is short; nobody else gives up anything; and no order of crashes breaks that.

use super::sim::{Chance, Fault, SimDisk};
use super::*;

/// Events of one size, so that about 60 fill a segment.
pub(super) fn fill(journal: &Journal, events: usize) {
    for _ in 0..events {
        append(journal, record(&"x".repeat(1000))).unwrap();
    }
}

pub(super) fn fill_segments(journal: &Journal, segments: usize) {
    while journal.usage().segments < segments {
        fill(journal, 1);
    }
}

pub(super) fn small(directory: &Path, segments: u64) -> Options {
    Options {
        max_size_bytes: segments * SEGMENT_BYTES,
        resend_window: 0,
        ..options(directory)
    }
}

fn open_small(directory: &Path, segments: u64) -> Journal {
    open_with(small(directory, segments), Arc::new(DiskFiles)).unwrap()
}

/// Everything up to the end is delivered.
pub(super) fn deliver_all(journal: &Journal, name: &str) {
    let mut cursor = journal.load_cursor(name).unwrap();
    let head = *journal.head().borrow();
    cursor.totals.delivered += head.events - cursor.events_passed();
    cursor.low_water = head.position;
    journal.store_cursor(name, &cursor).unwrap();
}

/// accepted = settled + queued, with what is queued read from the journal.
pub(super) fn balanced(journal: &Journal, name: &str) {
    let cursor = journal.load_cursor(name).unwrap();
    let readable = read_all(journal, cursor.low_water).0.len() as u64;
    let accepted = journal.head().borrow().events - cursor.skipped_events;
    let queued = readable - cursor.done_events;
    assert_eq!(accepted, cursor.totals.settled() + queued, "{cursor:?}");
}

fn make_room(journal: &Journal) -> bool {
    retention::run(&journal.shared, retention::Pressure::SpaceShort)
}

#[test]
fn a_dead_optional_destination_does_not_stop_ingest_and_its_loss_is_exact() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open_small(directory.path(), 5);
    journal.register("archive", StartAt::Earliest).unwrap();
    journal.register("dead", StartAt::Earliest).unwrap();
    journal.limit_backlog("dead", 2 * SEGMENT_BYTES);
    let mut sheds = journal.sheds("dead");
    let mut given_up = 0;
    let mut next = 1;
    for _ in 0..60 {
        // Twenty times the limit goes through.
        fill(&journal, 50);
        deliver_all(&journal, "archive");
        if sheds.has_changed().unwrap() {
            let shed = sheds.borrow_and_update().clone().unwrap();
            assert!(shed.first >= next && shed.last >= shed.first && shed.events > 0);
            next = shed.last + 1;
            given_up = journal.load_cursor("dead").unwrap().totals.discarded;
        }
    }
    assert!(given_up > 2000, "{given_up}");
    balanced(&journal, "dead");
    balanced(&journal, "archive");
    assert_eq!(journal.load_cursor("archive").unwrap().totals.discarded, 0);
}

#[test]
fn beyond_its_limit_a_destination_sheds_although_there_is_space() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open_small(directory.path(), 100);
    journal.register("dead", StartAt::Earliest).unwrap();
    journal.register("patient", StartAt::Latest).unwrap();
    journal.limit_backlog("dead", 3 * SEGMENT_BYTES);
    journal.limit_backlog("patient", 6 * SEGMENT_BYTES);
    fill_segments(&journal, 5);
    retention::run(&journal.shared, retention::Pressure::None);
    // The other one holds the oldest segment, too, and is not beyond its own limit.
    assert_eq!(journal.load_cursor("dead").unwrap().totals.discarded, 0);
    deliver_all(&journal, "patient");
    let retained = || journal.retained_bytes(journal.load_cursor("dead").unwrap().low_water);
    eventually("the limit is kept", || retained() <= 3 * SEGMENT_BYTES);
    let shed = journal.sheds("dead").borrow().clone().unwrap();
    let cursor = journal.load_cursor("dead").unwrap();
    assert_eq!(
        (shed.first, shed.last, shed.events, shed.bytes, shed.reason),
        (
            1,
            cursor.low_water,
            cursor.totals.discarded,
            2 * SEGMENT_BYTES,
            "max_backlog"
        )
    );
    balanced(&journal, "dead");
    assert_eq!(journal.load_cursor("patient").unwrap().totals.discarded, 0);
}

#[test]
fn two_dead_optional_destinations_both_shed_and_the_written_segment_stays() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open_small(directory.path(), 100);
    for name in ["a", "b"] {
        journal.register(name, StartAt::Earliest).unwrap();
        journal.limit_backlog(name, 50 * SEGMENT_BYTES);
    }
    fill_segments(&journal, 4);
    for left in [3, 2, 1] {
        assert!(make_room(&journal));
        assert_eq!(journal.usage().segments, left);
    }
    assert!(!make_room(&journal));
    assert_eq!(journal.usage().segments, 1);
    for name in ["a", "b"] {
        assert!(journal.load_cursor(name).unwrap().totals.discarded > 100);
        balanced(&journal, name);
    }
}

#[test]
fn what_is_only_kept_for_replay_goes_before_anything_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let keep = Options {
        retain_delivered: Duration::from_secs(3600),
        ..small(directory.path(), 100)
    };
    let journal = open_with(keep, Arc::new(DiskFiles)).unwrap();
    journal.register("slow", StartAt::Earliest).unwrap();
    journal.limit_backlog("slow", 50 * SEGMENT_BYTES);
    fill_segments(&journal, 2);
    deliver_all(&journal, "slow");
    fill_segments(&journal, 4);
    assert!(make_room(&journal));
    assert_eq!(journal.usage().segments, 3);
    assert_eq!(journal.load_cursor("slow").unwrap().totals.discarded, 0);
    assert!(make_room(&journal));
    assert!(journal.load_cursor("slow").unwrap().totals.discarded > 0);
    balanced(&journal, "slow");
}

#[test]
fn nothing_goes_that_a_required_or_an_unconfigured_destination_holds() {
    for laggard in ["required", "unconfigured"] {
        let directory = tempfile::tempdir().unwrap();
        let journal = open_small(directory.path(), 4);
        journal.register("dead", StartAt::Earliest).unwrap();
        journal.register(laggard, StartAt::Earliest).unwrap();
        journal.limit_backlog("dead", SEGMENT_BYTES);
        let mut refused = None;
        for _ in 0..1000 {
            if let Err(error) = append(&journal, record(&"x".repeat(1000))) {
                refused = Some(error.to_string());
                break;
            }
        }
        let refused = refused.expect("nothing may go, so the journal becomes full");
        assert!(refused.contains(laggard), "{refused}");
        retention::run(&journal.shared, retention::Pressure::None);
        assert!(!make_room(&journal));
        for name in ["dead", laggard] {
            assert_eq!(journal.load_cursor(name).unwrap().low_water, 0);
        }
        // As soon as it is gone the other one gives way.
        deliver_all(&journal, laggard);
        eventually("space is found again", || {
            append(&journal, record("again")).is_ok() && journal.usage().segments < 4
        });
        balanced(&journal, "dead");
    }
}

#[test]
fn events_settled_within_the_stretch_are_not_counted_again() {
    // Ranges wholly in the stretch, wholly above it, and on both sides of its end.
    for (from, to) in [(-30, -20), (5, 15), (-10, 10)] {
        let directory = tempfile::tempdir().unwrap();
        let files = FaultyFiles::default();
        let full = Arc::clone(&files.full);
        let journal = open_with(small(directory.path(), 100), Arc::new(files)).unwrap();
        journal.register("slow", StartAt::Earliest).unwrap();
        while journal.usage().segments < 3 {
            fill(&journal, 3);
            // A refused group uses up its position.
            full.store(true, Ordering::SeqCst);
            let _refused = append(&journal, record("refused"));
            full.store(false, Ordering::SeqCst);
        }
        // The spare's thread may have met the full disk, too; it sheds nothing once it has one.
        eventually("a spare is ready", || journal.shared.spare.is_ready());
        journal.limit_backlog("slow", 50 * SEGMENT_BYTES);
        let base = journal.shared.segments()[1].base;
        assert!(base > journal.shared.segments()[1].header.unwrap().events_before + 5);
        let at = |offset: i64| base.checked_add_signed(offset).unwrap();
        let mut cursor = journal.load_cursor("slow").unwrap();
        cursor.done = vec![(at(from), at(from + 4)), (at(from + 6), at(to))];
        let in_ranges = |position| {
            let ranges = cursor.done.iter();
            let mut ranges = ranges.filter(|(start, end)| (*start..=*end).contains(&position));
            ranges.next().is_some()
        };
        let mut reader = journal.reader(0);
        let records: Vec<_> =
            std::iter::from_fn(|| records(reader.read(1, 1).unwrap()).pop()).collect();
        let positions = records.iter().map(|read| read.record.position);
        let positions: Vec<_> = positions.collect();
        let done = positions.iter().filter(|p| in_ranges(**p)).count() as u64;
        let lost = positions.iter().filter(|p| **p < base && !in_ranges(**p));
        let lost = lost.count() as u64;
        cursor.done_events = done;
        cursor.totals.delivered = done;
        journal.store_cursor("slow", &cursor).unwrap();
        let stored = journal.load_cursor("slow").unwrap();
        assert!(make_room(&journal));
        let moved = journal.load_cursor("slow").unwrap();
        assert_eq!((moved.low_water, moved.totals.discarded), (base - 1, lost));
        assert!(moved.done.iter().all(|(start, _)| *start >= base));
        assert_eq!(moved.done.is_empty(), to < 0);
        balanced(&journal, "slow");
        let outdated = journal.store_cursor("slow", &stored);
        assert_eq!(outdated, Err(CursorError::Conflict("slow".to_owned())));
    }
}

#[test]
fn nothing_is_unlinked_before_the_moved_cursors_are_stored() {
    let directory = tempfile::tempdir().unwrap();
    let files = FaultyFiles::default();
    let broken_sync = Arc::clone(&files.broken_sync);
    let journal = open_with(small(directory.path(), 100), Arc::new(files)).unwrap();
    journal.register("dead", StartAt::Earliest).unwrap();
    fill_segments(&journal, 4);
    let before = segment_files(directory.path());
    broken_sync.store(true, Ordering::SeqCst);
    journal.limit_backlog("dead", SEGMENT_BYTES);
    for _ in 0..3 {
        assert!(!make_room(&journal));
        assert_eq!(segment_files(directory.path()), before);
    }
    broken_sync.store(false, Ordering::SeqCst);
    assert!(make_room(&journal));
    assert!(segment_files(directory.path()).len() < before.len());
    balanced(&journal, "dead");
}

#[test]
fn a_segment_whose_first_block_is_damaged_is_shed_with_the_one_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open_small(directory.path(), 100);
    journal.register("dead", StartAt::Earliest).unwrap();
    fill_segments(&journal, 4);
    drop(journal);
    let second = segment_files(directory.path()).remove(1);
    let mut bytes = std::fs::read(&second).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&second, bytes).unwrap();
    let journal = open_small(directory.path(), 100);
    assert!(read_all(&journal, 0).1.is_some());
    journal.limit_backlog("dead", 50 * SEGMENT_BYTES);
    assert!(make_room(&journal));
    assert_eq!(journal.usage().segments, 2);
    balanced(&journal, "dead");
}

#[test]
fn a_forgotten_limit_does_not_meet_who_gets_the_name_next() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open_small(directory.path(), 100);
    journal.register("name", StartAt::Earliest).unwrap();
    journal.limit_backlog("name", SEGMENT_BYTES);
    journal.forget("name").unwrap();
    journal.register("name", StartAt::Earliest).unwrap();
    fill_segments(&journal, 3);
    assert!(!make_room(&journal));
}

#[test]
fn a_power_cut_at_any_moment_of_shedding_leaves_exact_accounts() {
    let mut last = None;
    for at in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let disk = SimDisk::default();
        let journal = open_with(small(directory.path(), 100), Arc::new(disk.clone())).unwrap();
        journal.register("dead", StartAt::Earliest).unwrap();
        fill_segments(&journal, 4);
        journal.sync_cursors().unwrap();
        // The keeper, which looks once a second, may make an operation more: that is a cut, too.
        journal.limit_backlog("dead", 50 * SEGMENT_BYTES);
        let before = disk.operations();
        disk.fault_at(at, Fault::PowerCut);
        make_room(&journal);
        let met = disk.operations() - before > at;
        disk.cut_power();
        drop(journal);
        let disk = disk.after_power_cut(&mut Chance(at as u64));
        let journal = open_with(small(directory.path(), 100), Arc::new(disk)).unwrap();
        let cursor = journal.load_cursor("dead").unwrap();
        assert_eq!(read_all(&journal, cursor.low_water).1, None);
        balanced(&journal, "dead");
        last = Some(cursor.totals.discarded);
        if !met {
            break;
        }
    }
    assert!(last.unwrap() > 0);
}
