//! Proves: groups are written past the page cache where the file system can do that, in any size,
//! also behind a restart; and readers at the tail get from memory what stands in the files.

use rustix::fs::OFlags;

use super::*;

/// Whether one of this process's handles on a file writes past the page cache.
fn is_written_directly(path: &Path) -> bool {
    let handles = std::fs::read_dir("/proc/self/fd").unwrap();
    let names = handles.map(|handle| handle.unwrap().file_name());
    names.into_iter().any(|name| {
        let target = std::fs::read_link(Path::new("/proc/self/fd").join(&name));
        let about = std::fs::read_to_string(Path::new("/proc/self/fdinfo").join(&name));
        let (Ok(target), Ok(about)) = (target, about) else {
            return false;
        };
        let flags = about.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
        target == path && flags & OFlags::DIRECT.bits() != 0
    })
}

#[test]
fn groups_of_any_size_go_past_the_page_cache_also_behind_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    let probe = path.join("probe");
    drop(DiskFiles.create_direct(&probe).unwrap());
    let direct = DiskFiles.open_direct(&probe).unwrap();
    if !is_written_directly(&probe) {
        return println!("skipped: this file system writes everything through the page cache");
    }
    drop(direct);
    std::fs::remove_file(probe).unwrap();
    let mut expected = Vec::new();
    for round in 0..4 {
        let journal = open(&path);
        for number in 0..60 {
            let text = format!("{round}/{number} {}", "x".repeat(number * 37 % 9000));
            append(&journal, record(&text)).unwrap();
            expected.push(text);
            // A write that the file system refused would have turned it off.
            let files = segment_files(&path);
            assert!(is_written_directly(files.last().unwrap()), "{number}");
        }
    }
    assert!(segment_files(&path).len() > 3);
    assert_eq!(read_all(&open(&path), 0), (expected, None));
}

#[test]
fn a_reader_at_the_tail_needs_no_disk() {
    let directory = tempfile::tempdir().unwrap();
    let files = FaultyFiles {
        // What becomes a segment was opened by this name.
        unreadable: Some(directory.path().join("spare")),
        ..FaultyFiles::default()
    };
    let journal = open_with(options(directory.path()), Arc::new(files)).unwrap();
    append(&journal, record("before there was a reader")).unwrap();
    let mut reader = journal.reader(1);
    for number in 0..300 {
        let text = format!("{number} {}", "x".repeat(number * 7 % 900));
        append(&journal, record(&text)).unwrap();
        // Also what lies some groups back, and in the segment before.
        if number % 3 == 0 {
            continue;
        }
        let mut last = None;
        loop {
            let read = records(reader.read(2, 1_000_000).unwrap());
            if read.is_empty() {
                break;
            }
            last = read.last().map(super::text);
        }
        assert_eq!(last, Some(text));
    }
    assert!(segment_files(directory.path()).len() > 1);
    // What is not in memory would have come from the disk.
    let old = journal.reader(0).read(1, 1);
    assert!(matches!(old, Err(ReadError::Io { .. })), "{old:?}");
}

#[test]
fn readers_that_follow_and_those_that_lag_see_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let large = Options {
        segment_bytes: 4 << 20,
        max_size_bytes: 256 << 20,
        retain_delivered: Duration::from_secs(3600),
        ..options(directory.path())
    };
    let journal = open_with(large, Arc::new(DiskFiles)).unwrap();
    let total = 3000_usize;
    let text_of = |number: usize| format!("{number} {}", "y".repeat(number * 131 % 12_000));
    std::thread::scope(|scope| {
        let (journal, text_of) = (&journal, &text_of);
        for records_max in [1000, 3] {
            scope.spawn(move || {
                let mut reader = journal.reader(0);
                let mut seen = 0;
                while seen < total {
                    for read in records(reader.read(records_max, 1_000_000).unwrap()) {
                        assert_eq!(text(&read), text_of(seen));
                        seen += 1;
                        assert_eq!(read.ordinal, seen as u64);
                    }
                    std::thread::yield_now();
                }
            });
        }
        let mut number = 0;
        while number < total {
            let set = 1 + number % 17;
            let until = total.min(number + set);
            let set = (number..until).map(|number| record(&text_of(number)));
            journal.append(set.collect()).unwrap().wait().unwrap();
            number = until;
        }
    });
    assert!(segment_files(directory.path()).len() > 2);
    let texts = read_all(&journal, 0).0;
    assert!(
        texts
            .iter()
            .eq((0..total).map(text_of).collect::<Vec<_>>().iter())
    );
}
