//! Proves: what was answered is read back, in order, across segments and restarts; repeats are
//! recognised; segments go when, and only when, nobody needs them.

use super::*;

#[test]
fn what_was_answered_is_read_back_across_segments_and_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for round in 0..3 {
        let journal = open(directory.path());
        for number in 0..200 {
            let text = format!("{round}/{number} {}", "x".repeat(number * 7 % 900));
            append(&journal, record(&text)).unwrap();
            expected.push(text);
        }
        assert_eq!(read_all(&journal, 0), (expected.clone(), None));
    }
    assert!(segment_files(directory.path()).len() > 2);
    let journal = open(directory.path());
    assert_eq!(journal.head().borrow().events, 600);
    assert_eq!(read_all(&journal, 0).0, expected);
    assert_eq!(read_all(&journal, 450).0, expected[450..]);
}

#[test]
fn records_of_many_threads_are_all_there_with_distinct_rising_positions() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let journal = &journal;
            scope.spawn(move || {
                let mut last = 0;
                for number in 0..100 {
                    let stored = append(journal, record(&format!("{thread}/{number}"))).unwrap();
                    assert!(position(stored) > last);
                    last = position(stored);
                }
            });
        }
    });
    let mut texts = read_all(&journal, 0).0;
    assert_eq!(texts.len(), 800);
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 800);
}

#[test]
fn a_record_larger_than_a_fetch_is_read_and_one_larger_than_a_segment_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let large = Options {
        segment_bytes: 4 << 20,
        max_size_bytes: 64 << 20,
        ..options(directory.path())
    };
    let journal = open_with(large, Arc::new(DiskFiles)).unwrap();
    let text = "y".repeat(3 << 20);
    append(&journal, record("before")).unwrap();
    append(&journal, record(&text)).unwrap();
    append(&journal, record("after")).unwrap();
    assert_eq!(
        read_all(&journal, 0).0,
        ["before".to_owned(), text, "after".to_owned()]
    );
    let refused = append(&journal, record(&"z".repeat(5 << 20)));
    assert!(
        matches!(refused, Err(AppendError::TooLarge { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_repeat_is_dropped_or_marked_also_within_a_group_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let keyed = |text: &str, key: u8, drop_repeats| NewRecord {
        resend: Some(Resend {
            key: [key; 16],
            drop_repeats,
        }),
        ..record(text)
    };
    let journal = open(directory.path());
    let set = vec![
        keyed("a", 1, true),
        keyed("a", 1, true),
        keyed("b", 2, false),
        keyed("b", 2, false),
    ];
    let ids: Vec<_> = set.iter().map(|record| record.id).collect();
    let answers = journal.append(set).unwrap().wait().unwrap();
    assert!(matches!(
        answers[0],
        Stored::At {
            duplicate_of: None,
            ..
        }
    ));
    assert_eq!(answers[1], Stored::Repeat { first: ids[0] });
    assert!(matches!(answers[3], Stored::At { duplicate_of: Some(id), .. } if id == ids[2]));
    drop(journal);
    let journal = open(directory.path());
    assert_eq!(
        append(&journal, keyed("a", 1, true)).unwrap(),
        Stored::Repeat { first: ids[0] }
    );
    let marked = append(&journal, keyed("b", 2, false)).unwrap();
    assert!(matches!(marked, Stored::At { duplicate_of: Some(id), .. } if id == ids[2]));
    assert_eq!(read_all(&journal, 0).0, ["a", "b", "b", "b"]);
}

#[test]
fn a_segment_goes_when_the_last_cursor_passed_it_and_not_before() {
    let directory = tempfile::tempdir().unwrap();
    let keep_nothing = Options {
        resend_window: 0,
        ..options(directory.path())
    };
    let journal = open_with(keep_nothing, Arc::new(DiskFiles)).unwrap();
    let mut fast = journal.register("fast", StartAt::Earliest).unwrap();
    let mut slow = journal.register("slow", StartAt::Earliest).unwrap();
    for _ in 0..200 {
        append(&journal, record(&"x".repeat(1000))).unwrap();
    }
    let all = journal.usage().segments;
    assert!(all >= 3);
    let head = journal.head().borrow().position;
    fast.low_water = head;
    fast.revision = journal.store_cursor("fast", &fast).unwrap();
    retention::run(&journal.shared, retention::Pressure::SpaceShort);
    assert_eq!(journal.usage().segments, all);
    assert_eq!(read_all(&journal, 0).0.len(), 200);
    slow.low_water = head;
    slow.revision = journal.store_cursor("slow", &slow).unwrap();
    eventually("delivered segments go", || journal.usage().segments == 1);
    append(&journal, record("last")).unwrap();
    assert_eq!(read_all(&journal, head).0, ["last"]);
}

#[test]
fn a_journal_at_its_size_limit_refuses_and_resumes_when_a_cursor_moves() {
    let directory = tempfile::tempdir().unwrap();
    let small = Options {
        max_size_bytes: 4 * SEGMENT_BYTES,
        ..options(directory.path())
    };
    let journal = open_with(small, Arc::new(DiskFiles)).unwrap();
    let mut cursor = journal.register("splunk", StartAt::Earliest).unwrap();
    let refused = loop {
        if let Err(error) = append(&journal, record(&"x".repeat(1000))) {
            break error.to_string();
        }
    };
    assert!(
        refused.contains("max_size") && refused.contains("splunk"),
        "{refused}"
    );
    assert!(matches!(&*journal.health().borrow(), Health::Full(_)));
    let kept = read_all(&journal, 0).0.len();
    assert_eq!(kept as u64, journal.head().borrow().events);
    cursor.low_water = journal.head().borrow().position;
    journal.store_cursor("splunk", &cursor).unwrap();
    eventually("space is found again", || {
        *journal.health().borrow() == Health::Accepting
    });
    append(&journal, record("again")).unwrap();
    assert_eq!(read_all(&journal, cursor.low_water).0, ["again"]);
}

#[test]
fn a_reader_whose_segment_went_with_others_goes_on_with_the_oldest_that_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    let mut cursor = journal.register("splunk", StartAt::Earliest).unwrap();
    while journal.usage().segments < 5 {
        append(&journal, record(&"x".repeat(1000))).unwrap();
    }
    let bases: Vec<u64> = journal.shared.segments().iter().map(|s| s.base).collect();
    let mut reader = journal.reader(0);
    assert_eq!(records(reader.read(1, 1).unwrap())[0].record.position, 1);
    cursor.low_water = bases[3] - 1;
    journal.store_cursor("splunk", &cursor).unwrap();
    retention::run(&journal.shared, retention::Pressure::SpaceShort);
    assert_eq!(journal.usage().segments, 2);
    let mut read = 1;
    loop {
        let records = records(reader.read(1, 1).unwrap());
        let Some(next) = records.first() else { break };
        assert_eq!(next.ordinal, next.record.position);
        assert!(next.record.position == read + 1 || next.record.position == bases[3]);
        read = next.record.position;
    }
    assert_eq!(read, journal.head().borrow().position);
    assert_eq!(journal.damage(), []);
}
