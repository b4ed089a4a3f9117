//! What a replay does with the verdicts of an attempt.
//!
//! They are the worker's, and what they tell beyond themselves is, too: a batch that fails as a
//! whole again and again gets smaller, a letter over which the destination fails alone while others
//! are taken is refused, and letters of a part that is held wait without keeping the others back.

use std::sync::Arc;

use tokio::time::Instant;

use super::attempt::{Item, in_pool};
use super::{Closed, Replay, State, Suspect};
use crate::dead_letters::ReplayOutcome;
use crate::deliver::parked::HELD_MAX;
use crate::deliver::suspects::{LONELY_MAX, SUSPECTS_MAX};
use crate::deliver::verdicts::{Next, Review};
use crate::event::EventId;
use crate::sink::{Note, RejectCause, RetryCause, Scope, Sent, Sink};

impl<S: Sink> Replay<S> {
    pub(super) fn apply(&mut self, items: &[Item], reviewed: Review) -> State {
        self.failures.note(&reviewed);
        let alone = items.len() == 1 && self.failures.are_server_errors();
        let last_taken = reviewed.delivered.iter().map(|(index, _)| *index).max();
        if last_taken.is_some() || !reviewed.rejected.is_empty() {
            self.reopen(items);
        }
        self.take(items, reviewed.delivered);
        let rejected = reviewed.rejected.into_iter();
        let rejected = rejected.map(|(index, cause, detail)| (index, (cause, detail)));
        for (item, (cause, detail)) in picked(items, rejected.collect()) {
            self.settled(item.id, item.attempts, Some((cause, detail)));
        }
        for (index, why) in reviewed.kept {
            let Some(item) = items.get(index) else {
                continue;
            };
            let (cause, sent) = why.unzip();
            if let Some(cause) = cause {
                self.metrics.retry(cause.as_str(), 1);
            }
            let sent = sent.unwrap_or(Sent::No);
            self.tried.insert(item.id, (item.attempts, sent));
            // A server error over a letter, with others behind it taken, tells as much as one over
            // a letter alone.
            let singled_out = last_taken > Some(index);
            if cause == Some(RetryCause::ServerError) && (alone || singled_out) {
                self.suspect(item);
            }
        }
        self.go_on(items, reviewed.next)
    }

    /// Settles what the destination has.
    fn take(&mut self, items: &[Item], delivered: Vec<(usize, Note)>) {
        if !delivered.is_empty() {
            self.schedule.reset();
            self.trouble = None;
        }
        for (item, note) in picked(items, delivered) {
            match note {
                Note::Plain => {}
                Note::Duplicate => self.metrics.receiver_conflict.inc(),
                Note::Diverted => {
                    let (destination, id) = (&self.name, item.id);
                    self.metrics.diverted.inc();
                    tracing::warn!(destination, %id, "event put aside by the destination");
                }
            }
            self.taken += 1;
            self.settled(item.id, item.attempts, None);
        }
    }

    /// A letter over which the destination failed; others go before it. If it takes them and fails
    /// over this one again and again, it is the letter: it stays dead, so that little is lost where
    /// that is wrong, and the last one left cannot be held against others any more.
    fn suspect(&mut self, item: &Item) {
        self.after = Some(item.offset);
        if self.suspects.len() >= SUSPECTS_MAX && !self.suspects.contains_key(&item.id) {
            // So many at once are an outage.
            return;
        }
        let taken = self.taken;
        let first = Suspect { failures: 0, taken };
        let suspect = self.suspects.entry(item.id).or_insert(first);
        suspect.failures += 1;
        if suspect.failures >= LONELY_MAX && taken > suspect.taken {
            let detail = "a server error each time it was tried, while others were taken";
            let refused = (RejectCause::Poison, detail.into());
            self.settled(item.id, item.attempts, Some(refused));
        }
    }

    fn go_on(&mut self, items: &[Item], next: Next) -> State {
        match next {
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
            Next::Wait { asked, detail } => {
                if self.failures.are_many() {
                    self.portion = (items.len() / 2).max(1);
                }
                State::BackingOff {
                    wait: self.schedule.next(asked),
                    detail,
                }
            }
            Next::Hold {
                cause,
                detail,
                scope,
            } => {
                self.after = items.last().map(|item| item.offset);
                let detail = format!("{}: {detail}", cause.as_str()).into();
                let part = items.first().and_then(|item| item.partition.as_ref());
                match (scope, part) {
                    (Scope::Partition(held), Some(part)) if held == *part => {
                        self.close(held, detail)
                    }
                    _ => self.held(detail),
                }
            }
        }
    }

    fn held(&self, detail: Arc<str>) -> State {
        let until = Instant::now() + self.destination.probe_interval;
        State::Held { until, detail }
    }

    /// Passes over the letters of a part from here on, but for one each `probe_interval`.
    fn close(&mut self, part: Arc<str>, detail: Arc<str>) -> State {
        let known = self.closed.contains_key(&part);
        if !known && self.closed.len() >= HELD_MAX {
            return self.held(detail);
        }
        if !known {
            let (destination, part) = (&self.name, &*part);
            let text = "replay passes over a part that is held";
            tracing::warn!(destination, partition = part, %detail, "{text}");
        }
        let probe_at = Instant::now() + self.destination.probe_interval;
        self.closed.insert(part, Closed { probe_at, detail });
        State::Sending
    }

    /// The part that these letters are for takes some again.
    fn reopen(&mut self, items: &[Item]) {
        let part = items.first().and_then(|item| item.partition.as_ref());
        if let Some(part) = part
            && self.closed.remove(part).is_some()
        {
            let destination = &self.name;
            tracing::info!(destination, partition = %part, "replay goes on with a part");
        }
    }

    /// Notes what became of a letter, to be saved.
    pub(super) fn settled(
        &mut self,
        id: EventId,
        attempts: u32,
        refused: Option<(RejectCause, Arc<str>)>,
    ) {
        let destination = &self.name;
        self.tried.remove(&id);
        self.suspects.remove(&id);
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
    pub(super) async fn save(&mut self) -> Result<(), State> {
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

    pub(super) fn back_off(&mut self, detail: Arc<str>) -> State {
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
