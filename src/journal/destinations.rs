//! What others do with a journal's cursors: make one known, move it, rename it, forget it.
//!
//! Each change that somebody relies on is durable when the call returns; only a moved cursor is
//! synced a moment later, by the keeper.

use super::cursors::{CURSORS_MAX, Cursor};
use super::error::CursorError;
use super::{Journal, StartAt, retention};

impl Journal {
    /// Makes a cursor known, durably; a known one keeps its place.
    pub fn register(&self, name: &str, start: StartAt) -> Result<Cursor, CursorError> {
        // The oldest segment must not go between being chosen and being needed.
        let _kept = retention::pause(&self.shared);
        {
            let mut table = self.shared.cursors();
            if let Some(cursor) = table.cursors.get(name) {
                return Ok(cursor.clone());
            }
            if table.cursors.len() >= CURSORS_MAX {
                return Err(CursorError::TooMany);
            }
            let cursor = self.shared.new_cursor(start);
            table.cursors.insert(name.to_owned(), cursor);
        }
        if let Err(error) = self.shared.sync_cursors() {
            self.shared.cursors().cursors.remove(name);
            return Err(error);
        }
        self.load_cursor(name)
    }

    /// Drops a cursor, durably, and returns it.
    pub fn forget(&self, name: &str) -> Result<Cursor, CursorError> {
        // What it needs must still be there if it has to be put back.
        let _kept = retention::pause(&self.shared);
        let removed = self.shared.cursors().cursors.remove(name);
        let cursor = removed.ok_or_else(|| CursorError::Unknown(name.to_owned()))?;
        if let Err(error) = self.shared.sync_cursors() {
            let mut table = self.shared.cursors();
            table.cursors.insert(name.to_owned(), cursor);
            table.dirty = true;
            return Err(error);
        }
        self.shared.shedding.forget(name);
        Ok(cursor)
    }

    /// Gives a cursor another name, durably; its place stays.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), CursorError> {
        let _kept = retention::pause(&self.shared);
        {
            let mut table = self.shared.cursors();
            if table.cursors.contains_key(to) {
                return Err(CursorError::Taken(to.to_owned()));
            }
            let cursor = table.cursors.remove(from);
            let cursor = cursor.ok_or_else(|| CursorError::Unknown(from.to_owned()))?;
            table.cursors.insert(to.to_owned(), cursor);
        }
        if let Err(error) = self.shared.sync_cursors() {
            let mut table = self.shared.cursors();
            if let Some(cursor) = table.cursors.remove(to) {
                table.cursors.insert(from.to_owned(), cursor);
            }
            table.dirty = true;
            return Err(error);
        }
        self.shared.shedding.forget(from);
        Ok(())
    }

    /// The stored place of a cursor.
    pub fn load_cursor(&self, name: &str) -> Result<Cursor, CursorError> {
        self.shared.cursors().load(name)
    }

    /// Names of all cursors.
    pub fn cursor_names(&self) -> Vec<String> {
        self.shared.cursors().cursors.keys().cloned().collect()
    }

    /// Stores a place; durable within about 10 ms, and before any segment below it is unlinked.
    pub fn store_cursor(&self, name: &str, cursor: &Cursor) -> Result<u64, CursorError> {
        let (revision, first) = {
            let mut table = self.shared.cursors();
            let first = !table.dirty;
            (table.store(name, cursor)?, first)
        };
        if first && let Some(keeper) = &self.keeper {
            keeper.unpark();
        }
        Ok(revision)
    }

    /// Makes every stored cursor durable now.
    pub fn sync_cursors(&self) -> Result<(), CursorError> {
        self.shared.sync_cursors()
    }
}
