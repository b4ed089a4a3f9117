//! The next segment, written ahead of need.
//!
//! A sync into blocks that were never written costs the file system a commit of its own
//! metadata; a sync into written blocks does not. So one thread keeps one written file ready: the
//! oldest segment, if nobody needs it any more, with all that it holds; else one of zeros, filled
//! at a bounded rate while it is ahead of the committer, and else at full speed. It is also the
//! place where lack of space is noticed: the committer's own writes go into blocks that the file
//! already has.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Shared;
use super::files::{DIRECT_ALIGNMENT, JournalFile, is_full, write_full};
use super::retention::{self, Pressure};

/// Name of the file while it is being filled and until it becomes a segment.
pub(super) const FILE_NAME: &str = "spare";

/// Bytes per write while filling.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Pause after each chunk while the next segment is filled faster than the present one: 100 MiB/s
/// at most.
const PAUSE: Duration = Duration::from_millis(10);
/// How long lack of space is believed before it is looked for again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A written file that can become a segment. It holds zeros, or what an earlier segment held.
pub(super) struct Spare {
    pub(super) file: Arc<dyn JournalFile>,
    /// The same file for groups: see [`open_direct`](super::Files::open_direct).
    pub(super) groups: Arc<dyn JournalFile>,
}

/// Hands the spare from its thread to the committer.
pub(super) struct SpareSlot {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    ready: Option<Spare>,
    /// The committer has it, and it still has the spare's name.
    taken: bool,
    /// Why there is none, when space is short or the device fails.
    missing: Option<String>,
    /// The committer waits.
    urgent: bool,
    closed: bool,
}

impl SpareSlot {
    pub(super) fn new() -> Self {
        let state = State {
            ready: None,
            taken: false,
            missing: None,
            urgent: false,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// The spare, waited for; or why there is none. The next one is made after [`Self::renamed`].
    pub(super) fn take(&self) -> Result<Spare, String> {
        let mut state = self.state();
        // What was missing a moment ago is looked for once more before the caller is refused.
        state.missing = None;
        loop {
            if let Some(spare) = state.ready.take() {
                state.urgent = false;
                state.taken = true;
                return Ok(spare);
            }
            if let Some(reason) = &state.missing {
                let reason = reason.clone();
                state.urgent = false;
                return Err(reason);
            }
            if state.closed {
                return Err("the journal is closed".to_owned());
            }
            state.urgent = true;
            self.changed.notify_all();
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The file that was taken no longer has the spare's name, or is not wanted after all.
    pub(super) fn renamed(&self) {
        self.state().taken = false;
        self.changed.notify_all();
    }

    /// Whether one is ready now.
    pub(super) fn is_ready(&self) -> bool {
        self.state().ready.is_some()
    }

    /// Ends the thread; waiting callers are refused.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_urgent(&self) -> bool {
        let state = self.state();
        state.urgent || state.closed
    }

    /// Waits until a spare is wanted; false when the journal closes.
    fn wanted(&self) -> bool {
        let mut state = self.state();
        loop {
            if state.closed {
                return false;
            }
            let known_missing = state.missing.is_some() && !state.urgent;
            if state.ready.is_none() && !state.taken && !known_missing {
                return true;
            }
            let waited = self.changed.wait_timeout(state, RETRY_AFTER);
            let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = guard;
            if timeout.timed_out() && state.missing.is_some() && !state.closed {
                return true;
            }
        }
    }

    fn publish(&self, made: Result<Spare, String>) {
        let mut state = self.state();
        match made {
            Ok(spare) => {
                state.ready = Some(spare);
                state.missing = None;
            }
            Err(reason) => {
                state.missing = Some(reason);
                state.urgent = false;
            }
        }
        self.changed.notify_all();
    }
}

/// Keeps the slot filled until it is closed; the body of the spare's thread.
pub(super) fn run(shared: &Arc<Shared>) {
    while shared.spare.wanted() {
        let made = make(shared);
        if let Err(reason) = &made {
            tracing::debug!(reason, "no spare segment");
        }
        shared.spare.publish(made);
    }
}

fn make(shared: &Arc<Shared>) -> Result<Spare, String> {
    let needed = shared.options.segment_bytes;
    let recycled = room(shared)?;
    let filled = fill(shared);
    // What has the spare's name now has it durably, or is not used: other segments may go.
    drop(recycled);
    match filled {
        Ok(spare) => Ok(spare),
        Err(error) => {
            shared.metrics.error("create");
            // A partly filled file would keep the space that others wait for.
            let path = shared.directory.join(FILE_NAME);
            if let Err(error) = shared.files.remove(&path) {
                tracing::debug!(%error, "partly filled spare segment not removed");
            }
            if is_full(&error) {
                retention::run(shared, Pressure::SpaceShort);
            }
            Err(format!(
                "cannot prepare a segment of {needed} bytes: {error}"
            ))
        }
    }
}

/// Makes room for one more segment under the limit; what [`retention::recycle`] gives, if a segment
/// becomes the spare.
///
/// A segment that nobody needs any more saves filling one. Where space is short, what is only kept
/// for replay gives way, then what only optional destinations hold, one by one.
fn room(shared: &Arc<Shared>) -> Result<Option<MutexGuard<'_, ()>>, String> {
    let limit = shared.options.max_size_bytes;
    let needed = shared.options.segment_bytes;
    loop {
        let used = shared.used_bytes();
        let pressure = match used + needed > limit {
            true => Pressure::SpaceShort,
            false => Pressure::None,
        };
        // Beyond the limit there must be less, not as much as before.
        if used <= limit
            && let Some(recycled) = retention::recycle(shared, pressure)
        {
            return Ok(Some(recycled));
        }
        if pressure == Pressure::None {
            return Ok(None);
        }
        // Each turn takes at least one segment.
        if !retention::run(shared, pressure) {
            return Err(format!(
                "journal.max_size of {limit} bytes is reached; {}",
                retention::blocker(shared)
            ));
        }
    }
}

fn fill(shared: &Shared) -> io::Result<Spare> {
    let path = shared.directory.join(FILE_NAME);
    let length = shared.options.segment_bytes;
    if let Ok(file) = shared.files.open(&path)
        && file.length()? == length
    {
        // A segment until now, or left from an earlier run that may have ended before its sync:
        // lack of space is to be met here and not by the committer. Whatever it holds is not a
        // record: the salt will be new.
        file.sync_data()?;
        // Its name is durable before anything is written to it, or a power cut could bring back
        // the one that it had, for what is another segment's by then.
        shared.files.sync_directory(&shared.directory)?;
        let groups = shared.files.open_direct(&path)?;
        return Ok(Spare { file, groups });
    }
    let reserve = shared.options.reserve_bytes;
    let free = shared.files.free_bytes(&shared.directory)?;
    if free < length.saturating_add(reserve) {
        // Cursors and dead letters must find space when the journal no longer does.
        let reason = format!("{free} bytes are free, of which journal.reserve keeps {reserve}");
        return Err(io::Error::new(io::ErrorKind::StorageFull, reason));
    }
    let file = shared.files.create_direct(&path)?;
    let zeros = vec![0; CHUNK_BYTES + DIRECT_ALIGNMENT];
    let aligned = zeros.as_ptr().align_offset(DIRECT_ALIGNMENT);
    let zeros = zeros.get(aligned..).unwrap_or_default();
    let mut written = 0;
    while written < length {
        let count = usize::try_from(length - written)
            .unwrap_or(CHUNK_BYTES)
            .min(CHUNK_BYTES);
        write_full(&*file, zeros.get(..count).unwrap_or_default(), written)?;
        written += count as u64;
        let ahead = || written > shared.segments().last().map_or(0, |active| active.end);
        if written < length && !shared.spare.is_urgent() && ahead() {
            // Nobody is in a hurry as long as less is stored than was made ready.
            std::thread::sleep(PAUSE);
        }
    }
    // The blocks are on disk before the committer counts on them.
    file.sync_data()?;
    Ok(Spare {
        file: shared.files.open(&path)?,
        groups: shared.files.open_direct(&path)?,
    })
}
