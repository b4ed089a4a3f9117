//! One attempt: send a portion, apply one verdict per event, keep refused events.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::Worker;
use super::state::{HEARTBEAT, State, now_ms};
use crate::dead_letters::DeadLetter;
use crate::deliver::outbox::Item;
use crate::deliver::verdicts::{Next, Review, review};
use crate::deliver::window::Settled;
use crate::event::Event;
use crate::sink::{HoldCause, Note, Outcome, RejectCause, Rendered, Scope, Sent, Sink, Verdict};
use crate::spool::Log;

/// What people are told where a panic was caught.
pub(super) const PANICKED: &str =
    "this is a fault of the relay; please report it with the panic in the log";
/// Attempts in a row that broke off, from which on each one halves the portion.
const BROKEN_OFF_MAX: u32 = 3;

impl<L: Log, S: Sink> Worker<L, S> {
    /// Sends one portion and applies its verdicts.
    pub(super) async fn attempt(&mut self, mut items: Vec<Item>) -> State {
        for item in &mut items {
            item.attempts = item.attempts.saturating_add(1);
            if item.sent == Sent::Unknown {
                self.metrics.possible_resend.inc();
                // Unless this attempt leaves it open again.
                item.sent = Sent::No;
            }
        }
        let batch: Vec<_> = items.iter().map(|item| item.rendered.clone()).collect();
        let started = Instant::now();
        self.status.attempted(now_ms());
        let Some(outcome) = self.send(&batch).await else {
            return State::Stopping;
        };
        let reviewed = review(batch.len(), &outcome);
        self.metrics.attempt(reviewed.result);
        self.metrics.response(outcome.status).inc();
        self.metrics
            .attempt_duration
            .observe(started.elapsed().as_secs_f64());
        self.metrics.batch_events.observe(count(batch.len()));
        if !reviewed.delivered.is_empty() {
            self.metrics
                .delivered_bytes
                .inc_by(outcome.wire_bytes as u64);
        }
        self.apply(items, reviewed)
    }

    /// Sends with signs of life, since an attempt may take as long as `request_timeout` allows;
    /// none when it was ended by force.
    async fn send(&self, batch: &[Rendered]) -> Option<Outcome> {
        let mut sending = pin!(self.sink.send(batch));
        // Encoding and judging read what strangers wrote. A panic there must not end the worker,
        // and with it the relay, again at each start: the events wait, and the log says where.
        let mut sending = poll_fn(|context| {
            let polled = catch_unwind(AssertUnwindSafe(|| sending.as_mut().poll(context)));
            polled.unwrap_or_else(|_| Poll::Ready(panicked(batch.len())))
        });
        loop {
            tokio::select! {
                outcome = &mut sending => return Some(outcome),
                () = self.force.cancelled() => return None,
                () = sleep(HEARTBEAT) => self.beat(),
            }
        }
    }

    fn apply(&mut self, items: Vec<Item>, reviewed: Review) -> State {
        let sent = items.len();
        self.broken_off = match reviewed.is_broken_off() {
            true => self.broken_off.saturating_add(1),
            false => 0,
        };
        let mut items: Vec<Option<Item>> = items.into_iter().map(Some).collect();
        let mut take = |index: usize| items.get_mut(index).and_then(Option::take);
        if !reviewed.delivered.is_empty() {
            self.schedule.reset();
            self.window.delivered_at(now_ms());
            self.status.delivered(reviewed.delivered.len() as u64);
        }
        for (index, note) in reviewed.delivered {
            if let Some(item) = take(index) {
                self.delivered(&item, note);
            }
        }
        for (index, cause, detail) in reviewed.rejected {
            if let Some(Item {
                rendered, attempts, ..
            }) = take(index)
            {
                self.refuse(rendered.event, cause, detail, attempts, Some(rendered.body));
            }
        }
        let mut kept = Vec::new();
        for (index, why) in reviewed.kept {
            if let Some(mut item) = take(index) {
                if let Some((cause, sent)) = why {
                    self.metrics.retry(cause.as_str(), 1);
                    item.sent = sent;
                }
                kept.push(item);
            }
        }
        self.outbox.put_back(kept);
        match reviewed.next {
            Next::Go => {
                if self.trouble.take().is_some() {
                    tracing::info!(destination = self.name, "delivering again");
                }
                self.outbox.grow();
                State::Delivering
            }
            Next::Ease { asked } => State::Easing {
                wait: self.schedule.next(asked),
            },
            Next::Split { detail } => {
                let destination = &self.name;
                tracing::info!(destination, events = sent, %detail, "batch split");
                self.outbox.halve(sent);
                State::Delivering
            }
            Next::Wait { asked, detail } => {
                if self.broken_off >= BROKEN_OFF_MAX {
                    // A server that resets while it is being sent too much cannot answer 413.
                    self.outbox.halve(sent);
                }
                State::BackingOff {
                    wait: self.schedule.next(asked),
                    detail,
                }
            }
            Next::Hold { cause, detail } => State::Held { cause, detail },
        }
    }

    fn delivered(&mut self, item: &Item, note: Note) {
        let event = &item.rendered.event;
        self.window.settle(event.position, Settled::Delivered);
        self.metrics.delivered_events.inc();
        let lag_ms = now_ms().saturating_sub(event.received_ms);
        self.metrics
            .lag
            .observe(Duration::from_millis(lag_ms).as_secs_f64());
        if note == Note::Duplicate {
            self.metrics.receiver_conflict.inc();
        }
        if note == Note::Diverted {
            let destination = &self.name;
            tracing::warn!(destination, id = %event.id, "event put aside by the destination");
        }
    }

    pub(super) fn refuse(
        &mut self,
        event: Arc<Event>,
        cause: RejectCause,
        detail: Arc<str>,
        attempts: u32,
        rendered: Option<Bytes>,
    ) {
        let destination = &self.name;
        let reason = cause.as_str();
        tracing::warn!(destination, id = %event.id, reason, %detail, "event refused");
        let letter = DeadLetter {
            event,
            reason,
            detail,
            attempts,
            rendered,
        };
        self.unsaved.push((letter, cause));
    }

    /// Makes refused events durable as dead letters, then settles them.
    pub(super) async fn save_dead_letters(&mut self) -> Option<State> {
        if self.unsaved.is_empty() {
            return None;
        }
        let letters: Vec<_> = self
            .unsaved
            .iter()
            .map(|(letter, _)| letter.clone())
            .collect();
        let log = self.dead_letters.clone();
        let saved = tokio::task::spawn_blocking(move || log.append(&letters));
        let problem = match saved.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem {
            return Some(State::Held {
                cause: HoldCause::DeadLetters,
                detail: problem.into(),
            });
        }
        for (letter, cause) in self.unsaved.drain(..) {
            self.window
                .settle(letter.event.position, Settled::DeadLettered);
            self.metrics.dead_letter(cause.as_str(), 1);
            self.status.failed(letter.detail);
        }
        None
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
