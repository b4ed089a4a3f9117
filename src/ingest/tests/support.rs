//! A running front door, a log in memory, and a client that sends exactly the bytes it is given.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::event::EventId;
use crate::ingest::Ingest;
use crate::listener::{Limits, Listener};
use crate::secret::{Secret, SecretPlace};
use crate::settings::{Preset, Server, Source, SourceAuth};
use crate::spool::{
    AppendError, Appended, Cursor, CursorError, Head, Health, Lease, Log, LogReader, NewEvent,
    Read, ReadError, StartAt,
};
use crate::telemetry::metrics::Metrics;

/// Longest wait of any test.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
pub(super) const TOKEN: &str = "correct-horse-battery";

/// What the log answers.
#[derive(Clone, Debug)]
pub(super) enum Behaviour {
    Store,
    Mark(EventId),
    Repeat(EventId),
    Fail(AppendError),
}

pub(super) struct FakeLog {
    pub(super) events: Mutex<Vec<NewEvent>>,
    pub(super) behaviour: Mutex<Behaviour>,
    /// Appends wait for a permit each.
    pub(super) gate: Semaphore,
    /// Appends that have begun.
    pub(super) begun: watch::Sender<usize>,
}

pub(super) struct NoReader;

pub(super) struct NoLease;

impl Lease for NoLease {
    async fn lost(&mut self) {}
}

impl Log for FakeLog {
    type Reader = NoReader;
    type Lease = NoLease;

    async fn append(&self, events: Vec<NewEvent>) -> Result<Vec<Appended>, AppendError> {
        self.begun.send_modify(|begun| *begun += 1);
        self.gate.acquire().await.unwrap().forget();
        let behaviour = self.behaviour.lock().unwrap().clone();
        let appended = match behaviour {
            Behaviour::Fail(error) => return Err(error),
            Behaviour::Repeat(first) => return Ok(vec![Appended::Repeat { first }]),
            Behaviour::Store => None,
            Behaviour::Mark(first) => Some(first),
        };
        self.events.lock().unwrap().extend(events);
        Ok(vec![Appended::Stored {
            position: 1,
            duplicate_of: appended,
        }])
    }

    fn head(&self) -> watch::Receiver<Head> {
        watch::channel(Head::default()).1
    }

    fn health(&self) -> watch::Receiver<Health> {
        watch::channel(Health::Accepting).1
    }

    async fn register(&self, name: &str, _: StartAt) -> Result<Cursor, CursorError> {
        Err(CursorError::Unknown(name.to_owned()))
    }

    async fn load_cursor(&self, name: &str) -> Result<Cursor, CursorError> {
        Err(CursorError::Unknown(name.to_owned()))
    }

    async fn store_cursor(&self, name: &str, _: &Cursor) -> Result<u64, CursorError> {
        Err(CursorError::Unknown(name.to_owned()))
    }

    async fn sync_cursors(&self) -> Result<(), CursorError> {
        Ok(())
    }

    async fn lease(&self, name: &str) -> Result<NoLease, CursorError> {
        Err(CursorError::Unknown(name.to_owned()))
    }

    fn reader(&self, _: u64) -> NoReader {
        NoReader
    }
}

impl LogReader for NoReader {
    async fn read(&mut self, _: usize, _: usize) -> Result<Read, ReadError> {
        Ok(Read::Events(Vec::new()))
    }
}

/// A front door on a port of its own.
pub(super) struct Relay {
    pub(super) log: Arc<FakeLog>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) ingest: Arc<Ingest<FakeLog>>,
    pub(super) address: SocketAddr,
    pub(super) stop: CancellationToken,
    pub(super) force: CancellationToken,
    pub(super) served: JoinHandle<()>,
}

impl Relay {
    /// With the usual limits.
    pub(super) async fn start(sources: Vec<Source>) -> Self {
        Self::start_with(sources, |_| {}).await
    }

    pub(super) async fn start_with(sources: Vec<Source>, change: impl FnOnce(&mut Server)) -> Self {
        let mut server = server();
        change(&mut server);
        let limits = Limits {
            max_connections: server.max_connections,
            max_headers: server.max_headers,
            max_header_bytes: server.max_header_bytes,
            header_timeout: server.header_timeout,
        };
        let listener = Listener::bind(server.listen, limits, None).await.unwrap();
        let address = listener.local_address();
        let log = Arc::new(FakeLog {
            events: Mutex::default(),
            behaviour: Mutex::new(Behaviour::Store),
            gate: Semaphore::new(1_000_000),
            begun: watch::channel(0).0,
        });
        let metrics = Metrics::new().unwrap();
        let ingest = Ingest::new(&server, &sources, Arc::clone(&log), &metrics);
        let (stop, force) = (CancellationToken::new(), CancellationToken::new());
        let serve = Arc::clone(&ingest).serve(listener, stop.clone(), force.clone());
        Self {
            log,
            metrics,
            ingest,
            address,
            stop,
            force,
            served: tokio::spawn(serve),
        }
    }

    /// Sends one request on a connection of its own.
    pub(super) async fn send(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_ref()).await.unwrap();
        read_answer(&mut stream).await
    }

    /// Posts JSON with the usual token.
    pub(super) async fn post(&self, body: impl AsRef<[u8]>) -> Answer {
        let head = format!("Authorization: Bearer {TOKEN}\r\n");
        self.send(request("/hooks/vendor", &head, body)).await
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(super) fn behave(&self, behaviour: Behaviour) {
        *self.log.behaviour.lock().unwrap() = behaviour;
    }

    /// Makes appends wait until `release`.
    pub(super) fn block(&self) {
        self.log.gate.forget_permits(usize::MAX);
    }

    pub(super) fn release(&self) {
        self.log.gate.add_permits(1000);
    }

    /// Waits until so many appends have begun.
    pub(super) async fn begun(&self, count: usize) {
        let mut begun = self.log.begun.subscribe();
        let enough = begun.wait_for(|begun| *begun >= count);
        timeout(DEADLINE, enough).await.unwrap().unwrap();
    }

    pub(super) fn stored(&self) -> usize {
        self.log.events.lock().unwrap().len()
    }

    /// Requests of a source with a result.
    pub(super) fn requests(&self, source: &str, result: &str) -> u64 {
        let series =
            format!("siem_relay_ingest_requests_total{{result=\"{result}\",source=\"{source}\"}} ");
        let text = self.metrics.render().unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(&series));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// All requests, whatever their source and result.
    pub(super) fn all_requests(&self) -> u64 {
        let text = self.metrics.render().unwrap();
        text.lines()
            .filter(|line| line.starts_with("siem_relay_ingest_requests_total{"))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.cancel();
        self.force.cancel();
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(super) fn field(&self, name: &str) -> String {
        let value: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        value[name].as_str().unwrap_or_default().to_owned()
    }
}

/// A POST of JSON; `headers` end with a line break each.
pub(super) fn request(path: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let mut bytes = format!(
        "POST {path} HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\n\
         {headers}Content-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Reads one answer, by its declared length.
pub(super) async fn read_answer(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Answer {
    let mut bytes = Vec::new();
    let read = async {
        while !bytes.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => bytes.push(byte),
                Err(error) => panic!("no answer: {error} after {:?}", bytes.escape_ascii()),
            }
        }
        let head = String::from_utf8(bytes).unwrap();
        let mut answer = Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            body: String::new(),
            head,
        };
        let length = answer.header("content-length").unwrap_or("0");
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        answer.body = String::from_utf8(body).unwrap();
        answer
    };
    timeout(DEADLINE, read).await.unwrap()
}

/// Reads until the other end closes; the bytes that came before.
pub(super) async fn read_to_close(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let closed = timeout(DEADLINE, stream.read_to_end(&mut bytes));
    // A reset is a close, too.
    let _ = closed.await.unwrap();
    bytes
}

/// Waits for something that another task does.
pub(super) async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::task::yield_now().await;
    }
}

pub(super) fn secret(value: &str) -> Secret {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), value).unwrap();
    Secret::load(SecretPlace::File(file.path().to_owned())).unwrap()
}

pub(super) fn source(name: &str, auth: SourceAuth) -> Source {
    Source {
        name: name.to_owned(),
        preset: Preset::Generic,
        auth,
        allow_addresses: Vec::new(),
        keep_headers: Vec::new(),
        delivery_id_header: None,
        rules: Vec::new(),
        severities: Vec::new(),
    }
}

/// One source, `vendor`, with the usual token.
pub(super) fn vendor() -> Source {
    source("vendor", SourceAuth::Bearer(vec![secret(TOKEN)]))
}

fn server() -> Server {
    Server {
        listen: "127.0.0.1:0".parse().unwrap(),
        path: "/hooks".to_owned(),
        tls: None,
        trusted_proxies: Vec::new(),
        allow_plaintext: false,
        max_connections: 64,
        max_headers: 64,
        max_header_bytes: 16 * 1024,
        header_timeout: DEADLINE,
        max_body_bytes: 64 * 1024,
        body_timeout: DEADLINE,
        max_inflight_bytes: 1024 * 1024,
        drain_delay: Duration::ZERO,
        stop_timeout: Duration::from_secs(1),
    }
}
