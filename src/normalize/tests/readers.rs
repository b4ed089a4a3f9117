//! Proves that no JSON stops the readers of GitLab, Snyk, Wiz and Okta, loses the original, or
//! makes a document without bounds.

use proptest::prelude::*;

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
