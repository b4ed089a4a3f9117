//! Asking whether accepted batches are there for good, and sending again what is not.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::task::{Id, JoinError};
use tokio::time::Instant;

use super::Worker;
use super::state::State;
use crate::deliver::awaited::{Asked, Unconfirmed};
use crate::deliver::parked::Mark;
use crate::sink::{Confirmation, RetryCause, Sent, Sink};
use crate::spool::Log;

/// An answer that came while batches were on their way. A destination that restarted may have
/// given one of them the number of an older batch, of which the answer then does not speak. That
/// shows when they have landed.
pub(super) struct Unsure {
    confirmation: Confirmation,
    asked: Vec<Asked>,
    flying: HashSet<Id>,
}

impl<L: Log, S: Sink> Worker<L, S> {
    /// Asks if it is time, and sends again what was not confirmed in time.
    pub(super) async fn confirmations(&mut self) {
        let Some(confirming) = self.sink.confirming() else {
            return;
        };
        let now = Instant::now();
        let late = self.awaited.overdue(now);
        self.send_again(
            &late,
            "the destination did not confirm these events in time",
        );
        let ending = matches!(self.state, State::Stopping) && self.flights.is_empty();
        let due = ending && !self.asked_last || self.ask_at <= now;
        let free = self.asking.is_empty() && self.unsure.is_none();
        if !due || !free || self.awaited.is_empty() {
            return;
        }
        // Once said, it may be forgotten there: what was confirmed before is made durable first.
        if let Err(error) = self.log.sync_cursors().await {
            tracing::warn!(destination = self.name, %error, "confirmed events not yet durable");
            self.ask_at = now + confirming.interval;
            return;
        }
        self.asked_last = ending;
        self.ask_at = now + confirming.interval;
        self.asked = self.awaited.asked();
        let tickets: Vec<_> = self
            .asked
            .iter()
            .map(|asked| asked.ticket.clone())
            .collect();
        let sink = Arc::clone(&self.sink);
        self.asking
            .spawn(async move { sink.confirm(&tickets).await });
    }

    /// Takes an answer, at once or when the batches now on their way have landed.
    pub(super) fn answered(&mut self, answer: Result<Confirmation, JoinError>) {
        let asked = std::mem::take(&mut self.asked);
        let confirmation = answer.unwrap_or_else(|error| {
            // A fault of the relay: the batches stay open, and are sent again in time.
            tracing::error!(destination = self.name, %error, "cannot ask for confirmation");
            Confirmation::default()
        });
        let flying: HashSet<_> = self.flying.keys().copied().collect();
        self.unsure = Some(Unsure {
            confirmation,
            asked,
            flying,
        });
        self.settle_unsure();
    }

    /// A batch has landed that an answer waits for.
    pub(super) fn judge_unsure(&mut self, landed: Id) {
        if let Some(unsure) = &mut self.unsure {
            unsure.flying.remove(&landed);
            self.settle_unsure();
        }
    }

    fn settle_unsure(&mut self) {
        let Some(unsure) = self.unsure.take_if(|unsure| unsure.flying.is_empty()) else {
            return;
        };
        let confirmed: HashSet<_> = unsure.confirmation.confirmed.iter().collect();
        let lost: HashSet<_> = unsure.confirmation.lost.iter().collect();
        let mut delivered = Vec::new();
        let mut again = Vec::new();
        for asked in &unsure.asked {
            let is_confirmed = confirmed.contains(&asked.ticket);
            if !is_confirmed && !lost.contains(&asked.ticket) {
                continue;
            }
            let events = self.awaited.take(asked).unwrap_or_default();
            if is_confirmed {
                delivered.extend(events.iter().map(|e| (e.position, e.received_ms)));
            } else {
                again.extend(events);
            }
        }
        self.delivered(&delivered);
        self.send_again(&again, "the destination can no longer confirm these events");
    }

    /// Lets accepted events be read and sent once more: the destination may have them.
    pub(super) fn send_again(&mut self, events: &[Unconfirmed], why: &str) {
        let pending = events.iter().filter(|e| self.window.is_pending(e.position));
        let pending: Vec<_> = pending.copied().collect();
        if pending.is_empty() {
            return;
        }
        let (destination, count) = (&self.name, pending.len());
        tracing::warn!(destination, events = count, "{why}: they are sent again");
        let cause = RetryCause::AckTimeout.as_str();
        self.metrics.retry(cause, count as u64);
        for event in pending {
            let mark = Mark {
                attempts: event.attempts,
                sent: Sent::Unknown,
            };
            self.parked.park(None, event.position, mark);
        }
    }
}
