//! One round of a replay: a batch of letters read, rendered, noted, sent, and settled.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::time::{Instant, sleep};

use super::{Replay, State};
use crate::dead_letters::{DeadLetterError, DeadLetterLog, Letter, LetterState, ReplayOutcome};
use crate::deliver::verdicts::{Next, Review, review};
use crate::event::EventId;
use crate::sink::{
    HoldCause, Note, Outcome, RejectCause, Rendered, RetryCause, Scope, Sent, Sink, Ticket, Verdict,
};

/// What people are told where a panic was caught.
const PANICKED: &str = "this is a fault of the relay; please report it with the panic in the log";
/// What people are told of a line that was edited or damaged.
const NO_EVENT: &str = "the letter does not hold its event; look at its line in the log";

/// A letter on its way.
struct Item {
    id: EventId,
    offset: u64,
    rendered: Rendered,
    attempts: u32,
    sent: Sent,
}

impl<S: Sink> Replay<S> {
    /// Sends the next letters, `letters_max` at most, and applies their verdicts.
    pub(super) async fn round(&mut self, letters_max: usize) -> State {
        if let Err(waiting) = self.save().await {
            return waiting;
        }
        let letters = match self.load(letters_max).await {
            Ok(letters) if letters.is_empty() => {
                // Those purged meanwhile never come again.
                self.tried.clear();
                return State::Idle;
            }
            Ok(letters) => letters,
            Err(detail) => return self.back_off(detail),
        };
        let items = self.prepare(letters);
        let ids: Vec<_> = items.iter().map(|item| item.id).collect();
        let present = in_pool(&self.letters, move |log| log.begin_sending(&ids)).await;
        let present = match present {
            Ok(present) => present,
            Err(detail) => return self.back_off(detail),
        };
        let items: Vec<_> = items
            .into_iter()
            .filter(|item| present.contains(&item.id))
            .collect();
        if items.is_empty() {
            // All were refused before they were sent, or purged a moment ago.
            return match self.save().await {
                Ok(()) => State::Pausing,
                Err(waiting) => waiting,
            };
        }
        self.attempt(items).await
    }

    async fn attempt(&mut self, mut items: Vec<Item>) -> State {
        for item in &mut items {
            item.attempts = item.attempts.saturating_add(1);
            if item.sent == Sent::Unknown {
                let (destination, id) = (&self.name, item.id);
                self.metrics.possible_resend.inc();
                tracing::info!(destination, %id, "dead letter sent again, perhaps twice");
            }
            // Until this attempt ends, nobody knows.
            self.tried.insert(item.id, (item.attempts, Sent::Unknown));
        }
        let batch: Vec<_> = items.iter().map(|item| item.rendered.clone()).collect();
        let started = Instant::now();
        let Some(outcome) = self.send(&batch).await else {
            return State::Stopping;
        };
        let reviewed = review(batch.len(), &outcome);
        self.metrics.attempt(reviewed.result);
        self.metrics.response(outcome.status).inc();
        let seconds = started.elapsed().as_secs_f64();
        self.metrics.attempt_duration.observe(seconds);
        let next = self.apply(&items, reviewed);
        match self.save().await {
            Ok(()) => next,
            Err(waiting) => waiting,
        }
    }

    fn apply(&mut self, items: &[Item], reviewed: Review) -> State {
        let destination = self.name.clone();
        if !reviewed.delivered.is_empty() {
            self.schedule.reset();
            self.trouble = None;
        }
        for (item, note) in picked(items, reviewed.delivered) {
            match note {
                Note::Plain => {}
                Note::Duplicate => self.metrics.receiver_conflict.inc(),
                Note::Diverted => {
                    let id = item.id;
                    self.metrics.diverted.inc();
                    tracing::warn!(destination, %id, "event put aside by the destination");
                }
            }
            self.settled(item.id, item.attempts, None);
        }
        let rejected = reviewed.rejected.into_iter();
        let rejected = rejected.map(|(index, cause, detail)| (index, (cause, detail)));
        for (item, (cause, detail)) in picked(items, rejected.collect()) {
            self.settled(item.id, item.attempts, Some((cause, detail)));
        }
        for (item, why) in picked(items, reviewed.kept) {
            let (cause, sent) = why.unzip();
            if let Some(cause) = cause {
                self.metrics.retry(cause.as_str(), 1);
            }
            let sent = sent.unwrap_or(Sent::No);
            self.tried.insert(item.id, (item.attempts, sent));
        }
        match reviewed.next {
            Next::Go => {
                self.portion = (self.portion * 2).min(super::LETTERS_MAX);
                State::Pausing
            }
            Next::Ease { asked } => State::BackingOff {
                wait: self.schedule.next(asked),
                detail: "the destination asks for a slower pace".into(),
            },
            Next::Split { .. } => {
                self.portion = (items.len() / 2).max(1);
                State::Pausing
            }
            Next::Wait { asked, detail } => State::BackingOff {
                wait: self.schedule.next(asked),
                detail,
            },
            Next::Hold { cause, detail, .. } => {
                self.after = items.last().map(|item| item.offset);
                State::Held {
                    detail: format!("{}: {detail}", cause.as_str()).into(),
                }
            }
        }
    }

    /// The next letters; behind the last one it begins again with the first.
    async fn load(&mut self, letters_max: usize) -> Result<Vec<(u64, Letter)>, Arc<str>> {
        let limits = self.destination.batch;
        let most = letters_max.min(self.portion).min(limits.max_events).max(1);
        let bytes = limits.max_bytes as u64;
        let after = self.after;
        let load = move |log: &DeadLetterLog| {
            let letters = log.waiting(after, most, bytes)?;
            if !letters.is_empty() || after.is_none() {
                return Ok((after, letters));
            }
            Ok((None, log.waiting(None, most, bytes)?))
        };
        let (after, letters) = in_pool(&self.letters, load).await?;
        self.after = after;
        Ok(letters)
    }

    /// Renders letters, as many as one batch may have; those that cannot be are refused.
    fn prepare(&mut self, letters: Vec<(u64, Letter)>) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        let (mut bytes, mut partition) = (0, None);
        for (offset, letter) in letters {
            let id = letter.id;
            let known = self.tried.get(&id).copied();
            let (attempts, sent) = known.unwrap_or_else(|| {
                // An attempt that an earlier run had begun and not ended.
                let open = letter.state == LetterState::Sending;
                (
                    letter.attempts(),
                    if open { Sent::Unknown } else { Sent::No },
                )
            });
            let (rendered, encoded_bytes) = match self.render(&letter) {
                Ok(rendered) => rendered,
                Err(detail) => {
                    self.settled(id, attempts, Some((RejectCause::RenderFailed, detail)));
                    continue;
                }
            };
            bytes += encoded_bytes;
            let part = self.sink.partition(&rendered);
            if !items.is_empty() && (bytes > self.destination.batch.max_bytes || part != partition)
            {
                break;
            }
            partition = part;
            items.push(Item {
                id,
                offset,
                rendered,
                attempts,
                sent,
            });
        }
        items
    }

    fn render(&self, letter: &Letter) -> Result<(Rendered, usize), Arc<str>> {
        let event = letter.event().ok_or(NO_EVENT)?;
        let rendered = catch_unwind(AssertUnwindSafe(|| {
            let rendered = self.renderer.render(&Arc::new(event));
            rendered.map(|(rendered, _)| {
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

    /// Sends, and asks for confirmation where that is left open; none when it was ended.
    async fn send(&self, batch: &[Rendered]) -> Option<Outcome> {
        let mut sending = pin!(self.sink.send(batch));
        // As in the worker: a panic over what strangers wrote must not end the lane.
        let sending = poll_fn(|context| {
            let polled = catch_unwind(AssertUnwindSafe(|| sending.as_mut().poll(context)));
            polled.unwrap_or_else(|_| {
                let verdict = Verdict::Hold {
                    cause: HoldCause::Unexpected,
                    detail: PANICKED.into(),
                    scope: Scope::Destination,
                };
                Poll::Ready(Outcome::all(batch.len(), verdict, None, 0))
            })
        });
        tokio::select! {
            outcome = sending => self.confirm(outcome).await,
            () = self.force.cancelled() => None,
        }
    }

    /// Waits until every ticket is confirmed, lost, or too old; none when the lane is stopped
    /// meanwhile: the letters are then known to have been sent.
    async fn confirm(&self, mut outcome: Outcome) -> Option<Outcome> {
        let mut open: Vec<(usize, Ticket)> = Vec::new();
        for (index, verdict) in outcome.verdicts.iter().enumerate() {
            if let Verdict::Pending { ticket } = verdict {
                open.push((index, ticket.clone()));
            }
        }
        let mut settle = |index: usize, verdict: Verdict| {
            if let Some(place) = outcome.verdicts.get_mut(index) {
                *place = verdict;
            }
        };
        if let Some(confirming) = self.sink.confirming() {
            let deadline = Instant::now() + confirming.timeout;
            while !open.is_empty() && Instant::now() < deadline {
                let mut tickets: Vec<_> = open.iter().map(|(_, ticket)| ticket.clone()).collect();
                tickets.dedup();
                let answer = tokio::select! {
                    answer = async {
                        sleep(confirming.interval).await;
                        self.sink.confirm(&tickets).await
                    } => answer,
                    () = self.stop.cancelled() => return None,
                };
                open.retain(|(index, ticket)| {
                    if answer.confirmed.contains(ticket) {
                        settle(*index, Verdict::Delivered { note: Note::Plain });
                        false
                    } else if answer.lost.contains(ticket) {
                        settle(*index, unconfirmed());
                        false
                    } else {
                        true
                    }
                });
            }
        }
        for (index, _) in open {
            settle(index, unconfirmed());
        }
        Some(outcome)
    }

    /// Notes what became of a letter, to be saved.
    fn settled(&mut self, id: EventId, attempts: u32, refused: Option<(RejectCause, Arc<str>)>) {
        let destination = &self.name;
        self.tried.remove(&id);
        match &refused {
            None => tracing::info!(destination, %id, attempts, "dead letter replayed"),
            Some((cause, detail)) => {
                let reason = cause.as_str();
                tracing::warn!(destination, %id, reason, %detail, "dead letter refused again");
            }
        }
        self.unsaved.push(ReplayOutcome {
            id,
            attempts,
            refused: refused.map(|(cause, detail)| (cause.as_str(), detail)),
        });
    }

    /// Makes what became of letters durable, also that an attempt is over; or how to wait.
    async fn save(&mut self) -> Result<(), State> {
        let outcomes = self.unsaved.clone();
        let saved = in_pool(&self.letters, move |log| log.settle(&outcomes)).await;
        match saved {
            Ok(()) => {
                let taken = self
                    .unsaved
                    .iter()
                    .filter(|outcome| outcome.refused.is_none());
                self.metrics.replayed.inc_by(taken.count() as u64);
                self.unsaved.clear();
                Ok(())
            }
            Err(detail) => Err(self.back_off(detail)),
        }
    }

    fn back_off(&mut self, detail: Arc<str>) -> State {
        State::BackingOff {
            wait: self.schedule.next(None),
            detail,
        }
    }
}

/// Items with what is said of them by index.
fn picked<T>(items: &[Item], said: Vec<(usize, T)>) -> impl Iterator<Item = (&Item, T)> {
    let said = said.into_iter();
    said.filter_map(|(index, what)| Some((items.get(index)?, what)))
}

fn unconfirmed() -> Verdict {
    Verdict::Retry {
        after: None,
        sent: Sent::Unknown,
        cause: RetryCause::AckTimeout,
        detail: "the destination has not confirmed".into(),
    }
}

async fn in_pool<T: Send + 'static>(
    log: &DeadLetterLog,
    work: impl FnOnce(&DeadLetterLog) -> Result<T, DeadLetterError> + Send + 'static,
) -> Result<T, Arc<str>> {
    let log = log.clone();
    match tokio::task::spawn_blocking(move || work(&log)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(error.to_string().into()),
        Err(error) => Err(error.to_string().into()),
    }
}
