//! Shedding: the oldest events of optional destinations are given up, so that one that is dead
//! does not stop ingest for all. Knows limits in bytes, not why a destination has one.
//!
//! A holder of a segment is a cursor that has not passed it. A segment is shed if every holder
//! has a limit and is beyond it, or, where space is short, has one at all. A cursor without a
//! limit (a required destination, or one that is registered and no longer configured) never
//! sheds, and with it all that lies behind its place stays. The segment being written never goes.
//!
//! Only cursors are moved here; [`super::retention`] then finds segments that nobody holds, syncs
//! the cursors and unlinks. Segment headers count the events before them, so the number given up
//! is exact although positions have gaps. Who stores a cursor from before gets a conflict, loads
//! the moved one, and goes on there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::cursors::Cursor;
use super::error::ReadError;
use super::reader::{Lost, Read, Reader};
use super::retention::Pressure;
use super::segment::{Segment, now_ms};
use super::{Journal, Shared};

/// How often a plan is made anew because a destination stored its place meanwhile; the next look
/// at the segments tries again.
const PLANS_MAX: usize = 8;
/// Records and payload bytes fetched at once while settled events are counted.
const COUNT_RECORDS: usize = 1000;
const COUNT_BYTES: usize = 1024 * 1024;

/// What a destination lost at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shed {
    /// When; Unix milliseconds.
    pub at_ms: u64,
    /// Events given up: stored, and not settled by then.
    pub events: u64,
    /// The stretch they were in: its first position, which may be a gap.
    pub first: u64,
    /// Its last position.
    pub last: u64,
    /// Bytes of the segments that the destination held in the stretch.
    pub bytes: u64,
    /// `max_backlog` or `space_short`.
    pub reason: &'static str,
}

/// Limits of the destinations that may shed, and who is told.
#[derive(Default)]
pub(super) struct Shedding {
    destinations: Mutex<BTreeMap<String, Known>>,
}

#[derive(Default)]
struct Known {
    /// Bytes of segments that it may hold; without one it never sheds.
    max_backlog_bytes: Option<u64>,
    /// What it lost last.
    last: watch::Sender<Option<Shed>>,
}

/// The first place that is kept, and the events stored before it.
#[derive(Clone, Copy)]
struct Border {
    base: u64,
    events_before: u64,
}

/// One cursor's move to the border.
struct Move {
    name: String,
    /// The stored revision that it was made for.
    revision: u64,
    moved: Cursor,
    shed: Shed,
}

impl Journal {
    /// Lets a destination's oldest events be given up where it holds more bytes of segments than
    /// this, and where space is short. Not kept on disk: after a restart it keeps all until this
    /// is said again.
    pub fn limit_backlog(&self, name: &str, max_bytes: u64) {
        let mut destinations = self.shared.shedding.lock();
        let known = destinations.entry(name.to_owned()).or_default();
        known.max_backlog_bytes = Some(max_bytes);
    }

    /// What a destination lost last, and a way to wait for more. By the time it changes the
    /// stored cursor has moved, and no reader passes over what was given up before it changes.
    pub fn sheds(&self, name: &str) -> watch::Receiver<Option<Shed>> {
        let mut destinations = self.shared.shedding.lock();
        let known = destinations.entry(name.to_owned()).or_default();
        known.last.subscribe()
    }
}

impl Shedding {
    /// Drops a destination's limit: whoever gets the name next may be a required one.
    pub(super) fn forget(&self, name: &str) {
        self.lock().remove(name);
    }

    /// The limits by name.
    pub(super) fn limits(&self) -> BTreeMap<String, u64> {
        let destinations = self.lock();
        let limited = destinations.iter();
        limited
            .filter_map(|(name, known)| Some((name.clone(), known.max_backlog_bytes?)))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.destinations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves the holders of the oldest held segments past them, if all of them may shed: past all
/// segments beyond their limits, or, where space is short, past one. Whether any was moved.
pub(super) fn shed(shared: &Arc<Shared>, pressure: Pressure) -> bool {
    let limits = shared.shedding.limits();
    if limits.is_empty() {
        return false;
    }
    for _ in 0..PLANS_MAX {
        let Some(moves) = plan(shared, &limits, pressure) else {
            return false;
        };
        if apply(shared, &moves) {
            for Move { name, shed, .. } in moves.iter().filter(|one| one.shed.events > 0) {
                let Shed {
                    events,
                    first,
                    last,
                    bytes,
                    reason,
                    ..
                } = shed;
                let destination = name;
                tracing::warn!(
                    destination,
                    events,
                    first,
                    last,
                    bytes,
                    reason,
                    "oldest events given up"
                );
            }
            return true;
        }
    }
    false
}

/// The moves that free the oldest held segments; none where somebody keeps them.
fn plan(
    shared: &Arc<Shared>,
    limits: &BTreeMap<String, u64>,
    pressure: Pressure,
) -> Option<Vec<Move>> {
    let (border, holders) = {
        let table = shared.cursors();
        let segments = shared.segments();
        let border = border(&segments, &table.cursors, limits, pressure)?;
        let holders = table.cursors.iter();
        let holders = holders.filter(|(_, cursor)| cursor.holds(border.base));
        let holders = holders.map(|(name, cursor)| {
            let bytes = held_bytes(&segments, cursor.low_water, border.base);
            (name.clone(), cursor.clone(), bytes)
        });
        (border, holders.collect::<Vec<_>>())
    };
    let mut moves = Vec::with_capacity(holders.len());
    for (name, cursor, bytes) in holders {
        let done_events = match done_above(shared, &cursor, border.base) {
            Ok(done_events) => done_events,
            Err(error) => {
                // A number that is not exact would stay wrong for ever; the segment stays.
                tracing::debug!(%error, destination = name, "not shed: settled events not counted");
                return None;
            }
        };
        let (moved, events) = cursor.shed(border, done_events);
        let shed = Shed {
            at_ms: now_ms(),
            events,
            first: cursor.low_water + 1,
            last: border.base - 1,
            bytes,
            reason: match pressure {
                Pressure::None => "max_backlog",
                Pressure::SpaceShort => "space_short",
            },
        };
        moves.push(Move {
            name,
            revision: cursor.revision,
            moved,
            shed,
        });
    }
    Some(moves)
}

/// Where the stretch ends that all its holders may give up.
fn border(
    segments: &[Segment],
    cursors: &BTreeMap<String, Cursor>,
    limits: &BTreeMap<String, u64>,
    pressure: Pressure,
) -> Option<Border> {
    let mut found = None;
    let mut held_bytes: u64 = segments.iter().map(|segment| segment.file_bytes).sum();
    for pair in segments.windows(2) {
        let [segment, next] = pair else { break };
        let beyond = |limit: &u64| pressure == Pressure::SpaceShort || held_bytes > *limit;
        let mut holders = cursors
            .iter()
            .filter(|(_, c)| c.holds(next.base))
            .peekable();
        let held = holders.peek().is_some();
        if !holders.all(|(name, _)| limits.get(name).is_some_and(beyond)) {
            break;
        }
        held_bytes -= segment.file_bytes;
        // Behind an unreadable header nobody knows how many events went before.
        if held && let Some(header) = next.header {
            found = Some(Border {
                base: next.base,
                events_before: header.events_before,
            });
            if pressure == Pressure::SpaceShort {
                break;
            }
        }
    }
    found
}

/// Bytes of the segments below `base` that a cursor at `low_water` holds.
fn held_bytes(segments: &[Segment], low_water: u64, base: u64) -> u64 {
    let needed = super::retention::first_needed(segments, low_water);
    let held = segments.iter().skip(needed);
    held.take_while(|segment| segment.base < base)
        .map(|segment| segment.file_bytes)
        .sum()
}

/// Stores all moves, or none if a destination stored its place since they were planned.
fn apply(shared: &Shared, moves: &[Move]) -> bool {
    let mut table = shared.cursors();
    let current = |one: &Move| {
        let known = table.cursors.get(&one.name);
        known.is_some_and(|known| known.revision == one.revision)
    };
    if !moves.iter().all(current) {
        return false;
    }
    let destinations = shared.shedding.lock();
    for one in moves {
        table.cursors.insert(one.name.clone(), one.moved.clone());
        // Told before the lock is free, and so before any segment goes: whoever reads past a
        // segment that is gone can look here and know why. Also told is a move that cost nothing.
        if let Some(known) = destinations.get(&one.name) {
            known.last.send_modify(|last| {
                if one.shed.events > 0 {
                    *last = Some(one.shed.clone());
                }
            });
        }
    }
    table.dirty = true;
    true
}

/// Events in the cursor's settled ranges at and above `base`. Where ranges lie on both sides, the
/// records on one of them are read: those that go, or, if these are damaged, those that stay.
fn done_above(shared: &Arc<Shared>, cursor: &Cursor, base: u64) -> Result<u64, ReadError> {
    let below: Vec<_> = clipped(&cursor.done, 0, base - 1).collect();
    let above: Vec<_> = clipped(&cursor.done, base, u64::MAX).collect();
    if above.is_empty() {
        return Ok(0);
    }
    if below.is_empty() {
        return Ok(cursor.done_events);
    }
    match count_events(shared, &below) {
        Ok(events) => Ok(cursor.done_events.saturating_sub(events)),
        Err(_) => count_events(shared, &above),
    }
}

/// Events in these ranges, by reading them.
fn count_events(shared: &Arc<Shared>, ranges: &[(u64, u64)]) -> Result<u64, ReadError> {
    let (Some((first, _)), Some((_, last))) = (ranges.first(), ranges.last()) else {
        return Ok(0);
    };
    let mut reader = Reader::new(Arc::clone(shared), first - 1);
    let mut events = 0;
    loop {
        let records = match reader.read(COUNT_RECORDS, COUNT_BYTES)? {
            Read::Records(records) => records,
            Read::Lost(lost) => {
                events += lost_events(&lost, ranges)?;
                continue;
            }
        };
        if records.is_empty() {
            return Ok(events);
        }
        for read in records {
            let position = read.record.position;
            if position > *last {
                return Ok(events);
            }
            let index = ranges.partition_point(|(_, end)| *end < position);
            let inside = ranges
                .get(index)
                .is_some_and(|(start, _)| *start <= position);
            events += u64::from(inside);
        }
    }
}

/// How many of the events that were lost with a damaged place are in these ranges; an error where
/// nobody can tell.
fn lost_events(lost: &Lost, ranges: &[(u64, u64)]) -> Result<u64, ReadError> {
    let first = lost.after + 1;
    let mut touched = ranges
        .iter()
        .filter(|(start, end)| *start <= lost.through && first <= *end);
    match touched.next() {
        None => Ok(0),
        Some((start, end)) if *start <= first && lost.through <= *end && lost.before > 0 => {
            Ok(lost.ordinal - lost.before)
        }
        Some(_) => Err(ReadError::Damaged {
            file: "(passed)".to_owned(),
            offset: 0,
            after: lost.after,
        }),
    }
}

/// The parts of ranges from `first` to `last`.
fn clipped(ranges: &[(u64, u64)], first: u64, last: u64) -> impl Iterator<Item = (u64, u64)> {
    let parts = ranges.iter();
    parts
        .map(move |(start, end)| ((*start).max(first), (*end).min(last)))
        .filter(|(start, end)| start <= end)
}

impl Cursor {
    /// Whether it needs something below a segment's base.
    fn holds(&self, base: u64) -> bool {
        self.low_water + 1 < base
    }

    /// The cursor behind the border, above which so many events are settled; and how many events
    /// were neither settled nor are they kept.
    fn shed(&self, border: Border, done_events: u64) -> (Self, u64) {
        let before = border.events_before.saturating_sub(self.skipped_events);
        let events = (before + done_events).saturating_sub(self.totals.settled());
        let mut moved = Self {
            low_water: border.base - 1,
            done: clipped(&self.done, border.base, u64::MAX).collect(),
            done_events,
            revision: self.revision + 1,
            ..self.clone()
        };
        moved.totals.discarded += events;
        (moved, events)
    }
}
