//! Proves that each trigger becomes the committed document in each format, and that all of these
//! conform to their schemas.
//!
//! The validator is a program of its own (`tests/schemas`); without Python 3 that part is skipped,
//! and says so.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;

/// Every sample, and the data model that its CIM form belongs to.
pub(super) const SAMPLES: [(&str, &str); 19] = [
    ("connectivity-test", ""),
    ("policy-violation-opened", "Vulnerabilities"),
    ("policy-violation-resolved", "Vulnerabilities"),
    ("policy-violation-wont-fix", "Vulnerabilities"),
    ("network-service-discovered", "Change"),
    ("user-login-failed", "Authentication.Failed_Authentication"),
    (
        "user-login-successful",
        "Authentication.Successful_Authentication",
    ),
    ("user-created", "Change.Accounts_Created"),
    ("user-updated", "Change.Accounts_Updated"),
    ("user-deleted", "Change.Accounts_Deleted"),
    ("mobile-finding-target-created", "Vulnerabilities"),
    ("mobile-finding-target-fixed", "Vulnerabilities"),
    ("mobile-finding-target-risk-accepted", "Vulnerabilities"),
    (
        "mobile-finding-target-compensating-control",
        "Vulnerabilities",
    ),
    ("mobile-finding-note-created", "Change.Auditing_Changes"),
    ("mobile-finding-note-deleted", "Change.Auditing_Changes"),
    ("mobile-protect", "Alerts"),
    ("api-protect", "Alerts"),
    ("unknown-type", ""),
];

pub(super) fn sample(name: &str) -> Arc<Event> {
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{root}/tests/fixtures/datatheorem/{name}.json");
    let mut event = Arc::unwrap_or_clone(event(std::fs::read(path).unwrap()));
    Arc::make_mut(&mut event.provenance).test = name == "connectivity-test";
    Arc::new(event)
}

pub(super) fn body(event: &Arc<Event>, preset: Preset, format: Format) -> String {
    let rendered = render(event, preset, format, Shape::Payload).unwrap();
    String::from_utf8(rendered.body.to_vec()).unwrap()
}

/// Runs the validator over one document a line; none where there is no Python.
pub(super) fn violations(schema: &[&str], lines: &str) -> Option<String> {
    let root = env!("CARGO_MANIFEST_DIR");
    let child = Command::new("python3")
        .arg(format!("{root}/tests/schemas/validate"))
        .args(schema)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        println!("SKIPPED: no python3, so the schemas are not checked");
        return None;
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains(" documents, "),
        "the validator did not run: {text}"
    );
    Some(if output.status.success() {
        String::new()
    } else {
        text
    })
}

pub(super) fn assert_conforms(schema: &[&str], lines: &str) {
    if let Some(found) = violations(schema, lines) {
        assert_eq!(found, "", "{schema:?}");
    }
}

#[test]
fn every_sample_becomes_the_committed_document_in_every_format() {
    for (name, _) in SAMPLES {
        let event = sample(name);
        for format in [Format::Ecs, Format::Ocsf, Format::Cim] {
            let text = body(&event, Preset::DataTheorem, format);
            let mut value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(take_original(&mut value, format), event.payload, "{name}");
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            insta::assert_snapshot!(format!("{name}.{}", format.as_str()), pretty);
        }
    }
}

/// Takes out the payload, which the fixtures hold already.
pub(super) fn take_original(value: &mut Value, format: Format) -> String {
    let place = match format {
        Format::Ecs => &mut value["event"]["original"],
        Format::Ocsf => &mut value["raw_data"],
        _ => &mut value["original"],
    };
    place.take().as_str().unwrap().to_owned()
}

#[test]
fn every_sample_conforms_to_ecs_and_ocsf() {
    for preset in [Preset::DataTheorem, Preset::Generic] {
        let lines = |format| {
            let bodies = SAMPLES
                .iter()
                .map(|(name, _)| body(&sample(name), preset, format));
            bodies.collect::<Vec<_>>().join("\n")
        };
        assert_conforms(
            &["ecs", "--own", "datatheorem", "--own", "siem_relay"],
            &lines(Format::Ecs),
        );
        assert_conforms(&["ocsf"], &lines(Format::Ocsf));
    }
}

#[test]
fn every_sample_conforms_to_the_data_model_of_its_family() {
    let mut models: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, model) in SAMPLES {
        let body = body(&sample(name), Preset::DataTheorem, Format::Cim);
        let flat: BTreeMap<String, Value> = serde_json::from_str(&body).unwrap();
        assert!(
            !flat
                .values()
                .any(|value| value.is_object() || value.is_array()),
            "{name}"
        );
        models.entry(model).or_default().push(body);
    }
    models.remove("");
    for (model, bodies) in models {
        assert_conforms(&[&format!("cim:{model}")], &bodies.join("\n"));
    }
}

#[test]
fn the_validator_finds_what_is_wrong() {
    let event = sample("user-created");
    let ocsf = body(&event, Preset::DataTheorem, Format::Ocsf);
    let broken = ocsf.replace("\"class_uid\":3001", "\"class_uid\":3002");
    assert_ne!(broken, ocsf);
    if let Some(found) = violations(&["ocsf"], &broken) {
        assert!(found.contains("type_uid"), "{found}");
    }
}

#[test]
fn what_is_unknown_is_counted_and_kept() {
    let notes = |name: &str| {
        let event = sample(name);
        let reading = reading(Preset::DataTheorem);
        super::super::render(&event, &event, &reading, Format::Ecs, Shape::Payload, true)
            .unwrap()
            .1
    };
    let unknown = notes("unknown-type");
    assert_eq!(
        (unknown.types, unknown.versions, unknown.members),
        (1, 1, 5)
    );
    assert_eq!(notes("policy-violation-resolved"), Notes::default());
    let created = notes("mobile-finding-target-created");
    assert_eq!((created.types, created.values, created.members), (0, 0, 3));
    let ocsf = body(&sample("unknown-type"), Preset::DataTheorem, Format::Ocsf);
    let value: Value = serde_json::from_str(&ocsf).unwrap();
    let members = value["unmapped"]["members"].as_array().unwrap();
    for (name, value) in [
        ("event.data.size", "12345678901234567890123"),
        ("event.data.ratio", "1.10"),
        ("event.severity_class", "odd"),
    ] {
        assert!(members.contains(&serde_json::json!({"name": name, "value": value})));
    }
}

#[test]
fn many_and_long_unknown_members_end_in_one_string() {
    let many: Vec<String> = (0..200).map(|n| format!("\"k{n:03}\":{n}")).collect();
    let payload = format!(
        r#"{{"event":{{"type":"X__Y","data":{{{}}}}}}}"#,
        many.join(",")
    );
    let event = event(payload);
    let reading = reading(Preset::DataTheorem);
    let ocsf =
        super::super::render(&event, &event, &reading, Format::Ocsf, Shape::Payload, true).unwrap();
    let value: Value = serde_json::from_slice(&ocsf.0.body).unwrap();
    assert_eq!(value["unmapped"]["members"].as_array().unwrap().len(), 64);
    assert!(
        value["unmapped"]["overflow"]
            .as_str()
            .unwrap()
            .contains("\"event.data.k199\":199")
    );
    assert_eq!((ocsf.1.members, ocsf.1.overflows), (200, 1));
}

#[test]
fn a_source_may_call_its_vendors_words_otherwise() {
    let reading = Reading {
        preset: Preset::DataTheorem,
        severities: vec![("important".to_owned(), Severity::Critical)],
    };
    let event = event(RESOLVED);
    let (ecs, _) =
        super::super::render(&event, &event, &reading, Format::Ecs, Shape::Document, true).unwrap();
    let value: Value = serde_json::from_slice(&ecs.body).unwrap();
    assert_eq!(value["event"]["severity"], 99);
    assert_eq!(value["vulnerability"]["severity"], "Critical");
}

#[test]
fn each_family_has_its_sourcetype_and_only_in_cim() {
    for (name, expected) in [
        ("policy-violation-opened", "datatheorem:vulnerability"),
        ("user-login-failed", "datatheorem:authentication"),
        ("user-created", "datatheorem:account"),
        ("unknown-type", "datatheorem:event"),
    ] {
        let of = |format| {
            let rendered = render(&sample(name), Preset::DataTheorem, format, Shape::HecEvent);
            rendered.unwrap().sourcetype
        };
        assert_eq!(of(Format::Cim), Some(expected), "{name}");
        assert_eq!(of(Format::Ocsf), None);
    }
    let generic = render(
        &sample("user-created"),
        Preset::Generic,
        Format::Cim,
        Shape::HecEvent,
    );
    assert_eq!(generic.unwrap().sourcetype, Some("siem_relay:event"));
}

#[test]
fn ocsf_has_a_timestamp_only_as_a_document_of_elasticsearch() {
    let event = sample("user-created");
    let of = |shape| {
        let rendered = render(&event, Preset::DataTheorem, Format::Ocsf, shape).unwrap();
        serde_json::from_slice::<Value>(&rendered.body).unwrap()
    };
    let (mut document, plain) = (of(Shape::Document), of(Shape::Payload));
    let members = document.as_object_mut().unwrap();
    assert_eq!(
        members.remove("@timestamp").unwrap(),
        "2025-11-23T12:13:10.000Z"
    );
    assert_eq!(document, plain);
}

#[test]
fn lateness_and_a_time_that_is_none_are_said() {
    let of = |payload: &str| ecs(payload)["siem_relay"].clone();
    let late = of(r#"{"event": 1, "time": 1763813599}"#);
    assert_eq!(
        (&late["late"], &late["time_adjusted"]),
        (&Value::Bool(true), &Value::Null)
    );
    let odd = of(r#"{"event": 1, "time": "now"}"#);
    assert_eq!(
        (&odd["late"], &odd["time_adjusted"]),
        (&Value::Null, &Value::Bool(true))
    );
    let plain = of(r#"{"event": 1, "time": 1763899990}"#);
    assert_eq!(
        (&plain["late"], &plain["time_adjusted"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(plain["id"], "019ab000-0000-7000-8000-000000000001");
}

#[test]
fn what_no_sample_has_conforms_as_well() {
    let odd = r#""uuid": 7, "id": true, "name": "\u0000", "title": "\ud800", "description": "...",
        "url": "https://[::1]:65535/x?y", "hosted_on": "aws", "ip_address": "::ffff:192.0.2.1",
        "user_login_email": "not an address", "created_by": "a@b", "role": "\"", "severity": 1e999,
        "cvss3_score": 11, "date_created": "1601-01-01T00:00:00Z", "text": {}, "mobile_app": [],
        "affected_asset": {"name": "-", "url": "HTTP://U@h:0/", "date_created": 5},
        "a.b..": {"": [1e999, {"x": 1, "x": 2}]}, "": "x""#;
    let codes = [
        "POLICY_VIOLATION",
        "X__THING_DISCOVERED",
        "X__USER_LOGIN_LOCKED",
        "X__USER_SEEN",
        "X__FINDING_NOTE",
        "X__FINDING_TARGET_X",
        "X_PROTECT__Y",
        "X__Y",
    ];
    let bodies = |format| {
        let events = codes.iter().flat_map(|code| {
            ["", odd].map(|data| {
                event(format!(
                    r#"{{"event": {{"type": "{code}", "data": {{{data}}}}}, "time": 1e9}}"#
                ))
            })
        });
        let lines = events.map(|event| body(&event, Preset::DataTheorem, format));
        lines.collect::<Vec<_>>()
    };
    let own = ["ecs", "--own", "datatheorem", "--own", "siem_relay"];
    assert_conforms(&own, &bodies(Format::Ecs).join("\n"));
    assert_conforms(&["ocsf"], &bodies(Format::Ocsf).join("\n"));
    let models = [
        "Vulnerabilities",
        "Change",
        "Authentication",
        "Change.Account_Management",
        "Change.Auditing_Changes",
        "Vulnerabilities",
        "Alerts",
    ];
    let cim = bodies(Format::Cim);
    for (model, pair) in models.iter().zip(cim.chunks(2)) {
        assert_conforms(&[&format!("cim:{model}")], &pair.join("\n"));
    }
}

#[test]
fn documents_can_leave_out_what_the_vendor_sent_and_nothing_else_of_them_changes() {
    let event = sample("policy-violation-opened");
    for format in Format::ALL {
        let document = |keeps: bool| -> Value {
            let renderer = Renderer::new(&[], format, Shape::Document).with_original(keeps);
            let (rendered, _) = renderer.render(&event).unwrap();
            serde_json::from_slice(&rendered.body).unwrap()
        };
        let (mut whole, without) = (document(true), document(false));
        let (around, name) = match format {
            Format::Original => (None, ""),
            Format::Ecs => (whole["event"].as_object_mut(), "original"),
            Format::Ocsf => (whole.as_object_mut(), "raw_data"),
            Format::Cim => (whole.as_object_mut(), "original"),
        };
        if let Some(around) = around {
            let original = around.remove(name).unwrap();
            assert_eq!(original.as_str().unwrap(), event.payload);
        }
        assert_eq!(without, whole, "{format:?}");
    }
}
