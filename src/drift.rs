//! Notices when a vendor changes its events: contracts that an operator states, and drift that
//! nobody stated.
//!
//! A follower of its own reads the log's tail, after events are durable, and shows each event to
//! the contracts and to the sketch. Nobody waits for it: it holds no segment, reads at most about
//! 1,000 events and 5 MiB a second, and where it falls behind it goes on at the head, counts what
//! it missed, and takes a sample from there on. What it finds never changes what is delivered.
//!
//! The sketch is what is known of each source's events: types of events, their fields, the JSON
//! kinds and the words seen in them, each with the first event that had it ([`sketch`]). It is
//! bounded whatever comes, and lies in `drift` beside the journal's files ([`file`]). Its loss
//! costs what was learned and nothing else, so it is never repaired: it starts anew.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;

use crate::event::Event;
use crate::settings::{Contract, Settings};
use crate::telemetry::metrics::{DriftMetrics, Metrics};

mod contracts;
mod file;
mod follower;
mod mark;
mod report;
mod shape;
mod sketch;
#[cfg(test)]
mod tests;

pub use contracts::{Breach, ContractStatus, Held, hold};
pub use file::{FILE_NAME, SketchError};
pub use report::{Finding, Report, SourceReport, What};

use contracts::Contracts;
use shape::Shape;
use sketch::Sketch;

/// Largest payload that is looked at, in bytes.
const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// Most values in it, reckoned by the bytes that begin or part them: in memory each can take some
/// 700 bytes, so that one event takes at most about 12 MiB while it is looked at.
const VALUES_MAX: usize = 16_384;
/// Where the type of an event may stand; the first place with a text holds.
const TYPE_POINTERS: [&str; 4] = ["/type", "/event/type", "/event_type", "/eventType"];

/// What is known of events so far, and what is expected of them.
#[derive(Clone)]
pub struct Drift {
    state: Arc<Mutex<State>>,
    metrics: DriftMetrics,
    /// Where the sketch is kept.
    directory: PathBuf,
}

struct State {
    sketch: Sketch,
    contracts: Contracts,
    /// The sketch is newer than its file.
    unsaved: bool,
}

impl Drift {
    /// Reads what an earlier run learned, or starts anew. Blocks for the time of reading a file.
    pub fn open(settings: &Settings, metrics: &Metrics) -> Self {
        let directory = settings.journal.directory.clone();
        let sketch = match file::load(&directory) {
            Ok(sketch) => sketch.unwrap_or_default(),
            Err(error) => {
                // What was learned is lost, and only that: events and cursors lie elsewhere.
                tracing::warn!(%error, "the sketch of events starts anew");
                Sketch::default()
            }
        };
        Self::new(directory, sketch, &settings.contracts, metrics)
    }

    fn new(directory: PathBuf, sketch: Sketch, contracts: &[Contract], metrics: &Metrics) -> Self {
        let state = State {
            sketch,
            contracts: Contracts::new(contracts, metrics),
            unsaved: false,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            metrics: metrics.drift.clone(),
            directory,
        }
    }

    /// What changed, as far as it was noticed.
    pub fn report(&self) -> Report {
        self.state().sketch.report()
    }

    /// How each contract is kept, in the order of their names.
    pub fn contracts(&self) -> Vec<ContractStatus> {
        self.state().contracts.status()
    }

    /// Shows one event to contracts and sketch. A vendor's connectivity test is no event of its
    /// kind, and changes nothing.
    fn observe(&self, event: &Event) {
        if event.provenance.test {
            return;
        }
        let value = read(&event.payload);
        let mut state = self.state();
        state.unsaved = true;
        let Some(value) = value else {
            state.sketch.unreadable = state.sketch.unreadable.saturating_add(1);
            self.metrics.unreadable.inc();
            return;
        };
        let kind = type_of(&value);
        state.contracts.check(event, kind, &value, Instant::now());
        let source = &event.provenance.source;
        state.sketch.add(source, kind, Shape::of(&value), event.id);
        self.metrics.observed.inc();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a relay that is stopped had noticed; none where it never kept a sketch.
pub fn stored_report(directory: &Path) -> Result<Option<Report>, SketchError> {
    Ok(file::load(directory)?.map(|sketch| sketch.report()))
}

/// A payload taken apart; none where that may not or cannot be done.
fn read(payload: &[u8]) -> Option<Value> {
    let small = is_small(payload);
    small
        .then(|| serde_json::from_slice(payload).ok())
        .flatten()
}

/// Whether a payload may be taken apart. Commas in texts count, too: that errs on the safe side.
fn is_small(payload: &[u8]) -> bool {
    let parts = |byte: &&u8| matches!(byte, b'{' | b'[' | b',');
    payload.len() <= PAYLOAD_BYTES_MAX && payload.iter().filter(parts).count() <= VALUES_MAX
}

/// The event's type as its vendor has it; empty where none is found.
fn type_of(value: &Value) -> &str {
    let mut places = TYPE_POINTERS.iter();
    places
        .find_map(|pointer| value.pointer(pointer)?.as_str())
        .unwrap_or_default()
}
