//! The open file: append and sync, repair, rotation. Blocking; knows bytes, not events.
//!
//! Invariant: up to `good_bytes` the file holds whole lines that were synced. What lies behind
//! it was written by an attempt that failed or by a process that died, was never reported as
//! delivered, and is cut off before anything is appended.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::rotation::{Names, PathError, packed};
use crate::directory;
use crate::settings::{self, Compress};
use crate::sink::Sent;

/// New files are not for everybody: findings are confidential.
const MODE: u32 = 0o640;
/// How much is read at once in search of the last line end.
const TEAR_BLOCK_BYTES: u64 = 64 * 1024;

/// Appends to one file and rotates it.
pub(super) struct Writer {
    names: Arc<Names>,
    rotate_bytes: u64,
    rotate_age: Option<Duration>,
    keep_files: Option<usize>,
    min_free_bytes: u64,
    /// Asks the file system; tests answer in its place.
    free: fn(&Path) -> io::Result<u64>,
    /// Held while this writer or a compression lives, so that two relays never write one file.
    lock: Option<Arc<File>>,
    /// Whether rotated files are compressed.
    packs: bool,
    /// Whether there may be something to compress that nobody was told of.
    closed: bool,
    /// None before the first batch and after a failure.
    open: Option<Open>,
    /// Where a failed attempt began: behind it the file is not to be trusted.
    repair: Option<(Identity, u64)>,
}

struct Open {
    file: File,
    identity: Identity,
    good_bytes: u64,
    born: SystemTime,
}

/// Tells whether the path still leads to the open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

/// Why a batch was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Another process, or another destination, writes the file.
    #[error("{path} is locked by another writer; stop it or choose another path")]
    Locked { path: PathBuf },
    /// The path leads to something else.
    #[error("{path} is not a regular file; choose another path")]
    NotAFile { path: PathBuf },
    /// Writing would leave less space than configured.
    #[error(
        "{free_bytes} bytes are free on the file system of {path}, and min_free_space \
         ({min_bytes} bytes) would not be left; free some space there, or lower it and restart"
    )]
    Reserved {
        path: PathBuf,
        free_bytes: u64,
        min_bytes: u64,
    },
    /// There are as many files as may be open, and none can be closed.
    #[error(
        "{files} files are open and rotated ones of all of them wait for compression, which is of \
         one after the other, so that no other one can be opened; wait for it, or take names \
         with fewer different values"
    )]
    Busy { files: usize },
    /// The disk or its permissions.
    #[error("cannot {what} {path}: {source}; check free space and permissions")]
    Storage {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
        /// Whether lines may be in the file.
        sent: Sent,
    },
}

impl Writer {
    pub(super) fn new(settings: &settings::File) -> Result<Self, PathError> {
        Ok(Self {
            names: Arc::new(Names::new(&settings.path)?),
            rotate_bytes: settings.rotate_bytes,
            rotate_age: settings.rotate_age,
            keep_files: settings.keep_files,
            min_free_bytes: settings.min_free_bytes,
            free: directory::free_bytes,
            lock: None,
            packs: settings.compress == Compress::Gzip,
            closed: false,
            open: None,
            repair: None,
        })
    }

    /// Appends whole lines; on success they are on disk.
    pub(super) fn append(&mut self, lines: &[u8], now: SystemTime) -> Result<(), Fault> {
        self.acquire()?;
        self.check_space(lines.len())?;
        let mut open = self.current()?;
        if self.is_due(&open, lines.len(), now) {
            open = self.rotate(open, now)?;
        }
        // Until the sync returned, the lines count as not written: a failure, or a panic, finds
        // the place to cut back to here.
        self.repair = Some((open.identity, open.good_bytes));
        let failed = |what, source| self.storage(what, Sent::Unknown, source);
        open.file
            .write_all(lines)
            .map_err(|source| failed("write to", source))?;
        // The size is metadata that fdatasync flushes too, since reading needs it.
        open.file
            .sync_data()
            .map_err(|source| failed("sync", source))?;
        open.good_bytes += u64::try_from(lines.len()).unwrap_or(u64::MAX);
        self.repair = None;
        self.open = Some(open);
        Ok(())
    }

    /// Closes the file; the next batch opens what has its name by then. What a failed attempt left
    /// is still cut off if it is the same one.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// Whether a compression has the lock as well.
    pub(super) fn is_lent(&self) -> bool {
        let lock = self.lock.as_ref();
        lock.is_some_and(|lock| Arc::strong_count(lock) > 1)
    }

    /// Whether a failed write is still to be cut off.
    pub(super) fn is_to_repair(&self) -> bool {
        self.repair.is_some()
    }

    /// The names, for what goes on beside the writing.
    pub(super) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names)
    }

    /// Tells once that there may be rotated files to be compressed, and lends the lock under which
    /// that is safe.
    pub(super) fn closed(&mut self) -> Option<Arc<File>> {
        let closed = std::mem::take(&mut self.closed);
        self.lock.clone().filter(|_| closed)
    }

    fn check_space(&self, lines: usize) -> Result<(), Fault> {
        if self.min_free_bytes == 0 {
            return Ok(());
        }
        let asked = (self.free)(&self.names.directory);
        let free_bytes =
            asked.map_err(|source| self.storage("ask for free space of", Sent::No, source))?;
        let lines = u64::try_from(lines).unwrap_or(u64::MAX);
        if free_bytes < self.min_free_bytes.saturating_add(lines) {
            return Err(Fault::Reserved {
                path: self.names.path.clone(),
                free_bytes,
                min_bytes: self.min_free_bytes,
            });
        }
        Ok(())
    }

    fn acquire(&mut self) -> Result<(), Fault> {
        // A lock in a directory that somebody deleted keeps nobody away.
        if self.lock.is_some() && self.names.directory.is_dir() {
            return Ok(());
        }
        self.lock = None;
        let failed = |source| self.storage("lock", Sent::No, source);
        directory::create(&self.names.directory).map_err(failed)?;
        match directory::lock(&self.names.lock, MODE) {
            Ok(lock) => {
                // An earlier process may have left some. Where none is left the lock is not lent:
                // else the file would stay open until compressions of other files end.
                self.closed = self.packs && self.names.is_anything_left().map_err(failed)?;
                self.lock = Some(Arc::new(lock));
                Ok(())
            }
            Err(TryLockError::WouldBlock) => Err(Fault::Locked {
                path: self.names.path.clone(),
            }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// The open file if the path still leads to it and it is as it was left, else a newly opened
    /// one: somebody may have moved or deleted it, and must not go on receiving events, or may
    /// have appended half a line, which ours must not continue.
    fn current(&mut self) -> Result<Open, Fault> {
        if let Some(open) = self.open.take()
            && let Ok(metadata) = fs::metadata(&self.names.path)
            && Identity::of(&metadata) == open.identity
            && metadata.len() == open.good_bytes
        {
            return Ok(open);
        }
        self.open_file()
    }

    fn open_file(&mut self) -> Result<Open, Fault> {
        let path = self.names.path.clone();
        if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(Fault::NotAFile { path });
        }
        let opened = self.open_repaired(&path);
        opened.map_err(|source| self.storage("open", Sent::No, source))
    }

    fn open_repaired(&mut self, path: &Path) -> io::Result<Open> {
        directory::create(&self.names.directory)?;
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(MODE);
        let mut file = options.open(path)?;
        // A new file whose name is not on disk is lost with all that was synced into it.
        directory::sync(&self.names.directory)?;
        let metadata = file.metadata()?;
        let identity = Identity::of(&metadata);
        let mut length = metadata.len();
        if let Some((failed, good_bytes)) = self.repair
            && failed == identity
            && length > good_bytes
        {
            cut(&file, path, length, good_bytes)?;
            length = good_bytes;
        }
        // After a crash, or behind what somebody else wrote.
        let whole = end_of_lines(&mut file, length)?;
        if whole < length {
            cut(&file, path, length, whole)?;
        }
        self.repair = None;
        Ok(Open {
            file,
            identity,
            good_bytes: whole,
            born: metadata.created().or_else(|_| metadata.modified())?,
        })
    }

    /// An empty file is never rotated, so that one batch larger than the limit has its place.
    fn is_due(&self, open: &Open, lines: usize, now: SystemTime) -> bool {
        let bytes = open
            .good_bytes
            .saturating_add(u64::try_from(lines).unwrap_or(u64::MAX));
        let age = now.duration_since(open.born).unwrap_or_default();
        let is_old = self.rotate_age.is_some_and(|limit| age >= limit);
        open.good_bytes > 0 && (bytes > self.rotate_bytes || is_old)
    }

    fn rotate(&mut self, open: Open, now: SystemTime) -> Result<Open, Fault> {
        // Everything in it is synced, so nothing but its name is at stake. The new name is free,
        // and the lock keeps others from taking it meanwhile.
        let renamed = self.names.free(now).and_then(|target| {
            fs::rename(&self.names.path, &target)?;
            // Else a crash could bring the old name back over the file that follows.
            directory::sync(&self.names.directory)
        });
        renamed.map_err(|source| self.storage("rotate", Sent::No, source))?;
        drop(open);
        self.closed = self.packs;
        if let Some(keep) = self.keep_files
            && let Err(error) = self.prune(keep)
        {
            // Delivery does not depend on it, and the next rotation tries again.
            let path = self.names.path.display();
            tracing::warn!(%error, %path, "old rotated files not deleted");
        }
        self.open_file()
    }

    /// Deletes the oldest rotated files, in both forms: one may be on the way to the other.
    fn prune(&self, keep: usize) -> io::Result<()> {
        let rotated = self.names.rotated()?;
        let surplus = rotated.len().saturating_sub(keep);
        for path in rotated.iter().take(surplus) {
            // Asked for by keep_files; only names of our own form are listed.
            for form in [path, &packed(path)] {
                match fs::remove_file(form) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        directory::sync(&self.names.directory)
    }

    /// The lock, as a compression has it.
    #[cfg(test)]
    pub(super) fn lend(&self) -> Option<Arc<File>> {
        self.lock.clone()
    }

    /// Whether a file is open.
    #[cfg(test)]
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Has another answer to how much space is free.
    #[cfg(test)]
    pub(super) fn replace_free(&mut self, free: fn(&Path) -> io::Result<u64>) {
        self.free = free;
    }

    /// Puts another file in the open one's place, to see its errors.
    #[cfg(test)]
    pub(super) fn replace_file(&mut self, file: File) {
        if let Some(open) = &mut self.open {
            open.file = file;
        }
    }

    fn storage(&self, what: &'static str, sent: Sent, source: io::Error) -> Fault {
        Fault::Storage {
            what,
            path: self.names.path.clone(),
            source,
            sent,
        }
    }
}

impl Identity {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// Cuts off what was never reported as delivered.
fn cut(file: &File, path: &Path, from: u64, to: u64) -> io::Result<()> {
    let path = path.display();
    tracing::warn!(%path, bytes = from - to, offset = to, "cut an incomplete write off");
    file.set_len(to)?;
    file.sync_all()
}

/// The offset behind the last line end.
fn end_of_lines(file: &mut File, length: u64) -> io::Result<u64> {
    let mut end = length;
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(TEAR_BLOCK_BYTES);
        block.clear();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file)
            .take(end - start)
            .read_to_end(&mut block)?;
        if let Some(at) = memchr::memrchr(b'\n', &block) {
            return Ok(start + u64::try_from(at).unwrap_or(0) + 1);
        }
        end = start;
    }
    Ok(0)
}
