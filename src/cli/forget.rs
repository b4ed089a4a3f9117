//! `siem-relay journal forget`: drops the cursor of a destination that is no longer configured.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::{Failure, RUNTIME_FAILED, USAGE_WRONG, load, say};
use crate::app::{RunError, journal_options};
use crate::journal::{CursorError, DiskFiles, Journal};
use crate::telemetry::metrics::Metrics;

#[derive(Args)]
pub(super) struct ForgetArguments {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The destination; it must not be configured any more
    destination: String,
}

/// Forgets the destination, durably. Needs the journal's lock, so the relay must be stopped.
pub(super) fn forget(arguments: &ForgetArguments) -> Result<(), Failure> {
    let settings = load(&arguments.config)?.settings;
    let name = &arguments.destination;
    if settings
        .destinations
        .iter()
        .any(|destination| destination.name == *name)
    {
        let text = format!("destination {name} is configured; remove it from the file first");
        return Err(Failure::new(USAGE_WRONG, text));
    }
    let metrics = Metrics::new().map_err(|error| Failure::new(RUNTIME_FAILED, error))?;
    let failed = |error: RunError| Failure::new(error.exit_code(), error);
    let options = journal_options(&settings.journal);
    let journal = Journal::open(options, Arc::new(DiskFiles), metrics.storage.clone())
        .map_err(|error| failed(error.into()))?;
    let cursor = journal.forget(name).map_err(|error| match error {
        CursorError::Unknown(_) => Failure::new(USAGE_WRONG, error),
        error => failed(RunError::Cursors(error)),
    })?;
    let waiting = journal.head().borrow().events.saturating_sub(
        cursor.skipped_events
            + cursor.totals.delivered
            + cursor.totals.dead_lettered
            + cursor.totals.filtered
            + cursor.totals.discarded,
    );
    say(format_args!(
        "forgot destination {name}; {waiting} event(s) were waiting for it"
    ))
}
