//! Proves that no JSON stops rendering, harms a neighbour in a batch or changes a field's type.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::mapping::leaves;
use super::vendors::with_header;
use super::*;

/// Renders in every way and checks what holds for all of them.
fn check(payload: &str) {
    let event = event(payload.to_owned());
    let mut test = Arc::unwrap_or_clone(Arc::clone(&event));
    Arc::make_mut(&mut test.provenance).test = true;
    for preset in [Preset::DataTheorem, Preset::Generic] {
        check_event(&event, preset);
        check_event(&Arc::new(test.clone()), preset);
    }
    check_event(&event, Preset::GitHub);
}

pub(super) fn check_event(event: &Arc<Event>, preset: Preset) {
    let payload = std::str::from_utf8(&event.payload).unwrap();
    for format in [Format::Original, Format::Ecs, Format::Ocsf, Format::Cim] {
        for shape in [
            Shape::HecEvent,
            Shape::Document,
            Shape::Payload,
            Shape::Entry,
        ] {
            match render(event, preset, format, shape) {
                Ok(rendered) => check_body(&rendered, payload, format, shape),
                Err(RenderError::Blank) if shape == Shape::HecEvent => {}
                Err(error) => panic!("{error}: {payload:.200}"),
            }
        }
    }
}

fn check_body(rendered: &Rendered, payload: &str, format: Format, shape: Shape) {
    let body = std::str::from_utf8(&rendered.body).unwrap();
    let whole: &RawValue = serde_json::from_str(body).unwrap();
    match (format, shape) {
        (Format::Original, Shape::Payload | Shape::Entry) => assert_eq!(body, payload),
        (Format::Original, Shape::HecEvent) => assert!(payload.contains(whole.get())),
        (Format::Ocsf, _) => {
            let document: Value = serde_json::from_str(body).unwrap();
            assert_eq!(document["raw_data"], payload);
            check_bounds(&document, payload);
        }
        (Format::Cim, _) => {
            let document: Value = serde_json::from_str(body).unwrap();
            assert_eq!(document["original"], payload);
            check_bounds(&document, payload);
        }
        _ => {
            let document: Value = serde_json::from_str(body).unwrap();
            assert_eq!(document["event"]["original"], payload);
            check_types(&document);
            check_bounds(&document, payload);
        }
    }
}

/// A payload makes neither many fields nor deep ones, nor a document many times its size.
fn check_bounds(document: &Value, payload: &str) {
    let leaves = leaves(document);
    assert!(leaves.len() < 200, "{} fields", leaves.len());
    let size = document.to_string().len();
    assert!(size < 40 * payload.len() + 200_000, "{size} bytes");
}

/// Every field has the one type that it has everywhere.
fn check_types(document: &Value) {
    for (field, kind) in leaves(document) {
        let expected = match field.as_str() {
            "event.severity" | "url.port" | "vulnerability.score.base" => "number",
            "siem_relay.test" | "siem_relay.late" | "siem_relay.time_adjusted" => "boolean",
            "event.category" | "event.type" | "user.target.roles" => "array",
            "threat.technique.id" => "array",
            related if related.starts_with("related.") => "array",
            own => match own.split_once('.').map_or("", |(_, below)| below) {
                "finding.cwe" | "finding.cve" | "finding.opened_id" | "finding.resolved_id" => {
                    "array"
                }
                "batch.code" | "batch.id" => "array",
                "location.start_line" | "location.end_line" | "batch.count" => "number",
                "finding.opened_count" | "finding.resolved_count" => "number",
                _ => "string",
            },
        };
        assert_eq!(kind, expected, "{field}");
    }
}

#[test]
fn awkward_json_is_rendered_and_its_text_kept() {
    for payload in [
        "null",
        "true",
        "\"\"",
        "\"text\"",
        "[]",
        "{}",
        " \r\n\t{\"event\" : {} }\n",
        r#""\u0000""#,
        r#""\ud800""#,
        r#"{"\ud800": 1, "event": {"type": "\udc00", "data": "\u0000"}}"#,
        r#"{"event": "\ud83d\ude00 \ud800"}"#,
        r#"{"event": {"type": "POLICY_VIOLATION_\ud800", "data": {"title": "\ud800\u0000"}}}"#,
        r#"{"event": {"type": "__"}}"#,
        r#"{"event": {"type": "POLICY_VIOLATION", "type": 1e400, "data": {}, "data": 7}}"#,
        "1e99999",
        "-0.0",
        "123456789012345678901234567890123456789012345678901234567890",
        r#"{"time": 99999999999999999999, "host": "\u0000", "event": -1e-999}"#,
        "{\"event\": \"\u{2028}\u{feff}\u{10ffff}\"}",
    ] {
        check(payload);
    }
}

#[test]
fn a_lone_surrogate_reads_as_a_replacement_character() {
    let payload =
        r#"{"event": {"type": "POLICY_VIOLATION_OPENED", "data": {"title": "a\ud800b"}}}"#;
    let document = ecs(payload);
    let title = document["rule"]["name"].as_str().unwrap();
    assert!(
        title.starts_with("a\u{fffd}") && title.ends_with('b'),
        "{title}"
    );
    assert_eq!(document["event"]["original"], payload);
}

#[test]
fn depth_and_size_have_no_effect() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    check(&deep);
    check(&format!(r#"{{"event": {deep}}}"#));
    let objects = format!("{}1{}", "{\"data\":".repeat(10_000), "}".repeat(10_000));
    check(&format!(
        r#"{{"event": {{"type": "POLICY_VIOLATION_OPENED", "data": {objects}}}}}"#
    ));
    // A million bytes of text: once is enough, since debug builds are slow.
    let long = "\\n\u{e4}".repeat(250_000);
    let payload = format!(
        r#"{{"event": {{"type": "POLICY_VIOLATION_OPENED", "data": {{"description": "{long}"}}}}}}"#
    );
    check_event(&event(payload), Preset::DataTheorem);
    let long = long.get(..100_000).unwrap();
    check(&format!(
        r#"{{"event": {{"type": "{long}"}}, "host": "{long}"}}"#
    ));
}

/// JSON text of any form, also with numbers and escapes that Rust types cannot hold.
pub(super) fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,4})?",
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        "\"(\\\\u[0-9a-f]{4}|\\\\n|[a-z:/@. ]){0,12}\"",
        Just("\"https://user@example.com:1/x\"".to_owned()),
        Just("\"2021-01-19T12:04:15.714371+00:00\"".to_owned()),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6)
                .prop_map(|items| format!("[{}]", items.join(" , "))),
            proptest::collection::vec((any_key(), inner), 0..6).prop_map(object),
        ]
    })
}

/// Keys that the mapping knows.
const KNOWN_KEYS: [&str; 14] = [
    "event",
    "time",
    "host",
    "type",
    "version",
    "data",
    "uuid",
    "url",
    "relevance",
    "affected_asset",
    "belongs_to_asset_group",
    "description",
    "date_created",
    "hosted_on",
];

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(&KNOWN_KEYS[..]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

pub(super) fn object(members: Vec<(String, String)>) -> String {
    let members = members.iter().map(|(key, value)| {
        let key = serde_json::to_string(key).unwrap();
        format!("{key}:{value}")
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

proptest! {
    #[test]
    fn any_json_is_rendered(payload in any_json()) {
        check(&payload);
    }

    #[test]
    fn any_data_of_a_violation_is_rendered(
        data in proptest::collection::vec((any_key(), any_json()), 0..8),
        asset in proptest::collection::vec((any_key(), any_json()), 0..8),
    ) {
        let mut data = data;
        data.push(("affected_asset".to_owned(), object(asset)));
        let data = object(data);
        check(&format!(
            r#"{{"event": {{"type": "API_SECURE__POLICY_VIOLATION_OPENED", "data": {data}}}}}"#
        ));
    }

    #[test]
    fn any_data_of_any_family_is_rendered(
        code in proptest::sample::select(&CODES[..]),
        data in proptest::collection::vec((any_family_key(), any_json()), 0..8),
    ) {
        let data = object(data);
        check(&format!(r#"{{"event": {{"type": "{code}", "data": {data}}}}}"#));
    }
}

proptest! {
    #[test]
    fn any_event_of_github_is_rendered(
        name in proptest::sample::select(&EVENTS[..]),
        alert in proptest::collection::vec((any_github_key(), any_json()), 0..8),
        inner in proptest::collection::vec((any_github_key(), any_json()), 0..6),
        body in proptest::collection::vec((any_github_key(), any_json()), 0..8),
    ) {
        let (mut alert, mut body) = (alert, body);
        for key in ["security_advisory", "dependency", "rule", "location", "membership"] {
            alert.push((key.to_owned(), object(inner.clone())));
        }
        body.push(("alert".to_owned(), object(alert)));
        let event = event(object(body));
        let event = with_header(&event, "x-github-event", name);
        check_event(&event, Preset::GitHub);
    }

    #[test]
    fn any_entry_of_the_audit_log_is_rendered(
        action in "(user|org|team|two_factor_authentication|x)\\.[a-z_]{0,12}",
        body in proptest::collection::vec((any_github_key(), any_json()), 0..12),
    ) {
        let mut body = body;
        body.push(("action".to_owned(), format!("\"{action}\"")));
        body.push(("_document_id".to_owned(), "\"x\"".to_owned()));
        check_event(&event(object(body)), Preset::GitHub);
    }
}

/// Events of each family of GitHub.
const EVENTS: [&str; 10] = [
    "",
    "dependabot_alert",
    "code_scanning_alert",
    "secret_scanning_alert",
    "secret_scanning_alert_location",
    "repository_vulnerability_alert",
    "organization",
    "member",
    "ping",
    "other",
];

/// Keys that GitHub's reader knows, and others.
fn any_github_key() -> impl Strategy<Value = String> {
    let known = [
        "action",
        "number",
        "state",
        "created_at",
        "updated_at",
        "fixed_at",
        "dismissed_by",
        "dismissed_reason",
        "severity",
        "cve_id",
        "ghsa_id",
        "summary",
        "cvss",
        "cwes",
        "tags",
        "package",
        "name",
        "path",
        "start_line",
        "secret",
        "secret_type",
        "repository",
        "sender",
        "organization",
        "@timestamp",
        "actor",
        "actor_ip",
        "actor_location",
        "user",
        "repo",
        "member",
        "team",
        "changes",
        "score",
        "vector_string",
        "id",
        "login",
    ];
    prop_oneof![
        6 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

/// A type of each family.
const CODES: [&str; 8] = [
    "API_SECURE__NETWORK_SERVICE_DISCOVERED",
    "MOBILE_SECURE__USER_LOGIN_FAILED",
    "MOBILE_SECURE__USER_LOGIN",
    "MOBILE_SECURE__USER_CREATED",
    "MOBILE_SECURE__FINDING_NOTE_CREATED",
    "MOBILE_SECURE__FINDING_TARGET_CREATED",
    "MOBILE_PROTECT__X",
    "NEW__THING",
];

fn any_family_key() -> impl Strategy<Value = String> {
    let known = [
        "id",
        "uuid",
        "name",
        "url",
        "user_login_email",
        "ip_address",
        "created_by",
        "role",
        "cvss3_score",
        "severity",
        "title",
        "status",
        "text",
        "mobile_app",
        "mobile_app_id",
        "security_finding_id",
        "hosted_on",
        "type",
    ];
    prop_oneof![
        4 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}
