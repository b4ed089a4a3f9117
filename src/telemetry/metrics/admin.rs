//! Metrics of the admin listener: commands, by what became of them.
//!
//! Labels are the two closed sets below. Knows no command's content.

use prometheus::IntCounter;

use super::declare::{self, Closed, Declare};

/// Commands that the admin listener takes.
pub const ADMIN_COMMANDS: [&str; 7] = [
    "journal_skip",
    "journal_forget",
    "dead_letters_replay",
    "dead_letters_purge",
    "destination_pause",
    "destination_resume",
    "destination_try",
];

/// What becomes of one; but for `done`, `previewed` and `aborted` also the answer's error word.
pub const COMMAND_RESULTS: [&str; 13] = [
    "done",
    "previewed",
    "unauthorized",
    "forbidden",
    "malformed",
    "unsupported",
    "too_large",
    "timeout",
    "not_found",
    "conflict",
    "storage_error",
    "internal",
    "aborted",
];

/// Handles of the admin listener.
#[derive(Clone)]
pub struct AdminMetrics {
    commands: Vec<(&'static str, Closed<IntCounter>)>,
}

impl AdminMetrics {
    /// Counts a command of [`ADMIN_COMMANDS`] with its result, one of [`COMMAND_RESULTS`].
    pub fn command(&self, command: &'static str, result: &'static str) {
        let results = self.commands.iter().find(|(name, _)| *name == command);
        debug_assert!(results.is_some(), "label {command} is not declared");
        if let Some((_, results)) = results {
            declare::add(results, result, 1);
        }
    }

    pub(super) fn declare(d: &Declare<'_>) -> Result<Self, prometheus::Error> {
        let family = d.counters(
            "admin_commands_total",
            "Commands at the admin listener, by what became of them.",
            &["command", "result"],
        )?;
        let commands = ADMIN_COMMANDS
            .map(|command| {
                let results = declare::counters(&family, command, &COMMAND_RESULTS);
                (command, results)
            })
            .into();
        Ok(Self { commands })
    }
}
