//! Proves what becomes of GitHub's events: documents, schemas, tables, and that no secret is shown.

use super::formats::{body, take_original};
use super::vendors::{Samples, with_header};
use super::*;

pub(super) const EVENT: &str = "x-github-event";

pub(super) static SAMPLES: Samples = Samples {
    vendor: "github",
    preset: Preset::GitHub,
    header: Some(EVENT),
    list: &[
        ("ping", "ping", ""),
        ("push", "push", ""),
        (
            "dependabot-alert-created",
            "dependabot_alert",
            "Vulnerabilities",
        ),
        (
            "dependabot-alert-fixed",
            "dependabot_alert",
            "Vulnerabilities",
        ),
        (
            "dependabot-alert-dismissed",
            "dependabot_alert",
            "Vulnerabilities",
        ),
        (
            "dependabot-alert-auto-dismissed",
            "dependabot_alert",
            "Vulnerabilities",
        ),
        (
            "dependabot-alert-reintroduced",
            "dependabot_alert",
            "Vulnerabilities",
        ),
        (
            "dependabot-alert-assignees-changed",
            "dependabot_alert",
            "Vulnerabilities",
        ),
        (
            "repository-vulnerability-alert-create",
            "repository_vulnerability_alert",
            "Vulnerabilities",
        ),
        (
            "repository-vulnerability-alert-dismiss",
            "repository_vulnerability_alert",
            "Vulnerabilities",
        ),
        (
            "security-advisory-published",
            "security_advisory",
            "Vulnerabilities",
        ),
        (
            "code-scanning-alert-created",
            "code_scanning_alert",
            "Vulnerabilities",
        ),
        (
            "code-scanning-alert-fixed",
            "code_scanning_alert",
            "Vulnerabilities",
        ),
        (
            "code-scanning-alert-closed-by-user",
            "code_scanning_alert",
            "Vulnerabilities",
        ),
        (
            "code-scanning-alert-appeared-in-branch",
            "code_scanning_alert",
            "Vulnerabilities",
        ),
        (
            "secret-scanning-alert-created",
            "secret_scanning_alert",
            "Alerts",
        ),
        (
            "secret-scanning-alert-resolved",
            "secret_scanning_alert",
            "Alerts",
        ),
        (
            "secret-scanning-alert-reopened",
            "secret_scanning_alert",
            "Alerts",
        ),
        (
            "secret-scanning-alert-publicly-leaked",
            "secret_scanning_alert",
            "Alerts",
        ),
        (
            "secret-scanning-alert-location-created",
            "secret_scanning_alert_location",
            "Alerts",
        ),
        (
            "organization-member-added",
            "organization",
            "Change.Account_Management",
        ),
        ("member-edited", "member", "Change.Account_Management"),
        (
            "membership-removed",
            "membership",
            "Change.Account_Management",
        ),
        ("audit-org-add-member", "", "Change.Account_Management"),
        ("audit-two-factor-disabled", "", "Change.Account_Management"),
        (
            "audit-user-failed-login",
            "",
            "Authentication.Failed_Authentication",
        ),
        ("audit-org-sso-response", "", "Authentication"),
        ("audit-repo-create", "", "Change.Auditing_Changes"),
        (
            "audit-protected-branch-destroy",
            "",
            "Change.Auditing_Changes",
        ),
        ("audit-git-clone", "", "Change.Auditing_Changes"),
    ],
    extra,
    tables: [
        include_str!("../../../docs/mapping/github-ecs.md"),
        include_str!("../../../docs/mapping/github-ocsf.md"),
        include_str!("../../../docs/mapping/github-cim.md"),
    ],
};

/// What no sample has.
fn extra() -> Vec<String> {
    let many: Vec<String> = (0..70).map(|n| format!("\"k{n}\":{n}")).collect();
    let many = many.join(",");
    let audit = r#""action": "team.change", "_document_id": "x""#;
    vec![
        format!(r#"{{{audit}, "@timestamp": "now", "old_permission": "pull", {many}}}"#),
        format!(r#"[{{{audit}, "@timestamp": 1611733052000, "actor_ip": "a", "team": "t"}}]"#),
        format!(r#"[{{{audit}}}, 1]"#),
        r#"{"action": "x", "actor_ip": 1, "_document_id": 5, "@timestamp": 5}"#.to_owned(),
        r#"{"action": "user.login", "_document_id": "x", "failure_reason": "y"}"#.to_owned(),
        r#"{"alert": {"rule": 7, "number": []}, "action": 1e400}"#.to_owned(),
        r#"{"alert": {"secret_type": "x", "push_protection_bypassed_by": {"id": 1}}}"#.to_owned(),
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
fn no_value_of_a_secret_is_shown() {
    for (name, ..) in SAMPLES.list {
        for format in [Format::Ecs, Format::Ocsf, Format::Cim] {
            for event in [SAMPLES.event(name), event(SAMPLES.text(name))] {
                let text = body(&event, Preset::GitHub, format);
                let mut value: Value = serde_json::from_str(&text).unwrap();
                take_original(&mut value, format);
                let text = value.to_string();
                assert!(!text.contains("EXAMPLEONLY"), "{name}: {text}");
            }
        }
    }
    let ecs = SAMPLES.value("secret-scanning-alert-created", Format::Ecs);
    let other = ecs["github"]["other"].as_str().unwrap();
    assert!(
        other.contains(r#""alert.access_token":"[redacted]""#),
        "{other}"
    );
    assert!(
        other.contains(r#""alert.provider":"[redacted]""#),
        "{other}"
    );
    // Wherever a member of such a name is, and whatever the event is called.
    let shown = |payload: &str, name: &str| {
        let event = with_header(&event(payload.to_owned()), EVENT, name);
        let text = body(&event, Preset::GitHub, Format::Ocsf);
        let mut value: Value = serde_json::from_str(&text).unwrap();
        take_original(&mut value, Format::Ocsf);
        value.to_string()
    };
    for payload in [
        r#"{"action": "created", "new": {"deep": [{"Secret": "EXAMPLEONLY"}]}}"#,
        r#"{"action": "created", "new": {"deep": [{"\u0073ecret": "EXAMPLEONLY"}]}}"#,
        r#"{"action": "created", "client_secret": "EXAMPLEONLY"}"#,
        r#"{"alert": {"secret_type": "x", "any": {"v": "EXAMPLEONLY"}, "value": "EXAMPLEONLY"}}"#,
    ] {
        for name in ["", "push", "secret_scanning_alert", "code_scanning_alert"] {
            let shown = shown(payload, name);
            let is_alert = payload.contains("alert") && name == "code_scanning_alert";
            assert!(
                is_alert || !shown.contains("EXAMPLEONLY"),
                "{payload} {name}"
            );
        }
    }
    let beside = r#"{"alert": {"secret_type": "x"}, "any": ["EXAMPLEONLY"]}"#;
    for name in ["", "secret_scanning_alert"] {
        assert!(!shown(beside, name).contains("EXAMPLEONLY"));
    }
}

#[test]
fn the_shape_of_the_body_tells_where_the_header_is_missing() {
    for (name, header, _) in SAMPLES.list {
        let bare = body(&event(SAMPLES.text(name)), Preset::GitHub, Format::Ecs);
        let bare: Value = serde_json::from_str(&bare).unwrap();
        let named = SAMPLES.value(name, Format::Ecs);
        let (is_unknown, same) = (*header == "push", bare == named);
        assert!(same != is_unknown, "{name}: {bare:#}\n{named:#}");
    }
}

#[test]
fn splunk_gets_the_time_that_the_vendor_gives_in_every_format() {
    let event = SAMPLES.event("code-scanning-alert-fixed");
    for format in [Format::Original, Format::Ecs, Format::Ocsf, Format::Cim] {
        let rendered = render(&event, Preset::GitHub, format, Shape::HecEvent).unwrap();
        assert_eq!(rendered.time.as_deref(), Some("1763899380.000"));
    }
    let bare = render(&event, Preset::GitHub, Format::Original, Shape::HecEvent).unwrap();
    assert_eq!(bare.body, event.payload);
}

#[test]
fn what_is_unknown_is_counted_and_what_comes_with_every_event_is_not() {
    let notes = |name: &str| {
        let event = SAMPLES.event(name);
        let reading = reading(Preset::GitHub);
        super::super::render(&event, &event, &reading, Format::Ecs, Shape::Payload, true)
            .unwrap()
            .1
    };
    assert_eq!(notes("dependabot-alert-fixed"), Notes::default());
    assert_eq!(notes("secret-scanning-alert-created").members, 2);
    assert_eq!(notes("ping"), Notes::default());
    let push = notes("push");
    assert_eq!((push.types, push.members), (1, 7));
}

#[test]
fn a_source_may_rate_secrets_by_their_type_or_validity() {
    let level = |word: &str| {
        let reading = Reading {
            preset: Preset::GitHub,
            severities: vec![(word.to_owned(), Severity::Critical)],
        };
        let event = SAMPLES.event("secret-scanning-alert-created");
        let (ecs, _) =
            super::super::render(&event, &event, &reading, Format::Ecs, Shape::Payload, true)
                .unwrap();
        let value: Value = serde_json::from_slice(&ecs.body).unwrap();
        value["event"]["severity"].clone()
    };
    assert_eq!(level("adafruit_io_key"), 99);
    assert_eq!(level("active"), 99);
    assert_eq!(level("other"), 73);
}

/// ECS and OCSF of an event with a header.
fn both(payload: String, name: &str) -> (Value, Value) {
    let event = with_header(&event(payload), EVENT, name);
    let of = |format| serde_json::from_str(&body(&event, Preset::GitHub, format)).unwrap();
    (of(Format::Ecs), of(Format::Ocsf))
}

#[test]
fn an_alert_that_gets_worse_while_it_is_open_is_an_alert() {
    let ecs = SAMPLES.value("secret-scanning-alert-publicly-leaked", Format::Ecs);
    assert_eq!(ecs["event"]["kind"], "alert");
}

#[test]
fn one_more_place_of_a_secret_is_an_update_in_the_state_and_at_the_time_of_its_alert() {
    let times = r#""created_at": "2024-01-01T00:00:00Z", "resolved_at": "2024-02-02T00:00:00Z""#;
    let place = |updated: &str| {
        let alert = format!(
            r#"{{"secret_type": "x", "state": "resolved", "resolution": "revoked",
            {times}{updated}}}"#
        );
        let payload = format!(r#"{{"action": "created", "alert": {alert}, "location": {{}}}}"#);
        both(payload, "secret_scanning_alert_location")
    };
    let (ecs, ocsf) = place(r#", "updated_at": "2025-11-20T00:00:00Z""#);
    assert_eq!(ecs["event"]["kind"], "event");
    assert_eq!(ecs["@timestamp"], "2025-11-20T00:00:00.000Z");
    assert_eq!(ocsf["activity_id"], 2);
    assert_eq!(ocsf["status_id"], 4);
    let (ecs, _) = place("");
    assert_eq!(ecs["@timestamp"], "2025-11-23T12:13:20.123Z");
    let open = SAMPLES.value("secret-scanning-alert-location-created", Format::Ocsf);
    assert_eq!(
        (&open["activity_id"], &open["status_id"]),
        (&2.into(), &1.into())
    );
}

#[test]
fn what_is_fixed_is_resolved_whatever_an_earlier_dismissal_said() {
    for (name, action) in [
        ("dependabot_alert", "fixed"),
        ("code_scanning_alert", "fixed"),
        ("repository_vulnerability_alert", "resolve"),
    ] {
        let alert = r#"{"number": 1, "state": "fixed", "dismissed_reason": "won't fix"}"#;
        let payload = format!(r#"{{"action": "{action}", "alert": {alert}}}"#);
        let (_, ocsf) = both(payload, name);
        assert_eq!(ocsf["status_id"], 4, "{name}");
    }
}

#[test]
fn a_dismissal_because_somebody_repairs_it_is_no_decision_against_that() {
    let alert = r#"{"number": 1, "state": "dismissed", "dismissed_reason": "fix_started"}"#;
    let payload = format!(r#"{{"action": "dismissed", "alert": {alert}}}"#);
    let event = with_header(&event(payload), EVENT, "dependabot_alert");
    let text = body(&event, Preset::GitHub, Format::Cim);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["action"], "dismissed");
}

/// An entry of the audit log in all formats.
fn entry(action: &str) -> [Value; 3] {
    let payload = format!(
        r#"{{"action": "{action}", "_document_id": "x", "actor": "grace", "user": "grace"}}"#
    );
    let event = event(payload);
    let formats = [Format::Ecs, Format::Ocsf, Format::Cim];
    formats.map(|format| serde_json::from_str(&body(&event, Preset::GitHub, format)).unwrap())
}

#[test]
fn a_second_factor_is_a_login_and_an_answer_of_a_provider_says_nothing() {
    for (action, outcome, status, mfa) in [
        ("user.two_factor_challenge_success", "success", 1, true),
        ("user.two_factor_challenge_failure", "failure", 2, true),
        ("org.sso_response", "unknown", 0, false),
        ("user.login", "success", 1, false),
    ] {
        let [ecs, ocsf, cim] = entry(action);
        assert_eq!(ecs["event"]["outcome"], outcome, "{action}");
        assert_eq!(ocsf["class_uid"], 3002, "{action}");
        assert_eq!(ocsf["status_id"], status, "{action}");
        assert_eq!(ocsf["is_mfa"] == true, mfa, "{action}");
        let of_cim = if outcome == "unknown" {
            "error"
        } else {
            outcome
        };
        assert_eq!(cim["action"], of_cim, "{action}");
    }
}

#[test]
fn a_type_that_ends_in_failure_is_one() {
    for action in ["user.reset_password", "x.sync"] {
        let [_, _, cim] = entry(action);
        assert_eq!(cim["status"], "success", "{action}");
    }
    for action in ["x.sync_failed", "x.failure"] {
        let [ecs, ocsf, cim] = entry(action);
        assert_eq!(ecs["event"]["outcome"], "failure", "{action}");
        assert_eq!(ocsf["status_id"], 2, "{action}");
        assert_eq!(cim["status"], "failure", "{action}");
    }
}
