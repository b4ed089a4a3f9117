//! One attempt: a portion goes out, and what came of it comes back.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError};
use tokio::time::Instant;

use super::state::now_ms;
use super::{GATHER_MANY, MANY_EVENTS, Worker};
use crate::deliver::outbox::{Item, Tag};
use crate::deliver::verdicts::review;
use crate::sink::{HoldCause, Outcome, Rendered, Scope, Sent, Sink, Verdict};
use crate::spool::Log;

/// What people are told where a panic was caught.
pub(super) const PANICKED: &str =
    "this is a fault of the relay; please report it with the panic in the log";

/// A batch on its way.
pub(super) struct Flight {
    /// Shared with the attempt alone, which is done with it when it has landed.
    batch: Arc<Vec<Rendered>>,
    /// One for each event of the batch.
    tags: Vec<Tag>,
    started: Instant,
    /// The worker's epoch when it began.
    pub(super) epoch: u64,
    /// As many batches as allowed were on their way, and this one was a whole portion.
    pub(super) busy: bool,
    /// How long it took.
    pub(super) took: Duration,
}

impl Flight {
    /// What was sent.
    pub(super) fn into_items(self) -> Vec<Item> {
        let batch = Arc::unwrap_or_clone(self.batch);
        let items = batch.into_iter().zip(self.tags);
        items
            .map(|(rendered, tag)| Item { rendered, tag })
            .collect()
    }
}

impl<L: Log, S: Sink> Worker<L, S> {
    /// Sends one portion.
    pub(super) fn launch(&mut self, items: Vec<Item>) {
        let whole = items.len() >= self.outbox.portion() || self.outbox.is_full();
        let apart = items.into_iter().map(|item| (item.rendered, item.tag));
        let (batch, mut tags): (Vec<_>, Vec<_>) = apart.unzip();
        for tag in &mut tags {
            tag.attempts = tag.attempts.saturating_add(1);
            if tag.sent == Sent::Unknown {
                self.metrics.possible_resend.inc();
                // Unless this attempt leaves it open again.
                tag.sent = Sent::No;
            }
        }
        let batch = Arc::new(batch);
        self.rate.spend(batch.len());
        self.status.attempted(now_ms());
        let sink = Arc::clone(&self.sink);
        let sent = Arc::clone(&batch);
        let task = self.flights.spawn(async move { sink.send(&sent).await });
        let flight = Flight {
            batch,
            tags,
            started: Instant::now(),
            epoch: self.epoch,
            busy: whole && self.flights.len() >= self.concurrency.allowed(),
            took: Duration::ZERO,
        };
        if flight.tags.len() >= MANY_EVENTS {
            self.gathers_until = Some(flight.started + GATHER_MANY);
        }
        self.flying.insert(task.id(), flight);
    }

    /// Takes note of an attempt's outcome.
    pub(super) fn landed(&mut self, landed: Result<(Id, Outcome), JoinError>) {
        let (id, outcome) = match landed {
            Ok((id, outcome)) => (id, Some(outcome)),
            // Encoding and judging read what strangers wrote. A panic there must not end the
            // worker, and with it the relay, again at each start: the events wait, and the log
            // says where.
            Err(error) => (error.id(), None),
        };
        let Some(mut flight) = self.flying.remove(&id) else {
            return;
        };
        let events = flight.tags.len();
        let outcome = outcome.unwrap_or_else(|| panicked(events));
        flight.took = flight.started.elapsed();
        let reviewed = review(events, &outcome);
        self.metrics.attempt(reviewed.result);
        self.metrics.response(outcome.status).inc();
        let duration = &self.metrics.attempt_duration;
        duration.observe(flight.took.as_secs_f64());
        self.metrics.batch_events.observe(count(events));
        if !reviewed.delivered.is_empty() || !reviewed.pending.is_empty() {
            let bytes = &self.metrics.delivered_bytes;
            bytes.inc_by(outcome.wire_bytes as u64);
        }
        self.apply(flight, reviewed);
        self.judge_unsure(id);
    }
}

/// What an attempt comes to that met a fault of the relay.
fn panicked(events: usize) -> Outcome {
    let verdict = Verdict::Hold {
        cause: HoldCause::Unexpected,
        detail: PANICKED.into(),
        scope: Scope::Destination,
    };
    Outcome::all(events, verdict, None, 0)
}

#[allow(clippy::cast_precision_loss, reason = "a histogram's observation")]
fn count(events: usize) -> f64 {
    events as f64
}
