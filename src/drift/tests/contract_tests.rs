//! Proves what breaks a contract and what does not, and that breaches are counted and bounded.

use super::super::contracts::{breach, matches};
use super::*;

fn contract(requires: &[&str], values: &[(&str, &[&str])]) -> Contract {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    Contract {
        name: "severity".to_owned(),
        source: "appsec".to_owned(),
        kind: "FINDING_*".to_owned(),
        requires: owned(requires),
        values: values
            .iter()
            .map(|(pointer, words)| ((*pointer).to_owned(), owned(words)))
            .collect(),
        used_by: "rule 7".to_owned(),
    }
}

#[test]
fn a_contract_is_broken_by_the_first_place_that_is_not_as_it_says() {
    let both = contract(&["/id", "/a/b"], &[("/severity", &["HIGH", "3", "true"])]);
    for (value, expected) in [
        (json!({ "id": 1, "a": { "b": false } }), None),
        (json!({ "id": 1, "a": {} }), Some(("/a/b", "missing"))),
        (
            json!({ "id": null, "a": { "b": 1 } }),
            Some(("/id", "missing")),
        ),
        (json!({ "id": 1, "a": "b" }), Some(("/a/b", "missing"))),
        (json!([]), Some(("/id", "missing"))),
        (json!("text"), Some(("/id", "missing"))),
        (json!({ "severity": "LOW" }), Some(("/id", "missing"))),
    ] {
        assert_eq!(breach(&both, &value), expected, "{value}");
    }
    let unknown = Some(("/severity", "unknown_value"));
    for (severity, expected) in [
        (json!("HIGH"), None),
        (json!(null), None),
        (json!(3), None),
        (json!(true), None),
        (json!(["HIGH", 3]), None),
        (json!([]), None),
        (json!("high"), unknown),
        (json!("HIGH "), unknown),
        (json!(3.5), unknown),
        (json!(false), unknown),
        (json!(["HIGH", "LOW"]), unknown),
        (json!([["HIGH"]]), unknown),
        (json!({ "level": "HIGH" }), unknown),
    ] {
        let value = json!({ "id": 1, "a": { "b": 1 }, "severity": severity });
        assert_eq!(breach(&both, &value), expected, "{value}");
    }
}

#[test]
fn an_event_is_held_against_the_contracts_of_its_source_and_type_alone() {
    let mut other = contract(&["/id"], &[]);
    other.source = "other".to_owned();
    let mut login = contract(&["/id"], &[]);
    login.kind = "LOGIN".to_owned();
    let contracts = [
        contract(&["/id"], &[]),
        other,
        login,
        contract(&["/a"], &[]),
    ];
    let mut event = event(1, &json!({ "type": "FINDING_NEW", "a": 1 }));
    let held = hold(&contracts, &event).unwrap();
    let told: Vec<_> = held
        .iter()
        .map(|(contract, breach)| (&contract.requires[0], breach.as_ref().map(|b| b.problem)))
        .collect();
    let (id, a) = ("/id".to_owned(), "/a".to_owned());
    assert_eq!(told, [(&id, Some("missing")), (&a, None)]);
    Arc::make_mut(&mut event.provenance).test = true;
    assert_eq!(hold(&contracts, &event), Some(Vec::new()));
    event.payload = vec![b' '; 1024 * 1024 + 1].into();
    Arc::make_mut(&mut event.provenance).test = false;
    assert_eq!(hold(&contracts, &event), None);
}

#[test]
fn a_star_stands_for_any_text_and_everything_else_for_itself() {
    for (pattern, text, expected) in [
        ("*", "", true),
        ("*", "A", true),
        ("A", "A", true),
        ("A", "AB", false),
        ("A", "", false),
        ("A*", "A", true),
        ("A*", "BA", false),
        ("*A", "BA", true),
        ("*A", "AB", false),
        ("A*A", "A", false),
        ("A*A", "AA", true),
        ("*_OPENED", "API__OPENED", true),
        ("a*b*c", "aXbYbZc", true),
        ("a*b*c", "aXcYb", false),
        ("**", "x", true),
        ("A?", "AB", false),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn breaches_are_counted_for_events_of_the_source_and_type_only() {
    let drift = drift(&[contract(&["/id"], &[])]);
    let mut foreign = event(1, &json!({ "type": "FINDING_OPENED" }));
    let provenance = Provenance {
        source: "other".to_owned(),
        ..(*foreign.provenance).clone()
    };
    foreign.provenance = Arc::new(provenance);
    drift.observe(&foreign);
    drift.observe(&event(2, &json!({ "type": "ASSET_ADDED" })));
    drift.observe(&event(3, &json!({ "type": "FINDING_OPENED", "id": 1 })));
    let status = &drift.contracts()[0];
    assert_eq!(
        (status.checked, status.breaches, &status.last),
        (1, 0, &None)
    );
    drift.observe(&event(4, &json!({ "type": "FINDING_OPENED" })));
    drift.observe(&event(
        5,
        &json!({ "type": "FINDING_RESOLVED", "id": null }),
    ));
    let status = &drift.contracts()[0];
    assert_eq!((status.checked, status.breaches), (3, 2));
    let last = status.last.clone().unwrap();
    assert_eq!(
        (last.event, last.pointer.as_str(), last.problem),
        (id(5), "/id", "missing")
    );
}
