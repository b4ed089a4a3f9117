//! Certificates: only the configured authority is trusted, and a corrected one soon.

use std::path::Path;
use std::sync::Arc;

use siem_relay::settings::Endpoint;
use siem_relay::sink::splunk::Splunk;
use siem_relay::sink::{RetryCause, Sent, Sink};

use crate::fake_http::{FakeHttp, Reply};
use crate::setup::*;

/// A CA, and a server certificate of it for 127.0.0.1.
struct Authority {
    ca_pem: String,
    server: Arc<rustls::ServerConfig>,
}

impl Authority {
    fn new() -> Self {
        use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let issuer = Issuer::new(ca, ca_key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &issuer).unwrap();
        let key = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let server = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        Self {
            ca_pem,
            server: Arc::new(server),
        }
    }
}

fn endpoint_with_ca(url: &str, ca_file: &Path) -> Endpoint {
    Endpoint {
        ca_file: Some(ca_file.to_owned()),
        ..endpoint(url)
    }
}

#[tokio::test]
async fn only_the_configured_ca_is_trusted_and_a_corrected_one_without_a_restart() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let server =
        FakeHttp::start_tls(|_| Reply::status(200, SUCCESS), Arc::clone(&right.server)).await;
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
    let server =
        FakeHttp::start_tls(|_| Reply::status(200, SUCCESS), Arc::clone(&right.server)).await;
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
