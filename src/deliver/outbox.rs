//! Events read and rendered, waiting to be sent, in order of position. Pure.
//!
//! A portion is what goes in one request: events of one partition, within the limits. A split
//! halves it; what passed afterwards is remembered, so that it does not grow into the same refusal
//! again until it has passed many times.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::settings::BatchLimits;
use crate::sink::{Rendered, Sent};

/// Portions of a size that passed, after which a larger one is tried again.
const PASSES_BEFORE_GROWTH: u32 = 100;

/// An event waiting to be sent.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) rendered: Rendered,
    pub(super) tag: Tag,
}

/// What the worker knows of an event that it sends, and the sink need not.
#[derive(Debug)]
pub(super) struct Tag {
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
    /// In order of position; most come behind all others.
    items: VecDeque<Item>,
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
            items: VecDeque::new(),
            bytes: 0,
            limits,
            portion: limits.max_events.max(1),
            refused: None,
        }
    }

    pub(super) fn push(&mut self, item: Item) {
        self.bytes += item.tag.encoded_bytes;
        let position = item.position();
        if self
            .items
            .back()
            .is_none_or(|last| last.position() < position)
        {
            return self.items.push_back(item);
        }
        if self
            .items
            .front()
            .is_some_and(|first| first.position() > position)
        {
            return self.items.push_front(item);
        }
        match self.items.binary_search_by_key(&position, Item::position) {
            Ok(index) => {
                if let Some(place) = self.items.get_mut(index) {
                    self.bytes -= place.tag.encoded_bytes;
                    *place = item;
                }
            }
            Err(index) => self.items.insert(index, item),
        }
    }

    /// Takes back what is to be sent again; soonest where it comes in order of position.
    pub(super) fn put_back(&mut self, items: Vec<Item>) {
        // The last one first: then each goes in front of all others, where nothing is moved for it.
        for item in items.into_iter().rev() {
            self.push(item);
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
            && let Some(item) = self.items.pop_front()
        {
            let first = taken.first().map(|item| &item.tag);
            if first.is_some_and(|first| first.partition != item.tag.partition) {
                passed_over.push(item);
                continue;
            }
            let other = first.is_some_and(|first| first.together != item.tag.together);
            let too_much = bytes + item.tag.encoded_bytes > self.limits.max_bytes;
            let alone = alone(item.position());
            if !taken.is_empty() && (too_much || other || alone) {
                self.items.push_front(item);
                break;
            }
            bytes += item.tag.encoded_bytes;
            taken.push(item);
            if alone {
                break;
            }
        }
        for item in passed_over.into_iter().rev() {
            self.items.push_front(item);
        }
        self.bytes -= bytes;
        taken
    }

    /// Takes the last event.
    pub(super) fn take_last(&mut self) -> Vec<Item> {
        let last = self.items.pop_back();
        self.bytes -= last.as_ref().map_or(0, |item| item.tag.encoded_bytes);
        last.into_iter().collect()
    }

    /// Takes the events of a partition out.
    pub(super) fn take_partition(&mut self, partition: &str) -> Vec<Item> {
        let of_it = |item: &Item| item.tag.partition.as_deref() == Some(partition);
        let (taken, kept): (Vec<_>, _) =
            std::mem::take(&mut self.items).into_iter().partition(of_it);
        self.items = kept.into();
        self.bytes = self.items.iter().map(|item| item.tag.encoded_bytes).sum();
        taken
    }

    /// Drops events at or below a position.
    pub(super) fn drop_through(&mut self, position: u64) {
        self.items.retain(|item| item.position() > position);
        self.bytes = self.items.iter().map(|item| item.tag.encoded_bytes).sum();
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
