//! What was read from files, read again when they change, without waiting for a disk that hangs.
//!
//! Who asks for the value has its files looked at, if the last look is a while ago. The look is
//! made where blocking calls belong and waited for a moment: a change is usually seen by whoever
//! asks first, and a disk that never answers costs one such moment, not the thread. What cannot be
//! used does not replace what works: the last good value stays.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

/// How long a value is trusted before its files are looked at again.
const RECHECK_AFTER: Duration = Duration::from_secs(2);
/// How long a look is waited for by whoever has it made.
const PATIENCE: Duration = Duration::from_millis(100);

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
}

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
        in_a_moment(move || look.make(read));
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

/// Does this in the runtime's pool for calls that block, and waits a moment for its end; without a
/// runtime, here.
fn in_a_moment(work: impl FnOnce() + Send + 'static) {
    let Ok(runtime) = Handle::try_current() else {
        return work();
    };
    let (done, ended) = mpsc::channel();
    runtime.spawn_blocking(move || {
        work();
        // Nobody waits any more where it took long.
        let _late = done.send(());
    });
    let _ended_or_late = ended.recv_timeout(PATIENCE);
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let seen = |metadata: std::fs::Metadata| Seen {
        inode: metadata.ino(),
        bytes: metadata.len(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    };
    let stamp = |path: &PathBuf| std::fs::metadata(path).ok().map(seen);
    files.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// How long a test waits for what must come.
    const DEADLINE: Duration = Duration::from_secs(20);

    /// A file with this text, and what is read of it: its text, unless that is `bad`.
    fn watched(text: &str) -> (tempfile::TempDir, PathBuf, Watched<String>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, text).unwrap();
        let load = || Ok::<_, ()>(text.to_owned());
        let watched = Watched::load(vec![path.clone()], load).unwrap();
        (directory, path, watched)
    }

    fn reading(path: &std::path::Path) -> Read<String> {
        let path = path.to_owned();
        Box::new(move || match std::fs::read_to_string(path) {
            Ok(text) if text == "bad" => Err(Useless::Unfit),
            Ok(text) => Ok(text),
            Err(_) => Err(Useless::Unreadable),
        })
    }

    fn make_due(watched: &Watched<String>) {
        let long_ago = Instant::now().checked_sub(RECHECK_AFTER).unwrap();
        watched.0.state().looked = long_ago;
    }

    /// The value of a moment at which no look is due.
    fn unlooked(watched: &Watched<String>) -> String {
        watched.0.state().looked = Instant::now() + DEADLINE;
        (*watched.get(|| panic!("no look is due"))).clone()
    }

    /// The value after a look, and whether the files were read for it.
    fn look(watched: &Watched<String>, path: &std::path::Path) -> (String, bool) {
        make_due(watched);
        let (tell, told) = channel();
        let value = watched.get(|| {
            let read = reading(path);
            Box::new(move || {
                tell.send(()).unwrap();
                read()
            })
        });
        ((*value).clone(), told.try_recv().is_ok())
    }

    #[test]
    fn a_changed_file_is_read_at_the_next_look_and_no_other() {
        let (_directory, path, watched) = watched("one");
        std::fs::write(&path, "three").unwrap();
        assert_eq!(unlooked(&watched), "one");
        assert_eq!(look(&watched, &path), ("three".to_owned(), true));
        assert_eq!(look(&watched, &path), ("three".to_owned(), false));
        // As many bytes, and the time of the old content.
        let before = std::fs::metadata(&path).unwrap();
        let deadline = Instant::now() + DEADLINE;
        while stamps(std::slice::from_ref(&path)) == watched.0.state().seen {
            assert!(Instant::now() < deadline, "this file system has no times");
            std::fs::write(&path, "seven").unwrap();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(before.modified().unwrap()).unwrap();
        }
        assert_eq!(look(&watched, &path), ("seven".to_owned(), true));
    }

    #[test]
    fn what_is_of_no_use_is_tried_once_a_change_and_what_cannot_be_read_at_each_look() {
        let (_directory, path, watched) = watched("good");
        let stays = |read| ("good".to_owned(), read);
        std::fs::write(&path, "bad").unwrap();
        assert_eq!(look(&watched, &path), stays(true));
        assert_eq!(look(&watched, &path), stays(false));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(look(&watched, &path), stays(true));
        assert_eq!(look(&watched, &path), stays(true));
        std::fs::write(&path, "new").unwrap();
        assert_eq!(look(&watched, &path), ("new".to_owned(), true));
    }

    #[test]
    fn a_value_of_no_file_is_never_looked_at() {
        let watched = Watched::load(Vec::new(), || Ok::<_, ()>("here".to_owned())).unwrap();
        make_due(&watched);
        assert_eq!(*watched.get(|| panic!("there is no file")), "here");
    }

    /// A way to read that says when it begins, and ends with what it is told.
    fn slow() -> (Read<String>, Receiver<()>, Sender<&'static str>) {
        let (begins, begun) = channel();
        let (end, ends) = channel::<&str>();
        let read = move || {
            begins.send(()).unwrap();
            let end = ends.recv_timeout(DEADLINE);
            end.map(str::to_owned).map_err(|_| Useless::Unfit)
        };
        (Box::new(read), begun, end)
    }

    #[tokio::test]
    async fn nobody_waits_long_for_a_file_that_does_not_answer_and_one_look_is_enough() {
        let (_directory, path, watched) = watched("old");
        std::fs::write(&path, "new").unwrap();
        make_due(&watched);
        let (read, begun, end) = slow();
        assert_eq!(*watched.get(move || read), "old");
        begun.recv_timeout(DEADLINE).unwrap();
        make_due(&watched);
        assert_eq!(*watched.get(|| panic!("a look is on its way")), "old");
        end.send("new").unwrap();
        let deadline = Instant::now() + DEADLINE;
        while watched.0.state().looking {
            assert!(Instant::now() < deadline, "the look does not end");
            std::thread::yield_now();
        }
        assert_eq!(unlooked(&watched), "new");
    }

    #[test]
    fn who_reads_again_keeps_nobody_from_the_last_value() {
        let (_directory, _path, watched) = watched("old");
        let (read, begun, end) = slow();
        let reader = watched.clone();
        let thread = std::thread::spawn(move || reader.reread(read));
        begun.recv_timeout(DEADLINE).unwrap();
        assert_eq!(unlooked(&watched), "old");
        end.send("new").unwrap();
        thread.join().unwrap();
        assert_eq!(unlooked(&watched), "new");
    }
}
