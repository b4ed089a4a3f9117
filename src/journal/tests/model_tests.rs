//! Proves, against a plain model: whatever is appended, read, completed, rotated, recycled, cut off
//! from power and opened again, in any order, what was answered and is still wanted is there, in
//! order and unchanged, and nothing is that was never written. An optional destination beside it
//! sheds, and its accounts are exact at each look.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::sim::{Chance, FAULTS, Fault, SimDisk, pick};
use super::watched::Watched;
use super::*;

/// Small, so that a few records fill a segment.
const SEGMENT: u64 = 16 * 1024;

#[derive(Clone, Debug)]
enum Step {
    /// Appends sets of these payload sizes, one after the other.
    Append(Vec<usize>),
    /// The destination settles this share of what it has not settled.
    Complete(u8),
    /// The optional destination settles some of what it has not settled, here and there.
    CompleteOptional(u64),
    /// Segments that nobody needs go.
    Retain,
    /// The optional destination gives up what is beyond its limit, and segments go.
    Shed,
    /// It gives that up, and what nobody needs then is there for the next spare.
    GiveUp,
    /// Everything readable is read.
    Read,
    /// Closed and opened again.
    Reopen,
    /// The power goes, and what was not synced with it, in part.
    PowerCut(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sizes = prop_oneof![0..200_usize, 0..6000_usize, 4000..6000_usize];
    let step = prop_oneof![
        6 => prop::collection::vec(sizes, 1..10).prop_map(Step::Append),
        3 => any::<u8>().prop_map(Step::Complete),
        2 => any::<u64>().prop_map(Step::CompleteOptional),
        1 => Just(Step::Retain),
        1 => Just(Step::Shed),
        2 => Just(Step::GiveUp),
        2 => Just(Step::Read),
        1 => Just(Step::Reopen),
        3 => any::<u64>().prop_map(Step::PowerCut),
    ];
    prop::collection::vec(step, 1..16)
}

/// The journal under test and what is known of it.
struct Model {
    max_size_bytes: u64,
    directory: tempfile::TempDir,
    disk: SimDisk,
    /// What is done to the disk since it was opened last.
    watched: Watched,
    /// Segments that became others before.
    recycled: usize,
    journal: Option<Journal>,
    /// Every payload that was handed over, by its id.
    written: BTreeMap<[u8; 16], Vec<u8>>,
    /// What was answered: position to id.
    answered: BTreeMap<u64, [u8; 16]>,
    /// The cursor as this process stored it last.
    low_water: u64,
    position_max: u64,
}

impl Model {
    /// With room for all that a run appends.
    fn new() -> Self {
        Self::with_room(64 * SEGMENT)
    }

    fn with_room(max_size_bytes: u64) -> Self {
        let disk = SimDisk::default();
        let mut model = Self {
            max_size_bytes,
            directory: tempfile::tempdir().unwrap(),
            watched: Watched::new(disk.clone()),
            disk,
            recycled: 0,
            journal: None,
            written: BTreeMap::new(),
            answered: BTreeMap::new(),
            low_water: 0,
            position_max: 0,
        };
        model.open();
        model.journal().register("d", StartAt::Earliest).unwrap();
        model.journal().register("o", StartAt::Earliest).unwrap();
        model
    }

    fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    fn open(&mut self) {
        let options = Options {
            segment_bytes: SEGMENT,
            max_size_bytes: self.max_size_bytes,
            resend_window: 0,
            ..options(self.directory.path())
        };
        self.recycled += self.watched.recycled();
        self.watched = Watched::new(self.disk.clone());
        self.journal = Some(open_with(options, Arc::new(self.watched.clone())).unwrap());
        if let Ok(cursor) = self.journal().load_cursor("d") {
            assert!(cursor.low_water <= self.low_water.max(cursor.low_water));
            self.low_water = cursor.low_water;
        }
        self.journal().limit_backlog("o", 2 * SEGMENT);
    }

    /// Segments that became others so far.
    fn recycled(&self) -> usize {
        self.recycled + self.watched.recycled()
    }

    fn give_up(&self) {
        shedding::shed(&self.journal().shared, retention::Pressure::None);
    }

    fn append(&mut self, size: usize) -> Result<(), AppendError> {
        let text: String = ('a'..='z').cycle().take(size).collect();
        let record = record(&text);
        self.written.insert(record.id, text.into_bytes());
        let id = record.id;
        let position = position(append(self.journal(), record)?);
        assert!(
            position > self.position_max,
            "position {position} was used before"
        );
        self.position_max = position;
        self.answered.insert(position, id);
        Ok(())
    }

    fn complete(&mut self, share: u8) {
        let journal = self.journal.as_ref().unwrap();
        let mut cursor = journal.load_cursor("d").unwrap();
        let head = journal.head().borrow().position;
        let left = head.saturating_sub(cursor.low_water);
        cursor.low_water += left * u64::from(share) / 255;
        journal.store_cursor("d", &cursor).unwrap();
        self.low_water = cursor.low_water;
    }

    /// Settles about half of what the optional destination has before it, in no order.
    fn complete_optional(&self, seed: u64) {
        let mut cursor = self.journal().load_cursor("o").unwrap();
        let left = self.unsettled(&cursor);
        let mut chance = Chance(seed);
        let (taken, kept): (Vec<_>, Vec<_>) = left.iter().partition(|_| pick(&mut chance, 2) == 0);
        let head = self.journal().head().borrow().position;
        let (old_low_water, old_done) = (cursor.low_water, std::mem::take(&mut cursor.done));
        cursor.low_water = kept.first().map_or(head, |first| *first - 1);
        let mut after = cursor.low_water;
        for position in kept.iter().copied().chain([head + 1]) {
            if position > after + 1 {
                cursor.done.push((after + 1, position - 1));
            }
            after = position;
        }
        assert!(cursor.low_water >= old_low_water);
        cursor.totals.delivered += taken.len() as u64;
        let settled = |position: &u64| {
            taken.contains(position) || old_done.iter().any(|(s, e)| (s..=e).contains(&position))
        };
        let mut reader = self.journal().reader(cursor.low_water);
        let read = std::iter::from_fn(|| records(reader.read(1, 1).unwrap()).pop());
        let positions = read.map(|read| read.record.position);
        cursor.done_events = positions.filter(settled).count() as u64;
        // The keeper may have shed meanwhile; then nothing was settled.
        let _conflict = self.journal().store_cursor("o", &cursor);
    }

    /// Positions of events that a cursor has neither passed nor settled.
    fn unsettled(&self, cursor: &Cursor) -> Vec<u64> {
        let mut reader = self.journal().reader(cursor.low_water);
        let read = std::iter::from_fn(|| records(reader.read(1, 1).unwrap()).pop());
        let positions = read.map(|read| read.record.position);
        let done = |position: &u64| cursor.done.iter().any(|(s, e)| (s..=e).contains(&position));
        positions.filter(|position| !done(position)).collect()
    }

    /// accepted = settled + queued. The keeper may shed between two looks.
    fn check_optional(&self) {
        loop {
            let cursor = self.journal().load_cursor("o").unwrap();
            let queued = self.unsettled(&cursor).len() as u64;
            let accepted = self.journal().head().borrow().events;
            if self.journal().load_cursor("o").unwrap() == cursor {
                assert_eq!(accepted, cursor.totals.settled() + queued, "{cursor:?}");
                return;
            }
        }
    }

    /// Reads all above the cursor and compares.
    fn check(&mut self) {
        self.check_optional();
        let journal = self.journal.as_ref().unwrap();
        let mut reader = journal.reader(self.low_water);
        let mut last = (self.low_water, 0);
        let mut found = BTreeMap::new();
        loop {
            let records = reader
                .read(5, 3000)
                .map_or_else(|error| panic!("{error}"), records);
            if records.is_empty() {
                break;
            }
            for read in records {
                let record = read.record;
                assert!(record.position > last.0 && read.ordinal > last.1, "order");
                last = (record.position, read.ordinal);
                let payload = self.written.get(&record.id).expect("nobody wrote this");
                assert_eq!(&record.payload[..], &payload[..]);
                found.insert(record.position, record.id);
            }
        }
        assert_eq!(journal.head().borrow().position, last.0.max(self.low_water));
        for (position, id) in self.answered.range(self.low_water + 1..) {
            assert_eq!(
                found.get(position),
                Some(id),
                "answered and gone: position {position}"
            );
        }
        self.position_max = self.position_max.max(last.0);
    }

    fn power_cut(&mut self, seed: u64) {
        self.disk.cut_power();
        self.journal = None;
        self.disk = self.disk.after_power_cut(&mut Chance(seed));
        self.open();
        self.check();
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Append(sizes) => {
                for size in sizes {
                    match self.append(*size) {
                        // Nothing settles: a full journal is a right answer.
                        Ok(()) | Err(AppendError::Full(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            Step::Complete(share) => self.complete(*share),
            Step::CompleteOptional(seed) => self.complete_optional(*seed),
            Step::Retain => {
                retention::run(&self.journal().shared, retention::Pressure::SpaceShort);
            }
            Step::Shed => {
                retention::run(&self.journal().shared, retention::Pressure::None);
            }
            Step::GiveUp => self.give_up(),
            Step::Read => self.check(),
            Step::Reopen => {
                self.journal = None;
                self.open();
                self.check();
            }
            Step::PowerCut(seed) => self.power_cut(*seed),
        }
    }
}

#[test]
fn what_was_answered_survives_any_history() {
    let config = ProptestConfig {
        cases: 2000,
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let recycled = Cell::new(0);
    let history = |steps: Vec<Step>| {
        // Too little room for most histories, unless what is settled goes.
        let mut model = Model::with_room(4 * SEGMENT);
        for step in &steps {
            model.apply(step);
        }
        model.check();
        recycled.set(recycled.get() + model.recycled());
        Ok(())
    };
    let result = TestRunner::new(config).run(&steps(), history);
    result.unwrap_or_else(|error| panic!("{error}"));
    println!("{} segments became others", recycled.get());
    assert!(recycled.get() > 100, "{}", recycled.get());
}

/// Appends, settles, rotates, drops and recycles segments; goes on where the journal refuses.
fn script(model: &mut Model) {
    for round in 0..8 {
        for size in [100, 3000, 10, 5000] {
            let _refused = model.append(size);
        }
        if round % 3 == 2 {
            let settled = std::panic::AssertUnwindSafe(|| model.complete(200));
            settled();
            match round {
                2 => _ = retention::run(&model.journal().shared, retention::Pressure::SpaceShort),
                // What nobody needs now becomes what is written to next.
                _ => model.give_up(),
            }
        }
    }
}

#[test]
fn each_fault_at_each_operation_of_a_scripted_run_loses_nothing_that_was_answered() {
    let mut model = Model::new();
    let before = model.disk.operations();
    script(&mut model);
    let operations = model.disk.operations() - before;
    assert!(operations > 100, "{operations}");
    let (mut refused, mut recycled) = (0, 0);
    for fault in FAULTS {
        for at in 0..operations {
            println!("{fault:?} at operation {at}");
            let mut model = Model::new();
            model.disk.fault_at(at, fault);
            script(&mut model);
            refused += usize::from(model.answered.len() < 32);
            recycled += model.recycled();
            model.disk.heal();
            if fault != Fault::PowerCut {
                // The journal that met the fault still reads what it answered.
                model.check();
            }
            model.power_cut(at as u64);
            model.append(10).unwrap();
            model.check();
        }
    }
    assert!(refused > 0, "no fault was ever felt");
    println!("{recycled} segments became others");
    assert!(recycled > 0, "no segment became another one");
}

#[test]
fn what_a_kill_left_unsynced_is_made_durable_before_anybody_reads_it() {
    let mut model = Model::new();
    let before = model.disk.operations();
    script(&mut model);
    for at in 0..model.disk.operations() - before {
        println!("killed at operation {at}");
        let mut model = Model::new();
        model.disk.fault_at(at, Fault::PowerCut);
        script(&mut model);
        model.journal = None;
        model.disk = model.disk.after_kill();
        model.open();
        model.check();
        // The destination takes all of it, and says so, before the power goes.
        model.complete(255);
        model.journal().sync_cursors().unwrap();
        model.power_cut(at as u64);
        // Nor may another destination, which is behind, find a hole where it was.
        let oldest = model.journal().shared.segments()[0].base;
        assert_eq!(read_all(model.journal(), oldest - 1).1, None);
        model.append(10).unwrap();
        model.check();
    }
}
