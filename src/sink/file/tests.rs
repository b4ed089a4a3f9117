//! Proves that a file holds whole, synced lines and nothing else, whatever failed before, and
//! that rotation loses none.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::writer::{Fault, Writer};
use super::*;
use crate::settings::Compress;
use crate::sink::payload::tests::rendered;
use crate::sink::status::tests::{Expected, check};

mod following;
mod packing;

fn settings(path: &Path) -> settings::File {
    settings::File {
        path: path.to_owned(),
        names: None,
        rotate_bytes: 1024 * 1024,
        rotate_age: None,
        keep_files: None,
        compress: Compress::None,
        min_free_bytes: 0,
        envelope: false,
    }
}

fn writer(path: &Path) -> Writer {
    Writer::new(&settings(path)).unwrap()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Rotated files, oldest first.
fn rotated(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries
        .filter(|path| path.to_string_lossy().contains("events-"))
        .collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn a_batch_is_one_line_per_event_and_directories_are_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/events.jsonl");
    let sink = FileSink::new(&settings(&path)).unwrap();
    let batch = [rendered(1, "{\"a\":\n1}"), rendered(2, "\"b\"")];
    let outcome = sink.send(&batch).await;
    assert_eq!(outcome.verdicts.len(), 2);
    for verdict in &outcome.verdicts {
        check("written", verdict, &Expected::Delivered);
    }
    assert_eq!(text(&path), "{\"a\":1}\n\"b\"\n");
    assert_eq!(outcome.wire_bytes, text(&path).len());
    assert_eq!(outcome.status, None);
}

#[tokio::test]
async fn an_envelope_names_id_received_time_and_source_on_each_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let settings = settings::File {
        envelope: true,
        ..settings(&path)
    };
    FileSink::new(&settings)
        .unwrap()
        .send(&[rendered(1, "7")])
        .await;
    let line: serde_json::Value = serde_json::from_str(&text(&path)).unwrap();
    assert_eq!(line["id"], "01010101-0101-0101-0101-010101010101");
    assert_eq!(line["received"], "2026-11-23T14:42:05.123Z");
    assert_eq!(line["source"], "acme");
    assert_eq!(line["event"], 7);
}

#[test]
fn a_torn_last_line_is_cut_and_nothing_before_it() {
    let long = "x".repeat(200_000);
    for (before, after) in [
        ("one\ntwo\nthr", "one\ntwo\nnew\n"),
        ("one\ntwo\n", "one\ntwo\nnew\n"),
        ("on", "new\n"),
        ("", "new\n"),
        (&*format!("one\n{long}"), "one\nnew\n"),
        (&*format!("{long}\n{long}"), &*format!("{long}\nnew\n")),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        fs::write(&path, before).unwrap();
        writer(&path).append(b"new\n", SystemTime::now()).unwrap();
        assert_eq!(text(&path), after);
    }
}

#[test]
fn a_failed_write_is_cut_off_again_before_the_next_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let mut writer = writer(&path);
    writer.append(b"one\n", SystemTime::now()).unwrap();
    // What a disk that fills up leaves: a whole line, half a line, and an error.
    let full = File::options().write(true).open("/dev/full").unwrap();
    writer.replace_file(full);
    let fault = writer
        .append(b"two\nthree\n", SystemTime::now())
        .unwrap_err();
    assert!(
        matches!(
            fault,
            Fault::Storage {
                sent: Sent::Unknown,
                ..
            }
        ),
        "{fault:?}"
    );
    assert!(fault.to_string().contains("No space left"), "{fault}");
    let mut file = File::options().append(true).open(&path).unwrap();
    io::Write::write_all(&mut file, b"two\nthr").unwrap();

    writer.append(b"two\nthree\n", SystemTime::now()).unwrap();
    assert_eq!(text(&path), "one\ntwo\nthree\n");
}

#[test]
fn a_directory_that_somebody_deleted_is_made_anew_with_its_lock() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/events.jsonl");
    let settings = settings::File {
        min_free_bytes: 1,
        ..settings(&path)
    };
    let mut writer = Writer::new(&settings).unwrap();
    writer.append(b"one\n", SystemTime::now()).unwrap();
    fs::remove_dir_all(directory.path().join("a")).unwrap();
    writer.append(b"two\n", SystemTime::now()).unwrap();
    assert_eq!(text(&path), "two\n");
    assert!(directory.path().join("a/.events.jsonl.lock").exists());
}

#[test]
fn a_file_that_somebody_moved_or_deleted_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let moved = directory.path().join("moved");
    let mut writer = writer(&path);
    writer.append(b"one\n", SystemTime::now()).unwrap();
    fs::rename(&path, &moved).unwrap();
    writer.append(b"two\n", SystemTime::now()).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "another's\n").unwrap();
    writer.append(b"three\n", SystemTime::now()).unwrap();
    assert_eq!(
        (text(&moved), text(&path)),
        ("one\n".to_owned(), "another's\nthree\n".to_owned())
    );
}

#[test]
fn a_file_is_rotated_before_it_grows_over_its_size_and_only_the_newest_stay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let mut writer = Writer::new(&settings::File {
        rotate_bytes: 8,
        keep_files: Some(2),
        ..settings(&path)
    })
    .unwrap();
    let start = SystemTime::now();
    for (at, line) in [
        "1111\n",
        "22\n",
        "a line over the limit\n",
        "3\n",
        "44444\n",
    ]
    .iter()
    .enumerate()
    {
        let now = start + Duration::from_millis(u64::try_from(at).unwrap());
        writer.append(line.as_bytes(), now).unwrap();
    }
    assert_eq!(text(&path), "3\n44444\n");
    let kept: Vec<String> = rotated(directory.path())
        .iter()
        .map(|path| text(path))
        .collect();
    assert_eq!(kept, ["1111\n22\n", "a line over the limit\n"]);
    writer
        .append(b"5555\n", start + Duration::from_secs(1))
        .unwrap();
    let kept: Vec<String> = rotated(directory.path())
        .iter()
        .map(|path| text(path))
        .collect();
    assert_eq!(kept, ["a line over the limit\n", "3\n44444\n"]);
}

#[test]
fn a_file_is_rotated_by_age_unless_it_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let mut writer = Writer::new(&settings::File {
        rotate_age: Some(Duration::from_secs(3600)),
        ..settings(&path)
    })
    .unwrap();
    let start = SystemTime::now();
    writer
        .append(b"one\n", start + Duration::from_secs(7200))
        .unwrap();
    assert_eq!(
        rotated(directory.path()).len(),
        0,
        "an empty file is not rotated"
    );
    writer
        .append(b"two\n", start + Duration::from_secs(3000))
        .unwrap();
    assert_eq!(text(&path), "one\ntwo\n");
    writer
        .append(b"three\n", start + Duration::from_secs(3700))
        .unwrap();
    assert_eq!(text(&path), "three\n");
    let names = rotated(directory.path());
    assert_eq!(text(&names[0]), "one\ntwo\n");
}

#[tokio::test]
async fn a_second_writer_of_one_file_is_held_until_the_first_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let first = FileSink::new(&settings(&path)).unwrap();
    let second = FileSink::new(&settings(&path)).unwrap();
    let batch = [rendered(1, "1")];
    check(
        "first",
        &first.send(&batch).await.verdicts[0],
        &Expected::Delivered,
    );
    let held = second.send(&batch).await;
    check("second", &held.verdicts[0], &Expected::Hold(HoldCause::Url));
    assert_eq!(text(&path), "1\n");
    drop(first);
    check(
        "alone",
        &second.send(&batch).await.verdicts[0],
        &Expected::Delivered,
    );
    assert_eq!(text(&path), "1\n1\n");
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_a_retry_and_heals() {
    let directory = tempfile::tempdir().unwrap();
    let blocked = directory.path().join("blocked");
    fs::write(&blocked, "a file, not a directory").unwrap();
    let path = blocked.join("events.jsonl");
    let sink = FileSink::new(&settings(&path)).unwrap();
    let batch = [rendered(1, "1")];
    let retry = Expected::Retry(Sent::No, RetryCause::Storage);
    check("blocked", &sink.send(&batch).await.verdicts[0], &retry);
    fs::remove_file(&blocked).unwrap();
    check(
        "healed",
        &sink.send(&batch).await.verdicts[0],
        &Expected::Delivered,
    );
    assert_eq!(text(&path), "1\n");
}

#[tokio::test]
async fn a_path_that_is_no_regular_file_holds() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let sink = FileSink::new(&settings(&path)).unwrap();
    let outcome = sink.send(&[rendered(1, "1")]).await;
    check(
        "device",
        &outcome.verdicts[0],
        &Expected::Hold(HoldCause::Url),
    );
}

#[test]
fn half_a_line_that_somebody_else_appended_does_not_tear_ours() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let mut writer = writer(&path);
    writer.append(b"one\n", SystemTime::now()).unwrap();
    let mut file = File::options().append(true).open(&path).unwrap();
    io::Write::write_all(&mut file, b"another's\nhal").unwrap();
    writer.append(b"two\n", SystemTime::now()).unwrap();
    assert_eq!(text(&path), "one\nanother's\ntwo\n");
}

#[test]
fn what_a_failed_sync_left_is_cut_off_and_written_again_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let mut writer = writer(&path);
    writer.append(b"one\n", SystemTime::now()).unwrap();
    // Written whole, but a device that cannot be synced: EINVAL.
    writer.replace_file(File::options().write(true).open("/dev/null").unwrap());
    let fault = writer.append(b"two\n", SystemTime::now()).unwrap_err();
    assert!(fault.to_string().contains("sync"), "{fault}");
    let mut file = File::options().append(true).open(&path).unwrap();
    io::Write::write_all(&mut file, b"two\n").unwrap();
    writer.append(b"two\n", SystemTime::now()).unwrap();
    assert_eq!(text(&path), "one\ntwo\n");
}

#[test]
fn below_the_reserve_nothing_is_written_and_above_it_delivery_goes_on_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let mut writer = Writer::new(&settings::File {
        min_free_bytes: 1000,
        ..settings(&path)
    })
    .unwrap();
    writer.replace_free(|_| Ok(1004));
    writer.append(b"one\n", SystemTime::now()).unwrap();
    writer.replace_free(|_| Ok(1003));
    let fault = writer.append(b"two\n", SystemTime::now()).unwrap_err();
    let detail = fault.to_string();
    for part in ["1003 bytes are free", "min_free_space (1000 bytes)"] {
        assert!(detail.contains(part), "{detail}");
    }
    let expected = Expected::Retry(Sent::No, RetryCause::Storage);
    check("reserve", &verdict(&fault, true), &expected);
    assert_eq!(text(&path), "one\n");
    writer.replace_free(|_| Ok(1004));
    writer.append(b"two\n", SystemTime::now()).unwrap();
    assert_eq!(text(&path), "one\ntwo\n");
}

#[test]
fn the_reserve_is_asked_of_the_files_own_file_system() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/events.jsonl");
    let with = |min_free_bytes| {
        let settings = settings::File {
            min_free_bytes,
            ..settings(&path)
        };
        Writer::new(&settings).unwrap()
    };
    let full = with(u64::MAX).append(b"one\n", SystemTime::now());
    assert!(matches!(full, Err(Fault::Reserved { .. })), "{full:?}");
    with(1).append(b"one\n", SystemTime::now()).unwrap();
    assert_eq!(text(&path), "one\n");
}

#[tokio::test]
async fn a_refreshed_file_is_opened_anew_by_name_and_what_failed_is_still_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let sink = FileSink::new(&settings(&path)).unwrap();
    let send = async |number: u8| {
        let batch = [rendered(number, &number.to_string())];
        sink.send(&batch).await
    };
    let is_open = |sink: &FileSink| sink.files.lock().unwrap().only().is_open();
    send(1).await;
    assert!(is_open(&sink));
    sink.refresh();
    assert!(!is_open(&sink), "an idle file is let go at once");
    {
        let _batch_under_way = sink.files.lock().unwrap();
        sink.refresh();
    }
    assert!(sink.reopen.load(Ordering::Acquire));
    send(2).await;
    assert!(!sink.reopen.load(Ordering::Acquire) && is_open(&sink));
    let full = File::options().write(true).open("/dev/full").unwrap();
    sink.files.lock().unwrap().only().replace_file(full);
    let failed = send(3).await;
    assert!(matches!(failed.verdicts[0], Verdict::Retry { .. }));
    fs::write(&path, "1\n2\n3\n").unwrap();
    sink.refresh();
    send(3).await;
    assert_eq!(text(&path), "1\n2\n3\n");
}
