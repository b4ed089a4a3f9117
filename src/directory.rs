//! Directories: made with their names on disk, synced, and asked for free space. Blocking.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Not for everybody: also names, where they are made of values, say what events are about.
const MODE: u32 = 0o750;

/// Creates a directory and those missing above it. Their names are on disk when this returns: a
/// power cut could otherwise take the directory with all that was acknowledged in it.
pub fn create(path: &Path) -> io::Result<()> {
    create_with(path, sync)
}

/// The same with another way to sync the parents.
pub fn create_with(path: &Path, sync: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let missing = path.ancestors().take_while(|path| !path.is_dir());
    let missing: Vec<&Path> = missing.collect();
    for path in missing.into_iter().rev() {
        match DirBuilder::new().mode(MODE).create(path) {
            // By another thread; or it is no directory, which shows when it is used.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if let Some(parent) = path.parent() {
            sync(parent)?;
        }
    }
    Ok(())
}

/// Makes names in a directory, and the lack of them, last.
pub fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Bytes that a process without privileges can still write to the directory's file system.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
