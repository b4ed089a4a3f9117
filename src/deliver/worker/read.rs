//! From the log to the outbox: new events in order, and parked ones once more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::time::Instant;

use super::Worker;
use super::attempt::PANICKED;
use super::state::now_ms;
use crate::deliver::outbox::{Item, Tag};
use crate::deliver::parked::{Lane, Mark};
use crate::deliver::window::Settled;
use crate::event::Event;
use crate::normalize::Notes;
use crate::route;
use crate::settings::Condition;
use crate::sink::{HoldCause, RejectCause, Rendered, Sent, Sink};
use crate::spool::{Log, LogReader, Lost, Read, ReadError, ReadEvent};

/// Events for which storing the cursor is put off while they only pass by.
const PASSED_PER_STORE: usize = 10_000;
/// Positions up to which reading on is quicker than to begin elsewhere.
const NEAR_POSITIONS: u64 = 10_000;
/// Sources that are gone of which is warned.
const GONE_SOURCES_MAX: usize = 64;
/// Stretches of the log read at once in search of parked events.
const STRETCHES_MAX: usize = 8;
/// Events after which others get their turn: the same threads serve requests, and rendering takes
/// up to 20 µs per event.
const TURN_EVENTS: usize = 64;

/// An event rendered, the bytes it adds to a request, where in the destination it goes, and what
/// was unknown of it.
type Ready = (Rendered, usize, Lane, Notes);

impl<L: Log, S: Sink> Worker<L, S> {
    /// Reads and renders until a portion waits or there is no more; false where the destination is
    /// held for it.
    pub(super) async fn fill(&mut self) -> bool {
        // In turns, so that neither a long queue of parked events nor new ones keep the others
        // waiting.
        self.parked_first = !self.parked_first;
        if self.parked_first && !self.read_parked().await {
            return false;
        }
        if !self.read_new().await {
            return false;
        }
        self.parked_first || self.read_parked().await
    }

    async fn read_new(&mut self) -> bool {
        self.unread = false;
        let limits = self.destination.batch;
        let mut passed = 0;
        while !self.outbox.is_full() && self.unsaved.is_empty() {
            if self.window.is_full() {
                self.hold_full();
                return self.may_send();
            }
            if passed >= PASSED_PER_STORE {
                self.unread = true;
                return true;
            }
            // What gathered up to here is seen below; what comes later is told.
            let head = self.head.borrow_and_update().position;
            if self.window.read_to() >= head {
                return true;
            }
            let read = self.reader.read(limits.max_events, limits.max_bytes).await;
            if self.has_shed() {
                // The reader may have passed over what is gone. It begins anew where the cursor
                // is now.
                self.unread = true;
                return true;
            }
            let read = match read {
                Ok(read) => read,
                // What was read before it goes first.
                Err(_) if !self.outbox.is_empty() => return true,
                Err(error) => return self.blocked(&error),
            };
            self.blocked_ms = None;
            let events = match read {
                Read::Events(events) => events,
                Read::Lost(lost) => {
                    self.lose(&lost);
                    passed += 1;
                    continue;
                }
            };
            if events.is_empty() {
                return true;
            }
            for read in events {
                self.take_in(read);
                passed += 1;
                let_others_run(passed).await;
            }
            // What lies in memory is read without a wait.
            tokio::task::yield_now().await;
        }
        true
    }

    fn blocked(&mut self, error: &ReadError) -> bool {
        self.blocked_ms.get_or_insert_with(now_ms);
        self.hold(HoldCause::Damage, error.to_string().into());
        false
    }

    /// Counts events that were damaged and given up.
    fn lose(&mut self, lost: &Lost) {
        let events = self.window.lose(lost);
        self.metrics.discard("damage", events);
        tracing::warn!(
            destination = self.name,
            events,
            after = lost.after,
            through = lost.through,
            "damaged events discarded"
        );
    }

    /// Puts one event into the window, and into the outbox if it is wanted.
    fn take_in(&mut self, read: ReadEvent) {
        let ReadEvent { event, ordinal } = read;
        if !self.window.read(event.position, ordinal, event.received_ms) {
            return;
        }
        let reading = self.renderer.reading(&event.provenance.source);
        if !route::wants(&self.destination, &event, reading) {
            self.window.settle(event.position, Settled::Filtered);
            self.metrics.filtered.inc();
            return;
        }
        if reading.is_none() {
            self.warn_of_gone(&event.provenance.source);
        }
        let mark = Mark {
            attempts: 0,
            sent: Sent::No,
        };
        self.take(event, mark, false);
    }

    /// Says once of a source that is gone why its events pass a condition on the model.
    fn warn_of_gone(&mut self, source: &str) {
        let when = self.destination.when.as_ref();
        if !when.is_some_and(Condition::asks_model) {
            return;
        }
        let is_full = self.gone_sources.len() >= GONE_SOURCES_MAX;
        if is_full || !self.gone_sources.insert(source.to_owned()) {
            return;
        }
        tracing::warn!(
            destination = self.name,
            source,
            "the source is not configured, so that nothing tells the model of its events: they \
             are taken unless the rest of when rules them out"
        );
    }

    /// Renders an event and lets it wait where it has to.
    fn take(&mut self, event: Event, mark: Mark, of_gate: bool) {
        let event = Arc::new(event);
        let position = event.position;
        let (rendered, encoded_bytes, partition, notes) = match self.render(&event) {
            Ok(rendered) => rendered,
            Err(detail) => {
                self.parked.settled(position);
                return self.refuse(
                    event,
                    RejectCause::RenderFailed,
                    detail,
                    mark.attempts,
                    None,
                );
            }
        };
        if !of_gate && self.parked.is_gated(&partition) {
            self.parked.park(partition, position, mark);
            return;
        }
        for (what, parts) in notes.words() {
            self.metrics.unknown(what, parts);
        }
        let tag = Tag {
            encoded_bytes,
            partition,
            attempts: mark.attempts,
            sent: mark.sent,
            together: None,
        };
        self.outbox.push(Item { rendered, tag });
    }

    /// The event as the destination wants it, the bytes it adds to a request, and where in the
    /// destination it goes; or why not.
    fn render(&self, event: &Arc<Event>) -> Result<Ready, Arc<str>> {
        // Pure, and made of a stranger's bytes: an event that meets a fault here would meet it at
        // each start, so it is put aside like any other that cannot be rendered.
        let rendered = catch_unwind(AssertUnwindSafe(|| {
            let rendered = self.renderer.render(event);
            rendered.map(|(rendered, notes)| {
                let encoded_bytes = self.sink.encoded_bytes(&rendered);
                let partition = self.sink.partition(&rendered);
                (rendered, encoded_bytes, partition, notes)
            })
        }));
        match rendered {
            Ok(Ok(rendered)) => Ok(rendered),
            Ok(Err(error)) => Err(error.to_string().into()),
            Err(_) => Err(PANICKED.into()),
        }
    }

    /// Reads parked events that are due.
    async fn read_parked(&mut self) -> bool {
        self.unread_parked = false;
        for _ in 0..STRETCHES_MAX {
            let due = self.parked.due(Instant::now());
            let Some((lane, first, most)) = due.filter(|_| !self.outbox.is_full()) else {
                return true;
            };
            self.refresh_for(&lane).await;
            let mut reader = match self.again.take() {
                // Far ahead a new reader is quicker than reading on.
                Some((reader, of, after))
                    if of == lane && after < first && first - after < NEAR_POSITIONS =>
                {
                    reader
                }
                _ => self.log.reader(first - 1),
            };
            let limits = self.destination.batch;
            let read = reader.read(limits.max_events, limits.max_bytes).await;
            if self.has_shed() {
                return true;
            }
            match read {
                // What can go without it goes first.
                Err(_) if !self.outbox.is_empty() || self.parked_first => return true,
                Err(error) => return self.blocked(&error),
                Ok(Read::Lost(lost)) => self.give_up(&lane, lost.through),
                // The log holds less than it once did: a reader of it cannot get there.
                Ok(Read::Events(events)) if events.is_empty() => self.give_up(&lane, u64::MAX),
                Ok(Read::Events(events)) => {
                    if let Some(after) = self.take_parked(&lane, events, most).await {
                        self.again = Some((reader, lane, after));
                    }
                }
            }
            self.parked.drop_empty();
        }
        self.unread_parked = true;
        true
    }

    /// Takes what was parked out of a stretch; the last position, if all of it was looked at.
    async fn take_parked(
        &mut self,
        lane: &Lane,
        events: Vec<ReadEvent>,
        most: usize,
    ) -> Option<u64> {
        let mut last = None;
        let mut taken = 0;
        for ReadEvent { event, .. } in events {
            if taken >= most || self.outbox.is_full() {
                return None;
            }
            let position = event.position;
            last = Some(position);
            self.give_up(lane, position - 1);
            let Some(mark) = self.parked.take(lane, position) else {
                continue;
            };
            if self.window.is_pending(position) {
                taken += 1;
                self.take(event, mark, lane.is_some());
                let_others_run(taken).await;
            }
        }
        last
    }

    /// Parked events up to a position are not in the log any more, though nobody gave them up for
    /// this destination: they are lost, and said to be.
    fn give_up(&mut self, lane: &Lane, through: u64) {
        let gone = self.parked.take_through(lane, through);
        let pending = gone.into_iter().filter(|p| self.window.is_pending(*p));
        let lost: Vec<_> = pending.collect();
        if lost.is_empty() {
            return;
        }
        for position in &lost {
            self.window.settle(*position, Settled::Discarded);
        }
        self.metrics.discard("damage", lost.len() as u64);
        let (destination, events) = (&self.name, lost.len());
        let (first, last) = (lost.first(), lost.last());
        tracing::error!(
            destination,
            events,
            first,
            last,
            "waiting events are gone from the log"
        );
    }
}

async fn let_others_run(taken: usize) {
    if taken.is_multiple_of(TURN_EVENTS) {
        tokio::task::yield_now().await;
    }
}
