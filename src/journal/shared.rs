//! What the journal's threads and readers do with what they share: look, change state, store.
//!
//! Locks are taken in one order only: removal of segments (`retention`), cursor file, cursors,
//! damage and skips, segments, limits (`shedding`). The head is sent with the segments locked, so
//! nobody locks these while borrowing it.

use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError, TryLockError};

use super::cursor_file::Stored;
use super::cursors::{Cursor, CursorTable};
use super::error::CursorError;
use super::segment::Segment;
use super::{Damage, Shared, Skip, StartAt};

/// The end of what is durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last durable position; 0 when nothing was ever stored.
    pub position: u64,
    /// Events ever stored: the ordinal of the last one.
    pub events: u64,
}

/// Whether the journal takes records now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Accepting,
    /// It has no space, and says why; it looks again by itself.
    Full(String),
    /// It takes none until a restart, and says why.
    Poisoned(String),
}

impl Shared {
    pub(super) fn segments(&self) -> MutexGuard<'_, Vec<Segment>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same at once; none where somebody else has them.
    pub(super) fn try_segments(&self) -> Option<MutexGuard<'_, Vec<Segment>>> {
        match self.segments.try_lock() {
            Ok(segments) => Some(segments),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(super) fn cursors(&self) -> MutexGuard<'_, CursorTable> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn damage(&self) -> MutexGuard<'_, Vec<Damage>> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn skips(&self) -> MutexGuard<'_, Vec<Skip>> {
        self.skips.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.segments()
            .iter()
            .map(|segment| segment.file_bytes)
            .sum()
    }

    /// Moves to a state; a poisoned journal stays poisoned.
    pub(super) fn set_health(&self, health: Health) {
        if matches!(&*self.health.borrow(), Health::Poisoned(_)) {
            return;
        }
        let state = match &health {
            Health::Accepting => "accepting",
            Health::Full(_) => "full",
            Health::Poisoned(_) => "poisoned",
        };
        self.metrics.state(state);
        let changed = self.health.send_if_modified(|known| {
            let changed = *known != health;
            known.clone_from(&health);
            changed
        });
        if !changed {
            return;
        }
        match health {
            Health::Accepting => tracing::info!("journal accepts events again"),
            Health::Full(reason) => tracing::error!(reason, "journal full: events are refused"),
            Health::Poisoned(reason) => {
                tracing::error!(
                    reason,
                    "journal poisoned: events are refused until a restart"
                );
            }
        }
    }

    /// Where a new cursor begins.
    pub(super) fn new_cursor(&self, start: StartAt) -> Cursor {
        let head = *self.head.borrow();
        let segments = self.segments();
        let (low_water, skipped_events) = match start {
            StartAt::Latest => (head.position, head.events),
            StartAt::Earliest => segments.first().map_or((0, 0), |first| {
                let skipped = first.header.map_or(0, |header| header.events_before);
                (first.base.saturating_sub(1), skipped)
            }),
        };
        Cursor {
            low_water,
            skipped_events,
            ..Cursor::default()
        }
    }

    /// Nobody comes to a place any more whose segments are gone.
    fn forget_places(&self) {
        let (mut damage, mut skips) = (self.damage(), self.skips());
        if damage.is_empty() && skips.is_empty() {
            return;
        }
        let segments = self.segments();
        let first = segments.first().map_or(0, |first| first.base);
        skips.retain(|skip| skip.base >= first);
        damage.retain(|damage| segments.iter().any(|segment| segment.name() == damage.file));
        self.metrics.damaged(damage.len());
    }

    /// Writes all cursors and the durable head, and syncs.
    pub(super) fn sync_cursors(&self) -> Result<(), CursorError> {
        let mut file = self
            .cursor_file
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let stored = {
            let mut table = self.cursors();
            table.dirty = false;
            self.forget_places();
            Stored {
                head: *self.head.borrow(),
                position_max: self.position_max.load(Ordering::Acquire),
                cursors: table.cursors.clone(),
                skips: self.skips().clone(),
            }
        };
        let result = file.store(&stored);
        if result.is_err() {
            self.metrics.error("cursor");
            self.cursors().dirty = true;
        }
        result
    }
}
