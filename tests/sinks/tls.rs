//! Certificates: only the configured authority is trusted, and a corrected one soon.

use std::path::Path;

use siem_relay::settings::{Endpoint, EndpointTls, TlsVersion};
use siem_relay::sink::splunk::Splunk;
use siem_relay::sink::{Outcome, RetryCause, Sent, Sink};

use crate::authority::{Authority, Leaf};
use crate::fake_http::{FakeHttp, Received, Reply};
use crate::setup::*;

fn endpoint_with_ca(url: &str, ca_file: &Path) -> Endpoint {
    Endpoint {
        ca_file: Some(ca_file.to_owned()),
        ..endpoint(url)
    }
}

#[tokio::test]
async fn only_the_configured_ca_is_trusted_and_a_corrected_one_without_a_restart() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let server = FakeHttp::start_tls(|_| Reply::status(200, SUCCESS), right.server()).await;
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    let token = Token::new();

    std::fs::write(&ca_file, &wrong.ca_pem).unwrap();
    let sink = hec(endpoint_with_ca(&server.url(), &ca_file), &token);
    let outcome = sink.send(&batch()).await;
    assert_eq!(retry(&outcome.verdicts[0]), (Sent::No, RetryCause::Tls));
    assert_eq!(outcome.wire_bytes, 0);
    let detail = detail(&outcome.verdicts[0]);
    assert!(
        detail.contains("certificate") && detail.contains("ca_file"),
        "{detail}"
    );
    assert_eq!(
        server.received().len(),
        0,
        "no token leaves before the certificate is checked"
    );

    std::fs::write(&ca_file, &right.ca_pem).unwrap();
    sink.refresh();
    assert!(is_delivered(&sink.send(&batch()).await));

    std::fs::write(&ca_file, "").unwrap();
    sink.refresh();
    assert!(
        is_delivered(&sink.send(&batch()).await),
        "the last good certificates stay"
    );
}

#[tokio::test]
async fn a_tls_fault_looks_for_a_corrected_ca_by_itself() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let server = FakeHttp::start_tls(|_| Reply::status(200, SUCCESS), right.server()).await;
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, &wrong.ca_pem).unwrap();
    let token = Token::new();
    let sink = hec(endpoint_with_ca(&server.url(), &ca_file), &token);
    std::fs::write(&ca_file, &right.ca_pem).unwrap();
    let first = sink.send(&batch()).await;
    assert_eq!(retry(&first.verdicts[0]), (Sent::No, RetryCause::Tls));
    assert!(is_delivered(&sink.send(&batch()).await));
}

#[tokio::test]
async fn a_ca_file_without_a_certificate_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    let token = Token::new();
    let settings =
        |ca_file: &Path| hec_settings(endpoint_with_ca("https://127.0.0.1:1", ca_file), &token);
    let missing = Splunk::new(&settings(&ca_file), "splunk").err().unwrap();
    assert!(
        missing.to_string().contains("cannot read ca_file"),
        "{missing}"
    );
    for text in [
        "",
        "not PEM",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        std::fs::write(&ca_file, text).unwrap();
        let unusable = Splunk::new(&settings(&ca_file), "splunk").err();
        assert!(unusable.is_some(), "{text}");
    }
}

/// What a sink that trusts `ca` makes of a server.
async fn verdict_on(server: &FakeHttp, ca: &Authority, tls: EndpointTls) -> Outcome {
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, &ca.ca_pem).unwrap();
    let endpoint = Endpoint {
        tls,
        ..endpoint_with_ca(&server.url(), &ca_file)
    };
    hec(endpoint, &Token::new()).send(&batch()).await
}

fn willing(_: &Received) -> Reply {
    Reply::status(200, SUCCESS)
}

#[tokio::test]
async fn a_certificate_that_expired_or_has_another_name_is_refused_and_gets_no_token() {
    let ca = Authority::new();
    for (leaf, word) in [
        (Leaf::expired("127.0.0.1"), "Expired"),
        (Leaf::named("other.example.com"), "NotValidForName"),
    ] {
        let server = FakeHttp::start_tls(willing, ca.server_with(&leaf)).await;
        let outcome = verdict_on(&server, &ca, EndpointTls::default()).await;
        assert_eq!(retry(&outcome.verdicts[0]), (Sent::No, RetryCause::Tls));
        let detail = detail(&outcome.verdicts[0]);
        let plain = detail.replace(' ', "").to_lowercase();
        assert!(plain.contains(&word.to_lowercase()), "{detail}");
        assert_eq!(server.received().len(), 0);
    }
}

#[tokio::test]
async fn a_server_with_an_older_version_than_the_least_is_refused() {
    let ca = Authority::new();
    let old = FakeHttp::start_tls(willing, ca.server_of(&[&rustls::version::TLS12])).await;
    let at_least = |min_version| EndpointTls {
        min_version,
        ..EndpointTls::default()
    };
    let refused = verdict_on(&old, &ca, at_least(TlsVersion::V1_3)).await;
    assert_eq!(retry(&refused.verdicts[0]), (Sent::No, RetryCause::Tls));
    let detail = detail(&refused.verdicts[0]);
    assert!(detail.contains("tls_min_version"), "{detail}");
    assert_eq!(old.received().len(), 0);
    assert!(is_delivered(
        &verdict_on(&old, &ca, at_least(TlsVersion::V1_2)).await
    ));
    let new = FakeHttp::start_tls(willing, ca.server_of(&[&rustls::version::TLS13])).await;
    assert!(is_delivered(
        &verdict_on(&new, &ca, at_least(TlsVersion::V1_3)).await
    ));
}

#[tokio::test]
async fn only_where_it_is_asked_for_is_an_unknown_certificate_accepted() {
    let unknown = Authority::new();
    let leaf = Leaf::expired("other.example.com");
    let server = FakeHttp::start_tls(willing, unknown.server_with(&leaf)).await;
    let with = |skip_verify| Endpoint {
        tls: EndpointTls {
            skip_verify,
            ..EndpointTls::default()
        },
        ..endpoint(&server.url())
    };
    let token = Token::new();
    let refused = hec(with(false), &token).send(&batch()).await;
    assert_eq!(retry(&refused.verdicts[0]), (Sent::No, RetryCause::Tls));
    assert_eq!(server.received().len(), 0);
    assert!(is_delivered(&hec(with(true), &token).send(&batch()).await));
}
