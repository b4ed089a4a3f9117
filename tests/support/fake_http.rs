//! A programmable HTTP server for tests: it answers, and it misbehaves as real ones do.
//!
//! A handler sees each request and picks a [`Reply`]: an answer, silence, a reset in the middle
//! of an answer, a close without one, or bytes one by one. All requests are recorded. It listens
//! on 127.0.0.1 and can be stopped and started again on its port. Written on bare sockets,
//! since no HTTP library likes to misbehave.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::io::Read;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

#[path = "port.rs"]
pub(crate) mod port;

use port::OwnPort;

/// Largest request taken, head and body each.
const REQUEST_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Pause between the bytes of [`Reply::Drip`].
const DRIP_PAUSE: Duration = Duration::from_millis(20);
/// How long [`FakeHttp::wait_for`] waits before it fails the test.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// One request as it came in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    /// 0 for the first request since [`FakeHttp::start`].
    pub(crate) number: usize,
    pub(crate) method: String,
    /// Path and query as sent.
    pub(crate) path: String,
    /// Names in lower case, in the order sent.
    pub(crate) headers: Vec<(String, String)>,
    /// The body after removing `Content-Encoding: gzip`.
    pub(crate) body: Vec<u8>,
    /// Its bytes on the wire.
    pub(crate) wire_bytes: usize,
    /// The body with its compression, if it has one.
    pub(crate) packed: Option<Vec<u8>>,
    /// Counts connections from 0.
    pub(crate) connection: usize,
    /// The certificate that the client showed, DER.
    pub(crate) client_certificate: Option<Vec<u8>>,
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A whole answer with `Content-Length`; the connection stays open.
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// Nothing, for as long as the client waits.
    Stall,
    /// A head that promises more, some bytes of the body, and a reset.
    Reset { status: u16 },
    /// The connection is closed.
    CloseWithoutAnswer,
    /// A whole answer, byte by byte, with a pause after each.
    Drip { status: u16, body: Vec<u8> },
}

type Handler = dyn Fn(&Received) -> Reply + Send + Sync;

/// The server. Dropping it stops it.
pub(crate) struct FakeHttp {
    port: OwnPort,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    handler: Box<Handler>,
    tls: Option<tokio_rustls::TlsAcceptor>,
    received: Mutex<Vec<Received>>,
    /// Requests are answered and not recorded.
    forgets: AtomicBool,
    connections: Mutex<usize>,
    /// Wakes [`FakeHttp::wait_for`].
    arrived: tokio::sync::Notify,
}

/// A connection, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Reply {
    /// An answer without further headers.
    pub(crate) fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// The same with one more header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

impl Received {
    /// The first header of that name (lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("the body is UTF-8")
    }
}

impl FakeHttp {
    /// Starts a server on a free port of 127.0.0.1.
    pub(crate) async fn start(
        handler: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(handler, None).await
    }

    /// Starts a server with TLS.
    pub(crate) async fn start_tls(
        handler: impl Fn(&Received) -> Reply + Send + Sync + 'static,
        tls: Arc<rustls::ServerConfig>,
    ) -> Self {
        Self::start_with(handler, Some(tls.into())).await
    }

    async fn start_with(
        handler: impl Fn(&Received) -> Reply + Send + Sync + 'static,
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        let port = OwnPort::take();
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            tls,
            received: Mutex::new(Vec::new()),
            forgets: AtomicBool::new(false),
            connections: Mutex::new(0),
            arrived: tokio::sync::Notify::new(),
        });
        Self {
            accepting: Some(accept(port.listener(), Arc::clone(&shared))),
            port,
            shared,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// `http://127.0.0.1:port`, or `https://` with TLS.
    pub(crate) fn url(&self) -> String {
        match self.shared.tls {
            None => self.port.url(),
            Some(_) => format!("https://{}", self.address()),
        }
    }

    /// Everything received so far, in order of arrival.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Records no more requests: for tests that send more than fits into memory.
    pub(crate) fn forget_requests(&self) {
        self.shared.forgets.store(true, Ordering::Relaxed);
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }

    /// Waits until `count` requests have come; fails the test after 20 s.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        let enough = async {
            loop {
                let arrived = self.shared.arrived.notified();
                let mut arrived = std::pin::pin!(arrived);
                arrived.as_mut().enable();
                let received = self.received();
                if received.len() >= count {
                    return received;
                }
                arrived.await;
            }
        };
        let waited = tokio::time::timeout(WAIT_MAX, enough).await;
        waited.expect("fewer requests came than the test waits for")
    }

    /// Closes the port and all connections; what was received stays.
    pub(crate) async fn stop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            // The listener is closed when its task is gone.
            let _ = accepting.await;
        }
    }

    /// Listens again on the same port.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.accepting = Some(accept(self.port.listener(), Arc::clone(&self.shared)));
    }
}

impl Drop for FakeHttp {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

/// Accepts until aborted; its connections end with it.
fn accept(listener: TcpListener, shared: Arc<Shared>) -> JoinHandle<()> {
    let accepting = async move {
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            let number = {
                let mut count = shared.connections.lock().unwrap();
                *count += 1;
                *count - 1
            };
            connections.spawn(connection(stream, number, Arc::clone(&shared)));
            while connections.try_join_next().is_some() {}
        }
    };
    tokio::spawn(accepting)
}

async fn connection(stream: TcpStream, number: usize, shared: Arc<Shared>) {
    // A reset is what a close becomes when nothing may linger; other closes shut down first.
    let mut client_certificate = None;
    let mut stream: Pin<Box<dyn Stream>> = match shared.tls.clone() {
        None => {
            stream.set_zero_linger().unwrap();
            Box::pin(stream)
        }
        Some(acceptor) => match acceptor.accept(stream).into_fallible().await {
            Ok(stream) => {
                let (socket, session) = stream.get_ref();
                socket.set_zero_linger().unwrap();
                let shown = session.peer_certificates().and_then(|chain| chain.first());
                client_certificate = shown.map(|certificate| certificate.to_vec());
                Box::pin(stream)
            }
            Err((_, mut socket)) => {
                // The alert is on its way; a reset would overtake it.
                let _ = socket.shutdown().await;
                let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
                return;
            }
        },
    };
    let mut unread = Vec::new();
    while let Some(mut received) = read_request(&mut stream, &mut unread).await {
        received.connection = number;
        received.client_certificate.clone_from(&client_certificate);
        let reply = {
            let mut all = shared.received.lock().unwrap();
            received.number = all.len();
            if !shared.forgets.load(Ordering::Relaxed) {
                all.push(received.clone());
            }
            drop(all);
            (shared.handler)(&received)
        };
        shared.arrived.notify_waiters();
        if !write_reply(&mut stream, reply).await {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

/// The next request; none when the client closed or sent what is no request.
async fn read_request(stream: &mut Pin<Box<dyn Stream>>, unread: &mut Vec<u8>) -> Option<Received> {
    let head_end = loop {
        let end = unread.windows(4).position(|window| window == b"\r\n\r\n");
        match end {
            Some(end) => break end,
            None => fill(stream, unread).await?,
        }
    };
    let head = String::from_utf8(unread.get(..head_end)?.to_vec()).ok()?;
    unread.drain(..head_end + 4);
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut received = Received {
        method,
        path,
        headers,
        ..Received::default()
    };
    let length = received.header("content-length").unwrap_or("0");
    let length: usize = length.parse().ok()?;
    while unread.len() < length {
        fill(stream, unread).await?;
    }
    received.body = unread.drain(..length).collect();
    received.wire_bytes = length;
    if received.header("content-encoding") == Some("gzip") {
        let mut plain = Vec::new();
        let decoder = flate2::read::GzDecoder::new(received.body.as_slice());
        decoder
            .take(REQUEST_BYTES_MAX as u64)
            .read_to_end(&mut plain)
            .ok()?;
        received.packed = Some(std::mem::replace(&mut received.body, plain));
    }
    Some(received)
}

async fn fill(stream: &mut Pin<Box<dyn Stream>>, unread: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(unread).await.ok()?;
    (read > 0 && unread.len() <= REQUEST_BYTES_MAX).then_some(())
}

/// Whether the connection goes on.
async fn write_reply(stream: &mut Pin<Box<dyn Stream>>, reply: Reply) -> bool {
    match reply {
        Reply::Answer {
            status,
            headers,
            body,
        } => {
            let mut bytes = head(status, &headers, body.len());
            bytes.extend_from_slice(&body);
            stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok()
        }
        Reply::Stall => {
            // Until the client gives up, or the server is stopped.
            let mut rest = Vec::new();
            while fill(stream, &mut rest).await.is_some() {}
            false
        }
        Reply::Reset { status } => {
            let mut bytes = head(status, &[], 1_000);
            bytes.extend_from_slice(b"{\"half\":");
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
            false
        }
        Reply::CloseWithoutAnswer => {
            let _ = stream.shutdown().await;
            false
        }
        Reply::Drip { status, body } => {
            let mut bytes = head(status, &[], body.len());
            bytes.extend_from_slice(&body);
            for byte in bytes {
                if stream.write_all(&[byte]).await.is_err() || stream.flush().await.is_err() {
                    return false;
                }
                tokio::time::sleep(DRIP_PAUSE).await;
            }
            true
        }
    }
}

fn head(status: u16, headers: &[(String, String)], length: usize) -> Vec<u8> {
    use std::fmt::Write;

    let mut head = format!("HTTP/1.1 {status} Fake\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let _ = write!(head, "content-length: {length}\r\n\r\n");
    head.into_bytes()
}
