//! Proves what operators see: clean metrics, honest accounting, health, and no secret anywhere.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::fake_http::port::OwnPort;
use crate::fake_http::{Received, Reply};
use crate::relay::process::Process;
use crate::relay::{PATIENCE, POLL_PAUSE, RUN, Relay, Setup, TOKEN, binary, eventually};
use crate::siem::{Four, NAMES, SECRETS, Siem};

/// `promtool`, where `tests/run` found or unpacked it, or on the path.
fn promtool() -> Option<Command> {
    let name = std::env::var("SIEM_RELAY_PROMTOOL").unwrap_or_else(|_| "promtool".to_owned());
    let found = Command::new(&name).arg("--version").output().is_ok();
    found.then(|| Command::new(name))
}

#[tokio::test]
async fn the_live_metrics_are_clean_and_the_accounting_holds_across_a_restart() {
    let siems = Four::willing().await;
    let setup = &siems.setup;
    let relay = setup.start();
    for number in 0..20 {
        relay.accepted(format!("{{\"n\":{number}}}")).await;
    }
    relay.drained("splunk").await;
    let (status, text) = relay.admin_get("/metrics").await;
    assert_eq!(status, 200);
    match promtool() {
        None => println!("skipped: promtool is not installed (Debian package prometheus)"),
        Some(mut promtool) => {
            let mut child = promtool
                .args(["check", "metrics"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            child
                .stdin
                .take()
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned()
                + &String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.is_empty(), "{said}");
        }
    }
    assert!(relay.stop().await.success());
    let relay = setup.start();
    for name in NAMES {
        let status = relay.drained(name).await;
        assert_eq!(
            (&status["accepted"], &status["delivered"]),
            (&20.into(), &20.into()),
            "{name}"
        );
        let success = "siem_relay_destination_last_success_timestamp_seconds";
        assert!(
            relay
                .metric(&format!("{success}{{destination=\"{name}\"}}"))
                .await
                > 1e9
        );
        let mismatch = "siem_relay_accounting_mismatch_events";
        assert_eq!(
            relay
                .metric(&format!("{mismatch}{{destination=\"{name}\"}}"))
                .await,
            0.0
        );
    }
    let last = "siem_relay_ingest_last_event_timestamp_seconds{source=\"datatheorem\"}";
    assert!(relay.metric(last).await > 1e9, "restored from the journal");
}

#[tokio::test]
async fn no_secret_is_in_log_metrics_status_or_dead_letters() {
    let echo = |request: &Received| {
        // A hostile server that repeats the credential in its answer.
        let token = request.header("authorization").unwrap_or("none").to_owned();
        Some(Reply::status(
            400,
            format!("{{\"text\":\"bad {token}\",\"code\":6}}"),
        ))
    };
    let (hec, elastic, http) = (
        Siem::hec(echo).await,
        Siem::elastic(echo).await,
        Siem::http(echo).await,
    );
    let capability = "capability-that-nobody-may-see";
    let open = "[sources.hidden]\nauth = { capability_env = \"CAPABILITY\" }\n";
    let mut siems = Four::of(open, hec, elastic, http);
    siems.setup = siems.setup.env("CAPABILITY", capability);
    let setup = &siems.setup;
    setup.edit("[journal]", "[log]\nlevel = \"trace\"\n[journal]");
    let relay = setup.start();
    relay.accepted("{\"n\":1}").await;
    for suffix in ["", "x"] {
        let url = format!("http://{}/hooks/hidden/{capability}{suffix}", relay.address);
        let sent = relay.client.post(url).body("{}").send().await.unwrap();
        assert_eq!(
            sent.status().as_u16(),
            if suffix.is_empty() { 200 } else { 404 }
        );
    }
    for name in ["splunk", "elastic", "soar"] {
        assert!(relay.drained(name).await["dead_lettered"].as_u64().unwrap() >= 1);
    }
    let mut seen = relay.log_text();
    seen += &relay.admin_get("/metrics").await.1;
    seen += &relay.status().await.to_string();
    for name in ["splunk", "elastic", "soar"] {
        seen += &setup.text(&format!("dead-letters/{name}.jsonl"));
    }
    assert!(seen.contains("event refused"));
    for secret in [TOKEN, SECRETS[0].1, SECRETS[1].1, capability] {
        let place = seen.lines().find(|line| line.contains(secret));
        assert!(place.is_none(), "{secret} is in {place:?}");
    }
}

#[tokio::test]
async fn health_and_readiness_are_told_apart_and_a_foreign_host_header_is_refused() {
    let setup = Setup::new(
        "",
        "[destinations.archive]\nkind = \"file\"\npath = \"archive.jsonl\"",
    );
    let relay = setup.start();
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/status"] {
        assert_eq!(relay.admin_get(path).await.0, 200, "{path}");
    }
    let url = format!("http://{}/healthz", relay.address);
    assert_eq!(relay.client.get(url).send().await.unwrap().status(), 200);
    let url = format!("http://{}/api/v1/status", relay.admin);
    let rebound = relay
        .client
        .get(url)
        .header("host", "evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(rebound.status(), 403);
}

#[tokio::test]
async fn a_stalled_log_reader_stops_nothing_and_is_told_what_it_missed() {
    let (ingest, admin) = (OwnPort::take(), OwnPort::take());
    let archive = "[destinations.archive]\nkind = \"file\"\npath = \"archive.jsonl\"";
    let setup = Setup::new("", archive)
        .env("SIEM_RELAY_SERVER__LISTEN", &ingest.address().to_string())
        .env("SIEM_RELAY_ADMIN__LISTEN", &admin.address().to_string());
    let (reader, mut writer) = std::io::pipe().unwrap();
    // Full before the first line.
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    let mut old = 0;
    while writer.write_all(b"old line\n").is_ok() {
        old += 1;
    }
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    let process = Process::unheard(setup.command(&binary(), RUN).stdout(writer));
    let relay = Relay::of(process, ingest.address(), admin.address());
    let ready = format!("http://{}/readyz", relay.admin);
    let asked = async || match relay.client.get(&ready).send().await {
        Ok(answer) => answer.status() == 200,
        Err(_) => false,
    };
    let deadline = Instant::now() + PATIENCE;
    while !asked().await {
        assert!(Instant::now() < deadline, "not ready");
        tokio::time::sleep(POLL_PAUSE).await; // poll
    }
    relay.accepted("{\"n\":1}").await;
    assert_eq!(relay.drained("archive").await["delivered"], 1);
    let lost = relay.metric("siem_relay_log_messages_lost_total").await;
    assert!(lost > 0.0);
    relay.process.read_log(reader);
    let read = || relay.log_text().matches("old line").count();
    eventually("the reader goes on", || read() == old).await;
    relay.signal("TERM");
    let message = "log lines lost since the start: nobody took them";
    let told = || relay.process.line(message);
    eventually("the relay tells", || told().is_some()).await;
    assert!(told().unwrap()["lines"].as_f64() >= Some(lost));
}
