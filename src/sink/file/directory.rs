//! Directories: made with their names on disk, synced, and asked for free space. Blocking.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Directories are not for everybody either: names made of values say what findings are about.
const MODE: u32 = 0o750;

/// Creates what is missing of a directory's path, and syncs each parent of a created one.
pub(super) fn create_directories(directory: &Path) -> io::Result<()> {
    let missing = directory.ancestors().take_while(|path| !path.is_dir());
    let missing: Vec<&Path> = missing.collect();
    for path in missing.into_iter().rev() {
        match DirBuilder::new().mode(MODE).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if let Some(parent) = path.parent() {
            sync_directory(parent)?;
        }
    }
    Ok(())
}

/// Makes names in a directory, and the lack of them, last.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Bytes that a process without privileges can still write to the directory's file system.
pub(super) fn free_bytes(directory: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(directory)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
