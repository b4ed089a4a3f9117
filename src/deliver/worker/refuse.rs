//! Refused events: noted, made durable as dead letters, then settled.

use std::sync::Arc;

use bytes::Bytes;

use super::Worker;
use crate::dead_letters::{DeadLetter, Filter};
use crate::deliver::outbox::Item;
use crate::deliver::window::Settled;
use crate::event::Event;
use crate::sink::{HoldCause, RejectCause, Sink};
use crate::spool::Log;

impl<L: Log, S: Sink> Worker<L, S> {
    pub(super) fn refuse(
        &mut self,
        event: Arc<Event>,
        cause: RejectCause,
        detail: Arc<str>,
        attempts: u32,
        rendered: Option<Bytes>,
    ) {
        self.suspects.forget(event.position);
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

    /// Refuses an event that was sent.
    pub(super) fn refuse_sent(&mut self, item: Item, cause: RejectCause, detail: Arc<str>) {
        let Item { rendered, tag } = item;
        let body = Some(rendered.body);
        self.refuse(rendered.event, cause, detail, tag.attempts, body);
    }

    /// Has dead letters sent again that were refused for a reason that is gone. Where that cannot
    /// be noted, a person still can have them sent.
    pub(super) async fn replay_refused(&mut self) {
        let ids = std::mem::take(&mut self.replays);
        if ids.is_empty() {
            return;
        }
        let filter = Filter {
            ids,
            ..Filter::default()
        };
        let log = self.dead_letters.clone();
        let asked = tokio::task::spawn_blocking(move || log.request_replay(&filter, false)).await;
        let destination = &self.name;
        match asked {
            Ok(Ok(letters)) => tracing::info!(destination, letters, "dead letters sent again"),
            Ok(Err(error)) => tracing::error!(destination, %error, "dead letters not sent again"),
            Err(error) => tracing::error!(destination, %error, "dead letters not sent again"),
        }
    }

    /// Makes refused events durable as dead letters, then settles them; false where they cannot
    /// be kept, and the destination is held for it.
    pub(super) async fn save_dead_letters(&mut self) -> bool {
        if self.unsaved.is_empty() {
            return true;
        }
        let letters = self.unsaved.iter().map(|(letter, _)| letter.clone());
        let letters: Vec<_> = letters.collect();
        let log = self.dead_letters.clone();
        let saved = tokio::task::spawn_blocking(move || log.append(&letters));
        let problem = match saved.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem {
            self.hold(HoldCause::DeadLetters, problem.into());
            return false;
        }
        for (letter, cause) in self.unsaved.drain(..) {
            let position = letter.event.position;
            self.window.settle(position, Settled::DeadLettered);
            self.metrics.dead_letter(cause.as_str(), 1);
            self.status.failed(letter.detail);
        }
        true
    }
}
