//! Proves what becomes of Snyk's events: documents, schemas, tables, and that of several issues the
//! worst is described and none is lost.

use super::vendors::{Samples, with_header};
use super::*;

const EVENT: &str = "x-snyk-event";
const SNAPSHOT: &str = "project_snapshot/v0";

pub(super) static SAMPLES: Samples = Samples {
    vendor: "snyk",
    preset: Preset::Snyk,
    header: Some(EVENT),
    list: &[
        ("ping", "ping/v0", ""),
        ("snapshot-new-issue", SNAPSHOT, "Vulnerabilities"),
        ("snapshot-new-issues", SNAPSHOT, "Vulnerabilities"),
        ("snapshot-removed-issues", SNAPSHOT, "Vulnerabilities"),
        ("snapshot-new-and-removed", SNAPSHOT, "Vulnerabilities"),
        ("snapshot-licence", SNAPSHOT, "Vulnerabilities"),
        ("snapshot-container", SNAPSHOT, "Vulnerabilities"),
        ("snapshot-without-news", SNAPSHOT, ""),
    ],
    extra,
    tables: [
        include_str!("../../../docs/mapping/snyk-ecs.md"),
        include_str!("../../../docs/mapping/snyk-ocsf.md"),
        include_str!("../../../docs/mapping/snyk-cim.md"),
    ],
};

/// What no sample has.
fn extra() -> Vec<String> {
    let many: Vec<String> = (0..70).map(|n| format!("\"k{n}\":{n}")).collect();
    let many = many.join(",");
    vec![
        format!(r#"{{"newIssues": [{{{many}}}], "project": 7}}"#),
        r#"{"newIssues": [{}], "removedIssues": 5}"#.to_owned(),
        r#"{"newIssues": [1, null, {"issueData": {"identifiers": {"CWE": ["CWE-1", "CWE-2"]},
            "cvssScore": 11, "semver": {"vulnerable": []}}}]}"#
            .to_owned(),
        r#"{"removedIssues": [{"id": "x", "pkgVersions": 7, "issueData": {"cvssScore": 5}}]}"#
            .to_owned(),
    ]
}

#[test]
fn every_sample_becomes_the_committed_document_in_every_format() {
    SAMPLES.check_documents();
}

#[test]
fn every_document_conforms_to_its_schema() {
    SAMPLES.check_schemas();
}

#[test]
fn the_tables_list_what_is_written_and_nothing_else() {
    SAMPLES.check_tables();
}

#[test]
fn the_worst_of_the_new_issues_is_described_and_all_are_listed() {
    let ecs = SAMPLES.value("snapshot-new-issues", Format::Ecs);
    assert_eq!(ecs["vulnerability"]["id"], "CVE-2020-8203");
    assert_eq!(ecs["event"]["severity"], 99);
    assert_eq!(ecs["event"]["kind"], "alert");
    let finding = &ecs["snyk"]["finding"];
    assert_eq!(finding["opened_count"], 3);
    assert_eq!(finding["opened_id"].as_array().unwrap().len(), 3);
    let cves = finding["cve"].to_string();
    assert_eq!(cves, r#"["CVE-2020-8203","CVE-2023-45857"]"#);
    let ocsf = SAMPLES.value("snapshot-new-issues", Format::Ocsf);
    let all = ocsf["vulnerabilities"].as_array().unwrap();
    let levels: Vec<_> = all.iter().map(|one| one["severity"].as_str()).collect();
    assert_eq!(levels, [Some("Critical"), Some("High"), Some("Low")]);
    assert_eq!(all[2]["advisory"]["uid"], "npm:ms:20170412");
}

#[test]
fn what_is_gone_closes_and_what_is_new_is_an_alert_whatever_else_is_gone() {
    for (name, activity, status, first, kind) in [
        ("snapshot-new-issue", 1, 1, "CVE-2020-8203", "alert"),
        ("snapshot-removed-issues", 3, 4, "CVE-2020-8203", "event"),
        ("snapshot-new-and-removed", 1, 1, "CVE-2023-45857", "alert"),
    ] {
        let ecs = SAMPLES.value(name, Format::Ecs);
        assert_eq!(ecs["event"]["kind"], kind, "{name}");
        let ocsf = SAMPLES.value(name, Format::Ocsf);
        assert_eq!(ocsf["activity_id"], activity, "{name}");
        assert_eq!(ocsf["status_id"], status, "{name}");
        let vulnerabilities = ocsf["vulnerabilities"].as_array().unwrap();
        assert_eq!(vulnerabilities[0]["cve"]["uid"], first, "{name}");
    }
    let both = SAMPLES.value("snapshot-new-and-removed", Format::Ocsf);
    assert_eq!(both["vulnerabilities"].as_array().unwrap().len(), 1);
    let gone = both["unmapped"]["resolved_ids"].as_array().unwrap();
    assert_eq!(gone.len(), 2);
}

#[test]
fn a_test_without_news_is_no_finding() {
    let ocsf = SAMPLES.value("snapshot-without-news", Format::Ocsf);
    assert_eq!(ocsf["class_uid"], 0);
    let reading = reading(Preset::Snyk);
    let event = SAMPLES.event("snapshot-without-news");
    let (_, notes) =
        super::super::render(&event, &event, &reading, Format::Ecs, Shape::Payload, true).unwrap();
    assert_eq!(notes, Notes::default());
}

#[test]
fn of_more_issues_than_are_listed_the_worst_are_and_all_are_counted() {
    let one = |n: u64| {
        let severity = if n == 140 { "critical" } else { "low" };
        format!(r#"{{"id": "SNYK-{n}", "issueData": {{"severity": "{severity}"}}}}"#)
    };
    let issues: Vec<String> = (0..150).map(one).collect();
    let payload = format!(r#"{{"newIssues": [{}]}}"#, issues.join(","));
    let text = formats::body(&event(payload), Preset::Snyk, Format::Ecs);
    let value: Value = serde_json::from_str(&text).unwrap();
    let finding = &value["snyk"]["finding"];
    assert_eq!(finding["opened_count"], 150);
    let ids = finding["opened_id"].as_array().unwrap();
    assert_eq!(ids.len(), 100);
    assert_eq!((&ids[0], &ids[1]), (&"SNYK-140".into(), &"SNYK-0".into()));
    assert_eq!(value["event"]["severity"], 99);
    assert_eq!(value["rule"]["id"], "SNYK-140");
}

#[test]
fn a_header_has_the_time_and_the_version() {
    let plain = SAMPLES.event("snapshot-new-issue");
    let timed = with_header(&plain, "x-snyk-timestamp", "2025-11-23T12:00:00Z");
    let of = |event: &Arc<Event>| {
        let text = formats::body(event, Preset::Snyk, Format::Ecs);
        serde_json::from_str::<Value>(&text).unwrap()
    };
    assert_eq!(of(&plain)["@timestamp"], "2025-11-23T11:59:07.704Z");
    assert_eq!(of(&timed)["@timestamp"], "2025-11-23T12:00:00.000Z");
    assert_eq!(of(&timed)["snyk"]["version"], "v0");
}

#[test]
fn a_source_may_rate_each_issue_otherwise() {
    let reading = Reading {
        preset: Preset::Snyk,
        severities: vec![
            ("low".to_owned(), Severity::Critical),
            ("critical".to_owned(), Severity::Low),
        ],
    };
    let event = SAMPLES.event("snapshot-new-issues");
    let (ecs, _) =
        super::super::render(&event, &event, &reading, Format::Ecs, Shape::Payload, true).unwrap();
    let value: Value = serde_json::from_slice(&ecs.body).unwrap();
    assert_eq!(value["vulnerability"]["id"], "npm:ms:20170412");
}
