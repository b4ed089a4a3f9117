//! `dead-letters replay` and `dead-letters purge`.

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Selection, failed};
use crate::app::RunError;
use crate::cli::journal::{open_unless_in_use, running};
use crate::cli::{Failure, USAGE_WRONG, say};
use crate::dead_letters::{DeadLetterError, DeadLetterLog, Filter};
use crate::journal::{CursorError, Journal};
use crate::settings::Settings;

/// Ids that the admin listener takes at once.
const IDS_MAX: usize = 64;

#[derive(Args)]
pub(in crate::cli) struct ChangeArguments {
    #[command(flatten)]
    selection: Selection,
    /// All letters of all destinations; instead of any other choice
    #[arg(long)]
    all: bool,
    /// Tell how many letters it would be, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What a running relay answers.
#[derive(Deserialize)]
struct Answer {
    destinations: Vec<Told>,
}

/// Letters of a destination.
#[derive(Deserialize)]
struct Told {
    destination: String,
    letters: u64,
}

/// Has letters sent again: the request is in their log, and the relay that runs or starts next
/// does it.
pub(in crate::cli) fn replay(arguments: &ChangeArguments) -> Result<(), Failure> {
    let dry_run = arguments.dry_run;
    let verb = if dry_run {
        "would send again"
    } else {
        "to be sent again"
    };
    let change = |_: &Journal, _: &str, log: &DeadLetterLog, filter: &Filter| {
        log.request_replay(filter, dry_run).map_err(failed)
    };
    let offline = run(arguments, "replay", verb, change)?;
    if offline && !dry_run {
        say("no relay runs; the next one sends them when it starts")?;
    }
    Ok(())
}

/// Gives letters up, and counts them as discarded.
pub(in crate::cli) fn purge(arguments: &ChangeArguments) -> Result<(), Failure> {
    let dry_run = arguments.dry_run;
    let verb = if dry_run { "would give up" } else { "given up" };
    run(arguments, "purge", verb, |journal, name, log, filter| {
        let letters = log.purge(filter, dry_run).map_err(failed)?;
        if !dry_run {
            count_purged(journal, name, log)?;
        }
        Ok(letters)
    })?;
    Ok(())
}

/// Does it, and tells what was done; true where no relay runs.
fn run(
    arguments: &ChangeArguments,
    name: &str,
    verb: &str,
    change: impl Fn(&Journal, &str, &DeadLetterLog, &Filter) -> Result<u64, Failure>,
) -> Result<bool, Failure> {
    let selection = &arguments.selection;
    if arguments.all == selection.is_narrow() || selection.id.len() > IDS_MAX {
        let text = "name the letters with --destination, --reason, --source, --since, --until, \
                    --id (64 at most) or --limit, or take --all of them";
        return Err(Failure::new(USAGE_WRONG, text));
    }
    let settings = selection.settings()?;
    match open_unless_in_use(&settings)? {
        Ok(journal) => {
            for destination in selection.destinations(&settings)? {
                let mut configured = settings.destinations.iter();
                if name == "replay" && !configured.any(|known| known.name == destination) {
                    let text = format!("destination {destination}: not configured, left out");
                    say(text)?;
                    continue;
                }
                let log = open(&settings, &destination).map_err(failed)?;
                let letters = change(&journal, &destination, &log, &selection.filter())?;
                tell(&destination, letters, verb)?;
            }
            Ok(true)
        }
        Err(in_use) => {
            let path = format!("dead-letters/{name}");
            let answer: Answer = running::command(&settings, &path, &body(arguments), &in_use)?;
            for told in answer.destinations {
                tell(&told.destination, told.letters, verb)?;
            }
            Ok(false)
        }
    }
}

fn open(settings: &Settings, destination: &str) -> Result<DeadLetterLog, DeadLetterError> {
    let letters = &settings.dead_letters;
    DeadLetterLog::open(&letters.directory, destination, letters.max_size_bytes)
}

fn tell(destination: &str, letters: u64, verb: &str) -> Result<(), Failure> {
    say(format_args!(
        "destination {destination}: {letters} letter(s) {verb}"
    ))
}

fn body(arguments: &ChangeArguments) -> Value {
    let selection = &arguments.selection;
    let ids = selection.id.iter().map(ToString::to_string);
    let time = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string());
    json!({
        "destination": selection.destination,
        "reason": selection.reason,
        "source": selection.source,
        "since": time(selection.since),
        "until": time(selection.until),
        "ids": ids.collect::<Vec<_>>(),
        "limit": selection.limit,
        "all": arguments.all,
        "dry_run": arguments.dry_run,
    })
}

/// Moves purged events in the totals of the destination's cursor, as its worker would. A
/// destination that was forgotten has no totals.
fn count_purged(journal: &Journal, name: &str, log: &DeadLetterLog) -> Result<(), Failure> {
    if !log.has_uncounted() {
        return Ok(());
    }
    let store = |error: CursorError| {
        let error = RunError::Cursors(error);
        Failure::new(error.exit_code(), error)
    };
    match journal.load_cursor(name) {
        Ok(mut cursor) => {
            let dead_lettered = cursor.totals.dead_lettered;
            cursor
                .totals
                .purge(log.begin_count(dead_lettered).map_err(failed)?);
            journal.store_cursor(name, &cursor).map_err(store)?;
            journal.sync_cursors().map_err(store)?;
        }
        Err(CursorError::Unknown(_)) => {
            log.begin_count(0).map_err(failed)?;
        }
        Err(error) => return Err(store(error)),
    }
    log.end_count().map_err(failed)
}
