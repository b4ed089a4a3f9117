//! `siem-relay destination ...`: pauses, resumes or tries a destination of the running relay.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use super::journal::{open_unless_in_use, running};
use super::{Failure, USAGE_WRONG, load, say};

#[derive(Subcommand)]
pub(super) enum DestinationCommand {
    /// Send nothing more to a destination until it is resumed or the relay restarts
    Pause(DestinationArguments),
    /// End a pause
    Resume(DestinationArguments),
    /// Try a destination at once that backs off, is held or has a held index
    Try(DestinationArguments),
}

#[derive(Args)]
pub(super) struct DestinationArguments {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The destination
    #[arg(value_name = "NAME")]
    name: String,
}

/// What the relay answers.
#[derive(Deserialize)]
struct Answer {
    destination: String,
}

/// Runs one of them.
pub(super) fn run(command: &DestinationCommand) -> Result<(), Failure> {
    let (verb, done, arguments) = match command {
        DestinationCommand::Pause(arguments) => ("pause", "paused", arguments),
        DestinationCommand::Resume(arguments) => ("resume", "resumed", arguments),
        DestinationCommand::Try(arguments) => ("try", "is tried at once", arguments),
    };
    let settings = load(&arguments.config)?.settings;
    let Err(in_use) = open_unless_in_use(&settings)? else {
        let text = "no relay runs with this journal; start it first";
        return Err(Failure::new(USAGE_WRONG, text));
    };
    let path = format!("destinations/{verb}");
    let body = json!({ "destination": arguments.name });
    let answer: Answer = running::command(&settings, &path, &body, &in_use)?;
    say(format_args!("destination {}: {done}", answer.destination))
}
