//! Events read and rendered, waiting to be sent in order, and how many go at once.
//!
//! A split halves the portion; each attempt that goes through whole doubles it again up to the
//! configured limits, so that one large event does not slow the destination for ever.

use std::collections::VecDeque;

use crate::settings::BatchLimits;
use crate::sink::{Rendered, Sent};

/// An event waiting to be sent.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) rendered: Rendered,
    pub(super) encoded_bytes: usize,
    pub(super) attempts: u32,
    /// What the last attempt left open; a resend of an unknown one may be a duplicate.
    pub(super) sent: Sent,
}

/// Events waiting to be sent, oldest first.
#[derive(Debug)]
pub(super) struct Outbox {
    items: VecDeque<Item>,
    limits: BatchLimits,
    /// Most events in the next portion.
    portion: usize,
}

impl Outbox {
    pub(super) fn new(limits: BatchLimits) -> Self {
        Self {
            items: VecDeque::new(),
            limits,
            portion: limits.max_events.max(1),
        }
    }

    pub(super) fn push(&mut self, item: Item) {
        self.items.push_back(item);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes the next portion off the front: at least one event if there is one.
    pub(super) fn take(&mut self, events_max: usize) -> Vec<Item> {
        let events_max = events_max.min(self.portion).max(1);
        let mut bytes = 0;
        let mut count = 0;
        for item in self.items.iter().take(events_max) {
            bytes += item.encoded_bytes;
            if count > 0 && bytes > self.limits.max_bytes {
                break;
            }
            count += 1;
        }
        self.items.drain(..count).collect()
    }

    /// Puts events back to the front, in order.
    pub(super) fn put_back(&mut self, items: Vec<Item>) {
        for item in items.into_iter().rev() {
            self.items.push_front(item);
        }
    }

    /// Drops events at or below a position.
    pub(super) fn drop_through(&mut self, position: u64) {
        self.items
            .retain(|item| item.rendered.event.position > position);
    }

    /// After a portion of `sent` events that was too much.
    pub(super) fn halve(&mut self, sent: usize) {
        self.portion = (sent / 2).max(1);
    }

    /// After a portion that went through.
    pub(super) fn grow(&mut self) {
        self.portion = self
            .portion
            .saturating_mul(2)
            .min(self.limits.max_events.max(1));
    }
}
