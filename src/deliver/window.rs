//! What a worker has read and not settled, and the cursor that follows from it. Pure.
//!
//! Positions have gaps, so settled ranges are what lies between the positions still pending. A
//! restored cursor may name ranges that were settled before: events in them are passed over, and
//! counted only once. The log may move the stored cursor by giving up old events; then the window
//! follows it.

use std::collections::BTreeMap;

use crate::spool::{Cursor, Head, Lost, Totals};

/// Positions between the low water and the last event read, at most: what one waiting event may
/// keep the others from being forgotten.
pub(super) const SPAN_MAX: u64 = 1_048_576;
/// Settled ranges above the low water, at most. They are stored with each move of the cursor.
pub(super) const RANGES_MAX: usize = 4096;

/// How an event left the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Delivered,
    DeadLettered,
    Filtered,
    /// The log could not give it a second time.
    Discarded,
}

/// Positions read and not settled, and the cursor below them.
#[derive(Debug)]
pub(super) struct Window {
    /// What is not settled, by position.
    pending: BTreeMap<u64, Pending>,
    /// Position of the last event read.
    read_to: u64,
    /// Ordinal of the last event read; none before the first.
    ordinal: Option<u64>,
    /// Ranges settled in an earlier run, above everything read so far.
    restored: Vec<(u64, u64)>,
    restored_events: u64,
    /// Ranges settled above the first pending event, in this run: end and events, by start.
    done: BTreeMap<u64, (u64, u64)>,
    /// Places with lost events above the first pending one.
    lost: Vec<LostPlace>,
    cursor: Cursor,
    /// What was settled since the cursor was stored: the log knows nothing of it, and may have
    /// given up the same events.
    unstored: Vec<(u64, Settled)>,
    /// Dead-lettered events that were purged since then.
    unstored_purged: u64,
    /// The low water that the log knows.
    stored_low_water: u64,
    /// Something was read or settled since the cursor was stored.
    moved: bool,
}

/// An event that was read and not settled.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// One above the position read before it: nothing lies between.
    from: u64,
    received_ms: u64,
}

/// Events that the log could not give any more.
#[derive(Debug)]
struct LostPlace {
    /// Their last position.
    through: u64,
    /// Events up to that position.
    ordinal: u64,
    /// How many lie above the low water.
    events: u64,
    /// How many of these were discarded and the log does not know it yet.
    unstored: u64,
}

impl Window {
    pub(super) fn new(cursor: Cursor) -> Self {
        Self {
            pending: BTreeMap::new(),
            read_to: cursor.low_water,
            ordinal: None,
            restored: cursor.done.clone(),
            restored_events: cursor.done_events,
            done: BTreeMap::new(),
            lost: Vec::new(),
            unstored: Vec::new(),
            unstored_purged: 0,
            stored_low_water: cursor.low_water,
            moved: false,
            cursor,
        }
    }

    /// Follows the stored cursor to where the log moved it, and returns how many events that cost;
    /// none if it did not move.
    ///
    /// The log counted as discarded what lies at or below the new low water and was not stored as
    /// settled. What was settled there since then is counted as what it became.
    pub(super) fn follow(&mut self, stored: &Cursor) -> Option<u64> {
        let low_water = stored.low_water;
        if low_water <= self.stored_low_water {
            return None;
        }
        let before = self.cursor.totals.discarded;
        let passed = stored.events_passed();
        let last_success_ms = self.cursor.last_success_ms.max(stored.last_success_ms);
        self.pending = self.pending.split_off(&(low_water + 1));
        if self.read_to <= low_water {
            // Nothing that was read is left, so the stored cursor tells all.
            self.read_to = low_water;
            self.ordinal = Some(passed);
            self.restored.clone_from(&stored.done);
            self.restored_events = stored.done_events;
        }
        self.cursor = Cursor {
            last_success_ms,
            ..stored.clone()
        };
        let totals = &mut self.cursor.totals;
        for (position, settled) in &self.unstored {
            totals.add(*settled);
            if *position <= low_water {
                totals.discarded = totals.discarded.saturating_sub(1);
            }
        }
        totals.purge(self.unstored_purged);
        for lost in self.lost.iter_mut().filter(|lost| lost.through > low_water) {
            // Those below the low water are among what the log counted.
            lost.events = lost.events.min(lost.ordinal.saturating_sub(passed));
            lost.unstored = lost.unstored.min(lost.events);
            totals.discarded += lost.unstored;
        }
        self.stored_low_water = low_water;
        self.moved = true;
        Some(self.cursor.totals.discarded.saturating_sub(before))
    }

    /// Notes an event that was read; false when it was settled in an earlier run.
    pub(super) fn read(&mut self, position: u64, ordinal: u64, received_ms: u64) -> bool {
        let from = self.read_to + 1;
        self.read_to = self.read_to.max(position);
        self.moved = true;
        self.ordinal = Some(ordinal);
        while self
            .restored
            .first()
            .is_some_and(|(_, end)| *end < position)
        {
            self.restored.remove(0);
        }
        if let Some(range) = self.restored.first_mut()
            && range.0 <= position
        {
            // What was read of it is told by what is pending from here on.
            range.0 = position + 1;
            if range.0 > range.1 {
                self.restored.remove(0);
            }
            match self.restored_events.checked_sub(1) {
                Some(left) => self.restored_events = left,
                // Fewer of the lost events had been settled than their positions allowed for.
                None => self.cursor.totals.discarded += 1,
            }
            self.add_done(from, position, 1);
            return false;
        }
        self.pending.insert(position, Pending { from, received_ms });
        true
    }

    /// Notes events that the log cannot give any more; returns how many of them were not settled
    /// before, which are now discarded.
    pub(super) fn lose(&mut self, lost: &Lost) -> u64 {
        self.moved = true;
        // Before the first read the low water tells how many of them were settled long ago.
        let passed = self.ordinal.unwrap_or_else(|| self.cursor.events_passed());
        let all = lost.ordinal.saturating_sub(passed.max(lost.before));
        let mut events = all;
        // Which of them an earlier run settled above its low water only positions tell. They have
        // gaps, so that is at most so many.
        while let Some(range) = self.restored.first_mut()
            && range.0 <= lost.through
        {
            let end = range.1.min(lost.through);
            let settled = (end + 1 - range.0).min(events).min(self.restored_events);
            events -= settled;
            self.restored_events -= settled;
            range.0 = end + 1;
            if range.0 > range.1 {
                self.restored.remove(0);
            }
        }
        if lost.through > self.read_to {
            self.add_done(self.read_to + 1, lost.through, 0);
            self.read_to = lost.through;
        }
        self.ordinal = Some(lost.ordinal);
        self.cursor.totals.discarded += events;
        self.lost.push(LostPlace {
            through: lost.through,
            ordinal: lost.ordinal,
            events: all,
            unstored: events,
        });
        events
    }

    /// Notes that an event left; an unknown one is ignored.
    pub(super) fn settle(&mut self, position: u64, settled: Settled) {
        let Some(Pending { from, .. }) = self.pending.remove(&position) else {
            return;
        };
        self.moved = true;
        self.add_done(from, position, 1);
        self.unstored.push((position, settled));
        self.cursor.totals.add(settled);
    }

    /// Counts dead letters that a person gave up as discarded, as far as they were counted.
    pub(super) fn purged(&mut self, events: u64) {
        let events = self.cursor.totals.purge(events);
        self.unstored_purged += events;
        self.moved |= events > 0;
    }

    /// The cursor, if it differs from the stored one.
    pub(super) fn moved(&mut self) -> Option<&Cursor> {
        if !self.moved {
            return None;
        }
        Some(self.cursor())
    }

    /// Joins a settled range with those that it touches.
    fn add_done(&mut self, mut start: u64, mut end: u64, mut events: u64) {
        if let Some((before, (until, count))) = self.done.range(..start).next_back()
            && until + 1 == start
        {
            (start, events) = (*before, events + count);
        }
        if let Some((until, count)) = self.done.remove(&(end + 1)) {
            (end, events) = (until, events + count);
        }
        self.done.insert(start, (end, events));
    }

    fn cursor(&mut self) -> &Cursor {
        let first = self.pending.keys().next().copied();
        self.cursor.low_water = first.map_or(self.read_to, |first| first - 1);
        // What is settled below the low water needs no range. Where the low water lies within
        // one, it was moved there, and all up to the next pending event is settled.
        self.done = self.done.split_off(&(self.cursor.low_water + 1));
        self.cursor.done.clear();
        let ranges = self.done.iter().map(|(start, (end, _))| (*start, *end));
        self.cursor.done.extend(ranges);
        for (start, end) in &self.restored {
            match self.cursor.done.last_mut() {
                Some(last) if last.1 + 1 >= *start => last.1 = *end,
                _ => self.cursor.done.push((*start, *end)),
            }
        }
        let low_water = self.cursor.low_water;
        // What the log is still to be told of stays for that.
        self.lost
            .retain(|lost| lost.through > low_water || lost.unstored > 0);
        let above = self.lost.iter().filter(|lost| lost.through > low_water);
        let lost: u64 = above.map(|lost| lost.events).sum();
        let done: u64 = self.done.values().map(|(_, events)| events).sum();
        self.cursor.done_events = done + self.restored_events + lost;
        &self.cursor
    }

    /// Takes the revision that a store returned.
    pub(super) fn stored(&mut self, revision: u64) {
        self.cursor.revision = revision;
        self.stored_low_water = self.cursor.low_water;
        self.unstored.clear();
        self.unstored_purged = 0;
        for lost in &mut self.lost {
            lost.unstored = 0;
        }
        self.moved = false;
    }

    /// Position of the last event read.
    pub(super) fn read_to(&self) -> u64 {
        self.read_to
    }

    pub(super) fn delivered_at(&mut self, unix_ms: u64) {
        self.cursor.last_success_ms = unix_ms;
    }

    pub(super) fn totals(&self) -> Totals {
        self.cursor.totals
    }

    pub(super) fn last_success_ms(&self) -> u64 {
        self.cursor.last_success_ms
    }

    pub(super) fn low_water(&self) -> u64 {
        self.cursor.low_water
    }

    /// Received time of the first event not settled, if any was read.
    pub(super) fn oldest_ms(&self) -> Option<u64> {
        self.pending.values().next().map(|first| first.received_ms)
    }

    /// Whether an event is read and not settled.
    pub(super) fn is_pending(&self, position: u64) -> bool {
        self.pending.contains_key(&position)
    }

    /// Whether so much is settled behind an event that waits that nothing more may be read.
    pub(super) fn is_full(&self) -> bool {
        // Where nothing waits, ranges of an earlier run go as they are read past.
        let waits_from = self.pending.keys().next();
        waits_from.is_some_and(|first| {
            self.read_to - first >= SPAN_MAX || self.done.len() + self.restored.len() >= RANGES_MAX
        })
    }

    /// Events to account for.
    pub(super) fn accepted(&self, head: Head) -> u64 {
        head.events.saturating_sub(self.cursor.skipped_events)
    }

    /// Events not settled: those read and pending, and those not yet read.
    pub(super) fn backlog(&self, head: Head) -> u64 {
        let Some(ordinal) = self.ordinal else {
            // Nothing was read yet, so nothing but the totals tells.
            return self
                .accepted(head)
                .saturating_sub(self.cursor.totals.settled());
        };
        let unread = head.events.saturating_sub(ordinal);
        self.pending.len() as u64 + unread.saturating_sub(self.restored_events)
    }

    /// Accepted events that are in no other count; 0 when all is well.
    pub(super) fn mismatch(&self, head: Head) -> i64 {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        signed(self.accepted(head))
            - signed(self.cursor.totals.settled())
            - signed(self.backlog(head))
    }
}

impl Totals {
    fn add(&mut self, settled: Settled) {
        match settled {
            Settled::Delivered => self.delivered += 1,
            Settled::DeadLettered => self.dead_lettered += 1,
            Settled::Filtered => self.filtered += 1,
            Settled::Discarded => self.discarded += 1,
        }
    }
}
