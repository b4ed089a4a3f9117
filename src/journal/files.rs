//! The fault seam: every file operation of the journal goes through these two traits.
//!
//! `DiskFiles` is the real thing. Tests put their own implementation here to cut writes short,
//! to fail syncs or to run out of space at any operation. Positions of reads and writes are
//! always explicit, so no file has a cursor of its own that a failure could leave behind.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::directory;

/// Mode of new files: they hold what vendors sent.
pub(super) const FILE_MODE: u32 = 0o600;
/// What direct writes are aligned to: the page, which no common device's block exceeds.
pub const DIRECT_ALIGNMENT: usize = 4096;

/// What the journal does with directories.
pub trait Files: Send + Sync + 'static {
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>>;
    /// Creates an empty file, replacing any.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>>;
    /// The same for a file that is only filled: its writes go past the page cache where the file
    /// system can do that, so that zeros neither take memory nor push out what is read. Memory,
    /// offsets and lengths of writes are multiples of [`DIRECT_ALIGNMENT`].
    fn create_direct(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>>;
    /// Opens an existing file once more, to write whole pages past the page cache where the file
    /// system can do that; alignment as above. Other handles see what it wrote.
    fn open_direct(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>>;
    /// Renames within one directory.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Unlinks a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and unlinks in a directory durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// Bytes that the relay may still take from the directory's file system.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
    /// Names of the files in a directory, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
}

/// What the journal does with one file.
pub trait JournalFile: Send + Sync + 'static {
    /// Reads up to `buffer.len()` bytes; 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes some of `bytes`; may be short.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes the written bytes durable, and of the metadata what is needed to read them.
    fn sync_data(&self) -> io::Result<()>;
    /// Length in bytes.
    fn length(&self) -> io::Result<u64>;
}

/// The file system.
#[derive(Debug, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        Ok(Arc::new(
            OpenOptions::new().read(true).write(true).open(path)?,
        ))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        Ok(Arc::new(creation().open(path)?))
    }

    fn create_direct(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        match direct(creation()).open(path) {
            Ok(file) => Ok(Arc::new(DirectFile(file))),
            // The file system has no such thing.
            Err(error) if is_refused(&error) => self.create(path),
            Err(error) => Err(error),
        }
    }

    fn open_direct(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        match direct(options).open(path) {
            Ok(file) => Ok(Arc::new(DirectFile(file))),
            Err(error) if is_refused(&error) => self.open(path),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        directory::sync(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        directory::free_bytes(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }
}

impl JournalFile for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// A file that is written past the page cache, for as long as the file system takes that.
struct DirectFile(File);

impl JournalFile for DirectFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.0, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        match FileExt::write_at(&self.0, bytes, offset) {
            // Taken at the opening and refused now, or the device wants larger pieces.
            Err(error) if is_refused(&error) => {
                rustix::fs::fcntl_setfl(&self.0, OFlags::empty())?;
                FileExt::write_at(&self.0, bytes, offset)
            }
            written => written,
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// Whether an error says that direct writes are not to be had here.
fn is_refused(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    )
}

fn direct(mut options: OpenOptions) -> OpenOptions {
    options.custom_flags(i32::try_from(OFlags::DIRECT.bits()).unwrap_or(0));
    options
}

fn creation() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    options.mode(FILE_MODE);
    options
}

/// Reads until `buffer` is full or the file ends; returns the bytes read.
pub(super) fn read_full(file: &dyn JournalFile, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// The same, with zeros for the pages that the disk cannot give: no record begins there, so they
/// are damage like any other, and what is around them is read. Whoever decides what is cut must
/// see the error instead.
pub(super) fn read_salvaged(
    file: &dyn JournalFile,
    buffer: &mut [u8],
    at: u64,
) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        let offset = at + done as u64;
        let rest = buffer.get_mut(done..).unwrap_or_default();
        match read_full(file, rest, offset) {
            Ok(count) => return Ok(done + count),
            Err(error) if is_bad_sector(&error) => {}
            Err(error) => return Err(error),
        }
        let in_page = DIRECT_ALIGNMENT - usize::try_from(offset).unwrap_or(0) % DIRECT_ALIGNMENT;
        let length = in_page.min(rest.len());
        let page = rest.get_mut(..length).unwrap_or_default();
        match read_full(file, page, offset) {
            Ok(count) if count < length => return Ok(done + count),
            Ok(_) => {}
            Err(error) if is_bad_sector(&error) => page.fill(0),
            Err(error) => return Err(error),
        }
        done += length;
    }
    Ok(done)
}

/// Whether an error says that the disk does not give back what it was given.
fn is_bad_sector(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

/// Writes all of `bytes`. A write that takes nothing means that the device is full.
pub(super) fn write_full(file: &dyn JournalFile, bytes: &[u8], at: u64) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match file.write_at(rest, at + done as u64) {
            Ok(0) => return Err(io::ErrorKind::StorageFull.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether an error says that space is short: it passes by itself once space returns.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
