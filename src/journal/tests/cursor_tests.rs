//! Proves: cursors survive restarts and torn writes; a damaged cursor file stops the start.

use super::sim::{Chance, Fault, SimDisk};
use super::*;

fn moved(journal: &Journal, low_water: u64) {
    let mut cursor = journal.load_cursor("splunk").unwrap();
    cursor.low_water = low_water;
    cursor.done = vec![(low_water + 2, low_water + 3)];
    cursor.totals.delivered = low_water + 2;
    cursor.last_success_ms = 42;
    journal.store_cursor("splunk", &cursor).unwrap();
}

#[test]
fn a_cursor_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    journal.register("splunk", StartAt::Earliest).unwrap();
    moved(&journal, 7);
    let before = journal.load_cursor("splunk").unwrap();
    drop(journal);
    let journal = open(directory.path());
    let after = journal.load_cursor("splunk").unwrap();
    assert_eq!(
        Cursor {
            revision: 0,
            ..after
        },
        Cursor {
            revision: 0,
            ..before
        }
    );
    assert_eq!(
        journal
            .register("splunk", StartAt::Latest)
            .unwrap()
            .low_water,
        7
    );
    // Never below what a cursor has seen, even though the log is empty.
    assert!(position(append(&journal, record("x")).unwrap()) > 10);
}

#[test]
fn a_destination_begins_with_the_oldest_or_with_the_next_event() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    append(&journal, record("one")).unwrap();
    append(&journal, record("two")).unwrap();
    let earliest = journal.register("earliest", StartAt::Earliest).unwrap();
    let latest = journal.register("latest", StartAt::Latest).unwrap();
    assert_eq!((earliest.low_water, earliest.skipped_events), (0, 0));
    assert_eq!((latest.low_water, latest.skipped_events), (2, 2));
}

#[test]
fn a_store_with_an_outdated_revision_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    let cursor = journal.register("splunk", StartAt::Earliest).unwrap();
    journal.store_cursor("splunk", &cursor).unwrap();
    let second = journal.store_cursor("splunk", &cursor);
    assert_eq!(second, Err(CursorError::Conflict("splunk".to_owned())));
}

#[test]
fn a_torn_slot_leaves_the_state_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let at = |low_water| {
        let cursor = Cursor {
            low_water,
            ..Cursor::default()
        };
        cursor_file::Stored {
            cursors: [("splunk".to_owned(), cursor)].into(),
            ..Default::default()
        }
    };
    let mut file = CursorFile::create(&DiskFiles, directory.path(), [7; 16]).unwrap();
    file.store(&at(7)).unwrap();
    file.store(&at(9)).unwrap();
    let path = directory.path().join("cursors");
    let whole = std::fs::read(&path).unwrap();
    // Created, 7 and 9 went to the slots in turn, so that 9 is where the first state was.
    let (newest, older) = (4096, 4096 + 8 * 1024 * 1024);
    let length = u32::from_le_bytes(whole[newest + 4..newest + 8].try_into().unwrap()) as usize;
    for byte in newest..newest + length {
        let mut torn = whole.clone();
        torn[byte] ^= 1;
        std::fs::write(&path, &torn).unwrap();
        let (_, id, stored) = CursorFile::open(&DiskFiles, directory.path()).unwrap();
        assert_eq!((id, stored), ([7; 16], at(7)), "byte {}", byte - newest);
    }
    let mut both = whole;
    both[newest + 30] ^= 1;
    both[older + 30] ^= 1;
    std::fs::write(&path, both).unwrap();
    let refused = open_with(options(directory.path()), Arc::new(DiskFiles));
    assert!(matches!(refused, Err(OpenError::Cursors(_))));
}

#[test]
fn segments_without_a_cursor_file_stop_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    append(&journal, record("one")).unwrap();
    drop(journal);
    std::fs::remove_file(directory.path().join("cursors")).unwrap();
    let refused = open_with(options(directory.path()), Arc::new(DiskFiles));
    assert!(matches!(refused, Err(OpenError::Cursors(_))));
}

#[test]
fn a_destination_that_could_not_be_forgotten_or_renamed_durably_stays() {
    let directory = tempfile::tempdir().unwrap();
    let files = FaultyFiles::default();
    let broken_sync = Arc::clone(&files.broken_sync);
    let journal = open_with(options(directory.path()), Arc::new(files)).unwrap();
    journal.register("splunk", StartAt::Earliest).unwrap();
    broken_sync.store(true, Ordering::SeqCst);
    assert!(matches!(
        journal.forget("splunk"),
        Err(CursorError::Storage(_))
    ));
    assert!(journal.register("new", StartAt::Earliest).is_err());
    assert!(journal.rename("splunk", "new").is_err());
    broken_sync.store(false, Ordering::SeqCst);
    assert_eq!(journal.cursor_names(), ["splunk"]);
    drop(journal);
    assert_eq!(open(directory.path()).cursor_names(), ["splunk"]);
}

#[test]
fn segments_missing_in_front_of_a_cursor_hold_it() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    journal.register("splunk", StartAt::Earliest).unwrap();
    while journal.usage().segments < 3 {
        append(&journal, record(&"x".repeat(1000))).unwrap();
    }
    let last = journal.shared.segments().last().unwrap().base - 1;
    drop(journal);
    std::fs::remove_file(segment_files(directory.path()).remove(0)).unwrap();
    let journal = open(directory.path());
    let low_water = journal.load_cursor("splunk").unwrap().low_water;
    let (texts, damage) = read_all(&journal, low_water);
    assert!(texts.is_empty());
    assert!(
        matches!(damage, Some(ReadError::Damaged { .. })),
        "{damage:?}"
    );
    assert_eq!(read_all(&journal, last).1, None);
    let late = journal.register("late", StartAt::Earliest).unwrap();
    assert_eq!(read_all(&journal, late.low_water).1, None);
}

#[test]
fn a_destination_registered_while_segments_go_begins_with_one_that_stays() {
    let directory = tempfile::tempdir().unwrap();
    let files = FaultyFiles::default();
    let (removing, about_to_remove) = sync_channel(1);
    let (registered, go_on) = sync_channel(1);
    *files.removing.lock().unwrap() = Some((removing, go_on));
    let keep_nothing = Options {
        resend_window: 0,
        ..options(directory.path())
    };
    let journal = open_with(keep_nothing, Arc::new(files)).unwrap();
    let mut cursor = journal.register("splunk", StartAt::Earliest).unwrap();
    while journal.usage().segments < 3 {
        append(&journal, record(&"x".repeat(1000))).unwrap();
    }
    cursor.low_water = journal.head().borrow().position;
    journal.store_cursor("splunk", &cursor).unwrap();
    about_to_remove
        .recv_timeout(Duration::from_secs(20))
        .unwrap();
    // Were it not to wait for the removal, it would be done before the file is gone.
    let late = journal.register("late", StartAt::Earliest).unwrap();
    let _removed_already = registered.send(());
    eventually("nothing more goes", || journal.usage().segments == 1);
    assert_eq!(late.low_water + 1, journal.shared.segments()[0].base);
}

#[test]
fn a_renamed_cursor_keeps_its_place_and_takes_no_other_name() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    append(&journal, record("one")).unwrap();
    journal.register("old", StartAt::Latest).unwrap();
    journal.register("other", StartAt::Earliest).unwrap();
    let taken = journal.rename("old", "other");
    assert_eq!(taken, Err(CursorError::Taken("other".to_owned())));
    journal.rename("old", "new").unwrap();
    drop(journal);
    let journal = open(directory.path());
    assert_eq!(journal.load_cursor("new").unwrap().low_water, 1);
    assert_eq!(journal.cursor_names(), ["new", "other"]);
}

#[test]
fn a_store_whose_sync_failed_does_not_cost_the_state_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let disk = SimDisk::default();
    // Several sectors that all change, so that a part of them can be lost.
    let state = |low_water: u64| {
        let ranges = (1..200).map(|number| (number * 10, number * 10 + low_water));
        let cursor = Cursor {
            low_water,
            done: ranges.collect(),
            ..Cursor::default()
        };
        cursor_file::Stored {
            cursors: [("splunk".to_owned(), cursor)].into(),
            ..cursor_file::Stored::default()
        }
    };
    let mut file = CursorFile::create(&disk, path, [1; 16]).unwrap();
    for low_water in 1..=3 {
        file.store(&state(low_water)).unwrap();
    }
    disk.fault_at(1, Fault::Broken);
    file.store(&state(4)).unwrap_err();
    let mut rng = Chance(7);
    for at in 0..12 {
        for _ in 0..20 {
            // Killed, so that what the failed sync left in memory is what the next start finds.
            let disk = disk.after_kill();
            disk.fault_at(at, Fault::PowerCut);
            if let Ok(mut recovered) = recovery::recover(&disk, &options(path)) {
                let _cut = recovered.cursor_file.store(&state(5));
            }
            let after = disk.after_power_cut(&mut rng);
            let (_, _, stored) = CursorFile::open(&after, path).expect("one good state");
            let low_water = stored.cursors["splunk"].low_water;
            assert!(low_water >= 3, "{low_water} after a cut at {at}");
        }
    }
}
