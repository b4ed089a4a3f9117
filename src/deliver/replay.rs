//! The second lane of a destination: dead letters that a person wants sent again.
//!
//! Beside the worker, through the same sink, with its own place: the log of letters says which are
//! to be sent, that an attempt has begun, and what came of it, each durable before the next step.
//! So a replay goes on after a kill, a repeat of it sends nothing twice, and an attempt that a
//! kill left open is known as a possible duplicate. Letters are rendered anew from the original,
//! with the present settings. The verdicts are the worker's: taken ones are settled, refused ones
//! stay dead with the new reason, all others back off as events do and go again.
//!
//! One small batch is in flight, with a pause after it, so that new events are not crowded out. A
//! destination that is paused gets no letter either. Knows neither the journal nor its cursor; how
//! one attempt is made is `attempt`'s, and what follows from its verdicts `verdict`'s.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Controls;
use super::control::Wanted;
use super::retry::Schedule;
use super::verdicts::WholeFailures;
use crate::dead_letters::{DeadLetterLog, ReplayOutcome};
use crate::event::EventId;
use crate::normalize::Renderer;
use crate::settings::Destination;
use crate::sink::{self, Sent, Sink};
use crate::telemetry::metrics::DestinationMetrics;

mod attempt;
mod send;
mod verdict;

/// What people are told where a panic was caught.
const PANICKED: &str = "this is a fault of the relay; please report it with the panic in the log";
/// Letters in one batch, where `batch.max_events` allows as many.
const LETTERS_MAX: usize = 50;
/// Pause after a batch that went through: 500 letters a second at most.
const PAUSE: Duration = Duration::from_millis(100);

/// What the lane needs besides the sink.
pub struct ReplayOptions {
    /// The destination's settings.
    pub destination: Destination,
    /// Makes of events what the destination wants.
    pub renderer: Renderer,
    /// The letters, shared with the worker.
    pub dead_letters: DeadLetterLog,
    /// What people see.
    pub status: ReplayStatus,
    /// What is counted, shared with the worker.
    pub metrics: DestinationMetrics,
    /// What a person wants of the destination.
    pub controls: Controls,
    /// Ends the lane between attempts.
    pub stop: CancellationToken,
    /// Ends it within an attempt.
    pub force: CancellationToken,
}

/// What people see of the lane. Cloning shares it.
#[derive(Clone, Debug)]
pub struct ReplayStatus(Arc<Mutex<ReplaySnapshot>>);

/// The lane at one moment.
#[derive(Clone, Debug)]
pub struct ReplaySnapshot {
    /// `idle`, `sending`, `backing_off`, `held` or `paused`.
    pub state: &'static str,
    /// Why it waits, for people.
    pub reason: Option<Arc<str>>,
}

/// Sends one destination's dead letters again.
pub struct Replay<S: Sink> {
    sink: Arc<S>,
    name: String,
    destination: Destination,
    renderer: Renderer,
    letters: DeadLetterLog,
    status: ReplayStatus,
    metrics: DestinationMetrics,
    controls: watch::Receiver<Wanted>,
    stop: CancellationToken,
    force: CancellationToken,
    schedule: Schedule,
    /// Most letters in the next batch; halved where that is too much.
    portion: usize,
    /// Offset behind which to look for the next letter. It passes those that met a hold or are
    /// suspect, so that they do not keep the others back.
    after: Option<u64>,
    /// Parts of the destination that are held.
    closed: HashMap<Arc<str>, Closed>,
    /// Letters in a row that were passed over because of that.
    passed: u64,
    /// Letters that may be why the destination fails, `SUSPECTS_MAX` at most.
    suspects: HashMap<EventId, Suspect>,
    /// Letters taken so far.
    taken: u64,
    failures: WholeFailures,
    /// Wishes to try at once that were seen.
    tries: u64,
    /// Letters that this run has tried and not settled: attempts, and what the last left open.
    tried: HashMap<EventId, (u32, Sent)>,
    /// What became of letters and is not durable yet; nothing is sent before it is.
    unsaved: Vec<ReplayOutcome>,
    /// What was last logged as wrong, until a letter is taken.
    trouble: Option<Arc<str>>,
}

/// A part of the destination whose letters are passed over.
struct Closed {
    /// When one of them is tried.
    probe_at: Instant,
    /// Why, for people.
    detail: Arc<str>,
}

/// A letter that was alone when the destination failed. It goes alone from then on.
struct Suspect {
    failures: u32,
    /// Letters that had been taken before the first of them.
    taken: u64,
}

/// What the lane does.
enum State {
    /// Nothing is to be sent.
    Idle,
    Sending,
    /// One letter, after a hold.
    Probing,
    Pausing,
    BackingOff {
        wait: Duration,
        detail: Arc<str>,
    },
    Held {
        until: Instant,
        detail: Arc<str>,
    },
    Paused,
    Stopping,
}

impl<S: Sink> Replay<S> {
    /// The lane of a destination.
    pub fn new(sink: Arc<S>, options: ReplayOptions) -> Self {
        Self {
            sink,
            name: options.destination.name.clone(),
            schedule: Schedule::new(&options.destination.retry),
            portion: LETTERS_MAX,
            destination: options.destination,
            renderer: options.renderer,
            letters: options.dead_letters,
            status: options.status,
            metrics: options.metrics,
            controls: options.controls.wanted(),
            stop: options.stop,
            force: options.force,
            after: None,
            closed: HashMap::new(),
            passed: 0,
            suspects: HashMap::new(),
            taken: 0,
            failures: WholeFailures::default(),
            tries: 0,
            tried: HashMap::new(),
            unsaved: Vec::new(),
            trouble: None,
        }
    }

    /// Sends letters whenever somebody asks for it, until it is stopped.
    pub async fn run(mut self) {
        let mut state = State::Sending;
        loop {
            if self.stop.is_cancelled() {
                return;
            }
            if matches!(state, State::Sending | State::Probing) && self.controls.borrow().paused {
                state = State::Paused;
            }
            self.enter(&state);
            state = match state {
                State::Idle => {
                    let letters = self.letters.clone();
                    self.until(letters.requested(), State::Sending).await
                }
                State::Sending => self.round(LETTERS_MAX).await,
                State::Probing => self.round(1).await,
                State::Pausing => self.until(sleep(PAUSE), State::Sending).await,
                State::BackingOff { wait, .. } => self.until(sleep(wait), State::Sending).await,
                State::Held { until, .. } => {
                    let state = self.until(sleep_until(until), State::Probing).await;
                    let sink = Arc::clone(&self.sink);
                    match state {
                        State::Probing => self.until(sink::refresh(&sink), state).await,
                        other => other,
                    }
                }
                State::Paused => {
                    let mut controls = self.controls.clone();
                    let resumed = wished(&mut controls, |wanted| !wanted.paused);
                    self.until(resumed, State::Sending).await
                }
                State::Stopping => return,
            };
        }
    }

    /// Waits; a wish to try at once ends that.
    async fn until(&mut self, done: impl Future<Output = ()>, next: State) -> State {
        let tries = self.tries;
        tokio::select! {
            () = done => next,
            () = self.stop.cancelled() => State::Stopping,
            () = wished(&mut self.controls, |wanted| wanted.tries != tries) => {
                self.tries = self.controls.borrow().tries;
                for closed in self.closed.values_mut() {
                    closed.probe_at = Instant::now();
                }
                next
            }
        }
    }

    /// Makes the state visible, once per change.
    fn enter(&mut self, state: &State) {
        let destination = &self.name;
        match state {
            State::Idle | State::Stopping => self.status.enter("idle", None),
            State::Sending | State::Probing | State::Pausing => self.status.enter("sending", None),
            State::Paused => self.status.enter("paused", None),
            State::BackingOff { detail, .. } | State::Held { detail, .. } => {
                let held = matches!(state, State::Held { .. });
                let word = if held { "held" } else { "backing_off" };
                if self.trouble.as_ref() != Some(detail) {
                    tracing::warn!(destination, state = word, %detail, "replay waits");
                }
                self.trouble = Some(Arc::clone(detail));
                self.status.enter(word, Some(Arc::clone(detail)));
            }
        }
    }
}

/// Waits until this is wanted; for ever, where nobody is left who could want it.
async fn wished(controls: &mut watch::Receiver<Wanted>, what: impl FnMut(&Wanted) -> bool) {
    if controls.wait_for(what).await.is_err() {
        std::future::pending().await
    }
}

impl ReplayStatus {
    /// The status of a lane that has not begun.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(ReplaySnapshot {
            state: "idle",
            reason: None,
        })))
    }

    /// The lane now.
    pub fn snapshot(&self) -> ReplaySnapshot {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn enter(&self, state: &'static str, reason: Option<Arc<str>>) {
        let mut snapshot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *snapshot = ReplaySnapshot { state, reason };
    }
}

impl Default for ReplayStatus {
    fn default() -> Self {
        Self::new()
    }
}
