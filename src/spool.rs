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

pub use crate::journal::{
    AppendError, Cursor, CursorError, Head, Health, Lost, ReadError, Shed, StartAt, Totals,
};
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
    /// A digest of source and body, and of the delivery id where there is one.
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

/// An event with its ordinal: how many events were ever stored up to it.
#[derive(Clone, Debug)]
pub struct ReadEvent {
    /// The event.
    pub event: Event,
    /// 1 for the first event ever stored.
    pub ordinal: u64,
}

/// What comes next in the log.
#[derive(Clone, Debug)]
pub enum Read {
    /// These events; none when all durable ones were read.
    Events(Vec<ReadEvent>),
    /// Events that are damaged, and that a person gave up.
    Lost(Lost),
}

/// The log.
pub trait Log: Send + Sync + 'static {
    /// Reads from a place on.
    type Reader: LogReader;
    /// Held by the one worker of a destination; dropping it frees the destination.
    type Lease: Lease;

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

    /// What the log last gave up of a destination's backlog, and a way to wait for more. A log
    /// that gives up events moves the destination's stored cursor past them, counts those that
    /// were not settled as discarded, and tells so here, in this order; only then may a reader
    /// pass over them. A log that never does keeps this.
    fn sheds(&self, _destination: &str) -> watch::Receiver<Option<Shed>> {
        watch::channel(None).1
    }

    /// Stores a place; `cursor.revision` must be the stored one. Returns the new revision. After
    /// the log gave up events this is a [`CursorError::Conflict`], and the stored low water, which
    /// otherwise never moves by itself, lies higher.
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

/// A worker's right to a destination.
pub trait Lease: Send + 'static {
    /// Returns when another worker has the right; never where it cannot be taken away. A worker
    /// whose lease is lost stores nothing more.
    fn lost(&mut self) -> impl Future<Output = ()> + Send;
}

/// Reads durable events in order.
pub trait LogReader: Send + 'static {
    /// The next events: at most `max_events`, and no more after `max_bytes` of payload are
    /// passed; at least one if there is one.
    fn read(
        &mut self,
        max_events: usize,
        max_bytes: usize,
    ) -> impl Future<Output = Result<Read, ReadError>> + Send;
}
