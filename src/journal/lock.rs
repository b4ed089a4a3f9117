//! What is checked before a journal directory is used: it is ours alone, and it remembers.
//!
//! The lock is advisory and belongs to the open file, so that it goes with the process, however
//! that ends. File systems are told apart by the magic numbers of `statfs(2)`.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::OpenError;
use super::files::FILE_MODE;

/// File systems that forget at a restart, or whose sync does not reach a disk of this machine.
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

/// Takes the directory's lock; held as long as the file is.
pub(super) fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join("lock");
    let mut options = OpenOptions::new();
    let file = options
        .create(true)
        .truncate(false)
        .write(true)
        .mode(FILE_MODE)
        .open(&path)
        .map_err(OpenError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(OpenError::io("lock", &path)(error)),
    }
}

/// Refuses a directory whose file system would forget acknowledged events.
pub(super) fn refuse_ephemeral(directory: &Path) -> Result<(), OpenError> {
    let stat = rustix::fs::statfs(directory)
        .map_err(|errno| OpenError::io("inspect", directory)(errno.into()))?;
    // The field's width and sign differ between platforms; the magic numbers fit 32 bits.
    let magic = u64::try_from(stat.f_type).unwrap_or(0) & 0xffff_ffff;
    match EPHEMERAL.iter().find(|(known, _)| *known == magic) {
        Some((_, kind)) => Err(OpenError::Ephemeral {
            path: directory.to_owned(),
            kind,
        }),
        None => Ok(()),
    }
}
