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
            super::super::render(&event, &event, &reading, Format::Ocsf, Shape::Payload, true)
                .unwrap();
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

/// One event of this type in a format.
fn of_type(code: &str, members: &str, format: Format) -> Value {
    let payload = event(format!(r#"{{"eventType": "{code}"{members}}}"#));
    serde_json::from_str(&body(&payload, Preset::Okta, format)).unwrap()
}

#[test]
fn a_result_that_is_neither_is_no_success_and_a_denied_push_is_a_failure() {
    for code in ["policy.evaluate_sign_on", "user.account.lock"] {
        let members = r#", "outcome": {"result": "CHALLENGE"}"#;
        let ecs = of_type(code, members, Format::Ecs);
        assert_eq!(ecs["event"]["outcome"], "unknown", "{code}");
        let ocsf = of_type(code, members, Format::Ocsf);
        assert_eq!(ocsf["status_id"], 0, "{code}");
        assert_eq!(of_type(code, members, Format::Cim).get("status"), None);
        assert_eq!(of_type(code, "", Format::Cim)["status"], "success");
    }
    let members = r#", "outcome": {"result": "SUCCESS"}"#;
    for (code, action) in [
        ("user.mfa.okta_verify.deny_push", "failure"),
        ("user.mfa.okta_verify.deny_push_upgrade_needed", "failure"),
        ("user.mfa.okta_verify", "success"),
    ] {
        assert_eq!(of_type(code, members, Format::Cim)["action"], action);
    }
}

#[test]
fn to_set_up_a_detection_is_none_and_its_end_is_no_alert() {
    for (code, class, kind) in [
        ("security.threat.detected", 2004, "alert"),
        ("security.attack.start", 2004, "alert"),
        ("security.attack.end", 2004, "event"),
        ("security.breached_credential.detected", 2004, "alert"),
        ("security.threat.configuration.update", 6003, "event"),
    ] {
        assert_eq!(of_type(code, "", Format::Ocsf)["class_uid"], class);
        let ecs = of_type(code, "", Format::Ecs);
        assert_eq!(ecs["event"]["kind"], kind, "{code}");
    }
    let ocsf = of_type("security.threat.configuration.update", "", Format::Ocsf);
    assert_eq!(ocsf["activity_id"], 3);
    assert_eq!(
        of_type("security.attack.end", "", Format::Cim)["type"],
        "event"
    );
}

#[test]
fn two_people_are_never_one_user() {
    let system = r#"{"id": "s", "type": "SystemPrincipal", "alternateId": "system@okta.com"}"#;
    let user = r#"{"id": "u", "type": "User", "alternateId": "grace"}"#;
    let members = format!(r#", "actor": {system}, "target": [{user}]"#);
    let ecs = of_type("user.session.start", &members, Format::Ecs);
    assert_eq!(ecs["user"], serde_json::json!({"id": "u", "name": "grace"}));
    let related = ecs["related"]["user"].to_string();
    assert_eq!(related, r#"["system@okta.com","grace"]"#);

    let account = r#"{"id": "a", "type": "AppUser", "alternateId": "g.hopper"}"#;
    let application = r#"{"id": "i", "type": "AppInstance", "displayName": "Payroll"}"#;
    let members = format!(r#", "target": [{account}, {application}, {user}]"#);
    let added = "application.user_membership.add";
    let ecs = of_type(added, &members, Format::Ecs);
    assert_eq!(ecs["user"]["target"]["id"], "u");
    assert_eq!(ecs["user"]["target"]["group"]["name"], "Payroll");
    let members = format!(r#", "target": [{account}, {application}]"#);
    let ecs = of_type(added, &members, Format::Ecs);
    assert_eq!(ecs["user"]["target"]["id"], "a");
}

#[test]
fn a_failed_login_is_at_least_low_in_ecs_too() {
    let level = |severity: &str, result: &str| {
        let members = format!(r#", "severity": "{severity}", "outcome": {{"result": "{result}"}}"#);
        of_type("user.session.start", &members, Format::Ecs)["event"]["severity"].clone()
    };
    assert_eq!(level("INFO", "FAILURE"), 21);
    assert_eq!(level("INFO", "SUCCESS"), 0);
    assert_eq!(level("ERROR", "FAILURE"), 73);
}

#[test]
fn the_worst_of_many_events_is_described_wherever_it_is() {
    let one = |n: u64| {
        let severity = if n == 140 { "ERROR" } else { "INFO" };
        format!(r#"{{"eventType": "x.y", "severity": "{severity}", "uuid": "{n}"}}"#)
    };
    let events: Vec<String> = (0..150).map(one).collect();
    let payload = format!(r#"{{"data": {{"events": [{}]}}}}"#, events.join(","));
    let text = body(&event(payload), Preset::Okta, Format::Ecs);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["okta"]["event_id"], "140");
    let batch = &value["okta"]["batch"];
    assert_eq!(batch["count"], 150);
    assert_eq!(batch["id"].as_array().unwrap().len(), 100);
    assert_eq!(
        (&batch["id"][0], &batch["id"][1]),
        (&"140".into(), &"0".into())
    );
}
