//! The journal: an append-only log in segment files that survives a kill and a power cut.
//!
//! It knows bytes, positions and files; nothing of HTTP, configuration or events.
//!
//! # Protocol
//! One thread writes ([`committer`]). It takes all records that wait, writes them with one write
//! behind the last durable record, syncs once, and then answers all callers. Nobody is answered,
//! and no reader sees a record, before its sync returned; so at most one group is ever un-synced.
//! The write goes past the page cache, in whole pages ([`buffer`]): what is durable of the first
//! one is written again as it is. Readers at the tail get the last groups from memory ([`recent`]).
//! Segments are written files made ahead of need ([`spare`]), since a sync into blocks that were
//! never written costs a commit of file system metadata: of zeros, or, where the oldest segment is
//! needed by nobody and read by nobody, that one with all that it holds. A complete one gets a
//! seal ([`seal`]), which says what is in it; then the spare becomes the next one ([`committer`],
//! `rotation`).
//!
//! # Why it is safe
//! - A record's checksum covers all of it and is seeded with its segment's random salt: a torn
//!   record, or bytes of another segment, also of the one that the file was before, are not a
//!   record. The same bytes never have one CRC with two seeds; and should two salts be equal, what
//!   was there before has positions below the segment's base. So a new end needs no zeros behind
//!   it while the journal is open. A start writes them, before it goes on.
//! - Each record carries `synced_through`, the last position durable when its group was written.
//!   An unreadable place is a *tear* and cut only if no later record, not the durable head stored
//!   with the cursors, and not the segment's seal says that something at or after it was durable.
//!   Otherwise it is *damage*: the segment is left as it is, readers that need the place are
//!   stopped there, and writing goes on in a fresh segment ([`recovery`]).
//! - A damaged place is passed only by a person's word ([`skip`]), and then each reader that comes
//!   to it is told how many events it misses. A slow check ([`scrub`]) finds damage early.
//! - After a failed sync the kernel may show bytes that are not on disk. So a failed sync poisons
//!   the journal for the life of the process, and recovery writes the last group again and syncs
//!   it before anybody reads it.
//! - Positions are never reused: after a cut they go on above everything ever seen, so a cursor
//!   that ran ahead of a lost tail never skips a new record.
//! - A segment's header counts the events before it. A reader that leaves a segment compares, so
//!   that a segment that lost its tail is damage and not merely short.
//! - A segment is unlinked, or made the spare, only after the cursors that passed it were synced
//!   ([`retention`]), whether they passed it by themselves or were moved past it ([`shedding`]),
//!   and when the one before it is gone for sure. A new spare is written to only when its name is
//!   durable: the old name never comes back with what is another segment's.
//!
//! # Files
//! `00000000000000000001.seg` (named by the first position it may hold), `spare`, `cursors`,
//! `lock`. Format version 1, byte by byte in `docs/journal-format.md`: [`record`] (magic, length,
//! checksum, position, `synced_through`, set, received time, id, resend key, header, payload),
//! [`segment`] (a first block, records, zeros, the seal), [`cursor_file`] (two slots in turn).
//! `tests/fixtures/journal-v1` is opened by a test for ever.

use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use tokio::sync::watch;

use crate::directory;
use crate::telemetry::metrics::StorageMetrics;

mod buffer;
mod committer;
mod cursor_file;
mod cursors;
mod destinations;
mod error;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod group;
mod housekeeping;
mod lock;
mod reader;
mod recent;
mod record;
mod recovery;
mod resend;
mod retention;
mod scan;
mod scrub;
mod seal;
mod segment;
mod shared;
mod shedding;
mod skip;
mod spare;
mod survey;
#[cfg(test)]
mod tests;

pub use cursors::{CURSORS_MAX, Cursor, RANGES_MAX, Totals};
pub use error::{AppendError, CursorError, OpenError, ReadError, SkipError};
pub use files::{DIRECT_ALIGNMENT, DiskFiles, Files, JournalFile};
pub use group::Appending;
pub use reader::{Lost, Read, ReadRecord, Reader};
pub use record::{NewRecord, Record, Resend};
pub use shared::{Head, Health};
pub use shedding::Shed;
pub use skip::{Damage, Passed, SKIPS_MAX, Skip};
pub use survey::{SegmentSurvey, Survey, survey};

use cursor_file::CursorFile;
use cursors::CursorTable;
use group::Request;
use segment::Segment;
use spare::SpareSlot;

/// Callers that may wait for the writer, beside as many whose turn it is; more are refused at once.
const QUEUE_MAX: usize = 8192;

/// How a journal is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its directory; created when missing.
    pub directory: PathBuf,
    /// Bytes of all segments together.
    pub max_size_bytes: u64,
    /// Bytes of one segment.
    pub segment_bytes: u64,
    /// Bytes of the file system that segments leave free.
    pub reserve_bytes: u64,
    /// How long segments stay after every cursor passed them.
    pub retain_delivered: Duration,
    /// Resend keys remembered.
    pub resend_window: usize,
    /// Between two checks of all complete segments; zero for none.
    pub scrub_interval: Duration,
    /// Takes file systems that forget at a restart.
    pub allow_ephemeral: bool,
}

/// Where a cursor begins that the journal does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// With the oldest event kept.
    Earliest,
    /// With the next event.
    Latest,
}

/// What became of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is durable.
    At {
        /// Its place.
        position: u64,
        /// The record that it repeats.
        duplicate_of: Option<[u8; 16]>,
    },
    /// It repeats this durable record and was not stored.
    Repeat {
        /// The first record's id.
        first: [u8; 16],
    },
}

/// Sizes, for status and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all segment files.
    pub used_bytes: u64,
    /// Segment files.
    pub segments: usize,
}

/// An open journal. Dropping it ends its threads and syncs the cursors.
pub struct Journal {
    shared: Arc<Shared>,
    queue: Option<SyncSender<Request>>,
    threads: Vec<JoinHandle<()>>,
    /// Syncs cursors; woken when one moves.
    keeper: Option<Thread>,
    /// Held for the life of the journal.
    _lock: std::fs::File,
}

/// What the journal's threads and readers share.
struct Shared {
    files: Arc<dyn Files>,
    directory: PathBuf,
    options: Options,
    journal_id: [u8; 16],
    /// Ascending by base; the last one is written to.
    segments: Mutex<Vec<Segment>>,
    /// One removal of segments at a time: the keeper and the spare's thread both remove. Locked
    /// before all others.
    removal: Mutex<()>,
    head: watch::Sender<Head>,
    health: watch::Sender<Health>,
    cursors: Mutex<CursorTable>,
    /// Locked before `cursors` where both are.
    cursor_file: Mutex<CursorFile>,
    /// Damaged places that a person passed.
    skips: Mutex<Vec<Skip>>,
    /// Damaged places that hold readers, as far as they are known.
    damage: Mutex<Vec<Damage>>,
    /// The highest position handed out, durable or not.
    position_max: std::sync::atomic::AtomicU64,
    /// Readers that need a position below this one are held: its segment is gone.
    lost_below: u64,
    spare: SpareSlot,
    /// The last groups, in memory; locked after all others, as is the next.
    recent: recent::Recent,
    /// Whose oldest events may be given up.
    shedding: shedding::Shedding,
    metrics: StorageMetrics,
}

impl Journal {
    /// Opens or creates the journal: takes the lock, recovers, proves with a write and a sync
    /// that the directory can be written, and starts the threads.
    pub fn open(
        options: Options,
        files: Arc<dyn Files>,
        metrics: StorageMetrics,
    ) -> Result<Self, OpenError> {
        let directory = options.directory.clone();
        directory::create_with(&directory, |path| files.sync_directory(path))
            .map_err(OpenError::io("create", &directory))?;
        if !options.allow_ephemeral {
            lock::refuse_ephemeral(&directory)?;
        }
        let lock = lock::lock(&directory)?;
        let recovered = recovery::recover(&*files, &options)?;
        let (head, _) = watch::channel(recovered.head);
        let (health, _) = watch::channel(Health::Accepting);
        metrics
            .limit_bytes
            .set(i64::try_from(options.max_size_bytes).unwrap_or(i64::MAX));
        let shared = Arc::new(Shared {
            files,
            directory,
            options,
            journal_id: recovered.journal_id,
            segments: Mutex::new(recovered.segments),
            removal: Mutex::new(()),
            head,
            health,
            cursors: Mutex::new(recovered.cursors),
            cursor_file: Mutex::new(recovered.cursor_file),
            skips: Mutex::new(recovered.skips),
            damage: Mutex::default(),
            position_max: (recovered.next_position - 1).into(),
            lost_below: recovered.lost_below,
            spare: SpareSlot::new(),
            recent: recent::Recent::default(),
            shedding: shedding::Shedding::default(),
            metrics,
        });
        let (queue, requests) = sync_channel(QUEUE_MAX);
        let mut journal = Self {
            shared: Arc::clone(&shared),
            queue: Some(queue),
            threads: vec![],
            keeper: None,
            _lock: lock,
        };
        journal.spawn("journal-spare", {
            let shared = Arc::clone(&shared);
            move || spare::run(&shared)
        })?;
        let committer = committer::Committer::start(&shared, recovered.tail)?;
        shared.sync_cursors().map_err(|error| {
            let path = CursorFile::path(&shared.directory);
            OpenError::io("write", path)(std::io::Error::other(error))
        })?;
        journal.spawn("journal-writer", move || committer.run(&requests))?;
        if !shared.options.scrub_interval.is_zero() {
            let shared = Arc::clone(&shared);
            journal.spawn("journal-scrub", move || scrub::run(&shared))?;
        }
        journal.spawn("journal-keeper", move || housekeeping::run(&shared))?;
        journal.keeper = journal.threads.last().map(|keeper| keeper.thread().clone());
        Ok(journal)
    }

    /// Stores all records as one set, or none; the answer comes when they are durable, one per
    /// record. Never blocks.
    pub fn append(&self, records: Vec<NewRecord>) -> Result<Appending, AppendError> {
        let (request, answer) = Request::new(records);
        let queue = self.queue.as_ref().ok_or(AppendError::Closed)?;
        match queue.try_send(request) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(AppendError::Overloaded),
            Err(TrySendError::Disconnected(_)) => Err(AppendError::Closed),
        }
    }

    /// The end of what is durable.
    pub fn head(&self) -> watch::Receiver<Head> {
        self.shared.head.subscribe()
    }

    /// Whether records are taken.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.shared.health.subscribe()
    }

    /// A reader whose first record is the first one above `position`.
    pub fn reader(&self, position: u64) -> Reader {
        Reader::new(Arc::clone(&self.shared), position)
    }

    /// Sizes now.
    pub fn usage(&self) -> Usage {
        let segments = self.shared.segments();
        let used_bytes = segments.iter().map(|segment| segment.file_bytes).sum();
        Usage {
            used_bytes,
            segments: segments.len(),
        }
    }

    /// Bytes of the segments that a reader behind `low_water` still needs.
    pub fn retained_bytes(&self, low_water: u64) -> u64 {
        let head = self.shared.head.borrow().position;
        if low_water >= head {
            return 0;
        }
        let segments = self.shared.segments();
        let needed = retention::first_needed(&segments, low_water);
        segments
            .iter()
            .skip(needed)
            .map(|segment| segment.file_bytes)
            .sum()
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(body)
            .map_err(OpenError::io("start a thread for", &self.shared.directory))?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // The writer ends when the last sender is gone and the queue is drained.
        self.queue = None;
        self.shared.spare.close();
        self.shared
            .health
            .send_replace(Health::Poisoned(housekeeping::CLOSED.to_owned()));
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a journal thread panicked");
            }
        }
        if let Err(error) = self.shared.sync_cursors() {
            tracing::error!(%error, "cursors not synced at close: deliveries may repeat");
        }
    }
}
