//! Proves that nothing that is or may hold a secret is shown of any vendor's event, in any format.

use super::formats::{body, take_original};
use super::vendors::with_header;
use super::*;

const READ: [Preset; 6] = [
    Preset::DataTheorem,
    Preset::GitHub,
    Preset::GitLab,
    Preset::Snyk,
    Preset::Wiz,
    Preset::Okta,
];
const VALUE: &str = "EXAMPLEONLY";

/// Everything that is shown in all formats, without the original.
fn shown(event: &Arc<Event>, preset: Preset) -> String {
    let mut all = String::new();
    for format in [Format::Ecs, Format::Ocsf, Format::Cim] {
        let mut value: Value = serde_json::from_str(&body(event, preset, format)).unwrap();
        take_original(&mut value, format);
        all += &value.to_string();
    }
    all
}

/// The same of a member in a place that each vendor's reader looks at.
fn of_member(preset: Preset, member: &str) -> String {
    let around = match preset {
        Preset::DataTheorem => {
            format!(r#"{{"event": {{"type": "X__POLICY_VIOLATION_OPENED", {member}}}}}"#)
        }
        _ => format!("{{{member}}}"),
    };
    shown(&event(around), preset)
}

#[test]
fn a_secret_is_known_by_its_name_in_any_spelling_at_the_top_and_inside() {
    let names = [
        "secret",
        "Client_Secret",
        "clientSecret",
        "accessToken",
        "session-token",
        "refreshToken",
        "id_token",
        "TOKENS",
        "apiKey",
        "X-Api-Key",
        "privateKey",
        "private_key",
        "Authorization",
        "secretAccessKey",
        "aws_access_key",
        "passphrase",
        "password",
        "passwd",
        "credentials",
        "Set-Cookie",
        "secret_id",
        r"\u0073ecret",
    ];
    for preset in READ {
        for name in names {
            for member in [
                format!(r#""{name}": "{VALUE}""#),
                format!(r#""{name}" : {{"any": ["{VALUE}"]}}"#),
                format!(r#""new": {{"deep": [{{"a": "\"", "{name}" : "{VALUE}"}}]}}"#),
            ] {
                let shown = of_member(preset, &member);
                assert!(!shown.contains(VALUE), "{preset:?} {member}: {shown}");
                assert!(shown.contains("[redacted]"), "{preset:?} {member}: {shown}");
            }
        }
    }
}

#[test]
fn what_only_tells_of_a_secret_is_shown() {
    for preset in READ {
        for member in [
            format!(r#""token_id": "{VALUE}""#),
            format!(r#""tokenType": "{VALUE}""#),
            format!(r#""new": {{"access_key_id": "{VALUE}", "password": null}}"#),
            format!(r#""new": {{"has_password": true, "is": "password", "also": "{VALUE}"}}"#),
            format!(r#""publicly": "{VALUE}""#),
        ] {
            let shown = of_member(preset, &member);
            assert!(shown.contains(VALUE), "{preset:?} {member}: {shown}");
        }
        let shown = of_member(preset, r#""has_secret": true"#);
        assert!(!shown.contains("[redacted]"), "{preset:?}: {shown}");
    }
}

#[test]
fn of_an_event_about_a_secret_no_unknown_text_is_shown() {
    let members = format!(
        r#""snippet": "{VALUE}", "raw": "{VALUE}", "text": "{VALUE}", "token_value": "{VALUE}",
        "evidence": "{VALUE}", "line": "{VALUE}", "any": ["{VALUE}"], "weight": 7, "is_new": true"#
    );
    let github = format!(r#"{{"alert": {{"secret_type": "x", {members}}}, {members}}}"#);
    let gitlab = format!(
        r#"{{"object_kind": "vulnerability", "object_attributes": {{{members},
        "report_type": "secret_detection", "location": {{"code": "{VALUE}", {members},
        "dependency": {{{members}}}}}}}, {members}}}"#
    );
    for (preset, payload) in [(Preset::GitHub, github), (Preset::GitLab, gitlab)] {
        let shown = shown(&event(payload), preset);
        assert!(!shown.contains(VALUE), "{shown}");
        for open in ["weight", "is_new"] {
            assert!(shown.contains(open), "{shown}");
        }
    }
}

#[test]
fn an_unknown_url_is_shown_without_login_and_query() {
    for preset in READ {
        for text in [
            format!("https://a.example.com/cb?code={VALUE}"),
            format!("https://a.example.com/cb#access_token={VALUE}"),
            format!("https://ana:{VALUE}@a.example.com/cb"),
            format!("https://{VALUE}@a.example.com"),
            format!("see https://a.example.com/cb?a=1&b={VALUE} and https://{VALUE}@b.example.com"),
            format!("https://a.example.com/go/https://ana:{VALUE}@b.example.com/"),
            format!("/cb?a.example.com={VALUE}"),
            format!(r"https:\/\/ana:{VALUE}\u0040a.example.com\/cb\u003fcode={VALUE}"),
        ] {
            for member in [
                format!(r#""redirectUri": "{text}""#),
                format!(r#""new": {{"uri": ["{text}"], "is": "a.example.com"}}"#),
            ] {
                let shown = of_member(preset, &member);
                assert!(!shown.contains(VALUE), "{preset:?} {member}: {shown}");
                assert!(
                    !shown.contains("[redacted]"),
                    "{preset:?} {member}: {shown}"
                );
            }
        }
    }
}

#[test]
fn a_known_url_is_shown_without_login_and_with_its_query() {
    let url = format!("https://oauth2:{VALUE}@git.example.com/shop?at=main");
    let issue = r#"{"id": "SNYK-1", "issueData": {"severity": "high"}}"#;
    let snyk = format!(
        r#"{{"newIssues": [{issue}], "project": {{"name": "{url}", "remoteRepoUrl": "{url}",
        "browseUrl": "{url}"}}}}"#
    );
    let gitlab = format!(
        r#"{{"object_kind": "vulnerability", "object_attributes": {{"url": "{url}",
        "title": "see {url}", "issues": [{{"url": "{url}"}}, {{"url": "{url}"}}]}},
        "project": {{"web_url": "{url}"}}}}"#
    );
    let datatheorem = format!(
        r#"{{"event": {{"type": "X__NETWORK_SERVICE_DISCOVERED", "data": {{"url": "{url}",
        "portal_url": "{url}"}}}}}}"#
    );
    for (preset, payload) in [
        (Preset::Snyk, snyk),
        (Preset::GitLab, gitlab),
        (Preset::DataTheorem, datatheorem),
    ] {
        let shown = shown(&event(payload), preset);
        assert!(!shown.contains(VALUE), "{preset:?}: {shown}");
        assert!(
            shown.contains("https://git.example.com/shop?at=main"),
            "{shown}"
        );
    }
}

#[test]
fn a_header_tells_of_an_event_about_a_secret_as_well() {
    let payload = format!(r#"{{"alert": {{"snippet": "{VALUE}"}}}}"#);
    for name in ["secret_scanning_alert", "secret_scanning_alert_location"] {
        let named = with_header(&event(payload.clone()), "x-github-event", name);
        assert!(!shown(&named, Preset::GitHub).contains(VALUE), "{name}");
    }
}
