//! Proves that a rotated file is there in one whole form or in both at whatever step compression
//! stops, and that nothing else is touched.

use std::io::Read;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::super::packer::Packer;
use super::super::rotation::{Names, packed, unfinished};
use super::*;

/// How long a compression may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory, and what compresses its rotated files.
struct Rig {
    directory: tempfile::TempDir,
    names: Arc<Names>,
    packer: Arc<Packer>,
    stopped: Arc<AtomicBool>,
}

impl Rig {
    fn new(min_free_bytes: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let names = Names::new(&directory.path().join("events.jsonl")).unwrap();
        let names = Arc::new(names);
        let stopped = Arc::default();
        Self {
            packer: Arc::new(Packer::new(
                Arc::clone(&names),
                min_free_bytes,
                Arc::clone(&stopped),
            )),
            names,
            stopped,
            directory,
        }
    }

    /// A rotated file with this content.
    fn rotated(&self, content: &str) -> PathBuf {
        let path = self.names.free(SystemTime::now()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn lock(&self) -> Arc<File> {
        Arc::new(File::create(&self.names.lock).unwrap())
    }

    fn run(&self) {
        self.packer.run(self.lock());
    }

    /// Names in the directory but for the lock.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> = paths.filter(|path| *path != self.names.lock).collect();
        paths.sort();
        paths
    }
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(File::open(path).unwrap());
    decoder.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn every_rotated_file_is_compressed_and_the_one_being_written_is_not() {
    use std::os::unix::fs::PermissionsExt;

    let rig = Rig::new(0);
    let long = "a line\n".repeat(100_000);
    let (first, second) = (rig.rotated("one\n"), rig.rotated(&long));
    fs::set_permissions(&first, fs::Permissions::from_mode(0o604)).unwrap();
    let others = ["events.jsonl", "notes.txt"].map(|name| rig.directory.path().join(name));
    for other in &others {
        fs::write(other, "other\n").unwrap();
    }
    rig.run();
    assert_eq!(unpacked(&packed(&first)), "one\n");
    assert_eq!(unpacked(&packed(&second)), long);
    let mode = fs::metadata(packed(&first)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o604);
    let mut expected = vec![packed(&first), packed(&second)];
    expected.extend(others);
    expected.sort();
    assert_eq!(rig.files(), expected);
}

#[test]
fn what_a_crash_left_of_any_step_becomes_one_whole_compressed_file() {
    let rig = Rig::new(0);
    // While it was written; after that was all; after the name was given; after the removal.
    let [half, whole, named, done] = ["half\n", "whole\n", "named\n", "done\n"];
    let half = rig.rotated(half);
    fs::write(unfinished(&half), [0x1f, 0x8b, 0x08]).unwrap();
    let whole = rig.rotated(whole);
    fs::write(unfinished(&whole), "as good as any").unwrap();
    let named = rig.rotated(named);
    // Deleted for keep_files by the process that was compressing it.
    fs::write(
        unfinished(
            &rig.directory
                .path()
                .join("events-20261123T144205123Z-0001.jsonl"),
        ),
        "",
    )
    .unwrap();
    // Not ours, perhaps: another program that compresses would write just here.
    fs::write(packed(&named), [0x1f, 0x8b, 0x08]).unwrap();
    let done = rig.rotated(done);
    rig.run();
    let expected: Vec<_> = [&half, &whole, &named, &done]
        .map(|path| packed(path))
        .into();
    assert_eq!(rig.files(), expected);
    let texts: Vec<_> = expected.iter().map(|path| unpacked(path)).collect();
    assert_eq!(texts, ["half\n", "whole\n", "named\n", "done\n"]);
    rig.run();
    assert_eq!(rig.files(), expected);
}

#[test]
fn a_file_that_cannot_be_compressed_stays_and_is_tried_again() {
    let rig = Rig::new(0);
    let (first, second) = (rig.rotated("one\n"), rig.rotated("two\n"));
    // A directory can be neither written nor removed as a file.
    fs::create_dir(unfinished(&first)).unwrap();
    rig.run();
    assert_eq!(text(&first), "one\n");
    assert_eq!(
        unpacked(&packed(&second)),
        "two\n",
        "the others do not wait"
    );
    fs::remove_dir(unfinished(&first)).unwrap();
    rig.run();
    assert_eq!(rig.files(), [packed(&first), packed(&second)]);
}

#[test]
fn without_room_for_a_second_copy_nothing_is_compressed() {
    let rig = Rig::new(u64::MAX / 2);
    let path = rig.rotated("one\n");
    rig.run();
    assert_eq!(rig.files(), [path]);
}

#[test]
fn a_destination_that_is_gone_compresses_nothing_more() {
    let rig = Rig::new(0);
    let path = rig.rotated("one\n");
    rig.stopped.store(true, Ordering::Release);
    rig.run();
    assert_eq!(rig.files(), [path]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_compresses_what_it_rotates_and_keeps_as_many_files_of_both_forms() {
    let rig = Rig::new(0);
    let left = rig.rotated("left by an earlier process\n");
    let settings = settings::File {
        rotate_bytes: 8,
        keep_files: Some(3),
        compress: Compress::Gzip,
        ..settings(&rig.directory.path().join("events.jsonl"))
    };
    let sink = FileSink::new(&settings).unwrap();
    let send = async |number: u8| {
        let batch = [rendered(number, &format!("\"event {number}\""))];
        let outcome = sink.send(&batch).await;
        check("sent", &outcome.verdicts[0], &Expected::Delivered);
    };
    send(1).await;
    until(|| rig.files().contains(&packed(&left))).await;
    for number in 2..=5 {
        send(number).await;
    }
    let is_packed = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "gz");
    until(|| rig.files().iter().filter(|path| is_packed(path)).count() == 3).await;
    until(|| rig.files().len() == 4).await;
    let kept: Vec<_> = rig.files().into_iter().filter(is_packed).collect();
    let kept: Vec<_> = kept.iter().map(|path| unpacked(path)).collect();
    assert_eq!(kept, ["\"event 2\"\n", "\"event 3\"\n", "\"event 4\"\n"]);
    assert_eq!(text(&settings.path), "\"event 5\"\n");
}

/// Waits until something holds.
async fn until(mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "not in time");
        tokio::time::sleep(Duration::from_millis(5)).await; // poll
    }
}
