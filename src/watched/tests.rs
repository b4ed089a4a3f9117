//! Proves when files are read again, what becomes of what cannot be used, and that nobody waits
//! long.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// How long a test waits for what must come.
const DEADLINE: Duration = Duration::from_secs(20);

/// A file with this text, and what is read of it: its text, unless that is `bad`.
fn watched(text: &str) -> (tempfile::TempDir, PathBuf, Watched<String>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    write(&path, text);
    let load = || Ok::<_, ()>(text.to_owned());
    let watched = Watched::load(vec![path.clone()], load).unwrap();
    (directory, path, watched)
}

/// Writes the file, and waits until any later change shows.
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    let deadline = Instant::now() + DEADLINE;
    while !is_settled(&std::fs::metadata(path).unwrap()) {
        assert!(Instant::now() < deadline, "the disk's clock is another one");
        std::thread::yield_now();
    }
}

fn reading(path: &Path) -> Read<String> {
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
fn look(watched: &Watched<String>, path: &Path) -> (String, bool) {
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
    write(&path, "three");
    assert_eq!(unlooked(&watched), "one");
    assert_eq!(look(&watched, &path), ("three".to_owned(), true));
    assert_eq!(look(&watched, &path), ("three".to_owned(), false));
    // As many bytes, and the time of the old content.
    let before = std::fs::metadata(&path).unwrap();
    write(&path, "seven");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    assert_eq!(look(&watched, &path), ("seven".to_owned(), true));
}

#[test]
fn a_file_that_was_read_while_it_could_change_unseen_is_read_again() {
    let (_directory, path, watched) = watched("one");
    for seen in &mut watched.0.state().seen {
        seen.as_mut().unwrap().settled = false;
    }
    assert_eq!(look(&watched, &path), ("one".to_owned(), true));
    assert_eq!(look(&watched, &path), ("one".to_owned(), false));
}

#[test]
fn what_is_of_no_use_is_tried_once_a_change_and_what_cannot_be_read_at_each_look() {
    let (_directory, path, watched) = watched("good");
    let stays = |read| ("good".to_owned(), read);
    write(&path, "bad");
    assert_eq!(look(&watched, &path), stays(true));
    assert_eq!(look(&watched, &path), stays(false));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(look(&watched, &path), stays(true));
    assert_eq!(look(&watched, &path), stays(true));
    write(&path, "new");
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
    write(&path, "new");
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

#[tokio::test]
async fn looks_that_hang_are_few_and_nobody_waits_until_one_is_quick() {
    let looks: &'static Looks = Box::leak(Box::new(Looks::new()));
    let (begins, begun) = channel();
    let (answer, hung) = channel::<()>();
    let hung = Arc::new(Mutex::new(hung));
    for _ in 0..LOOKS_MAX + 5 {
        let (begins, hung) = (begins.clone(), Arc::clone(&hung));
        looks.make(move || {
            begins.send(()).unwrap();
            let _answered = hung.lock().unwrap().recv_timeout(DEADLINE);
        });
    }
    for _ in 0..LOOKS_MAX {
        begun.recv_timeout(DEADLINE).unwrap();
    }
    assert!(looks.slow.load(Ordering::Acquire));
    // Answers all of them.
    drop(answer);
    let deadline = Instant::now() + DEADLINE;
    while looks.running.load(Ordering::Acquire) > 0 {
        assert!(Instant::now() < deadline, "looks do not end");
        std::thread::yield_now();
    }
    assert!(begun.try_recv().is_err(), "more hung than may");
    while looks.slow.load(Ordering::Acquire) {
        assert!(Instant::now() < deadline, "no look is quick");
        looks.make(|| {});
    }
}
