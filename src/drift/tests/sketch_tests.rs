//! Proves that each change is told once, at its top, with the first event that shows it; and that
//! what is no change is not told.

use super::*;

fn finding() -> Value {
    json!({
        "type": "OPENED",
        "severity": "HIGH",
        "count": 7,
        "asset": { "name": "a", "tags": ["x"], "owner": { "team": "red" } },
    })
}

/// A change of a finding.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut value = finding();
    change(&mut value);
    value
}

fn after_five(later: &[Value]) -> Vec<(&'static str, String, String, u64)> {
    found(&[&repeated(5, &finding()), later].concat())
}

fn told(
    what: &'static str,
    field: &str,
    detail: &str,
    number: u64,
) -> (&'static str, String, String, u64) {
    (what, field.to_owned(), detail.to_owned(), number)
}

#[test]
fn events_that_stay_the_same_tell_nothing() {
    assert_eq!(after_five(&[]), []);
    assert_eq!(found(&[finding()]), []);
}

#[test]
fn each_change_is_told_with_the_first_event_that_shows_it() {
    let retyped = changed(|it| it["count"] = json!("7"));
    assert_eq!(
        after_five(&[retyped.clone(), retyped]),
        [told("retyped", "/count", "string, was number", 6)]
    );
    let dropped = changed(|it| {
        it.as_object_mut().unwrap().remove("count");
    });
    assert_eq!(
        after_five(&[dropped.clone(), dropped]),
        [told(
            "missing_field",
            "/count",
            "absent in 2 event(s), was in 5",
            6
        )]
    );
    let added = changed(|it| it["cvss"] = json!(9.8));
    assert_eq!(
        after_five(&[finding(), added.clone(), added]),
        [told("new_field", "/cvss", "number", 7)]
    );
    let worded = changed(|it| it["severity"] = json!("CRITICAL"));
    assert_eq!(
        after_five(&[finding(), worded.clone(), worded]),
        [told("new_value", "/severity", "CRITICAL", 7)]
    );
    let other = changed(|it| it["type"] = json!("SNOOZED"));
    assert_eq!(
        after_five(&[other.clone(), other]),
        [told("new_type", "", "2 event(s)", 6)]
    );
}

#[test]
fn of_an_object_that_comes_or_goes_only_the_top_is_told() {
    let gone = changed(|it| {
        it.as_object_mut().unwrap().remove("asset");
    });
    assert_eq!(
        after_five(&[gone]),
        [told(
            "missing_field",
            "/asset",
            "absent in 1 event(s), was in 5",
            6
        )]
    );
    let come = changed(|it| it["scan"] = json!({ "by": { "name": "n" }, "a/b": [{ "c": 1 }] }));
    assert_eq!(
        after_five(&[come.clone(), come]),
        [told("new_field", "/scan", "object", 6)]
    );
    let flat = changed(|it| it["asset"] = json!("a"));
    assert_eq!(
        after_five(&[flat]),
        [told("retyped", "/asset", "string, was object", 6)]
    );
}

#[test]
fn elements_of_arrays_are_one_field_whatever_their_number() {
    let more = changed(|it| it["asset"]["tags"] = json!(["x", "x", "x"]));
    let none = changed(|it| it["asset"]["tags"] = json!([]));
    assert_eq!(after_five(&[more, none]), []);
    let retyped = changed(|it| it["asset"]["tags"] = json!(["x", 1]));
    assert_eq!(
        after_five(&[retyped]),
        [told("retyped", "/asset/tags[]", "number, was string", 6)]
    );
}

#[test]
fn a_field_that_may_be_absent_is_missed_only_after_longer_than_ever() {
    let (with, without) = (json!({ "a": 1, "b": 1 }), json!({ "a": 1 }));
    let sometimes = [
        with.clone(),
        with.clone(),
        with.clone(),
        without.clone(),
        with.clone(),
    ];
    let gone = |count| found(&[&sometimes[..], &repeated(count, &without)].concat());
    assert_eq!(gone(9), []);
    assert_eq!(
        gone(10),
        [told(
            "missing_field",
            "/b",
            "absent in 10 event(s), was in 4",
            6
        )]
    );
    // Twice is no habit.
    assert_eq!(found(&[with.clone(), with, without.clone(), without]), []);
}

#[test]
fn keys_that_are_ids_are_one_field_and_texts_are_kept_only_as_words() {
    let events: Vec<_> = (0..50)
        .map(|n| {
            json!({
                "by_id": { format!("924f1fb0-ebaa-4dfd-9297-{n}"): { "x": n } },
                "url": format!("https://example.com/{n}"),
                "mail": "someone@example.com",
                "api_token": "sesame",
                "auth": { "scheme": "open-sesame" },
                "title": format!("word {n}"),
                "state": "OPEN",
            })
        })
        .collect();
    assert_eq!(found(&events), []);
    let text = serde_json::to_string(&shown(&events)).unwrap();
    for kept in ["/by_id", "/{id}", "\"OPEN\"", "/api_token"] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
    for dropped in ["924f1fb0", "example.com", "sesame", "word 1"] {
        assert!(!text.contains(dropped), "{dropped}: {text}");
    }
}

#[test]
fn only_the_latest_findings_are_reported_and_the_rest_counted() {
    let mut events = vec![json!({ "type": "A", "f": {} })];
    for number in 0..1500 {
        let kind = format!("T{}", number % 60);
        let name = format!("{}{}", ["a", "b", "c"][number / 500], number % 500 / 60);
        events.push(json!({ "type": kind, "f": { name: 1 } }));
    }
    let report = shown(&events).report();
    // 60 new types, and a new field wherever a type has one that its first event had not.
    let fields: std::collections::BTreeSet<_> = events[1..]
        .iter()
        .map(|it| (it["type"].to_string(), it["f"].to_string()))
        .collect();
    let all = 60 + fields.len() - 60;
    assert_eq!(
        (report.findings.len(), report.left_out),
        (1000.min(all), all - 1000.min(all))
    );
    assert!(
        report
            .findings
            .is_sorted_by(|a, b| a.first_seen <= b.first_seen)
    );
}
