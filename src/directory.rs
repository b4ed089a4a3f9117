//! Directories: made with their names on disk, synced, locked, asked what they lie on. Blocking.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Not for everybody: also names, where they are made of values, say what events are about.
const MODE: u32 = 0o750;

/// File systems that forget at a restart, or whose sync does not reach a disk of this machine, by
/// the magic numbers of `statfs(2)`.
const EPHEMERAL: [(u64, &str); 8] = [
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x794c_7630, "overlayfs"),
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
];

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

/// Takes the lock of a file, which is created with this mode where it is not there. It is advisory
/// and belongs to the open file, so that it goes with the process, however that ends.
pub fn lock(path: &Path, mode: u32) -> Result<File, TryLockError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(mode);
    let file = options.open(path).map_err(TryLockError::Error)?;
    file.try_lock()?;
    Ok(file)
}

/// Bytes that a process without privileges can still write to the directory's file system.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The kind of a file system that may forget what was synced to it; none of one that does not.
pub fn ephemeral(path: &Path) -> io::Result<Option<&'static str>> {
    let stat = rustix::fs::statfs(path)?;
    // The field's width and sign differ between platforms; the magic numbers fit 32 bits.
    let magic = u64::try_from(stat.f_type).unwrap_or(0) & 0xffff_ffff;
    let known = EPHEMERAL.iter().find(|(known, _)| *known == magic);
    Ok(known.map(|(_, kind)| *kind))
}
