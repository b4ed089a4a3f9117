//! The listener alone: TLS with a certificate that changes, stalled peers, bounded closing.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::task::Context;

use http::Response;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::sender::{LOOK_EVERY, Sender};
use super::socket::{Progress, Socket};
use super::*;

const DEADLINE: Duration = Duration::from_secs(10);
const GET: &[u8] = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n";

struct Files {
    _directory: tempfile::TempDir,
    settings: settings::ServerTls,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files = Self {
            settings: settings::ServerTls {
                certificate_file: directory.path().join("certificate.pem"),
                key_file: directory.path().join("key.pem"),
            },
            _directory: directory,
        };
        files.renew();
        files
    }

    fn renew(&self) {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        replace(&self.settings.certificate_file, &pair.cert.pem());
        replace(&self.settings.key_file, &pair.signing_key.serialize_pem());
    }
}

/// Writes beside and renames, as renewal tools do.
fn replace(path: &PathBuf, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

struct Served {
    address: SocketAddr,
    refusals: Arc<Mutex<Vec<Refusal>>>,
    stop: CancellationToken,
    force: CancellationToken,
    done: JoinHandle<()>,
}

impl Served {
    async fn start(tls: Option<&settings::ServerTls>, header_timeout: Duration) -> Self {
        let limits = Limits {
            max_connections: 8,
            max_headers: 16,
            max_header_bytes: 8192,
            header_timeout,
        };
        let address = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(address, limits, tls).await.unwrap();
        let address = listener.local_address();
        let refusals = Arc::new(Mutex::new(Vec::new()));
        let (stop, force) = (CancellationToken::new(), CancellationToken::new());
        let seen = Arc::clone(&refusals);
        let refused = move |refusal| {
            seen.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(refusal)
        };
        let service = |request: http::Request<Incoming>, peer: Peer| async move {
            if request.uri().path() == "/never" {
                std::future::pending::<()>().await;
            }
            let text = if peer.tls { "tls" } else { "plain" };
            Response::new(Full::from(text))
        };
        let done = tokio::spawn(listener.serve(service, refused, stop.clone(), force.clone()));
        Self {
            address,
            refusals,
            stop,
            force,
            done,
        }
    }

    async fn refused(&self, refusals: &[Refusal]) {
        let deadline = Instant::now() + DEADLINE;
        while *self.refusals.lock().unwrap() != refusals {
            let seen = self.refusals.lock().unwrap().clone();
            assert!(Instant::now() < deadline, "{seen:?}");
            tokio::task::yield_now().await;
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        timeout(DEADLINE, self.done).await.unwrap().unwrap();
    }

    /// A handshake that trusts what the certificate file holds now.
    async fn shake_hands(
        &self,
        files: &Files,
        alpn: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let pem = std::fs::read(&files.settings.certificate_file).unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&pem).unwrap())
            .unwrap();
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.into()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }
}

async fn get(stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin)) -> String {
    stream.write_all(GET).await.unwrap();
    let mut answer = String::new();
    let read = timeout(DEADLINE, stream.read_to_string(&mut answer));
    read.await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn requests_are_answered_over_tls_and_a_renewed_certificate_is_used() {
    let files = Files::new();
    let served = Served::start(Some(&files.settings), DEADLINE).await;
    let mut stream = served.shake_hands(&files, "http/1.1").await.unwrap();
    let alpn = stream.get_ref().1.alpn_protocol().unwrap().to_vec();
    assert_eq!(alpn, b"http/1.1");
    assert!(get(&mut stream).await.ends_with("\r\n\r\ntls"));

    files.renew();
    let deadline = Instant::now() + DEADLINE;
    let mut stream = loop {
        match served.shake_hands(&files, "http/1.1").await {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    };
    assert!(get(&mut stream).await.ends_with("\r\n\r\ntls"));
    served.stop().await;
}

#[test]
fn a_broken_new_pair_keeps_the_old_one_until_a_good_one_comes() {
    let files = Files::new();
    let tls = Tls::load(&files.settings).unwrap();
    let first = tls.config();
    let key = std::fs::read_to_string(&files.settings.key_file).unwrap();

    replace(&files.settings.key_file, "not a key");
    tls.reread();
    assert!(Arc::ptr_eq(&tls.config(), &first));
    files.renew();
    replace(&files.settings.key_file, &key);
    tls.reread();
    assert!(
        Arc::ptr_eq(&tls.config(), &first),
        "a pair that does not match"
    );
    files.renew();
    tls.reread();
    assert!(!Arc::ptr_eq(&tls.config(), &first));
}

#[test]
fn unusable_files_are_named_and_never_quoted() {
    let files = Files::new();
    let text = || Tls::load(&files.settings).err().unwrap().to_string();
    replace(&files.settings.key_file, "-----BEGIN hunter2");
    assert!(text().contains("key.pem holds no PEM private key"));
    assert!(!text().contains("hunter2"));
    replace(&files.settings.certificate_file, "hunter2");
    assert!(text().contains("certificate.pem holds no PEM certificate"));
    assert!(!text().contains("hunter2"));
    std::fs::remove_file(&files.settings.certificate_file).unwrap();
    assert!(text().contains("cannot read"), "{}", text());
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let served = Served::start(None, DEADLINE).await;
    let limits = Limits {
        max_connections: 1,
        max_headers: 1,
        max_header_bytes: 1,
        header_timeout: DEADLINE,
    };
    let error = Listener::bind(served.address, limits, None).await.err();
    let text = error.unwrap().to_string();
    assert!(text.contains(&served.address.to_string()), "{text}");
    served.stop().await;
}

#[tokio::test]
async fn failed_and_silent_handshakes_are_refused_in_time() {
    let files = Files::new();
    let served = Served::start(Some(&files.settings), Duration::from_millis(200)).await;
    let mut plain = TcpStream::connect(served.address).await.unwrap();
    plain.write_all(GET).await.unwrap();
    served.refused(&[Refusal::Handshake]).await;

    let mut silent = TcpStream::connect(served.address).await.unwrap();
    let mut rest = Vec::new();
    timeout(DEADLINE, silent.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    served.refused(&[Refusal::Handshake; 2]).await;

    assert!(served.shake_hands(&files, "h2").await.is_err());
    served.refused(&[Refusal::Handshake; 3]).await;

    // A health check that only connects is nobody's failure.
    drop(TcpStream::connect(served.address).await.unwrap());
    let mut stream = served.shake_hands(&files, "http/1.1").await.unwrap();
    assert!(get(&mut stream).await.ends_with("tls"));
    served.refused(&[Refusal::Handshake; 3]).await;
    served.stop().await;
}

#[tokio::test]
async fn tls_connections_over_the_limit_are_closed() {
    let files = Files::new();
    let served = Served::start(Some(&files.settings), DEADLINE).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(TcpStream::connect(served.address).await.unwrap());
    }
    let mut over = TcpStream::connect(served.address).await.unwrap();
    let mut rest = Vec::new();
    timeout(DEADLINE, over.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rest, b"");
    served.refused(&[Refusal::Overloaded]).await;
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_reads_no_answer_is_let_go() {
    let served = Served::start(None, Duration::from_millis(300)).await;
    let mut deaf = TcpStream::connect(served.address).await.unwrap();
    let requests = b"GET / HTTP/1.1\r\n\r\n".repeat(10_000);
    // Fails when the relay has closed: until then the answers pile up unread.
    let closed = async { while deaf.write_all(&requests).await.is_ok() {} };
    timeout(DEADLINE, closed).await.unwrap();
    served.stop().await;
}

impl Sender for tokio::io::DuplexStream {
    fn has_ended(&self, _cx: &mut Context<'_>) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_counts_from_its_last_piece() {
    let (io, mut sender) = tokio::io::duplex(64);
    let progress = Arc::new(Progress::default());
    let mut socket = Socket::new(io, Arc::clone(&progress), DEADLINE);
    progress.asked();
    let began = Instant::now();
    for _ in 0..5 {
        socket.flush().await.unwrap();
        tokio::time::advance(LOOK_EVERY - Duration::from_millis(100)).await;
        sender.write_all(b"x").await.unwrap();
        socket.read_u8().await.unwrap();
    }
    while socket.flush().await.is_ok() {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    let since_the_last = began.elapsed() - (LOOK_EVERY - Duration::from_millis(100)) * 5;
    assert!(since_the_last > LOOK_EVERY, "{since_the_last:?}");
    assert!(since_the_last <= LOOK_EVERY * 2, "{since_the_last:?}");
}

#[tokio::test]
async fn who_closes_its_half_is_answered_at_once_or_counts_as_gone() {
    let files = Files::new();
    let plain = Served::start(None, DEADLINE).await;
    let secret = Served::start(Some(&files.settings), DEADLINE).await;
    let asked: [&[u8]; 3] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /never HTTP/1.1\r\n\r\n",
        // What was sent behind the request stays unread.
        b"GET /never HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    ];
    for (request, answered) in asked.into_iter().zip([true, false, false]) {
        let stream = TcpStream::connect(plain.address).await.unwrap();
        assert_eq!(ask_and_close(stream, request).await, answered);
        let stream = secret.shake_hands(&files, "http/1.1").await.unwrap();
        assert_eq!(ask_and_close(stream, request).await, answered);
    }
    plain.stop().await;
    secret.stop().await;
}

/// Whether an answer comes before the connection ends.
async fn ask_and_close(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    request: &[u8],
) -> bool {
    stream.write_all(request).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    // A connection that is dropped with bytes unread is reset.
    let _reset = ended.expect("the connection is held");
    answer.starts_with(b"HTTP/1.1 200")
}

#[tokio::test(start_paused = true)]
async fn a_closing_socket_goes_on_reading_for_a_bounded_time_and_amount() {
    let closing = || {
        // Holds less than what is sent, so that a write ends only if somebody reads.
        let (io, other) = tokio::io::duplex(64);
        let mut socket = Socket::new(io, Arc::default(), DEADLINE);
        let closed = tokio::spawn(async move { socket.shutdown().await });
        (other, closed)
    };
    let (mut sender, closed) = closing();
    sender.write_all(&[b'x'; 100_000]).await.unwrap();
    drop(sender);
    closed.await.unwrap().unwrap();

    let (mut endless, closed) = closing();
    let sent = endless.write_all(&[b'x'; 300_000]).await;
    assert!(sent.is_err());
    closed.await.unwrap().unwrap();

    let (silent, closed) = closing();
    let began = Instant::now();
    closed.await.unwrap().unwrap();
    assert_eq!(began.elapsed().as_millis(), 500);
    drop(silent);
}

#[tokio::test]
async fn a_forced_stop_waits_for_nobody() {
    let served = Served::start(None, DEADLINE).await;
    let mut half = TcpStream::connect(served.address).await.unwrap();
    half.write_all(b"GET / HT").await.unwrap();
    half.writable().await.unwrap();
    served.stop.cancel();
    served.force.cancel();
    timeout(DEADLINE, served.done).await.unwrap().unwrap();
}
