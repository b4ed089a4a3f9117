//! `siem-relay journal ...`: commands on the journal of a relay that is stopped.
//!
//! All take the journal's lock, so that none works on what a running relay is changing.
//! `verify`, `inspect` and `export` change nothing, and read what can be read of a damaged one.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Failure, load};
use crate::journal::{self, DiskFiles, Record, Survey};
use crate::settings::Settings;

mod cursors;
mod export;
mod report;

/// Exit code of a journal that cannot be used, or has damage.
const JOURNAL_UNUSABLE: u8 = 4;

#[derive(Subcommand)]
pub(super) enum JournalCommand {
    /// Read everything and tell what is damaged or missing
    Verify(ConfigArgument),
    /// Show segments and how far each destination is
    Inspect(ConfigArgument),
    /// Write stored events to standard output, one JSON object a line
    Export(export::ExportArguments),
    /// Forget a destination that is no longer configured, so that events are not kept for it
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
        JournalCommand::Forget(arguments) => cursors::forget(arguments),
        JournalCommand::Rename(arguments) => cursors::rename(arguments),
    }
}

impl ConfigArgument {
    fn settings(&self) -> Result<Settings, Failure> {
        Ok(load(&self.config)?.settings)
    }
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
