//! Compression of rotated files, beside the writing: never in its way, one at a time.
//!
//! `NAME` becomes `NAME.gz.tmp`, synced, then `NAME.gz`, synced by its directory, and only then is
//! `NAME` removed. So at whatever step the process or the machine stops, the events are there in
//! one whole form or in both. What is left of a step is put right by the next run: an unfinished
//! file is removed, and a file that is there in both forms is compressed once more, since only the
//! plain one is certainly ours and whole. Runs follow rotations and the first batch after a start;
//! all of them are under the file's lock. A failure is logged, and the next run tries again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::Semaphore;

use super::rotation::{Names, packed, unfinished};
use crate::directory;

/// Compressions at a time in the whole process: each takes a core.
static TURN: Semaphore = Semaphore::const_new(1);
/// Bytes compressed between two looks whether to stop.
const BLOCK_BYTES: usize = 256 * 1024;
/// Until the plain file's permissions are copied nobody else needs to read it.
const MODE: u32 = 0o600;

/// Compresses the rotated files of one file.
pub(super) struct Packer {
    names: Arc<Names>,
    min_free_bytes: u64,
    /// A run waits for its turn, and will see what is rotated until then.
    waiting: AtomicBool,
    /// The destination is gone: a run ends with the present block, and none begins. Shared by all
    /// of its files.
    stopped: Arc<AtomicBool>,
}

impl Packer {
    pub(super) fn new(names: Arc<Names>, min_free_bytes: u64, stopped: Arc<AtomicBool>) -> Self {
        Self {
            names,
            min_free_bytes,
            waiting: AtomicBool::new(false),
            stopped,
        }
    }

    /// Has everything compressed that is rotated by now; returns at once. `lock` is kept until
    /// that is done. At most one run is under way and one waits.
    pub(super) fn start(self: &Arc<Self>, lock: Arc<File>) {
        if self.waiting.swap(true, Ordering::AcqRel) {
            return;
        }
        let packer = Arc::clone(self);
        tokio::spawn(async move {
            // The semaphore is never closed.
            let _turn = TURN.acquire().await;
            packer.waiting.store(false, Ordering::Release);
            let run = tokio::task::spawn_blocking(move || packer.run(lock));
            if let Err(error) = run.await
                && error.is_panic()
            {
                tracing::error!(%error, "compression of rotated files broke off");
            }
        });
    }

    /// One run. A file that cannot be compressed does not keep the others from it.
    pub(super) fn run(&self, lock: Arc<File>) {
        let directory = self.names.directory.display();
        if let Err(error) = self.clean() {
            tracing::warn!(%error, %directory, "unfinished compressed files not removed");
        }
        let plain = match self.names.plain() {
            Ok(plain) => plain,
            Err(error) => {
                tracing::warn!(%error, %directory, "rotated files not listed");
                return;
            }
        };
        for plain in plain {
            if self.is_stopped() {
                break;
            }
            if let Err(error) = self.pack(&plain) {
                let path = plain.display();
                tracing::warn!(
                    %error, %path,
                    "rotated file not compressed, the next rotation or start tries again"
                );
            }
        }
        drop(lock);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Nobody else compresses under this lock, so whatever is unfinished was broken off.
    fn clean(&self) -> io::Result<()> {
        for path in self.names.unfinished()? {
            remove(&path)?;
        }
        Ok(())
    }

    fn pack(&self, plain: &Path) -> io::Result<()> {
        let (packed, unfinished) = (packed(plain), unfinished(plain));
        if let Err(error) = self.write(plain, &unfinished) {
            remove(&unfinished)?;
            // Deleted for keep_files since it was listed, or to be done after the next start.
            let is_gone = error.kind() == io::ErrorKind::NotFound && !plain.try_exists()?;
            return if is_gone || self.is_stopped() {
                Ok(())
            } else {
                Err(error)
            };
        }
        // The content is on disk; the name comes whole or not at all.
        fs::rename(&unfinished, &packed)?;
        // Else a crash could keep the removal that follows and lose this name.
        directory::sync(&self.names.directory)?;
        if !remove(plain)? {
            // Deleted for keep_files meanwhile, which means the events and not one of the forms.
            remove(&packed)?;
        }
        directory::sync(&self.names.directory)
    }

    /// Writes and syncs the compressed form.
    fn write(&self, plain: &Path, to: &Path) -> io::Result<()> {
        let mut from = File::open(plain)?;
        let metadata = from.metadata()?;
        // In the worst case both forms are about as large: space that writing events needs is not
        // taken from it even for a while.
        let needed = self.min_free_bytes.saturating_add(metadata.len());
        if directory::free_bytes(&self.names.directory)? < needed {
            let text = "too little space is free for a second copy beside min_free_space";
            return Err(io::Error::new(io::ErrorKind::StorageFull, text));
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(MODE);
        let mut encoder = GzEncoder::new(options.open(to)?, Compression::default());
        let mut block = vec![0; BLOCK_BYTES];
        let mut bytes = 0;
        loop {
            if self.is_stopped() {
                return Err(io::Error::other("the relay stops"));
            }
            let read = from.read(&mut block)?;
            let Some(part) = block.get(..read).filter(|part| !part.is_empty()) else {
                break;
            };
            encoder.write_all(part)?;
            bytes += u64::try_from(read).unwrap_or(u64::MAX);
        }
        let file = encoder.finish()?;
        if bytes != metadata.len() {
            return Err(io::Error::other("the file changed while it was compressed"));
        }
        file.set_permissions(metadata.permissions())?;
        file.sync_all()
    }
}

/// Whether there was a file to remove.
fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
