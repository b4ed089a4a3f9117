//! Proves: a journal of each released format opens for ever, with everything that is in it, and
//! goes on; and the dump in the documentation is that of the fixture.
//!
//! A fixture is kept as text: offset and up to 16 bytes a line, zeros left out, the length first.
//! `SIEM_RELAY_WRITE_FIXTURES=1` writes that of the present format again, for a format that is new.

use std::fmt::Write;

use super::*;

const FIXTURE: &str = "tests/fixtures/journal-v1";
const SEGMENT: &str = "00000000000000000001.seg";
const SMALL_SEGMENT: u64 = 6144;

fn fixture_options(directory: &Path) -> Options {
    Options {
        segment_bytes: SMALL_SEGMENT,
        retain_delivered: Duration::from_secs(3600 * 24 * 365 * 100),
        ..options(directory)
    }
}

fn fixture_record(number: u8, payload: &str) -> NewRecord {
    NewRecord {
        id: [number; 16],
        received_ms: 1_763_900_000_000 + u64::from(number),
        ..record(payload)
    }
}

/// What the fixture holds, by position: id and payload.
fn stored() -> Vec<(u64, [u8; 16], String)> {
    let text = |number: u64| format!("{{\"finding\":{number},\"text\":\"{}\"}}", "x".repeat(400));
    let mut stored = vec![
        (1, [1; 16], r#"{"finding":1}"#.to_owned()),
        (2, [2; 16], r#"{"finding":1}"#.to_owned()),
        (3, [3; 16], r#"{"finding":3}"#.to_owned()),
        (4, [4; 16], r#"{"finding":4}"#.to_owned()),
    ];
    stored.extend((5..=8_u8).map(|n| (u64::from(n), [n; 16], text(u64::from(n)))));
    stored
}

fn build(directory: &Path) {
    let journal = open_with(fixture_options(directory), Arc::new(DiskFiles)).unwrap();
    journal.register("splunk", StartAt::Earliest).unwrap();
    for (position, id, payload) in stored() {
        let mut record = fixture_record(id[0], &payload);
        if position <= 2 {
            record.resend = Some(Resend {
                key: [0xaa; 16],
                drop_repeats: false,
            });
        }
        if position == 4 {
            // Stored with the one before.
            continue;
        }
        let mut set = vec![record];
        if position == 3 {
            set.push(fixture_record(4, r#"{"finding":4}"#));
        }
        journal.append(set).unwrap().wait().unwrap();
    }
    let mut cursor = journal.load_cursor("splunk").unwrap();
    cursor.low_water = 2;
    cursor.done = vec![(4, 5)];
    cursor.done_events = 2;
    cursor.totals = Totals {
        delivered: 2,
        dead_lettered: 1,
        filtered: 1,
        discarded: 0,
    };
    cursor.last_success_ms = 1_763_900_001_000;
    journal.store_cursor("splunk", &cursor).unwrap();
    journal.shared.skips().push(Skip {
        after: 100,
        through: 200,
        base: 150,
        offset: 4096,
        ordinal: 90,
    });
    journal.sync_cursors().unwrap();
}

/// A file as text.
fn dump(bytes: &[u8]) -> String {
    let mut text = format!("length {}\n", bytes.len());
    for (line, chunk) in bytes.chunks(16).enumerate() {
        if chunk.iter().all(|byte| *byte == 0) {
            continue;
        }
        write!(text, "{:08x} ", line * 16).unwrap();
        for byte in chunk {
            write!(text, " {byte:02x}").unwrap();
        }
        text.push('\n');
    }
    text
}

fn undump(text: &str) -> Vec<u8> {
    let (first, lines) = text.split_once('\n').unwrap();
    let length = first.strip_prefix("length ").unwrap().parse().unwrap();
    let mut bytes = vec![0; length];
    for line in lines.lines() {
        let (offset, rest) = line.split_once("  ").unwrap();
        let offset = usize::from_str_radix(offset, 16).unwrap();
        for (index, byte) in rest.split(' ').enumerate() {
            bytes[offset + index] = u8::from_str_radix(byte, 16).unwrap();
        }
    }
    bytes
}

fn path_in_repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The fixture as a directory.
fn unpacked() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(path_in_repository(FIXTURE)).unwrap() {
        let path = entry.unwrap().path();
        let bytes = undump(&std::fs::read_to_string(&path).unwrap());
        let name = path.file_stem().unwrap();
        std::fs::write(directory.path().join(name), bytes).unwrap();
    }
    directory
}

#[test]
fn the_present_format_can_be_written_as_a_fixture() {
    let directory = tempfile::tempdir().unwrap();
    build(directory.path());
    let names = [SEGMENT, "00000000000000000007.seg", "cursors"];
    for name in names {
        let bytes = std::fs::read(directory.path().join(name)).unwrap();
        let text = dump(&bytes);
        assert!(undump(&text) == bytes, "{name} does not survive as text");
        if std::env::var_os("SIEM_RELAY_WRITE_FIXTURES").is_some() {
            let to = path_in_repository(FIXTURE).join(format!("{name}.hex"));
            std::fs::write(to, text).unwrap();
        }
    }
}

#[test]
fn a_journal_of_format_1_opens_with_everything_in_it_and_goes_on() {
    let directory = unpacked();
    let options = fixture_options(directory.path());
    let survey = survey(directory.path(), &DiskFiles, |_| true, |_| {}).unwrap();
    assert_eq!(survey.problems, Vec::<String>::new());
    let sealed: Vec<_> = survey
        .segments
        .iter()
        .map(|s| (s.events, s.sealed))
        .collect();
    assert_eq!(sealed, [(6, true), (2, false)]);
    assert_eq!(survey.segments[0].received_ms.1, 1_763_900_000_006);

    let journal = open_with(options, Arc::new(DiskFiles)).unwrap();
    let mut reader = journal.reader(0);
    let mut found = Vec::new();
    loop {
        let read = records(reader.read(3, 1000).unwrap());
        if read.is_empty() {
            break;
        }
        found.extend(read.into_iter().map(|read| read.record));
    }
    let plain: Vec<_> = found
        .iter()
        .map(|r| {
            (
                r.position,
                r.id,
                String::from_utf8(r.payload.to_vec()).unwrap(),
            )
        })
        .collect();
    assert_eq!(plain, stored());
    assert!(found.iter().all(|r| &r.header[..] == b"header" && !r.gap));
    assert_eq!(found[1].duplicate_of, Some([1; 16]));
    assert_eq!((found[2].set, found[3].set), ((0, 2), (1, 2)));
    assert_eq!(found[7].received_ms, 1_763_900_000_008);
    assert_eq!(found[7].synced_through, 7);

    let cursor = journal.load_cursor("splunk").unwrap();
    assert_eq!((cursor.low_water, cursor.done), (2, vec![(4, 5)]));
    assert_eq!(cursor.totals.settled(), 4);
    assert_eq!(cursor.last_success_ms, 1_763_900_001_000);
    assert_eq!(journal.shared.skips()[0].ordinal, 90);

    let repeat = NewRecord {
        resend: Some(Resend {
            key: [0xaa; 16],
            drop_repeats: true,
        }),
        ..record("repeat")
    };
    let first = append(&journal, repeat).unwrap();
    assert_eq!(first, Stored::Repeat { first: [1; 16] });
    assert_eq!(position(append(&journal, record("new")).unwrap()), 9);
}

#[test]
fn a_journal_of_another_format_is_refused_with_both_versions() {
    for (name, version) in [(SEGMENT, 2), ("cursors", 0)] {
        let directory = unpacked();
        let path = directory.path().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[8] = version;
        std::fs::write(&path, &bytes).unwrap();
        let refused = open_with(fixture_options(directory.path()), Arc::new(DiskFiles));
        let text = refused.err().unwrap().to_string();
        let expected = format!("has format version {version}; this relay reads version 1");
        assert!(text.contains(&expected), "{text}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "it is left as it was");
    }
}

#[test]
fn the_documented_dump_is_the_fixture() {
    let page = std::fs::read_to_string(path_in_repository("docs/journal-format.md")).unwrap();
    let mut lines = 0;
    for name in [SEGMENT, "cursors"] {
        let file = std::fs::read(unpacked().path().join(name)).unwrap();
        let (_, part) = page.split_once(&format!("## Dump of `{name}`")).unwrap();
        let part = part.split("\n## ").next().unwrap();
        for line in part
            .lines()
            .filter(|line| line.starts_with("000") || line.starts_with("008"))
        {
            let (offset, rest) = line.split_once("  ").unwrap();
            let offset = usize::from_str_radix(offset, 16).unwrap();
            let bytes = rest.split("   ").next().unwrap();
            for (index, byte) in bytes.split_whitespace().enumerate() {
                let byte = u8::from_str_radix(byte, 16).unwrap();
                assert_eq!(file[offset + index], byte, "{name} at {offset:x} + {index}");
            }
            lines += 1;
        }
    }
    assert!(lines > 30, "{lines} lines of dumps");
}
