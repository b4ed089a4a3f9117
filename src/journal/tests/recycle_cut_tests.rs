//! Proves: a power cut at any moment while segments are recycled loses nothing that was answered,
//! and looks like no damage, whatever reached the disk.

use std::collections::BTreeMap;

use super::recycle_tests::{oldest, spare_ready, tight};
use super::sim::{Chance, Fault, SimDisk};
use super::watched::Watched;
use super::*;

/// What a run answered: position to text.
type Answered = BTreeMap<u64, String>;

/// Recycles several times; ends early where the power goes. The keeper is not woken, so that it
/// is the recycling that makes cursors durable.
fn recycling_run(journal: &Journal, events: usize, answered: &mut Answered) {
    for number in 0..events {
        let text = format!("{number:03}").repeat(3000);
        let Ok(stored) = append(journal, record(&text)) else {
            return;
        };
        answered.insert(position(stored), text);
        let mut table = journal.shared.cursors();
        let mut cursor = table.load("d").unwrap();
        cursor.low_water = position(stored);
        cursor.totals.delivered += 1;
        table.store("d", &cursor).unwrap();
    }
}

/// All that is there from the oldest segment on is what was answered, and nothing is missing.
fn nothing_lost(journal: &Journal, answered: &Answered) {
    let low_water = journal.load_cursor("d").unwrap().low_water;
    let (base, _) = oldest(journal);
    assert!(base <= low_water + 1, "{base} {low_water}");
    assert_eq!(read_all(journal, low_water).1, None);
    let mut reader = journal.reader(base - 1);
    let mut found = Answered::new();
    loop {
        let read = records(reader.read(100, 100_000).unwrap());
        if read.is_empty() {
            break;
        }
        found.extend(read.iter().map(|read| (read.record.position, text(read))));
    }
    for (position, text) in answered.range(base..) {
        assert!(found.get(position) == Some(text), "position {position}");
    }
    // One more may have been on its way.
    assert!(found.len() <= answered.range(base..).count() + 1);
    assert_eq!(journal.damage(), []);
}

#[test]
fn a_power_cut_at_any_operation_while_segments_are_recycled_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let tight = |files: &Watched| open_with(tight(directory.path()), Arc::new(files.clone()));
    // With room, so that nothing goes while it is looked at.
    let look = |disk: &SimDisk, answered: &Answered| {
        let roomy = Options {
            max_size_bytes: 100 * SEGMENT_BYTES,
            ..self::tight(directory.path())
        };
        nothing_lost(&open_with(roomy, Arc::new(disk.clone())).unwrap(), answered);
    };
    let mut most = 0;
    for at in 0.. {
        let disk = SimDisk::default();
        let watched = Watched::new(disk.clone());
        let journal = tight(&watched).unwrap();
        journal.register("d", StartAt::Earliest).unwrap();
        spare_ready(&journal);
        let before = disk.operations();
        disk.fault_at(at, Fault::PowerCut);
        let mut answered = Answered::new();
        recycling_run(&journal, 60, &mut answered);
        let met = disk.operations() - before > at;
        disk.cut_power();
        drop(journal);
        most = most.max(watched.recycled());
        for seed in 0..3 {
            println!("power cut at operation {at}, seed {seed}");
            let mut chance = Chance((3 * at + seed) as u64);
            let disk = disk.after_power_cut(&mut chance);
            look(&disk, &answered);
            let mut answered = answered.clone();
            let journal = tight(&Watched::new(disk.clone())).unwrap();
            recycling_run(&journal, 20, &mut answered);
            disk.cut_power();
            drop(journal);
            look(&disk.after_power_cut(&mut chance), &answered);
        }
        if !met {
            break;
        }
    }
    assert!(most >= 5, "recycled {most} times");
}
