//! Proves that no JSON stops the readers of GitLab, Snyk, Wiz and Okta, loses the original, or
//! makes a document without bounds.

use proptest::prelude::*;

use super::formats::body;
use super::hostile::{any_json, check_event, object};
use super::vendors::with_header;
use super::*;

/// Members that the readers look for, and the objects that they look into.
const KEYS: [&str; 46] = [
    "id",
    "title",
    "state",
    "status",
    "severity",
    "location",
    "identifiers",
    "cvss",
    "issues",
    "url",
    "created_at",
    "file",
    "dependency",
    "package",
    "external_type",
    "external_id",
    "vendor",
    "vector",
    "event_type",
    "author_id",
    "details",
    "custom_message",
    "target_type",
    "issueData",
    "pkgName",
    "pkgVersions",
    "semver",
    "CVE",
    "cvssScore",
    "fixInfo",
    "name",
    "trigger",
    "projects",
    "type",
    "resources",
    "actors",
    "cloudAccounts",
    "mitreTechniques",
    "uuid",
    "published",
    "eventType",
    "actor",
    "client",
    "outcome",
    "target",
    "alternateId",
];
/// What holds the members of each vendor.
const AROUND: [&str; 20] = [
    "object_attributes",
    "location",
    "dependency",
    "details",
    "project",
    "org",
    "newIssues",
    "removedIssues",
    "issueData",
    "identifiers",
    "issue",
    "resource",
    "control",
    "threat",
    "vulnerability",
    "data",
    "events",
    "client",
    "authenticationContext",
    "debugContext",
];
const READ: [Preset; 4] = [Preset::GitLab, Preset::Snyk, Preset::Wiz, Preset::Okta];

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => proptest::sample::select(&KEYS[..]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn members() -> impl Strategy<Value = Vec<(String, String)>> {
    proptest::collection::vec((any_key(), any_json()), 0..6)
}

proptest! {
    // Each case is rendered about a hundred times.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_event_of_any_vendor_is_rendered(
        inner in members(),
        middle in members(),
        outer in members(),
        around in proptest::collection::vec(proptest::sample::select(&AROUND[..]), 0..6),
        in_list in any::<bool>(),
        code in "(user|group|policy|security)\\.[a-z_]{1,9}\\.[a-z_]{1,9}",
    ) {
        let (mut middle, mut outer) = (middle, outer);
        middle.push(("eventType".to_owned(), format!("\"{code}\"")));
        for key in &around {
            middle.push(((*key).to_owned(), object(inner.clone())));
        }
        let middle = object(middle);
        for key in around {
            let value = if in_list { format!("[{middle},{middle}]") } else { middle.clone() };
            outer.push((key.to_owned(), value));
        }
        let plain = event(object(outer));
        for preset in READ {
            check_event(&plain, preset);
        }
        let named = with_header(&plain, "x-gitlab-event", "Vulnerability Hook");
        check_event(&named, Preset::GitLab);
    }

    #[test]
    fn any_json_is_rendered_by_every_reader(payload in any_json()) {
        let plain = event(payload.clone());
        let hook = event(format!(r#"{{"data": {{"events": [{payload}, {payload}]}}}}"#));
        let issues = event(format!(r#"{{"newIssues": [{payload}], "removedIssues": {payload}}}"#));
        for preset in READ {
            check_event(&plain, preset);
        }
        check_event(&hook, Preset::Okta);
        check_event(&issues, Preset::Snyk);
    }
}

#[test]
fn many_of_everything_stay_within_bounds() {
    let many = |one: &str| vec![one; 2_000].join(",");
    let issue = r#"{"id":"SNYK-1","pkgName":"p","issueData":{"title":"t","severity":"high",
        "identifiers":{"CVE":["CVE-2020-1"],"CWE":["CWE-1"]},"new":{"a":[1]}}}"#;
    let entry = r#"{"eventType":"user.session.start","uuid":"u","severity":"INFO","x":1}"#;
    let identifier = r#"{"external_type":"cwe","external_id":"1","name":"CWE-1"}"#;
    let actor = r#"{"name":"a","id":"b"}"#;
    for (preset, payload) in [
        (
            Preset::Snyk,
            format!(r#"{{"newIssues":[{}]}}"#, many(issue)),
        ),
        (
            Preset::Okta,
            format!(r#"{{"data":{{"events":[{}]}}}}"#, many(entry)),
        ),
        (
            Preset::GitLab,
            format!(
                r#"{{"object_kind":"vulnerability","object_attributes":{{"identifiers":[{}]}}}}"#,
                many(identifier)
            ),
        ),
        (
            Preset::GitLab,
            format!("[{}]", many(r#"{"event_type":"a","details":{}}"#)),
        ),
        (
            Preset::Wiz,
            format!(
                r#"{{"threat":{{"actors":[{0}],"resources":[{0}]}}}}"#,
                many(actor)
            ),
        ),
    ] {
        check_event(&event(payload), preset);
    }
}

#[test]
fn a_long_text_of_many_findings_is_not_written_for_each() {
    let long = "x".repeat(100_000);
    let each = |count: usize, one: &dyn Fn(usize) -> String| {
        let all: Vec<String> = (0..count).map(one).collect();
        all.join(",")
    };
    let tags = each(64, &|n| format!("\"external/cwe/cwe-{n}\""));
    let github = format!(
        r#"{{"action": "created", "alert": {{"number": 1, "rule": {{"description": "{long}",
        "help": "{long}", "tags": [{tags}]}}, "most_recent_instance": {{"location":
        {{"path": "{long}", "start_line": 1}}}}}}}}"#
    );
    let issues = each(100, &|n| format!(r#"{{"id": "SNYK-{n}", "pkgName": "p"}}"#));
    let snyk = format!(r#"{{"newIssues": [{issues}], "project": {{"type": "{long}"}}}}"#);
    let identifiers = each(32, &|n| {
        format!(r#"{{"external_type": "cwe", "external_id": "{n}", "url": "{n}"}}"#)
    });
    let gitlab = format!(
        r#"{{"object_kind": "vulnerability", "object_attributes": {{"title": "{long}",
        "solution": "{long}", "location": {{"file": "{long}", "dependency": {{"version": "{long}",
        "package": {{"name": "{long}"}}}}}}, "identifiers": [{identifiers}]}}}}"#
    );
    for (preset, payload) in [
        (Preset::GitHub, github),
        (Preset::Snyk, snyk),
        (Preset::GitLab, gitlab),
    ] {
        for format in [Format::Ecs, Format::Ocsf, Format::Cim] {
            let size = body(&event(payload.clone()), preset, format).len();
            let times = size / payload.len();
            assert!(times < 6, "{preset:?} {format:?}: {times} times");
        }
    }
}

#[test]
fn a_line_number_that_an_index_refuses_is_none() {
    let github = |line: &str| {
        let payload = format!(
            r#"{{"alert": {{"rule": {{}}, "most_recent_instance": {{"location":
            {{"path": "a", "start_line": {line}, "end_line": 2147483647}}}}}}}}"#
        );
        let body = body(&event(payload), Preset::GitHub, Format::Ecs);
        serde_json::from_str::<Value>(&body).unwrap()["github"].take()
    };
    let gitlab = |line: &str| {
        let payload = format!(
            r#"{{"object_kind": "vulnerability", "object_attributes": {{"location":
            {{"file": "a", "start_line": {line}, "end_line": 2147483647}}}}}}"#
        );
        let body = body(&event(payload), Preset::GitLab, Format::Ecs);
        serde_json::from_str::<Value>(&body).unwrap()["gitlab"].take()
    };
    for line in [
        "18446744073709551615",
        "9223372036854775808",
        "2147483648",
        "1e3",
        "-1",
    ] {
        for shown in [github(line), gitlab(line)] {
            assert_eq!(shown["location"].get("start_line"), None, "{shown}");
            assert_eq!(shown["location"]["end_line"], 2_147_483_647_u64);
        }
        let other = gitlab(line)["other"].take();
        let kept = format!("start_line\":{line}");
        assert!(other.as_str().unwrap().contains(&kept), "{other}");
    }
}

#[test]
fn no_name_of_a_vendor_becomes_that_of_a_field_of_an_index() {
    let payload = r#"{"": 1, ".a": 2, "a": 3, "a.b": {"c": 4}, "..": "x"}"#;
    for preset in READ {
        for shape in [Shape::Document, Shape::Payload] {
            let rendered = render(&event(payload), preset, Format::Ocsf, shape).unwrap();
            let document: Value = serde_json::from_slice(&rendered.body).unwrap();
            let members = document["unmapped"]["members"].as_array().unwrap();
            let pairs = members
                .iter()
                .map(|member| (&member["name"], &member["value"]));
            let pairs: Vec<_> = pairs
                .map(|(name, value)| (name.as_str().unwrap(), value.as_str().unwrap()))
                .collect();
            let expected = [
                ("", "1"),
                ("..", "x"),
                (".a", "2"),
                ("a", "3"),
                ("a.b", r#"{"c": 4}"#),
            ];
            assert_eq!(pairs, expected, "{preset:?}");
        }
    }
}
