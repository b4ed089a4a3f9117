//! Proves the rules of sources: each way to authenticate, every secret rule, open sources.

use secrecy::ExposeSecret;

use crate::settings::{Preset, Severity, SourceAuth};

use super::*;

fn auth(inside: &str) -> String {
    source(&format!("auth = {{ {inside} }}"))
}

#[test]
fn every_way_to_authenticate_is_understood() {
    let bearer = accepted(&auth("bearer_token_file = [\"token\", \"token2\"]"));
    assert!(matches!(&bearer.sources[0].auth, SourceAuth::Bearer(all) if all.len() == 2));
    let capability = accepted(&auth("capability_file = \"token\""));
    assert!(matches!(&capability.sources[0].auth, SourceAuth::Capability(all) if all.len() == 1));
    let header = accepted(&auth("header = \"X-Api-Key\", value_file = \"token\""));
    let SourceAuth::Header { name, values } = &header.sources[0].auth else {
        panic!("{:?}", header.sources[0].auth);
    };
    assert_eq!((name.as_str(), values.len()), ("x-api-key", 1));
    let open = accepted(&source(
        "auth = { none = true }\nallow_unauthenticated = true",
    ));
    assert!(matches!(open.sources[0].auth, SourceAuth::None));
    assert_eq!(open.sources[0].preset, Preset::Generic);
}

#[test]
fn slots_count_files_first_and_then_variables() {
    let text = format!("bearer_token_env = \"{SET_VARIABLE}\", bearer_token_file = \"token\"");
    let settings = accepted(&auth(&text));
    let SourceAuth::Bearer(secrets) = &settings.sources[0].auth else {
        panic!("{:?}", settings.sources[0].auth);
    };
    let places: Vec<_> = secrets
        .iter()
        .map(|secret| secret.place().to_string())
        .collect();
    assert!(places[0].starts_with("file "), "{places:?}");
    assert_eq!(places[1], format!("environment variable {SET_VARIABLE}"));
}

#[test]
fn a_secret_that_cannot_work_is_refused() {
    for (inside, expected) in [
        (
            "header = \"X-Key\", value_file = \"spaced\"",
            "value_file: the secret has characters",
        ),
        (
            "bearer_token_file = \"short\"",
            "bearer_token_file: the secret is shorter than 16 bytes",
        ),
        (
            "bearer_token_file = \"empty\"",
            "bearer_token_file: the secret is empty",
        ),
        (
            "bearer_token_file = \"bearer\"",
            "bearer_token_file: the secret begins with \"Bearer \"",
        ),
        (
            "bearer_token_file = \"splunk\"",
            "bearer_token_file: the secret begins with \"Splunk \"",
        ),
        (
            "bearer_token_file = \"umlaut\"",
            "bearer_token_file: the secret has characters",
        ),
        (
            "bearer_token_file = \"absent\"",
            "bearer_token_file: the file that it names cannot be",
        ),
        (
            "bearer_token_file = []",
            "bearer_token_file: is empty; name one or more",
        ),
        (
            "capability_file = \"short\"",
            "capability_file: the secret is shorter than 16 bytes",
        ),
        (
            "capability_file = \"slashes\"",
            "capability_file: the secret has characters that are",
        ),
        (
            "header = \"X-Key\", value_file = \"short\"",
            "value_file: the secret is shorter",
        ),
        (
            "bearer_token_env = \"SIEM_RELAY_TEST_VARIABLE_THAT_NOBODY_SETS\"",
            "bearer_token_env: the environment variable that it names is not set",
        ),
    ] {
        refused(&auth(inside), &format!("sources.a.auth.{expected}"));
    }
}

#[test]
fn a_changed_secret_that_cannot_work_keeps_the_last_good_one() {
    let fixture = Fixture::new(&auth("bearer_token_file = \"token\""));
    let settings = fixture.load(&[]).unwrap().settings;
    let SourceAuth::Bearer(secrets) = &settings.sources[0].auth else {
        panic!("{:?}", settings.sources[0].auth);
    };
    let file = fixture.directory.path().join("token");
    // As it is while somebody writes it: a beginning of the secret must let nobody in.
    for bad in [
        "another",
        "Bearer another-horse-battery",
        "another-h\u{f6}rse-battery",
    ] {
        std::fs::write(&file, bad).unwrap();
        secrets[0].reread();
        let value = secrets[0].value();
        assert_eq!(
            value.expose_secret(),
            "correct-horse-battery-staple",
            "{bad}"
        );
    }
    std::fs::write(&file, "another-horse-battery").unwrap();
    secrets[0].reread();
    assert_eq!(secrets[0].value().expose_secret(), "another-horse-battery");
}

#[test]
fn the_same_secret_twice_is_refused_with_its_slots() {
    refused(
        &auth("bearer_token_file = [\"token\", \"token2\", \"same\"]"),
        "sources.a.auth.bearer_token_file: secrets 1 and 3 (files first) are the same",
    );
}

#[test]
fn a_source_has_at_most_eight_secrets() {
    let fixture = |number: usize| {
        let names: Vec<_> = (0..number).map(|n| format!("\"s{n}\"")).collect();
        let list = format!("bearer_token_file = [{}]", names.join(", "));
        let fixture = Fixture::new(&auth(&list));
        for n in 0..number {
            let path = fixture.directory.path().join(format!("s{n}"));
            std::fs::write(path, format!("secret-number-{n}-of-some")).unwrap();
        }
        fixture
    };
    assert!(fixture(8).load(&[]).is_ok());
    let nine = fixture(9);
    let text = nine.brief(nine.load(&[]).unwrap_err());
    assert!(
        text.contains("sources.a.auth.bearer_token_file: too many secrets"),
        "{text}"
    );
}

#[test]
fn exactly_one_way_to_authenticate_is_named() {
    refused(&source(""), "sources.a.auth: missing; write auth = { ... }");
    refused(&auth(""), "sources.a.auth: names no way to authenticate");
    refused(
        &auth("none = false"),
        "sources.a.auth: names no way to authenticate",
    );
    for two in [
        "bearer_token_file = \"token\", capability_file = \"token2\"",
        "bearer_token_file = \"token\", none = true",
        "bearer_token_file = \"token\", header = \"X-Key\"",
    ] {
        refused(
            &auth(two),
            "sources.a.auth: names more than one way to authenticate",
        );
    }
    refused(
        &auth("header = \"X-Key\""),
        "sources.a.auth.header: stands without value_file or value_env",
    );
    refused(
        &auth("value_file = \"token\""),
        "sources.a.auth.header: missing beside value_file or value_env",
    );
}

#[test]
fn the_header_is_one_that_a_sender_may_choose() {
    let with = |name: &str| auth(&format!("header = \"{name}\", value_file = \"token\""));
    accepted(&with("Authorization"));
    for framing in [
        "Content-Length",
        "transfer-encoding",
        "Host",
        "Connection",
        "content-type",
    ] {
        refused(
            &with(framing),
            "sources.a.auth.header: is a header that HTTP itself uses",
        );
    }
    refused(
        &with("X Key"),
        "sources.a.auth.header: is not the name of a header",
    );
}

#[test]
fn an_open_source_is_confirmed_and_closed_to_the_network() {
    let open = "auth = { none = true }\nallow_unauthenticated = true";
    let off = "[server]\nlisten = \"0.0.0.0:8080\"\ntrusted_proxies = [\"10.0.0.1\"]\n";
    refused(
        &auth("none = true"),
        "sources.a.auth: none lets anybody send",
    );
    let (_, warnings) = loaded(&source(open));
    assert_eq!(
        warnings,
        [
            "config.toml: sources.a.allow_unauthenticated: the source is open: whoever reaches the \
          listener can send events"
        ]
    );
    refused(
        &format!("{off}{}", source(open)),
        "sources.a.allow_addresses: missing for a source without authentication",
    );
    let closed = format!("{open}\nallow_addresses = [\"192.0.2.0/24\"]");
    let settings = accepted(&format!("{off}{}", source(&closed)));
    assert_eq!(settings.sources[0].allow_addresses.len(), 1);
    let pointless = "auth = { bearer_token_file = \"token\" }\nallow_unauthenticated = true";
    let (_, warnings) = loaded(&source(pointless));
    assert!(warnings[0].contains("has no effect"), "{warnings:?}");
}

#[test]
fn kept_headers_are_names_without_credentials() {
    let with = |list: &str| {
        source(&format!(
            "auth = {{ header = \"X-Api-Key\", value_file = \"token\" }}\nkeep_headers = [{list}]"
        ))
    };
    let kept = accepted(&with("\"X-Request-Id\", \"user-agent\"")).sources[0]
        .keep_headers
        .clone();
    assert_eq!(kept, ["x-request-id", "user-agent"]);
    for name in [
        "Authorization",
        "cookie",
        "Proxy-Authorization",
        "x-api-key",
    ] {
        let expected = format!(
            "sources.a.keep_headers: {} carries credentials",
            name.to_ascii_lowercase()
        );
        refused(&with(&format!("\"{name}\"")), &expected);
    }
    refused(&with("\"A\", \"a\""), "sources.a.keep_headers: has a twice");
    refused(
        &with("\"a b\""),
        "sources.a.keep_headers: entry 1 is not the name of a header",
    );
    let many: Vec<_> = (0..33).map(|n| format!("\"x-{n}\"")).collect();
    refused(
        &with(&many.join(",")),
        "sources.a.keep_headers: has 33 headers",
    );
}

#[test]
fn the_delivery_id_is_not_in_a_header_with_credentials() {
    let with = |name: &str| {
        source(&format!(
            "auth = {{ header = \"X-Api-Key\", value_file = \"token\" }}\n\
             delivery_id_header = \"{name}\""
        ))
    };
    let settings = accepted(&with("X-Delivery-Id"));
    assert_eq!(
        settings.sources[0].delivery_id_header.as_deref(),
        Some("x-delivery-id")
    );
    for name in ["Authorization", "X-API-Key"] {
        refused(
            &with(name),
            "sources.a.delivery_id_header: carries credentials",
        );
    }
    refused(
        &with("Host"),
        "sources.a.delivery_id_header: is a header that HTTP itself uses",
    );
}

#[test]
fn a_preset_keeps_the_headers_that_it_reads_and_knows_which_one_is_the_delivery() {
    let auth = "auth = { bearer_token_file = \"token\" }";
    let with = |more: &str| {
        let settings = accepted(&source(&format!("preset = \"github\"\n{auth}\n{more}")));
        let source = &settings.sources[0];
        (
            source.keep_headers.clone(),
            source.delivery_id_header.clone(),
        )
    };
    let own = ["x-github-event", "x-github-delivery"];
    assert_eq!(
        with(""),
        (own.map(str::to_owned).to_vec(), Some(own[1].to_owned()))
    );
    let more = "keep_headers = [\"X-One\", \"X-GitHub-Event\"]\ndelivery_id_header = \"X-Two\"";
    let (kept, delivery) = with(more);
    assert_eq!(kept, [own[0], own[1], "x-one"]);
    assert_eq!(delivery.as_deref(), Some("x-two"));
    for (word, preset) in Preset::ALL {
        let settings = accepted(&source(&format!("preset = \"{word}\"\n{auth}")));
        assert_eq!(settings.sources[0].preset, preset);
    }
}

#[test]
fn names_fit_paths_labels_and_variables() {
    let named = |name: &str| {
        format!("[sources.{name}]\nauth = {{ bearer_token_file = \"token\" }}\n{DESTINATION}")
    };
    let longest = "a".repeat(64);
    for good in ["a", "data_theorem_2", longest.as_str()] {
        assert_eq!(accepted(&named(good)).sources[0].name, good);
    }
    let longer = "a".repeat(65);
    for bad in [
        "A",
        "1a",
        "_a",
        "a-b",
        "a__b",
        "\"\u{e4}\"",
        "\"a.b\"",
        longer.as_str(),
    ] {
        let found = problems(&named(bad));
        assert!(
            found.len() == 1 && found[0].contains("the name is not a lower-case letter"),
            "{bad}: {found:?}"
        );
    }
}

#[test]
fn no_source_has_the_label_of_requests_without_one() {
    let text = format!("[sources.none]\nauth = {{ bearer_token_file = \"token\" }}\n{DESTINATION}");
    refused(
        &text,
        "sources.none: the name is the metric label of requests without a source",
    );
}

#[test]
fn there_is_a_source_and_there_are_at_most_thirty_two() {
    refused(DESTINATION, "sources: no source is configured");
    let many = |number: usize| {
        let one = |n| format!("[sources.s{n}]\nauth = {{ bearer_token_file = \"token\" }}\n");
        (0..number).map(one).collect::<String>() + DESTINATION
    };
    assert_eq!(accepted(&many(32)).sources.len(), 32);
    refused(&many(33), "sources: there are 33; keep at most 32");
}

#[test]
fn a_source_has_severities_of_its_own_only_with_a_preset_that_reads_them() {
    let auth = "auth = { bearer_token_file = \"token\" }\n";
    let table = "severities = { URGENT = \"critical\", odd = \"low\" }";
    let settings = accepted(&source(&format!("preset = \"datatheorem\"\n{auth}{table}")));
    let mut severities = settings.sources[0].severities.clone();
    severities.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(
        severities,
        [
            ("URGENT".to_owned(), Severity::Critical),
            ("odd".to_owned(), Severity::Low)
        ]
    );
    refused(
        &source(&format!("{auth}{table}")),
        "sources.a.severities: is set although the preset generic reads no severity",
    );
    let bad = "severities = { URGENT = \"worst\" }";
    refused(
        &source(&format!("preset = \"datatheorem\"\n{auth}{bad}")),
        "sources.a.severities.URGENT: is not a severity",
    );
    let many: Vec<String> = (0..65).map(|n| format!("w{n} = \"low\"")).collect();
    let many = format!("severities = {{ {} }}", many.join(", "));
    refused(
        &source(&format!("preset = \"datatheorem\"\n{auth}{many}")),
        "sources.a.severities: has 65 entries",
    );
}
