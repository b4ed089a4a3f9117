//! One round of a replay: a batch of letters read, rendered, noted, sent, and settled.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::time::Instant;

use super::{PANICKED, Replay, State};
use crate::dead_letters::{DeadLetterError, DeadLetterLog, Letter, LetterState};
use crate::deliver::verdicts::review;
use crate::event::EventId;
use crate::sink::{RejectCause, Rendered, Sent, Sink};

/// What people are told of a line that was edited or damaged.
const NO_EVENT: &str = "the letter does not hold its event; look at its line in the log";

/// A letter as it goes out.
struct Ready {
    rendered: Rendered,
    /// Its share of a request.
    encoded_bytes: usize,
    /// The part of the destination that it is for, where that has parts.
    partition: Option<Arc<str>>,
}

/// A letter on its way.
pub(super) struct Item {
    pub(super) id: EventId,
    pub(super) offset: u64,
    rendered: Rendered,
    /// The part of the destination that it is for, where that has parts.
    pub(super) partition: Option<Arc<str>>,
    pub(super) attempts: u32,
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
                self.suspects.clear();
                self.closed.clear();
                return State::Idle;
            }
            Ok(letters) => letters,
            Err(detail) => return self.back_off(detail),
        };
        let items = self.prepare(letters);
        if items.is_empty() && self.unsaved.is_empty() {
            return self.passed_over();
        }
        self.passed = 0;
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

    /// All letters of this round are for parts that are held. When that holds of all that wait, the
    /// lane does, until one of the parts is tried.
    fn passed_over(&mut self) -> State {
        if self.passed < self.letters.summary().waiting {
            return State::Sending;
        }
        self.passed = 0;
        // One that is due and was not tried has no letter left.
        let now = Instant::now();
        self.closed.retain(|_, closed| closed.probe_at > now);
        let first = self.closed.values().min_by_key(|closed| closed.probe_at);
        first.map_or(State::Sending, |first| State::Held {
            until: first.probe_at,
            detail: Arc::clone(&first.detail),
        })
    }

    /// Renders letters, as many as one batch may have; those that cannot be are refused, and those
    /// for a part that is held are passed over.
    fn prepare(&mut self, letters: Vec<(u64, Letter)>) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        let mut bytes = 0;
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
            let Ready {
                rendered,
                encoded_bytes,
                partition,
            } = match self.render(&letter) {
                Ok(ready) => ready,
                Err(detail) => {
                    self.settled(id, attempts, Some((RejectCause::RenderFailed, detail)));
                    continue;
                }
            };
            let closed = partition.as_ref().and_then(|part| self.closed.get(part));
            if closed.is_some_and(|closed| Instant::now() < closed.probe_at) {
                self.after = Some(offset);
                self.passed += 1;
                continue;
            }
            bytes += encoded_bytes;
            let alone = closed.is_some() || self.suspects.contains_key(&id);
            if let Some(first) = items.first()
                && (alone
                    || bytes > self.destination.batch.max_bytes
                    || partition != first.partition)
            {
                break;
            }
            items.push(Item {
                id,
                offset,
                rendered,
                partition,
                attempts,
                sent,
            });
            if alone {
                break;
            }
        }
        items
    }

    fn render(&self, letter: &Letter) -> Result<Ready, Arc<str>> {
        let event = letter.event().ok_or(NO_EVENT)?;
        let rendered = catch_unwind(AssertUnwindSafe(|| {
            let rendered = self.renderer.render(&Arc::new(event));
            rendered.map(|(rendered, _)| {
                let encoded_bytes = self.sink.encoded_bytes(&rendered);
                let partition = self.sink.partition(&rendered);
                Ready {
                    rendered,
                    encoded_bytes,
                    partition,
                }
            })
        }));
        match rendered {
            Ok(Ok(rendered)) => Ok(rendered),
            Ok(Err(error)) => Err(error.to_string().into()),
            Err(_) => Err(PANICKED.into()),
        }
    }
}

pub(super) async fn in_pool<T: Send + 'static>(
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
