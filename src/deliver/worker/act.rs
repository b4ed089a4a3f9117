//! What a worker does each time it wakes: what is due, and whatever may be sent.

use std::sync::Arc;

use tokio::time::Instant;

use super::Worker;
use super::state::State;
use crate::deliver::outbox::Item;
use crate::deliver::parked::Lane;
use crate::sink::{self, HoldCause, Sink};
use crate::spool::Log;

impl<L: Log, S: Sink> Worker<L, S> {
    /// Does what is due and sends what may be sent; whether there is more to do at once.
    pub(super) async fn act(&mut self) -> bool {
        self.clocks().await;
        self.confirmations().await;
        if !matches!(
            self.state,
            State::Held {
                cause: HoldCause::DeadLetters,
                ..
            }
        ) {
            let _held = !self.save_dead_letters().await;
        }
        self.replay_refused().await;
        while self.may_send() {
            if !self.outbox.is_full() && !self.fill().await {
                break;
            }
            if !self.save_dead_letters().await {
                break;
            }
            let portion = self.portion();
            if !portion.is_empty() {
                self.launch(portion);
                // What was read is pending from here on, and an attempt can take minutes.
                self.show();
            } else if !self.bring_back() {
                return (self.unread || self.unread_parked) && !self.outbox.is_full();
            }
        }
        false
    }

    /// Whether a batch may go now.
    pub(super) fn may_send(&self) -> bool {
        if self.has_shed() {
            return false;
        }
        let flying = self.flights.len();
        let unconfirmed = self.awaited.len() + flying;
        let confirming = self.sink.confirming();
        match self.state {
            State::Delivering => {
                flying < self.concurrency.allowed()
                    && confirming.is_none_or(|confirming| unconfirmed < confirming.max_batches)
            }
            State::Probing => flying == 0,
            _ => false,
        }
    }

    /// Moves on from states that have lasted long enough.
    async fn clocks(&mut self) {
        if self.stop.is_cancelled() {
            self.enter(State::Stopping);
        }
        if self
            .state
            .until()
            .is_none_or(|until| until > Instant::now())
        {
            return;
        }
        match self.state {
            State::BackingOff { .. } => self.enter(State::Delivering),
            State::Held { .. } => {
                // A rotated credential or certificate may be what the destination waits for.
                self.refresh().await;
                self.enter(if self.stop.is_cancelled() {
                    State::Stopping
                } else {
                    State::Probing
                });
            }
            _ => {}
        }
    }

    /// Reads changed credentials again before a partition is tried that waits for them, at most
    /// once in `probe_interval`, however many do.
    pub(super) async fn refresh_for(&mut self, lane: &Lane) {
        let now = Instant::now();
        let next = self
            .refreshed
            .map(|at| at + self.destination.probe_interval);
        if self.parked.cause(lane) != Some(HoldCause::Auth) || next.is_some_and(|at| at > now) {
            return;
        }
        self.refreshed = Some(now);
        self.refresh().await;
    }

    /// Reads credentials and certificates again; a stop does not wait for that.
    async fn refresh(&self) {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = sink::refresh(&self.sink) => {}
        }
    }

    /// What goes next; nothing where the rate, a batch on its way or the one before wants it to
    /// wait.
    fn portion(&mut self) -> Vec<Item> {
        let now = Instant::now();
        self.paced_until = None;
        self.gathers_until = self.gathers_until.filter(|until| *until > now);
        if self.outbox.is_empty() || !self.flights.is_empty() && !self.outbox.is_full() {
            // Only a whole portion goes beside another one: small ones cost as much and the
            // destination is not faster for them.
            return Vec::new();
        }
        if self.gathers_until.is_some() && !self.outbox.is_full() {
            return Vec::new();
        }
        let most = match self.rate.allowed(now) {
            Ok(most) if matches!(self.state, State::Probing) => most.min(1),
            Ok(most) => most,
            Err(until) => {
                self.paced_until = Some(until);
                return Vec::new();
            }
        };
        if self.suspects.is_full() && self.failures.server_errors % 2 == 1 {
            // All that may be suspect is: another one shows whether the destination takes any.
            return self.outbox.take_last();
        }
        let (suspects, parked) = (&self.suspects, &self.parked);
        let alone = |position| suspects.is_suspect(position) || parked.is_probe(position);
        self.outbox.take(most, alone)
    }

    /// Lets suspects try again where nothing else is left to go first; whether there were any.
    fn bring_back(&mut self) -> bool {
        let idle = self.outbox.is_empty() && self.flights.is_empty() && self.paced_until.is_none();
        if !idle || self.aside.is_empty() {
            return false;
        }
        self.bring_forward();
        true
    }

    /// Nothing more may be read until what waits has gone. Where nothing can go, says who keeps it.
    pub(super) fn hold_full(&mut self) {
        let going = !self.flights.is_empty() || !self.outbox.is_empty() || !self.awaited.is_empty();
        if going || !self.aside.is_empty() {
            return;
        }
        let held = self.parked.held().max_by_key(|(_, _, waiting)| *waiting);
        let Some((partition, held, waiting)) = held else {
            return;
        };
        let detail = format!(
            "{waiting} events wait for {partition}, more than may be passed over: {}",
            held.detail
        );
        let (cause, until) = (held.cause, held.probe_at);
        if until > Instant::now() {
            self.hold_until(until, cause, detail.into());
        }
    }

    /// Waits for a person, and for the next probe.
    pub(super) fn hold(&mut self, cause: HoldCause, detail: Arc<str>) {
        let until = Instant::now() + self.destination.probe_interval;
        self.hold_until(until, cause, detail);
    }

    fn hold_until(&mut self, until: Instant, cause: HoldCause, detail: Arc<str>) {
        if matches!(self.state, State::Paused | State::Stopping) {
            return;
        }
        self.epoch += 1;
        self.enter(State::Held {
            until,
            cause,
            detail,
        });
    }
}
