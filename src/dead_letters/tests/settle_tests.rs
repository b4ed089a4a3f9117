//! Proves what becomes of letters: that each step outlives a restart, that a rewrite broken off
//! anywhere loses nothing, and that purged events are counted once.

use super::super::compact::Step;
use super::*;

pub(super) fn ids(log: &DeadLetterLog) -> Vec<EventId> {
    let file = log.file();
    file.index.entries().map(|entry| entry.id).collect()
}

/// Opens the log as the process after a kill does: the lock of the one before went with it.
pub(super) fn open(directory: &Path) -> DeadLetterLog {
    let _none_yet = std::fs::remove_file(directory.join(".splunk.jsonl.lock"));
    DeadLetterLog::open(directory, "splunk", 1 << 20).unwrap()
}

/// A log with so many letters of reason `rejected`, and their ids.
pub(super) fn filled(directory: &Path, letters: u64) -> (DeadLetterLog, Vec<EventId>) {
    let log = open(directory);
    for number in 0..letters {
        log.append(&[numbered(number, "first")]).unwrap();
    }
    let ids = ids(&log);
    (log, ids)
}

pub(super) fn of(id: EventId) -> Filter {
    Filter {
        ids: vec![id],
        ..Filter::default()
    }
}

pub(super) fn taken(id: EventId) -> ReplayOutcome {
    ReplayOutcome {
        id,
        attempts: 3,
        refused: None,
    }
}

pub(super) fn refused(id: EventId) -> ReplayOutcome {
    ReplayOutcome {
        refused: Some(("too_large", "413 again".into())),
        ..taken(id)
    }
}

/// Every letter as `list` and `show` have it, with what it can be sent from.
fn everything(directory: &Path) -> Vec<String> {
    let mut letters = Vec::new();
    let each = |letter: Letter| {
        letters.push(format!(
            "{} {:?}",
            letter.to_json(),
            letter.event().unwrap()
        ));
        true
    };
    assert_eq!(
        read(directory, "splunk", &Filter::default(), each).unwrap(),
        0
    );
    letters
}

#[test]
fn each_step_of_a_replay_outlives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (log, ids) = filled(directory.path(), 3);
    assert_eq!(log.request_replay(&Filter::default(), true).unwrap(), 3);
    assert_eq!(log.summary().waiting, 0, "a dry run asks for nothing");
    let two = Filter {
        limit: Some(2),
        ..Filter::default()
    };
    assert_eq!(log.request_replay(&two, false).unwrap(), 2);
    assert_eq!(log.request_replay(&of(ids[0]), false).unwrap(), 0, "it is");
    let log = open(directory.path());
    assert_eq!(log.summary().waiting, 2);
    assert_eq!(log.begin_sending(&ids).unwrap(), ids[..2]);
    let log = open(directory.path());
    let states: Vec<_> = log.waiting(None, 9, 1 << 20).unwrap();
    let states: Vec<_> = states.iter().map(|(_, letter)| letter.state).collect();
    assert_eq!(states, [LetterState::Sending; 2]);
    log.settle(&[taken(ids[0]), refused(ids[1])]).unwrap();
    let log = open(directory.path());
    assert_eq!((log.summary().letters, log.summary().waiting), (2, 0));
    let mut again = Vec::new();
    read(directory.path(), "splunk", &of(ids[1]), |letter| {
        again.push(letter);
        true
    })
    .unwrap();
    assert_eq!(again[0].text("reason"), "too_large");
    assert_eq!(again[0].text("detail"), "413 again");
    assert_eq!(
        (again[0].attempts(), again[0].state),
        (3, LetterState::Dead)
    );
}

#[test]
fn filters_choose_by_every_part() {
    let directory = tempfile::tempdir().unwrap();
    let (log, ids) = filled(directory.path(), 4);
    log.request_replay(&of(ids[3]), false).unwrap();
    log.begin_sending(&ids[3..]).unwrap();
    log.settle(&[refused(ids[3])]).unwrap();
    let died = |index: usize| {
        let file = log.file();
        let entry = file.index.get(ids[index]).unwrap();
        entry.died_ms
    };
    let count = |filter: Filter| log.request_replay(&filter, true).unwrap();
    let reason = |word: &str| Filter {
        reason: Some(word.to_owned()),
        ..Filter::default()
    };
    assert_eq!(count(reason("rejected")), 3);
    assert_eq!(count(reason("too_large")), 1, "the last reason counts");
    let source = |name: &str| Filter {
        source: Some(name.to_owned()),
        ..Filter::default()
    };
    assert_eq!((count(source("datatheorem")), count(source("x"))), (4, 0));
    let since = Filter {
        since_ms: Some(died(3) + 1),
        ..Filter::default()
    };
    let until = Filter {
        until_ms: Some(died(0)),
        ..Filter::default()
    };
    assert_eq!((count(since), count(until)), (0, 0));
    let within = Filter {
        since_ms: Some(died(0)),
        until_ms: Some(died(3) + 1),
        limit: Some(3),
        ids: ids[1..].to_vec(),
        ..reason("rejected")
    };
    assert_eq!(count(within), 2);
}

#[test]
fn a_rewrite_broken_off_at_any_step_loses_nothing_and_a_whole_one_frees_the_space() {
    for stop in [
        Step::Write,
        Step::Sync,
        Step::Index,
        Step::Rename,
        Step::SyncDirectory,
    ] {
        let directory = tempfile::tempdir().unwrap();
        let (log, ids) = filled(directory.path(), 5);
        log.request_replay(&Filter::default(), false).unwrap();
        log.begin_sending(&ids[1..3]).unwrap();
        log.settle(&[taken(ids[1]), refused(ids[2])]).unwrap();
        log.begin_sending(&ids[3..4]).unwrap();
        let before = everything(directory.path());
        assert_eq!(before.len(), 4);
        let reached = |step| match step == stop {
            true => Err(std::io::Error::other("killed here")),
            false => Ok(()),
        };
        log.file().compact(reached).unwrap_err();
        assert_eq!(everything(directory.path()), before, "{stop:?}");
        // What a kill there leaves, with half of a new file beside it.
        std::fs::write(directory.path().join("splunk.jsonl.new"), "{\"v\":1,\"ki").unwrap();
        drop(log);
        let log = open(directory.path());
        assert_eq!(everything(directory.path()), before, "{stop:?}");
        assert!(!directory.path().join("splunk.jsonl.new").exists());
        let bytes = log.summary().bytes;
        log.file().compact(|_| Ok(())).unwrap();
        let after = everything(directory.path());
        assert_eq!(after, before);
        assert!(log.summary().letters == 4 && log.file().length <= bytes);
        // And the log goes on behind it.
        log.append(&[numbered(9, "later")]).unwrap();
        assert_eq!(open(directory.path()).summary().letters, 5);
        assert_eq!(open(directory.path()).summary().waiting, 3);
    }
}

#[test]
fn settled_letters_leave_the_file_before_they_are_more_than_half_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let (log, ids) = filled(directory.path(), 20);
    let whole = log.summary().bytes;
    log.request_replay(&Filter::default(), false).unwrap();
    for id in &ids[..19] {
        log.begin_sending(&[*id]).unwrap();
        log.settle(&[taken(*id)]).unwrap();
        let file = log.file();
        assert!(file.length <= 2 * file.index.live_bytes(), "{id}");
    }
    assert!(log.summary().bytes < whole / 5);
    assert_eq!(everything(directory.path()).len(), 1);
}

#[test]
fn a_full_log_takes_letters_again_after_a_purge_and_settles_them_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let log = DeadLetterLog::open(directory.path(), "splunk", 700).unwrap();
    log.append(&[numbered(0, "one")]).unwrap();
    assert!(log.append(&[numbered(1, "two")]).is_err());
    let id = ids(&log)[0];
    assert_eq!(log.request_replay(&of(id), false).unwrap(), 1);
    assert_eq!(log.purge(&Filter::default(), true).unwrap(), 1);
    assert_eq!(log.summary().letters, 1, "a dry run purges nothing");
    assert_eq!(log.purge(&Filter::default(), false).unwrap(), 1);
    log.append(&[numbered(1, "two")]).unwrap();
    assert_eq!(ids(&log).len(), 1);
}

#[test]
fn a_letter_of_an_attempt_under_way_is_not_purged() {
    let directory = tempfile::tempdir().unwrap();
    let (log, ids) = filled(directory.path(), 2);
    log.request_replay(&Filter::default(), false).unwrap();
    log.begin_sending(&ids[..1]).unwrap();
    assert_eq!(log.purge(&Filter::default(), false).unwrap(), 1);
    log.settle(&[]).unwrap();
    assert_eq!(log.purge(&Filter::default(), false).unwrap(), 1);
}

#[test]
fn a_damaged_line_is_kept_through_a_rewrite_and_harms_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (log, all) = filled(directory.path(), 2);
    drop(log);
    let path = directory.path().join("splunk.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("\0\0\0 not json\n{text}")).unwrap();
    let log = open(directory.path());
    log.purge(&of(all[0]), false).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("\0\0\0 not json\n"), "{text}");
    assert_eq!(ids(&log), all[1..]);
}

/// Totals on disk as a worker keeps them: moved as asked, and lost by a kill before their sync.
fn count(log: &DeadLetterLog, totals: &mut u64, killed: Option<u8>) {
    let disk = *totals;
    let moved = log.begin_count(disk).unwrap();
    if killed == Some(0) {
        return;
    }
    *totals -= moved;
    if killed == Some(1) {
        return;
    }
    log.end_count().unwrap();
}

#[test]
fn purged_events_are_counted_exactly_once_wherever_a_kill_falls() {
    for killed in [None, Some(0), Some(1)] {
        for compacted in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let (log, ids) = filled(directory.path(), 5);
            let mut totals = 5;
            log.purge(&of(ids[0]), false).unwrap();
            log.purge(&of(ids[1]), false).unwrap();
            assert!(log.has_uncounted());
            count(&log, &mut totals, killed);
            if compacted {
                log.file().compact(|_| Ok(())).unwrap();
            }
            // More is purged before the next run counts.
            drop(log);
            let log = open(directory.path());
            log.purge(&of(ids[2]), false).unwrap();
            for _ in 0..3 {
                if log.has_uncounted() {
                    count(&log, &mut totals, None);
                }
            }
            assert_eq!(totals, 2, "{killed:?} {compacted}");
            assert!(!open(directory.path()).has_uncounted());
        }
    }
}

#[test]
fn what_is_settled_makes_room_before_a_letter_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _) = filled(directory.path(), 3);
    let limit = log.summary().bytes + 100;
    drop(log);
    let log = DeadLetterLog::open(directory.path(), "splunk", limit).unwrap();
    let first = ids(&log)[0];
    log.request_replay(&of(first), false).unwrap();
    log.begin_sending(&[first]).unwrap();
    log.settle(&[taken(first)]).unwrap();
    assert!(
        log.summary().bytes > limit,
        "too little is settled for a rewrite yet"
    );
    log.append(&[numbered(7, "first")]).unwrap();
    assert_eq!(log.summary().letters, 3);
    assert!(log.append(&[numbered(8, "first")]).is_err());
}

#[test]
fn each_replay_has_an_id_that_its_events_carry_until_they_are_settled_also_over_a_rewrite() {
    let directory = tempfile::tempdir().unwrap();
    let (log, ids) = filled(directory.path(), 5);
    for id in &ids[..2] {
        log.request_replay(&of(*id), false).unwrap();
    }
    let three = Filter {
        ids: ids[2..4].to_vec(),
        ..Filter::default()
    };
    log.request_replay(&three, false).unwrap();
    log.begin_sending(&ids[1..3]).unwrap();
    let replays = |log: &DeadLetterLog| {
        let letters = log.waiting(None, 9, 1 << 20).unwrap();
        let replays = letters
            .iter()
            .map(|(_, letter)| letter.event().unwrap().replay_id);
        replays.collect::<Option<Vec<_>>>().unwrap()
    };
    let before = replays(&log);
    assert_eq!(before.len(), 4);
    assert!(before[0] != before[1] && before[1] != before[2] && before[2] == before[3]);
    assert_eq!(replays(&open(directory.path())), before, "read again");
    log.purge(&of(ids[4]), false).unwrap();
    assert_eq!(replays(&log), before, "rewritten");
    let log = open(directory.path());
    assert_eq!(replays(&log), before, "rewritten and read again");
    let shown = everything(directory.path());
    assert!(
        shown[0].contains(&format!("\"replay_id\":\"{}\"", before[0])),
        "{shown:?}"
    );
    log.settle(&[refused(ids[1])]).unwrap();
    assert!(!everything(directory.path())[1].contains("replay_id\":"));
    log.request_replay(&of(ids[1]), false).unwrap();
    let again = replays(&log);
    assert!(
        again[1] != before[1] && again[0] == before[0],
        "a new wish is a new replay"
    );
}

#[test]
fn a_line_of_an_earlier_build_without_a_replay_is_read_and_one_with_an_odd_id_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let (log, ids) = filled(directory.path(), 2);
    drop(log);
    let path = directory.path().join("splunk.jsonl");
    let mut lines = std::fs::read_to_string(&path).unwrap();
    for (id, more) in [(ids[0], ""), (ids[1], ",\"replay_id\":\"x\"")] {
        lines += &format!(
            "{{\"v\":1,\"kind\":\"replay\",\"at\":\"2026-01-01T00:00:00Z\",\
             \"ids\":[\"{id}\"]{more}}}\n"
        );
    }
    std::fs::write(&path, lines).unwrap();
    let log = open(directory.path());
    let letters = log.waiting(None, 9, 1 << 20).unwrap();
    let replays = letters
        .iter()
        .map(|(_, letter)| (letter.id, letter.event().unwrap().replay_id));
    assert_eq!(replays.collect::<Vec<_>>(), [(ids[0], None)]);
}
