//! Proves that the published tables of OCSF and CIM list what is written, and nothing else.

use std::collections::BTreeSet;

use super::formats::{SAMPLES, body, sample};
use super::mapping::leaves;
use super::*;

const OCSF: &str = include_str!("../../../docs/mapping/datatheorem-ocsf.md");
const CIM: &str = include_str!("../../../docs/mapping/datatheorem-cim.md");

/// Everything between backticks in the second column.
fn listed(table: &str) -> BTreeSet<String> {
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let second = rows.filter_map(|row| row.split('|').nth(2));
    let names = second.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(str::to_owned).collect()
}

/// Documents that between them have every field.
fn documents(format: Format) -> Vec<Value> {
    let mut repeat = Arc::unwrap_or_clone(test_event(CONNECTIVITY_TEST));
    repeat.duplicate_of = Some(repeat.id);
    repeat.replay_id = Some(ReplayId::new());
    let odd = r#"{"event": {"type": "POLICY_VIOLATION_OPENED", "data": {
        "additional_information": "x", "severity": "LOW"}}, "time": "now"}"#;
    let many: Vec<String> = (0..70).map(|n| format!("\"k{n}\":{n}")).collect();
    let many = format!(
        r#"{{"event": {{"type": "X__Y", "data": {{{}}}}}}}"#,
        many.join(",")
    );
    let mut events = vec![Arc::new(repeat), event(odd), event(many)];
    events.extend(SAMPLES.iter().map(|(name, _)| sample(name)));
    let bodies = events
        .iter()
        .map(|event| body(event, Preset::DataTheorem, format));
    bodies
        .map(|body| serde_json::from_str(&body).unwrap())
        .collect()
}

/// Names of an OCSF event: of `resources` and of unknown members those of the first.
fn names(document: &Value) -> Vec<String> {
    let mut document = document.clone();
    let resource = document
        .get("resources")
        .and_then(|all| all.get(0))
        .cloned();
    if let Some(resource) = resource {
        document["resources"] = resource;
    }
    let member = document["unmapped"]["members"].get(0).cloned();
    if let Some(member) = member {
        document["unmapped"]["members"] = member;
    }
    leaves(&document).into_keys().collect()
}

#[test]
fn the_table_of_ocsf_lists_every_attribute_that_is_written() {
    let written: BTreeSet<String> = documents(Format::Ocsf).iter().flat_map(names).collect();
    assert!(written.len() > 60);
    assert_eq!(written, listed(OCSF));
}

#[test]
fn the_table_of_cim_lists_every_field_that_is_written() {
    let documents = documents(Format::Cim);
    let fields = documents
        .iter()
        .flat_map(|document| document.as_object().unwrap().keys());
    let written: BTreeSet<String> = fields.cloned().collect();
    assert!(written.len() > 60);
    assert_eq!(written, listed(CIM));
}
