//! Proves the commands as a newcomer meets them: the example runs, `sample` shows the job done,
//! `check` tells all problems at once, exit codes mean what the documentation says.

use crate::relay::{Setup, TOKEN, eventually};

const FILE: &str = "[destinations.archive]\nkind = \"file\"\npath = \"archive.jsonl\"\n";

/// The repository's example, on free ports.
fn example() -> Setup {
    let text = include_str!("../../config.toml.example");
    let text = text.replace("listen = \"127.0.0.1:8080\"", "listen = \"127.0.0.1:0\"");
    let text = text.replace("# listen = \"127.0.0.1:9600\"", "listen = \"127.0.0.1:0\"");
    assert!(text.contains("127.0.0.1:0"));
    // Where tests run, the temporary directory may be on a file system that forgets.
    let text = text.replace("# allow_ephemeral = false", "allow_ephemeral = true");
    Setup::with_text(&text)
}

#[tokio::test]
async fn the_example_runs_and_a_sample_event_arrives_in_the_file() {
    let setup = example();
    let (code, out, err) = setup.output(&["check", "--config", "config.toml"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let relay = setup.start();
    let url = format!("http://{}/hooks/datatheorem", relay.address);
    let sample = ["sample", "--config", "config.toml", "--url", &url];
    let (code, out, err) = setup.output(&sample);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("200 {\"id\":"), "{out}");
    let test: Vec<_> = sample
        .into_iter()
        .chain(["--event", "connectivity-test"])
        .collect();
    assert_eq!(setup.output(&test).0, 0);
    let verbatim: Vec<_> = sample.into_iter().chain(["--verbatim"]).collect();
    assert_eq!(setup.output(&verbatim).0, 0);
    relay.drained("archive").await;
    let lines = setup.text("siem-relay-data/archive/events.jsonl");
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].contains("POLICY_VIOLATION_RESOLVED") && !lines[0].contains("1611733052"));
    assert_eq!(lines[1], "{\"event\": \"Hello, world!\"}");
    assert!(lines[2].contains("1611733052"));
}

#[tokio::test]
async fn variables_of_a_kubernetes_service_of_the_same_name_change_nothing() {
    let setup = Setup::new("", FILE)
        .env("SIEM_RELAY_SERVICE_HOST", "10.0.0.17")
        .env("SIEM_RELAY_SERVICE_PORT", "8080")
        .env("SIEM_RELAY_SERVICE_PORT_HTTP", "8080")
        .env("SIEM_RELAY_PORT", "tcp://10.0.0.17:8080")
        .env("SIEM_RELAY_PORT_8080_TCP", "tcp://10.0.0.17:8080")
        .env("SIEM_RELAY_PORT_8080_TCP_PROTO", "tcp")
        .env("SIEM_RELAY_PORT_8080_TCP_PORT", "8080")
        .env("SIEM_RELAY_PORT_8080_TCP_ADDR", "10.0.0.17");
    let relay = setup.start();
    relay.accepted("{}").await;
    assert_eq!(relay.drained("archive").await["delivered"], 1);
}

#[tokio::test]
async fn a_variable_with_section_and_key_overrides_the_file() {
    let setup = Setup::new("", FILE).env("SIEM_RELAY_SERVER__PATH", "/elsewhere");
    let relay = setup.start();
    let url = format!("http://{}/elsewhere/datatheorem", relay.address);
    let sent = relay
        .client
        .post(url)
        .bearer_auth(TOKEN)
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 200);
    assert_eq!(relay.post("{}").await.0, 404);
}

#[test]
fn check_tells_all_problems_at_once_and_no_secret() {
    let setup = Setup::new("surprise = 1\n", FILE).env("SHORT", "hunter2");
    setup.edit("TEST_TOKEN", "SHORT");
    setup.edit("max_body = \"256KiB\"", "max_body = \"lots\"");
    setup.edit("kind = \"file\"", "kind = \"fax\"");
    for command in ["check", "run"] {
        let (code, out, err) = setup.output(&[command, "--config", "config.toml"]);
        assert_eq!(code, 3, "{out}{err}");
        for key in [
            "surprise",
            "bearer_token_env",
            "server.max_body",
            "destinations.archive.kind",
        ] {
            assert!(err.contains(key), "{key} is not in:\n{err}");
        }
        assert!(!err.contains("hunter2"), "{err}");
    }
}

#[tokio::test]
async fn exit_codes_tell_what_is_wrong() {
    let setup = Setup::new("", FILE);
    assert_eq!(setup.output(&["no-such-command"]).0, 2);
    assert_eq!(setup.output(&["check", "--config", "missing.toml"]).0, 3);
    let relay = setup.start();
    // The directory is in use.
    let (code, _, err) = setup.output(&["run", "--config", "config.toml"]);
    assert_eq!(code, 4, "{err}");
    assert!(err.contains("in use by another process"), "{err}");
    // The address is in use.
    let other = Setup::new("", FILE);
    other.edit(
        "[admin]\nlisten = \"127.0.0.1:0\"",
        &format!("[admin]\nlisten = \"{}\"", relay.admin),
    );
    let (code, _, err) = other.output(&["run", "--config", "config.toml"]);
    assert_eq!(code, 5, "{err}");
    // A certificate that is none is a problem of the configuration, not of the address.
    let tls = Setup::new("", FILE);
    std::fs::write(tls.path("cert.pem"), "none").unwrap();
    let files = "certificate_file = \"cert.pem\"\nkey_file = \"cert.pem\"\n[admin]";
    tls.edit("[admin]", files);
    let (code, _, err) = tls.output(&["run", "--config", "config.toml"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("cert.pem holds no PEM certificate"), "{err}");
    // A name that does not exist is a mistake in the command, not in the configuration or on disk.
    let (code, _, err) = other.output(&["sample", "--config", "config.toml", "--source", "x"]);
    assert_eq!(code, 2, "{err}");
    let forget = ["journal", "forget", "--config", "config.toml", "x"];
    let (code, _, err) = other.output(&forget);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("destination x is not registered"), "{err}");
}

#[tokio::test]
async fn a_sample_goes_to_the_first_data_theorem_source() {
    let another = "[sources.another]\nauth = { bearer_token_env = \"TEST_TOKEN\" }\n";
    let setup = Setup::new(another, FILE);
    let relay = setup.start();
    setup.edit(
        "[server]\nlisten = \"127.0.0.1:0\"",
        &format!("[server]\nlisten = \"{}\"", relay.address),
    );
    let (code, _, err) = setup.output(&["sample", "--config", "config.toml"]);
    assert_eq!(code, 0, "{err}");
    let events = |source| format!("siem_relay_ingest_events_total{{source=\"{source}\"}}");
    assert_eq!(relay.metric(&events("datatheorem")).await, 1.0);
    assert_eq!(relay.metric(&events("another")).await, 0.0);
}

#[tokio::test]
async fn a_destination_that_left_the_configuration_is_reported_and_can_be_forgotten() {
    let second = "[destinations.second]\nkind = \"file\"\npath = \"second.jsonl\"\n";
    let setup = Setup::new("", &format!("{FILE}{second}"));
    assert!(setup.start().stop().await.success());
    let forget = ["journal", "forget", "--config", "config.toml", "second"];
    let (code, _, err) = setup.output(&forget);
    assert_ne!(code, 0);
    assert!(err.contains("is configured"), "{err}");
    setup.edit(second, "");
    let relay = setup.start();
    let warnings = relay.status().await["warnings"].to_string();
    assert!(
        warnings.contains("destination second is registered"),
        "{warnings}"
    );
    relay.accepted("{}").await;
    let (code, _, err) = setup.output(&forget);
    assert_eq!(code, 4, "the relay runs: {err}");
    assert!(relay.stop().await.success());
    let (code, out, err) = setup.output(&forget);
    assert_eq!(code, 0, "{err}");
    assert_eq!(
        out.trim_end(),
        "forgot destination second; 1 event(s) were waiting for it"
    );
    let relay = setup.start();
    assert_eq!(relay.status().await["warnings"].to_string(), "[]");
}

#[tokio::test]
async fn a_second_signal_ends_a_stop_that_takes_long() {
    let setup = Setup::new("", FILE);
    setup.edit("drain_delay = \"0s\"", "drain_delay = \"10m\"");
    let relay = setup.start();
    relay.signal("TERM");
    eventually("stopping", || {
        relay.log_text().contains("not ready, still accepting")
    })
    .await;
    assert_eq!(relay.admin_get("/readyz").await.0, 503);
    relay.accepted("{}").await;
    assert_eq!(relay.stop().await.code(), Some(1));
}
