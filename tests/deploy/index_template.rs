//! Proves that the index template maps every field of every document in ECS, each with the type
//! that ECS gives it, and nothing that the tables of `docs/mapping` do not list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use siem_relay::event::{AuthMethod, Event, EventId, Provenance, ReplayId};
use siem_relay::normalize::Renderer;
use siem_relay::settings::{Format, Preset, Source};
use siem_relay::sink::{Rendered, Shape};

use crate::samples::{CONNECTIVITY_TEST, presets, samples};
use crate::support::{mapped, steps};

const MAPPINGS: &str = include_str!("../../deploy/elasticsearch/component-mappings.json");
const STREAM: &str = include_str!("../../deploy/elasticsearch/template-data-stream.json");
const INDEX: &str = include_str!("../../deploy/elasticsearch/template-index.json");
const README: &str = include_str!("../../deploy/elasticsearch/README.md");
const ECS: &str = include_str!("../schemas/ecs-9.4.0.json");
/// What a keyword without a limit may have; a longer one makes the whole document be refused.
const TERM_BYTES_MAX: u64 = 32_766;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn template() -> BTreeMap<String, Value> {
    let mapped = mapped(&json(MAPPINGS)["template"]["mappings"]);
    assert!(mapped.len() > 60, "only {mapped:?} found");
    mapped
}

/// A source for each preset that has samples, and one of any JSON.
fn sources(presets: &[String]) -> Vec<Source> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    let auth = "allow_unauthenticated = true\nauth = { none = true }";
    let tables = presets.iter().map(String::as_str).chain(["generic"]);
    let tables = tables.map(|name| format!("[sources.{name}]\npreset = \"{name}\"\n{auth}\n"));
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[journal]\ndirectory = \"journal\"\n\
         collect_only = true\nallow_ephemeral = true\n{}",
        tables.collect::<String>()
    );
    std::fs::write(&file, text).unwrap();
    let loaded = siem_relay::config::load(&file, std::iter::empty());
    loaded
        .map_err(|problems| problems.to_string())
        .unwrap()
        .settings
        .sources
}

/// Every sample as its vendor's, and as one of the source that knows no vendor.
pub(crate) fn rendered(format: Format, shape: Shape) -> Vec<(String, Rendered)> {
    let samples = samples();
    let sources = sources(&presets(&samples));
    let renderer = Renderer::new(&sources, format, shape);
    let mut all = Vec::new();
    for sample in &samples {
        for source in [sample.preset.as_str(), "generic"] {
            let name = format!("{source}: {}", sample.name);
            let test = sample.name == CONNECTIVITY_TEST;
            let preset = sources.iter().find(|it| it.name == source).unwrap().preset;
            let event = event(source, &sample.payload, test, preset);
            all.push((name, renderer.render(&event).unwrap().0));
        }
    }
    all
}

/// The headers that a preset keeps, but that which names the event: its shape tells as well.
fn headers(preset: Preset) -> Vec<(String, String)> {
    let kept = preset.headers().iter();
    let others = kept.filter(|header| !header.ends_with("-event"));
    let valued = others.map(|header| {
        let value = match header.ends_with("timestamp") {
            true => "2025-11-23T12:00:00Z",
            false => "4f9e0a2c-7a0b-4b1d-9c55-2f6f0c6a9d11",
        };
        ((*header).to_owned(), value.to_owned())
    });
    valued.collect()
}

/// A connectivity test is given everything that the relay itself may say of an event.
fn event(source: &str, payload: &str, test: bool, preset: Preset) -> Arc<Event> {
    let received_ms = 1_763_900_000_123;
    let id = EventId::new(received_ms);
    let provenance = Provenance {
        source: source.to_owned(),
        peer: None,
        client: Some([192, 0, 2, 7].into()),
        auth: AuthMethod::Bearer,
        secret_slot: Some(1),
        test,
        content_type: None,
        content_encoding: None,
        headers: headers(preset),
    };
    Arc::new(Event {
        position: 1,
        id,
        received_ms,
        duplicate_of: test.then_some(id),
        replay_id: test.then(ReplayId::new),
        provenance: Arc::new(provenance),
        payload: payload.to_owned().into(),
    })
}

/// Values by dotted name; those of an array are of its field.
fn leaves<'v>(path: &str, value: &'v Value, found: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(&format!("{path}{dot}{name}"), value, found);
            }
        }
        Value::Array(all) => all.iter().for_each(|value| leaves(path, value, found)),
        _ => found.push((path.to_owned(), value)),
    }
}

fn fits(kind: &str, value: &Value) -> bool {
    let text = value.as_str();
    match kind {
        "keyword" | "text" => text.is_some(),
        "date" => text.is_some_and(|text| text.parse::<Timestamp>().is_ok()),
        "ip" => text.is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
        "boolean" => value.is_boolean(),
        "long" => value.is_i64(),
        "float" => value.is_number(),
        _ => false,
    }
}

#[test]
fn every_field_of_every_sample_is_in_the_index_template_with_its_type() {
    let template = template();
    for (name, rendered) in rendered(Format::Ecs, Shape::Document) {
        let document: Value = serde_json::from_slice(&rendered.body).unwrap();
        let mut found = Vec::new();
        leaves("", &document, &mut found);
        for (field, value) in found {
            let Some(mapping) = template.get(&field) else {
                panic!("{name}: {field} is not in component-mappings.json");
            };
            let kind = mapping["type"].as_str().unwrap();
            assert!(fits(kind, value), "{name}: {field} is {kind}, not {value}");
        }
    }
}

/// Where not every release of both products has the type, its family's plain one stands in.
#[test]
fn the_index_template_gives_each_field_of_ecs_the_type_that_ecs_gives_it() {
    let schema = json(ECS);
    let schema = schema["fields"].as_object().unwrap();
    let known = ["keyword", "text", "date", "ip", "boolean", "long", "float"];
    for (field, mapping) in template() {
        let kind = mapping["type"].as_str().unwrap();
        assert!(known.contains(&kind), "{field} is {kind}");
        let Some(defined) = schema.get(&field) else {
            let (root, _) = field.split_once('.').unwrap();
            let below = format!("{root}.");
            let own = !schema.keys().any(|name| name.starts_with(&below));
            assert!(own, "ECS has no {field} below its {root}");
            continue;
        };
        let expected = match defined["type"].as_str().unwrap() {
            "wildcard" | "constant_keyword" => "keyword",
            "match_only_text" => "text",
            other => other,
        };
        assert_eq!(kind, expected, "{field}");
    }
}

#[test]
fn the_index_template_and_the_tables_of_the_mappings_list_the_same_fields() {
    let mut listed = BTreeSet::new();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mapping");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_str().unwrap().ends_with("-ecs.md") {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        let rows = text.lines().filter(|line| line.starts_with("| "));
        let second = rows.filter_map(|row| row.split('|').nth(2));
        let names = second.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        listed.extend(names.map(str::to_owned));
    }
    let mapped: BTreeSet<String> = template().into_keys().collect();
    let missing: Vec<_> = listed.difference(&mapped).collect();
    assert!(missing.is_empty(), "not mapped: {missing:?}");
    // Of findings that are no violations the table says that they have the same fields.
    let violation = |field: &str| field.replace(".finding.", ".policy_violation.");
    let unknown = mapped
        .iter()
        .filter(|field| !listed.contains(*field) && !listed.contains(&violation(field)));
    let unknown: Vec<_> = unknown.collect();
    assert!(unknown.is_empty(), "not in a table: {unknown:?}");
}

#[test]
fn nothing_a_vendor_sends_meets_a_limit_or_a_guess_of_the_index() {
    let mappings = &json(MAPPINGS)["template"]["mappings"];
    for detection in ["date_detection", "numeric_detection"] {
        assert_eq!(mappings[detection], false, "{detection}");
    }
    let strings = &mappings["dynamic_templates"][0]["strings_are_keywords"];
    assert_eq!(strings["match_mapping_type"], "string");
    assert_eq!(strings["mapping"]["type"], "keyword");
    assert_eq!(strings["mapping"]["ignore_above"], 1024);
    for (field, mapping) in template() {
        if mapping["type"] != "keyword" {
            continue;
        }
        let unseen = mapping["index"] == false && mapping["doc_values"] == false;
        // It counts characters, each of which may have four bytes.
        let limit = mapping["ignore_above"].as_u64().unwrap_or(u64::MAX);
        let bounded = limit.saturating_mul(4) <= TERM_BYTES_MAX;
        assert!(unseen || bounded, "{field} has no limit");
    }
    assert_eq!(template()["event.original"]["index"], false);
}

#[test]
fn the_readme_installs_every_part_of_the_index_template_before_what_needs_it() {
    let steps = steps(README);
    let files: Vec<_> = steps.iter().map(|(_, file)| *file).collect();
    let templates = ["template-data-stream.json", "template-index.json"];
    assert_eq!(files[0], "component-mappings.json");
    assert_eq!(files[1..], templates);
    for template in [STREAM, INDEX] {
        for part in json(template)["composed_of"].as_array().unwrap() {
            let path = format!("_component_template/{}", part.as_str().unwrap());
            assert!(steps.iter().any(|(to, _)| *to == path), "{path}");
        }
    }
}
