//! The log in the embedded journal: events to records and back.
//!
//! Reads that touch files go through the blocking pool; what lies in memory is read at once.
//! Appends only hand over to the journal's own thread.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::{
    AppendError, Appended, Cursor, CursorError, Head, Health, Lease, Log, LogReader, NewEvent,
    OnRepeat, Read, ReadError, ReadEvent, Shed, StartAt,
};
use crate::event::{Event, EventId, Provenance};
use crate::journal::{self, Journal, NewRecord, ReadRecord, Reader, Resend, Stored, Usage};

/// The log of a single relay.
#[derive(Clone)]
pub struct LocalLog {
    journal: Arc<Journal>,
    leased: Arc<Mutex<HashSet<String>>>,
}

/// Reads the log of a single relay.
pub struct LocalReader {
    /// None while a read is on its way in the blocking pool.
    reader: Option<Reader>,
    journal: Arc<Journal>,
    after: u64,
}

/// Held by the one worker of a destination.
pub struct LocalLease {
    destination: String,
    leased: Arc<Mutex<HashSet<String>>>,
}

impl LocalLog {
    /// The log in this journal.
    pub fn new(journal: Journal) -> Self {
        Self {
            journal: Arc::new(journal),
            leased: Arc::default(),
        }
    }

    /// The journal itself, for the status and for commands; whoever works on it may block.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Sizes now.
    pub fn usage(&self) -> Usage {
        self.journal.usage()
    }

    /// Bytes that a destination at `low_water` keeps from being removed.
    pub fn retained_bytes(&self, low_water: u64) -> u64 {
        self.journal.retained_bytes(low_water)
    }

    /// Lets a destination's oldest events be given up where it holds more bytes of segments than
    /// this, and where space is short; until the relay ends.
    pub fn limit_backlog(&self, destination: &str, max_bytes: u64) {
        self.journal.limit_backlog(destination, max_bytes);
    }

    /// Names of all destinations ever registered and not forgotten.
    pub fn registered(&self) -> Vec<String> {
        self.journal.cursor_names()
    }
}

impl Log for LocalLog {
    type Reader = LocalReader;
    type Lease = LocalLease;

    async fn append(&self, events: Vec<NewEvent>) -> Result<Vec<Appended>, AppendError> {
        let records = events.into_iter().map(to_record).collect();
        // The first event of a group wakes the writer, which syncs what it finds. So the requests
        // that this thread has yet to serve go first: they hand over their events together.
        tokio::task::yield_now().await;
        let stored = self.journal.append(records)?.await?;
        Ok(stored.into_iter().map(to_appended).collect())
    }

    fn head(&self) -> watch::Receiver<Head> {
        self.journal.head()
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.journal.health()
    }

    async fn register(&self, destination: &str, start: StartAt) -> Result<Cursor, CursorError> {
        let journal = Arc::clone(&self.journal);
        let destination = destination.to_owned();
        blocking(move || journal.register(&destination, start)).await
    }

    async fn load_cursor(&self, destination: &str) -> Result<Cursor, CursorError> {
        self.journal.load_cursor(destination)
    }

    fn sheds(&self, destination: &str) -> watch::Receiver<Option<Shed>> {
        self.journal.sheds(destination)
    }

    async fn store_cursor(&self, destination: &str, cursor: &Cursor) -> Result<u64, CursorError> {
        self.journal.store_cursor(destination, cursor)
    }

    async fn sync_cursors(&self) -> Result<(), CursorError> {
        let journal = Arc::clone(&self.journal);
        blocking(move || journal.sync_cursors()).await
    }

    async fn lease(&self, destination: &str) -> Result<LocalLease, CursorError> {
        let mut leased = self.leased.lock().unwrap_or_else(PoisonError::into_inner);
        if !leased.insert(destination.to_owned()) {
            return Err(CursorError::Leased(destination.to_owned()));
        }
        Ok(LocalLease {
            destination: destination.to_owned(),
            leased: Arc::clone(&self.leased),
        })
    }

    fn reader(&self, position: u64) -> LocalReader {
        let reader = Some(self.journal.reader(position));
        LocalReader {
            reader,
            journal: Arc::clone(&self.journal),
            after: position,
        }
    }
}

impl LogReader for LocalReader {
    async fn read(&mut self, max_events: usize, max_bytes: usize) -> Result<Read, ReadError> {
        // A read that was cancelled took the reader with it: a new one goes on at the same place.
        let mut reader = self
            .reader
            .take()
            .unwrap_or_else(|| self.journal.reader(self.after));
        if let Some(records) = reader.read_at_hand(max_events, max_bytes) {
            self.reader = Some(reader);
            return Ok(self.events(records));
        }
        let task = spawn_blocking(move || {
            let read = reader.read(max_events, max_bytes);
            (reader, read)
        });
        let (reader, read) = task.await.map_err(|error| ReadError::Io {
            file: "the journal".to_owned(),
            message: error.to_string(),
        })?;
        self.reader = Some(reader);
        Ok(match read? {
            journal::Read::Records(records) => self.events(records),
            journal::Read::Lost(lost) => {
                self.after = lost.through;
                Read::Lost(lost)
            }
        })
    }
}

impl LocalReader {
    fn events(&mut self, records: Vec<ReadRecord>) -> Read {
        if let Some(last) = records.last() {
            self.after = last.record.position;
        }
        Read::Events(records.into_iter().map(to_event).collect())
    }
}

impl Lease for LocalLease {
    /// The directory's lock keeps other processes out, and this one has one worker each.
    async fn lost(&mut self) {
        std::future::pending().await
    }
}

impl Drop for LocalLease {
    fn drop(&mut self) {
        let mut leased = self.leased.lock().unwrap_or_else(PoisonError::into_inner);
        leased.remove(&self.destination);
    }
}

fn to_record(event: NewEvent) -> NewRecord {
    let mut header = Vec::with_capacity(128);
    event.provenance.encode(&mut header);
    NewRecord {
        id: *event.id.as_bytes(),
        received_ms: event.received_ms,
        resend: event.resend.map(|resend| Resend {
            key: resend.key,
            drop_repeats: resend.on_repeat == OnRepeat::Drop,
        }),
        header,
        payload: event.payload,
    }
}

fn to_appended(stored: Stored) -> Appended {
    match stored {
        Stored::At {
            position,
            duplicate_of,
        } => Appended::Stored {
            position,
            duplicate_of: duplicate_of.map(EventId::from_bytes),
        },
        Stored::Repeat { first } => Appended::Repeat {
            first: EventId::from_bytes(first),
        },
    }
}

fn to_event(read: ReadRecord) -> ReadEvent {
    let record = read.record;
    let provenance = Provenance::decode(&record.header).unwrap_or_else(|error| {
        // The checksum holds, so this was written by a version that stores it differently. The
        // event goes on; what is not known of its way in is said to be unknown.
        tracing::error!(%error, position = record.position, "record header not understood");
        Provenance::unknown()
    });
    let event = Event {
        position: record.position,
        id: EventId::from_bytes(record.id),
        received_ms: record.received_ms,
        duplicate_of: record.duplicate_of.map(EventId::from_bytes),
        replay_id: None,
        provenance: Arc::new(provenance),
        // A copy of its own: a slice would keep all that was read with it in memory.
        payload: Bytes::copy_from_slice(&record.payload),
    };
    ReadEvent {
        event,
        ordinal: read.ordinal,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CursorError> + Send + 'static,
) -> Result<T, CursorError> {
    let joined = spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(CursorError::Storage(error.to_string())))
}
