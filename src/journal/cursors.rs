//! How far each destination is, in memory; `cursor_file` remembers it.
//!
//! A cursor is a low water with what is settled above it, and what became of all that is settled.
//! It knows positions and counts; what they stand for is the reader's business.

use std::collections::BTreeMap;

use super::error::CursorError;

/// Destinations that the file can hold, configured or not.
pub const CURSORS_MAX: usize = 64;
/// Settled ranges that a destination may have above its low water.
pub const RANGES_MAX: usize = 4096;

/// How far one destination is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Every position up to here is settled.
    pub low_water: u64,
    /// Settled positions above it: inclusive ranges, ascending, not touching.
    pub done: Vec<(u64, u64)>,
    /// Events in those ranges; positions have gaps, so ranges alone do not tell.
    pub done_events: u64,
    /// Events before the destination's start, which it never counts.
    pub skipped_events: u64,
    /// What became of the settled ones.
    pub totals: Totals,
    /// When an event was last delivered; Unix milliseconds, 0 for never.
    pub last_success_ms: u64,
    /// Grows with each store; a store with an outdated one is refused. Not kept on disk.
    pub revision: u64,
}

/// What became of a destination's settled events, since it was registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Taken by the destination.
    pub delivered: u64,
    /// Refused and kept as dead letters.
    pub dead_lettered: u64,
    /// Not wanted by the destination's routing.
    pub filtered: u64,
    /// Lost on purpose or by damage, each reported.
    pub discarded: u64,
}

impl Totals {
    /// Events that are settled, one way or another.
    pub fn settled(&self) -> u64 {
        self.delivered + self.dead_lettered + self.filtered + self.discarded
    }

    /// Moves events from dead-lettered to discarded, at most as many as there are; returns how
    /// many that is.
    pub fn purge(&mut self, events: u64) -> u64 {
        let events = events.min(self.dead_lettered);
        self.dead_lettered -= events;
        self.discarded += events;
        events
    }
}

/// All cursors, in memory.
#[derive(Default)]
pub(super) struct CursorTable {
    pub(super) cursors: BTreeMap<String, Cursor>,
    /// Something is not yet in the file.
    pub(super) dirty: bool,
}

impl Cursor {
    /// The highest position it names.
    pub(super) fn position_max(&self) -> u64 {
        self.done
            .last()
            .map_or(self.low_water, |(_, end)| (*end).max(self.low_water))
    }

    /// Events not settled, of so many ever stored.
    pub fn events_waiting(&self, stored: u64) -> u64 {
        stored.saturating_sub(self.skipped_events + self.totals.settled())
    }

    /// Events up to its low water, those before its start included: the ordinal of the last one.
    pub fn events_passed(&self) -> u64 {
        (self.skipped_events + self.totals.settled()).saturating_sub(self.done_events)
    }
}

impl CursorTable {
    /// The cursor of a destination.
    pub(super) fn load(&self, destination: &str) -> Result<Cursor, CursorError> {
        let cursor = self.cursors.get(destination);
        cursor
            .cloned()
            .ok_or_else(|| CursorError::Unknown(destination.to_owned()))
    }

    /// Replaces a cursor; returns its new revision.
    pub(super) fn store(&mut self, destination: &str, cursor: &Cursor) -> Result<u64, CursorError> {
        let known = self
            .cursors
            .get_mut(destination)
            .ok_or_else(|| CursorError::Unknown(destination.to_owned()))?;
        if known.revision != cursor.revision {
            return Err(CursorError::Conflict(destination.to_owned()));
        }
        known.clone_from(cursor);
        known.revision += 1;
        self.dirty = true;
        Ok(known.revision)
    }
}
