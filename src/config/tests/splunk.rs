//! Proves the rules of Splunk destinations: token, addresses, indexes, acknowledgement.

use std::time::Duration;

use crate::settings::{Acknowledgement, HecInput, Kind, PartialBatches, SplunkHec};

use super::*;

fn splunk(lines: &str) -> String {
    destination(&format!("kind = \"splunk_hec\"\n{lines}"))
}

fn loaded_splunk(text: &str) -> SplunkHec {
    match accepted(text).destinations.remove(0).kind {
        Kind::SplunkHec(splunk) => splunk,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_key_of_splunk_arrives() {
    let text = splunk(
        "url = \"https://splunk.example.com:8088/\"\ntoken_file = \"token\"\nindex = \"i\"\n\
         source = \"s\"\nsourcetype = \"t\"\nfields = { env = \"prod\" }\ngzip = false\n\
         ca_file = \"ca.pem\"\nconnect_timeout = \"1s\"\nrequest_timeout = \"2s\"",
    );
    let batch = accepted(&text).destinations[0].batch;
    assert_eq!((batch.max_events, batch.max_bytes), (1000, 1_000_000));
    let splunk = loaded_splunk(&text);
    let [endpoint] = splunk.endpoints.as_slice() else {
        panic!("{:?}", splunk.endpoints)
    };
    assert_eq!(endpoint.url, "https://splunk.example.com:8088");
    assert!(!endpoint.gzip && endpoint.ca_file.as_ref().unwrap().is_absolute());
    assert_eq!(splunk.index.as_deref(), Some("i"));
    assert_eq!(splunk.fields, [("env".to_owned(), "prod".to_owned())]);
}

#[test]
fn a_splunk_token_is_needed_without_its_scheme() {
    let with = |lines: &str| splunk(&format!("url = \"https://s:8088\"\n{lines}"));
    refused(&with(""), "destinations.d.token_file: missing");
    let expected = "destinations.d.token_file: the secret begins with \"Splunk \"";
    refused(&with("token_file = \"splunk\""), expected);
    refused(
        &with(&format!(
            "token_file = \"token\"\ntoken_env = \"{SET_VARIABLE}\""
        )),
        "destinations.d.token_env: stands beside token_file; keep one of them",
    );
    refused(
        &with("token_file = \"token\"\nfields = { siem_relay_id = \"x\" }"),
        "destinations.d.fields: siem_relay_id is the relay's own field",
    );
    refused(
        &with("token_file = \"token\"\nfields = { \"a b\" = \"c\" }"),
        "destinations.d.fields: has a name that is not 1 to 64 letters",
    );
    refused(
        &with("token_file = \"token\"\nfields = { a = 1 }"),
        "destinations.d.fields.a: must be a string, is a number",
    );
    // Outbound secrets may be short: the other side chose them.
    loaded_splunk(&with("token_file = \"short\""));
}

#[test]
fn every_further_key_of_splunk_arrives_and_has_its_default() {
    let url = "url = \"https://s:8088\"\ntoken_file = \"token\"";
    let plain = loaded_splunk(&splunk(url));
    assert_eq!(plain.input, HecInput::Event);
    assert_eq!(plain.partial_batches, PartialBatches::PrefixAccepted);
    assert!(plain.indexes.is_empty());
    let seconds = Duration::from_secs;
    let acknowledgement = |interval, timeout, max_batches| Acknowledgement {
        interval,
        timeout,
        max_batches,
    };
    let expected = acknowledgement(seconds(10), seconds(300), 1000);
    assert_eq!(plain.acknowledgement, expected);
    let full = loaded_splunk(&splunk(
        "urls = [\"https://a:8088/\", \"https://b:8088/hec\"]\ntoken_file = \"token\"\n\
         endpoint = \"raw\"\nindex = \"_own-1\"\nindexes = { a = \"scans\" }\n\
         partial_batches = \"all_rejected\"\nack_interval = \"100ms\"\nack_timeout = \"1m\"\n\
         ack_max_batches = 7\ngzip = false\nrequest_timeout = \"3s\"",
    ));
    let urls: Vec<_> = full.endpoints.iter().map(|one| &*one.url).collect();
    assert_eq!(urls, ["https://a:8088", "https://b:8088/hec"]);
    for endpoint in &full.endpoints {
        assert_eq!(
            (endpoint.request_timeout, endpoint.gzip),
            (seconds(3), false)
        );
    }
    assert_eq!(full.input, HecInput::Raw);
    assert_eq!(full.indexes, [("a".to_owned(), "scans".to_owned())]);
    assert_eq!(full.partial_batches, PartialBatches::AllRejected);
    let expected = acknowledgement(Duration::from_millis(100), seconds(60), 7);
    assert_eq!(full.acknowledgement, expected);
}

#[test]
fn rules_between_the_keys_of_splunk_are_kept() {
    let with = |lines: &str| splunk(&format!("token_file = \"token\"\n{lines}"));
    let one = |lines: &str| with(&format!("url = \"https://s:8088\"\n{lines}"));
    let many: Vec<_> = (0..17).map(|n| format!("\"https://s{n}:8088\"")).collect();
    let long = "i".repeat(81);
    for (text, expected) in [
        (with(""), "url: missing; write such as"),
        (
            one("urls = [\"https://t:8088\"]"),
            "urls: stands beside url",
        ),
        (with("urls = []"), "urls: has 0 entries; keep 1 to 16"),
        (
            with(&format!("urls = [{}]", many.join(", "))),
            "urls: has 17 entries; keep 1 to 16",
        ),
        (
            with("urls = [\"https://s\", \"https://s\"]"),
            "urls: has an entry twice",
        ),
        (
            with("urls = [\"https://s\", \"http://t.example.com\"]"),
            "urls: credentials would cross the network in plain HTTP",
        ),
        (
            with("urls = [\"https://s\", \"ftp://t\"]"),
            "urls: begins with neither",
        ),
        (one("endpoint = \"ack\""), "endpoint: \"ack\" is unknown"),
        (
            one("index = \"Main\""),
            "index: is not the name of an index",
        ),
        (
            one("index = \"-main\""),
            "index: is not the name of an index",
        ),
        (
            one(&format!("index = \"{long}\"")),
            "index: is not the name of an index",
        ),
        (
            one("indexes = { a = \"x y\" }"),
            "indexes.a: is not the name of an index",
        ),
        (
            one("indexes = { b = \"x\" }"),
            "indexes.b: there is no such source",
        ),
        (
            one("endpoint = \"raw\"\nfields = { a = \"b\" }"),
            "fields: is set although endpoint is raw",
        ),
        (
            one("partial_batches = \"none\""),
            "partial_batches: \"none\" is unknown",
        ),
        (
            one("ack_interval = \"2s\"\nack_timeout = \"1s\""),
            "ack_timeout: is shorter than ack_interval",
        ),
        (
            one("ack_max_batches = 0"),
            "ack_max_batches: 0 is out of range",
        ),
    ] {
        refused(&text, &format!("destinations.d.{expected}"));
    }
}

#[test]
fn a_base_url_has_nothing_that_the_relay_adds() {
    let with = |url: &str| splunk(&format!("url = \"{url}\"\ntoken_file = \"token\""));
    refused(
        &with("https://s:8088/services/collector/event"),
        "destinations.d.url: has a path that the relay adds itself; remove /services/collector",
    );
    refused(
        &with("https://s:8088/?channel=1"),
        "destinations.d.url: has a query",
    );
    loaded_splunk(&with("https://proxy.example.com/splunk"));
}
