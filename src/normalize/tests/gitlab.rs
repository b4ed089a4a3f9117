//! Proves what becomes of GitLab's events: documents, schemas, tables, and that no secret is shown.

use super::formats::{body, take_original};
use super::vendors::{Samples, with_header};
use super::*;

const EVENT: &str = "x-gitlab-event";
const HOOK: &str = "Vulnerability Hook";
const ACCOUNT: &str = "Change.Account_Management";
const AUDIT: &str = "Change.Auditing_Changes";

pub(super) static SAMPLES: Samples = Samples {
    vendor: "gitlab",
    preset: Preset::GitLab,
    header: Some(EVENT),
    list: &[
        ("vulnerability-confirmed", HOOK, "Vulnerabilities"),
        ("vulnerability-detected", HOOK, "Vulnerabilities"),
        ("vulnerability-dismissed", HOOK, "Vulnerabilities"),
        ("vulnerability-linked", HOOK, "Vulnerabilities"),
        ("vulnerability-resolved", HOOK, "Vulnerabilities"),
        ("vulnerability-secret", HOOK, "Alerts"),
        ("audit-git-fetch", "", AUDIT),
        (
            "audit-login",
            "",
            "Authentication.Successful_Authentication",
        ),
        (
            "audit-login-failed",
            "",
            "Authentication.Failed_Authentication",
        ),
        ("audit-member-created", "", ACCOUNT),
        ("audit-member-updated", "", ACCOUNT),
        ("audit-user-blocked", "", ACCOUNT),
        ("audit-user-locked", "", ACCOUNT),
        ("audit-feature-flag-deleted", "", AUDIT),
        ("audit-several", "", AUDIT),
        ("pipeline", "Pipeline Hook", ""),
    ],
    extra,
    tables: [
        include_str!("../../../docs/mapping/gitlab-ecs.md"),
        include_str!("../../../docs/mapping/gitlab-ocsf.md"),
        include_str!("../../../docs/mapping/gitlab-cim.md"),
    ],
};

/// What no sample has.
fn extra() -> Vec<String> {
    let many: Vec<String> = (0..70).map(|n| format!("\"k{n}\":{n}")).collect();
    let many = many.join(",");
    vec![
        format!(r#"{{"object_kind": "vulnerability", "created_at": 5, {many}}}"#),
        r#"{"object_kind": "vulnerability", "object_attributes": {"created_at": "now",
            "identifiers": [1, {}, {"external_type": "cwe", "external_id": "x"}],
            "location": 7, "cvss": [{}], "state": "odd", "severity": "odd", "issues": "x",
            "url": "x"}}"#
            .to_owned(),
        r#"{"object_kind": "vulnerability", "object_attributes": {"id": 9, "title": "t",
            "report_type": "dast", "location": {"hostname": "https://a.example.com", "path": "/a"},
            "identifiers": [{"external_type": "cwe", "external_id": "79"}]}}"#
            .to_owned(),
        r#"{"event_type": "user_created", "author_id": 1, "created_at": "now"}"#.to_owned(),
        r#"{"event_type": "user_access_locked", "details": [], "ip_address": "a"}"#.to_owned(),
        r#"[{"event_type": 5, "details": {}}, 1, null]"#.to_owned(),
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
fn no_value_of_a_secret_or_of_a_variable_is_shown() {
    let variables = r#"{"object_kind": "build", "new": {"variables": [{"value": "EXAMPLEONLY"}]},
        "variables": "EXAMPLEONLY", "token": "EXAMPLEONLY"}"#;
    let samples = SAMPLES.list.iter().map(|(name, ..)| SAMPLES.event(name));
    for event in samples.chain([event(variables)]) {
        for format in [Format::Ecs, Format::Ocsf, Format::Cim] {
            let mut value: Value =
                serde_json::from_str(&body(&event, Preset::GitLab, format)).unwrap();
            take_original(&mut value, format);
            assert!(!value.to_string().contains("EXAMPLEONLY"), "{value:#}");
        }
    }
}

#[test]
fn the_state_tells_what_became_of_a_vulnerability() {
    for (name, action, activity, status, kind) in [
        (
            "vulnerability-detected",
            "vulnerability-detected",
            1,
            1,
            "alert",
        ),
        (
            "vulnerability-linked",
            "vulnerability-detected",
            2,
            1,
            "alert",
        ),
        (
            "vulnerability-confirmed",
            "vulnerability-confirmed",
            2,
            1,
            "alert",
        ),
        (
            "vulnerability-dismissed",
            "vulnerability-dismissed",
            3,
            3,
            "event",
        ),
        (
            "vulnerability-resolved",
            "vulnerability-resolved",
            3,
            4,
            "event",
        ),
    ] {
        let ocsf = SAMPLES.value(name, Format::Ocsf);
        assert_eq!(ocsf["activity_id"], activity, "{name}");
        assert_eq!(ocsf["status_id"], status, "{name}");
        let ecs = SAMPLES.value(name, Format::Ecs);
        assert_eq!(ecs["event"]["action"], action, "{name}");
        assert_eq!(ecs["event"]["kind"], kind, "{name}");
    }
}

#[test]
fn the_kind_of_report_decides_on_the_class() {
    for (name, class, dataset) in [
        ("vulnerability-confirmed", 2002, "gitlab.vulnerability"),
        ("vulnerability-detected", 2007, "gitlab.code"),
        ("vulnerability-secret", 2007, "gitlab.secret"),
    ] {
        assert_eq!(SAMPLES.value(name, Format::Ocsf)["class_uid"], class);
        let ecs = SAMPLES.value(name, Format::Ecs);
        assert_eq!(ecs["event"]["dataset"], dataset);
    }
}

#[test]
fn a_header_names_what_the_body_does_not() {
    let bare = event(r#"{"object_attributes": {"title": "t", "state": "detected"}}"#);
    let named = with_header(&bare, EVENT, HOOK);
    let dataset = |event: &Arc<Event>| {
        let text = body(event, Preset::GitLab, Format::Ecs);
        let value: Value = serde_json::from_str(&text).unwrap();
        value["event"]["dataset"].clone()
    };
    assert_eq!(dataset(&bare), "gitlab.webhook");
    assert_eq!(dataset(&named), "gitlab.vulnerability");
}

#[test]
fn of_several_audit_events_the_first_is_described_and_all_are_listed() {
    let ecs = SAMPLES.value("audit-several", Format::Ecs);
    assert_eq!(ecs["event"]["code"], "project_export_created");
    assert_eq!(ecs["gitlab"]["batch"]["count"], 2);
    let users = ecs["related"]["user"].to_string();
    assert!(users.contains("Carl Clerk"), "{users}");
    let cim = SAMPLES.value("audit-several", Format::Cim);
    assert_eq!(cim["batch_code"], "project_export_created,member_destroyed");
}

#[test]
fn a_type_that_ends_in_failed_is_a_failure() {
    for (code, outcome, status) in [
        ("password_reset_failed", Some("failure"), 2),
        ("password_reset_requested", None, 1),
        ("key_rotation_failed", Some("failure"), 2),
    ] {
        let payload = event(format!(r#"{{"event_type": "{code}", "author_id": 1}}"#));
        let of = |format| -> Value {
            serde_json::from_str(&body(&payload, Preset::GitLab, format)).unwrap()
        };
        let ecs = of(Format::Ecs);
        assert_eq!(ecs["event"]["outcome"].as_str(), outcome, "{code}");
        assert_eq!(of(Format::Ocsf)["status_id"], status, "{code}");
        let cim = of(Format::Cim);
        assert_eq!(
            cim["status"].as_str(),
            outcome.or(Some("success")),
            "{code}"
        );
    }
}
