//! `journal forget` and `journal rename`: the places of destinations.

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::super::{Failure, USAGE_WRONG, say};
use super::{ConfigArgument, open, open_unless_in_use, running};
use crate::app::RunError;
use crate::dead_letters;
use crate::journal::CursorError;
use crate::settings::Settings;

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

/// What a running relay answers.
#[derive(Deserialize)]
struct Forgotten {
    waiting_events: u64,
}

/// Forgets the destination, durably; through the running relay where that has the journal.
pub(super) fn forget(arguments: &ForgetArguments) -> Result<(), Failure> {
    let settings = arguments.config.settings()?;
    let name = &arguments.destination;
    refuse_configured(&settings, name)?;
    let waiting = match open_unless_in_use(&settings)? {
        Ok(journal) => {
            let cursor = journal.forget(name).map_err(failed)?;
            cursor.events_waiting(journal.head().borrow().events)
        }
        Err(in_use) => {
            let body = json!({ "destination": name });
            let answer: Forgotten = running::command(&settings, "journal/forget", &body, &in_use)?;
            answer.waiting_events
        }
    };
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
    say(format_args!("destination {to} goes on where {from} was"))?;
    let directory = &settings.dead_letters.directory;
    let letters = dead_letters::path_in(directory, from);
    // A log is there from the first start on.
    if !letters.metadata().is_ok_and(|log| log.len() > 0) {
        return Ok(());
    }
    let next = dead_letters::path_in(directory, to);
    let (letters, next) = (letters.display(), next.display());
    say(format_args!(
        "its dead letters are still in {letters}; to have them sent again, rename that file to \
         {next} before the relay starts"
    ))
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

fn failed(error: CursorError) -> Failure {
    match error {
        CursorError::Unknown(_) | CursorError::Taken(_) => Failure::new(USAGE_WRONG, error),
        error => {
            let error = RunError::Cursors(error);
            Failure::new(error.exit_code(), error)
        }
    }
}
