//! Proves that the rules notice: each holds for a story made by hand, and breaks when the one sync
//! that it asks for is taken out or comes too early.

use std::path::Path;

use uuid::Uuid;

use crate::format::Id;
use crate::rules::Rules;
use crate::story::Story;

const ID: Id = [7; 16];
const SEGMENT: &str = "/r/journal/00000000000000000001.seg";
const SECOND: &str = "/r/journal/00000000000000000002.seg";

/// One event is stored, answered, delivered and let go; every line is a whole call.
fn story() -> Vec<String> {
    let answer = format!(
        "HTTP/1.1 200 OK\r\n\r\n{{\"id\":\"{}\"}}",
        Uuid::from_bytes(ID)
    );
    let line = format!("{{\"id\":\"{}\"}}\n", Uuid::from_bytes(ID));
    vec![
        "mkdir(\"/r/journal\", 0777) = 0".to_owned(),
        "fsync(3</r>) = 0".to_owned(),
        create("/r/journal/cursors.new"),
        pwrite("/r/journal/cursors.new", &slot(0), 4096),
        sync("/r/journal/cursors.new"),
        "rename(\"/r/journal/cursors.new\", \"/r/journal/cursors\") = 0".to_owned(),
        "fsync(3</r/journal>) = 0".to_owned(),
        create("/r/journal/spare"),
        pwrite("/r/journal/spare", b"SIEMRSEG", 0),
        sync("/r/journal/spare"),
        format!("rename(\"/r/journal/spare\", \"{SEGMENT}\") = 0"),
        "fsync(3</r/journal>) = 0".to_owned(),
        pwrite(SEGMENT, &record(1), 4096),
        sync(SEGMENT),
        format!(
            "sendto(9<socket:[1]>, \"{}\", 90, 0, NULL, 0) = 90",
            hex(answer.as_bytes())
        ),
        create("/r/archive/events.jsonl"),
        format!(
            "write(5</r/archive/events.jsonl>, \"{}\", 46) = 46",
            hex(line.as_bytes())
        ),
        sync("/r/archive/events.jsonl"),
        pwrite("/r/journal/cursors", &slot(1), 8192),
        sync("/r/journal/cursors"),
        format!("unlink(\"{SEGMENT}\") = 0"),
        "fsync(3</r/journal>) = 0".to_owned(),
    ]
}

/// The same, but the segment becomes the next one, which an event is stored in.
fn recycled() -> Vec<String> {
    let mut calls = story();
    calls.truncate(place(&calls, "unlink("));
    calls.extend([
        format!("rename(\"{SEGMENT}\", \"/r/journal/spare\") = 0"),
        "fsync(4</r/journal>) = 0".to_owned(),
        pwrite("/r/journal/spare", b"SIEMRSEG", 0),
        sync("/r/journal/spare"),
        format!("rename(\"/r/journal/spare\", \"{SECOND}\") = 0"),
        "fsync(5</r/journal>) = 0".to_owned(),
        pwrite(SECOND, &record(2), 4096),
        sync(SECOND),
    ]);
    calls
}

fn create(path: &str) -> String {
    format!("openat(AT_FDCWD</r>, \"{path}\", O_RDWR|O_CREAT|O_TRUNC, 0666) = 4<{path}>")
}

fn pwrite(path: &str, bytes: &[u8], at: u64) -> String {
    let count = bytes.len();
    format!(
        "pwrite64(4<{path}>, \"{}\", {count}, {at}) = {count}",
        hex(bytes)
    )
}

fn sync(path: &str) -> String {
    format!("fdatasync(4<{path}>) = 0")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

fn record(position: u64) -> Vec<u8> {
    let mut bytes = vec![0; 96];
    bytes[..4].copy_from_slice(b"SRr1");
    bytes[8..12].copy_from_slice(&96_u32.to_le_bytes());
    bytes[16..24].copy_from_slice(&position.to_le_bytes());
    bytes[40..56].copy_from_slice(&ID);
    bytes
}

fn slot(low_water: u64) -> Vec<u8> {
    let mut bytes = vec![0; 40];
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend([1, b'a']);
    bytes.extend(low_water.to_le_bytes());
    bytes.extend([0; 7 * 8 + 4 + 2]);
    bytes
}

/// What the rules say of these calls, all rules together.
fn judge(calls: &[String]) -> Result<[usize; 5], String> {
    let text: String = calls.iter().map(|call| format!("7 {call}\n")).collect();
    let mut story = Story::new(Path::new("/r"));
    story.add_session(&text);
    let rules = Rules::new(&story);
    Ok([
        rules.answers_follow_syncs()?,
        rules.names_follow_content()?,
        rules.segments_go_after_cursors()?,
        rules.spares_are_named_before_writes()?,
        rules.cursors_follow_deliveries()?,
    ])
}

/// The place of the only call that contains this.
fn place(calls: &[String], part: &str) -> usize {
    let mut places = calls.iter().enumerate();
    let found = places.find(|(_, call)| call.contains(part));
    found.unwrap_or_else(|| panic!("no {part}")).0
}

#[test]
fn every_rule_holds_for_a_sound_story() {
    assert_eq!(judge(&story()), Ok([1, 2, 1, 0, 1]));
    assert_eq!(judge(&recycled()), Ok([1, 4, 1, 1, 1]));
}

#[test]
fn every_sync_that_is_left_out_breaks_its_rule() {
    let broken = [
        ("fsync(3</r>)", "answered before /r/journal was durable"),
        (
            "fdatasync(4</r/journal/cursors.new>)",
            "cursors got its name before",
        ),
        (
            "fdatasync(4</r/journal/spare>)",
            "00000000000000000001.seg got its name before",
        ),
        (
            "fdatasync(4</r/journal/00000000000000000001.seg>)",
            "answered before position 1 was synced",
        ),
        (
            "fdatasync(4</r/archive/events.jsonl>)",
            "a cursor passed position 1 before it was delivered",
        ),
        (
            "fdatasync(4</r/journal/cursors>)",
            "00000000000000000001.seg went before cursors past 1 were synced",
        ),
    ];
    for (left_out, reason) in broken {
        let mut calls = story();
        calls.remove(place(&calls, left_out));
        let error = judge(&calls).expect_err(left_out);
        assert!(error.contains(reason), "{left_out}: {error}");
    }
}

#[test]
fn a_name_that_is_synced_only_after_the_answer_breaks_the_rule() {
    let mut calls = story();
    let rename = place(&calls, "rename(\"/r/journal/spare");
    let synced = calls.remove(rename + 1);
    assert_eq!(synced, "fsync(3</r/journal>) = 0");
    let error = judge(&calls).expect_err("the name was not durable");
    assert!(
        error.contains("answered before the name of line"),
        "{error}"
    );
}

#[test]
fn a_sync_that_began_before_the_write_had_returned_proves_nothing() {
    let mut calls = story();
    let write = place(&calls, &format!("pwrite64(4<{SEGMENT}>"));
    calls.swap(write, write + 1);
    let error = judge(&calls).expect_err("the sync came first");
    assert!(error.contains("answered before position 1"), "{error}");

    // The same with calls that overlap, as two threads make them.
    let text: Vec<_> = story()
        .into_iter()
        .flat_map(|call| match call.strip_suffix(") = 96") {
            Some(begun) => vec![format!("7 {begun} <unfinished ...>")],
            None if call == sync(SEGMENT) => vec![
                format!("8 fdatasync(4<{SEGMENT}> <unfinished ...>"),
                "7 <... pwrite64 resumed>) = 96".to_owned(),
                "8 <... fdatasync resumed>) = 0".to_owned(),
            ],
            None => vec![format!("7 {call}")],
        })
        .collect();
    let mut story = Story::new(Path::new("/r"));
    story.add_session(&text.join("\n"));
    let error = Rules::new(&story).answers_follow_syncs();
    let error = error.expect_err("the sync began too early");
    assert!(error.contains("answered before position 1"), "{error}");
}

#[test]
fn a_sync_that_failed_and_one_that_never_returned_prove_nothing() {
    let place = place(&story(), &sync(SEGMENT));
    let failed = sync(SEGMENT).replace("= 0", "= -1 EIO (Input/output error)");
    let killed = sync(SEGMENT).replace("= 0", "= ?");
    for call in [failed, killed] {
        let mut calls = story();
        calls[place] = call;
        let error = judge(&calls).expect_err("nothing was synced");
        assert!(error.contains("answered before position 1"), "{error}");
    }
}

#[test]
fn an_answer_without_a_record_breaks_the_rule() {
    let mut calls = story();
    calls.remove(place(&calls, &format!("pwrite64(4<{SEGMENT}>")));
    let error = judge(&calls).expect_err("nothing was stored");
    assert!(error.contains("no record has the id"), "{error}");
}

#[test]
fn a_segment_unlinked_before_the_one_before_it_is_gone_for_sure_breaks_the_rule() {
    let second = SECOND;
    let mut calls = story();
    calls.extend([
        create(second),
        "fsync(3</r/journal>) = 0".to_owned(),
        format!("unlink(\"{second}\") = 0"),
        "fsync(3</r/journal>) = 0".to_owned(),
    ]);
    assert_eq!(judge(&calls), Ok([1, 2, 2, 0, 1]));
    let first = place(&calls, &format!("unlink(\"{SEGMENT}\")"));
    calls.remove(place(&calls, &format!("openat(AT_FDCWD</r>, \"{second}\"")) + 1);
    calls.remove(first + 1);
    let error = judge(&calls).expect_err("both may be gone or only the second");
    assert!(error.contains("went before the end of line"), "{error}");
}

#[test]
fn a_segment_that_becomes_another_breaks_the_rule_when_a_sync_is_left_out_or_late() {
    let broken = [
        (
            "fdatasync(4</r/journal/cursors>)",
            "00000000000000000001.seg went before cursors past 1 were synced",
        ),
        (
            "fsync(4</r/journal>)",
            "written when 00000000000000000001.seg might still be the file's name",
        ),
    ];
    for (left_out, reason) in broken {
        let mut calls = recycled();
        let at = place(&calls, left_out);
        let call = calls.remove(at);
        let error = judge(&calls).expect_err(left_out);
        assert!(error.contains(reason), "{left_out}: {error}");
        // One call later is too late.
        calls.insert(at + 1, call);
        let error = judge(&calls).expect_err(left_out);
        assert!(error.contains(reason), "{left_out}: {error}");
    }
    // The header that is not synced when it gets its name.
    let mut calls = recycled();
    let named = place(&calls, &format!("\"{SECOND}\""));
    calls.remove(named - 1);
    let error = judge(&calls).expect_err("the header is not synced");
    assert!(
        error.contains("00000000000000000002.seg got its name"),
        "{error}"
    );
}

#[test]
fn a_segment_unlinked_before_the_spares_name_is_synced_breaks_the_rule() {
    let third = "/r/journal/00000000000000000003.seg";
    let mut calls = recycled();
    let renamed = place(&calls, "rename(\"/r/journal/00000000000000000001.seg");
    calls.insert(0, create(third));
    calls.insert(renamed + 2, format!("unlink(\"{third}\") = 0"));
    let error = judge(&calls).expect_err("both may be gone or only the other");
    assert!(error.contains("went before the end of line"), "{error}");
    calls.swap(renamed + 2, renamed + 3);
    assert_eq!(judge(&calls), Ok([1, 4, 2, 1, 1]));
}
