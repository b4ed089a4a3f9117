//! Writing one group: whole pages past the page cache, one sync, and what a failure means.

use std::io;

use super::{Committer, GROUP_BYTES_MAX};
use crate::journal::Health;
use crate::journal::buffer::GroupBuffer;
use crate::journal::error::AppendError;
use crate::journal::files::{DIRECT_ALIGNMENT, is_full, read_full, write_full};
use crate::journal::recovery::Tail;
use crate::journal::segment::Segment;

/// Memory kept between groups; more is given back.
const BUFFER_KEPT_BYTES: usize = 2 * GROUP_BYTES_MAX;

impl Committer {
    /// Hands what was written to readers at the tail, and begins the next group behind it.
    pub(super) fn next_buffer(&mut self, at: u64) {
        if self.buffer.capacity() > BUFFER_KEPT_BYTES {
            let mut smaller = GroupBuffer::default();
            smaller.begin(self.buffer.last_page());
            self.buffer = smaller;
        } else {
            self.shared.recent.keep(self.base, at, &mut self.buffer);
        }
    }

    pub(super) fn write_and_sync(&mut self) -> Result<(), AppendError> {
        // Zeros up to the end of the page: only whole pages can go past the page cache, where
        // fresh pages cost more than all that is done with them.
        let length = self.buffer.len();
        let at = self.offset - self.buffer.durable() as u64;
        let left = self.segment_bytes.saturating_sub(at);
        self.buffer.pad(usize::try_from(left).unwrap_or(usize::MAX));
        let written = self.write_buffer(at);
        self.buffer.truncate(length);
        written
    }

    fn write_buffer(&mut self, at: u64) -> Result<(), AppendError> {
        if let Err(error) = write_full(&*self.groups, self.buffer.bytes(), at) {
            self.shared.metrics.error("write");
            self.stale = true;
            return Err(self.refuse(&error, "write"));
        }
        // The promise behind every 2xx: nothing is answered before this returns.
        if let Err(error) = self.groups.sync_data() {
            self.shared.metrics.error("sync");
            return Err(self.poison(&error, "sync"));
        }
        Ok(())
    }

    /// Writes the page in which the next group begins as it is, on the way that groups take.
    pub(super) fn write_nothing(&self) -> io::Result<()> {
        let durable = self.buffer.bytes().get(..self.buffer.durable());
        let durable = durable.unwrap_or_default();
        let at = self.offset - durable.len() as u64;
        let left = self.segment_bytes.saturating_sub(at);
        let mut page = GroupBuffer::default();
        page.begin(durable);
        page.room_for(8).extend_from_slice(&[0; 8]);
        page.pad(usize::try_from(left).unwrap_or(usize::MAX));
        write_full(&*self.groups, page.bytes(), at)
    }

    /// Lack of space before the sync leaves the end where it was: the next group overwrites what
    /// was written, at higher positions. Anything else leaves the disk's content unknown.
    pub(super) fn refuse(&self, error: &io::Error, action: &str) -> AppendError {
        if !is_full(error) {
            return self.poison(error, action);
        }
        let reason = format!("cannot {action} {}: {error}", self.name());
        self.shared.set_health(Health::Full(reason.clone()));
        AppendError::Full(reason)
    }

    pub(super) fn poison(&self, error: &io::Error, action: &str) -> AppendError {
        let reason = format!("cannot {action} {}: {error}", self.name());
        self.shared.set_health(Health::Poisoned(reason.clone()));
        AppendError::Poisoned(reason)
    }

    fn name(&self) -> String {
        self.shared
            .segments()
            .last()
            .map(Segment::name)
            .unwrap_or_default()
    }
}

/// A buffer that begins with what is durable of the page in which the segment's next group begins.
pub(super) fn begun(tail: &Tail) -> io::Result<GroupBuffer> {
    let mut page = [0; DIRECT_ALIGNMENT];
    let length = tail.offset % DIRECT_ALIGNMENT as u64;
    let durable = page.get_mut(..usize::try_from(length).unwrap_or(0));
    let durable = durable.unwrap_or_default();
    if read_full(&*tail.file, durable, tail.offset - length)? < durable.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut buffer = GroupBuffer::default();
    buffer.begin(durable);
    Ok(buffer)
}
