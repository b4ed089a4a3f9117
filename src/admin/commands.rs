//! What a person may tell a running relay to do, and what comes of it: plain data, and the trait
//! that `app` fills.
//!
//! A second, narrow way into the stages beside the view, which stays read-only. Knows neither
//! HTTP nor who asks: that is `write`'s and `guard`'s.

use serde::Serialize;

use super::letters::{Letters, LettersOf};

/// Commands that the stages obey. Calls touch files and may block: each runs in the blocking pool.
pub trait Commands: Send + Sync {
    /// Passes damaged places of the journal, durably, and tells what that gave up; those that are
    /// no damage (any more) are left out. A dry run only tells.
    fn skip_damage(&self, places: Places, dry_run: bool) -> Result<Vec<PassedPlace>, CommandError>;

    /// Forgets a destination that is registered and not configured, durably; returns how many
    /// events were waiting for it.
    fn forget(&self, destination: &str) -> Result<u64, CommandError>;

    /// Tells a destination's worker what is wanted of it.
    fn wish(&self, destination: &str, wish: Wish) -> Result<(), CommandError>;

    /// Has dead letters sent again, durably asked for; returns how many that is per destination,
    /// besides those that are to be already. A dry run only tells.
    fn replay_letters(
        &self,
        letters: &Letters,
        dry_run: bool,
    ) -> Result<Vec<LettersOf>, CommandError>;

    /// Gives dead letters up, durably; returns how many per destination. A dry run only tells.
    fn purge_letters(
        &self,
        letters: &Letters,
        dry_run: bool,
    ) -> Result<Vec<LettersOf>, CommandError>;
}

/// What is wanted of a destination's worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To send nothing more until it is resumed, or the relay restarts.
    Pause,
    /// To go on.
    Resume,
    /// To end its waits and try at once.
    Try,
}

/// Which damaged places are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// The one that holds readers behind this position.
    After(u64),
    /// All that are known.
    Known,
}

/// A damaged place that readers pass, and what that gives up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PassedPlace {
    /// The segment file.
    pub file: String,
    /// Byte offset in it.
    pub offset: u64,
    /// The last position before the place.
    pub after: u64,
    /// The last position given up.
    pub through: u64,
    /// Events given up.
    pub events: u64,
}

/// Why a command is not obeyed; texts name the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// What it names is not there.
    NotFound(String),
    /// What it names is in use.
    Conflict(String),
    /// The files cannot be read or written.
    Storage(String),
}
