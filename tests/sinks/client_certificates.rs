//! The relay's own certificate: shown to a server that asks, re-read, and never half of a pair.

use std::path::PathBuf;

use rustls::version::{TLS12, TLS13};
use siem_relay::settings::{ClientCertificate, Endpoint, EndpointTls};
use siem_relay::sink::splunk::Splunk;
use siem_relay::sink::{HoldCause, RetryCause, Sent, Sink, Verdict};

use crate::authority::{Authority, Leaf};
use crate::fake_http::{FakeHttp, Reply};
use crate::setup::*;

/// A CA, and the files of a client.
struct Client {
    ca: Authority,
    directory: tempfile::TempDir,
    token: Token,
}

impl Client {
    fn new() -> Self {
        let client = Self {
            ca: Authority::new(),
            directory: tempfile::tempdir().unwrap(),
            token: Token::new(),
        };
        std::fs::write(client.path("ca.pem"), &client.ca.ca_pem).unwrap();
        client
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts a certificate of the CA into the client's files.
    fn sign(&self, leaf: &Leaf) -> Vec<u8> {
        let pair = self.ca.sign(leaf);
        pair.write(&self.path("client.pem"), &self.path("client.key"));
        pair.certificate_der()
    }

    fn endpoint(&self, url: &str) -> Endpoint {
        Endpoint {
            ca_file: Some(self.path("ca.pem")),
            tls: EndpointTls {
                client: Some(ClientCertificate {
                    certificate_file: self.path("client.pem"),
                    key_file: self.path("client.key"),
                }),
                ..EndpointTls::default()
            },
            ..endpoint(url)
        }
    }

    fn sink(&self, url: &str) -> Splunk {
        hec(self.endpoint(url), &self.token)
    }

    /// Why no sink can be made of the files as they are.
    fn refusal(&self) -> String {
        let settings = hec_settings(self.endpoint("https://127.0.0.1:1"), &self.token);
        Splunk::new(&settings, "splunk").err().unwrap().to_string()
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_it_and_refuses_without_one() {
    let client = Client::new();
    let shown = client.sign(&Leaf::named("relay"));
    for version in [&TLS12, &TLS13] {
        let tls = client.ca.demanding_server(&[version]);
        let server = FakeHttp::start_tls(|_| Reply::status(200, SUCCESS), tls).await;
        assert!(is_delivered(
            &client.sink(&server.url()).send(&batch()).await
        ));
        let received = server.received();
        assert_eq!(received[0].client_certificate.as_ref(), Some(&shown));

        let without = Endpoint {
            tls: EndpointTls::default(),
            ..client.endpoint(&server.url())
        };
        let refused = hec(without, &client.token).send(&batch()).await;
        assert_eq!(retry(&refused.verdicts[0]), (Sent::No, RetryCause::Tls));
        let detail = detail(&refused.verdicts[0]);
        assert!(detail.contains("client_cert_file"), "{detail}");
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn a_certificate_that_the_server_refuses_is_replaced_without_a_restart() {
    let client = Client::new();
    client.sign(&Leaf::expired("relay"));
    for version in [&TLS12, &TLS13] {
        client.sign(&Leaf::expired("relay"));
        let tls = client.ca.demanding_server(&[version]);
        let server = FakeHttp::start_tls(|_| Reply::status(200, SUCCESS), tls).await;
        let sink = client.sink(&server.url());
        let first = sink.send(&batch()).await;
        assert_eq!(retry(&first.verdicts[0]), (Sent::No, RetryCause::Tls));

        let renewed = client.sign(&Leaf::named("relay"));
        let second = sink.send(&batch()).await;
        assert_eq!(retry(&second.verdicts[0]), (Sent::No, RetryCause::Tls));
        assert!(is_delivered(&sink.send(&batch()).await));
        let received = server.received();
        assert_eq!(received[0].client_certificate, Some(renewed));
    }
}

#[tokio::test]
async fn a_rotated_pair_is_taken_whole_and_half_of_one_never() {
    let client = Client::new();
    let first = client.sign(&Leaf::named("relay"));
    let tls = client.ca.demanding_server(&[&TLS13]);
    let server = FakeHttp::start_tls(|_| Reply::status(200, SUCCESS), tls).await;
    let sink = client.sink(&server.url());
    let shown = |number: usize| {
        server.received()[number]
            .client_certificate
            .clone()
            .unwrap()
    };
    assert!(is_delivered(&sink.send(&batch()).await));

    let next = client.ca.sign(&Leaf::named("relay"));
    std::fs::write(client.path("client.pem"), next.certificate_pem()).unwrap();
    sink.refresh();
    assert!(is_delivered(&sink.send(&batch()).await));
    assert_eq!(shown(1), first, "certificate and key do not fit yet");

    std::fs::write(client.path("client.key"), next.key_pem()).unwrap();
    sink.refresh();
    assert!(is_delivered(&sink.send(&batch()).await));
    assert_eq!(shown(2), next.certificate_der());

    sink.refresh();
    assert!(is_delivered(&sink.send(&batch()).await));
    let connections = |number: usize| server.received()[number].connection;
    assert_eq!(
        connections(2),
        connections(3),
        "what did not change is no reason for another connection"
    );
}

#[test]
fn files_that_are_no_pair_are_refused_with_their_names_and_without_the_key() {
    let client = Client::new();
    let (certificate, key) = (client.path("client.pem"), client.path("client.key"));
    let named = |path: &PathBuf| path.display().to_string();
    let refused = client.refusal();
    assert!(
        refused.contains("cannot read client_cert_file"),
        "{refused}"
    );

    client.sign(&Leaf::named("relay"));
    let other = client.ca.sign(&Leaf::named("other"));
    std::fs::write(&key, other.key_pem()).unwrap();
    let refused = client.refusal();
    for part in [named(&certificate), named(&key), "together".to_owned()] {
        assert!(refused.contains(&part), "{refused}");
    }

    let line = "MC4CAQAwBQYDK2VwBCIEIHunter2Hunter2";
    for text in [
        "",
        "not PEM",
        &format!("-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----\n"),
        &format!("-----BEGIN PRIVATE KEY-----\n{line}\n"),
    ] {
        std::fs::write(&key, text).unwrap();
        let refused = client.refusal();
        assert!(refused.contains(&named(&key)), "{refused}");
        assert!(!refused.contains("Hunter2"), "{refused}");
    }
    client.sign(&Leaf::named("relay"));
    for text in ["", "not PEM"] {
        std::fs::write(&certificate, text).unwrap();
        let refused = client.refusal();
        assert!(
            refused.contains("holds no usable PEM certificate"),
            "{refused}"
        );
    }
}

#[test]
fn the_key_is_in_no_debug_form() {
    let client = Client::new();
    client.sign(&Leaf::named("relay"));
    let text = format!("{:?}", client.endpoint("https://127.0.0.1:1"));
    assert!(
        text.contains("client.key") && !text.contains("PRIVATE"),
        "{text}"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_a_client_certificate_either() {
    let client = Client::new();
    client.sign(&Leaf::named("relay"));
    let tls = client.ca.demanding_server(&[&TLS13]);
    let elsewhere = FakeHttp::start_tls(|_| Reply::status(200, SUCCESS), tls.clone()).await;
    let location = format!("{}/services/collector/event", elsewhere.url());
    let moved = move |_: &_| Reply::status(307, "").header("location", &location);
    let server = FakeHttp::start_tls(moved, tls).await;
    let outcome = client.sink(&server.url()).send(&batch()).await;
    let Verdict::Hold { cause, .. } = &outcome.verdicts[0] else {
        panic!("{outcome:?}")
    };
    assert_eq!(*cause, HoldCause::Url);
    assert_eq!(elsewhere.connections(), 0);
}
