//! What was read from files, read again when they change, without waiting for a disk that hangs.
//!
//! Who asks for the value has its files looked at, if the last look is a while ago. The look is
//! made where blocking calls belong and waited for a moment: a change is usually seen by whoever
//! asks first. Where that takes longer nobody waits until a look is quick again: a disk that does
//! not answer costs one such moment, not the thread. What cannot be used does not replace what
//! works: the last good value stays.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;

#[cfg(test)]
mod tests;

/// How long a value is trusted before its files are looked at again.
const RECHECK_AFTER: Duration = Duration::from_secs(2);
/// How long a look is waited for by whoever has it made.
const PATIENCE: Duration = Duration::from_millis(100);
/// Looks on their way at once: those that hang must not take the whole pool for blocking calls.
const LOOKS_MAX: usize = 8;
/// Longer than the steps in which file systems count time. What changed so short a while ago may
/// change again and look the same.
const SETTLED_AFTER: Duration = Duration::from_millis(20);

/// All looks of this process.
static LOOKS: Looks = Looks::new();

/// Reads the files, and says in the log why that was of no use.
pub type Read<T> = Box<dyn FnOnce() -> Result<T, Useless> + Send>;

/// Why there is no new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Useless {
    /// A file could not be read; the next look tries again.
    Unreadable,
    /// What they hold cannot be used; the next change is another try.
    Unfit,
}

/// A value and the files that it was read from. Cloning shares it.
pub struct Watched<T>(Arc<Shared<T>>);

struct Shared<T> {
    files: Vec<PathBuf>,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    seen: Vec<Stamp>,
    looked: Instant,
    /// A look is on its way.
    looking: bool,
}

/// The look that is on its way; the next one can begin when it is dropped.
struct Look<T>(Arc<Shared<T>>);

/// What a file looked like when it was read; none where that could not be seen.
type Stamp = Option<Seen>;

#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds of the last change of content, owner or mode.
    changed: (i64, i64),
    /// That was a while ago.
    settled: bool,
}

/// How looks are made.
struct Looks {
    running: AtomicUsize,
    /// The last one took longer than anybody waits.
    slow: AtomicBool,
}

/// One of [`LOOKS_MAX`].
struct Running(&'static Looks);

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads the files for the first time. A value of no files stays as it is.
    pub fn load<E>(files: Vec<PathBuf>, read: impl FnOnce() -> Result<T, E>) -> Result<Self, E> {
        // Stamped before reading: a change in between is then seen as one at the next look.
        let seen = stamps(&files);
        let state = State {
            value: Arc::new(read()?),
            seen,
            looked: Instant::now(),
            looking: false,
        };
        Ok(Self(Arc::new(Shared {
            files,
            state: Mutex::new(state),
        })))
    }

    /// The present value. `reading` is asked for the way to read if that must be done.
    pub fn get(&self, reading: impl FnOnce() -> Read<T>) -> Arc<T> {
        let mut state = self.0.state();
        let idle = self.0.files.is_empty() || state.looking;
        if idle || state.looked.elapsed() < RECHECK_AFTER {
            return Arc::clone(&state.value);
        }
        // Whoever asks meanwhile gets the last value.
        state.looking = true;
        drop(state);
        let (look, read) = (Look(Arc::clone(&self.0)), reading());
        LOOKS.make(move || look.make(read));
        Arc::clone(&self.0.state().value)
    }

    /// Reads the files now and in this thread, whatever they look like.
    pub fn reread(&self, read: Read<T>) {
        self.0.replace(stamps(&self.0.files), read);
    }
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of two at once the last one to end stays; if that is the older content, its stamp says so at
    /// the next look.
    fn replace(&self, seen: Vec<Stamp>, read: Read<T>) {
        let value = read();
        let mut state = self.state();
        if value.as_ref().err() != Some(&Useless::Unreadable) {
            state.seen = seen;
        }
        if let Ok(value) = value {
            state.value = Arc::new(value);
        }
    }
}

impl<T> Look<T> {
    fn make(self, read: Read<T>) {
        let seen = stamps(&self.0.files);
        if seen != self.0.state().seen {
            self.0.replace(seen, read);
        }
    }
}

/// Also where it panicked, or was never made since the runtime ends.
impl<T> Drop for Look<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.looked = Instant::now();
        state.looking = false;
    }
}

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl Looks {
    const fn new() -> Self {
        Self {
            running: AtomicUsize::new(0),
            slow: AtomicBool::new(false),
        }
    }

    /// Does this in the runtime's pool for calls that block, and waits a moment for its end unless
    /// the last one was slow. Without a runtime it is done here; with too many running, not at all.
    fn make(&'static self, look: impl FnOnce() + Send + 'static) {
        let Ok(runtime) = Handle::try_current() else {
            return look();
        };
        let running = Running(self);
        if self.running.fetch_add(1, Ordering::AcqRel) >= LOOKS_MAX {
            return;
        }
        let (done, ended) = mpsc::channel();
        let begun = Instant::now();
        runtime.spawn_blocking(move || {
            look();
            running.end(begun.elapsed() >= PATIENCE);
            // Nobody waits any more where that was long.
            let _late = done.send(());
        });
        if !self.slow.load(Ordering::Acquire) {
            let late = ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
            self.slow.fetch_or(late, Ordering::AcqRel);
        }
    }
}

impl Running {
    fn end(self, slow: bool) {
        self.0.slow.store(slow, Ordering::Release);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let seen = |metadata: Metadata| Seen {
        inode: metadata.ino(),
        bytes: metadata.len(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
        settled: is_settled(&metadata),
    };
    let stamp = |path: &PathBuf| std::fs::metadata(path).ok().map(seen);
    files.iter().map(stamp).collect()
}

fn is_settled(metadata: &Metadata) -> bool {
    let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
    let nanoseconds = u32::try_from(metadata.ctime_nsec()).unwrap_or_default();
    let changed = SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds));
    // Where the clocks of the machine and of its disk differ, only another time is another stamp.
    let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
    age.is_some_and(|age| age >= SETTLED_AFTER)
}
