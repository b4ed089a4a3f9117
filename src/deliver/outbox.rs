//! Events read and rendered, waiting to be sent, in order of position. Pure.
//!
//! A portion is what goes in one request: events of one partition, within the limits. A split
//! halves it; what passed afterwards is remembered, so that it does not grow into the same refusal
//! again until it has passed many times.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::settings::BatchLimits;
use crate::sink::{Rendered, Sent};

/// Portions of a size that passed, after which a larger one is tried again.
const PASSES_BEFORE_GROWTH: u32 = 100;

/// An event waiting to be sent.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) rendered: Rendered,
    pub(super) encoded_bytes: usize,
    /// The part of the destination that it goes to.
    pub(super) partition: Option<Arc<str>>,
    pub(super) attempts: u32,
    /// What the last attempt left open; a resend of an unknown one may be a duplicate.
    pub(super) sent: Sent,
    /// The batch that it went with and has to go with again: its first position.
    pub(super) together: Option<u64>,
}

/// Events waiting to be sent.
#[derive(Debug)]
pub(super) struct Outbox {
    items: BTreeMap<u64, Item>,
    bytes: usize,
    limits: BatchLimits,
    /// Most events in the next portion.
    portion: usize,
    /// A portion that was too much, and how many smaller ones passed since then.
    refused: Option<(usize, u32)>,
}

impl Item {
    pub(super) fn position(&self) -> u64 {
        self.rendered.event.position
    }
}

impl Outbox {
    pub(super) fn new(limits: BatchLimits) -> Self {
        Self {
            items: BTreeMap::new(),
            bytes: 0,
            limits,
            portion: limits.max_events.max(1),
            refused: None,
        }
    }

    pub(super) fn push(&mut self, item: Item) {
        self.bytes += item.encoded_bytes;
        if let Some(replaced) = self.items.insert(item.position(), item) {
            self.bytes -= replaced.encoded_bytes;
        }
    }

    /// Most events in the next portion.
    pub(super) fn portion(&self) -> usize {
        self.portion
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether a whole portion waits.
    pub(super) fn is_full(&self) -> bool {
        self.items.len() >= self.portion || self.bytes >= self.limits.max_bytes
    }

    /// Takes the next portion off the front: at least one event if there is one. What is to go
    /// `alone` is a portion of its own, and what has to go together is not mixed with others.
    pub(super) fn take(&mut self, events_max: usize, alone: impl Fn(u64) -> bool) -> Vec<Item> {
        let events_max = events_max.min(self.portion).max(1);
        let mut taken: Vec<Item> = Vec::with_capacity(events_max.min(self.items.len()));
        let mut passed_over = Vec::new();
        let mut bytes = 0;
        while taken.len() < events_max
            && let Some((position, item)) = self.items.pop_first()
        {
            let other = taken.first().is_some_and(|t| t.partition != item.partition);
            if other {
                passed_over.push((position, item));
                continue;
            }
            let other = taken.first().is_some_and(|t| t.together != item.together);
            let too_much = bytes + item.encoded_bytes > self.limits.max_bytes;
            if !taken.is_empty() && (too_much || other || alone(position)) {
                self.items.insert(position, item);
                break;
            }
            bytes += item.encoded_bytes;
            taken.push(item);
            if alone(position) {
                break;
            }
        }
        self.items.extend(passed_over);
        self.bytes -= bytes;
        taken
    }

    /// Takes the last event.
    pub(super) fn take_last(&mut self) -> Vec<Item> {
        let last = self.items.pop_last().map(|(_, item)| item);
        self.bytes -= last.as_ref().map_or(0, |item| item.encoded_bytes);
        last.into_iter().collect()
    }

    /// Takes the events of a partition out.
    pub(super) fn take_partition(&mut self, partition: &str) -> Vec<Item> {
        let of_it = |item: &mut Item| item.partition.as_deref() == Some(partition);
        let taken: Vec<_> = self.items.extract_if(.., |_, item| of_it(item)).collect();
        let taken: Vec<_> = taken.into_iter().map(|(_, item)| item).collect();
        self.bytes -= taken.iter().map(|item| item.encoded_bytes).sum::<usize>();
        taken
    }

    /// Drops events at or below a position.
    pub(super) fn drop_through(&mut self, position: u64) {
        self.items = self.items.split_off(&(position + 1));
        self.bytes = self.items.values().map(|item| item.encoded_bytes).sum();
    }

    /// After a portion of `sent` events that was too much.
    pub(super) fn halve(&mut self, sent: usize) {
        self.refused = Some((sent, 0));
        self.portion = (sent / 2).max(1);
    }

    /// After a portion of `sent` events that failed again and again as a whole: one of them may be
    /// why. Unlike a refusal for size it is not remembered.
    pub(super) fn narrow(&mut self, sent: usize) {
        self.portion = (sent / 2).max(1);
    }

    /// After a portion of `sent` events that went through.
    pub(super) fn grow(&mut self, sent: usize) {
        let mut largest = self.limits.max_events.max(1);
        if let Some((refused, passes)) = &mut self.refused {
            if sent >= self.portion {
                *passes += 1;
            }
            if *passes >= PASSES_BEFORE_GROWTH {
                self.refused = None;
            } else {
                largest = largest.min(refused.saturating_sub(1)).max(1);
            }
        }
        self.portion = self.portion.saturating_mul(2).min(largest);
    }
}
