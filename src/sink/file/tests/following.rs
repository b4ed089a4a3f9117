//! Proves of files whose paths follow from the events that each event is in its own file, below
//! the directory of the configuration, and that only so many are open.

use std::os::unix::fs::{MetadataExt, symlink};

use proptest::prelude::*;

use super::super::files::{FILES_OPEN_MAX, Files};
use super::*;
use crate::settings::{FileNames, NamePart, Pointer};

fn value(step: &str) -> NamePart {
    NamePart::Value {
        at: Pointer(vec![step.to_owned()]),
        otherwise: "none".to_owned(),
    }
}

/// `DIRECTORY/{/k|none}/e-{/n|none}.jsonl`
fn following(directory: &Path) -> settings::File {
    let text = |text: &str| NamePart::Text(text.to_owned());
    let file = vec![text("e-"), value("n"), text(".jsonl")];
    settings::File {
        names: Some(FileNames {
            directory: directory.to_owned(),
            below: vec![vec![value("k")], file],
        }),
        ..settings(&directory.join("{/k}/e-{/n}.jsonl"))
    }
}

fn sink(settings: &settings::File) -> FileSink {
    FileSink::new(settings).unwrap()
}

#[tokio::test]
async fn each_event_is_in_the_file_that_its_values_name() {
    let directory = tempfile::tempdir().unwrap();
    let sink = sink(&following(directory.path()));
    let batch = [
        rendered(1, r#"{"k":"a","n":1}"#),
        rendered(2, r#"{"n":1,"k":"A"}"#),
        rendered(3, r#"{"k":"b"}"#),
        rendered(4, r#"{"k":"a","n":1}"#),
    ];
    let part = |event: &Rendered| sink.partition(event).unwrap();
    assert_eq!(part(&batch[0]), part(&batch[1]));
    assert_ne!(part(&batch[0]), part(&batch[2]));
    let outcome = sink.send(&batch).await;
    let [first, second, others @ ..] = outcome.verdicts.as_slice() else {
        panic!("{:?}", outcome.verdicts);
    };
    check("first", first, &Expected::Delivered);
    check("alike", second, &Expected::Delivered);
    for other in others {
        let behind = Expected::Retry(Sent::No, RetryCause::Blocked);
        check("of another file, or behind one", other, &behind);
    }
    for event in &batch[2..] {
        sink.send(std::slice::from_ref(event)).await;
    }
    let mode = fs::metadata(directory.path().join("a")).unwrap().mode();
    assert_eq!(
        mode & 0o007,
        0,
        "for the relay's user and group only: {mode:o}"
    );
    let read = |name: &str| text(&directory.path().join(name));
    assert_eq!(read("a/e-1.jsonl").lines().count(), 3);
    assert_eq!(read("b/e-none.jsonl"), "{\"k\":\"b\"}\n");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_holds_its_own_events_only() {
    let directory = tempfile::tempdir().unwrap();
    let sink = sink(&following(directory.path()));
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("a/e-none.jsonl")).unwrap();
    fs::write(at("file"), "").unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    symlink("loop", at("loop")).unwrap();
    fs::create_dir_all(at("lock/.e-none.jsonl.lock")).unwrap();
    for k in ["a", "file", "dangling", "loop", "lock"] {
        let bad = rendered(1, &format!("{{\"k\":\"{k}\"}}"));
        let outcome = sink.send(std::slice::from_ref(&bad)).await;
        let Verdict::Hold { cause, scope, .. } = &outcome.verdicts[0] else {
            panic!("{k}: {:?}", outcome.verdicts);
        };
        let part = sink.partition(&bad).unwrap();
        assert_eq!((*cause, scope), (HoldCause::Url, &Scope::Partition(part)));
    }
    let good = rendered(2, r#"{"k":"b"}"#);
    let outcome = sink.send(std::slice::from_ref(&good)).await;
    check("another file", &outcome.verdicts[0], &Expected::Delivered);
}

#[test]
fn what_all_paths_have_in_common_is_a_retry_and_so_is_all_of_a_single_path() {
    let fault = |errno: Errno, sent: Sent| Fault::Storage {
        what: "open",
        path: "/a/b".into(),
        source: errno.into(),
        sent,
    };
    for errno in [Errno::ACCESS, Errno::PERM, Errno::ROFS, Errno::NAMETOOLONG] {
        let held = verdict(&fault(errno, Sent::No), true);
        check("one path", &held, &Expected::Hold(HoldCause::Url));
        let retried = Expected::Retry(Sent::No, RetryCause::Storage);
        check(
            "the only path",
            &verdict(&fault(errno, Sent::No), false),
            &retried,
        );
        let unsure = Expected::Retry(Sent::Unknown, RetryCause::Storage);
        check(
            "of a write",
            &verdict(&fault(errno, Sent::Unknown), true),
            &unsure,
        );
    }
    for errno in [Errno::NOSPC, Errno::DQUOT, Errno::IO, Errno::MFILE] {
        let retried = Expected::Retry(Sent::No, RetryCause::Storage);
        check(
            "all paths",
            &verdict(&fault(errno, Sent::No), true),
            &retried,
        );
    }
}

#[tokio::test]
async fn only_so_many_files_are_open_and_the_one_written_to_last_stays() {
    let directory = tempfile::tempdir().unwrap();
    let sink = sink(&following(directory.path()));
    let event = |n: usize| rendered(1, &format!("{{\"n\":{n}}}"));
    for n in (0..FILES_OPEN_MAX).chain([0, 1000, 1]) {
        let outcome = sink.send(&[event(n)]).await;
        check("written", &outcome.verdicts[0], &Expected::Delivered);
    }
    let name = |n: usize| directory.path().join(format!("none/e-{n}.jsonl"));
    let open = sink.files.lock().unwrap().paths();
    assert_eq!(open.len(), FILES_OPEN_MAX);
    assert!(open.ends_with(&[name(0), name(1000), name(1)]));
    assert!(!open.contains(&name(2)), "of those left the first one");
    assert_eq!(text(&name(1)).lines().count(), 2, "closed and opened again");
    // Whose lock is free again: another relay could write there.
    let lock = File::create(directory.path().join("none/.e-2.jsonl.lock")).unwrap();
    lock.try_lock().unwrap();
    assert!(
        sink.files
            .lock()
            .unwrap()
            .paths()
            .iter()
            .all(|path| path.exists())
    );
}

#[test]
fn a_file_that_is_compressed_or_to_be_repaired_is_not_closed_for_another() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings::File {
        compress: Compress::Gzip,
        ..following(directory.path())
    };
    let mut files = Files::new(&settings, Arc::default()).unwrap();
    let path = |n: usize| directory.path().join(format!("e-{n}"));
    let mut lent = Vec::new();
    for n in 0..FILES_OPEN_MAX {
        let file = files.get(&path(n)).unwrap();
        file.writer.append(b"1\n", SystemTime::now()).unwrap();
        assert!(file.writer.closed().is_none(), "nothing to compress");
        if n == 0 {
            lent.push(file.writer.lend().unwrap());
        }
        if n == 1 {
            let full = File::options().write(true).open("/dev/full").unwrap();
            file.writer.replace_file(full);
            file.writer.append(b"2\n", SystemTime::now()).unwrap_err();
        }
    }
    files.get(&path(100)).unwrap();
    let open = files.paths();
    assert!(open.contains(&path(0)) && open.contains(&path(1)) && !open.contains(&path(2)));
    for n in (1..FILES_OPEN_MAX).filter(|n| *n != 2) {
        let file = files.get(&path(n)).unwrap();
        file.writer.append(b"3\n", SystemTime::now()).unwrap();
        drop(file.writer.closed());
    }
    for n in (0..FILES_OPEN_MAX).filter(|n| *n != 2).chain([100]) {
        let file = files.get(&path(n)).unwrap();
        file.writer.append(b"4\n", SystemTime::now()).unwrap();
        lent.push(file.writer.lend().unwrap());
    }
    let Err(Fault::Busy { .. }) = files.get(&path(2)) else {
        panic!("nothing can be closed");
    };
    lent.clear();
    files.get(&path(2)).unwrap();
    assert_eq!(text(&path(1)), "1\n3\n4\n", "what failed was cut off");
}

#[test]
fn a_lock_is_lent_where_there_is_something_to_compress() {
    let directory = tempfile::tempdir().unwrap();
    let left = "e-1-20261123T144205123Z-0001";
    for (name, compress, lent) in [
        (left.to_owned(), Compress::Gzip, true),
        (left.to_owned(), Compress::None, false),
        (format!("{left}.gz"), Compress::Gzip, false),
        (format!("{left}.gz.tmp"), Compress::Gzip, true),
    ] {
        fs::write(directory.path().join(&name), "").unwrap();
        let settings = settings::File {
            compress,
            ..following(directory.path())
        };
        let mut files = Files::new(&settings, Arc::default()).unwrap();
        let file = files.get(&directory.path().join("e-1")).unwrap();
        file.writer.append(b"1\n", SystemTime::now()).unwrap();
        assert_eq!(file.writer.closed().is_some(), lent, "{name} {compress:?}");
        fs::remove_file(directory.path().join(&name)).unwrap();
    }
}

#[tokio::test]
async fn each_of_the_files_is_rotated_for_itself_and_opened_anew_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings::File {
        rotate_bytes: 40,
        keep_files: Some(1),
        ..following(directory.path())
    };
    let sink = sink(&settings);
    for n in 0..5 {
        for k in ["a", "b"] {
            let event = rendered(1, &format!("{{\"k\":\"{k}\",\"x\":{n}}}"));
            check(
                "written",
                &sink.send(&[event]).await.verdicts[0],
                &Expected::Delivered,
            );
        }
    }
    for k in ["a", "b"] {
        let names = fs::read_dir(directory.path().join(k)).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
        assert_eq!(names.len(), 2, "the present one and the last: {names:?}");
    }
    let path = directory.path().join("a/e-none.jsonl");
    fs::rename(&path, directory.path().join("moved")).unwrap();
    sink.refresh();
    sink.send(&[rendered(1, r#"{"k":"a"}"#)]).await;
    assert_eq!(text(&path), "{\"k\":\"a\"}\n");
}

proptest! {
    #[test]
    fn no_value_leads_out_of_the_directory(one in ".{0,80}", other in "[./\\\\~\u{0} a]{0,8}") {
        let directory = Path::new("/var/archive");
        let sink = sink(&following(directory));
        for (k, n) in [(&one, &other), (&other, &one)] {
            let json = serde_json::json!({"k": k, "n": n}).to_string();
            let path = destined(&sink.settings, &rendered(1, &json)).into_owned();
            let below = path.strip_prefix(directory).unwrap();
            let names: Vec<_> = below.components().collect();
            prop_assert_eq!(names.len(), 2, "{:?}", below);
            let normal = |name: &std::path::Component<'_>| {
                matches!(name, std::path::Component::Normal(name) if name.len() <= 255)
            };
            prop_assert!(names.iter().all(normal), "{:?}", below);
            prop_assert!(below.to_str().unwrap().is_ascii());
        }
    }
}
