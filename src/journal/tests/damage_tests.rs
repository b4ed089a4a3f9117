//! Proves: what is damaged is counted alike by whoever looks, whichever way it comes there; and
//! what is told as damage is what is damaged now.

use super::skip_tests::{filled, held_after, spoil, tell};
use super::*;

#[test]
fn what_lies_ahead_of_the_slowest_destination_is_told_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, texts) = filled(directory.path());
    let positions: Vec<u64> = texts.keys().copied().collect();
    let second = journal.shared.segments()[1].base;
    let damaged = [positions[2], positions[7], second - 1, second + 3];
    for wanted in damaged.iter().rev() {
        spoil(&journal, &[*wanted]);
    }
    assert_eq!(journal.damage_ahead().unwrap(), [], "nobody needs a place");
    for (name, low_water) in [("slow", positions[4]), ("quick", second + 1)] {
        journal.register(name, StartAt::Earliest).unwrap();
        let mut cursor = journal.load_cursor(name).unwrap();
        cursor.low_water = low_water;
        journal.store_cursor(name, &cursor).unwrap();
    }
    for round in 0..2 {
        let ahead = journal.damage_ahead().unwrap();
        let places: Vec<_> = ahead.iter().map(|p| (p.damage.after, p.through)).collect();
        let expected = [positions[7], second - 1, second + 3].map(|lost| (lost - 1, lost));
        assert_eq!(places, expected, "round {round}");
        assert!(ahead.iter().all(|passed| passed.events == 1), "{ahead:?}");
    }
    for passed in journal.damage_ahead().unwrap() {
        let after = passed.damage.after;
        assert_eq!(journal.preview_skip(after).unwrap(), passed);
        assert_eq!(journal.skip(after).unwrap(), passed);
    }
    assert_eq!(journal.damage_ahead().unwrap(), []);
}

#[test]
fn what_a_damaged_first_block_held_is_counted_by_the_way_that_leads_there() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = filled(directory.path());
    journal.register("splunk", StartAt::Earliest).unwrap();
    let bases: Vec<u64> = journal.shared.segments().iter().map(|s| s.base).collect();
    drop(journal);
    let second = segment_files(directory.path()).swap_remove(1);
    let mut bytes = std::fs::read(&second).unwrap();
    bytes[40] ^= 1;
    std::fs::write(second, bytes).unwrap();
    let journal = open(directory.path());
    let [ahead] = journal.damage_ahead().unwrap().try_into().unwrap();
    assert_eq!(ahead.damage.after, bases[1] - 1);
    assert_eq!(ahead.events, bases[2] - bases[1]);
    assert_eq!(journal.skip(bases[1] - 1).unwrap(), ahead);
}

#[test]
fn a_place_that_was_restored_is_no_damage_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, texts) = filled(directory.path());
    let third = *texts.keys().nth(2).unwrap();
    spoil(&journal, &[third]);
    assert_eq!(held_after(&journal, 0), Some(third - 1));
    assert_eq!(journal.damage().len(), 1);
    // The same bit again.
    let (path, offset) = {
        let damage = journal.damage().swap_remove(0);
        (directory.path().join(damage.file), damage.offset)
    };
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[usize::try_from(offset).unwrap() + 60] ^= 1;
    std::fs::write(path, bytes).unwrap();
    assert!(matches!(journal.skip(third - 1), Err(SkipError::Sound(_))));
    assert_eq!(journal.damage(), []);
}

#[test]
fn a_survey_tells_passed_places_from_others() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, texts) = filled(directory.path());
    let positions: Vec<u64> = texts.keys().copied().collect();
    spoil(&journal, &[positions[7]]);
    spoil(&journal, &[positions[2]]);
    journal.skip(positions[2] - 1).unwrap();
    drop(journal);
    let survey = survey(directory.path(), &DiskFiles, |_| true, |_| {}).unwrap();
    let passed: Vec<_> = survey
        .problems
        .iter()
        .filter(|problem| problem.contains("unreadable"))
        .map(|problem| problem.ends_with("passed with `siem-relay journal skip`"))
        .collect();
    assert_eq!(passed, [true, false], "{:?}", survey.problems);
}

#[test]
fn behind_a_passed_place_events_are_counted_alike_whichever_way_a_reader_comes() {
    let directory = tempfile::tempdir().unwrap();
    let large = Options {
        segment_bytes: 512 * 1024,
        ..options(directory.path())
    };
    let open = || open_with(large.clone(), Arc::new(DiskFiles)).unwrap();
    let mut journal = open();
    let mut positions = Vec::new();
    let mut fill = |journal: &Journal, segments, events| {
        while journal.usage().segments < segments || positions.len() < events {
            let text = format!("{:01000}", positions.len());
            positions.push(position(append(journal, record(&text)).unwrap()));
        }
        positions.clone()
    };
    // The first one has two damaged places, and begins of records to seek to between them.
    let known = fill(&journal, 1, 300);
    spoil(&journal, &[known[250]]);
    spoil(&journal, &[known[10]]);
    assert_eq!(journal.skip(known[9]).unwrap().events, 1);
    let ordinal_of = |journal: &Journal, after: u64, wanted: u64| {
        let mut reader = journal.reader(after);
        loop {
            if let Read::Records(records) = reader.read(1, 1).unwrap()
                && records[0].record.position == wanted
            {
                return records[0].ordinal;
            }
        }
    };
    for round in 0..3 {
        for number in [11, 150, 249] {
            let seeking = ordinal_of(&journal, known[number - 1], known[number]);
            let from_start = ordinal_of(&journal, 0, known[number]);
            assert_eq!(seeking, number as u64 + 1, "round {round}");
            assert_eq!(from_start, number as u64 + 1, "round {round}");
        }
        fill(&journal, round + 1, 0);
        drop(journal);
        journal = open();
    }
    assert_eq!(journal.skip(known[249]).unwrap().events, 1);
    let story = tell(&journal, 0);
    let lost: Vec<u64> = story.lost.iter().map(|l| l.ordinal - l.before).collect();
    assert_eq!(lost, [1, 1]);
}

#[test]
fn the_end_of_what_is_durable_and_the_count_of_it_change_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    let bytes = record("x").stored_bytes() as u64;
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            while journal.usage().segments < 4 {
                append(&journal, record("x")).unwrap();
            }
        });
        while !writing.is_finished() {
            let segments = journal.shared.segments();
            let events = journal.shared.head.borrow().events;
            let active = segments.last().unwrap();
            let before = active.header.unwrap().events_before;
            // Else what lies behind damage and is just being written would be taken for lost.
            let end = segment::HEADER_BYTES + (events - before) * bytes;
            assert_eq!(active.end, end);
        }
    });
}

#[test]
fn a_place_that_was_met_from_its_middle_is_passed_as_a_whole() {
    let directory = tempfile::tempdir().unwrap();
    let large = Options {
        segment_bytes: 512 * 1024,
        ..options(directory.path())
    };
    let journal = open_with(large, Arc::new(DiskFiles)).unwrap();
    for number in 0..200 {
        append(&journal, record(&format!("{number:01000}"))).unwrap();
    }
    // A record that the index names is in the middle of it.
    let entry = journal.shared.segments()[0].index[1].position;
    spoil(&journal, &[entry + 1]);
    spoil(&journal, &[entry]);
    spoil(&journal, &[entry - 1]);
    assert_eq!(held_after(&journal, entry), Some(entry - 1));
    assert_eq!(held_after(&journal, 0), Some(entry - 2));
    journal.skip(entry - 2).unwrap();
    assert_eq!(journal.damage(), []);
}

#[test]
fn a_sector_that_the_disk_cannot_give_is_damage_that_can_be_passed() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, texts) = filled(directory.path());
    drop(journal);
    let files = FaultyFiles::default();
    let bad_sector = Arc::clone(&files.bad_sector);
    let journal = open_with(options(directory.path()), Arc::new(files)).unwrap();
    let first = tell(&journal, 0);
    assert_eq!(first.texts, texts);
    // It lies in the first segment's fifth page; the others have theirs there, too.
    *bad_sector.lock().unwrap() = Some(4 * 4096 + 100);
    let mut given_up = 0;
    while let Some(after) = held_after(&journal, 0) {
        given_up += journal.skip(after).unwrap().events;
    }
    let story = tell(&journal, 0);
    assert!(
        given_up >= 8,
        "a page of each of two segments, and what reaches into it"
    );
    assert_eq!(story.texts.len() as u64 + given_up, texts.len() as u64);
    assert!(
        story
            .texts
            .iter()
            .all(|(position, text)| texts[position] == *text)
    );
    // It was a bad cable: what can be read again is not given up.
    *bad_sector.lock().unwrap() = None;
    assert_eq!(tell(&journal, 0).texts, texts);
}
