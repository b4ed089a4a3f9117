//! Restores what a restart would otherwise forget: when each source was last heard, and what its
//! events were like.

use std::collections::HashMap;
use std::sync::Arc;

use super::RunError;
use crate::drift::Drift;
use crate::ingest::Ingest;
use crate::settings::Settings;
use crate::spool::{LocalLog, Log, LogReader, Read};
use crate::telemetry::metrics::Metrics;

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

/// What an earlier run learned of vendors' events.
pub(super) async fn drift(settings: &Settings, metrics: &Arc<Metrics>) -> Result<Drift, RunError> {
    let (settings, metrics) = (settings.clone(), Arc::clone(metrics));
    let opened = tokio::task::spawn_blocking(move || Drift::open(&settings, &metrics));
    opened
        .await
        .map_err(|error| RunError::Task(error.to_string()))
}
