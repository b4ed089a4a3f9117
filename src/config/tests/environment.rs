//! Proves which variables override, that each type of key understands their text, and that a
//! problem names the variable it came from.

use std::time::Duration;

use crate::settings::{Kind, SourceAuth};

use super::*;

fn accepted_under(text: &str, env: &[(&str, &str)]) -> Settings {
    let fixture = Fixture::new(text);
    match fixture.load(env) {
        Ok(loaded) => loaded.settings,
        Err(problems) => panic!("{problems}"),
    }
}

#[test]
fn text_numbers_sizes_durations_flags_and_lists_are_overridden() {
    let settings = accepted_under(
        &beside_good("[server]\nlisten = \"127.0.0.1:1\"\nmax_headers = 10"),
        &[
            ("SIEM_RELAY_SERVER__LISTEN", "127.0.0.1:2"),
            ("SIEM_RELAY_SERVER__MAX_HEADERS", "20"),
            ("SIEM_RELAY_SERVER__MAX_BODY", "2MiB"),
            ("SIEM_RELAY_SERVER__MAX_HEADER_SIZE", "16384"),
            ("SIEM_RELAY_SERVER__BODY_TIMEOUT", "7s"),
            ("SIEM_RELAY_SERVER__ALLOW_PLAINTEXT", "True"),
            (
                "SIEM_RELAY_SERVER__TRUSTED_PROXIES",
                "10.0.0.0/8, 192.0.2.7",
            ),
            ("SIEM_RELAY_LOG__FORMAT", "text"),
            ("SIEM_RELAY_DEAD_LETTERS__DIRECTORY", "elsewhere"),
            ("SIEM_RELAY_DESTINATIONS__D__RETRY_MULTIPLIER", "1.5"),
            ("SIEM_RELAY_DESTINATIONS__D__SOURCES", "a"),
            ("SIEM_RELAY_DESTINATIONS__D__ROTATE_AGE", "1h"),
            ("SIEM_RELAY_DESTINATIONS__D__KEEP_FILES", "3"),
        ],
    );
    let server = &settings.server;
    assert_eq!(server.listen.to_string(), "127.0.0.1:2");
    assert_eq!((server.max_headers, server.max_body_bytes), (20, 2 << 20));
    assert_eq!(
        (server.max_header_bytes, server.allow_plaintext),
        (16_384, true)
    );
    assert_eq!(server.body_timeout, Duration::from_secs(7));
    assert_eq!(server.trusted_proxies.len(), 2);
    assert!(!settings.log.json && settings.dead_letters.directory.ends_with("elsewhere"));
    let destination = &settings.destinations[0];
    assert_eq!(destination.retry.multiplier, 1.5);
    assert_eq!(destination.sources.as_deref().unwrap(), ["a"]);
    let Kind::File(file) = &destination.kind else {
        panic!("{:?}", destination.kind);
    };
    assert_eq!(
        (file.rotate_age, file.keep_files),
        (Some(Duration::from_secs(3600)), Some(3))
    );
}

#[test]
fn text_that_looks_like_a_number_or_a_flag_stays_text() {
    let text = destination(
        "kind = \"splunk_hec\"\nurl = \"https://s:8088\"\ntoken_file = \"token\"\nindex = \"i\"",
    );
    let settings = accepted_under(
        &text,
        &[
            ("SIEM_RELAY_DESTINATIONS__D__INDEX", "007"),
            ("SIEM_RELAY_DESTINATIONS__D__SOURCE", "true"),
            ("SIEM_RELAY_DESTINATIONS__D__SOURCETYPE", "[a, b]"),
            ("SIEM_RELAY_DESTINATIONS__D__FIELDS__SITE", "12"),
        ],
    );
    let Kind::SplunkHec(splunk) = &settings.destinations[0].kind else {
        panic!("{:?}", settings.destinations[0].kind);
    };
    assert_eq!(splunk.index.as_deref(), Some("007"));
    assert_eq!(splunk.source.as_deref(), Some("true"));
    assert_eq!(splunk.sourcetype.as_deref(), Some("[a, b]"));
    assert_eq!(splunk.fields, [("site".to_owned(), "12".to_owned())]);
}

#[test]
fn the_place_of_a_secret_is_overridden_and_the_rest_of_its_table_stays() {
    let settings = accepted_under(
        &source("auth = { header = \"X-Key\", value_file = \"absent\" }"),
        &[("SIEM_RELAY_SOURCES__A__AUTH__VALUE_FILE", "token")],
    );
    assert!(
        matches!(&settings.sources[0].auth, SourceAuth::Header { name, .. } if name == "x-key")
    );
}

#[test]
fn variables_that_kubernetes_sets_for_a_service_are_ignored() {
    let env = [
        ("SIEM_RELAY_SERVICE_HOST", "10.96.0.10"),
        ("SIEM_RELAY_SERVICE_PORT", "8080"),
        ("SIEM_RELAY_SERVICE_PORT_HTTP", "8080"),
        ("SIEM_RELAY_PORT", "tcp://10.96.0.10:8080"),
        ("SIEM_RELAY_PORT_8080_TCP", "tcp://10.96.0.10:8080"),
        ("SIEM_RELAY_PORT_8080_TCP_ADDR", "10.96.0.10"),
        ("SIEM_RELAY_PORT_8080_TCP_PROTO", "tcp"),
        ("SIEM_RELAY_SERVER_SERVICE_HOST", "10.96.0.11"),
        ("SIEM_RELAY_LOG", "debug"),
        ("SERVER__LISTEN", "nonsense"),
        ("siem_relay_server__listen", "nonsense"),
    ];
    let fixture = Fixture::new(&beside_good(""));
    let loaded = fixture.load(&env).unwrap();
    assert_eq!(loaded.settings.server.listen.to_string(), "127.0.0.1:8080");
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn an_unknown_section_before_two_underscores_is_a_warning() {
    let fixture = Fixture::new(&beside_good(""));
    let loaded = fixture
        .load(&[("SIEM_RELAY_SERVR__LISTEN", "hunter2")])
        .unwrap();
    assert_eq!(
        loaded.warnings,
        [
            "environment variable SIEM_RELAY_SERVR__LISTEN: ignored, it names none of the sections \
          server, admin, journal, dead_letters, log, sources, destinations, contracts"
        ]
    );
}

#[test]
fn a_problem_names_the_variable_and_not_its_value() {
    let env = [
        ("SIEM_RELAY_SERVER__LISTEN", "hunter2"),
        ("SIEM_RELAY_SERVER__MAX_HEADERS", "hunter2"),
        ("SIEM_RELAY_SERVER__BODY_TIMEOUT", "hunter2"),
        ("SIEM_RELAY_SERVER__ALLOW_PLAINTEXT", "hunter2"),
        ("SIEM_RELAY_SERVER__LISTN", "hunter2"),
        ("SIEM_RELAY_DESTINATIONS__D__TOKEN", "hunter2"),
        ("SIEM_RELAY_JOURNAL", "hunter2"),
        ("SIEM_RELAY_JOURNAL__", "hunter2"),
        ("SIEM_RELAY_JOURNAL__A__B__C__D", "hunter2"),
        ("SIEM_RELAY_SOURCES__A", "hunter2"),
        ("SIEM_RELAY_DESTINATIONS__D__RETRY_JITTER", ""),
    ];
    let found = folded(&problems_under(&beside_good(""), &env));
    let found = found.replace("environment variable SIEM_RELAY_", "$");
    insta::assert_snapshot!(found, @r#"
    $JOURNAL__: journal.: is not the name of a key: 4
      parts at most, none empty; write SIEM_RELAY_SECTION__KEY, or unset it
    $JOURNAL__A__B__C__D: journal.a.b.c.d: is not the
      name of a key: 4 parts at most, none empty; write SIEM_RELAY_SECTION__KEY, or
      unset it
    $SERVER__LISTEN: server.listen: must be a string
      with an IP address and a port; write such as "127.0.0.1:8080" or
      "0.0.0.0:8080"
    $SERVER__ALLOW_PLAINTEXT: server.allow_plaintext:
      must be true or false, is other text; write true or false, without quotes
    $SERVER__MAX_HEADERS: server.max_headers: must be
      a whole number, is other text; write a whole number from 8 to 1024
    $SERVER__BODY_TIMEOUT: server.body_timeout: is
      not a duration: whole numbers, each with ms, s, m, h or d; write a duration
      from 100ms to 10m
    $SERVER__LISTN: server.listn: unknown key; did
      you mean listen?
    $SOURCES__A: sources.a: must be a table, is a
      string; write [sources.a]
    $DESTINATIONS__D__RETRY_JITTER:
      destinations.d.retry_jitter: must be a number, is other text; write a number
      from 0 to 1
    $DESTINATIONS__D__TOKEN: destinations.d.token:
      unknown key; a secret is not written here: use a key that ends in _file or
      _env
    $SOURCES__A: sources: no source is configured;
      add [sources.NAME], as in config.toml.example
    "#);
}

#[test]
fn a_rule_between_keys_names_the_variable_that_broke_it() {
    let env = [("SIEM_RELAY_JOURNAL__MAX_SIZE", "100MiB")];
    let found = problems_under(&beside_good(""), &env);
    assert_eq!(found.len(), 1);
    let expected =
        "environment variable SIEM_RELAY_JOURNAL__MAX_SIZE: journal.max_size: is smaller";
    assert!(found[0].starts_with(expected), "{found:?}");
}
