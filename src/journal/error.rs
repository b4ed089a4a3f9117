//! What can go wrong in the journal, each with the file and the next step.

use std::io;
use std::path::PathBuf;

/// Why nothing of a call was stored.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum AppendError {
    /// No space now; it is looked for again and again.
    #[error("the journal is full: {0}")]
    Full(String),
    /// A write or sync failed in a way that leaves the disk's content unknown.
    #[error("the journal refuses writes until a restart: {0}")]
    Poisoned(String),
    /// More callers wait than the queue to the writer holds.
    #[error("the journal's queue is full")]
    Overloaded,
    /// The record is larger than a segment can take.
    #[error("{bytes} bytes do not fit into a segment of {limit} bytes; raise journal.segment_size")]
    TooLarge {
        /// Bytes of the record or set.
        bytes: usize,
        /// Bytes a segment can take.
        limit: usize,
    },
    /// The journal is closed: the relay is stopping.
    #[error("the journal is closed")]
    Closed,
}

/// Why a reader cannot go on.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReadError {
    /// Bytes that were durable are not what was written.
    #[error(
        "journal file {file} is damaged at offset {offset}, after position {after}; check the \
         disk, then restore the file from a copy, or give up what the place held with \
         `siem-relay journal skip --config FILE --after {after}`"
    )]
    Damaged {
        /// The segment file.
        file: String,
        /// Byte offset in it.
        offset: u64,
        /// The last position before the damage.
        after: u64,
    },
    /// The file cannot be read now.
    #[error("cannot read journal file {file}: {message}")]
    Io {
        /// The segment file.
        file: String,
        /// What the system said.
        message: String,
    },
}

/// Why a damaged place cannot be passed.
#[derive(Debug, thiserror::Error)]
pub enum SkipError {
    /// Nothing is wrong there.
    #[error("the journal is not damaged after position {0}; `journal verify` tells where it is")]
    Sound(u64),
    /// The files cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What lies behind the place cannot be read.
    #[error("cannot read behind the damaged place: {0}")]
    Io(io::Error),
    /// There is no room to remember it.
    #[error("too many damaged places were passed already; restore the journal from a copy")]
    TooMany,
    /// It cannot be remembered durably.
    #[error(transparent)]
    Storage(CursorError),
}

/// Why a cursor cannot be loaded or stored.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CursorError {
    /// The destination is not registered.
    #[error("destination {0} is not registered in the journal")]
    Unknown(String),
    /// It was moved meanwhile: by shedding, after which it lies higher, or by another worker.
    #[error("the cursor of destination {0} was moved meanwhile; load it again")]
    Conflict(String),
    /// Another worker delivers for it.
    #[error("destination {0} is already delivered by another worker")]
    Leased(String),
    /// The name is in use.
    #[error("destination {0} is already registered in the journal")]
    Taken(String),
    /// There are more than the cursor file holds.
    #[error("the cursor file holds no more destinations; forget old ones")]
    TooMany,
    /// The file cannot be written.
    #[error("cannot write the cursor file: {0}")]
    Storage(String),
}

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file operation failed.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it.
    #[error("journal directory {0} is in use by another process; stop it, or choose another")]
    Locked(PathBuf),
    /// The file system forgets.
    #[error(
        "journal directory {path} is on {kind}, which may not survive a restart; choose another, \
         or set journal.allow_ephemeral = true"
    )]
    Ephemeral {
        /// The directory.
        path: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },
    /// Neither slot of the cursor file can be used.
    #[error(
        "cursor file {0} is damaged: nobody knows what was delivered; restore it from a copy, \
         or move the whole directory away to begin an empty journal"
    )]
    Cursors(PathBuf),
    /// A file was made by another version.
    #[error("{path} has format version {version}; this relay reads version {known}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// Ours.
        known: u32,
    },
    /// Segments and cursors do not belong together.
    #[error("{0} belongs to another journal; one directory holds one journal")]
    Foreign(PathBuf),
    /// No space for the first segment.
    #[error("no space for the journal in {path}: {reason}")]
    NoSpace {
        /// The directory.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl OpenError {
    /// Turns a failed file operation into this error.
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
