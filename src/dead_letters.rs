//! Dead letters: events that a destination refused for ever, kept for a person.
//!
//! One log of JSON lines per destination, `NAME.jsonl`; `docs/dead-letters.md` describes the lines.
//! A letter holds all that is needed to understand and repeat the delivery: the record header, the
//! reason, the answer's excerpt, what was sent, and the original.
//!
//! # Promises
//! - A letter is durable before the destination's cursor moves past its event. A log that is full,
//!   or that finds too little free space, is an error on which the destination holds.
//! - A letter leaves only after a line that says so is durable: *replayed* or *purged*.
//! - That a letter is to be sent again, and that an attempt has begun, is durable before the
//!   attempt. So a replay goes on after a kill, and a repeat that may be a duplicate is known.
//! - Purged events are moved in the destination's totals exactly once, also over a kill.
//! - A log is rewritten without what is settled in steps that each leave one whole log.
//! - What is not understood is kept: a damaged line as it is, a log of a later version unopened.
//!
//! Knows files and letters; who sends them again is `deliver`'s.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::directory;
use crate::event::{Event, EventId};
use crate::telemetry::metrics::DestinationMetrics;

mod compact;
mod file;
mod filter;
mod index;
mod letter;
mod line;
mod read;
mod settle;
#[cfg(test)]
mod tests;

pub use filter::Filter;
pub use letter::{Letter, LetterState};
pub use read::{names, read};

use file::LogFile;

/// Mode of a lock, which holds nothing.
const LOCK_MODE: u32 = 0o600;

/// Where the log of a destination is.
pub fn path_in(directory: &Path, destination: &str) -> PathBuf {
    directory.join(format!("{destination}.jsonl"))
}

/// An event that a destination refused.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The event.
    pub event: Arc<Event>,
    /// Why, as a closed word.
    pub reason: &'static str,
    /// Why, for people: an excerpt of the answer.
    pub detail: Arc<str>,
    /// Attempts made, the refused one included.
    pub attempts: u32,
    /// What was sent, where it could be rendered.
    pub rendered: Option<Bytes>,
}

/// What became of a letter that was sent again.
#[derive(Clone, Debug)]
pub struct ReplayOutcome {
    /// The event's id.
    pub id: EventId,
    /// All attempts so far, those before it died included.
    pub attempts: u32,
    /// Reason and excerpt where it was refused again; none where it was taken.
    pub refused: Option<(&'static str, Arc<str>)>,
}

/// What a log comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Letters neither replayed nor purged.
    pub letters: u64,
    /// Those of them that are to be sent again.
    pub waiting: u64,
    /// When the oldest died; Unix milliseconds, 0 without one.
    pub oldest_ms: u64,
    /// Size of the file.
    pub bytes: u64,
}

/// The log of one destination. Cloning shares it. Calls touch the file and may block, but for
/// [`Self::summary`], [`Self::has_uncounted`] and the two that wait.
#[derive(Clone, Debug)]
pub struct DeadLetterLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// A second writer would overwrite letters. It stays with the name where the log is replaced.
    _lock: File,
    file: Mutex<LogFile>,
    /// Beside the file, so that nobody who looks waits for a sync.
    seen: Mutex<Seen>,
    /// Wakes the replay.
    requested: Notify,
    /// Wakes the worker, who moves purged events in the totals.
    purged: Notify,
}

/// What is seen of the file without waiting for it.
#[derive(Default)]
struct Seen {
    summary: Summary,
    has_uncounted: bool,
    metrics: Option<DestinationMetrics>,
}

/// Why letters cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// A file operation failed.
    #[error("cannot {action} dead-letter log {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process writes the log.
    #[error(
        "dead-letter log {path} is in use by another process, which writes it; stop that one, or \
         choose another dead_letters.directory"
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file system forgets.
    #[error(
        "dead_letters.directory {path} is on {kind}, which may not survive a restart; choose \
         another, or set journal.allow_ephemeral = true"
    )]
    Ephemeral {
        /// The directory.
        path: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },
    /// The log is at its limit.
    #[error(
        "dead-letter log {path} is at its limit of {limit} bytes; replay or purge letters with \
         `siem-relay dead-letters`, move the file away or raise dead_letters.max_size"
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// `dead_letters.max_size`.
        limit: u64,
    },
    /// The file system has too little space.
    #[error(
        "dead-letter log {path} finds too little space: {free} bytes are free, of which \
         dead_letters.reserve keeps {reserve}; free some space"
    )]
    Short {
        /// The file.
        path: PathBuf,
        /// Bytes free on its file system.
        free: u64,
        /// `dead_letters.reserve`.
        reserve: u64,
    },
    /// Purged events are being moved in the destination's totals.
    #[error(
        "dead-letter log {path} takes no letter before the totals without the purged ones are on \
         disk; it goes on by itself"
    )]
    Counting {
        /// The file.
        path: PathBuf,
    },
    /// A later version wrote the log.
    #[error(
        "dead-letter log {path} has version {version} in line {line}, and this build reads up to \
         version 1; use the build that wrote it, or move the file away"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What it says.
        version: u64,
    },
}

impl DeadLetterLog {
    /// Opens or creates the log of a destination, for the one process that writes it; a torn last
    /// line is cut.
    pub fn open(
        directory: &Path,
        destination: &str,
        bytes_max: u64,
    ) -> Result<Self, DeadLetterError> {
        let path = path_in(directory, destination);
        let failed = |action, error| DeadLetterError::io(action, &path, error);
        directory::create(directory).map_err(|error| failed("create", error))?;
        let lock = directory.join(format!(".{destination}.jsonl.lock"));
        let lock = directory::lock(&lock, LOCK_MODE).map_err(|error| match error {
            TryLockError::WouldBlock => DeadLetterError::Locked { path: path.clone() },
            TryLockError::Error(error) => failed("lock", error),
        })?;
        let shared = Shared {
            _lock: lock,
            file: Mutex::new(LogFile::open(path, bytes_max)?),
            seen: Mutex::default(),
            requested: Notify::new(),
            purged: Notify::new(),
        };
        let log = Self {
            shared: Arc::new(shared),
        };
        log.show(&log.file());
        Ok(log)
    }

    /// Refuses a directory for logs whose file system would forget acknowledged events. Creates it.
    pub fn refuse_ephemeral(directory: &Path) -> Result<(), DeadLetterError> {
        let failed = |error| DeadLetterError::io("inspect the directory of", directory, error);
        directory::create(directory).map_err(failed)?;
        let kind = directory::ephemeral(directory).map_err(failed)?;
        kind.map_or(Ok(()), |kind| {
            let path = directory.to_owned();
            Err(DeadLetterError::Ephemeral { path, kind })
        })
    }

    /// Takes no letter where that would leave less than this free on the file system.
    #[must_use]
    pub fn with_reserve(self, reserve_bytes: u64) -> Self {
        self.file().reserve_bytes = reserve_bytes;
        self
    }

    /// Shows in these metrics what is there.
    #[must_use]
    pub fn with_metrics(self, metrics: DestinationMetrics) -> Self {
        let file = self.file();
        self.seen().metrics = Some(metrics);
        self.show(&file);
        drop(file);
        self
    }

    /// Appends all letters, or none; they are durable when this returns. None is taken between
    /// [`Self::begin_count`] and [`Self::end_count`], also by a later run.
    pub fn append(&self, letters: &[DeadLetter]) -> Result<(), DeadLetterError> {
        self.with(|file| file.append(letters))
    }

    /// Has letters sent again, durably; returns how many are, besides those that already were to
    /// be. A dry run only counts.
    pub fn request_replay(&self, filter: &Filter, dry_run: bool) -> Result<u64, DeadLetterError> {
        let letters = self.with(|file| file.request_replay(filter, dry_run))?;
        self.shared.requested.notify_one();
        Ok(letters)
    }

    /// Gives letters up, durably, but for those of an attempt under way; returns how many. A dry
    /// run only counts.
    pub fn purge(&self, filter: &Filter, dry_run: bool) -> Result<u64, DeadLetterError> {
        let letters = self.with(|file| file.purge(filter, dry_run))?;
        self.shared.purged.notify_one();
        Ok(letters)
    }

    /// Letters behind an offset that are to be sent again, oldest first, with their offsets.
    pub fn waiting(
        &self,
        after: Option<u64>,
        letters_max: usize,
        bytes_max: u64,
    ) -> Result<Vec<(u64, Letter)>, DeadLetterError> {
        self.with(|file| file.waiting(after, letters_max, bytes_max))
    }

    /// Notes, durably, that letters are about to be sent; returns those that still are to be.
    pub fn begin_sending(&self, ids: &[EventId]) -> Result<Vec<EventId>, DeadLetterError> {
        self.with(|file| file.begin_sending(ids))
    }

    /// Notes, durably, what became of letters that were sent, and ends the attempt.
    pub fn settle(&self, outcomes: &[ReplayOutcome]) -> Result<(), DeadLetterError> {
        self.with(|file| file.settle(outcomes))
    }

    /// Whether there are purged events that the destination's totals do not know of, or may not.
    pub fn has_uncounted(&self) -> bool {
        self.seen().has_uncounted
    }

    /// How many purged events are to be moved from dead-lettered to discarded now, in totals that
    /// are on disk with so many dead-lettered ones. Whoever asks moves them, makes the totals
    /// durable, and calls [`Self::end_count`]. Asked again before that, it names the same events
    /// only if they have not been moved.
    pub fn begin_count(&self, dead_lettered: u64) -> Result<u64, DeadLetterError> {
        self.with(|file| file.begin_count(dead_lettered))
    }

    /// Notes that the events of [`Self::begin_count`] are moved for good.
    pub fn end_count(&self) -> Result<(), DeadLetterError> {
        self.with(LogFile::end_count)
    }

    /// What the log comes to.
    pub fn summary(&self) -> Summary {
        self.seen().summary
    }

    /// Waits until somebody asks for a replay.
    pub async fn requested(&self) {
        self.shared.requested.notified().await;
    }

    /// Waits until somebody purges letters.
    pub async fn purged(&self) {
        self.shared.purged.notified().await;
    }

    fn with<T>(&self, work: impl FnOnce(&mut LogFile) -> T) -> T {
        let mut file = self.file();
        let result = work(&mut file);
        self.show(&file);
        result
    }

    fn show(&self, file: &LogFile) {
        let index = &file.index;
        let oldest = index.entries().next();
        let summary = Summary {
            letters: index.len(),
            waiting: index.waiting(),
            oldest_ms: oldest.map_or(0, |entry| entry.died_ms),
            bytes: file.length,
        };
        let mut seen = self.seen();
        seen.summary = summary;
        // One that is open keeps letters away, so it is ended even where it moves nothing.
        seen.has_uncounted = index.uncounted > 0 || index.counting.is_some();
        if let Some(metrics) = &seen.metrics {
            let signed = |count| i64::try_from(count).unwrap_or(i64::MAX);
            metrics.dead_letter_events.set(signed(summary.letters));
            metrics.replay_events.set(signed(summary.waiting));
        }
    }

    fn file(&self) -> MutexGuard<'_, LogFile> {
        let file = self.shared.file.lock();
        file.unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        let seen = self.shared.seen.lock();
        seen.unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeadLetterError {
    fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen")
            .field("summary", &self.summary)
            .field("has_uncounted", &self.has_uncounted)
            .finish_non_exhaustive()
    }
}
