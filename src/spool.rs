//! The log seam: what ingest appends to and what delivery reads from.
//!
//! It is a log, not a queue. Positions start at 1, increase, may have gaps and are never reused;
//! nobody counts by subtracting them. Windows, retries and acknowledgements live in `deliver`,
//! so that a second implementation (a replicated stream) needs only what is here. `local` keeps
//! the log in the embedded journal.

use std::future::Future;

use bytes::Bytes;
use tokio::sync::watch;

use crate::event::{Event, EventId, Provenance};

mod local;

pub use local::{LocalLog, LocalReader};

/// An event to be stored.
#[derive(Debug)]
pub struct NewEvent {
    /// The relay's id, made from `received_ms`.
    pub id: EventId,
    /// Unix milliseconds.
    pub received_ms: u64,
    /// How it came in.
    pub provenance: Provenance,
    /// The vendor's bytes after content decoding.
    pub payload: Bytes,
    /// How a resend of it would be recognised, if at all.
    pub resend: Option<ResendKey>,
}

/// How a resend is recognised, and what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResendKey {
    /// A digest of source and delivery id, or of source and body.
    pub key: [u8; 16],
    /// What becomes of the second event with this key.
    pub on_repeat: OnRepeat,
}

/// What becomes of a repeated event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRepeat {
    /// Stored under its own id, marked with the first event's id.
    Mark,
    /// Not stored; the sender is given the first event's id.
    Drop,
}

/// What became of one appended event. It is durable when this is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// Stored.
    Stored {
        /// Its place.
        position: u64,
        /// The first event with the same key, where repeats are marked.
        duplicate_of: Option<EventId>,
    },
    /// A repeat that was not stored.
    Repeat {
        /// The event stored earlier.
        first: EventId,
    },
}

/// Why nothing of a call was stored.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum AppendError {
    /// No space now; it is looked for again and again.
    #[error("the log is full: {0}")]
    Full(String),
    /// Writing failed in a way that leaves the disk's content unknown; only a restart helps.
    #[error("the log refuses writes until a restart: {0}")]
    Poisoned(String),
    /// More callers wait than the queue to the writer holds.
    #[error("the log's queue is full")]
    Overloaded,
    /// The record is larger than a segment can take.
    #[error("the event of {bytes} bytes does not fit into a segment of {limit} bytes")]
    TooLarge {
        /// Bytes of the record.
        bytes: usize,
        /// Bytes a segment can take.
        limit: usize,
    },
    /// The relay is stopping.
    #[error("the log is closed")]
    Closed,
}

/// The end of what is durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last durable position; 0 when nothing was ever stored.
    pub position: u64,
    /// Events ever stored: the ordinal of the last one.
    pub events: u64,
}

/// Whether the log takes events now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Accepting,
    /// It has no space, and says why.
    Full(String),
    /// It takes none until a restart, and says why.
    Poisoned(String),
}

/// How far one destination is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Every position up to here is settled.
    pub low_water: u64,
    /// Settled positions above it: inclusive ranges, ascending, not touching.
    pub done: Vec<(u64, u64)>,
    /// Events before the destination's start, which it never counts.
    pub skipped_events: u64,
    /// What became of the settled ones.
    pub totals: Totals,
    /// When an event was last delivered; Unix milliseconds, 0 for never.
    pub last_success_ms: u64,
    /// Grows with each store; a store with an outdated one is refused.
    pub revision: u64,
}

/// What became of a destination's settled events, since it was registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Taken by the destination.
    pub delivered: u64,
    /// Refused and kept as dead letters.
    pub dead_lettered: u64,
    /// Not wanted by the destination's routing.
    pub filtered: u64,
    /// Lost on purpose or by damage, each reported.
    pub discarded: u64,
}

/// Where a destination begins that the log does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// With the oldest event kept.
    Earliest,
    /// With the next event.
    Latest,
}

/// Why a cursor cannot be loaded or stored.
#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    /// The destination is not registered.
    #[error("destination {0} is not registered in the log")]
    Unknown(String),
    /// Another worker stored meanwhile.
    #[error("the cursor of destination {destination} was moved by another worker")]
    Conflict {
        /// Its name.
        destination: String,
    },
    /// Another worker delivers for it.
    #[error("destination {0} is already being delivered by another worker")]
    Leased(String),
    /// The file cannot be written.
    #[error("cannot store cursors: {0}")]
    Storage(String),
}

/// Why a reader cannot go on.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReadError {
    /// Bytes that were durable are not what was written.
    #[error("{file} is damaged at offset {offset}, from position {position}")]
    Damaged {
        /// The segment file.
        file: String,
        /// Byte offset in it.
        offset: u64,
        /// The first position that cannot be read.
        position: u64,
    },
    /// The file cannot be read now.
    #[error("cannot read {file}: {message}")]
    Io {
        /// The segment file.
        file: String,
        /// What the system said.
        message: String,
    },
}

/// An event with its ordinal: how many events were ever stored up to it.
#[derive(Clone, Debug)]
pub struct ReadEvent {
    /// The event.
    pub event: Event,
    /// 1 for the first event ever stored.
    pub ordinal: u64,
}

/// The log.
pub trait Log: Send + Sync + 'static {
    /// Reads from a place on.
    type Reader: LogReader;
    /// Held by the one worker of a destination; dropping it frees the destination.
    type Lease: Send + 'static;

    /// Stores all events, or none; returns when they are durable, one answer each, in order.
    fn append(
        &self,
        events: Vec<NewEvent>,
    ) -> impl Future<Output = Result<Vec<Appended>, AppendError>> + Send;

    /// The end of what is durable, and a way to wait for more.
    fn head(&self) -> watch::Receiver<Head>;

    /// Whether the log takes events, and a way to wait for a change.
    fn health(&self) -> watch::Receiver<Health>;

    /// Makes a destination known, durably, before the first event it must see is answered.
    /// A known one keeps its place.
    fn register(
        &self,
        destination: &str,
        start: StartAt,
    ) -> impl Future<Output = Result<Cursor, CursorError>> + Send;

    /// The stored place of a destination.
    fn load_cursor(
        &self,
        destination: &str,
    ) -> impl Future<Output = Result<Cursor, CursorError>> + Send;

    /// Stores a place; `cursor.revision` must be the stored one. Returns the new revision.
    /// Durable soon (the implementation says when), and always before the log lets go of
    /// what lies below it.
    fn store_cursor(
        &self,
        destination: &str,
        cursor: &Cursor,
    ) -> impl Future<Output = Result<u64, CursorError>> + Send;

    /// Makes every stored cursor durable now.
    fn sync_cursors(&self) -> impl Future<Output = Result<(), CursorError>> + Send;

    /// Becomes the one worker of a destination.
    fn lease(
        &self,
        destination: &str,
    ) -> impl Future<Output = Result<Self::Lease, CursorError>> + Send;

    /// A reader whose first event is the first one above `position`.
    fn reader(&self, position: u64) -> Self::Reader;
}

/// Reads durable events in order.
pub trait LogReader: Send + 'static {
    /// The next events: at most `max_events`, and no more after `max_bytes` of payload are
    /// passed; at least one if there is one. Empty when all durable events were read.
    fn read(
        &mut self,
        max_events: usize,
        max_bytes: usize,
    ) -> impl Future<Output = Result<Vec<ReadEvent>, ReadError>> + Send;
}
