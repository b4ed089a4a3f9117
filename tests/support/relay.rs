//! The real binary as a user runs it: a configuration in a directory of its own, a process, its
//! log, its two addresses. Dropping it kills the process.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

#[path = "process.rs"]
pub(crate) mod process;

use process::Process;

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between looks at something that another process does.
pub(crate) const POLL_PAUSE: Duration = Duration::from_millis(10);

/// Arguments of a relay in a [`Setup`].
pub(crate) const RUN: &[&str] = &["run", "--config", "config.toml"];

/// The token of the source `datatheorem` in [`Setup::config`].
pub(crate) const TOKEN: &str = "a-token-for-tests-of-32-bytes-ok";

/// A directory with a configuration; relays can be started in it one after the other.
pub(crate) struct Setup {
    directory: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

/// A relay that was started a moment ago and may not be ready.
pub(crate) struct Starting {
    process: Process,
    pub(crate) started: Instant,
}

/// A relay that is ready.
pub(crate) struct Relay {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) client: reqwest::Client,
}

impl Setup {
    /// A relay with one source `datatheorem` (bearer [`TOKEN`]), small segments and these
    /// destinations; `extra` is put before them, for more keys and tables.
    pub(crate) fn new(extra: &str, destinations: &str) -> Self {
        let text = format!(
            r#"
[server]
listen = "127.0.0.1:0"
drain_delay = "0s"
max_body = "256KiB"
[admin]
listen = "127.0.0.1:0"
[journal]
directory = "journal"
segment_size = "1MiB"
max_size = "64MiB"
allow_ephemeral = true
[dead_letters]
directory = "dead-letters"
[sources.datatheorem]
preset = "datatheorem"
auth = {{ bearer_token_env = "TEST_TOKEN" }}
{extra}
{destinations}
"#
        );
        Self::with_text(&text)
    }

    /// A relay with this configuration.
    pub(crate) fn with_text(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.toml"), text).unwrap();
        let token = ("TEST_TOKEN".to_owned(), TOKEN.to_owned());
        Self {
            directory,
            environment: vec![token],
        }
    }

    /// Sets an environment variable for relays started from here on.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Replaces text in the configuration.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = self.text("config.toml");
        assert!(text.contains(from), "{from:?} is not in the configuration");
        std::fs::write(self.path("config.toml"), text.replace(from, to)).unwrap();
    }

    /// The binary with these arguments, in the directory, with nothing else of the environment.
    pub(crate) fn command(&self, binary: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary);
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command of the binary to its end; its exit code, stdout and stderr.
    pub(crate) fn output(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(&binary(), arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// Starts a relay and waits until it is ready.
    pub(crate) fn start(&self) -> Relay {
        self.start_binary(&binary())
    }

    /// The same with another build of the binary.
    pub(crate) fn start_binary(&self, binary: &Path) -> Relay {
        Starting::of(self.command(binary, RUN)).ready()
    }

    /// Starts a relay and does not wait.
    pub(crate) fn begin(&self, binary: &Path) -> Starting {
        Starting::of(self.command(binary, RUN))
    }
}

impl Starting {
    /// A relay started by this command, which may be one that starts it in turn and becomes it.
    pub(crate) fn of(command: Command) -> Self {
        Self {
            started: Instant::now(),
            process: Process::spawn(command),
        }
    }

    /// The ingest listener's address, once the relay is ready; fails when it ended by itself.
    pub(crate) fn address(&mut self) -> Option<SocketAddr> {
        self.ready_line().map(|line| address_in(&line, "address"))
    }

    /// Waits until the relay is ready.
    pub(crate) fn ready(mut self) -> Relay {
        let deadline = Instant::now() + PATIENCE;
        let ready = loop {
            if let Some(line) = self.ready_line() {
                break line;
            }
            let log = self.process.log_text();
            assert!(Instant::now() < deadline, "not ready: {log}");
            poll_pause();
        };
        let (address, admin) = (address_in(&ready, "address"), address_in(&ready, "admin"));
        Relay::of(self.process, address, admin)
    }

    /// SIGKILL; fails when the relay had ended by itself.
    pub(crate) fn kill(mut self) {
        self.expect_running();
        self.process.kill();
    }

    fn ready_line(&mut self) -> Option<Value> {
        let line = self.process.line("relay ready");
        if line.is_none() {
            self.expect_running();
        }
        line
    }

    fn expect_running(&mut self) {
        if let Some(status) = self.process.ended() {
            panic!("the relay ended with {status}: {}", self.process.log_text());
        }
    }
}

impl Relay {
    /// The relay of a process, which listens there.
    pub(crate) fn of(process: Process, address: SocketAddr, admin: SocketAddr) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .danger_accept_invalid_certs(true)
            .timeout(PATIENCE)
            .build()
            .unwrap();
        Self {
            process,
            address,
            admin,
            client,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Posts to the source `datatheorem` with its token; status and body.
    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let url = format!("http://{}/hooks/datatheorem", self.address);
        let request = self
            .client
            .post(url)
            .bearer_auth(TOKEN)
            .header("content-type", "application/json")
            .body(body);
        answer(request.send().await.unwrap()).await
    }

    /// Posts and expects 200; the event's id.
    pub(crate) async fn accepted(&self, body: impl Into<reqwest::Body>) -> String {
        let (status, answer) = self.post(body).await;
        assert_eq!(status, 200, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// Gets from the admin listener; status and text.
    pub(crate) async fn admin_get(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.admin);
        let response = self.client.get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(crate) async fn status(&self) -> Value {
        let (status, text) = self.admin_get("/api/v1/status").await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// One destination of the status report.
    pub(crate) async fn destination(&self, name: &str) -> Value {
        let status = self.status().await;
        let destinations = status["destinations"].as_array().unwrap();
        destinations
            .iter()
            .find(|entry| entry["name"] == name)
            .unwrap()
            .clone()
    }

    /// Waits until a destination of the status report is as wanted, and returns it.
    pub(crate) async fn until(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let destination = self.destination(name).await;
            assert_eq!(destination["accounting_mismatch"], 0, "{destination}");
            if wanted(&destination) {
                return destination;
            }
            assert!(Instant::now() < deadline, "not in time: {destination:#}");
            tokio::time::sleep(POLL_PAUSE).await; // poll
        }
    }

    /// Waits until a destination has nothing left.
    pub(crate) async fn drained(&self, name: &str) -> Value {
        self.until(name, |destination| destination["backlog_events"] == 0)
            .await
    }

    /// A sample of the exposition, by its name and labels as written there.
    pub(crate) async fn metric(&self, sample: &str) -> f64 {
        let (_, text) = self.admin_get("/metrics").await;
        let line = text.lines().find(|line| {
            line.strip_prefix(sample)
                .is_some_and(|rest| rest.starts_with(' '))
        });
        let line = line.unwrap_or_else(|| panic!("no {sample} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    pub(crate) fn log_text(&self) -> String {
        self.process.log_text()
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// SIGTERM, and waits for the end.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.ended() {
                return status;
            }
            assert!(Instant::now() < deadline, "no end: {}", self.log_text());
            tokio::time::sleep(POLL_PAUSE).await; // poll
        }
    }
}

/// The binary that cargo built for the tests.
pub(crate) fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_siem-relay"))
}

/// The release build where `tests/run` names it, else the binary at hand; and which it is.
pub(crate) fn release_binary() -> (PathBuf, &'static str) {
    match std::env::var_os("SIEM_RELAY_RELEASE_BINARY") {
        Some(path) => (PathBuf::from(path), "release"),
        None => (binary(), "test"),
    }
}

/// Status and JSON of an answer.
pub(crate) async fn answer(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(POLL_PAUSE).await; // poll
    }
}

/// The pause of a loop that looks at a process and has a deadline.
fn poll_pause() {
    std::thread::sleep(POLL_PAUSE); // poll
}

fn address_in(line: &Value, key: &str) -> SocketAddr {
    line[key].as_str().unwrap().parse().unwrap()
}
