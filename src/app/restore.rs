//! Restores what a restart would otherwise forget: when each source was last heard.

use std::collections::HashMap;

use crate::ingest::Ingest;
use crate::spool::{LocalLog, Log, LogReader, Read};

/// Positions at the end of the log that are looked at.
const POSITIONS: u64 = 5000;
/// Events and bytes read at once.
const READ: (usize, usize) = (1000, 1024 * 1024);

/// Tells ingest when each source was last heard, from the last events in the log. A silence alert
/// that read 0 after a restart would fire as if nothing had come since 1970.
pub(super) async fn last_events(log: &LocalLog, ingest: &Ingest<LocalLog>) {
    let head = log.head().borrow().position;
    let mut reader = log.reader(head.saturating_sub(POSITIONS));
    let mut last: HashMap<String, u64> = HashMap::new();
    loop {
        match reader.read(READ.0, READ.1).await {
            Ok(Read::Lost(_)) => {}
            Ok(Read::Events(events)) if events.is_empty() => break,
            Ok(Read::Events(events)) => {
                for read in events {
                    let known = last
                        .entry(read.event.provenance.source.clone())
                        .or_default();
                    *known = (*known).max(read.event.received_ms);
                }
            }
            Err(error) => {
                // Destinations that need the place report it; here only a time is missing.
                tracing::debug!(%error, "last received times not restored");
                break;
            }
        }
    }
    for (source, received_ms) in last {
        ingest.restore_last_event(&source, received_ms);
    }
}
