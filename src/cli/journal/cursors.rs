//! `journal forget` and `journal rename`: the places of destinations.

use std::sync::Arc;

use clap::Args;

use super::super::{Failure, RUNTIME_FAILED, USAGE_WRONG, say};
use super::ConfigArgument;
use crate::app::{RunError, journal_options};
use crate::journal::{CursorError, DiskFiles, Journal};
use crate::settings::Settings;
use crate::telemetry::metrics::Metrics;

#[derive(Args)]
pub(in crate::cli) struct ForgetArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The destination; it must not be configured any more
    destination: String,
}

#[derive(Args)]
pub(in crate::cli) struct RenameArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The destination's old name; it must not be configured any more
    from: String,
    /// Its new name; it must be configured
    to: String,
}

/// Forgets the destination, durably.
pub(super) fn forget(arguments: &ForgetArguments) -> Result<(), Failure> {
    let settings = arguments.config.settings()?;
    let name = &arguments.destination;
    refuse_configured(&settings, name)?;
    let journal = open(&settings)?;
    let cursor = journal.forget(name).map_err(failed)?;
    let events = journal.head().borrow().events;
    let waiting = events.saturating_sub(cursor.skipped_events + cursor.totals.settled());
    say(format_args!(
        "forgot destination {name}; {waiting} event(s) were waiting for it"
    ))
}

/// Renames the destination's place, durably. Its dead letters keep their file's name.
pub(super) fn rename(arguments: &RenameArguments) -> Result<(), Failure> {
    let settings = arguments.config.settings()?;
    let (from, to) = (&arguments.from, &arguments.to);
    refuse_configured(&settings, from)?;
    if !settings
        .destinations
        .iter()
        .any(|destination| destination.name == *to)
    {
        let text = format!("destination {to} is not configured; rename it in the file first");
        return Err(Failure::new(USAGE_WRONG, text));
    }
    open(&settings)?.rename(from, to).map_err(failed)?;
    say(format_args!("destination {to} goes on where {from} was"))
}

fn refuse_configured(settings: &Settings, name: &str) -> Result<(), Failure> {
    let configured = settings
        .destinations
        .iter()
        .any(|destination| destination.name == name);
    if configured {
        let text = format!("destination {name} is configured; remove it from the file first");
        return Err(Failure::new(USAGE_WRONG, text));
    }
    Ok(())
}

fn open(settings: &Settings) -> Result<Journal, Failure> {
    let metrics = Metrics::new().map_err(|error| Failure::new(RUNTIME_FAILED, error))?;
    let options = journal_options(&settings.journal);
    let opened = Journal::open(options, Arc::new(DiskFiles), metrics.storage.clone());
    opened
        .map_err(RunError::from)
        .map_err(|error| Failure::new(error.exit_code(), error))
}

fn failed(error: CursorError) -> Failure {
    match error {
        CursorError::Unknown(_) | CursorError::Taken(_) => Failure::new(USAGE_WRONG, error),
        error => {
            let error = RunError::Cursors(error);
            Failure::new(error.exit_code(), error)
        }
    }
}
