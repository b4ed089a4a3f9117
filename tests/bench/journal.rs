//! The journal alone: against a bare loop of writes and syncs, and with a reader at its tail.
//!
//! The loops (see `raw_loop`) write the same number of bytes with each sync as the journal did on
//! the mean. They have no callers to answer, no checksums and no next segment to fill, so the ratio
//! is what all of that costs.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use siem_relay::event::Provenance;
use siem_relay::journal::{DiskFiles, Journal, NewRecord, Options, Read, Resend};
use siem_relay::telemetry::metrics::Metrics;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::Plan;
use crate::raw_loop::RawLoop;
use crate::report::{Goal, Line};
use crate::wire::PATIENCE;

/// Callers of one record each. Those that were just answered miss the group that begins at that
/// moment, so that groups are about three quarters of this.
const SINGLES: [Shape; 4] = [
    Shape { callers: 1, set: 1 },
    Shape {
        callers: 11,
        set: 1,
    },
    Shape {
        callers: 85,
        set: 1,
    },
    Shape {
        callers: 341,
        set: 1,
    },
];
/// Callers of sets: what a group costs without the answers to hundreds of callers. There are
/// enough that some wait while a group of others is synced.
const SETS: [Shape; 3] = [
    Shape { callers: 4, set: 4 },
    Shape {
        callers: 4,
        set: 32,
    },
    Shape {
        callers: 4,
        set: 128,
    },
];
/// Of the comparison with and without a reader.
const WITH_READER: Shape = Shape {
    callers: 85,
    set: 1,
};
/// Payload of a record, which with a header of 64 bytes is stored in [`RECORD_BYTES`].
const PAYLOAD_BYTES: usize = 1440;
pub(crate) const RECORD_BYTES: usize = 1600;
/// The defaults of the configuration.
pub(crate) const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
const MAX_SIZE_BYTES: u64 = 10 * 1024 * 1024 * 1024;
const RESEND_WINDOW: usize = 100_000;
/// Written before anything is measured, in sets of so many records: more than the resend window.
const FILLED_BYTES: u64 = 6 * SEGMENT_BYTES;
const FILL_SET: usize = 256;
/// Between two looks for the next segment.
const SPARE_PAUSE: Duration = Duration::from_millis(20);
/// What a destination reads at once.
const READ_RECORDS: usize = 1000;
const READ_BYTES: usize = 1_000_000;

/// How many append at once, and how many records each hands over at a time.
#[derive(Clone, Copy)]
struct Shape {
    callers: usize,
    set: usize,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.callers, self.set) {
            (1, 1) => f.write_str("1 caller"),
            (callers, 1) => write!(f, "{callers} callers"),
            (callers, set) => write!(f, "{callers} callers with sets of {set}"),
        }
    }
}

/// Records/s of the journal and of both loops, at equal group sizes.
pub(crate) fn against_raw_loop(plan: &Plan) -> Result<Vec<Line>, Box<dyn Error>> {
    let mut lines = Vec::new();
    for shape in SINGLES.into_iter().chain(SETS) {
        let [mut overwriting, mut keeping, mut journal, mut sizes]: [Vec<f64>; 4] =
            Default::default();
        for round in 0..plan.rounds {
            // The journal's groups are as they come, so the loops follow it; where they go first,
            // they follow the journal of the round before.
            let before = sizes.last().copied().filter(|_| round % 2 == 1);
            let mut loops = |size: f64| -> io::Result<()> {
                let size = size.round() as usize;
                overwriting.push(RawLoop::Overwriting.run(plan, size)?);
                keeping.push(RawLoop::Keeping.run(plan, size)?);
                Ok(())
            };
            before.map_or(Ok(()), &mut loops)?;
            let run = run_journal(plan, shape, false)?;
            if before.is_none() {
                loops(run.group_records)?;
            }
            journal.push(run.records_per_s);
            sizes.push(run.group_records);
        }
        for (name, raw) in [("raw loop", overwriting), ("raw loop that keeps", keeping)] {
            lines.push(Line {
                what: format!("journal, {shape}: rate, {name}"),
                unit: "records/s",
                baseline: raw,
                measured: journal.clone(),
                goal: Some(Goal::AtLeast(0.8)),
            });
        }
        lines.push(Line {
            what: format!("journal, {shape}: mean group"),
            unit: "records",
            baseline: Vec::new(),
            measured: sizes,
            goal: None,
        });
    }
    Ok(lines)
}

/// What a reader at the tail costs the writer.
pub(crate) fn with_tail_reader(plan: &Plan) -> Result<Vec<Line>, Box<dyn Error>> {
    let (mut alone, mut followed) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        let reader_first = round % 2 == 1;
        for reader in [reader_first, !reader_first] {
            let rate = run_journal(plan, WITH_READER, reader)?.records_per_s;
            if reader {
                followed.push(rate)
            } else {
                alone.push(rate)
            }
        }
    }
    Ok(vec![Line {
        what: format!("journal, {WITH_READER}: rate with a tail reader, without"),
        unit: "records/s",
        baseline: alone,
        measured: followed,
        goal: Some(Goal::AtLeast(0.9)),
    }])
}

/// Waits until a fresh journal has its next segment ready: filling that is the cost of 64 MiB of
/// events, and must not fall on whatever is measured first.
pub(crate) fn wait_for_spare(directory: &Path) -> Result<(), Box<dyn Error>> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        // It exists only after the first segment has taken its predecessor's place.
        if let Ok(spare) = File::open(directory.join("spare"))
            && spare.metadata()?.len() == SEGMENT_BYTES
        {
            return Ok(spare.sync_all()?);
        }
        std::thread::sleep(SPARE_PAUSE);
    }
    Err("the journal does not get its next segment ready in time".into())
}

/// What one run of the journal showed.
struct Run {
    records_per_s: f64,
    /// Mean records per sync.
    group_records: f64,
}

/// As the configuration has them by default, but with all the disk.
pub(crate) fn options(directory: &Path) -> Options {
    Options {
        directory: directory.to_owned(),
        max_size_bytes: MAX_SIZE_BYTES,
        segment_bytes: SEGMENT_BYTES,
        reserve_bytes: 0,
        retain_delivered: Duration::from_secs(3600),
        resend_window: RESEND_WINDOW,
        scrub_interval: Duration::ZERO,
        allow_ephemeral: false,
    }
}

fn run_journal(plan: &Plan, shape: Shape, reader: bool) -> Result<Run, Box<dyn Error>> {
    let scratch = plan.scratch("journal")?;
    let options = Options {
        retain_delivered: Duration::ZERO,
        ..options(&scratch.directory)
    };
    let metrics = Metrics::new()?;
    let commits = metrics.storage.commit_events.clone();
    let journal = Arc::new(Journal::open(
        options,
        Arc::new(DiskFiles),
        metrics.storage.clone(),
    )?);
    // One thread for all callers: with the writer's it is one for each core.
    let runtime = Builder::new_multi_thread().worker_threads(1).build()?;
    runtime.block_on(fill(&journal))?;
    wait_for_spare(&scratch.directory)?;
    let (groups, records) = (commits.get_sample_count(), commits.get_sample_sum());
    let after = journal.head().borrow().position;
    let (done, stop) = oneshot::channel();
    let follower = reader.then(|| {
        let journal = Arc::clone(&journal);
        std::thread::spawn(move || follow(&journal, after, stop))
    });
    let started = Instant::now();
    let until = started + plan.duration;
    let stored = runtime.block_on(append(&journal, shape, until));
    let elapsed = started.elapsed();
    // The reader stops when it sees the end of what was stored.
    drop(done);
    let stored = stored?;
    if let Some(follower) = follower {
        let read = follower.join().map_err(|_| "the reader panicked")??;
        if read != stored {
            return Err(format!("the reader saw {read} of {stored} records").into());
        }
    }
    Ok(Run {
        records_per_s: stored as f64 / elapsed.as_secs_f64(),
        group_records: (commits.get_sample_sum() - records)
            / (commits.get_sample_count() - groups) as f64,
    })
}

/// Appends until the journal is as one that has run for long: events older than the resend window
/// go, and their segments are written to again.
async fn fill(journal: &Journal) -> io::Result<()> {
    for number in 0..FILLED_BYTES / (FILL_SET * RECORD_BYTES) as u64 {
        let set = (0..FILL_SET as u64).map(|index| record(u64::MAX, number << 32 | index));
        let answer = journal.append(set.collect()).map_err(io::Error::other)?;
        answer.await.map_err(io::Error::other)?;
    }
    Ok(())
}

/// Appends from callers of which each waits for its answer; the records stored.
async fn append(journal: &Arc<Journal>, shape: Shape, until: Instant) -> io::Result<u64> {
    let mut tasks = JoinSet::new();
    for caller in 0..shape.callers {
        let journal = Arc::clone(journal);
        tasks.spawn(async move {
            let mut stored = 0;
            while Instant::now() < until {
                let set = (0..shape.set as u64).map(|index| record(caller as u64, stored + index));
                let answer = journal.append(set.collect());
                let answer = answer.map_err(io::Error::other)?.await;
                answer.map_err(io::Error::other)?;
                stored += shape.set as u64;
            }
            Ok::<_, io::Error>(stored)
        });
    }
    let mut stored = 0;
    while let Some(ended) = tasks.join_next().await {
        stored += ended.map_err(io::Error::other)??;
    }
    Ok(stored)
}

/// A record as ingest makes one: with a resend key that no other record has.
pub(crate) fn record(caller: u64, number: u64) -> NewRecord {
    static PAYLOAD: [u8; PAYLOAD_BYTES] = [b'x'; PAYLOAD_BYTES];
    let id = (u128::from(caller) << 64 | u128::from(number)).to_le_bytes();
    let resend = Resend {
        key: id,
        drop_repeats: false,
    };
    NewRecord {
        id,
        received_ms: 0,
        resend: Some(resend),
        header: header(),
        payload: Bytes::from_static(&PAYLOAD),
    }
}

/// Where an event came from, in the usual length.
fn header() -> Vec<u8> {
    static ENCODED: OnceLock<Vec<u8>> = OnceLock::new();
    let encoded = ENCODED.get_or_init(|| {
        let mut header = Vec::new();
        let provenance = Provenance {
            content_type: Some("application/json".to_owned()),
            headers: vec![("x-padding".to_owned(), "x".repeat(18))],
            ..Provenance::unknown()
        };
        provenance.encode(&mut header);
        header
    });
    encoded.clone()
}

/// Reads what is stored behind a position, as a destination does, until `stop` and the end; the
/// records read.
fn follow(journal: &Journal, after: u64, mut stop: oneshot::Receiver<()>) -> io::Result<u64> {
    let runtime = Builder::new_current_thread().build()?;
    let mut reader = journal.reader(after);
    let mut head = journal.head();
    let (mut seen, mut stopping) = (0, false);
    loop {
        let Read::Records(records) = reader
            .read(READ_RECORDS, READ_BYTES)
            .map_err(io::Error::other)?
        else {
            return Err(io::Error::other("the journal lost records"));
        };
        seen += records.len() as u64;
        if !records.is_empty() {
            continue;
        }
        if stopping {
            return Ok(seen);
        }
        runtime.block_on(async {
            tokio::select! {
                _ = head.changed() => {}
                _ = &mut stop => stopping = true,
            }
        });
    }
}
