//! `siem-relay dead-letters ...`: events that destinations refused for ever.
//!
//! `list` and `show` only read the files, also while the relay runs. `replay` and `purge` are done
//! by the relay that runs, or under the journal's lock where none does.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{Failure, USAGE_WRONG, load};
use crate::app::RunError;
use crate::dead_letters::{DeadLetterError, Filter, names};
use crate::event::EventId;
use crate::settings::Settings;
use crate::telemetry::metrics::DEAD_LETTER_REASONS;

mod change;
mod show;

#[derive(Subcommand)]
pub(super) enum LettersCommand {
    /// List dead letters, one a line; also while the relay runs
    List(show::ListArguments),
    /// Show everything of one letter as JSON; also while the relay runs
    Show(show::ShowArguments),
    /// Have letters sent again with the present settings: by the running relay, or at its next
    /// start
    Replay(change::ChangeArguments),
    /// Give letters up: they are counted as discarded. Also while the relay runs
    Purge(change::ChangeArguments),
}

#[derive(Args)]
struct Selection {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only letters of this destination
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// Only letters refused for this reason
    #[arg(long, value_name = "REASON", value_parser = DEAD_LETTER_REASONS)]
    reason: Option<String>,
    /// Only letters of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only letters that died at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only letters that died before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Only the letter with this id; can be given up to 64 times
    #[arg(long, value_name = "ID")]
    id: Vec<EventId>,
    /// At most so many letters of each destination, the oldest first
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
}

/// Runs one of the commands.
pub(super) fn run(command: &LettersCommand) -> Result<(), Failure> {
    match command {
        LettersCommand::List(arguments) => show::list(arguments),
        LettersCommand::Show(arguments) => show::show(arguments),
        LettersCommand::Replay(arguments) => change::replay(arguments),
        LettersCommand::Purge(arguments) => change::purge(arguments),
    }
}

impl Selection {
    fn settings(&self) -> Result<Settings, Failure> {
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since >= until
        {
            return Err(Failure::new(USAGE_WRONG, "--since must be before --until"));
        }
        Ok(load(&self.config)?.settings)
    }

    fn filter(&self) -> Filter {
        Filter {
            reason: self.reason.clone(),
            source: self.source.clone(),
            since_ms: self.since.map(unix_ms),
            until_ms: self.until.map(unix_ms),
            ids: self.id.clone(),
            limit: self.limit,
        }
    }

    /// Whether it names anything less than all letters.
    fn is_narrow(&self) -> bool {
        self.destination.is_some() || self.filter() != Filter::default()
    }

    /// The destinations meant: the one that is named, which must be configured or have a log, or
    /// all that have one.
    fn destinations(&self, settings: &Settings) -> Result<Vec<String>, Failure> {
        let with_log = names(&settings.dead_letters.directory).map_err(failed)?;
        let Some(name) = &self.destination else {
            return Ok(with_log);
        };
        let mut configured = settings.destinations.iter();
        if with_log.contains(name) || configured.any(|known| known.name == *name) {
            return Ok(vec![name.clone()]);
        }
        let text = format!("destination {name} is not configured and has no dead letters");
        Err(Failure::new(USAGE_WRONG, text))
    }
}

/// Unix milliseconds; times before 1970 are its beginning.
fn unix_ms(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

fn failed(error: DeadLetterError) -> Failure {
    let error = RunError::from(error);
    Failure::new(error.exit_code(), error)
}
