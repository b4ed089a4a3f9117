//! Damaged places: which are known, which a person passed, and where reading goes on behind one.
//!
//! Damage holds the readers that need the place; it never stops the writer. A place that was
//! passed is remembered with the cursors: each reader that comes to it goes on behind it, and is
//! told how many events are given up.

use std::io;
use std::sync::Arc;

use super::cursors::Cursor;
use super::error::{ReadError, SkipError};
use super::reader::{Read, Reader};
use super::scan::Source;
use super::segment::{HEADER_BYTES, Segment};
use super::{Journal, Shared};

/// Places remembered as passed; each goes with the segment in which reading goes on.
pub const SKIPS_MAX: usize = 1024;
/// Damaged places remembered as such; more are found again when these are passed.
const DAMAGE_MAX: usize = 1024;
/// Records and bytes of payload read at once on the way to the end.
const STEP: (usize, usize) = (4096, 1024 * 1024);

/// A damaged place that is passed by every reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The last position that can be read before the place.
    pub after: u64,
    /// The last position given up: what follows is above it.
    pub through: u64,
    /// Base of the segment in which reading goes on.
    pub base: u64,
    /// Offset in it.
    pub offset: u64,
    /// Events stored before that offset, those given up included.
    pub ordinal: u64,
}

/// A place that was durable and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment file.
    pub file: String,
    /// Byte offset in it.
    pub offset: u64,
    /// The last position before the place.
    pub after: u64,
}

/// What passing a damaged place gives up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The place.
    pub damage: Damage,
    /// The last position given up.
    pub through: u64,
    /// Events given up.
    pub events: u64,
}

/// Where a reader cannot go on.
pub(super) struct Obstacle {
    /// The segment; its first block may be what is damaged.
    pub(super) segment: Segment,
    pub(super) offset: u64,
    /// The last position before the place.
    pub(super) after: u64,
    /// Events before the place; 0 where that is not known.
    pub(super) ordinal: u64,
    /// What is damaged is what should be in front of the segment: it is gone.
    pub(super) missing: bool,
}

impl Obstacle {
    /// Where reading goes on: with the next record that can be read.
    pub(super) fn behind(&self, shared: &Shared) -> io::Result<Skip> {
        // What is written meanwhile lies behind the end taken here, and is not counted.
        let (head, segments) = {
            let segments = shared.segments();
            (*shared.head.borrow(), segments.clone())
        };
        let at_start_of = |segment: &Segment, ordinal| Skip {
            after: self.after,
            through: segment.base - 1,
            base: segment.base,
            offset: HEADER_BYTES,
            ordinal,
        };
        if let (true, Some(header)) = (self.missing, self.segment.header) {
            // However far each destination is: what it misses ends here.
            return Ok(Skip {
                after: 0,
                ..at_start_of(&self.segment, header.events_before)
            });
        }
        let own = segments.iter().find(|s| s.base == self.segment.base);
        let next = segments
            .iter()
            .filter(|segment| segment.base > self.segment.base)
            .find_map(|segment| Some((segment, segment.header?.events_before)));
        let events = next.map_or(head.events, |(_, events_before)| events_before);
        let own = own.unwrap_or(&self.segment);
        if let Some((offset, position, ordinal)) = self.next_record(own, events)? {
            // More places of the segment may be damaged: this one held no more events than it
            // has positions, and what else is missing is theirs.
            let most = self.ordinal + (position - 1).saturating_sub(self.after);
            return Ok(Skip {
                after: self.after,
                through: position - 1,
                base: self.segment.base,
                offset,
                ordinal: ordinal.min(most).max(self.ordinal),
            });
        }
        Ok(match next {
            Some((segment, ordinal)) => at_start_of(segment, ordinal),
            None => Skip {
                after: self.after,
                through: head.position,
                base: self.segment.base,
                offset: own.end,
                ordinal: head.events,
            },
        })
    }

    /// Offset and position of the next record of the segment that can be read, and how many
    /// events were stored before it. `events` were up to the segment's end.
    ///
    /// The first record behind it that the index names tells how many: who seeks to that record
    /// counts from there. Without one, what is lost further behind is counted here.
    fn next_record(&self, own: &Segment, events: u64) -> io::Result<Option<(u64, u64, u64)>> {
        let Some(header) = self.segment.header else {
            return Ok(None);
        };
        let index = own.read_index();
        let mut source = Source::salvaging(&*self.segment.file);
        let mut found: Option<(u64, u64)> = None;
        let mut readable = 0;
        let mut last = self.after;
        let mut offset = self.offset;
        while let Some(at) = source.find_magic(offset)?.filter(|at| *at < own.end) {
            match source.decode(at, header.salt)? {
                Some((record, length)) if record.position > last => {
                    last = record.position;
                    offset = at + length as u64;
                    let first = *found.get_or_insert((at, record.position));
                    if let Ok(named) = index.binary_search_by_key(&at, |entry| entry.offset)
                        && let Some(entry) = index.get(named)
                    {
                        let before = header.events_before.saturating_add(entry.events);
                        return Ok(Some((first.0, first.1, before.saturating_sub(readable))));
                    }
                    readable += u64::from(!record.gap);
                }
                _ => offset = at + 8,
            }
        }
        let before = events.saturating_sub(readable);
        Ok(found.map(|(offset, position)| (offset, position, before)))
    }

    /// What going on there gives up.
    pub(super) fn passed(&self, shared: &Arc<Shared>, skip: &Skip) -> Passed {
        let before = match self.ordinal {
            0 => shared.events_up_to(self.after),
            known => known,
        };
        Passed {
            damage: self.damage(),
            through: skip.through,
            events: skip.ordinal.saturating_sub(before),
        }
    }

    fn damage(&self) -> Damage {
        Damage {
            file: self.segment.name(),
            offset: self.offset,
            after: self.after,
        }
    }
}

impl Skip {
    /// Whether the place behind this position is passed.
    pub(super) fn covers(&self, after: u64) -> bool {
        self.after <= after && after < self.through
    }
}

impl Journal {
    /// Damaged places that hold readers, as far as they were met since the start.
    pub fn damage(&self) -> Vec<Damage> {
        self.shared.damage().clone()
    }

    /// Damaged places between the destination that is furthest behind and the end, with what
    /// passing each would give up. Reads all that lies there.
    pub fn damage_ahead(&self) -> Result<Vec<Passed>, SkipError> {
        self.shared.damage_ahead()
    }

    /// What [`Journal::skip`] would give up.
    pub fn preview_skip(&self, after: u64) -> Result<Passed, SkipError> {
        let obstacle = self.shared.obstacle_behind(after)?;
        let skip = obstacle.behind(&self.shared).map_err(SkipError::Io)?;
        Ok(obstacle.passed(&self.shared, &skip))
    }

    /// Makes every reader pass the damaged place that holds those behind `after`, durably. Its
    /// events are lost: each reader that comes to the place is told how many.
    pub fn skip(&self, after: u64) -> Result<Passed, SkipError> {
        self.shared.skip(after)
    }
}

impl Shared {
    /// The place that was passed and begins behind this position, if there is one.
    pub(super) fn passed(&self, last: u64) -> Option<Skip> {
        let skips = self.skips();
        skips.iter().find(|skip| skip.covers(last)).copied()
    }

    /// Notes that readers are held here; said once.
    pub(super) fn found_damage(&self, obstacle: &Obstacle) -> Damage {
        let damage = obstacle.damage();
        let mut known = self.damage();
        if known.len() < DAMAGE_MAX && !known.contains(&damage) {
            let Damage {
                file,
                offset,
                after,
            } = &damage;
            tracing::error!(
                file,
                offset,
                after,
                "journal damaged: destinations that need the place are held"
            );
            known.push(damage.clone());
            self.metrics.damaged(known.len());
        }
        damage
    }

    /// What holds a reader behind `after`.
    fn obstacle_behind(self: &Arc<Self>, after: u64) -> Result<Obstacle, SkipError> {
        let found = Reader::new(Arc::clone(self), after).obstacle()?;
        if found.is_none() {
            // The file was restored meanwhile.
            let mut known = self.damage();
            known.retain(|known| known.after != after);
            self.metrics.damaged(known.len());
        }
        found.ok_or(SkipError::Sound(after))
    }

    /// Events stored up to a position behind which the segments cannot tell: by a destination
    /// that is exactly there, or else by the way that leads there.
    fn events_up_to(self: &Arc<Self>, after: u64) -> u64 {
        let there = {
            let table = self.cursors();
            let mut cursors = table.cursors.values();
            let there = cursors.find(|cursor| cursor.low_water == after);
            there.map(Cursor::events_passed)
        };
        let by_the_way = || {
            let mut way = Reader::new(Arc::clone(self), after.checked_sub(1)?);
            // At most one record, the one at the position, comes before the place.
            let mut found = (0..2).find_map(|_| way.obstacle().ok().flatten());
            let place = found.take_if(|place| place.after == after)?;
            Some(place.ordinal)
        };
        there.or_else(by_the_way).unwrap_or(0)
    }

    fn damage_ahead(self: &Arc<Self>) -> Result<Vec<Passed>, SkipError> {
        let last = self.cursors().cursors.values().map(|c| c.low_water).min();
        let mut ahead = Vec::new();
        let Some(last) = last else {
            return Ok(ahead);
        };
        let mut reader = Reader::new(Arc::clone(self), last);
        loop {
            match reader.read(STEP.0, STEP.1) {
                Ok(Read::Records(records)) if records.is_empty() => return Ok(ahead),
                Ok(_) => {}
                Err(error @ ReadError::Damaged { .. }) => match reader.pass() {
                    Some(passed) => ahead.push(passed),
                    None => return Err(error.into()),
                },
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Makes every reader pass the place that holds those behind `after`, durably.
    fn skip(self: &Arc<Self>, after: u64) -> Result<Passed, SkipError> {
        let obstacle = self.obstacle_behind(after)?;
        let skip = obstacle.behind(self).map_err(SkipError::Io)?;
        let passed = obstacle.passed(self, &skip);
        {
            let mut skips = self.skips();
            if skips.len() >= SKIPS_MAX {
                return Err(SkipError::TooMany);
            }
            skips.push(skip);
        }
        if let Err(error) = self.sync_cursors() {
            self.skips().retain(|known| *known != skip);
            return Err(SkipError::Storage(error));
        }
        let mut known = self.damage();
        // Readers that began in its middle met the same place there.
        known.retain(|known| *known != passed.damage && !skip.covers(known.after));
        self.metrics.damaged(known.len());
        tracing::warn!(
            file = passed.damage.file,
            offset = passed.damage.offset,
            after = skip.after,
            through = skip.through,
            events = passed.events,
            "damaged place passed: destinations behind it count its events as discarded"
        );
        Ok(passed)
    }
}
