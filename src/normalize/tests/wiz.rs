//! Proves what becomes of Wiz's events: documents, schemas, tables, and that no evidence is shown.

use super::formats::{body, take_original};
use super::vendors::Samples;
use super::*;

pub(super) static SAMPLES: Samples = Samples {
    vendor: "wiz",
    preset: Preset::Wiz,
    header: None,
    list: &[
        ("issue-created", "", "Alerts"),
        ("issue-updated", "", "Alerts"),
        ("issue-resolved", "", "Alerts"),
        ("issue-rejected", "", "Alerts"),
        ("issue-threat-detection", "", "Alerts"),
        ("threat", "", "Alerts"),
        ("detection", "", "Alerts"),
        ("vulnerability", "", "Vulnerabilities"),
        ("configuration-finding", "", "Alerts"),
        ("unknown-template", "", ""),
    ],
    extra,
    tables: [
        include_str!("../../../docs/mapping/wiz-ecs.md"),
        include_str!("../../../docs/mapping/wiz-ocsf.md"),
        include_str!("../../../docs/mapping/wiz-cim.md"),
    ],
};

/// What no sample has.
fn extra() -> Vec<String> {
    let many: Vec<String> = (0..70).map(|n| format!("\"k{n}\":{n}")).collect();
    let many = many.join(",");
    vec![
        format!(r#"{{"issue": {{{many}}}, "trigger": {{"type": "Odd"}}}}"#),
        r#"{"issue": 7, "resource": {}, "control": {"name": ""}}"#.to_owned(),
        r#"{"issue": {"id": "x", "status": "ODD", "severity": "ODD", "issueURL": "https://a/"},
            "resource": {"cloudPlatform": "vSphere", "subscriptionId": "s", "region": "r",
            "subscriptionName": "n"}}"#
            .to_owned(),
        r#"{"threat": {"actors": [1], "resources": {}, "mitreTechniques": "T1, T2, "}}"#.to_owned(),
        r#"{"tdrId": 1, "triggeringEvent": {"actor": {"name": "n"}, "actorIp": "a"}}"#.to_owned(),
        r#"{"vulnerability": {"name": "GHSA-x", "score": 5}}"#.to_owned(),
        r#"{"CVEDescription": "d", "vulnerableAsset": []}"#.to_owned(),
        r#"{"configurationFinding": {"result": "PASS"}}"#.to_owned(),
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
fn no_evidence_and_no_command_line_is_shown() {
    for (name, ..) in SAMPLES.list {
        for format in [Format::Ecs, Format::Ocsf, Format::Cim] {
            let event = SAMPLES.event(name);
            let mut value: Value =
                serde_json::from_str(&body(&event, Preset::Wiz, format)).unwrap();
            take_original(&mut value, format);
            assert!(!value.to_string().contains("EXAMPLEONLY"), "{value:#}");
        }
    }
}

#[test]
fn what_an_event_is_about_decides_on_the_class() {
    for (name, class, dataset) in [
        ("issue-created", 2003, "wiz.misconfiguration"),
        ("configuration-finding", 2003, "wiz.misconfiguration"),
        ("issue-threat-detection", 2004, "wiz.detection"),
        ("threat", 2004, "wiz.detection"),
        ("detection", 2004, "wiz.detection"),
        ("vulnerability", 2002, "wiz.vulnerability"),
        ("unknown-template", 0, "wiz.webhook"),
    ] {
        assert_eq!(SAMPLES.value(name, Format::Ocsf)["class_uid"], class);
        let ecs = SAMPLES.value(name, Format::Ecs);
        assert_eq!(ecs["event"]["dataset"], dataset);
    }
}

#[test]
fn trigger_and_status_tell_what_became_of_an_issue() {
    for (name, activity, status) in [
        ("issue-created", 1, 1),
        ("issue-updated", 2, 1),
        ("issue-resolved", 3, 4),
        ("issue-rejected", 3, 3),
        ("issue-threat-detection", 2, 1),
    ] {
        let ocsf = SAMPLES.value(name, Format::Ocsf);
        assert_eq!(ocsf["activity_id"], activity, "{name}");
        assert_eq!(ocsf["status_id"], status, "{name}");
    }
}

#[test]
fn a_creation_long_ago_is_not_the_time_of_an_update() {
    let of = |name| SAMPLES.value(name, Format::Ecs)["@timestamp"].clone();
    assert_eq!(of("issue-created"), "2025-11-23T12:08:09.708Z");
    // The template of issues has no other time, so the received one stands in.
    assert_eq!(of("issue-updated"), "2025-11-23T12:13:20.123Z");
    assert_eq!(of("issue-resolved"), "2025-11-23T12:10:00.500Z");
}

#[test]
fn a_note_is_no_reason_and_an_unknown_reason_leaves_what_is_resolved_resolved() {
    let of = |members: &str, format| {
        let payload = format!(
            r#"{{"threat": {{"id": "t", "severity": "HIGH", {members}}},
            "trigger": {{"type": "Updated"}}}}"#
        );
        let text = body(&event(payload), Preset::Wiz, format);
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let resolved = r#""status": "RESOLVED""#;
    for (reason, status) in [
        (r#""resolutionNote": "won't fix""#, 4),
        (r#""resolutionNote": "done, closing""#, 4),
        (r#""resolutionReason": "SOMETHING_NEW""#, 4),
        (r#""resolutionReason": "FALSE_POSITIVE""#, 3),
    ] {
        let ocsf = of(&format!("{resolved}, {reason}"), Format::Ocsf);
        assert_eq!(ocsf["status_id"], status, "{reason}");
        assert!(ocsf["status_detail"].is_string(), "{reason}");
    }
    let rejected = r#""status": "REJECTED", "resolutionReason": "SOMETHING_NEW""#;
    assert_eq!(of(rejected, Format::Ocsf)["status_id"], 3);
}

#[test]
fn the_end_of_a_detection_is_no_alert() {
    let of = |status: &str, format| {
        let payload = format!(r#"{{"threat": {{"id": "t", "status": "{status}"}}}}"#);
        let text = body(&event(payload), Preset::Wiz, format);
        serde_json::from_str::<Value>(&text).unwrap()
    };
    for (status, word) in [("OPEN", "alert"), ("RESOLVED", "event"), ("ODD", "alert")] {
        assert_eq!(of(status, Format::Ecs)["event"]["kind"], word, "{status}");
        assert_eq!(of(status, Format::Cim)["type"], word, "{status}");
    }
}
