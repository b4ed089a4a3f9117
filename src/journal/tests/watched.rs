//! Any files, watched: which operations came in which order, and some that fail. For tests that
//! ask what is done to files, and not only what is in them.

use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;

use super::*;

/// What was done to the files of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Created(String),
    Renamed(String, String),
    Removed(String),
    /// Nothing but zeros, so many bytes.
    Zeros(usize),
    SyncedDirectory,
}

/// Any files, watched.
#[derive(Clone)]
pub(super) struct Watched {
    files: Arc<dyn Files>,
    pub(super) done: Arc<Mutex<Vec<Done>>>,
    /// Called before a directory is synced.
    pub(super) on_sync: Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>,
    /// Called before a segment is renamed to the spare.
    pub(super) on_rename: Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>,
    /// No segment can be renamed to the spare.
    pub(super) stuck: Arc<AtomicBool>,
    /// Syncs of a file that was opened as the spare that find no space.
    pub(super) full_syncs: Arc<AtomicUsize>,
}

struct WatchedFile {
    file: Arc<dyn JournalFile>,
    watched: Watched,
    spare: bool,
}

impl Watched {
    pub(super) fn new(files: impl Files) -> Self {
        Self {
            files: Arc::new(files),
            done: Arc::default(),
            on_sync: Arc::default(),
            on_rename: Arc::default(),
            stuck: Arc::default(),
            full_syncs: Arc::default(),
        }
    }

    fn note(&self, done: Done) {
        self.done.lock().unwrap().push(done);
    }

    pub(super) fn count(&self, wanted: impl Fn(&Done) -> bool) -> usize {
        let done = self.done.lock().unwrap();
        done.iter().filter(|one| wanted(one)).count()
    }

    pub(super) fn recycled(&self) -> usize {
        self.count(|done| matches!(done, Done::Renamed(_, to) if to == "spare"))
    }

    pub(super) fn filled(&self) -> usize {
        self.count(|done| matches!(done, Done::Zeros(_) | Done::Created(_)))
    }

    pub(super) fn became_spare(&self, segment: &str) -> bool {
        self.count(|done| matches!(done, Done::Renamed(from, _) if from == segment)) > 0
    }

    pub(super) fn was_removed(&self, segment: &str) -> bool {
        self.count(|done| matches!(done, Done::Removed(name) if name == segment)) > 0
    }

    fn file(&self, path: &Path, file: Arc<dyn JournalFile>) -> Arc<dyn JournalFile> {
        Arc::new(WatchedFile {
            file,
            watched: self.clone(),
            spare: name(path) == "spare",
        })
    }
}

pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

impl Files for Watched {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        Ok(self.file(path, self.files.open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        self.note(Done::Created(name(path)));
        Ok(self.file(path, self.files.create(path)?))
    }

    fn create_direct(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        self.note(Done::Created(name(path)));
        Ok(self.file(path, self.files.create_direct(path)?))
    }

    fn open_direct(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        Ok(self.file(path, self.files.open_direct(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if let (true, Some(call)) = (name(to) == "spare", self.on_rename.get()) {
            call();
        }
        if name(to) == "spare" && self.stuck.load(Ordering::SeqCst) {
            return Err(io::Error::other("injected"));
        }
        self.files.rename(from, to)?;
        self.note(Done::Renamed(name(from), name(to)));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.remove(path)?;
        self.note(Done::Removed(name(path)));
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        if let Some(on_sync) = self.on_sync.get() {
            on_sync();
        }
        self.files.sync_directory(path)?;
        self.note(Done::SyncedDirectory);
        Ok(())
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.files.free_bytes(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.files.list(path)
    }
}

impl JournalFile for WatchedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if bytes.iter().all(|byte| *byte == 0) {
            self.watched.note(Done::Zeros(bytes.len()));
        }
        self.file.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        let left = |left: usize| left.checked_sub(1);
        let full_syncs = &self.watched.full_syncs;
        let met = self.spare && {
            let order = Ordering::SeqCst;
            full_syncs.fetch_update(order, order, left).is_ok()
        };
        if met {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
}
