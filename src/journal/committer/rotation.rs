//! From one segment to the next: seal the old one, turn the spare into the new one.
//!
//! Each step is durable before the next begins: the seal, the new first block, the new name.

use std::path::Path;
use std::sync::Arc;

use super::Committer;
use crate::journal::Health;
use crate::journal::error::AppendError;
use crate::journal::files::{JournalFile, write_full};
use crate::journal::group::Request;
use crate::journal::seal::Contents;
use crate::journal::segment::{self, HEADER_BYTES, Segment, SegmentHeader, now_ms};
use crate::journal::spare;

impl Committer {
    /// Begins the next segment for a request that the present one has no room for.
    pub(super) fn rotate_for(&mut self, request: Request) -> Option<Request> {
        match self.rotate() {
            Ok(()) => Some(request),
            Err(error) => {
                request.fail(error);
                None
            }
        }
    }

    /// Ends the segment: seals it, so that nobody has to read it to know what is in it.
    fn seal(&mut self) -> Result<(), AppendError> {
        if self.ended {
            return Ok(());
        }
        if self.stale {
            // Once another segment follows, a start no longer looks for the end of this one, and
            // readers would take what a refused group left for events.
            write_full(&*self.file, &[0; 8], self.offset).map_err(|e| self.refuse(&e, "end"))?;
            self.stale = false;
        }
        let base = self.shared.segments().last().map_or(1, |last| last.base);
        self.contents.last = self.contents.last.max(base - 1);
        let bytes_left = self.segment_bytes.saturating_sub(self.offset);
        let seal = self.contents.seal(self.offset, self.salt, bytes_left);
        let at = self.segment_bytes.saturating_sub(seal.len() as u64);
        write_full(&*self.file, &seal, at).map_err(|error| self.refuse(&error, "seal"))?;
        self.file
            .sync_data()
            .map_err(|error| self.poison(&error, "seal"))?;
        self.ended = true;
        if let Some(sealed) = self.shared.segments().last_mut() {
            // From now on it is read from the seal.
            sealed.index = Vec::new();
        }
        Ok(())
    }

    /// Turns the spare into the segment to write to. The old one is complete and synced.
    pub(super) fn rotate(&mut self) -> Result<(), AppendError> {
        let spare = self.shared.spare.take().map_err(|reason| {
            self.shared.set_health(Health::Full(reason.clone()));
            AppendError::Full(reason)
        })?;
        if let Err(error) = self.seal() {
            // It still has the spare's name: it is found again when there is space.
            self.shared.spare.renamed();
            return Err(error);
        }
        let header = SegmentHeader {
            journal_id: self.shared.journal_id,
            base: self.next_position,
            events_before: self.events,
            created_ms: now_ms(),
            salt: segment::salt(),
        };
        let path = segment::path(&self.shared.directory, header.base);
        let length = self.shared.options.segment_bytes;
        if let Err(error) = self.begin(&*spare.file, &header, &path) {
            self.shared.spare.renamed();
            self.shared.metrics.error("create");
            return Err(error);
        }
        self.shared.segments().push(Segment {
            base: header.base,
            header: Some(header),
            file: Arc::clone(&spare.file),
            path,
            end: HEADER_BYTES,
            file_bytes: length,
            index: Vec::new(),
        });
        self.file = spare.file;
        self.groups = spare.groups;
        // Only now: the next spare is measured against a limit that counts this segment, and may
        // be the one before it, if nobody has that open.
        self.shared.spare.renamed();
        self.salt = header.salt;
        self.segment_bytes = length;
        self.base = header.base;
        self.offset = HEADER_BYTES;
        // That is where a page begins.
        self.buffer.begin(&[]);
        self.contents = Contents::default();
        self.ended = false;
        Ok(())
    }

    /// Makes a spare file a segment: header, then name.
    fn begin(
        &self,
        file: &dyn JournalFile,
        header: &SegmentHeader,
        path: &Path,
    ) -> Result<(), AppendError> {
        let spare = self.shared.directory.join(spare::FILE_NAME);
        let files = &self.shared.files;
        let action = "begin a segment after";
        write_full(file, &header.encode(), 0).map_err(|error| self.refuse(&error, action))?;
        // The header is durable before the name is: a file with a segment's name has one.
        file.sync_data()
            .map_err(|error| self.poison(&error, action))?;
        files
            .rename(&spare, path)
            .map_err(|error| self.refuse(&error, action))?;
        // Without this sync a power cut could take the name, and with it acknowledged events. If
        // it fails, nobody knows whether the name is there; going on in the old segment would
        // leave two segments that claim the same positions.
        let synced = files.sync_directory(&self.shared.directory);
        synced.map_err(|error| self.poison(&error, action))
    }
}
