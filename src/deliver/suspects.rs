//! Which events a destination cannot take although it never says so, and when refusals are not the
//! events' fault. Pure.
//!
//! A server error that one event provokes looks like an outage. It is the event's fault only if
//! the destination took another event between its lonely attempts: then it is refused after the
//! fifth. And a destination that refuses every event for one reason needs a person, not
//! a dead letter for each.

use std::collections::BTreeMap;

use crate::event::EventId;
use crate::sink::RejectCause;

/// Lonely attempts that ended in a server error, others being taken in between, after which an
/// event is poison.
pub(super) const LONELY_MAX: u32 = 5;
/// Events set aside at once; more of them at once are an outage.
pub(super) const SUSPECTS_MAX: usize = 10;
/// Different events in a row that are refused for one reason, after which the destination is held.
pub(super) const REFUSED_IN_A_ROW_MAX: usize = 20;

/// What to do with an event whose lonely attempt ended in a server error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// Try it again like any other.
    None,
    /// Let others go first.
    Aside,
    /// It is the event.
    Poison,
}

/// Suspects of one destination.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// By position: lonely failures that count, and events delivered by the last of them.
    known: BTreeMap<u64, (u32, u64)>,
    delivered: u64,
    refused: Vec<EventId>,
}

impl Suspects {
    /// The destination took events.
    pub(super) fn delivered(&mut self, positions: impl Iterator<Item = u64>) {
        for position in positions {
            self.delivered += 1;
            self.known.remove(&position);
        }
    }

    /// The events refused in a row; none is from here on.
    pub(super) fn take_refused(&mut self) -> Vec<EventId> {
        std::mem::take(&mut self.refused)
    }

    /// An event left another way.
    pub(super) fn forget(&mut self, position: u64) {
        self.known.remove(&position);
    }

    /// Whether so many are suspect that no other can become so.
    pub(super) fn is_full(&self) -> bool {
        self.known.len() >= SUSPECTS_MAX
    }

    /// A lonely attempt with the event ended in a server error.
    pub(super) fn failed(&mut self, position: u64) -> Suspicion {
        let delivered = self.delivered;
        if let Some((failures, then)) = self.known.get_mut(&position) {
            if *then < delivered {
                (*failures, *then) = (*failures + 1, delivered);
            }
            if *failures >= LONELY_MAX {
                self.known.remove(&position);
                return Suspicion::Poison;
            }
            return Suspicion::Aside;
        }
        if self.is_full() {
            return Suspicion::None;
        }
        self.known.insert(position, (1, delivered));
        Suspicion::Aside
    }

    /// Whether an event goes alone, so that its failure tells something.
    pub(super) fn is_suspect(&self, position: u64) -> bool {
        self.known.contains_key(&position)
    }

    /// An event was refused for ever; whether so many were in a row that it is not the events.
    pub(super) fn refused(&mut self, id: EventId, cause: RejectCause) -> bool {
        if !cause.may_be_everyones() {
            // Too large or not to be rendered is always the event's fault.
            return false;
        }
        if !self.refused.contains(&id) && self.refused.len() < REFUSED_IN_A_ROW_MAX {
            self.refused.push(id);
        }
        self.refused.len() >= REFUSED_IN_A_ROW_MAX
    }

    /// Forgets events that the log gave up.
    pub(super) fn drop_through(&mut self, position: u64) {
        self.known = self.known.split_off(&(position + 1));
    }
}
