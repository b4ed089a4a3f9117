//! Proves that the files for operators fit the relay: the alerts name metrics and label values that
//! exist and have a runbook and a test each, the index template and the add-on know what the relay
//! writes, and the image runs as nobody, without secrets, with a health check that tells well from
//! ill.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test reports, also in the functions around it"
)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use siem_relay::telemetry::metrics::Metrics;

#[path = "deploy/index_template.rs"]
mod index_template;
#[path = "support/samples.rs"]
mod samples;
#[path = "deploy/splunk_add_on.rs"]
mod splunk_add_on;
#[path = "support/index_template.rs"]
mod support;

const RULES: &str = include_str!("../deploy/prometheus/rules.yml");
const RULES_TEST: &str = include_str!("../deploy/prometheus/rules_test.yml");
const RUNBOOKS: &str = include_str!("../docs/operations.md");
const DOCKERFILE: &str = include_str!("../deploy/Dockerfile");
const UNIT: &str = include_str!("../deploy/systemd/siem-relay.service");
const DOCKERIGNORE: &str = include_str!("../.dockerignore");

#[test]
fn every_metric_and_label_value_in_the_rules_is_exported() {
    let exported = exported();
    let selectors = selectors();
    assert!(selectors.len() > 10, "only {selectors:?} found");
    for selector in selectors {
        let (name, labels) = selector.split_once('{').unwrap_or((&selector, ""));
        let family = format!("{name}{{");
        let of_family =
            |line: &&str| line.starts_with(&family) || line.split(' ').next() == Some(name);
        assert!(
            exported.lines().any(|line| of_family(&line)),
            "{name} is not exported"
        );
        for (label, value) in label_values(labels) {
            let pair = format!("{label}=\"{value}\"");
            assert!(
                exported
                    .lines()
                    .filter(of_family)
                    .any(|line| line.contains(&pair)),
                "{name} is not exported with {pair}"
            );
        }
    }
}

#[test]
fn every_alert_has_a_runbook_and_a_test() {
    let alerts: BTreeSet<&str> = values_of(RULES, "- alert:").collect();
    assert!(alerts.len() > 10, "only {alerts:?} found");
    let tested: BTreeSet<&str> = values_of(RULES_TEST, "- alertname:").collect();
    assert_eq!(alerts, tested);
    for alert in alerts {
        let url = format!("docs/operations.md#{}", alert.to_lowercase());
        assert!(
            values_of(RULES, "runbook_url:").any(|found| found == url),
            "no link to {url}"
        );
        let heading = format!("### {alert}");
        assert!(
            RUNBOOKS.lines().any(|line| line == heading),
            "no heading {heading}"
        );
    }
}

#[test]
fn a_reload_of_the_service_is_the_signal_that_the_runbook_names() {
    let set = |key: &str| {
        let mut values = UNIT.lines().filter_map(|line| line.strip_prefix(key));
        (values.next(), values.next())
    };
    assert_eq!(set("ExecReload="), (Some("/bin/kill -HUP $MAINPID"), None));
    // Else a supervisor would take SIGHUP for the end.
    assert_eq!(set("KillSignal="), (Some("SIGTERM"), None));
    for part in ["\n## SIGHUP\n", "systemctl reload siem-relay"] {
        assert!(RUNBOOKS.contains(part), "{part}");
    }
}

#[test]
fn every_stage_of_the_image_starts_from_a_named_version() {
    let bases: Vec<&str> = instructions("FROM").collect();
    assert_eq!(bases.len(), 2);
    for base in bases {
        let image = base.split_whitespace().next().unwrap();
        let tag = image.split_once(':').map(|(_, tag)| tag);
        assert!(
            tag.is_some_and(|tag| tag != "latest"),
            "{image} has no fixed tag"
        );
    }
    assert!(instructions("RUN").any(|run| run == "cargo build --release --locked"));
}

#[test]
fn the_image_runs_as_a_numeric_user_that_is_not_root() {
    let (_, runtime) = DOCKERFILE.rsplit_once("\nFROM ").unwrap();
    let user = runtime
        .lines()
        .filter_map(|line| line.strip_prefix("USER "))
        .next_back()
        .unwrap();
    for id in user.split(':') {
        assert!(id.parse::<u32>().unwrap() > 0, "{user}");
    }
    assert!(runtime.contains("\nVOLUME [\"/var/lib/siem-relay\"]\n"));
    assert!(runtime.contains("\nENTRYPOINT [\"/usr/local/bin/siem-relay\"]\n"));
}

#[test]
fn the_image_is_built_without_secrets() {
    for word in ["ENV", "ARG", "ADD"] {
        assert_eq!(instructions(word).next(), None, "{word} is not needed");
    }
    assert_eq!(
        DOCKERIGNORE.lines().find(|line| !line.starts_with('#')),
        Some("*")
    );
    for allowed in allowed_in_image() {
        assert!(
            !allowed.contains("secret") && !allowed.ends_with(".pem"),
            "{allowed}"
        );
    }
}

#[test]
fn the_image_build_sees_every_file_that_the_sources_include() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Unit tests may include what they like: the image does not build them.
    let is_test =
        |path: &Path| path.ends_with("tests.rs") || path.iter().any(|part| part == "tests");
    let sources = rust_files(&root.join("src"));
    for source in sources
        .iter()
        .filter(|path| !is_test(path.strip_prefix(root).unwrap()))
    {
        let text = std::fs::read_to_string(source).unwrap();
        for included in included_files(&text) {
            let path = source
                .parent()
                .unwrap()
                .join(&included)
                .canonicalize()
                .unwrap();
            let path = path.strip_prefix(root.canonicalize().unwrap()).unwrap();
            let allowed = allowed_in_image().any(|allowed| path.starts_with(allowed));
            assert!(allowed, "{} is shut out by .dockerignore", path.display());
        }
    }
}

#[test]
fn the_health_check_of_the_image_is_healthy_on_200_only() {
    assert!(health_check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    assert!(!health_check(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
    ));
    assert!(!health_check(""));
}

/// What a relay with one source and one destination shows to Prometheus.
fn exported() -> String {
    let metrics = Metrics::new().unwrap();
    let _source = metrics.source("a", 1, false);
    let _destination = metrics.destination("b", false);
    let _contract = metrics.contract("c");
    // A gauge shows a state only once one was set.
    metrics.storage.state("accepting");
    metrics.render().unwrap()
}

/// The metrics that rules read, with their label matchers: `name` or `name{label="value"`.
fn selectors() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let code = RULES
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let code: String = code
        .flat_map(str::split_whitespace)
        .collect::<Vec<_>>()
        .join(" ");
    for (start, _) in code.match_indices("siem_relay_") {
        let rest = &code[start..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap();
        let end = match rest.as_bytes()[end] {
            b'{' => rest.find('}').unwrap(),
            _ => end,
        };
        found.insert(rest[..end].to_owned());
    }
    found
}

/// The pairs in `label="value", label=~"one|two"`.
fn label_values(matchers: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut parts = matchers.split('"');
    while let (Some(label), Some(values)) = (parts.next(), parts.next()) {
        let label = label.trim_matches([' ', ',', '=', '~', '!']);
        pairs.extend(
            values
                .split('|')
                .map(|value| (label.to_owned(), value.to_owned())),
        );
    }
    pairs
}

fn values_of<'a>(yaml: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    yaml.lines()
        .filter_map(move |line| line.trim().strip_prefix(key))
        .map(str::trim)
}

fn instructions(word: &str) -> impl Iterator<Item = &'static str> {
    let prefix = format!("{word} ");
    let lines = DOCKERFILE.lines();
    lines.filter_map(move |line| line.strip_prefix(prefix.as_str()))
}

fn allowed_in_image() -> impl Iterator<Item = &'static str> {
    DOCKERIGNORE
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
}

/// Sources that the image compiles: without those of tests.
fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn included_files(text: &str) -> Vec<String> {
    let mut files = Vec::new();
    for include in ["include_str!(\"", "include_bytes!(\""] {
        for part in text.split(include).skip(1) {
            files.extend(part.split('"').next().map(str::to_owned));
        }
    }
    files
}

/// Runs the image's health check against a listener that gives this answer.
fn health_check(answer: &'static str) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (_, command) = DOCKERFILE.split_once("\n    CMD ").unwrap();
    let command: Vec<String> = serde_json::from_str(command.lines().next().unwrap()).unwrap();
    let command: Vec<String> = command
        .iter()
        .map(|part| part.replace("/9600", &format!("/{port}")))
        .collect();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
        assert_eq!(request.next().unwrap().unwrap(), "GET /healthz HTTP/1.1");
        while request.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        // The checker may leave after the status line.
        let _ = stream.write_all(answer.as_bytes());
    });
    let status = Command::new(&command[0])
        .args(&command[1..])
        .status()
        .unwrap();
    // A check that never connected must fail this test, not hang it.
    drop(TcpStream::connect(("127.0.0.1", port)));
    server.join().unwrap();
    status.success()
}
