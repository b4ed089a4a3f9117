//! What the admin listener may change: damaged places of the journal, and places of destinations
//! that are gone.
//!
//! Runs in the blocking pool, one command at a time. Knows neither who asked nor how.

use std::sync::{Mutex, PoisonError};

use crate::admin::{CommandError, Commands, PassedPlace, Places};
use crate::journal::{CursorError, Passed, SkipError};
use crate::spool::LocalLog;

/// Carries out commands on the stages.
pub(super) struct RelayCommands {
    log: LocalLog,
    /// Destinations that have a worker: these are not forgotten.
    configured: Vec<String>,
    /// Held while a command runs: two that pass one place at once would note it twice.
    one: Mutex<()>,
}

impl RelayCommands {
    pub(super) fn new(log: LocalLog, configured: Vec<String>) -> Self {
        Self {
            log,
            configured,
            one: Mutex::default(),
        }
    }
}

impl Commands for RelayCommands {
    fn skip_damage(&self, places: Places, dry_run: bool) -> Result<Vec<PassedPlace>, CommandError> {
        let _one = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        let journal = self.log.journal();
        let mut places = match places {
            Places::After(after) => vec![after],
            Places::Known => journal.damage().iter().map(|place| place.after).collect(),
        };
        // From the front: the way to a place leads over those before it.
        places.sort_unstable();
        places.dedup();
        let mut told = Vec::with_capacity(places.len());
        for after in places {
            let passed = match dry_run {
                true => journal.preview_skip(after),
                false => journal.skip(after),
            };
            match passed {
                Ok(passed) => told.push(place(passed)),
                // Another place that was passed covers it, or the file was restored.
                Err(SkipError::Sound(_)) => {}
                Err(error) => {
                    let before = told.len();
                    let text = format!("{error}; {before} place(s) before were done");
                    return Err(CommandError::Storage(text));
                }
            }
        }
        Ok(told)
    }

    fn forget(&self, destination: &str) -> Result<u64, CommandError> {
        let _one = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        if self.configured.iter().any(|known| known == destination) {
            let text = format!(
                "destination {destination} is configured; remove it from the file and restart \
                 the relay first"
            );
            return Err(CommandError::Conflict(text));
        }
        let journal = self.log.journal();
        let forgotten = journal.forget(destination);
        let cursor = forgotten.map_err(|error| match error {
            CursorError::Unknown(_) => CommandError::NotFound(error.to_string()),
            error => CommandError::Storage(error.to_string()),
        })?;
        let stored = journal.head().borrow().events;
        Ok(cursor.events_waiting(stored))
    }
}

fn place(passed: Passed) -> PassedPlace {
    PassedPlace {
        file: passed.damage.file,
        offset: passed.damage.offset,
        after: passed.damage.after,
        through: passed.through,
        events: passed.events,
    }
}
