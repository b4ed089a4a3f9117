//! A second log, in memory: positions with gaps, and faults on demand. Workers must not care.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::watch;

use crate::event::{Event, EventId, Provenance};
use crate::spool::{
    AppendError, Appended, Cursor, CursorError, Head, Health, Log, LogReader, Lost, NewEvent, Read,
    ReadError, ReadEvent, StartAt,
};

/// Distance between positions: nobody may count by subtracting them.
const GAP: u64 = 3;

#[derive(Clone)]
pub(super) struct MemoryLog {
    events: Arc<Mutex<Vec<ReadEvent>>>,
    cursors: Arc<Mutex<HashMap<String, Cursor>>>,
    head: Arc<watch::Sender<Head>>,
    health: Arc<watch::Sender<Health>>,
    damaged_after: Arc<Mutex<Option<u64>>>,
    lost: Arc<Mutex<Option<Lost>>>,
}

pub(super) struct MemoryReader {
    log: MemoryLog,
    after: u64,
}

impl MemoryLog {
    pub(super) fn new(destinations: &[&str]) -> Self {
        let cursors = destinations
            .iter()
            .map(|name| ((*name).to_owned(), Cursor::default()));
        Self {
            events: Arc::default(),
            cursors: Arc::new(Mutex::new(cursors.collect())),
            head: Arc::new(watch::channel(Head::default()).0),
            health: Arc::new(watch::channel(Health::Accepting).0),
            damaged_after: Arc::default(),
            lost: Arc::default(),
        }
    }

    pub(super) fn push(&self, source: &str, payload: &str) -> EventId {
        let mut events = self.events.lock().unwrap();
        let ordinal = events.len() as u64 + 1;
        let id = EventId::new(1_763_900_000_000 + ordinal);
        let provenance = Provenance {
            source: source.to_owned(),
            ..Provenance::unknown()
        };
        let event = Event {
            position: ordinal * GAP,
            id,
            received_ms: id.received_ms(),
            duplicate_of: None,
            provenance: Arc::new(provenance),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
        };
        events.push(ReadEvent { event, ordinal });
        self.head.send_replace(Head {
            position: ordinal * GAP,
            events: ordinal,
        });
        id
    }

    pub(super) fn damage_after(&self, position: Option<u64>) {
        *self.damaged_after.lock().unwrap() = position;
    }

    /// The events from one ordinal to another are given up.
    pub(super) fn lose(&self, first: u64, last: u64) {
        self.damage_after(None);
        *self.lost.lock().unwrap() = Some(Lost {
            after: (first - 1) * GAP,
            through: last * GAP,
            before: first - 1,
            ordinal: last,
        });
    }

    pub(super) fn cursor(&self, name: &str) -> Cursor {
        self.cursors.lock().unwrap()[name].clone()
    }
}

impl Log for MemoryLog {
    type Reader = MemoryReader;
    type Lease = ();

    async fn append(&self, _: Vec<NewEvent>) -> Result<Vec<Appended>, AppendError> {
        Err(AppendError::Closed)
    }

    fn head(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    async fn register(&self, name: &str, _: StartAt) -> Result<Cursor, CursorError> {
        self.load_cursor(name).await
    }

    async fn load_cursor(&self, name: &str) -> Result<Cursor, CursorError> {
        let cursors = self.cursors.lock().unwrap();
        cursors
            .get(name)
            .cloned()
            .ok_or_else(|| CursorError::Unknown(name.to_owned()))
    }

    async fn store_cursor(&self, name: &str, cursor: &Cursor) -> Result<u64, CursorError> {
        let mut cursors = self.cursors.lock().unwrap();
        let known = cursors.get_mut(name).unwrap();
        assert_eq!(known.revision, cursor.revision, "stored by two workers");
        assert!(known.low_water <= cursor.low_water, "the low water fell");
        *known = Cursor {
            revision: cursor.revision + 1,
            ..cursor.clone()
        };
        Ok(known.revision)
    }

    async fn sync_cursors(&self) -> Result<(), CursorError> {
        Ok(())
    }

    async fn lease(&self, _: &str) -> Result<(), CursorError> {
        Ok(())
    }

    fn reader(&self, position: u64) -> MemoryReader {
        MemoryReader {
            log: self.clone(),
            after: position,
        }
    }
}

impl LogReader for MemoryReader {
    async fn read(&mut self, events: usize, bytes: usize) -> Result<Read, ReadError> {
        let damaged_after = *self.log.damaged_after.lock().unwrap();
        let all = self.log.events.lock().unwrap();
        if let Some(lost) = *self.log.lost.lock().unwrap()
            && (lost.after..lost.through).contains(&self.after)
        {
            self.after = lost.through;
            return Ok(Read::Lost(lost));
        }
        let mut passed = 0;
        let mut found = Vec::new();
        for read in all.iter().filter(|read| read.event.position > self.after) {
            if damaged_after.is_some_and(|after| read.event.position > after) {
                if found.is_empty() {
                    let file = "memory".to_owned();
                    return Err(ReadError::Damaged {
                        file,
                        offset: 0,
                        after: self.after,
                    });
                }
                break;
            }
            let lost = self.log.lost.lock().unwrap();
            if lost
                .is_some_and(|lost| (lost.after + 1..=lost.through).contains(&read.event.position))
            {
                break;
            }
            if found.len() >= events || passed >= bytes {
                break;
            }
            passed += read.event.payload.len();
            found.push(read.clone());
        }
        if let Some(last) = found.last() {
            self.after = last.event.position;
        }
        Ok(Read::Events(found))
    }
}
