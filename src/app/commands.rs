//! What the admin listener may change: damaged places of the journal, places of destinations that
//! are gone, and dead letters.
//!
//! Runs in the blocking pool, one command at a time: those that waited there would take it from the
//! journal and the destinations. Knows neither who asked nor how.

use std::sync::{Mutex, MutexGuard, TryLockError};

use crate::admin::{CommandError, Commands, Letters, LettersOf, PassedPlace, Places, Wish};
use crate::dead_letters::{DeadLetterError, DeadLetterLog, Filter};
use crate::deliver::Controls;
use crate::event::EventId;
use crate::journal::{CursorError, Passed, SkipError};
use crate::spool::LocalLog;

/// Carries out commands on the stages.
pub(super) struct RelayCommands {
    log: LocalLog,
    /// Destinations that have a worker: these are not forgotten.
    configured: Vec<String>,
    /// Their dead letters, by name.
    letters: Vec<(String, DeadLetterLog)>,
    /// What reaches their workers, by name.
    controls: Vec<(String, Controls)>,
    /// Held while a command runs: two that pass one place at once would note it twice.
    one: Mutex<()>,
}

impl RelayCommands {
    pub(super) fn new(
        log: LocalLog,
        configured: Vec<String>,
        letters: Vec<(String, DeadLetterLog)>,
        controls: Vec<(String, Controls)>,
    ) -> Self {
        Self {
            log,
            configured,
            letters,
            controls,
            one: Mutex::default(),
        }
    }

    /// The turn of a command, if no other has it.
    fn turn(&self) -> Result<MutexGuard<'_, ()>, CommandError> {
        match self.one.try_lock() {
            Ok(turn) => Ok(turn),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(CommandError::Conflict(
                "another command is being carried out; send this one again when that is done"
                    .to_owned(),
            )),
        }
    }

    /// Has a command done on the letters of each destination that is meant.
    fn on_letters(
        &self,
        letters: &Letters,
        done: impl Fn(&DeadLetterLog, &Filter) -> Result<u64, DeadLetterError>,
    ) -> Result<Vec<LettersOf>, CommandError> {
        let _turn = self.turn()?;
        let filter = filter(letters);
        let wanted = letters.destination.as_ref();
        let is_meant = |name: &String| wanted.is_none_or(|wanted| wanted == name);
        let mut told = Vec::new();
        let meant = self.letters.iter().filter(|(name, _)| is_meant(name));
        for (destination, log) in meant {
            let count = done(log, &filter).map_err(|error| {
                let before = told.len();
                let text = format!("{error}; {before} destination(s) before were done");
                CommandError::Storage(text)
            })?;
            told.push(LettersOf {
                destination: destination.clone(),
                letters: count,
            });
        }
        match &letters.destination {
            Some(name) if told.is_empty() => Err(CommandError::NotFound(format!(
                "destination {name} is not configured; the dead letters of one that was removed \
                 are a file of their own, which nobody uses"
            ))),
            _ => Ok(told),
        }
    }
}

impl Commands for RelayCommands {
    fn skip_damage(&self, places: Places, dry_run: bool) -> Result<Vec<PassedPlace>, CommandError> {
        let _turn = self.turn()?;
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

    fn wish(&self, destination: &str, wish: Wish) -> Result<(), CommandError> {
        let known = self.controls.iter().find(|(name, _)| name == destination);
        let Some((_, controls)) = known else {
            let text = format!("destination {destination} is not configured");
            return Err(CommandError::NotFound(text));
        };
        match wish {
            Wish::Pause => controls.pause(),
            Wish::Resume => controls.resume(),
            Wish::Try => controls.try_now(),
        }
        Ok(())
    }

    fn forget(&self, destination: &str) -> Result<u64, CommandError> {
        let _turn = self.turn()?;
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

    fn replay_letters(
        &self,
        letters: &Letters,
        dry_run: bool,
    ) -> Result<Vec<LettersOf>, CommandError> {
        self.on_letters(letters, |log, filter| log.request_replay(filter, dry_run))
    }

    fn purge_letters(
        &self,
        letters: &Letters,
        dry_run: bool,
    ) -> Result<Vec<LettersOf>, CommandError> {
        self.on_letters(letters, |log, filter| log.purge(filter, dry_run))
    }
}

fn filter(letters: &Letters) -> Filter {
    Filter {
        reason: letters.reason.clone(),
        source: letters.source.clone(),
        since_ms: letters.since_ms,
        until_ms: letters.until_ms,
        ids: letters
            .ids
            .iter()
            .copied()
            .map(EventId::from_bytes)
            .collect(),
        limit: letters.limit,
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
