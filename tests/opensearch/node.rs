//! One OpenSearch node: started by `server/run`, asked over HTTP, ended with the test.
//!
//! One runs at a time, since each takes up to 0.6 GB. It ends when its standard input does, so also
//! where the test process is killed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::fake_http::port::OwnPort;
use crate::relay::process::Process;
use crate::relay::{PATIENCE, POLL_PAUSE, eventually};

/// How long the first start may take, which builds the node.
const START_MAX: Duration = Duration::from_secs(240);
/// Documents of one page of a search; the server's own limit.
const PAGE_DOCUMENTS: usize = 10_000;

/// The right to run a node.
static TURN: Mutex<()> = Mutex::const_new(());

/// A running node. Dropping it kills it.
pub(crate) struct Node {
    process: Process,
    port: OwnPort,
    settings: Vec<String>,
    directory: tempfile::TempDir,
    client: reqwest::Client,
    _turn: MutexGuard<'static, ()>,
}

/// A document as the index has it.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) id: String,
    /// What was sent.
    pub(crate) source: Value,
}

impl Node {
    /// Starts a node with these settings (`name=value`), in its turn; none where the machine
    /// cannot, which is printed.
    pub(crate) async fn start(settings: &[&str]) -> Option<Self> {
        if let Err(reason) = can_run() {
            println!("skipped: {reason}");
            return None;
        }
        let turn = TURN.lock().await;
        let directory = tempfile::tempdir().unwrap();
        let settings: Vec<_> = settings.iter().map(ToString::to_string).collect();
        let port = OwnPort::take();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .unwrap();
        let mut process = spawn(port.address().port(), directory.path(), &settings);
        assert_eq!(ready(&mut process).await, port.address());
        Some(Self {
            process,
            port,
            settings,
            directory,
            client,
            _turn: turn,
        })
    }

    pub(crate) fn url(&self) -> String {
        self.port.url()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after [`Node::kill`], with its data and on its port.
    pub(crate) async fn restart(&mut self) {
        let address = self.port.address();
        self.process = spawn(address.port(), self.directory.path(), &self.settings);
        assert_eq!(ready(&mut self.process).await, address);
    }

    /// One request; status and JSON.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}{path}", self.url());
        let mut request = self.client.request(method.parse().unwrap(), url);
        if !body.is_null() {
            request = request.header("content-type", "application/json");
            request = request.body(body.to_string());
        }
        crate::relay::answer(request.send().await.unwrap()).await
    }

    /// A request that must succeed.
    pub(crate) async fn put(&self, path: &str, body: Value) {
        let (status, answer) = self.call("PUT", path, body).await;
        assert_eq!(status, 200, "PUT {path}: {answer}");
    }

    /// Makes an index in which `finding.n` is a number.
    pub(crate) async fn create_index(&self, name: &str, shards: u32) {
        let settings = json!({"number_of_shards": shards, "number_of_replicas": 0});
        let mappings = json!({"properties": {"finding": {"properties": {"n": {"type": "long"}}}}});
        let body = json!({"settings": settings, "mappings": mappings});
        self.put(&format!("/{name}"), body).await;
    }

    /// Every document of an index or data stream.
    pub(crate) async fn documents(&self, index: &str) -> Vec<Document> {
        let (status, answer) = self
            .call("POST", &format!("/{index}/_refresh"), Value::Null)
            .await;
        assert_eq!(status, 200, "{answer}");
        let path = format!("/{index}/_search?scroll=1m");
        let query = json!({"size": PAGE_DOCUMENTS, "sort": ["_doc"]});
        let (mut status, mut page) = self.call("POST", &path, query).await;
        let mut documents = Vec::new();
        loop {
            assert_eq!(status, 200, "{page}");
            let hits = page["hits"]["hits"].as_array().unwrap();
            if hits.is_empty() {
                return documents;
            }
            documents.extend(hits.iter().map(|hit| Document {
                id: hit["_id"].as_str().unwrap().to_owned(),
                source: hit["_source"].clone(),
            }));
            let next = json!({"scroll": "1m", "scroll_id": page["_scroll_id"]});
            (status, page) = self.call("POST", "/_search/scroll", next).await;
        }
    }

    /// Waits until an index has this many documents.
    pub(crate) async fn until_indexed(&self, index: &str, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.documents(index).await.len();
            if found >= count {
                return;
            }
            assert!(Instant::now() < deadline, "{found} of {count} in {index}");
            tokio::time::sleep(POLL_PAUSE).await; // poll
        }
    }
}

/// Whether there is what a node needs.
fn can_run() -> Result<(), String> {
    let wish = std::env::var("SIEM_RELAY_OPENSEARCH").unwrap_or_default();
    if wish == "skip" {
        return Err("SIEM_RELAY_OPENSEARCH=skip".to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = |name: &str| {
        let mut directories = std::env::split_paths(&path);
        directories.any(|directory| directory.join(name).is_file())
    };
    let missing: Vec<_> = ["java", "javac", "mvn"]
        .into_iter()
        .filter(|name| !has(name))
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "no OpenSearch without {} (Debian packages openjdk-17-jdk-headless, maven)",
            missing.join(", ")
        )),
    }
}

fn spawn(port: u16, directory: &Path, settings: &[String]) -> Process {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join("tests/opensearch/server/run"));
    command
        .arg(port.to_string())
        .arg(directory)
        .args(settings)
        .stdin(Stdio::piped());
    Process::spawn(command)
}

/// Waits until the node answers; where it does then.
async fn ready(process: &mut Process) -> SocketAddr {
    let deadline = Instant::now() + START_MAX;
    loop {
        let log = process.log_text();
        let mut lines = log.lines();
        if let Some(address) = lines.find_map(|line| line.strip_prefix("ready http://")) {
            return address.parse().unwrap();
        }
        assert!(process.ended().is_none(), "the node ended: {log}");
        assert!(Instant::now() < deadline, "no node in time: {log}");
        tokio::time::sleep(POLL_PAUSE).await; // poll
    }
}

#[tokio::test]
async fn a_node_ends_with_its_input_and_says_why_it_cannot_start() {
    if let Err(reason) = can_run() {
        return println!("skipped: {reason}");
    }
    let _turn = TURN.lock().await;
    let directory = tempfile::tempdir().unwrap();
    let mut refused = spawn(0, directory.path(), &["no.such.setting=1".to_owned()]);
    let mut status = None;
    eventually("it refuses the setting", || {
        status = refused.ended();
        status.is_some()
    })
    .await;
    assert_eq!(status.unwrap().code(), Some(1));
    let said = refused.log_text();
    assert!(said.contains("unknown setting [no.such.setting]"), "{said}");

    let mut orphan = spawn(0, directory.path(), &[]);
    ready(&mut orphan).await;
    orphan.close_input();
    eventually("it ends with its input", || orphan.ended().is_some()).await;
}
