//! Proves what presets of intakes need, and what they take as limits.

use std::time::Duration;

use super::*;
use crate::settings::{Auth, Intake, Kind};

const HOUR: u64 = 3600;
/// Each kind with no more than it needs.
const PLAIN: [(&str, &str); 12] = [
    (
        "sentinel",
        "url = \"https://a.ingest.monitor.azure.com\"\ntenant_id = \"acme.com\"\n\
         client_id = \"relay\"\nclient_secret_file = \"token\"\n\
         rule_id = \"dcr-000a00a000a00000a000000aa000a0aa\"\nstream = \"Custom-SiemRelay_CL\"",
    ),
    (
        "google_secops",
        "region = \"eu\"\nproject = \"acme\"\ninstance = \"c0ffee\"\n\
         log_type = \"ACME_CUSTOM\"\nservice_account_file = \"google\"",
    ),
    (
        "google_secops",
        "api = \"legacy\"\ninstance = \"c0ffee\"\n\
         log_type = \"ACME_CUSTOM\"\nservice_account_file = \"google\"",
    ),
    (
        "datadog",
        "site = \"datadoghq.eu\"\napi_key_file = \"token\"",
    ),
    ("sumo_logic", "url_file = \"sumo\""),
    (
        "logscale",
        "url = \"https://cloud.humio.com\"\ntoken_file = \"token\"",
    ),
    (
        "logscale",
        "url = \"https://h/x/services/collector\"\ninput = \"connector\"\ntoken_file = \"token\"",
    ),
    (
        "panther",
        "url = \"https://logs.acme.runpanther.net/http/1\"\nbearer_token_file = \"token\"",
    ),
    ("loki", "url = \"https://loki.example.com\""),
    ("new_relic", "region = \"eu\"\napi_key_file = \"token\""),
    ("graylog", "url = \"https://graylog.example.com:12201\""),
    ("elastic_agent", "url = \"https://agent.example.com/in\""),
];

pub(super) fn kind(kind: &str, lines: &str) -> String {
    destination(&format!("kind = \"{kind}\"\n{lines}"))
}

pub(super) fn plain(word: &str, lines: &str) -> String {
    let (_, needed) = PLAIN.iter().find(|(known, _)| *known == word).unwrap();
    kind(word, &format!("{needed}\n{lines}"))
}

pub(super) fn read(text: &str) -> (crate::settings::Destination, Intake) {
    let mut destinations = accepted(text).destinations;
    let destination = destinations.remove(0);
    let Kind::Intake(intake) = destination.kind.clone() else {
        panic!("{:?}", destination.kind);
    };
    assert_eq!(destination.kind.as_str(), intake.preset.as_str());
    (destination, *intake)
}

#[test]
fn a_place_and_a_key_are_enough_and_limits_are_the_intakes() {
    for ((word, lines), (events, bytes, hours, gzip)) in PLAIN.into_iter().zip([
        (1000, 1_000_000, Some(48), true),
        (1000, 2_000_000, None, false),
        (1000, 1_000_000, None, false),
        (1000, 5_000_000, Some(18), true),
        (1000, 1_000_000, None, true),
        (1000, 1_048_576, None, true),
        (1000, 1_048_576, None, true),
        (1000, 1_000_000, None, false),
        (1000, 1_000_000, Some(168), true),
        (1000, 1_000_000, Some(48), true),
        (1, 1_000_000, None, false),
        (1000, 1_000_000, None, true),
    ]) {
        let (destination, intake) = read(&kind(word, lines));
        let batch = destination.batch;
        assert_eq!(
            (batch.max_events, batch.max_bytes),
            (events, bytes),
            "{word}"
        );
        let age = hours.map(|hours: u64| Duration::from_secs(hours * HOUR));
        assert_eq!(destination.pace.max_event_age, age, "{word}");
        assert_eq!(intake.endpoint.gzip, gzip, "{word}");
    }
}

#[test]
fn limits_are_ceilings_too() {
    for (word, lines, expected) in [
        (
            "datadog",
            "batch_max_events = 1001",
            "batch_max_events: 1001 is out",
        ),
        (
            "datadog",
            "batch_max_bytes = 5000001",
            "batch_max_bytes: 5000001B is out",
        ),
        (
            "sumo_logic",
            "batch_max_bytes = 1000001",
            "batch_max_bytes: 1000001B is out",
        ),
        (
            "logscale",
            "batch_max_bytes = \"33MiB\"",
            "batch_max_bytes: 33MiB is out",
        ),
        (
            "panther",
            "batch_max_bytes = 5000001",
            "batch_max_bytes: 5000001B is out",
        ),
        (
            "loki",
            "batch_max_bytes = 4000001",
            "batch_max_bytes: 4000001B is out",
        ),
        (
            "new_relic",
            "batch_max_bytes = 1000001",
            "batch_max_bytes: 1000001B is out",
        ),
        (
            "graylog",
            "batch_max_events = 2",
            "batch_max_events: 2 is out",
        ),
    ] {
        refused(&plain(word, lines), &format!("destinations.d.{expected}"));
    }
    let (destination, _) = read(&plain("graylog", "bulk = true\nbatch_max_events = 500"));
    assert_eq!(destination.batch.max_events, 500);
    let (destination, _) = read(&plain("loki", "max_event_age = \"1h\""));
    assert_eq!(
        destination.pace.max_event_age,
        Some(Duration::from_secs(HOUR))
    );
}

#[test]
fn sites_and_regions_become_urls_and_keys_become_headers() {
    for (word, url, header) in [
        (
            "datadog",
            "https://http-intake.logs.datadoghq.eu",
            "dd-api-key",
        ),
        ("new_relic", "https://log-api.eu.newrelic.com", "api-key"),
    ] {
        let (_, intake) = read(&plain(word, ""));
        assert_eq!(intake.endpoint.url, url);
        let Auth::Header { name, .. } = intake.auth else {
            panic!("{:?}", intake.auth);
        };
        assert_eq!(name, header);
    }
    let own = "url = \"https://dd.example.com/\"\napi_key_file = \"token\"";
    let (_, intake) = read(&kind("datadog", own));
    assert_eq!(intake.endpoint.url, "https://dd.example.com");
    let both = plain("datadog", "url = \"https://dd.example.com\"");
    refused(&both, "destinations.d.url: stands beside site");
    refused(
        &kind("datadog", "api_key_file = \"token\""),
        "destinations.d.site: missing",
    );
    refused(
        &kind(
            "datadog",
            "site = \"datadog.com\"\napi_key_file = \"token\"",
        ),
        "destinations.d.site: \"datadog.com\" is unknown",
    );
    refused(
        &kind("new_relic", "region = \"eu\""),
        "destinations.d.api_key_file: missing",
    );
    refused(
        &kind("logscale", "url = \"https://h\""),
        "destinations.d.token_file: missing",
    );
}

#[test]
fn a_sumo_url_is_a_secret_in_every_text() {
    let (_, intake) = read(&plain("sumo_logic", "category = \"a/b\""));
    assert!(
        intake
            .endpoint
            .url
            .ends_with("/receiver/v1/http/ZaVnC4dhaV3-Zbn8Kq")
    );
    let shown = format!("{intake:?}");
    assert!(!shown.contains("Zbn8Kq"), "{shown}");
    refused(
        &kind(
            "sumo_logic",
            "url = \"https://h/ZaVnC4dhaV3-Zbn8Kq\"\nurl_file = \"sumo\"",
        ),
        "destinations.d.url: unknown key; a secret is not written here: use url_file or url_env",
    );
    refused(&kind("sumo_logic", ""), "destinations.d.url_file: missing");
    let found = problems(&kind("sumo_logic", "url_file = \"sumo-plain\""));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("url_file: credentials would cross") && !found[0].contains("Zbn8"));
}

#[test]
fn a_tenant_becomes_a_token_endpoint_and_a_region_a_host() {
    for (lines, login, scope) in [
        (
            "",
            "login.microsoftonline.com",
            "https://monitor.azure.com/.default",
        ),
        (
            "cloud = \"us_government\"",
            "login.microsoftonline.us",
            "https://monitor.azure.us/.default",
        ),
        (
            "cloud = \"china\"",
            "login.chinacloudapi.cn",
            "https://monitor.azure.cn/.default",
        ),
    ] {
        let (_, intake) = read(&plain("sentinel", lines));
        let Auth::OAuth2(oauth2) = intake.auth else {
            panic!("{:?}", intake.auth);
        };
        let token_url = format!("https://{login}/acme.com/oauth2/v2.0/token");
        assert_eq!(
            (oauth2.token_url, oauth2.scope.as_deref()),
            (token_url, Some(scope))
        );
    }
    let legacy = PLAIN[2].1;
    let european = format!("{legacy}\nregion = \"europe\"");
    for (lines, host, scope) in [
        (PLAIN[1].1, "eu-chronicle", "cloud-platform"),
        (legacy, "malachiteingestion-pa", "malachite-ingestion"),
        (
            &european,
            "europe-malachiteingestion-pa",
            "malachite-ingestion",
        ),
    ] {
        let (_, intake) = read(&kind("google_secops", lines));
        assert_eq!(
            intake.endpoint.url,
            format!("https://{host}.googleapis.com")
        );
        let Auth::GoogleServiceAccount(account) = intake.auth else {
            panic!("{:?}", intake.auth);
        };
        assert_eq!(
            account.scope,
            format!("https://www.googleapis.com/auth/{scope}")
        );
    }
}
