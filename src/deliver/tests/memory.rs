//! A second log, in memory: positions with gaps, and faults on demand. Workers must not care.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::watch;

use crate::event::{Event, EventId, Provenance};
use crate::spool::{
    AppendError, Appended, Cursor, CursorError, Head, Health, Lease, Log, LogReader, Lost,
    NewEvent, Read, ReadError, ReadEvent, Shed, StartAt,
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
    /// Events up to here are gone; readers pass over them without a word.
    gone: Arc<Mutex<u64>>,
    sheds: Arc<watch::Sender<Option<Shed>>>,
    /// Serial of the last lease, and whether somebody holds it.
    holder: Arc<watch::Sender<(u64, bool)>>,
    /// Given up in the middle of the next read, or of the next store.
    shed_at_read: Arc<Mutex<Option<(String, u64)>>>,
    shed_at_store: Arc<Mutex<Option<(String, u64)>>>,
}

/// Held until it is dropped or taken away.
pub(super) struct MemoryLease {
    serial: u64,
    holder: Arc<watch::Sender<(u64, bool)>>,
    seen: watch::Receiver<(u64, bool)>,
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
            gone: Arc::default(),
            sheds: Arc::default(),
            holder: Arc::new(watch::channel((0, false)).0),
            shed_at_read: Arc::default(),
            shed_at_store: Arc::default(),
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
            replay_id: None,
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

    /// Gives up the destination's first `events` events: moves its cursor, tells, forgets them.
    pub(super) fn shed(&self, name: &str, events: u64) {
        let through = events * GAP;
        let mut cursors = self.cursors.lock().unwrap();
        let known = cursors.get_mut(name).unwrap();
        let all = self.events.lock().unwrap();
        let moved = shed(known, through, all.iter().map(|read| read.event.position));
        let last = Shed {
            at_ms: 1,
            events: moved.totals.discarded - known.totals.discarded,
            first: known.low_water + 1,
            last: through,
            bytes: 1,
            reason: "space_short",
        };
        *known = moved;
        self.sheds.send_replace(Some(last));
        *self.gone.lock().unwrap() = through;
    }

    /// The same while the next read is under way, so that the reader passes over them.
    pub(super) fn shed_at_read(&self, name: &str, events: u64) {
        *self.shed_at_read.lock().unwrap() = Some((name.to_owned(), events));
    }

    /// The same between the worker's last look and the store that follows.
    pub(super) fn shed_at_store(&self, name: &str, events: u64) {
        *self.shed_at_store.lock().unwrap() = Some((name.to_owned(), events));
    }

    /// Takes the lease away from whoever has it.
    pub(super) fn revoke(&self) {
        self.holder.send_modify(|(_, held)| *held = false);
    }

    /// Stores as another worker would, who must not be.
    pub(super) fn touch(&self, name: &str) {
        self.cursors.lock().unwrap().get_mut(name).unwrap().revision += 1;
    }

    pub(super) fn cursor(&self, name: &str) -> Cursor {
        self.cursors.lock().unwrap()[name].clone()
    }
}

impl Lease for MemoryLease {
    async fn lost(&mut self) {
        let serial = self.serial;
        let lost = |state: &(u64, bool)| *state != (serial, true);
        self.seen.wait_for(lost).await.unwrap();
    }
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        let serial = self.serial;
        self.holder.send_if_modified(|(last, held)| {
            let mine = *last == serial && *held;
            *held &= !mine;
            mine
        });
    }
}

impl Log for MemoryLog {
    type Reader = MemoryReader;
    type Lease = MemoryLease;

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

    fn sheds(&self, _: &str) -> watch::Receiver<Option<Shed>> {
        self.sheds.subscribe()
    }

    async fn store_cursor(&self, name: &str, cursor: &Cursor) -> Result<u64, CursorError> {
        let shed = self.shed_at_store.lock().unwrap().take();
        if let Some((name, events)) = shed {
            self.shed(&name, events);
        }
        let mut cursors = self.cursors.lock().unwrap();
        let known = cursors.get_mut(name).unwrap();
        if known.revision != cursor.revision {
            return Err(CursorError::Conflict(name.to_owned()));
        }
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

    async fn lease(&self, _: &str) -> Result<MemoryLease, CursorError> {
        let mut seen = self.holder.subscribe();
        loop {
            let mut serial = None;
            self.holder.send_if_modified(|(last, held)| {
                if !*held {
                    (*last, *held) = (*last + 1, true);
                    serial = Some(*last);
                }
                serial.is_some()
            });
            let Some(serial) = serial else {
                seen.changed().await.unwrap();
                continue;
            };
            seen.mark_unchanged();
            let holder = Arc::clone(&self.holder);
            return Ok(MemoryLease {
                serial,
                holder,
                seen,
            });
        }
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
        let shed = self.log.shed_at_read.lock().unwrap().take();
        if let Some((name, events)) = shed {
            self.log.shed(&name, events);
        }
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
        let after = self.after.max(*self.log.gone.lock().unwrap());
        for read in all.iter().filter(|read| read.event.position > after) {
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

/// The cursor behind `through`, with all of these positions that lie below and are not settled
/// counted as discarded.
pub(super) fn shed(cursor: &Cursor, through: u64, positions: impl Iterator<Item = u64>) -> Cursor {
    let mut moved = cursor.clone();
    let done = |position: u64| {
        let mut ranges = cursor.done.iter();
        ranges.any(|(start, end)| (*start..=*end).contains(&position))
    };
    for position in positions.filter(|position| *position > cursor.low_water) {
        match (position <= through, done(position)) {
            (true, true) => moved.done_events -= 1,
            (true, false) => moved.totals.discarded += 1,
            (false, _) => {}
        }
    }
    moved.low_water = through;
    moved.done.retain(|(_, end)| *end > through);
    if let Some(first) = moved.done.first_mut() {
        first.0 = first.0.max(through + 1);
    }
    moved.revision += 1;
    moved
}
