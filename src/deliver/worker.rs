//! The worker of one destination: one state, one loop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::outbox::{Item, Outbox};
use super::retry::Schedule;
use super::status::DestinationStatus;
use super::window::{Settled, Window};
use crate::dead_letters::{DeadLetter, DeadLetterLog};
use crate::event::Event;
use crate::normalize::Renderer;
use crate::route;
use crate::settings::Destination;
use crate::sink::{HoldCause, RejectCause, Rendered, Sent, Sink};
use crate::spool::{CursorError, Head, Log, LogReader, Lost, Read, ReadEvent, Shed};
use crate::telemetry::metrics::DestinationMetrics;

mod attempt;
mod purged;
mod shed;
mod state;

use attempt::PANICKED;
use state::{State, now_ms};

/// Events for which storing the cursor is put off while they only pass by.
const FILTERED_PER_STORE: usize = 10_000;

/// What a worker needs besides the log and the sink.
pub struct Options {
    /// The destination's settings.
    pub destination: Destination,
    /// Makes of events what the destination wants.
    pub renderer: Renderer,
    /// Where refused events go.
    pub dead_letters: DeadLetterLog,
    /// What people see.
    pub status: DestinationStatus,
    /// What is counted.
    pub metrics: DestinationMetrics,
    /// Ends the worker between attempts.
    pub stop: CancellationToken,
    /// Ends it within an attempt.
    pub force: CancellationToken,
}

/// Why a worker cannot begin or go on.
#[derive(Debug, thiserror::Error)]
#[error("destination {destination}: {source}")]
pub struct WorkerError {
    destination: String,
    source: CursorError,
}

/// Delivers to one destination.
pub struct Worker<L: Log, S: Sink> {
    log: Arc<L>,
    sink: S,
    name: String,
    destination: Destination,
    renderer: Renderer,
    dead_letters: DeadLetterLog,
    status: DestinationStatus,
    metrics: DestinationMetrics,
    stop: CancellationToken,
    force: CancellationToken,
    reader: L::Reader,
    head: watch::Receiver<Head>,
    /// Changes when the log moved the stored cursor: what was read may be gone.
    sheds: watch::Receiver<Option<Shed>>,
    window: Window,
    outbox: Outbox,
    schedule: Schedule,
    /// Refused events that are not yet durable as dead letters.
    unsaved: Vec<(DeadLetter, RejectCause)>,
    /// When the log became unreadable here; Unix milliseconds.
    blocked_ms: Option<u64>,
    /// Attempts in a row whose transfer broke off for every event.
    broken_off: u32,
    /// What was last logged as wrong, until a delivery works again.
    trouble: Option<Arc<str>>,
    _lease: L::Lease,
}

impl<L: Log, S: Sink> Worker<L, S> {
    /// Becomes the destination's worker; it must be registered in the log.
    pub async fn start(log: Arc<L>, sink: S, options: Options) -> Result<Self, WorkerError> {
        let name = options.destination.name.clone();
        let failed = |source| WorkerError {
            destination: name.clone(),
            source,
        };
        let lease = log.lease(&name).await.map_err(failed)?;
        // Asked for before the cursor is loaded, so that no move falls between.
        let sheds = log.sheds(&name);
        let cursor = log.load_cursor(&name).await.map_err(failed)?;
        let head = log.head();
        let window = Window::new(cursor.clone());
        options.status.update(&window, *head.borrow(), None);
        Ok(Self {
            reader: log.reader(cursor.low_water),
            outbox: Outbox::new(options.destination.batch),
            schedule: Schedule::new(&options.destination.retry),
            dead_letters: options.dead_letters,
            renderer: options.renderer,
            status: options.status,
            metrics: options.metrics,
            stop: options.stop,
            force: options.force,
            destination: options.destination,
            unsaved: Vec::new(),
            blocked_ms: None,
            broken_off: 0,
            trouble: None,
            _lease: lease,
            log,
            sink,
            name,
            head,
            sheds,
            window,
        })
    }

    /// Delivers until it is stopped.
    pub async fn run(mut self) -> Result<(), WorkerError> {
        let mut state = State::Delivering;
        loop {
            self.enter(&state);
            self.beat();
            state = match state {
                State::Delivering => self.deliver(self.destination.batch.max_events).await,
                State::Probing => self.deliver(1).await,
                State::Easing { wait } | State::BackingOff { wait, .. } => {
                    self.pause(wait, State::Delivering).await?
                }
                State::Held { .. } => {
                    let next = self
                        .pause(self.destination.probe_interval, State::Probing)
                        .await?;
                    // A rotated credential or certificate may be what the destination waits for.
                    self.sink.refresh();
                    next
                }
                State::Stopping => return Ok(()),
            };
            self.store_cursor().await?;
        }
    }

    /// One attempt with up to `events_max` events; waits for events where there are none.
    async fn deliver(&mut self, events_max: usize) -> State {
        if self.stop.is_cancelled() {
            return State::Stopping;
        }
        if let Some(held) = self.save_dead_letters().await {
            return held;
        }
        if self.outbox.is_empty() {
            match self.fill().await {
                Ok(true) => {}
                Ok(false) => return self.idle().await,
                Err(held) => return held,
            }
        }
        if let Some(held) = self.save_dead_letters().await {
            return held;
        }
        if self.outbox.is_empty() {
            return State::Delivering;
        }
        let items = self.outbox.take(events_max);
        // What was read is pending from here on, and an attempt can take minutes.
        self.show();
        self.attempt(items).await
    }

    /// Reads and renders what there is; false when there is nothing new.
    async fn fill(&mut self) -> Result<bool, State> {
        let limits = self.destination.batch;
        let mut passed = 0;
        while self.outbox.is_empty() && self.unsaved.is_empty() && passed < FILTERED_PER_STORE {
            let read = self.reader.read(limits.max_events, limits.max_bytes).await;
            if self.sheds.has_changed().unwrap_or(false) {
                // The reader may have passed over what is gone. It begins anew where the cursor
                // is now.
                return Ok(true);
            }
            let read = match read {
                Ok(read) => read,
                Err(error) => {
                    self.blocked_ms.get_or_insert_with(now_ms);
                    return Err(State::Held {
                        cause: HoldCause::Damage,
                        detail: error.to_string().into(),
                    });
                }
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
                return Ok(passed > 0);
            }
            passed += events.len();
            for read in events {
                self.take_in(read);
            }
        }
        Ok(true)
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
        if !route::wants(&self.destination, &event) {
            self.window.settle(event.position, Settled::Filtered);
            self.metrics.filtered.inc();
            return;
        }
        let event = Arc::new(event);
        match self.render(&event) {
            Ok((rendered, encoded_bytes)) => {
                self.outbox.push(Item {
                    rendered,
                    encoded_bytes,
                    attempts: 0,
                    sent: Sent::No,
                });
            }
            Err(detail) => self.refuse(event, RejectCause::RenderFailed, detail, 0, None),
        }
    }

    /// The event as the destination wants it, and the bytes it adds to a request; or why not.
    fn render(&self, event: &Arc<Event>) -> Result<(Rendered, usize), Arc<str>> {
        // Pure, and made of a stranger's bytes: an event that meets a fault here would meet it at
        // each start, so it is put aside like any other that cannot be rendered.
        let rendered = catch_unwind(AssertUnwindSafe(|| {
            let rendered = self.renderer.render(event);
            rendered.map(|rendered| {
                let encoded_bytes = self.sink.encoded_bytes(&rendered);
                (rendered, encoded_bytes)
            })
        }));
        match rendered {
            Ok(Ok(rendered)) => Ok(rendered),
            Ok(Err(error)) => Err(error.to_string().into()),
            Err(_) => Err(PANICKED.into()),
        }
    }

    /// Stores the cursor, if it moved, and follows where the log moved it.
    pub(super) async fn store_cursor(&mut self) -> Result<(), WorkerError> {
        if self.sheds.has_changed().unwrap_or(false) {
            self.follow_log().await?;
        }
        self.store_window().await?;
        self.count_purged().await?;
        self.show();
        Ok(())
    }

    async fn store_window(&mut self) -> Result<(), WorkerError> {
        while let Some(cursor) = self.window.moved() {
            match self.log.store_cursor(&self.name, cursor).await {
                Ok(revision) => self.window.stored(revision),
                Err(conflict @ CursorError::Conflict(_)) => {
                    if !self.follow_log().await? {
                        return Err(self.failed(conflict));
                    }
                }
                Err(source) => return Err(self.failed(source)),
            }
        }
        Ok(())
    }

    fn failed(&self, source: CursorError) -> WorkerError {
        WorkerError {
            destination: self.name.clone(),
            source,
        }
    }

    /// Makes the counts visible.
    fn show(&self) {
        let head = *self.head.borrow();
        self.status.update(&self.window, head, self.blocked_ms);
    }
}
