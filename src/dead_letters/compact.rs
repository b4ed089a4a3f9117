//! Rewriting a log without what is settled.
//!
//! The present letters go into a new file beside the log, which is synced before it takes the
//! log's name, and the name is synced after. A kill at any step leaves one whole log under the
//! name: the old one or the new one, which say the same.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use jiff::Timestamp;

use super::file::{LogFile, create, new_path, read_index, read_span};
use super::line;
use super::{DeadLetterError, LetterState};
use crate::event::EventId;

/// A rewrite to so little may take it from the reserve for a moment: where space is short, purging
/// all letters has to give it back.
const SMALL_BYTES: u64 = 64 * 1024;

/// A point at which a rewrite can be broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing was done.
    Write,
    /// The new file is written.
    Sync,
    /// It is on disk.
    Index,
    /// What its lines come to is known.
    Rename,
    /// It has the log's name.
    SyncDirectory,
}

impl LogFile {
    /// Rewrites the log; that it cannot be done costs space and nothing else.
    pub(super) fn compact_or_warn(&mut self) {
        let done = self
            .check_room_to_rewrite()
            .and_then(|()| self.compact(|_| Ok(())));
        if let Err(error) = done {
            tracing::warn!(%error, "settled dead letters still take space");
        }
    }

    /// An error where the rewrite, which needs its space beside the old log, would take from the
    /// reserve: that is for lines that settle letters, and for the journal's cursors.
    fn check_room_to_rewrite(&self) -> Result<(), DeadLetterError> {
        let check = |bytes| {
            let small = bytes <= SMALL_BYTES;
            self.check_room(bytes, if small { 0 } else { self.reserve_bytes })
        };
        // Cheap first: where space is short this is asked with each batch of a replay.
        check(self.index.live_bytes())?;
        check(self.rewritten_bytes())
    }

    /// Rewrites the log; `reached` is asked before each step.
    pub(super) fn compact(
        &mut self,
        mut reached: impl FnMut(Step) -> io::Result<()>,
    ) -> Result<(), DeadLetterError> {
        let path = new_path(&self.path);
        let mut rewrite = || {
            reached(Step::Write)?;
            let file = create(&path, true)?;
            let mut out = BufWriter::new(file);
            self.write_present(&mut out)?;
            let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            reached(Step::Sync)?;
            file.sync_all()?;
            reached(Step::Index)?;
            let length = file.metadata()?.len();
            let index = read_index(&mut file, length, &path).map_err(io::Error::other)?;
            reached(Step::Rename)?;
            self.check_sole_writer()?;
            // The last that can fail: from here on what is known is of the file with the name.
            std::fs::rename(&path, &self.path)?;
            Ok((file, length, index))
        };
        let (file, length, index) = match rewrite() {
            Ok(rewritten) => rewritten,
            Err(error) => {
                if let Err(error) = std::fs::remove_file(&path) {
                    tracing::debug!(%error, "no rewritten dead-letter log to remove");
                }
                return Err(self.failed("rewrite", error));
            }
        };
        self.file = file;
        self.length = length;
        self.index = index;
        self.torn = false;
        // Until the name is on disk a power cut may bring the old log back, which says the same.
        // What is appended from here on is in the new one only, so nothing is before it is.
        self.name_synced = false;
        let reached = reached(Step::SyncDirectory);
        reached.map_err(|error| self.failed("rewrite", error))?;
        self.sync_name()
    }

    /// Whether a rewrite makes room for so many bytes more.
    pub(super) fn fits_rewritten(&self, bytes: u64) -> bool {
        let fits = |rewritten| rewritten + bytes <= self.bytes_max;
        // Cheap first: a full log is asked with each probe of its destination.
        fits(self.index.live_bytes()) && fits(self.rewritten_bytes())
    }

    /// What the log comes to when it is rewritten.
    pub(super) fn rewritten_bytes(&self) -> u64 {
        self.index.live_bytes() + self.states().len() as u64
    }

    fn write_present(&self, out: &mut impl Write) -> io::Result<()> {
        for span in &self.index.unreadable {
            out.write_all(&read_span(&self.file, *span)?)?;
        }
        for entry in self.index.entries() {
            // As they are, read or not: a damaged letter must not keep the log from a rewrite.
            out.write_all(&read_span(&self.file, entry.line)?)?;
            if let Some(refusal) = self.index.refusal(entry.id) {
                out.write_all(&read_span(&self.file, refusal)?)?;
            }
        }
        out.write_all(&self.states())
    }

    /// The lines that say what is to become of present letters, and what is still to be counted.
    fn states(&self) -> Vec<u8> {
        let mut asked: BTreeMap<_, Vec<EventId>> = BTreeMap::new();
        for entry in self.index.entries() {
            let kind = match entry.state {
                LetterState::Dead => continue,
                LetterState::Waiting => "replay",
                LetterState::Sending => "sending",
            };
            let ids = asked.entry((kind, entry.replay_id)).or_default();
            ids.push(entry.id);
        }
        let now = Timestamp::now();
        let mut lines = Vec::new();
        for ((kind, replay_id), ids) in asked {
            for line in line::about(kind, &ids, replay_id, now) {
                line::put(&mut lines, &line);
            }
        }
        if self.index.uncounted > 0 {
            line::put(&mut lines, &line::purged(self.index.uncounted, now));
        }
        if let Some(counting) = self.index.counting {
            let line = line::counting(counting.events, counting.dead_lettered);
            line::put(&mut lines, &line);
        }
        lines
    }
}
