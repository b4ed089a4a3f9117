//! Proxies: the way through one, what it gets to see, and that its own refusals name it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use siem_relay::secret::{Secret, SecretPlace};
use siem_relay::settings::{Endpoint, Proxy};
use siem_relay::sink::{HoldCause, RetryCause, Sent, Sink, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::authority::Authority;
use crate::fake_http::{FakeHttp, Reply};
use crate::setup::*;

const PASSWORD: &str = "pr0xy-p\u{e4}ssword";

/// A proxy that opens tunnels and remembers every byte that its clients sent.
struct Tunnels {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    seen: Arc<Mutex<Vec<u8>>>,
    _serving: JoinSet<()>,
}

impl Tunnels {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heads, seen) = (Arc::default(), Arc::default());
        let mut serving = JoinSet::new();
        let shared = (Arc::clone(&heads), Arc::clone(&seen));
        serving.spawn(async move {
            let mut tunnels = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                tunnels.spawn(tunnel(client, Arc::clone(&shared.0), Arc::clone(&shared.1)));
            }
        });
        Self {
            address,
            heads,
            seen,
            _serving: serving,
        }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn tunnel(mut client: TcpStream, heads: Arc<Mutex<Vec<String>>>, seen: Arc<Mutex<Vec<u8>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap().to_owned();
    heads.lock().unwrap().push(head);
    let mut server = TcpStream::connect(target).await.unwrap();
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await
        .unwrap();
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let up = async {
        let mut block = [0; 4096];
        loop {
            let read = from_client.read(&mut block).await.unwrap_or(0);
            if read == 0 || to_server.write_all(&block[..read]).await.is_err() {
                return;
            }
            seen.lock().unwrap().extend_from_slice(&block[..read]);
        }
    };
    tokio::select! {
        () = up => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
}

/// A password file and a login with it.
struct Login {
    directory: tempfile::TempDir,
    secret: Secret,
}

impl Login {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        std::fs::write(&path, PASSWORD).unwrap();
        let secret = Secret::load(SecretPlace::File(path)).unwrap();
        Self { directory, secret }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("password")
    }

    fn proxy(&self, address: SocketAddr) -> Proxy {
        Proxy {
            url: format!("http://{address}"),
            login: Some(("relay".to_owned(), self.secret.clone())),
        }
    }
}

fn through(address: SocketAddr, url: &str) -> Endpoint {
    Endpoint {
        proxy: Some(Proxy {
            url: format!("http://{address}"),
            login: None,
        }),
        ..endpoint(url)
    }
}

/// As `printf 'relay:%s' PASSWORD | base64` says.
const BASIC: &str = "Basic cmVsYXk6cHIweHktcMOkc3N3b3Jk";

#[tokio::test]
async fn https_goes_through_a_tunnel_in_which_the_proxy_sees_neither_token_nor_event() {
    let ca = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, &ca.ca_pem).unwrap();
    let server = FakeHttp::start_tls(|_| Reply::status(200, SUCCESS), ca.server()).await;
    let (proxy, login, token) = (Tunnels::start().await, Login::new(), Token::new());
    let endpoint = Endpoint {
        ca_file: Some(ca_file),
        proxy: Some(login.proxy(proxy.address)),
        ..endpoint(&server.url())
    };
    assert!(!format!("{endpoint:?}").contains(PASSWORD));
    assert!(is_delivered(&hec(endpoint, &token).send(&batch()).await));

    let heads = proxy.heads();
    assert_eq!(heads.len(), 1, "one connection, by way of the proxy");
    let connect = format!("CONNECT {} HTTP/1.1\r\n", server.address());
    assert!(heads[0].starts_with(&connect), "{}", heads[0]);
    let mut headers = heads[0].lines().filter_map(|line| line.split_once(": "));
    let login = headers.find(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"));
    assert_eq!(login.unwrap().1, BASIC);
    let seen = proxy.seen.lock().unwrap();
    let seen = String::from_utf8_lossy(&seen);
    assert!(!seen.is_empty(), "the tunnel was used");
    for hidden in [TOKEN, "siem_relay_id"] {
        assert!(!heads[0].contains(hidden) && !seen.contains(hidden));
    }
    let request = &server.received()[0];
    assert!(request.header("authorization").unwrap().contains(TOKEN));
    assert_eq!(
        request.header("proxy-authorization"),
        None,
        "the proxy's login stays with the proxy"
    );
}

#[tokio::test]
async fn http_is_asked_of_the_proxy_by_its_full_url_with_the_proxys_login() {
    let proxy = FakeHttp::start(|_| Reply::status(200, SUCCESS)).await;
    let (login, token) = (Login::new(), Token::new());
    let endpoint = Endpoint {
        proxy: Some(login.proxy(proxy.address())),
        ..endpoint("http://siem.invalid:8088")
    };
    let sink = hec(endpoint, &token);
    assert!(is_delivered(&sink.send(&batch()).await));
    let request = &proxy.received()[0];
    assert_eq!(
        request.path,
        "http://siem.invalid:8088/services/collector/event"
    );
    assert_eq!(request.header("host"), Some("siem.invalid:8088"));
    assert_eq!(request.header("proxy-authorization"), Some(BASIC));

    // The secret notices by itself; the sink has to follow.
    std::fs::write(login.path(), "next").unwrap();
    login.secret.reread();
    assert!(is_delivered(&sink.send(&batch()).await));
    std::fs::write(login.path(), "last").unwrap();
    sink.refresh();
    assert!(is_delivered(&sink.send(&batch()).await));
    for (number, rotated) in [(1, "Basic cmVsYXk6bmV4dA=="), (2, "Basic cmVsYXk6bGFzdA==")] {
        let request = &proxy.received()[number];
        assert_eq!(request.header("proxy-authorization"), Some(rotated));
    }
}

#[tokio::test]
async fn a_proxy_that_wants_a_login_holds_the_destination_and_is_named() {
    let refusal = format!("who are you? not relay:{PASSWORD}");
    let proxy = FakeHttp::start(move |_| Reply::status(407, refusal.clone())).await;
    for url in ["https://siem.invalid:8088", "http://siem.invalid:8088"] {
        let token = Token::new();
        let login = Login::new();
        let endpoint = Endpoint {
            proxy: Some(login.proxy(proxy.address())),
            ..endpoint(url)
        };
        let outcome = hec(endpoint, &token).send(&batch()).await;
        let Verdict::Hold { cause, detail, .. } = &outcome.verdicts[0] else {
            panic!("{outcome:?}")
        };
        assert_eq!(*cause, HoldCause::Auth);
        assert_named(detail, &proxy);
        assert!(detail.contains("proxy_user"), "{detail}");
        assert!(!detail.contains(PASSWORD), "{detail}");
        assert_eq!(outcome.wire_bytes, 0);
    }
}

#[tokio::test]
async fn a_proxy_that_cannot_reach_the_destination_is_a_retry_and_is_named() {
    let proxy = FakeHttp::start(|_| Reply::status(502, "no route")).await;
    let token = Token::new();
    let sink = hec(
        through(proxy.address(), "https://siem.invalid:8088"),
        &token,
    );
    let outcome = sink.send(&batch()).await;
    assert_eq!(retry(&outcome.verdicts[0]), (Sent::No, RetryCause::Connect));
    assert_named(detail(&outcome.verdicts[0]), &proxy);
    let request = proxy.received();
    assert!(request[0].header("authorization").is_none());

    // In plain HTTP nobody knows who answers, nor how far the request came.
    let sink = hec(through(proxy.address(), "http://siem.invalid:8088"), &token);
    let outcome = sink.send(&batch()).await;
    let expected = (Sent::Unknown, RetryCause::ServerError);
    assert_eq!(retry(&outcome.verdicts[0]), expected);
    let detail = detail(&outcome.verdicts[0]);
    assert_named(detail, &proxy);
    assert!(detail.contains("no route"), "{detail}");
}

#[tokio::test]
async fn a_proxy_that_is_down_is_a_retry_and_is_named() {
    let mut proxy = FakeHttp::start(|_| Reply::status(200, "")).await;
    proxy.stop().await;
    for url in ["https://siem.invalid:8088", "http://siem.invalid:8088"] {
        let token = Token::new();
        let outcome = hec(through(proxy.address(), url), &token)
            .send(&batch())
            .await;
        assert_eq!(retry(&outcome.verdicts[0]), (Sent::No, RetryCause::Connect));
        let detail = detail(&outcome.verdicts[0]);
        assert_named(detail, &proxy);
        assert!(detail.contains("proxy_url"), "{detail}");
    }
}

#[track_caller]
fn assert_named(detail: &str, proxy: &FakeHttp) {
    let named = format!("the proxy {}", proxy.address());
    assert!(detail.contains(&named), "{detail}");
    assert!(!detail.contains("siem.invalid"), "{detail}");
}
