//! Events that wait without being in memory: of a held partition, or to be sent once more. Pure.
//!
//! Only positions are kept; the log has the rest. A lane is what waits for one reason. The lane
//! without a partition is always open: its events were accepted and never confirmed. A partition's
//! lane is gated: closed until a probe with its first event passes, then drained in order, and
//! gone when nothing of it waits. While it is there, newer events of the partition queue up in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use crate::sink::{HoldCause, Sent};

/// Partitions that may be closed at once, lest senders make as many as they write values: so many
/// are no matter of one of them any more.
pub(super) const HELD_MAX: usize = 64;

/// Whose events wait: a partition's, or those of none in particular.
pub(super) type Lane = Option<Arc<str>>;

/// What is known of a waiting event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) attempts: u32,
    pub(super) sent: Sent,
}

/// Why a partition waits.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) cause: HoldCause,
    pub(super) detail: Arc<str>,
    /// Unix milliseconds.
    pub(super) since_ms: u64,
    /// When its first event is tried again.
    pub(super) probe_at: Instant,
}

#[derive(Debug, Default)]
struct Waiting {
    marks: BTreeMap<u64, Mark>,
    /// None where it is open.
    held: Option<Held>,
    /// The event that is being tried.
    probe: Option<u64>,
}

/// All that waits.
#[derive(Debug, Default)]
pub(super) struct Parked {
    lanes: BTreeMap<Lane, Waiting>,
}

impl Parked {
    /// Whether events of a partition have to queue up here.
    pub(super) fn is_gated(&self, lane: &Lane) -> bool {
        lane.is_some() && self.lanes.contains_key(lane)
    }

    /// Whether a partition takes no events.
    pub(super) fn is_closed(&self, lane: &Lane) -> bool {
        let waiting = self.lanes.get(lane);
        waiting.is_some_and(|waiting| waiting.held.is_some())
    }

    /// Why a partition takes no events; none where it does.
    pub(super) fn cause(&self, lane: &Lane) -> Option<HoldCause> {
        Some(self.lanes.get(lane)?.held.as_ref()?.cause)
    }

    /// Whether a partition that is open may be closed for itself.
    pub(super) fn has_room(&self) -> bool {
        self.held().count() < HELD_MAX
    }

    /// Lets an event wait.
    pub(super) fn park(&mut self, lane: Lane, position: u64, mark: Mark) {
        let waiting = self.lanes.entry(lane).or_default();
        waiting.marks.insert(position, mark);
        if waiting.probe == Some(position) {
            waiting.probe = None;
        }
    }

    /// Closes a partition; the time since when it is closed is kept.
    pub(super) fn hold(&mut self, partition: &Arc<str>, held: Held) {
        let lane = self.lanes.entry(Some(Arc::clone(partition))).or_default();
        let since_ms = lane.held.as_ref().map_or(held.since_ms, |old| old.since_ms);
        lane.held = Some(Held { since_ms, ..held });
    }

    /// Opens a partition; whether it was closed.
    pub(super) fn open(&mut self, lane: &Lane) -> bool {
        let waiting = self.lanes.get_mut(lane);
        let opened = waiting.is_some_and(|waiting| {
            waiting.probe = None;
            waiting.held.take().is_some()
        });
        self.drop_empty();
        opened
    }

    /// The next lane of which events may be read again, its first position, and how many.
    pub(super) fn due(&self, now: Instant) -> Option<(Lane, u64, usize)> {
        self.lanes.iter().find_map(|(lane, waiting)| {
            let (first, _) = waiting.marks.first_key_value()?;
            match &waiting.held {
                None => Some((lane.clone(), *first, usize::MAX)),
                Some(held) if waiting.probe.is_none() && held.probe_at <= now => {
                    Some((lane.clone(), *first, 1))
                }
                Some(_) => None,
            }
        })
    }

    /// Takes an event out that was read again.
    pub(super) fn take(&mut self, lane: &Lane, position: u64) -> Option<Mark> {
        let waiting = self.lanes.get_mut(lane)?;
        let mark = waiting.marks.remove(&position)?;
        if waiting.held.is_some() {
            waiting.probe = Some(position);
        }
        Some(mark)
    }

    /// Positions of a lane up to one, which the log turned out not to have.
    pub(super) fn take_through(&mut self, lane: &Lane, position: u64) -> Vec<u64> {
        let Some(waiting) = self.lanes.get_mut(lane) else {
            return Vec::new();
        };
        let above = waiting.marks.split_off(&position.saturating_add(1));
        let taken = std::mem::replace(&mut waiting.marks, above);
        taken.into_keys().collect()
    }

    /// Whether an event of a closed partition is being tried.
    pub(super) fn is_probe(&self, position: u64) -> bool {
        let mut lanes = self.lanes.values();
        lanes.any(|waiting| waiting.probe == Some(position))
    }

    /// An event left that may have been the one being tried: the next one may be.
    pub(super) fn settled(&mut self, position: u64) {
        for waiting in self.lanes.values_mut() {
            waiting.probe = waiting.probe.filter(|probe| *probe != position);
        }
        self.drop_empty();
    }

    /// Forgets lanes in which nothing waits any more. A closed one is no exception: nobody is left
    /// to probe with, so nobody would ever open it.
    pub(super) fn drop_empty(&mut self) {
        let waits = |waiting: &Waiting| !waiting.marks.is_empty() || waiting.probe.is_some();
        self.lanes.retain(|_, waiting| waits(waiting));
    }

    /// Forgets what the log gave up.
    pub(super) fn drop_through(&mut self, position: u64) {
        for waiting in self.lanes.values_mut() {
            waiting.marks = waiting.marks.split_off(&(position + 1));
            waiting.probe = waiting.probe.filter(|probe| *probe > position);
        }
        self.drop_empty();
    }

    /// Tries closed partitions at once.
    pub(super) fn hurry(&mut self, now: Instant) {
        for held in self.lanes.values_mut().filter_map(|w| w.held.as_mut()) {
            held.probe_at = held.probe_at.min(now);
        }
    }

    /// When the next closed partition is to be tried.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        let idle = self.lanes.values().filter(|w| w.probe.is_none());
        let held = idle.filter(|w| !w.marks.is_empty());
        held.filter_map(|w| Some(w.held.as_ref()?.probe_at)).min()
    }

    /// Closed partitions: name, why, and events that wait.
    pub(super) fn held(&self) -> impl Iterator<Item = (&Arc<str>, &Held, usize)> {
        self.lanes.iter().filter_map(|(lane, waiting)| {
            let probe = usize::from(waiting.probe.is_some());
            let count = waiting.marks.len() + probe;
            Some((lane.as_ref()?, waiting.held.as_ref()?, count))
        })
    }
}
