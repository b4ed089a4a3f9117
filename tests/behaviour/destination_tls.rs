//! Proves that a certificate that is not checked is told of wherever an operator looks, that
//! `check` finds certificates that cannot be used, and that SIGHUP has a renewed one shown.

use crate::authority::{Authority, Leaf};
use crate::fake_http::{FakeHttp, Reply};
use crate::relay::{PATIENCE, Setup};

const DESTINATION: &str = "[destinations.soar]\nkind = \"http\"\nurl = \"https://127.0.0.1:9/\"\n";

#[tokio::test]
async fn a_certificate_that_is_not_checked_is_told_of_in_log_status_and_metrics() {
    let setup = Setup::new("", &format!("{DESTINATION}insecure_skip_verify = true\n"));
    let relay = setup.start();
    let text = "destinations.soar.insecure_skip_verify: the server's certificate is not checked";
    let warnings = relay.status().await["warnings"].to_string();
    assert!(
        warnings.contains(text) && warnings.contains("set ca_file"),
        "{warnings}"
    );
    assert!(relay.log_text().contains(text));
    let gauge = r#"siem_relay_destination_tls_unverified{destination="soar"}"#;
    assert_eq!(relay.metric(gauge).await, 1.0);
    assert!(relay.stop().await.success());

    setup.edit(
        "insecure_skip_verify = true",
        "insecure_skip_verify = false",
    );
    let relay = setup.start();
    assert_eq!(relay.metric(gauge).await, 0.0);
    assert!(
        !relay.status().await["warnings"]
            .to_string()
            .contains("soar")
    );
}

#[test]
fn check_and_run_refuse_certificates_that_cannot_be_used() {
    let keys = "ca_file = \"ca.pem\"\n";
    let setup = Setup::new("", &format!("{DESTINATION}{keys}"));
    std::fs::write(setup.path("ca.pem"), "not PEM").unwrap();
    for command in ["check", "run"] {
        let (code, _, stderr) = setup.output(&[command, "--config", "config.toml"]);
        assert_eq!(code, 3, "{stderr}");
        let expected = "destination soar: ca_file ";
        assert!(
            stderr.contains(expected) && stderr.contains("ca.pem"),
            "{stderr}"
        );
    }
}

#[tokio::test]
async fn a_renewed_client_certificate_is_shown_after_sighup() {
    let ca = Authority::new();
    let tls = ca.demanding_server(&[&rustls::version::TLS13]);
    let server = FakeHttp::start_tls(|_| Reply::status(204, ""), tls).await;
    let destination = format!(
        "[destinations.soar]\nkind = \"http\"\nurl = \"{}/\"\nca_file = \"ca.pem\"\n\
         client_cert_file = \"client.pem\"\nclient_key_file = \"client.key\"\n",
        server.url()
    );
    let setup = Setup::new("", &destination);
    std::fs::write(setup.path("ca.pem"), &ca.ca_pem).unwrap();
    let sign = || {
        let pair = ca.sign(&Leaf::named("relay"));
        pair.write(&setup.path("client.pem"), &setup.path("client.key"));
        Some(pair.certificate_der())
    };
    let first = sign();
    let relay = setup.start();
    relay.accepted("{\"n\":1}").await;
    assert_eq!(server.wait_for(1).await[0].client_certificate, first);

    let renewed = sign();
    relay.signal("HUP");
    let deadline = std::time::Instant::now() + PATIENCE;
    for number in 2.. {
        relay.accepted(format!("{{\"n\":{number}}}")).await;
        let received = server.wait_for(number).await;
        if received[number - 1].client_certificate == renewed {
            break;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "the old one is shown still"
        );
    }
    let status = relay.drained("soar").await;
    assert_eq!(status["state"], "delivering");
    assert!(relay.stop().await.success(), "SIGHUP ends no relay");
}
