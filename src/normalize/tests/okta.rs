//! Proves what becomes of Okta's events: documents, schemas, tables, families, and that no token of
//! a login is shown.

use super::formats::{body, take_original};
use super::vendors::Samples;
use super::*;

const ACCOUNT: &str = "Change.Account_Management";
const AUDIT: &str = "Change.Auditing_Changes";
const LOGIN: &str = "Authentication.Successful_Authentication";
const FAILED: &str = "Authentication.Failed_Authentication";

pub(super) static SAMPLES: Samples = Samples {
    vendor: "okta",
    preset: Preset::Okta,
    header: None,
    list: &[
        ("login", "", LOGIN),
        ("login-failed", "", FAILED),
        ("logout", "", LOGIN),
        ("sso", "", LOGIN),
        ("mfa-failed", "", FAILED),
        ("account-locked", "", ACCOUNT),
        ("user-created", "", "Change.Accounts_Created"),
        ("user-suspended", "", ACCOUNT),
        ("password-changed", "", ACCOUNT),
        ("mfa-factor-deactivated", "", ACCOUNT),
        ("privilege-granted", "", ACCOUNT),
        ("group-member-added", "", ACCOUNT),
        ("policy-rule-updated", "", AUDIT),
        ("policy-denied", "", AUDIT),
        ("threat-detected", "", "Alerts"),
        ("suspicious-activity-reported", "", "Alerts"),
        ("several-events", "", ACCOUNT),
        ("system-log-event", "", AUDIT),
    ],
    extra,
    tables: [
        include_str!("../../../docs/mapping/okta-ecs.md"),
        include_str!("../../../docs/mapping/okta-ocsf.md"),
        include_str!("../../../docs/mapping/okta-cim.md"),
    ],
};

/// What no sample has.
fn extra() -> Vec<String> {
    let many: Vec<String> = (0..70).map(|n| format!("\"k{n}\":{n}")).collect();
    let many = many.join(",");
    vec![
        format!(r#"{{"eventType": "x.y", "published": "now", {many}}}"#),
        r#"{"data": {"events": []}, "eventTypeVersion": "2"}"#.to_owned(),
        r#"{"data": {"events": [1, {"eventType": 7, "client": 5, "actor": "x"}]}}"#.to_owned(),
        r#"{"data": {}, "eventID": "x"}"#.to_owned(),
        r#"{"eventType": "user.session.start", "client": {"ipAddress": "a",
            "geographicalContext": {"country": "DE"}}}"#
            .to_owned(),
        r#"{"eventType": "user.lifecycle.delete.completed", "severity": "ODD",
            "target": [{"type": "User", "id": "u"}]}"#
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
fn no_token_in_an_address_is_shown() {
    for (name, ..) in SAMPLES.list {
        for format in [Format::Ecs, Format::Ocsf, Format::Cim] {
            let event = SAMPLES.event(name);
            let mut value: Value =
                serde_json::from_str(&body(&event, Preset::Okta, format)).unwrap();
            take_original(&mut value, format);
            assert!(!value.to_string().contains("EXAMPLEONLY"), "{value:#}");
        }
    }
}

#[test]
fn a_family_is_told_by_the_words_of_the_type() {
    for (name, class, activity) in [
        ("login", 3002, 1),
        ("login-failed", 3002, 1),
        ("logout", 3002, 2),
        ("sso", 3002, 1),
        ("account-locked", 3001, 9),
        ("user-created", 3001, 1),
        ("user-suspended", 3001, 5),
        ("password-changed", 3001, 3),
        ("mfa-factor-deactivated", 3001, 11),
        ("privilege-granted", 3001, 7),
        ("group-member-added", 3001, 7),
        ("policy-rule-updated", 6003, 3),
        ("policy-denied", 6003, 99),
        ("threat-detected", 2004, 1),
        ("system-log-event", 6003, 1),
    ] {
        let ocsf = SAMPLES.value(name, Format::Ocsf);
        let found = (&ocsf["class_uid"], &ocsf["activity_id"]);
        assert_eq!(found, (&class.into(), &activity.into()), "{name}");
    }
}

#[test]
fn of_several_events_the_worst_is_described_and_all_are_listed() {
    let ecs = SAMPLES.value("several-events", Format::Ecs);
    assert_eq!(ecs["event"]["code"], "user.account.lock");
    let batch = &ecs["okta"]["batch"];
    assert_eq!(batch["count"], 3);
    assert_eq!(batch["id"].as_array().unwrap().len(), 3);
    let codes = batch["code"].to_string();
    assert_eq!(codes, r#"["user.account.lock","user.session.start"]"#);
    let addresses = ecs["related"]["ip"].to_string();
    assert!(addresses.contains("192.0.2.1"), "{addresses}");
    let alone = SAMPLES.value("account-locked", Format::Ecs);
    assert_eq!(alone["okta"].get("batch"), None);
}

#[test]
fn among_equals_the_first_event_is_described() {
    let one =
        |uuid: &str| format!(r#"{{"eventType": "x.y", "severity": "INFO", "uuid": "{uuid}"}}"#);
    let payload = format!(r#"{{"data": {{"events": [{}, {}]}}}}"#, one("a"), one("b"));
    let text = body(&event(payload), Preset::Okta, Format::Ecs);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["okta"]["event_id"], "a");
}

#[test]
fn a_source_may_rate_oktas_words_and_a_failed_login_is_at_least_low() {
    let severity = |name: &str, severities: Vec<(String, Severity)>| {
        let reading = Reading {
            preset: Preset::Okta,
            severities,
        };
        let event = SAMPLES.event(name);
        let (ocsf, _) =
            super::super::render(&event, &reading, Format::Ocsf, Shape::Payload, true).unwrap();
        let value: Value = serde_json::from_slice(&ocsf.body).unwrap();
        value["severity_id"].clone()
    };
    assert_eq!(severity("login", Vec::new()), 1);
    assert_eq!(severity("login-failed", Vec::new()), 3);
    assert_eq!(severity("account-locked", Vec::new()), 4);
    let calm = vec![("warn".to_owned(), Severity::Informational)];
    assert_eq!(severity("login-failed", calm.clone()), 2);
    assert_eq!(severity("policy-denied", calm), 1);
}

#[test]
fn a_system_does_what_a_person_suffers() {
    let ecs = SAMPLES.value("account-locked", Format::Ecs);
    assert_eq!(ecs["user"]["name"], "system@okta.com");
    assert_eq!(ecs["user"]["target"]["name"], "grace@example.com");
    assert_eq!(ecs["event"]["outcome"], "failure");
    let sso = SAMPLES.value("sso", Format::Ecs);
    assert_eq!(sso["service"]["name"], "Payroll");
    assert_eq!(sso["user"]["email"], "grace@example.com");
}
