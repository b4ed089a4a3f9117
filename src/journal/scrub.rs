//! Re-reads complete segments slowly, so that damage is known before somebody needs the place.
//!
//! A disk can lose what it had confirmed long ago. Found early, the file may still be in a backup,
//! and its events elsewhere; found by a reader, a destination is already held.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::error::ReadError;
use super::housekeeping::is_closed;
use super::reader::{Read, Reader};

/// Bytes of payload read at once.
const STEP_BYTES: usize = 256 * 1024;
/// Records read at once.
const STEP_RECORDS: usize = 4096;
/// Between two steps: 2.5 MiB/s, 10 GiB in 70 minutes.
const STEP_PAUSE: Duration = Duration::from_millis(100);

/// The body of the thread; ends when the journal closes.
pub(super) fn run(shared: &Arc<Shared>) {
    loop {
        pass(shared);
        // Looked at between a pass and the wait: the pass may have used up the wake-up.
        if is_closed(shared) {
            return;
        }
        std::thread::park_timeout(shared.options.scrub_interval);
    }
}

/// Reads all that is complete, from the oldest on.
fn pass(shared: &Arc<Shared>) {
    let oldest = shared.segments().first().map_or(1, |first| first.base);
    let mut reader = Reader::new(Arc::clone(shared), oldest - 1);
    while !is_closed(shared) {
        // The segment that is written to comes once it is complete.
        let active = shared.segments().last().map_or(1, |last| last.base);
        if reader.after() + 1 >= active {
            return;
        }
        match reader.read(STEP_RECORDS, STEP_BYTES) {
            Ok(Read::Records(records)) if records.is_empty() => return,
            Ok(_) => {}
            // The reader has said so, and what holds destinations does not hold this.
            Err(ReadError::Damaged { .. }) => {
                if reader.pass().is_none() {
                    return;
                }
            }
            Err(ReadError::Io { file, message }) => {
                shared.metrics.error("read");
                tracing::error!(file, message, "journal segment cannot be checked");
                return;
            }
        }
        std::thread::park_timeout(STEP_PAUSE);
    }
}
