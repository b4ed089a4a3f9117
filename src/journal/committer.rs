//! The one thread that writes: takes what waits, writes once, syncs once, answers all.
//!
//! No lingering: a group is whatever arrived while the last one was being synced, so groups grow
//! exactly when load does. Resend keys are looked up here, in commit order; a repeat of a record
//! in the same group waits for that group and shares its outcome.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::error::{AppendError, OpenError};
use super::files::{JournalFile, is_full, write_full};
use super::group::{Group, Request};
use super::record::{NewRecord, Placement, RECORD_BYTES_MAX};
use super::recovery::Tail;
use super::resend::ResendWindow;
use super::segment::{self, HEADER_BYTES, Segment, SegmentHeader, now_ms};
use super::{Health, Shared, Stored};

/// Bytes after which a group is closed; a larger set of records goes alone.
const GROUP_BYTES_MAX: usize = 1024 * 1024;
/// Buffer kept between groups; a larger one is given back.
const BUFFER_KEPT_BYTES: usize = 2 * GROUP_BYTES_MAX;
/// How often a full journal looks for space while nobody appends.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// The writer's state.
pub(super) struct Committer {
    shared: Arc<Shared>,
    file: Arc<dyn JournalFile>,
    salt: u32,
    segment_bytes: u64,
    /// Where the next group goes.
    offset: u64,
    next_position: u64,
    /// Events stored so far.
    events: u64,
    /// A refused group may have left whole records behind the end.
    stale: bool,
    window: ResendWindow,
    buffer: Vec<u8>,
}

impl Committer {
    /// Takes over where recovery ended; makes the first segment if there is none to go on in.
    pub(super) fn start(shared: &Arc<Shared>, tail: Tail) -> Result<Self, OpenError> {
        let no_space = |error: AppendError| OpenError::NoSpace {
            path: shared.directory.clone(),
            reason: error.to_string(),
        };
        let events = shared.head.borrow().events;
        let mut committer = Self {
            shared: Arc::clone(shared),
            file: tail.file,
            salt: tail.salt,
            segment_bytes: tail.segment_bytes,
            offset: tail.offset,
            next_position: shared.position_max.load(Ordering::Acquire) + 1,
            events,
            stale: false,
            window: ResendWindow::rebuild(shared),
            buffer: Vec::new(),
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
    fn serve(&mut self, first: Request, requests: &Receiver<Request>) {
        let mut next = Some(first);
        while let Some(request) = next.take() {
            let mut group = Group::default();
            self.buffer.clear();
            let mut candidate = Some(request);
            while let Some(request) = candidate.take() {
                match self.place(request, &mut group) {
                    Placed::Taken if self.buffer.len() < GROUP_BYTES_MAX => {
                        candidate = requests.try_recv().ok();
                    }
                    Placed::Taken => {}
                    // No room behind this group: commit it, then go on in the next segment.
                    Placed::NoRoom(request) => next = Some(request),
                }
            }
            if group.waiting.is_empty() {
                if let Some(request) = next.take() {
                    next = self.rotate_for(request);
                }
                continue;
            }
            self.commit(group);
        }
    }

    /// Puts a request's records into the buffer, or answers it at once where it cannot be stored.
    fn place(&mut self, request: Request, group: &mut Group) -> Placed {
        if let Health::Poisoned(reason) = &*self.shared.health.borrow() {
            request.answer(Err(AppendError::Poisoned(reason.clone())));
            return Placed::Taken;
        }
        let bytes: usize = request.records.iter().map(NewRecord::stored_bytes).sum();
        let limit = usize::try_from(self.shared.options.segment_bytes - HEADER_BYTES);
        let limit = limit.unwrap_or(usize::MAX).min(RECORD_BYTES_MAX);
        let header_fits = |record: &NewRecord| u16::try_from(record.header.len()).is_ok();
        if bytes > limit || !request.records.iter().all(header_fits) {
            request.answer(Err(AppendError::TooLarge { bytes, limit }));
            return Placed::Taken;
        }
        let room = self.segment_bytes.saturating_sub(self.offset);
        if (self.buffer.len() + bytes) as u64 > room {
            return Placed::NoRoom(request);
        }
        let synced_through = self.shared.head.borrow().position;
        let count = u16::try_from(request.records.len()).unwrap_or(u16::MAX);
        let mut stored = Vec::with_capacity(request.records.len());
        for (index, record) in request.records.iter().enumerate() {
            let first = record
                .resend
                .and_then(|resend| self.first(&resend.key, group));
            if let Some(first) = first
                && record.resend.is_some_and(|resend| resend.drop_repeats)
            {
                stored.push(Stored::Repeat { first });
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
            record.encode(&place, &mut self.buffer);
            if let (Some(resend), None) = (record.resend, first) {
                group.keys.insert(resend.key, record.id);
            }
            group.events += 1;
            stored.push(Stored::At {
                position,
                duplicate_of: first,
            });
        }
        group.waiting.push((request.reply, stored));
        Placed::Taken
    }

    fn first(&self, key: &[u8; 16], group: &Group) -> Option<[u8; 16]> {
        group
            .keys
            .get(key)
            .copied()
            .or_else(|| self.window.first(key))
    }

    /// Writes and syncs the buffer; the only place where callers learn that they are stored.
    fn commit(&mut self, group: Group) {
        let started = Instant::now();
        // Handed out positions are never used again, whatever happens to the write.
        let last = self.next_position - 1;
        self.shared.position_max.store(last, Ordering::Release);
        if group.events > 0
            && let Err(error) = self.write_and_sync()
        {
            group.fail(&error);
            return;
        }
        self.shared
            .metrics
            .commit_duration
            .observe(started.elapsed().as_secs_f64());
        self.shared
            .metrics
            .commit_events
            .observe(as_f64(group.events));
        if group.events > 0 {
            self.offset += self.buffer.len() as u64;
            // What a refused group left has lower positions, and is no record behind these.
            self.stale = false;
            self.events += group.events;
            if let Some(active) = self.shared.segments().last_mut() {
                active.end = self.offset;
            }
            // Readers see the new end before they are woken.
            self.shared.head.send_replace(super::Head {
                position: last,
                events: self.events,
            });
            self.probe();
        }
        for (key, id) in group.keys {
            self.window.insert(key, id);
        }
        for (reply, stored) in group.waiting {
            // A caller that went away has no use for the answer; the event is stored all the same.
            let _gone = reply.send(Ok(stored));
        }
        if self.buffer.capacity() > BUFFER_KEPT_BYTES {
            self.buffer = Vec::new();
        }
    }

    fn write_and_sync(&mut self) -> Result<(), AppendError> {
        if let Err(error) = write_full(&*self.file, &self.buffer, self.offset) {
            self.shared.metrics.error("write");
            self.stale = true;
            return Err(self.refuse(&error, "write"));
        }
        // The promise behind every 2xx: nothing is answered before this returns.
        if let Err(error) = self.file.sync_data() {
            self.shared.metrics.error("sync");
            return Err(self.poison(&error, "sync"));
        }
        Ok(())
    }

    /// Lack of space before the sync leaves the end where it was: the next group overwrites what
    /// was written, at higher positions. Anything else leaves the disk's content unknown.
    fn refuse(&self, error: &io::Error, action: &str) -> AppendError {
        if !is_full(error) {
            return self.poison(error, action);
        }
        let reason = format!("cannot {action} {}: {error}", self.name());
        self.shared.set_health(Health::Full(reason.clone()));
        AppendError::Full(reason)
    }

    fn poison(&self, error: &io::Error, action: &str) -> AppendError {
        let reason = format!("cannot {action} {}: {error}", self.name());
        self.shared.set_health(Health::Poisoned(reason.clone()));
        AppendError::Poisoned(reason)
    }

    fn name(&self) -> String {
        self.shared
            .segments()
            .last()
            .map(Segment::name)
            .unwrap_or_default()
    }

    /// Begins the next segment for a request that the present one has no room for.
    fn rotate_for(&mut self, request: Request) -> Option<Request> {
        match self.rotate() {
            Ok(()) => Some(request),
            Err(error) => {
                request.answer(Err(error));
                None
            }
        }
    }

    /// Ends the segment where its last durable record does. Once another follows, a start no longer
    /// looks for the end, and readers would take what a refused group left for events.
    fn end_segment(&mut self) -> Result<(), AppendError> {
        if self.stale {
            write_full(&*self.file, &[0; 8], self.offset).map_err(|e| self.refuse(&e, "end"))?;
            self.file.sync_data().map_err(|e| self.poison(&e, "sync"))?;
            self.stale = false;
        }
        Ok(())
    }

    /// Turns the spare into the segment to write to. The old one is complete and synced.
    fn rotate(&mut self) -> Result<(), AppendError> {
        self.end_segment()?;
        let file = self.shared.spare.take().map_err(|reason| {
            self.shared.set_health(Health::Full(reason.clone()));
            AppendError::Full(reason)
        })?;
        let header = SegmentHeader {
            journal_id: self.shared.journal_id,
            base: self.next_position,
            events_before: self.events,
            created_ms: now_ms(),
            salt: segment::salt(),
        };
        let path = segment::path(&self.shared.directory, header.base);
        let length = self.shared.options.segment_bytes;
        if let Err(error) = self.begin(&*file, &header, &path) {
            self.shared.spare.renamed();
            self.shared.metrics.error("create");
            return Err(error);
        }
        self.shared.segments().push(Segment {
            base: header.base,
            header: Some(header),
            file: Arc::clone(&file),
            path,
            end: HEADER_BYTES,
            file_bytes: length,
        });
        // Only now: the next spare is measured against a limit that counts this segment.
        self.shared.spare.renamed();
        self.file = file;
        self.salt = header.salt;
        self.segment_bytes = length;
        self.offset = HEADER_BYTES;
        Ok(())
    }

    /// Makes a spare file a segment: header, then name.
    fn begin(
        &self,
        file: &dyn JournalFile,
        header: &SegmentHeader,
        path: &Path,
    ) -> Result<(), AppendError> {
        let spare = self.shared.directory.join(super::spare::FILE_NAME);
        let files = &self.shared.files;
        let action = "begin a segment after";
        write_full(file, &header.encode(), 0).map_err(|error| self.refuse(&error, action))?;
        // The header is durable before the name is: a file with a segment's name has one.
        file.sync_data()
            .map_err(|error| self.poison(&error, action))?;
        files
            .rename(&spare, path)
            .map_err(|error| self.refuse(&error, action))?;
        // Without this sync a power cut could take the name, and with it acknowledged events. If
        // it fails, nobody knows whether the name is there; going on in the old segment would
        // leave two segments that claim the same positions.
        let synced = files.sync_directory(&self.shared.directory);
        synced.map_err(|error| self.poison(&error, action))
    }

    /// Looks whether a full journal has space again, so that it is ready before anybody asks.
    fn probe(&mut self) {
        if !matches!(&*self.shared.health.borrow(), Health::Full(_)) {
            return;
        }
        // A zero word behind the end is no record, and there is always room for one or a spare.
        let room = self.segment_bytes.saturating_sub(self.offset) >= 8;
        let writable = if room {
            write_full(&*self.file, &[0; 8], self.offset).is_ok()
        } else {
            self.shared.spare.is_ready()
        };
        if writable && self.shared.spare.is_ready() {
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
