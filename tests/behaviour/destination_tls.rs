//! Proves that a certificate that is not checked is told of wherever an operator looks, and that
//! `check` finds certificates that cannot be used.

use crate::relay::Setup;

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
