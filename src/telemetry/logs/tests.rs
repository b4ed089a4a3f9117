//! Proves what a log line looks like, what a filter may say, that lines are counted, and (in a
//! process of its own) that panics are logged and a closed stdout harms nobody.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::*;
use crate::telemetry::metrics::LEVELS;

/// Names the file in which the child tells what it counted.
const CHILD_REPORT: &str = "SIEM_RELAY_TEST_LOG_REPORT";
/// Tells the parent that stdout may be closed now.
const CHILD_READY: &str = "child is ready";
const LINES_INTO_THE_VOID: usize = 1000;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn log(json: bool, filter: &str, metrics: &Metrics, emit: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let filter = parse(filter).unwrap();
    let subscriber = subscriber(json, filter, metrics, move || writer.clone());
    tracing::subscriber::with_default(subscriber, emit);
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_json_line_has_its_fields_beside_level_message_and_a_utc_time() {
    let metrics = Metrics::new().unwrap();
    let text = log(true, "info", &metrics, || {
        tracing::warn!(destination = "splunk", events = 3, "batch \"late\"\nagain");
    });
    let (line, rest) = text.split_once('\n').unwrap();
    assert_eq!(rest, "");
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["message"], "batch \"late\"\nagain");
    assert_eq!(line["destination"], "splunk");
    assert_eq!(line["events"], 3);
    let time = line["timestamp"].as_str().unwrap();
    assert!(time.ends_with('Z'), "{time}");
    time.parse::<jiff::Timestamp>().unwrap();
}

#[test]
fn a_json_line_names_the_span_it_was_written_in() {
    let metrics = Metrics::new().unwrap();
    let text = log(true, "info", &metrics, || {
        let span = tracing::info_span!("worker", destination = "splunk");
        span.in_scope(|| tracing::info!("held"));
    });
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["span"]["destination"], "splunk");
}

#[test]
fn a_text_line_is_one_line_without_terminal_codes_whatever_its_fields_hold() {
    let metrics = Metrics::new().unwrap();
    let text = log(false, "info", &metrics, || {
        tracing::info!(excerpt = %"red \u{1b}[31m\nERROR forged", name = "a b", n = 3, "got\r\nit");
    });
    let (_, line) = text.split_once("tests: ").unwrap();
    let fields = r#"excerpt=red \u{1b}[31m\nERROR forged name="a b" n=3"#;
    assert_eq!(line, format!("got\\r\\nit {fields}\n"));
    assert!(text.contains("Z  INFO siem_relay::telemetry"), "{text}");
}

#[test]
fn lines_are_counted_by_level_and_only_where_the_filter_lets_them_through() {
    let metrics = Metrics::new().unwrap();
    let own = "warn,siem_relay::telemetry=debug";
    let text = log(true, own, &metrics, || {
        tracing::error!("one");
        tracing::debug!("two");
        tracing::debug!("three");
        tracing::trace!("too fine");
        tracing::info!(target: "elsewhere", "filtered");
    });
    assert_eq!(text.lines().count(), 3, "{text}");
    let count = |level| metrics.log_messages.with_label_values(&[level]).get();
    assert_eq!(LEVELS.map(count), [1, 0, 0, 2, 0]);
}

#[test]
fn levels_and_targets_are_filters() {
    for filter in [
        "info",
        "OFF",
        "siem_relay=debug",
        "warn, siem_relay::deliver=trace",
        "error,siem_relay=info,hyper=off",
    ] {
        assert_eq!(check_level(filter), Ok(()), "{filter}");
    }
}

#[test]
fn what_the_library_would_misread_is_refused_with_the_word_and_the_remedy() {
    for (filter, word) in [
        ("inof", "\"inof\""),
        ("", "\"\""),
        ("info,", "\"\""),
        ("siem_relay", "\"siem_relay\""),
        ("siem_relay=loud", "\"loud\""),
        ("siem_relay=", "\"\""),
        ("=info", "\"\""),
        ("a=b=info", "\"b=info\""),
        ("siem_relay[{x}]=info", "\"siem_relay[{x}]\""),
        ("3", "\"3\""),
    ] {
        let error = check_level(filter).unwrap_err();
        assert!(error.starts_with(word), "{filter}: {error}");
        assert!(
            error.contains("use one of") || error.contains("write one"),
            "{error}"
        );
    }
    let long = check_level(&"a".repeat(FILTER_BYTES_MAX + 1)).unwrap_err();
    assert!(long.len() < 100, "{long}");
}

#[test]
fn a_panic_is_a_log_line_with_message_and_place() {
    let (_directory, mut child, _) = child();
    drop(child.stdin.take());
    let mut output = String::new();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut output).unwrap();
    assert!(child.wait().unwrap().success(), "{output}");
    let line = output
        .lines()
        .find(|line| line.contains("a thread panicked"));
    let line: Value = serde_json::from_str(line.unwrap()).unwrap();
    assert_eq!(line["level"], "ERROR");
    assert_eq!(
        line["panic"],
        format!("disk on fire {}", "x".repeat(PANIC_CHARACTERS_MAX - 13))
    );
    assert_eq!(line["thread"], "worker");
    let location = line["location"].as_str().unwrap();
    assert!(
        location.contains("src/telemetry/logs/tests.rs:"),
        "{location}"
    );
}

#[test]
fn a_closed_stdout_neither_kills_nor_blocks_and_the_counter_goes_on() {
    let (_directory, mut child, report) = child();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(CHILD_READY)));
    drop(lines);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    let report = std::fs::read_to_string(report).unwrap();
    let info = format!("siem_relay_log_messages_total{{level=\"info\"}} {LINES_INTO_THE_VOID}\n");
    assert!(report.contains(&info), "{report}");
    let lost = format!("siem_relay_log_messages_lost_total {LINES_INTO_THE_VOID}\n");
    assert!(report.contains(&lost), "{report}");
}

fn child() -> (tempfile::TempDir, std::process::Child, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "telemetry::logs::tests::in_a_process_of_its_own"])
        // With one thread, as on one core, the harness begins a line before the test does.
        .args(["--ignored", "--nocapture", "--test-threads=2"])
        .env(CHILD_REPORT, &report)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closed from the beginning: who reports a failed write there panics.
    drop(child.stderr.take());
    (directory, child, report)
}

#[test]
#[ignore = "the part of the two tests above that needs a process: it sets up global logging"]
fn in_a_process_of_its_own() {
    let report = std::env::var(CHILD_REPORT).unwrap();
    let metrics = Metrics::new().unwrap();
    init(true, "info", &metrics).unwrap();
    assert!(matches!(init(true, "info", &metrics), Err(LogError::Twice)));
    let worker = std::thread::Builder::new().name("worker".to_owned());
    let panicking = worker
        .spawn(|| panic!("disk on fire {}", "x".repeat(9999)))
        .unwrap();
    assert!(panicking.join().is_err());
    println!("{CHILD_READY}");
    // The parent closes this when it has done to stdout what it wants.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    for number in 0..LINES_INTO_THE_VOID {
        tracing::info!(number, "nobody reads this");
    }
    std::fs::write(report, metrics.render().unwrap()).unwrap();
    // Returning would let the test harness write its verdict to a stdout that may be closed.
    std::process::exit(0);
}
