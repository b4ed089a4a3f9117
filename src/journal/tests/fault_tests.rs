//! Proves: lack of space is refused and passes; a failed sync poisons until a restart; neither
//! loses what was answered before.

use super::seal_tests::keyed;
use super::*;

fn faulty(directory: &Path) -> (Journal, Arc<AtomicBool>, Arc<AtomicBool>) {
    let files = FaultyFiles::default();
    let (full, broken_sync) = (Arc::clone(&files.full), Arc::clone(&files.broken_sync));
    let journal = open_with(options(directory), Arc::new(files)).unwrap();
    eventually("a spare is ready", || journal.shared.spare.is_ready());
    (journal, full, broken_sync)
}

#[test]
fn a_full_disk_refuses_the_group_and_the_journal_resumes_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, full, _) = faulty(directory.path());
    append(&journal, record("before")).unwrap();
    full.store(true, Ordering::SeqCst);
    let refused = append(&journal, record(&"lost".repeat(100)));
    assert!(matches!(refused, Err(AppendError::Full(_))), "{refused:?}");
    assert!(matches!(&*journal.health().borrow(), Health::Full(_)));
    full.store(false, Ordering::SeqCst);
    eventually("accepting again", || {
        *journal.health().borrow() == Health::Accepting
    });
    let next = position(append(&journal, record("after")).unwrap());
    assert_eq!(
        next, 3,
        "the position of the refused record is not used again"
    );
    assert_eq!(
        read_all(&journal, 0),
        (vec!["before".to_owned(), "after".to_owned()], None)
    );
    drop(journal);
    assert_eq!(read_all(&open(directory.path()), 0).0, ["before", "after"]);
}

#[test]
fn a_failed_sync_poisons_until_a_restart_and_durable_records_stay_readable() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _, broken_sync) = faulty(directory.path());
    append(&journal, record("durable")).unwrap();
    broken_sync.store(true, Ordering::SeqCst);
    let refused = append(&journal, record("unsure"));
    assert!(
        matches!(refused, Err(AppendError::Poisoned(_))),
        "{refused:?}"
    );
    broken_sync.store(false, Ordering::SeqCst);
    let refused = append(&journal, record("after"));
    assert!(
        matches!(refused, Err(AppendError::Poisoned(_))),
        "{refused:?}"
    );
    assert_eq!(read_all(&journal, 0).0, ["durable"]);
    drop(journal);
    let journal = open(directory.path());
    append(&journal, record("after")).unwrap();
    let texts = read_all(&journal, 0).0;
    // The unsure record may be there: it was refused, so the vendor may send it again.
    assert_eq!(texts.first().map(String::as_str), Some("durable"));
    assert_eq!(texts.last().map(String::as_str), Some("after"));
}

#[test]
fn a_directory_is_used_by_one_process_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let _journal = open(directory.path());
    let second = open_with(options(directory.path()), Arc::new(DiskFiles));
    assert!(matches!(second, Err(OpenError::Locked(_))));
}

#[test]
fn a_start_without_a_working_sync_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let files = FaultyFiles::default();
    files.broken_sync.store(true, Ordering::SeqCst);
    assert!(open_with(options(directory.path()), Arc::new(files)).is_err());
}

/// Text of a record that fits only into an empty segment.
fn large() -> String {
    let room = SEGMENT_BYTES - 4096 - seal::bytes_max(SEGMENT_BYTES, 1);
    "x".repeat(usize::try_from(room).unwrap() - 96 - 16)
}

#[test]
fn what_a_refused_group_left_behind_is_no_part_of_a_segment_that_others_follow() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, full, _) = faulty(directory.path());
    append(&journal, record("before")).unwrap();
    full.store(true, Ordering::SeqCst);
    let set = vec![record("lost 1"), record("lost 2"), record("lost 3")];
    let refused = journal.append(set).unwrap().wait();
    assert!(matches!(refused, Err(AppendError::Full(_))), "{refused:?}");
    full.store(false, Ordering::SeqCst);
    append(&journal, record(&large())).unwrap();
    let expected = vec!["before".to_owned(), large()];
    assert_eq!(read_all(&journal, 0), (expected.clone(), None));
    drop(journal);
    assert_eq!(read_all(&open(directory.path()), 0), (expected, None));
}

#[test]
fn a_full_journal_that_is_never_idle_accepts_again_as_soon_as_a_group_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, full, _) = faulty(directory.path());
    full.store(true, Ordering::SeqCst);
    assert!(append(&journal, record(&"lost".repeat(100))).is_err());
    full.store(false, Ordering::SeqCst);
    append(&journal, record("after")).unwrap();
    assert_eq!(*journal.health().borrow(), Health::Accepting);
}

#[test]
fn a_segment_whose_name_may_not_be_durable_poisons_instead_of_being_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    let files = FaultyFiles::default();
    let full_directory = Arc::clone(&files.full_directory);
    let journal = open_with(options(directory.path()), Arc::new(files)).unwrap();
    append(&journal, record("before")).unwrap();
    full_directory.store(true, Ordering::SeqCst);
    let refused = append(&journal, record(&large()));
    assert!(
        matches!(refused, Err(AppendError::Poisoned(_))),
        "{refused:?}"
    );
    drop(journal);
    let journal = open(directory.path());
    append(&journal, record("after")).unwrap();
    assert_eq!(read_all(&journal, 0).0, ["before", "after"]);
}

#[test]
fn a_start_makes_the_names_it_finds_and_the_directories_it_creates_durable() {
    let outer = tempfile::tempdir().unwrap();
    let directory = outer.path().join("data/journal");
    let synced = |directory: &Path| {
        let files = FaultyFiles::default();
        let synced = Arc::clone(&files.synced_directories);
        drop(open_with(options(directory), Arc::new(files)).unwrap());
        std::mem::take(&mut *synced.lock().unwrap())
    };
    let first = synced(&directory);
    for created in [outer.path(), &outer.path().join("data"), &directory] {
        assert!(first.iter().any(|path| path == created), "{first:?}");
    }
    // A kill between the rename and the sync leaves a name that only the memory knows.
    assert!(synced(&directory).contains(&directory));
}

#[test]
fn only_the_relays_user_reads_what_is_stored() {
    use std::os::unix::fs::PermissionsExt;
    let outer = tempfile::tempdir().unwrap();
    let directory = outer.path().join("journal");
    let journal = open(&directory);
    append(&journal, record("one")).unwrap();
    eventually("a spare is ready", || journal.shared.spare.is_ready());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory) & 0o027, 0);
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_segment_that_cannot_be_read_holds_its_readers_and_not_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    append(&journal, record("one")).unwrap();
    drop(journal);
    let files = FaultyFiles {
        unreadable: Some(segment_files(directory.path()).remove(0)),
        ..FaultyFiles::default()
    };
    let journal = open_with(options(directory.path()), Arc::new(files)).unwrap();
    let next = position(append(&journal, record("two")).unwrap());
    assert!(next > 1, "a position that may be in use");
    assert_eq!(read_all(&journal, next - 1).0, ["two"]);
    assert!(read_all(&journal, 0).1.is_some());
}

#[test]
fn a_damaged_end_in_a_journal_without_space_starts_full_and_resumes() {
    let directory = tempfile::tempdir().unwrap();
    let small = || Options {
        max_size_bytes: 4 * SEGMENT_BYTES,
        ..options(directory.path())
    };
    let journal = open_with(small(), Arc::new(DiskFiles)).unwrap();
    let mut cursor = journal.register("splunk", StartAt::Earliest).unwrap();
    while append(&journal, record(&"x".repeat(1000))).is_ok() {}
    drop(journal);
    let last = segment_files(directory.path()).pop().unwrap();
    let mut bytes = std::fs::read(&last).unwrap();
    let first = usize::try_from(segment::HEADER_BYTES).unwrap();
    bytes[first + 50] ^= 1;
    std::fs::write(&last, bytes).unwrap();
    let journal = open_with(small(), Arc::new(DiskFiles)).unwrap();
    assert!(matches!(&*journal.health().borrow(), Health::Full(_)));
    let refused = append(&journal, record("refused"));
    assert!(matches!(refused, Err(AppendError::Full(_))), "{refused:?}");
    let (delivered, damage) = read_all(&journal, 0);
    assert!(!delivered.is_empty() && damage.is_some());
    cursor.low_water = delivered.len() as u64;
    cursor.revision = journal.load_cursor("splunk").unwrap().revision;
    journal.store_cursor("splunk", &cursor).unwrap();
    eventually("space is found", || {
        *journal.health().borrow() == Health::Accepting
    });
    append(&journal, record("again")).unwrap();
}

#[test]
fn segments_leave_the_reserve_free_and_go_on_when_there_is_more() {
    let directory = tempfile::tempdir().unwrap();
    let files = FaultyFiles::default();
    let free = Arc::clone(&files.free_bytes);
    let reserving = Options {
        reserve_bytes: 1 << 20,
        ..options(directory.path())
    };
    let journal = open_with(reserving, Arc::new(files)).unwrap();
    eventually("a spare is ready", || journal.shared.spare.is_ready());
    *free.lock().unwrap() = Some((1 << 20) + SEGMENT_BYTES - 1);
    let refused = loop {
        if let Err(error) = append(&journal, record(&"x".repeat(1000))) {
            break error.to_string();
        }
    };
    assert!(
        refused.contains("journal.reserve keeps 1048576"),
        "{refused}"
    );
    assert_eq!(journal.usage().segments, 2, "what was ready is used");
    *free.lock().unwrap() = Some((1 << 20) + SEGMENT_BYTES);
    eventually("accepting again", || {
        *journal.health().borrow() == Health::Accepting
    });
    append(&journal, record("again")).unwrap();
}

#[test]
fn what_was_refused_is_stored_when_it_is_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    let files = FaultyFiles::default();
    let full = Arc::clone(&files.full);
    // So few that the keys of one set push those before them into the older generation.
    let few = Options {
        resend_window: 4,
        ..options(directory.path())
    };
    let journal = open_with(few, Arc::new(files)).unwrap();
    append(&journal, keyed(0)).unwrap();
    full.store(true, Ordering::SeqCst);
    let set = vec![keyed(1), keyed(2), keyed(3)];
    let refused = journal.append(set).unwrap().wait();
    assert!(matches!(refused, Err(AppendError::Full(_))), "{refused:?}");
    full.store(false, Ordering::SeqCst);
    for number in 1..=3 {
        let stored = append(&journal, keyed(number)).unwrap();
        assert!(matches!(stored, Stored::At { .. }), "record {number}");
    }
}
