//! `journal skip`: passes damaged places, so that the destinations they hold go on behind them.

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::super::{Failure, say};
use super::{ConfigArgument, JOURNAL_UNUSABLE, open_unless_in_use, running};
use crate::journal::{Journal, Passed, SkipError};

#[derive(Args)]
pub(in crate::cli) struct SkipArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Only the place behind this position, as the hold's reason names it
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// Tell what would be given up, and give up nothing
    #[arg(long)]
    dry_run: bool,
}

/// A place that was passed, or would be.
#[derive(Deserialize)]
struct Place {
    file: String,
    offset: u64,
    after: u64,
    through: u64,
    events: u64,
}

/// What a running relay answers.
#[derive(Deserialize)]
struct Answer {
    places: Vec<Place>,
}

/// Passes the places, durably, and tells each; through the running relay where that has the
/// journal.
pub(super) fn skip(arguments: &SkipArguments) -> Result<(), Failure> {
    let settings = arguments.config.settings()?;
    match open_unless_in_use(&settings)? {
        Ok(journal) => {
            let found = find(&journal, arguments.after).map_err(failed)?;
            for passed in &found {
                if !arguments.dry_run {
                    journal.skip(passed.damage.after).map_err(failed)?;
                }
                tell(&Place::from(passed), arguments.dry_run)?;
            }
            nothing(found.is_empty(), arguments.after)
        }
        Err(in_use) => {
            let dry_run = arguments.dry_run;
            let body = match arguments.after {
                Some(after) => json!({ "after": after, "dry_run": dry_run }),
                None => json!({ "all": true, "dry_run": dry_run }),
            };
            let answer: Answer = running::command(&settings, "journal/skip", &body, &in_use)?;
            for place in &answer.places {
                tell(place, dry_run)?;
            }
            nothing(answer.places.is_empty(), arguments.after)?;
            if !answer.places.is_empty() && !dry_run {
                say("destinations that are held go on with their next probe")?;
            }
            Ok(())
        }
    }
}

/// The place behind a position, or all that hold a registered destination.
fn find(journal: &Journal, after: Option<u64>) -> Result<Vec<Passed>, SkipError> {
    match after {
        None => journal.damage_ahead(),
        Some(after) => match journal.preview_skip(after) {
            Ok(passed) => Ok(vec![passed]),
            // Passed before, or never damaged.
            Err(SkipError::Sound(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        },
    }
}

fn tell(place: &Place, dry_run: bool) -> Result<(), Failure> {
    let Place {
        file,
        offset,
        after,
        through,
        events,
    } = place;
    let done = if dry_run { "would pass" } else { "passed" };
    say(format_args!(
        "{done} {file} at offset {offset}, after position {after} through {through}: {events} \
         event(s) given up"
    ))
}

fn nothing(is_empty: bool, after: Option<u64>) -> Result<(), Failure> {
    match (is_empty, after) {
        (false, _) => Ok(()),
        (true, Some(after)) => say(format_args!(
            "nothing to do: no damage holds readers behind position {after}"
        )),
        (true, None) => say("nothing to do: no known damage holds a destination"),
    }
}

fn failed(error: SkipError) -> Failure {
    Failure::new(JOURNAL_UNUSABLE, error)
}

impl From<&Passed> for Place {
    fn from(passed: &Passed) -> Self {
        Self {
            file: passed.damage.file.clone(),
            offset: passed.damage.offset,
            after: passed.damage.after,
            through: passed.through,
            events: passed.events,
        }
    }
}
