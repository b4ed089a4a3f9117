//! The open files of one destination: one, or those whose names followed from the last events.
//!
//! A file that was not written to for longest is closed where another one is needed, with its
//! lock; written to again, it is opened again, and all that opening puts right is put right then.
//! Blocking; knows paths, not events.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::packer::Packer;
use super::rotation::PathError;
use super::writer::{Fault, Writer};
use crate::settings::{self, Compress};

/// Files of a destination that are open at once; each has a lock besides.
pub const FILES_OPEN_MAX: usize = 64;

/// The files.
pub(super) struct Files {
    settings: settings::File,
    /// The one written to last comes last; [`FILES_OPEN_MAX`] at most.
    files: Vec<OneFile>,
    /// Set when the destination is gone; shared with every compression.
    stopped: Arc<AtomicBool>,
}

/// A file and what is done with its rotated ones.
pub(super) struct OneFile {
    path: PathBuf,
    pub(super) writer: Writer,
    /// None where rotated files stay as they are.
    pub(super) packer: Option<Arc<Packer>>,
}

impl Files {
    /// Opens none; one whose path is known is looked at.
    pub(super) fn new(
        settings: &settings::File,
        stopped: Arc<AtomicBool>,
    ) -> Result<Self, PathError> {
        let mut files = Self {
            settings: settings.clone(),
            files: Vec::new(),
            stopped,
        };
        if settings.names.is_none() {
            files.files.push(files.make(&settings.path)?);
        }
        Ok(files)
    }

    /// The file with this path.
    pub(super) fn get(&mut self, path: &Path) -> Result<&mut OneFile, Fault> {
        let at = self.files.iter().position(|file| file.path == path);
        let file = match at {
            Some(at) => self.files.remove(at),
            None => {
                self.make_room()?;
                let path = path.to_owned();
                self.make(&path).map_err(|_| Fault::NotAFile { path })?
            }
        };
        Ok(self.files.push_mut(file))
    }

    /// Closes all; the next batch opens what has its name by then.
    pub(super) fn close(&mut self) {
        for file in &mut self.files {
            file.writer.close();
        }
    }

    fn make(&self, path: &Path) -> Result<OneFile, PathError> {
        let settings = settings::File {
            path: path.to_owned(),
            names: None,
            ..self.settings.clone()
        };
        let writer = Writer::new(&settings)?;
        let packer = || {
            let stopped = Arc::clone(&self.stopped);
            Arc::new(Packer::new(
                writer.names(),
                settings.min_free_bytes,
                stopped,
            ))
        };
        let packer = (settings.compress == Compress::Gzip).then(packer);
        Ok(OneFile {
            path: settings.path,
            writer,
            packer,
        })
    }

    /// Lets go of a file where there are as many as there may be: not of one whose lock a
    /// compression has, since nobody could write to it until that ends, and if possible not of one
    /// in which a failed write is still to be cut off, since its lines would stay and come twice.
    fn make_room(&mut self) -> Result<(), Fault> {
        if self.files.len() < FILES_OPEN_MAX {
            return Ok(());
        }
        let free = |file: &OneFile| !file.writer.is_lent();
        let whole = |file: &OneFile| free(file) && !file.writer.is_to_repair();
        let mut files = self.files.iter();
        let at = files.position(whole);
        let at = at.or_else(|| self.files.iter().position(free));
        let at = at.ok_or(Fault::Busy {
            files: FILES_OPEN_MAX,
        })?;
        self.files.remove(at);
        Ok(())
    }

    /// The writer of the only file.
    #[cfg(test)]
    pub(super) fn only(&mut self) -> &mut Writer {
        assert_eq!(self.files.len(), 1);
        &mut self.files[0].writer
    }

    /// Paths of the files, the one written to last at the end.
    #[cfg(test)]
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.path.clone()).collect()
    }
}
