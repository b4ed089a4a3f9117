//! Proves the rules that hold for every kind of destination, and those of files.

use std::time::Duration;

use crate::settings::{Compress, Format, Kind, Start};

use super::*;

const FILE: &str = "kind = \"file\"\npath = \"out/events.jsonl\"\n";

fn file(lines: &str) -> String {
    destination(&format!("{FILE}{lines}"))
}

#[test]
fn a_file_with_nothing_else_has_the_documented_defaults() {
    let destination = accepted(&file("")).destinations.remove(0);
    assert_eq!(
        (destination.format, destination.start),
        (Format::Original, Start::Earliest)
    );
    assert!(destination.sources.is_none());
    assert_eq!(
        (destination.batch.max_events, destination.batch.max_bytes),
        (5000, 4 << 20)
    );
    assert_eq!(destination.retry.initial, Duration::from_secs(1));
    assert_eq!(destination.retry.max, Duration::from_secs(300));
    assert_eq!(
        (destination.retry.multiplier, destination.retry.jitter),
        (2.0, 0.5)
    );
    assert_eq!(destination.probe_interval, Duration::from_secs(60));
    let Kind::File(file) = destination.kind else {
        panic!("{:?}", destination.kind);
    };
    assert_eq!(
        (file.rotate_bytes, file.rotate_age, file.keep_files),
        (100 << 20, None, None)
    );
    assert!(file.path.is_absolute() && !file.envelope);
    assert_eq!(
        (file.compress, file.min_free_bytes),
        (Compress::None, 64 << 20)
    );
}

#[test]
fn only_documents_of_another_format_can_leave_out_what_the_vendor_sent() {
    refused(
        &file("keep_original = false"),
        "destinations.d.keep_original: is false although the format is original, which is nothing \
         else; set format, or remove it",
    );
    assert!(accepted(&file("keep_original = true")).destinations[0].keep_original);
}

#[test]
fn every_key_of_a_file_arrives() {
    let destination = accepted(&file(
        "format = \"ecs\"\nkeep_original = false\nstart = \"latest\"\nsources = [\"a\"]\n\
         batch_max_events = 7\nbatch_max_bytes = 2048\n\
         rotate_size = \"1MB\"\nrotate_age = \"1h 30m\"\nkeep_files = 3\n\
         compress = \"gzip\"\nmin_free_space = \"1GiB\"\n\
         envelope = true\nretry_initial = \"250ms\"\nretry_max = \"2s\"\nretry_multiplier = 1.5\n\
         retry_jitter = 0\nprobe_interval = \"5s\"",
    ))
    .destinations
    .remove(0);
    assert_eq!(
        (destination.format, destination.start),
        (Format::Ecs, Start::Latest)
    );
    assert!(!destination.keep_original);
    assert_eq!(destination.sources.unwrap(), ["a"]);
    assert_eq!(
        (destination.batch.max_events, destination.batch.max_bytes),
        (7, 2048)
    );
    assert_eq!(destination.retry.initial, Duration::from_millis(250));
    assert_eq!(
        (destination.retry.multiplier, destination.retry.jitter),
        (1.5, 0.0)
    );
    let Kind::File(file) = destination.kind else {
        panic!("{:?}", destination.kind);
    };
    assert_eq!((file.rotate_bytes, file.keep_files), (1_000_000, Some(3)));
    assert_eq!(file.rotate_age, Some(Duration::from_secs(5400)));
    assert!(file.envelope);
    assert_eq!(
        (file.compress, file.min_free_bytes),
        (Compress::Gzip, 1 << 30)
    );
}

#[test]
fn a_kind_is_needed_before_other_keys_are_judged() {
    refused(
        &destination("url = \"x\""),
        "destinations.d.kind: missing; write kind = one of",
    );
    refused(
        &destination("kind = \"splunk\"\nurl = \"x\""),
        "destinations.d.kind: \"splunk\" is unknown; write one of splunk_hec, elasticsearch",
    );
    refused(
        &file("token_file = \"token\""),
        "destinations.d.token_file: unknown key",
    );
}

#[test]
fn retries_grow_and_end_within_bounds() {
    for (lines, expected) in [
        (
            "retry_multiplier = 0.9",
            "retry_multiplier: 0.9 is out of range; write a number from 1",
        ),
        (
            "retry_multiplier = inf",
            "retry_multiplier: inf is out of range",
        ),
        (
            "retry_multiplier = nan",
            "retry_multiplier: NaN is out of range",
        ),
        (
            "retry_multiplier = \"2\"",
            "retry_multiplier: must be a number, is a string",
        ),
        (
            "retry_jitter = 1.1",
            "retry_jitter: 1.1 is out of range; write a number from 0 to 1",
        ),
        ("retry_jitter = -0.1", "retry_jitter: -0.1 is out of range"),
        (
            "retry_initial = \"0s\"",
            "retry_initial: 0s is out of range",
        ),
        (
            "retry_max = \"500ms\"",
            "retry_max: is shorter than retry_initial",
        ),
        (
            "probe_interval = \"0s\"",
            "probe_interval: 0s is out of range",
        ),
    ] {
        refused(&file(lines), &format!("destinations.d.{expected}"));
    }
}

#[test]
fn batches_have_limits_by_kind() {
    for (lines, expected) in [
        (
            format!("{FILE}batch_max_events = 0"),
            "batch_max_events: 0 is out of range",
        ),
        (
            format!("{FILE}batch_max_events = 10001"),
            "batch_max_events: 10001 is out of range",
        ),
        (
            format!("{FILE}batch_max_bytes = 1023"),
            "batch_max_bytes: 1023B is out of range",
        ),
        (
            format!("{FILE}batch_max_bytes = \"65MiB\""),
            "batch_max_bytes: 65MiB is out of range",
        ),
        (
            "kind = \"splunk_hec\"\nurl = \"https://s\"\ntoken_file = \"token\"\n\
             batch_max_bytes = \"4609KiB\""
                .to_owned(),
            "batch_max_bytes: 4609KiB is out of range; write a size from 1KiB to 4608KiB",
        ),
        (
            "kind = \"http\"\nurl = \"https://s\"\nframing = \"single\"\nbatch_max_events = 2"
                .to_owned(),
            "batch_max_events: more than one event while each has a request",
        ),
    ] {
        refused(&destination(&lines), &format!("destinations.d.{expected}"));
    }
}

#[test]
fn wanted_sources_exist() {
    refused(
        &file("sources = [\"a\", \"b\"]"),
        "destinations.d.sources: there is no source \"b\"; write one of a, or add the source",
    );
    refused(&file("sources = []"), "destinations.d.sources: is empty");
}

#[test]
fn there_is_a_destination_unless_collecting_was_chosen() {
    refused(SOURCE, "destinations: no destination is configured");
    let collecting = "[journal]\ncollect_only = true\n";
    assert!(
        accepted(&format!("{collecting}{SOURCE}"))
            .destinations
            .is_empty()
    );
    let (_, warnings) = loaded(&beside_good(collecting));
    assert!(
        warnings[0].contains("journal.collect_only has no effect"),
        "{warnings:?}"
    );
    let many = |number: usize| {
        let one = |n| format!("[destinations.d{n}]\nkind = \"file\"\npath = \"out/{n}\"\n");
        SOURCE.to_owned() + &(0..number).map(one).collect::<String>()
    };
    assert_eq!(accepted(&many(32)).destinations.len(), 32);
    refused(&many(33), "destinations: there are 33; keep at most 32");
}

#[test]
fn a_file_lies_outside_the_relays_directories() {
    for (path, expected) in [
        ("siem-relay-data/journal/x", "lies inside journal.directory"),
        (
            "out/../siem-relay-data/./journal/a/x",
            "lies inside journal.directory",
        ),
        (
            "siem-relay-data/dead-letters/x",
            "lies inside dead_letters.directory",
        ),
        (".", "is a directory"),
        ("out/..", "is a directory"),
    ] {
        let text = destination(&format!("kind = \"file\"\npath = \"{path}\""));
        refused(&text, &format!("destinations.d.path: {expected}"));
    }
    refused(
        &destination("kind = \"file\""),
        "destinations.d.path: missing",
    );
    let beside = "kind = \"file\"\npath = \"siem-relay-data/journal-archive/x\"";
    accepted(&destination(beside));
}

#[test]
fn two_destinations_do_not_share_a_file() {
    let text = format!("{SOURCE}{DESTINATION}[destinations.e]\nkind = \"file\"\npath = ");
    refused(
        &format!("{text}\"out/x/../events.jsonl\""),
        "destinations.e.path: is the file of destinations.d",
    );
    accepted(&format!("{text}\"out/events2.jsonl\""));
}

#[test]
fn an_optional_destination_has_a_limit_and_a_required_one_has_none() {
    let limit = |lines: &str| accepted(lines).destinations.remove(0).max_backlog_bytes;
    assert_eq!(limit(&file("")), None);
    assert_eq!(limit(&file("required = true")), None);
    assert_eq!(limit(&file("required = false")), Some(5 << 30));
    assert_eq!(
        limit(&file("required = false\nmax_backlog = \"64MiB\"")),
        Some(64 << 20)
    );
    let small = format!(
        "[journal]\nmax_size = \"1GiB\"\n{}",
        file("required = false")
    );
    assert_eq!(limit(&small), Some(512 << 20));
}

#[test]
fn a_limit_without_effect_or_out_of_reach_is_refused() {
    for (lines, expected) in [
        (
            "max_backlog = \"1GiB\"",
            "max_backlog: is set although the destination is required, so that nothing bounds \
             it; remove it, or set required = false",
        ),
        (
            "required = false\nmax_backlog = \"63MiB\"",
            "max_backlog: 63MiB is out of range; write a size from 64MiB to 10GiB",
        ),
        (
            "required = false\nmax_backlog = \"11GiB\"",
            "max_backlog: 11GiB is out of range; write a size from 64MiB to 10GiB",
        ),
    ] {
        refused(&file(lines), &format!("destinations.d.{expected}"));
    }
}

#[test]
fn a_warning_says_that_no_destination_is_required() {
    let optional = "required = false";
    let warned = |text: &str| {
        let warnings = loaded(text).1;
        warnings
            .iter()
            .any(|line| line.contains("destinations: no destination is required"))
    };
    assert!(warned(&file(optional)));
    let other = "[destinations.e]\nkind = \"file\"\npath = \"other/events.jsonl\"\n";
    assert!(!warned(&format!("{}\n{other}", file(optional))));
    assert!(!warned(&file("")));
}

#[test]
fn only_what_splunk_may_read_can_have_the_format_cim() {
    let format =
        |lines: &str, format: &str| destination(&format!("{lines}\nformat = \"{format}\""));
    let hec = "kind = \"splunk_hec\"\nurl = \"https://h:8088\"\ntoken_file = \"token\"";
    let raw = format!("{hec}\nendpoint = \"raw\"");
    let elastic = "kind = \"elasticsearch\"\nurl = \"https://h\"\nindex = \"i\"";
    let http = "kind = \"http\"\nurl = \"https://h\"";
    for (lines, formats) in [
        (FILE, &["ecs", "ocsf", "cim"][..]),
        (hec, &["ecs", "ocsf", "cim"]),
        (http, &["ecs", "ocsf", "cim"]),
        (elastic, &["ecs", "ocsf"]),
        (&raw, &["ecs", "ocsf"]),
    ] {
        for word in formats {
            let settings = accepted(&format(lines, word));
            assert_eq!(settings.destinations[0].format.as_str(), *word);
        }
    }
    let expected = "destinations.d.format: is cim, which only Splunk reads";
    refused(&format(elastic, "cim"), expected);
    let expected = "destinations.d.format: is cim, whose sourcetype differs";
    refused(&format(&raw, "cim"), expected);
    accepted(&format(&format!("{raw}\nsourcetype = \"s\""), "cim"));
}
