//! What is checked before a journal directory is used: it is ours alone, and it remembers.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::error::OpenError;
use super::files::FILE_MODE;
use crate::directory;

/// Takes the directory's lock; held as long as the file is.
pub(super) fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join("lock");
    directory::lock(&path, FILE_MODE).map_err(|error| match error {
        TryLockError::WouldBlock => OpenError::Locked(directory.to_owned()),
        TryLockError::Error(error) => OpenError::io("lock", &path)(error),
    })
}

/// Refuses a directory whose file system would forget acknowledged events.
pub(super) fn refuse_ephemeral(directory: &Path) -> Result<(), OpenError> {
    let kind = directory::ephemeral(directory).map_err(OpenError::io("inspect", directory))?;
    kind.map_or(Ok(()), |kind| {
        let path = directory.to_owned();
        Err(OpenError::Ephemeral { path, kind })
    })
}
