//! The worker of one destination: one state, one loop.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::age::AgeLimit;
use super::awaited::{Asked, Awaited};
use super::concurrency::Concurrency;
use super::control::{Controls, Wanted};
use super::outbox::{Item, Outbox};
use super::parked::{Lane, Parked};
use super::rate_limit::RateLimit;
use super::retry::Schedule;
use super::status::DestinationStatus;
use super::suspects::Suspects;
use super::verdicts::WholeFailures;
use super::window::Window;
use crate::dead_letters::{DeadLetter, DeadLetterLog};
use crate::event::EventId;
use crate::normalize::Renderer;
use crate::settings::Destination;
use crate::sink::{Confirmation, Outcome, RejectCause, Sink};
use crate::spool::{CursorError, Head, Lease, Log, Shed};
use crate::telemetry::metrics::DestinationMetrics;

mod act;
mod attempt;
mod confirm;
mod lease;
mod purged;
mod read;
mod refuse;
mod shed;
mod state;
mod verdict;

use attempt::Flight;
use confirm::Unsure;
use shed::shed;
use state::{HEARTBEAT, State, wish};

/// How often a worker with a batch on its way looks whether another whole portion has gathered.
const GATHER: Duration = Duration::from_millis(20);

/// Shortest wait of a worker that has nothing to do at once.
const BREATH: Duration = Duration::from_millis(5);

/// Events from which on a batch is one of many: more are coming, and a request for a few dozen
/// costs more than what is in it.
const MANY_EVENTS: usize = 16;

/// How long events gather behind a batch of many, counted from when that one began, unless a whole
/// portion waits before.
const GATHER_MANY: Duration = Duration::from_millis(5);

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
    /// What people want of it.
    pub controls: Controls,
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
    sink: Arc<S>,
    name: String,
    destination: Destination,
    renderer: Renderer,
    dead_letters: DeadLetterLog,
    status: DestinationStatus,
    metrics: DestinationMetrics,
    controls: watch::Receiver<Wanted>,
    /// What was wanted when it was last looked at.
    wanted: Wanted,
    stop: CancellationToken,
    force: CancellationToken,
    reader: L::Reader,
    /// Reads again what is parked: for which lane, and from behind which position on.
    again: Option<(L::Reader, Lane, u64)>,
    /// Whose turn it is to be read: what is parked, or what is new.
    parked_first: bool,
    /// Reading broke off although there is more.
    unread: bool,
    /// The same of what is parked.
    unread_parked: bool,
    head: watch::Receiver<Head>,
    /// Changes when the log moved the stored cursor: what was read may be gone.
    sheds: watch::Receiver<Option<Shed>>,
    state: State,
    /// Counts failures of the whole destination: an attempt begun before the last one tells
    /// nothing new.
    epoch: u64,
    window: Window,
    outbox: Outbox,
    parked: Parked,
    /// When credentials were last read again for a partition.
    refreshed: Option<Instant>,
    flights: JoinSet<Outcome>,
    flying: HashMap<Id, Flight>,
    awaited: Awaited,
    asking: JoinSet<Confirmation>,
    asked: Vec<Asked>,
    ask_at: Instant,
    /// A confirmation that waits until attempts begun before it are judged.
    unsure: Option<Unsure>,
    /// The last question before the end was asked.
    asked_last: bool,
    schedule: Schedule,
    concurrency: Concurrency,
    rate: RateLimit,
    /// When the rate lets the next event go, where it is the rate that nothing goes.
    paced_until: Option<Instant>,
    /// Until when the next batch gathers, unless it is a whole portion before.
    gathers_until: Option<Instant>,
    age: AgeLimit,
    /// Sources that are not configured any more, of which was warned.
    gone_sources: HashSet<String>,
    suspects: Suspects,
    /// Suspects that let others go first.
    aside: Vec<Item>,
    /// So many events were refused in a row that it is not the events: none is until one passes.
    refusing: bool,
    /// Dead letters that are to be sent again.
    replays: Vec<EventId>,
    /// Refused events that are not yet durable as dead letters.
    unsaved: Vec<(DeadLetter, RejectCause)>,
    /// When the log became unreadable here; Unix milliseconds.
    blocked_ms: Option<u64>,
    failures: WholeFailures,
    /// What was last logged as wrong, until a delivery works again.
    trouble: Option<Arc<str>>,
    lease: L::Lease,
}

impl<L: Log, S: Sink> Worker<L, S> {
    /// Becomes the destination's worker; it must be registered in the log.
    pub async fn start(log: Arc<L>, sink: Arc<S>, options: Options) -> Result<Self, WorkerError> {
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
        let pace = options.destination.pace;
        let now = Instant::now();
        Ok(Self {
            reader: log.reader(cursor.low_water),
            again: None,
            parked_first: true,
            unread: false,
            unread_parked: false,
            outbox: Outbox::new(options.destination.batch),
            schedule: Schedule::new(&options.destination.retry),
            concurrency: Concurrency::new(pace.max_in_flight),
            rate: RateLimit::new(pace.rate_limit, now),
            paced_until: None,
            gathers_until: None,
            age: AgeLimit::new(pace.max_event_age),
            dead_letters: options.dead_letters,
            renderer: options.renderer,
            status: options.status,
            metrics: options.metrics,
            controls: options.controls.wanted(),
            wanted: Wanted::default(),
            stop: options.stop,
            force: options.force,
            destination: options.destination,
            state: State::Delivering,
            epoch: 0,
            parked: Parked::default(),
            refreshed: None,
            flights: JoinSet::new(),
            flying: HashMap::new(),
            awaited: Awaited::default(),
            asking: JoinSet::new(),
            asked: Vec::new(),
            ask_at: now,
            unsure: None,
            asked_last: false,
            gone_sources: HashSet::new(),
            suspects: Suspects::default(),
            aside: Vec::new(),
            refusing: false,
            replays: Vec::new(),
            unsaved: Vec::new(),
            blocked_ms: None,
            failures: WholeFailures::default(),
            trouble: None,
            lease,
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
        self.enter(State::Delivering);
        // A count that a kill left open keeps dead letters away, which would hold for nothing.
        self.count_purged().await?;
        loop {
            self.beat();
            self.take_controls();
            let more = self.act().await;
            self.store_cursor().await?;
            if self.is_done() {
                return Ok(());
            }
            if self.wait(more).await.is_err() {
                self.take_over().await?;
            }
        }
    }

    /// Waits for the next thing to happen and takes note of it; not at all where there is `more`
    /// to do. An error where the lease is lost.
    async fn wait(&mut self, more: bool) -> Result<(), LeaseLost> {
        let now = Instant::now();
        let more = more || self.has_shed() && self.flights.is_empty();
        let until = if more { now } else { self.next_moment(now) };
        let idle = self.is_idle();
        let stopping = matches!(self.state, State::Stopping);
        tokio::select! {
            landed = self.flights.join_next_with_id(), if !self.flights.is_empty() => {
                if let Some(landed) = landed {
                    self.landed(landed);
                }
            }
            answer = self.asking.join_next(), if !self.asking.is_empty() => {
                if let Some(answer) = answer {
                    self.answered(answer);
                }
            }
            changed = self.head.changed(), if idle => {
                if changed.is_err() {
                    // The log is gone: the relay is stopping.
                    self.enter(State::Stopping);
                }
            }
            () = shed(&mut self.sheds), if !self.has_shed() => {
                // Seen here, done by whoever stores the cursor next.
                self.sheds.mark_changed();
            }
            // Counted by whoever stores the cursor next.
            () = self.dead_letters.purged() => {}
            () = wish(&mut self.controls) => self.controls.mark_changed(),
            () = self.lease.lost() => return Err(LeaseLost),
            () = self.stop.cancelled(), if !stopping => self.enter(State::Stopping),
            () = self.force.cancelled() => {
                while let Some(landed) = self.flights.try_join_next_with_id() {
                    self.landed(landed);
                }
                self.flights.shutdown().await;
                self.flying.clear();
                self.asking.shutdown().await;
                self.asked_last = true;
                self.enter(State::Stopping);
            }
            () = sleep_until(until) => {}
        }
        Ok(())
    }

    /// When something is to be done although nothing happens.
    fn next_moment(&self, now: Instant) -> Instant {
        let confirming = self.sink.confirming().is_some() && !self.awaited.is_empty();
        let moments = [
            self.state.until(),
            self.paced_until.filter(|_| self.may_send()),
            // Also one that has just passed: what gathered must not wait for a heartbeat.
            self.gathers_until.filter(|_| self.may_send()),
            self.awaited.next_overdue(),
            (confirming && self.asking.is_empty() && self.unsure.is_none()).then_some(self.ask_at),
            self.parked.next_probe().filter(|_| self.may_send()),
            (!self.flights.is_empty() && self.may_send()).then_some(now + GATHER),
        ];
        let next = moments.into_iter().flatten().min();
        // What is due and was not done just now waits for something else to happen first.
        next.unwrap_or(now + HEARTBEAT)
            .clamp(now + BREATH, now + HEARTBEAT)
    }

    /// Whether there is nothing to do before something new arrives.
    fn is_idle(&self) -> bool {
        let empty = self.flights.is_empty() && self.outbox.is_empty() && self.aside.is_empty();
        empty && self.may_send() && !self.window.is_full()
    }

    /// Whether it was stopped and all is settled that can be.
    fn is_done(&self) -> bool {
        matches!(self.state, State::Stopping)
            && self.flights.is_empty()
            && self.asking.is_empty()
            && (self.asked_last || self.awaited.is_empty())
    }

    /// Stores the cursor, if it moved, and follows where the log moved it.
    async fn store_cursor(&mut self) -> Result<(), WorkerError> {
        if self.has_shed() {
            if !self.flights.is_empty() {
                // What is on its way may be delivered, and then it was not given up. Nothing more
                // goes until that is known.
                self.show();
                return Ok(());
            }
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
                Err(CursorError::Conflict(_)) if self.has_shed() && !self.flights.is_empty() => {
                    break;
                }
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

    /// Whether the log gave up events and this worker has not followed it yet.
    fn has_shed(&self) -> bool {
        self.sheds.has_changed().unwrap_or(false)
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
        let allowed = self.concurrency.allowed();
        let (flying, awaited) = (self.flights.len(), self.awaited.len());
        self.status.on_the_way(allowed, flying, awaited);
        self.status.partitions(self.parked.held());
    }
}

/// Another worker has the destination.
struct LeaseLost;
