//! Proves: lack of space is refused and passes; a failed sync poisons until a restart; neither
//! loses what was answered before.

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
