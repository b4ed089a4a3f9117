//! `siem-relay journal ...`: commands on the journal of a relay that is stopped.
//!
//! All take the journal's lock, so that none works on what a running relay is changing; `skip` and
//! `forget` ask the relay that has it to do the work. `verify`, `inspect` and `export` change
//! nothing, and read what can be read of a damaged one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Failure, RUNTIME_FAILED, load};
use crate::app::{RunError, journal_options};
use crate::journal::{self, DiskFiles, Journal, OpenError, Options, Record, Survey};
use crate::settings::Settings;
use crate::telemetry::metrics::Metrics;

mod cursors;
mod export;
mod report;
pub(super) mod running;
mod skip;

/// Exit code of a journal that cannot be used, or has damage.
pub(super) const JOURNAL_UNUSABLE: u8 = 4;

#[derive(Subcommand)]
pub(super) enum JournalCommand {
    /// Read everything and tell what is damaged or missing
    Verify(ConfigArgument),
    /// Show segments and how far each destination is
    Inspect(ConfigArgument),
    /// Write stored events to standard output, one JSON object a line
    Export(export::ExportArguments),
    /// Pass damaged places that hold destinations: their events are given up. Also while it runs
    Skip(skip::SkipArguments),
    /// Forget a destination that is no longer configured, so that events are not kept for it.
    /// Also while the relay runs
    Forget(cursors::ForgetArguments),
    /// Give a destination's place to another name, after it was renamed in the configuration
    Rename(cursors::RenameArguments),
}

#[derive(Args)]
pub(super) struct ConfigArgument {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs one of the commands.
pub(super) fn run(command: &JournalCommand) -> Result<(), Failure> {
    match command {
        JournalCommand::Verify(arguments) => report::verify(&arguments.settings()?),
        JournalCommand::Inspect(arguments) => report::inspect(&arguments.settings()?),
        JournalCommand::Export(arguments) => export::export(arguments),
        JournalCommand::Skip(arguments) => skip::skip(arguments),
        JournalCommand::Forget(arguments) => cursors::forget(arguments),
        JournalCommand::Rename(arguments) => cursors::rename(arguments),
    }
}

impl ConfigArgument {
    fn settings(&self) -> Result<Settings, Failure> {
        Ok(load(&self.config)?.settings)
    }
}

/// Opens the journal as a start of the relay does.
fn open(settings: &Settings) -> Result<Journal, Failure> {
    open_unless_in_use(settings)?.map_err(unusable)
}

/// The same; the inner error is that another process has it.
pub(super) fn open_unless_in_use(
    settings: &Settings,
) -> Result<Result<Journal, OpenError>, Failure> {
    let metrics = Metrics::new().map_err(|error| Failure::new(RUNTIME_FAILED, error))?;
    let options = Options {
        // A command is over before a check of everything would be.
        scrub_interval: Duration::ZERO,
        ..journal_options(&settings.journal)
    };
    match Journal::open(options, Arc::new(DiskFiles), metrics.storage.clone()) {
        Ok(journal) => Ok(Ok(journal)),
        Err(error @ OpenError::Locked(_)) => Ok(Err(error)),
        Err(error) => Err(unusable(error)),
    }
}

fn unusable(error: OpenError) -> Failure {
    let error = RunError::from(error);
    Failure::new(error.exit_code(), error)
}

/// See [`journal::survey`].
fn survey(
    settings: &Settings,
    wanted: impl Fn((u64, u64)) -> bool,
    each: impl FnMut(&Record),
) -> Result<Survey, Failure> {
    let directory = &settings.journal.directory;
    journal::survey(directory, &DiskFiles, wanted, each)
        .map_err(|error| Failure::new(JOURNAL_UNUSABLE, error))
}
