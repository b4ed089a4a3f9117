//! The journal alone: against a bare loop of writes and syncs, and with a reader at its tail.
//!
//! The loop writes the same number of bytes with each sync as the journal did on the mean,
//! into a file that was filled with zeros. It has no callers to answer, no checksums and no next
//! segment to fill, so the ratio is what all of that costs.

use std::error::Error;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use siem_relay::journal::{DiskFiles, Journal, NewRecord, Options, Read, Resend};
use siem_relay::telemetry::metrics::Metrics;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};

use crate::Plan;
use crate::report::{Goal, Line};
use crate::wire::PATIENCE;

/// Records per sync that are aimed at.
const GROUPS: [usize; 4] = [1, 8, 64, 256];
/// Of the comparison with and without a reader.
const GROUP_WITH_READER: usize = 64;
/// Header and payload of a record, which is stored in [`RECORD_BYTES`].
const HEADER_BYTES: usize = 64;
const PAYLOAD_BYTES: usize = 1440;
const RECORD_BYTES: usize = 1600;
/// The defaults of the configuration.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
const MAX_SIZE_BYTES: u64 = 10 * 1024 * 1024 * 1024;
const RESEND_WINDOW: usize = 100_000;
/// Between two looks for the next segment.
const SPARE_PAUSE: Duration = Duration::from_millis(20);
/// What a destination reads at once.
const READ_RECORDS: usize = 1000;
const READ_BYTES: usize = 1_000_000;

/// Records/s of the journal and of the loop, at equal group sizes.
pub(crate) fn against_raw_loop(plan: &Plan) -> Result<Vec<Line>, Box<dyn Error>> {
    let mut lines = Vec::new();
    for group in GROUPS {
        let (mut raw, mut journal, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..plan.rounds {
            // The journal's groups are as they come, so the loop follows it; where the loop goes
            // first, it follows the journal of the round before.
            let before: Option<&f64> = sizes.last().filter(|_| round % 2 == 1);
            if let Some(size) = before {
                raw.push(run_raw_loop(plan, size.round() as usize)?);
            }
            let loop_follows = before.is_none();
            let run = run_journal(plan, group, false)?;
            if loop_follows {
                raw.push(run_raw_loop(plan, run.group_records.round() as usize)?);
            }
            journal.push(run.records_per_s);
            sizes.push(run.group_records);
        }
        lines.push(Line {
            what: format!("journal, groups of about {group}: rate, raw loop"),
            unit: "records/s",
            baseline: raw,
            measured: journal,
            goal: Some(Goal::AtLeast(0.8)),
        });
        lines.push(Line {
            what: format!("journal, groups of about {group}: mean group"),
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
            let rate = run_journal(plan, GROUP_WITH_READER, reader)?.records_per_s;
            if reader {
                followed.push(rate)
            } else {
                alone.push(rate)
            }
        }
    }
    Ok(vec![Line {
        what: format!(
            "journal, groups of about {GROUP_WITH_READER}: rate with a tail reader, without"
        ),
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

fn run_journal(plan: &Plan, group: usize, reader: bool) -> Result<Run, Box<dyn Error>> {
    let scratch = plan.scratch("journal")?;
    let options = Options {
        directory: scratch.directory.clone(),
        max_size_bytes: MAX_SIZE_BYTES,
        segment_bytes: SEGMENT_BYTES,
        reserve_bytes: 0,
        retain_delivered: Duration::from_secs(3600),
        resend_window: RESEND_WINDOW,
        scrub_interval: Duration::ZERO,
        allow_ephemeral: false,
    };
    let metrics = Metrics::new()?;
    let commits = metrics.storage.commit_events.clone();
    let journal = Arc::new(Journal::open(
        options,
        Arc::new(DiskFiles),
        metrics.storage.clone(),
    )?);
    wait_for_spare(&scratch.directory)?;
    // Callers that were just answered miss the group that begins at that moment: with so many,
    // groups have about the wanted size.
    let callers = group * 4 / 3;
    let (done, stop) = oneshot::channel();
    let follower = reader.then(|| {
        let journal = Arc::clone(&journal);
        std::thread::spawn(move || follow(&journal, stop))
    });
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let started = Instant::now();
    let until = started + plan.duration;
    let stored = LocalSet::new().block_on(&runtime, append(&journal, callers, until));
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
        group_records: commits.get_sample_sum() / commits.get_sample_count() as f64,
    })
}

/// Appends from so many callers, each of which waits for its answer; the records stored.
async fn append(journal: &Arc<Journal>, callers: usize, until: Instant) -> io::Result<u64> {
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let journal = Arc::clone(journal);
        tasks.spawn_local(async move {
            let mut stored = 0;
            while Instant::now() < until {
                let answer = journal.append(vec![record(caller as u64, stored)]);
                let answer = answer.map_err(io::Error::other)?.await;
                answer.map_err(io::Error::other)?;
                stored += 1;
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
fn record(caller: u64, number: u64) -> NewRecord {
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
        header: vec![0; HEADER_BYTES],
        payload: Bytes::from_static(&PAYLOAD),
    }
}

/// Reads what is stored, as a destination does, until `stop` and the end; the records read.
fn follow(journal: &Journal, mut stop: oneshot::Receiver<()>) -> io::Result<u64> {
    let runtime = Builder::new_current_thread().build()?;
    let mut reader = journal.reader(0);
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

/// Writes and syncs groups of so many records, one after the other; records/s.
fn run_raw_loop(plan: &Plan, group: usize) -> io::Result<f64> {
    let scratch = plan.scratch("raw")?;
    let file = File::create(scratch.directory.join("zeros"))?;
    let zeros = vec![0; 1024 * 1024];
    for offset in (0..SEGMENT_BYTES).step_by(zeros.len()) {
        file.write_all_at(&zeros, offset)?;
    }
    file.sync_all()?;
    let bytes = vec![b'x'; group.max(1) * RECORD_BYTES];
    let (mut offset, mut records) = (0, 0);
    let started = Instant::now();
    while started.elapsed() < plan.duration {
        if offset + bytes.len() as u64 > SEGMENT_BYTES {
            offset = 0;
        }
        file.write_all_at(&bytes, offset)?;
        file.sync_data()?;
        offset += bytes.len() as u64;
        records += group;
    }
    Ok(records as f64 / started.elapsed().as_secs_f64())
}
