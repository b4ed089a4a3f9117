//! What becomes of letters: asked to be sent again, sent, settled, purged, and counted as purged.
//!
//! Each step is one synced write before anybody acts on it, so that a kill between two steps
//! leaves a letter in the earlier one: sent once more at worst, never lost.

use jiff::Timestamp;

use super::file::LogFile;
use super::line;
use super::{DeadLetterError, Filter, LetterState, ReplayOutcome};
use crate::event::{EventId, ReplayId};

impl LogFile {
    /// Marks letters to be sent again, by one replay with an id of its own; those that are marked
    /// already are not counted.
    pub(super) fn request_replay(
        &mut self,
        filter: &Filter,
        dry_run: bool,
    ) -> Result<u64, DeadLetterError> {
        self.reopen_if_replaced()?;
        let ids = self.select(filter, |_, state| state == LetterState::Dead)?;
        if !dry_run && !ids.is_empty() {
            self.put_about("replay", &ids, Some(ReplayId::new()))?;
        }
        Ok(ids.len() as u64)
    }

    /// Gives letters up; those of an attempt under way are left out. What they took is free
    /// afterwards.
    pub(super) fn purge(&mut self, filter: &Filter, dry_run: bool) -> Result<u64, DeadLetterError> {
        self.reopen_if_replaced()?;
        let ids = self.select(filter, |id, _| !self.in_flight.contains(&id))?;
        if !dry_run && !ids.is_empty() {
            self.put_about("purged", &ids, None)?;
            self.compact_or_warn();
        }
        Ok(ids.len() as u64)
    }

    /// Notes that letters are about to be sent; returns those that are still to be.
    pub(super) fn begin_sending(
        &mut self,
        ids: &[EventId],
    ) -> Result<Vec<EventId>, DeadLetterError> {
        self.reopen_if_replaced()?;
        let state = |id: &EventId| self.index.get(*id).map(|entry| entry.state);
        let present = ids.iter().copied().filter(|id| {
            let state = state(id);
            state.is_some() && state != Some(LetterState::Dead)
        });
        let present: Vec<_> = present.collect();
        let new = present.iter().copied();
        let new: Vec<_> = new
            .filter(|id| state(id) == Some(LetterState::Waiting))
            .collect();
        if !new.is_empty() {
            self.put_about("sending", &new, None)?;
        }
        self.in_flight.clone_from(&present);
        Ok(present)
    }

    /// Notes what became of letters that were sent, and ends the attempt.
    pub(super) fn settle(&mut self, outcomes: &[ReplayOutcome]) -> Result<(), DeadLetterError> {
        if !outcomes.is_empty() {
            self.reopen_if_replaced()?;
            let now = Timestamp::now();
            let mut lines = Vec::new();
            for outcome in outcomes {
                line::put(&mut lines, &line::outcome(outcome, now));
            }
            self.put(&lines)?;
            if self.length - self.index.live_bytes() > self.index.live_bytes() {
                self.compact_or_warn();
            }
        }
        self.in_flight.clear();
        Ok(())
    }

    /// Begins to move purged events in totals that have so many dead-lettered ones and are on
    /// disk; returns how many are to be moved. The totals are stored and synced next, then
    /// [`Self::end_count`] is called; if either fails, this is repeated first.
    ///
    /// A kill in between leaves a `counting` line that names what the totals have after the move,
    /// so that the next run can tell whether it was stored. No letter is taken before
    /// [`Self::end_count`]: it would change that number.
    pub(super) fn begin_count(&mut self, dead_lettered: u64) -> Result<u64, DeadLetterError> {
        if let Some(counting) = self.index.counting {
            // No letter came between, so another number is the one before the move.
            let moved = dead_lettered == counting.dead_lettered;
            return Ok(if moved {
                0
            } else {
                counting.events.min(dead_lettered)
            });
        }
        let events = self.index.uncounted;
        let moved = events.min(dead_lettered);
        let mut lines = Vec::new();
        line::put(&mut lines, &line::counting(events, dead_lettered - moved));
        self.put(&lines)?;
        Ok(moved)
    }

    /// Notes that the moved totals are on disk.
    pub(super) fn end_count(&mut self) -> Result<(), DeadLetterError> {
        if let Some(counting) = self.index.counting {
            self.counted_due = Some(counting.events);
        }
        self.put(&[])
    }

    fn put_about(
        &mut self,
        kind: &str,
        ids: &[EventId],
        replay_id: Option<ReplayId>,
    ) -> Result<(), DeadLetterError> {
        let mut lines = Vec::new();
        for line in line::about(kind, ids, replay_id, Timestamp::now()) {
            line::put(&mut lines, &line);
        }
        self.put(&lines)
    }

    /// Ids of the letters that a filter and a condition want, oldest first.
    pub(super) fn select(
        &self,
        filter: &Filter,
        wanted: impl Fn(EventId, LetterState) -> bool,
    ) -> Result<Vec<EventId>, DeadLetterError> {
        let limit = filter.limit.unwrap_or(usize::MAX);
        let mut ids = Vec::new();
        for entry in self.index.entries() {
            if ids.len() >= limit {
                break;
            }
            if !filter.may_want(entry.id, entry.died_ms) || !wanted(entry.id, entry.state) {
                continue;
            }
            if filter.reads_letters() {
                // What cannot be told of a damaged letter is not what is asked for.
                let letter = self.letter(entry)?;
                if !letter.is_some_and(|letter| filter.wants(&letter)) {
                    continue;
                }
            }
            ids.push(entry.id);
        }
        Ok(ids)
    }
}
