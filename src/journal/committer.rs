//! The one thread that writes: takes what waits, writes once, syncs once, answers all.
//!
//! No lingering: a group is whatever arrived while the last one was being synced, so groups grow
//! exactly when load does. Resend keys are looked up here, in commit order; a repeat of a record
//! in the same group waits for that group and shares its outcome.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::buffer::GroupBuffer;
use super::error::{AppendError, OpenError};
use super::files::JournalFile;
use super::group::{Group, Request};
use super::record::{NewRecord, Placement, RECORD_BYTES_MAX};
use super::recovery::Tail;
use super::resend::ResendWindow;
use super::seal::{self, Contents, Noted};
use super::segment::HEADER_BYTES;
use super::{Health, QUEUE_MAX, Shared, Stored};

mod rotation;
mod writing;

/// Bytes after which a group is closed; a larger set of records goes alone.
const GROUP_BYTES_MAX: usize = 1024 * 1024;
/// How often a full journal looks for space while nobody appends.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// The writer's state.
pub(super) struct Committer {
    shared: Arc<Shared>,
    file: Arc<dyn JournalFile>,
    /// The same file for groups, which are whole pages.
    groups: Arc<dyn JournalFile>,
    /// The first position of the segment.
    base: u64,
    salt: u32,
    segment_bytes: u64,
    /// Where the next group goes.
    offset: u64,
    next_position: u64,
    /// Events stored so far.
    events: u64,
    /// A refused group may have left whole records behind the end.
    stale: bool,
    /// Nothing more is written to the segment: it has its seal, or is damaged.
    ended: bool,
    /// What the segment holds, for its seal.
    contents: Contents,
    window: ResendWindow,
    group: Group,
    buffer: GroupBuffer,
    /// What waited when the present group began; empty in between.
    taken: VecDeque<Request>,
}

impl Committer {
    /// Takes over where recovery ended; makes the first segment if there is none to go on in.
    pub(super) fn start(shared: &Arc<Shared>, tail: Tail) -> Result<Self, OpenError> {
        let no_space = |error: AppendError| OpenError::NoSpace {
            path: shared.directory.clone(),
            reason: error.to_string(),
        };
        let events = shared.head.borrow().events;
        let window = {
            let segments = shared.segments();
            ResendWindow::rebuild(&segments, &tail.contents, shared.options.resend_window)
        };
        let (base, groups, buffer) = if tail.closed {
            (0, Arc::clone(&tail.file), GroupBuffer::default())
        } else {
            let (base, path) = {
                let segments = shared.segments();
                let last = segments.last();
                last.map(|last| (last.base, last.path.clone()))
                    .unwrap_or_default()
            };
            let groups = shared
                .files
                .open_direct(&path)
                .map_err(OpenError::io("open", &path))?;
            let buffer = writing::begun(&tail).map_err(OpenError::io("read", &path))?;
            (base, groups, buffer)
        };
        let mut committer = Self {
            shared: Arc::clone(shared),
            file: tail.file,
            groups,
            base,
            salt: tail.salt,
            segment_bytes: tail.segment_bytes,
            offset: tail.offset,
            next_position: shared.position_max.load(Ordering::Acquire) + 1,
            events,
            stale: false,
            ended: tail.closed,
            window,
            contents: tail.contents,
            group: Group::default(),
            buffer,
            taken: VecDeque::new(),
        };
        if tail.closed {
            let fresh = shared.segments().is_empty();
            match committer.rotate() {
                // Delivery of what is stored may make the space that ingest then waits for.
                Err(AppendError::Full(_)) if !fresh => {}
                begun => begun.map_err(no_space)?,
            }
        }
        Ok(committer)
    }

    /// Serves requests until the last sender is gone.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        loop {
            match requests.recv_timeout(PROBE_INTERVAL) {
                Ok(first) => self.serve(first, requests),
                Err(RecvTimeoutError::Timeout) => self.probe(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Commits `first` and what waits behind it, in as few groups as limits allow.
    ///
    /// What waits is taken before any of it is encoded, as many as the queue holds at most: who
    /// comes meanwhile belongs to the next group, and arrives while this one is synced. Otherwise
    /// those that a group answers would all meet in the next one, and the disk would wait for
    /// them.
    fn serve(&mut self, first: Request, requests: &Receiver<Request>) {
        let mut waiting = std::mem::take(&mut self.taken);
        waiting.push_back(first);
        waiting.extend(requests.try_iter().take(QUEUE_MAX));
        for record in waiting.iter().flat_map(|request| &request.records) {
            if let Some(resend) = record.resend {
                self.window.touch(&resend.key);
            }
        }
        while !waiting.is_empty() {
            self.buffer.clear();
            let mut no_room = None;
            while no_room.is_none()
                && self.buffer.len() < GROUP_BYTES_MAX
                && let Some(request) = waiting.pop_front()
            {
                if let Placed::NoRoom(request) = self.place(request) {
                    no_room = Some(request);
                }
            }
            if !self.group.waiting.is_empty() {
                self.commit();
            } else if let Some(request) = no_room.take() {
                no_room = self.rotate_for(request);
            }
            // It goes on behind this group, or in the next segment.
            if let Some(request) = no_room {
                waiting.push_front(request);
            }
        }
        self.taken = waiting;
    }

    /// Puts a request's records into the buffer, or answers it at once where it cannot be stored.
    fn place(&mut self, mut request: Request) -> Placed {
        if let Health::Poisoned(reason) = &*self.shared.health.borrow() {
            request.fail(AppendError::Poisoned(reason.clone()));
            return Placed::Taken;
        }
        let records = std::mem::take(&mut request.records);
        let placed = self.place_records(&records, &mut request);
        request.records = records;
        match placed {
            Ok(true) => {
                self.group.waiting.push(request);
                Placed::Taken
            }
            Ok(false) => Placed::NoRoom(request),
            Err(error) => {
                request.fail(error);
                Placed::Taken
            }
        }
    }

    /// False when the segment has no room for all of them.
    fn place_records(
        &mut self,
        records: &[NewRecord],
        request: &mut Request,
    ) -> Result<bool, AppendError> {
        let bytes: usize = records.iter().map(NewRecord::stored_bytes).sum();
        let limit = self.set_bytes_max(records.len());
        let header_fits = |record: &NewRecord| u16::try_from(record.header.len()).is_ok();
        if bytes > limit || !records.iter().all(header_fits) {
            return Err(AppendError::TooLarge { bytes, limit });
        }
        if (self.buffer.len() + bytes) as u64 > self.room(records.len()) {
            return Ok(false);
        }
        let synced_through = self.shared.head.borrow().position;
        let count = u16::try_from(records.len()).unwrap_or(u16::MAX);
        for (index, record) in records.iter().enumerate() {
            let key = record.resend.map(|resend| resend.key);
            let first = key.and_then(|key| self.window.first(&key));
            if let Some(first) = first
                && record.resend.is_some_and(|resend| resend.drop_repeats)
            {
                request.will_be(Stored::Repeat { first });
                continue;
            }
            let position = self.next_position;
            self.next_position += 1;
            let place = Placement {
                position,
                synced_through,
                duplicate_of: first,
                set: (u16::try_from(index).unwrap_or(u16::MAX), count),
                salt: self.salt,
            };
            let offset = self.offset + self.buffer.len() as u64;
            record.encode(&place, self.buffer.room_for(record.stored_bytes()));
            let key = key.filter(|_| first.is_none()).map(|key| (key, record.id));
            if let Some((key, id)) = key {
                // A repeat behind it in this group must find it; it goes again if the group fails.
                self.window.insert(key, id);
            }
            self.group.noted.push(Noted {
                position,
                offset,
                received_ms: record.received_ms,
                gap: false,
                key,
            });
            self.group.events += 1;
            request.will_be(Stored::At {
                position,
                duplicate_of: first,
            });
        }
        Ok(true)
    }

    /// Bytes that a set of so many records may have, so that it fits into an empty segment.
    fn set_bytes_max(&self, records: usize) -> usize {
        let segment_bytes = self.shared.options.segment_bytes;
        let taken = HEADER_BYTES + seal::bytes_max(segment_bytes, records);
        let limit = usize::try_from(segment_bytes.saturating_sub(taken));
        limit.unwrap_or(usize::MAX).min(RECORD_BYTES_MAX)
    }

    /// Bytes left in the segment for the buffer and so many records more, the seal set aside.
    fn room(&self, records: usize) -> u64 {
        if self.ended {
            return 0;
        }
        let keys = self.contents.keys.len() + self.group.noted.len() + records;
        let seal_bytes = seal::bytes_max(self.segment_bytes, keys);
        let taken = self.offset.saturating_add(seal_bytes);
        self.segment_bytes.saturating_sub(taken)
    }

    /// Writes and syncs the buffer; the only place where callers learn that they are stored.
    fn commit(&mut self) {
        let started = Instant::now();
        // Handed out positions are never used again, whatever happens to the write.
        let last = self.next_position - 1;
        self.shared.position_max.store(last, Ordering::Release);
        let events = self.group.events;
        if events > 0
            && let Err(error) = self.write_and_sync()
        {
            for (key, _) in self.group.noted.iter().filter_map(|noted| noted.key) {
                self.window.remove(&key);
            }
            self.group.fail(&error);
            self.group.clear();
            return;
        }
        let metrics = &self.shared.metrics;
        metrics
            .commit_duration
            .observe(started.elapsed().as_secs_f64());
        metrics.commit_events.observe(as_f64(events));
        if events > 0 {
            self.publish(last, events);
            self.probe();
        }
        for request in self.group.waiting.drain(..) {
            request.succeed();
        }
        self.group.clear();
    }

    /// Lets readers see what was just synced.
    fn publish(&mut self, last: u64, events: u64) {
        let at = self.offset - self.buffer.durable() as u64;
        self.offset += self.buffer.len() as u64;
        // What a refused group left has lower positions, and is no record behind these.
        self.stale = false;
        self.events += events;
        let indexed = self.contents.index.len();
        for noted in &self.group.noted {
            self.contents.note(noted, self.shared.options.resend_window);
        }
        // Locked until both are said: who looks at both must not take events for lost that are
        // behind the one and not in the other.
        self.next_buffer(at);
        let mut segments = self.shared.segments();
        if let Some(active) = segments.last_mut() {
            active.end = self.offset;
            let entries = self.contents.index.get(indexed..).unwrap_or_default();
            active.index.extend_from_slice(entries);
        }
        self.shared.head.send_replace(super::Head {
            position: last,
            events: self.events,
        });
    }

    /// Looks whether a full journal has space again, so that it is ready before anybody asks.
    fn probe(&mut self) {
        if !matches!(&*self.shared.health.borrow(), Health::Full(_)) {
            return;
        }
        if !self.shared.spare.is_ready() {
            return;
        }
        // Zeros behind the end are no record, and there is room for some or a spare.
        if self.room(0) < 8 || self.write_nothing().is_ok() {
            self.shared.set_health(Health::Accepting);
        }
    }
}

/// What became of a request in `place`.
enum Placed {
    /// It is in the buffer, or answered.
    Taken,
    /// The segment has no room for it.
    NoRoom(Request),
}

#[allow(clippy::cast_precision_loss, reason = "a histogram's observation")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
