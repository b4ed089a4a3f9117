//! Proves that the exposition is well-formed, that every closed label set is there at zero, and
//! that `docs/metrics.md` lists exactly what the registry holds.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const CATALOGUE: &str = include_str!("../../../docs/metrics.md");

/// Labels whose values come from the configuration, from answers or from the build.
const OPEN_LABELS: [&str; 7] = [
    "source",
    "destination",
    "contract",
    "slot",
    "code",
    "version",
    "target",
];

/// One family: its type, and the values seen of each label.
#[derive(Debug, Default, PartialEq)]
struct Family {
    kind: String,
    labels: BTreeMap<String, BTreeSet<String>>,
}

fn populated() -> Arc<Metrics> {
    let metrics = Metrics::new().unwrap();
    metrics.source("datatheorem", 2, false).request("accepted");
    metrics.source(NO_SOURCE, 0, false).request("not_found");
    let destination = metrics.destination("splunk", false);
    destination.state("delivering");
    destination.response(Some(503)).inc();
    metrics.contract("critical_findings");
    metrics
}

/// The families of an exposition by name, without the names of open labels' values.
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap();
            current = name.to_owned();
            let family = Family {
                kind: kind.to_owned(),
                ..Family::default()
            };
            assert!(
                families.insert(current.clone(), family).is_none(),
                "{name} twice"
            );
        } else if !line.starts_with('#') {
            assert!(line.starts_with(&current), "{line} stands under {current}");
            let labels = line
                .split_once('{')
                .map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
            let family = families.get_mut(&current).unwrap();
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let (name, value) = label.split_once('=').unwrap();
                if name != "le" {
                    let values = family.labels.entry(name.to_owned()).or_default();
                    if !OPEN_LABELS.contains(&name) {
                        values.insert(value.trim_matches('"').to_owned());
                    }
                }
            }
        }
    }
    families
}

/// The families of the catalogue: rows of `name | type | labels | meaning`, where the labels
/// cell is `` `a`; `b` = `x`, `y` ``.
fn catalogue(text: &str) -> BTreeMap<String, Family> {
    let mut families = BTreeMap::new();
    for row in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, meaning] = cells[..] else {
            panic!("not four cells: {row}")
        };
        assert!(!meaning.is_empty(), "{name} has no meaning");
        let mut family = Family {
            kind: kind.to_owned(),
            ..Family::default()
        };
        for label in labels
            .split(';')
            .map(str::trim)
            .filter(|label| !label.is_empty())
        {
            let (label, values) = label.split_once('=').unwrap_or((label, ""));
            let values = values.split(',').map(word).filter(|v| !v.is_empty());
            family.labels.insert(word(label), values.collect());
        }
        assert!(
            families.insert(word(name), family).is_none(),
            "{name} twice"
        );
    }
    families
}

fn word(cell: &str) -> String {
    cell.trim().trim_matches('`').to_owned()
}

#[test]
fn the_catalogue_and_the_registry_agree_both_ways() {
    let shown = families(&populated().render().unwrap());
    let documented = catalogue(CATALOGUE);
    for (name, family) in &shown {
        let row = documented.get(name);
        assert_eq!(
            row,
            Some(family),
            "{name}: left docs/metrics.md, right the registry"
        );
    }
    for name in documented.keys() {
        assert!(
            shown.contains_key(name),
            "{name} is in docs/metrics.md and not in the registry"
        );
    }
}

#[test]
fn names_follow_the_rules_of_prometheus() {
    let text = populated().render().unwrap();
    for (name, family) in families(&text) {
        let counter = family.kind == "counter";
        assert_eq!(
            name.ends_with("_total"),
            counter,
            "{name} is a {}",
            family.kind
        );
        for reserved in ["_count", "_sum", "_bucket", "gauge", "counter", "histogram"] {
            assert!(!name.contains(reserved), "{name} contains {reserved}");
        }
        let own = name.starts_with("siem_relay_") || name.starts_with("process_");
        assert!(own, "{name} has no known prefix");
        let help = format!("# HELP {name} ");
        assert_eq!(text.matches(&help).count(), 1, "{name} needs one help text");
    }
    assert!(text.ends_with('\n'));
}

#[test]
fn every_closed_label_set_is_at_zero_from_the_start() {
    let metrics = Metrics::new().unwrap();
    metrics.source("generic", 1, true);
    metrics.destination("archive", true);
    metrics.contract("severity");
    let text = metrics.render().unwrap();
    let zero = |series: String| {
        let line = format!("siem_relay_{series} 0\n");
        assert!(text.contains(&line), "{line}");
    };
    for result in INGEST_RESULTS {
        zero(format!(
            r#"ingest_requests_total{{result="{result}",source="generic"}}"#
        ));
    }
    for state in STATES {
        zero(format!(
            r#"destination_state{{destination="archive",state="{state}"}}"#
        ));
    }
    for reason in RETRY_REASONS {
        zero(format!(
            r#"delivery_retries_total{{destination="archive",reason="{reason}"}}"#
        ));
    }
    for (command, result) in ADMIN_COMMANDS
        .iter()
        .flat_map(|command| COMMAND_RESULTS.map(|result| (command, result)))
    {
        zero(format!(
            r#"admin_commands_total{{command="{command}",result="{result}"}}"#
        ));
    }
    for code in ["200", "none"] {
        zero(format!(
            r#"delivery_responses_total{{code="{code}",destination="archive"}}"#
        ));
    }
    for family in ["contract_events_total", "contract_breaches_total"] {
        zero(format!(r#"{family}{{contract="severity"}}"#));
    }
    zero(r#"drift_events_total{result="missed"}"#.to_owned());
    zero(r#"source_secret_last_used_timestamp_seconds{slot="1",source="generic"}"#.to_owned());
    let one = "siem_relay_storage_state{state=\"accepting\"} 1\n";
    assert!(text.contains(one), "{text}");
}

#[test]
fn requests_without_a_source_have_no_time_of_a_last_event() {
    let metrics = Metrics::new().unwrap();
    metrics.source(NO_SOURCE, 0, false).request("method");
    metrics.source("generic", 0, true);
    let text = metrics.render().unwrap();
    assert!(
        text.contains(r#"requests_total{result="method",source="none"} 1"#),
        "{text}"
    );
    assert!(
        !text.contains(r#"last_event_timestamp_seconds{source="none"}"#),
        "{text}"
    );
    assert!(
        !text.contains(r#"source_unauthenticated{source="none"}"#),
        "{text}"
    );
    assert!(
        text.contains(r#"source_unauthenticated{source="generic"} 1"#),
        "{text}"
    );
}

#[test]
fn exactly_one_state_is_set() {
    let metrics = Metrics::new().unwrap();
    let destination = metrics.destination("splunk", false);
    for state in STATES {
        destination.state(state);
        metrics.storage.state(STORAGE_STATES[1]);
        let text = metrics.render().unwrap();
        let states = text.lines().filter(|line| line.contains("_state{"));
        assert_eq!(
            states.filter(|line| line.ends_with(" 1")).count(),
            2,
            "{text}"
        );
        let set = format!(r#"destination_state{{destination="splunk",state="{state}"}} 1"#);
        assert!(text.contains(&set), "{text}");
    }
}

#[test]
fn a_status_that_is_none_counts_as_no_answer() {
    let metrics = Metrics::new().unwrap();
    let destination = metrics.destination("splunk", false);
    for status in [None, Some(0), Some(99), Some(600), Some(u16::MAX)] {
        destination.response(status).inc();
    }
    destination.response(Some(429)).inc();
    let text = metrics.render().unwrap();
    assert!(
        text.contains(r#"responses_total{code="none",destination="splunk"} 5"#),
        "{text}"
    );
    assert!(
        text.contains(r#"responses_total{code="429",destination="splunk"} 1"#),
        "{text}"
    );
}

#[test]
fn a_used_secret_is_noted_under_its_slot() {
    let metrics = Metrics::new().unwrap();
    let source = metrics.source("generic", 2, false);
    source.secret_used(2, 1.5e9);
    source.secret_used(0, 1.0);
    source.secret_used(3, 1.0);
    let text = metrics.render().unwrap();
    assert!(text.contains(r#"{slot="1",source="generic"} 0"#), "{text}");
    assert!(
        text.contains(r#"{slot="2",source="generic"} 1500000000"#),
        "{text}"
    );
    assert_eq!(
        text.matches("secret_last_used_timestamp_seconds{").count(),
        2
    );
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "label lost is not declared")]
fn a_label_outside_its_set_is_seen_in_tests() {
    let metrics = Metrics::new().unwrap();
    metrics.destination("splunk", false).discard("lost", 1);
}
