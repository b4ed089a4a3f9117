//! Proves single rules of the ECS mapping, and that its published table tells the truth.

use std::collections::BTreeSet;

use serde_json::json;

use super::formats::{SAMPLES, body, sample};
use super::*;

const TABLE: &str = include_str!("../../../docs/mapping/datatheorem-ecs.md");

/// A violation with this type, status and `data` besides.
fn violation(code: &str, status: &str, data: &str) -> Value {
    let data = format!(r#"{{"policy_violation_status": "{status}"{data}}}"#);
    ecs(&format!(
        r#"{{"event": {{"type": "{code}", "data": {data}}}}}"#
    ))
}

/// An asset's document.
fn asset(members: &str) -> Value {
    let data = format!(r#", "affected_asset": {{{members}}}"#);
    violation("API_SECURE__POLICY_VIOLATION_OPENED", "OPEN", &data)
}

/// All leaf fields by dotted name, with the JSON type of each.
pub(super) fn leaves(value: &Value) -> BTreeMap<String, &'static str> {
    let mut leaves = BTreeMap::new();
    let mut open = vec![(String::new(), value)];
    while let Some((path, value)) = open.pop() {
        let kind = match value {
            Value::Object(members) => {
                let separator = if path.is_empty() { "" } else { "." };
                let below = members
                    .iter()
                    .map(|(key, value)| (format!("{path}{separator}{key}"), value));
                open.extend(below);
                continue;
            }
            Value::String(_) => "string",
            Value::Number(_) => "number",
            Value::Bool(_) => "boolean",
            Value::Array(_) => "array",
            Value::Null => "null",
        };
        leaves.insert(path, kind);
    }
    leaves
}

/// The table's fields; true where the row says that the field is optional.
fn table() -> BTreeMap<String, bool> {
    let rows = TABLE.lines().filter(|line| line.starts_with("| "));
    let mut fields = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let optional = cells[3].starts_with("optional");
        let names = cells[2].split('`').skip(1).step_by(2);
        fields.extend(names.map(|name| (name.to_owned(), optional)));
    }
    fields
}

#[test]
fn members_without_a_place_are_listed_with_their_types_after_the_rules() {
    let event = event(
        r#"{"event":{"type":"X__POLICY_VIOLATION_OPENED","data":{"b":{"c":1},"a":"x",
        "n":null,"f":true,"gone":1}},"z":[1]}"#,
    );
    let source = Source {
        name: "appsec".to_owned(),
        preset: Preset::DataTheorem,
        auth: crate::settings::SourceAuth::None,
        allow_addresses: Vec::new(),
        keep_headers: Vec::new(),
        delivery_id_header: None,
        rules: Vec::new(),
        severities: Vec::new(),
    };
    let drop = Rule {
        action: crate::settings::Action::Drop(vec![crate::settings::Pointer(
            ["event", "data", "gone"].map(str::to_owned).to_vec(),
        )]),
        when: None,
    };
    let renderer = Renderer::new(&[source], Format::Ecs, Shape::Document).with_rules(&[drop]);
    let listed = renderer.unmapped(&event).unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|one| (one.path.as_str(), one.kind))
        .collect();
    assert_eq!(
        listed,
        [
            ("event.data.a", "string"),
            ("event.data.b", "object"),
            ("event.data.f", "boolean"),
            ("z", "array"),
        ]
    );
}

#[test]
fn every_field_of_the_published_table_is_in_the_output_and_the_other_way_round() {
    let table = table();
    assert!(table.len() > 40, "the table was not read: {table:?}");
    let published = ecs(RESOLVED);
    let published = leaves(&published);
    for (field, _) in table.iter().filter(|(_, optional)| !**optional) {
        assert!(
            published.contains_key(field),
            "{field} is not in the sample"
        );
    }
    let mut repeat = Arc::unwrap_or_clone(test_event(CONNECTIVITY_TEST));
    repeat.duplicate_of = Some(repeat.id);
    repeat.replay_id = Some(ReplayId::new());
    let generic = render(
        &Arc::new(repeat.clone()),
        Preset::Generic,
        Format::Ecs,
        Shape::Document,
    );
    let relay = serde_json::from_slice(&generic.unwrap().body).unwrap();
    let unclear = asset(r#""url": "gumtree.com.au:443""#);
    let odd_time = ecs(r#"{"event": 1, "time": "now"}"#);
    let violation = r#"{"event": {"type": "POLICY_VIOLATION_OPENED", "data": {
        "severity": "LOW", "additional_information": "x"}}}"#;
    let mut documents = vec![ecs(violation), relay, unclear, odd_time];
    documents.extend(SAMPLES.iter().map(|(name, _)| {
        let text = body(&sample(name), Preset::DataTheorem, Format::Ecs);
        serde_json::from_str(&text).unwrap()
    }));
    let written: BTreeSet<String> = documents.iter().flat_map(leaves_owned).collect();
    let listed: BTreeSet<String> = table.into_keys().collect();
    assert_eq!(written, listed);
}

fn leaves_owned(document: &Value) -> Vec<String> {
    leaves(document).into_keys().collect()
}

#[test]
fn action_and_kind_come_from_the_type_and_else_from_the_status() {
    for (code, status, action, kind) in [
        (
            "API_SECURE__POLICY_VIOLATION_OPENED",
            "RESOLVED",
            "opened",
            "alert",
        ),
        (
            "CLOUD_SECURE__POLICY_VIOLATION_REOPENED",
            "",
            "reopened",
            "alert",
        ),
        (
            "API_SECURE__POLICY_VIOLATION_RESOLVED",
            "OPEN",
            "resolved",
            "event",
        ),
        (
            "API_SECURE__POLICY_VIOLATION_WONT_FIX",
            "",
            "wont-fix",
            "event",
        ),
        (
            "API_SECURE__POLICY_VIOLATION_CLOSED_WONT_FIX",
            "",
            "wont-fix",
            "event",
        ),
        (
            "API_SECURE__POLICY_VIOLATION_CLOSED",
            "Won't fix",
            "wont-fix",
            "event",
        ),
        ("API_SECURE__POLICY_VIOLATION_CLOSED", "", "closed", "event"),
        ("API_SECURE__POLICY_VIOLATION", "OPEN", "opened", "alert"),
        ("POLICY_VIOLATION_ESCALATED", "SEEN", "escalated", "event"),
        ("POLICY_VIOLATION", "SEEN", "seen", "event"),
    ] {
        let document = violation(code, status, "");
        let expected = format!("policy-violation-{action}");
        assert_eq!(document["event"]["action"], expected, "{code} {status}");
        assert_eq!(document["event"]["kind"], kind, "{code} {status}");
        assert_eq!(document["event"]["category"], json!(["vulnerability"]));
    }
    let bare = violation("POLICY_VIOLATION", "", "");
    assert_eq!(bare["event"]["action"], "policy-violation");
}

#[test]
fn any_other_type_is_a_general_document() {
    for code in ["CLOUD_SECURE__THING_SEEN", "X__POLICY_VIOLATIONS_EXPORTED"] {
        let document = violation(code, "OPEN", r#", "deep": {"a": [1e999]}"#);
        assert_eq!(document["event"]["code"], code);
        assert_eq!(document["event"]["kind"], "event");
        assert_eq!(document["event"].get("category"), None);
        assert_eq!(document["message"], code);
        let other =
            r#"{"event.data.deep":{"a": [1e999]},"event.data.policy_violation_status":"OPEN"}"#;
        assert_eq!(document["datatheorem"], json!({ "other": other }));
    }
    let document = violation("MOBILE_SECURE__USER_LOGIN_FAILED", "", "");
    assert_eq!(document["event"]["action"], "user-login-failed");
    assert_eq!(document["event"]["provider"], "MOBILE_SECURE");
    assert_eq!(document["observer"]["product"], "Mobile Secure");
    let long = violation(&"A".repeat(257), "", "");
    assert_eq!(long["event"].get("code"), None);
    assert_eq!(long["message"], "event from appsec");
}

#[test]
fn a_family_is_told_by_the_words_of_the_type() {
    for (code, dataset) in [
        ("CLOUD_SECURE__POLICY_VIOLATION_X", "policy_violation"),
        ("API_SECURE__NETWORK_SERVICE_DISCOVERED", "asset"),
        ("CLOUD_SECURE__BUCKET_DISCOVERED", "asset"),
        ("MOBILE_SECURE__USER_LOGIN", "authentication"),
        ("MOBILE_SECURE__USER_ROLE_CHANGED", "account"),
        ("MOBILE_SECURE__FINDING_NOTE_CREATED", "finding_note"),
        ("MOBILE_SECURE__MOBILE_FINDING_NOTE_X", "finding_note"),
        ("MOBILE_SECURE__FINDING_TARGET_FIXED", "mobile_finding"),
        ("MOBILE_SECURE__SECURITY_FINDING_OPENED", "mobile_finding"),
        ("MOBILE_PROTECT__THREAT_DETECTED", "protection"),
        ("API_PROTECT__X", "protection"),
        ("API_SECURE__USERS_EXPORTED", "webhook"),
        ("FINDINGS", "webhook"),
    ] {
        let document = violation(code, "", "");
        let expected = format!("datatheorem.{dataset}");
        assert_eq!(document["event"]["dataset"], expected, "{code}");
    }
}

#[test]
fn severity_wins_over_relevance_and_an_unknown_word_sets_nothing() {
    let severity = |data: &str| {
        let document = violation("POLICY_VIOLATION_OPENED", "OPEN", data);
        (
            document["event"]["severity"].clone(),
            document["vulnerability"]["severity"].clone(),
        )
    };
    let known = |number: u64, word: &str| (json!(number), json!(word));
    assert_eq!(severity(r#", "relevance": "URGENT""#), known(73, "High"));
    assert_eq!(
        severity(r#", "relevance": "important""#),
        known(47, "Medium")
    );
    assert_eq!(severity(r#", "relevance": "PROACTIVE""#), known(21, "Low"));
    let both = r#", "relevance": "URGENT", "severity": "LOW""#;
    assert_eq!(severity(both), known(21, "Low"));
    let odd = r#", "relevance": "URGENT", "severity": "ODD""#;
    assert_eq!(severity(odd), known(73, "High"));
    assert_eq!(
        severity(r#", "relevance": "ODD""#),
        (Value::Null, Value::Null)
    );
}

#[test]
fn the_title_is_the_first_sentence_and_only_the_message_is_repaired() {
    let document = |description: &str| {
        let data = format!(r#", "description": "{description}""#);
        violation("POLICY_VIOLATION_OPENED", "OPEN", &data)
    };
    let broken = document(r"Weak ciphers, e.g. rc4, v1.0 too.\\nSecond line.");
    assert_eq!(broken["rule"]["name"], "Weak ciphers, e.g. rc4, v1.0 too");
    assert_eq!(
        broken["message"],
        "Weak ciphers, e.g. rc4, v1.0 too.\nSecond line."
    );
    assert_eq!(
        broken["vulnerability"]["description"],
        r"Weak ciphers, e.g. rc4, v1.0 too.\nSecond line."
    );
    assert_eq!(document("One! Two.")["rule"]["name"], "One");
    assert_eq!(document("No stop")["rule"]["name"], "No stop");
    assert_eq!(document("...")["rule"].get("name"), None);
    let long = document(&"\u{e4}".repeat(300));
    assert_eq!(long["rule"]["name"], "\u{e4}".repeat(128));
    let none = violation("POLICY_VIOLATION_OPENED", "OPEN", "");
    assert_eq!(none["message"], "POLICY_VIOLATION_OPENED");
}

#[test]
fn a_url_is_taken_apart_or_kept_as_text() {
    let url = |text: &str| asset(&format!(r#""url": "{text}""#));
    let whole = url("HTTPS://u:p@API.example.com:8443/v1/x?y=1#z");
    assert_eq!(
        whole["url"],
        json!({
            "domain": "api.example.com",
            "full": "HTTPS://API.example.com:8443/v1/x?y=1#z",
            "original": "HTTPS://API.example.com:8443/v1/x?y=1#z",
            "path": "/v1/x",
            "port": 8443,
            "scheme": "https",
        })
    );
    assert_eq!(whole["related"], json!({"hosts": ["api.example.com"]}));
    let address = url("http://[2001:DB8::7]:80");
    assert_eq!(address["url"]["domain"], "[2001:db8::7]");
    assert_eq!(address["url"]["port"], 80);
    assert_eq!(address["related"], json!({"ip": ["2001:db8::7"]}));
    assert_eq!(url("https://a:/?x")["url"].get("port"), None);
    for bad in [
        "example.com",
        "https://",
        "https://:80",
        "https://a:b",
        "https://a:65536",
        "https://a b",
        "https://a/b c",
        "https://[::1",
        "https://[zz]/",
        "https://<x>/",
        "1a://x",
        "mailto:x@y",
        "//x/y",
    ] {
        let document = url(bad);
        assert_eq!(document.get("url"), None, "{bad}");
        assert_eq!(document.get("related"), None, "{bad}");
        assert_eq!(document["datatheorem"]["asset"]["url"], bad);
    }
}

#[test]
fn a_cloud_is_named_only_where_it_is_recognised() {
    let provider =
        |text: &str| asset(&format!(r#""hosted_on": "{text}""#))["cloud"]["provider"].clone();
    for (text, expected) in [
        ("AWS", "aws"),
        ("AMAZON_WEB_SERVICES", "aws"),
        ("GCP", "gcp"),
        ("Google Cloud", "gcp"),
        ("MICROSOFT_AZURE", "azure"),
    ] {
        assert_eq!(provider(text), expected);
    }
    for text in ["UNKNOWN", "LAWSUIT", "ON_PREMISES"] {
        assert_eq!(provider(text), Value::Null, "{text}");
    }
}

#[test]
fn wrong_types_become_text_and_what_has_no_field_goes_to_other() {
    let document = ecs(
        r#"{"event": {"type": "POLICY_VIOLATION_OPENED", "version": 1.5, "extra": 1e999, "data": {
            "uuid": 7, "description": ["a"], "relevance": {"x": [1 , 2]}, "policy_name": true,
            "date_created": "soon", "exception_date_created": "1601-01-01T00:00:00Z",
            "empty": "", "nothing": null, "affected_asset": "gone"}},
         "time": "now", "host": 5}"#,
    );
    let own = &document["datatheorem"];
    assert_eq!(own["policy_violation"]["uuid"], "7");
    assert_eq!(own["version"], "1.5");
    assert_eq!(document["rule"]["ruleset"], "true");
    assert_eq!(document["event"].get("start"), None);
    assert_eq!(document["@timestamp"], "2025-11-23T12:13:20.123Z");
    let other = concat!(
        r#"{"event.data.affected_asset":"gone","event.data.date_created":"soon","#,
        r#""event.data.description":["a"],"#,
        r#""event.data.exception_date_created":"1601-01-01T00:00:00Z","#,
        r#""event.data.relevance":{"x": [1 , 2]},"event.extra":1e999,"host":5,"time":"now"}"#
    );
    assert_eq!(own["other"], other);
}

#[test]
fn what_has_no_field_is_left_out_where_it_is_too_long() {
    let other = |length: usize| {
        let data = format!(r#", "x": "{}""#, "y".repeat(length));
        violation("POLICY_VIOLATION_OPENED", "OPEN", &data)["datatheorem"]["other"].clone()
    };
    let frame = r#"{"event.data.x":""}"#.len();
    assert_eq!(other(32_766 - frame).as_str().unwrap().len(), 32_766);
    assert_eq!(other(32_767 - frame), Value::Null);
}

#[test]
fn a_time_out_of_range_is_not_a_timestamp() {
    let at = |time: &str| ecs(&format!(r#"{{"time": {time}}}"#))["@timestamp"].clone();
    assert_eq!(at("1611733052.9876"), "2021-01-27T07:37:32.987Z");
    assert_eq!(at("1611733052.5"), "2021-01-27T07:37:32.500Z");
    assert_eq!(at("315532800"), "1980-01-01T00:00:00.000Z");
    for bad in ["315532799", "0", "1611733052000", "99999999999999999999"] {
        assert_eq!(at(bad), "2025-11-23T12:13:20.123Z", "{bad}");
    }
}
