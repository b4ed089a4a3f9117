//! How long a start takes on a journal that is full: until the relay answers requests.
//!
//! The files are put out of the page cache before each start, as after a boot. The journal is
//! filled once for all rounds.

use std::error::Error;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::{Advice, fadvise};
use siem_relay::journal::{DiskFiles, Journal, Options};
use siem_relay::telemetry::metrics::Metrics;

use crate::Plan;
use crate::journal::{options, record};
use crate::relay::start;
use crate::report::{Goal, Line};

/// Bytes of all segments, in full and with `--quick`.
const FULL_BYTES: u64 = 10 * 1024 * 1024 * 1024;
const QUICK_BYTES: u64 = 512 * 1024 * 1024;
/// Records handed over at a time.
const SET: u64 = 256;

/// Seconds from the start of the process until the relay is ready.
pub(crate) fn restart(plan: &Plan) -> Result<Vec<Line>, Box<dyn Error>> {
    let bytes = if plan.quick { QUICK_BYTES } else { FULL_BYTES };
    let scratch = plan.scratch("restart")?;
    let journal = scratch.directory.join("journal");
    fill(&journal, bytes)?;
    let mut ready = Vec::new();
    for _ in 0..plan.rounds {
        evict(&journal)?;
        let started = Instant::now();
        let _served = start(plan, &scratch.directory, None)?;
        ready.push(started.elapsed().as_secs_f64());
    }
    Ok(vec![Line {
        what: format!("start with {} MiB of events", bytes >> 20),
        unit: "s",
        baseline: Vec::new(),
        measured: ready,
        goal: Some(Goal::AtMost(1.0)),
    }])
}

fn fill(directory: &Path, bytes: u64) -> Result<(), Box<dyn Error>> {
    let options = Options {
        max_size_bytes: u64::MAX,
        ..options(directory)
    };
    let metrics = Metrics::new()?;
    let journal = Journal::open(options, Arc::new(DiskFiles), metrics.storage.clone())?;
    let mut stored = 0;
    while journal.usage().used_bytes < bytes {
        let set = (stored..stored + SET).map(|number| record(0, number));
        journal.append(set.collect())?.wait()?;
        stored += SET;
    }
    Ok(())
}

/// Makes the next reads come from the disk.
fn evict(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let file = File::open(entry?.path())?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}
