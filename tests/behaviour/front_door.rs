//! Proves that bad input gets a clear answer within the deadline, that memory stays flat, and that
//! nothing of it reaches the journal; and that HTTPS works as vendors use it.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::relay::{PATIENCE, Relay, Setup, TOKEN, answer};

const FILE: &str = "[destinations.archive]\nkind = \"file\"\npath = \"archive.jsonl\"";
/// Memory that a flood of bad input may add.
const GROWTH_BYTES_MAX: u64 = 24 * 1024 * 1024;

fn start() -> (Setup, Relay) {
    let setup = Setup::new("", FILE);
    setup.edit(
        "[admin]",
        "header_timeout = \"1s\"\nbody_timeout = \"1s\"\n[admin]",
    );
    let relay = setup.start();
    (setup, relay)
}

async fn nothing_is_journaled(relay: &Relay) {
    assert_eq!(relay.status().await["journal"]["events"], 0);
}

/// Sends raw bytes and reads until the relay closes the connection.
async fn raw(relay: &Relay, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(relay.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // A reset after the answer is as good as a close; silence is not.
    let _closed = read.expect("the connection was left open");
    String::from_utf8_lossy(&answer).into_owned()
}

fn gzip(bytes: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let chunk = vec![b' '; 1 << 20];
    for _ in 0..bytes >> 20 {
        encoder.write_all(&chunk).unwrap();
    }
    encoder.finish().unwrap()
}

#[tokio::test]
async fn each_kind_of_bad_request_has_its_answer_and_changes_nothing() {
    let (_setup, relay) = start();
    let url = format!("http://{}/hooks/datatheorem", relay.address);
    let post = || relay.client.post(&url).bearer_auth(TOKEN);
    let bomb = gzip(64 << 20);
    let requests = [
        ("too large", 413, post().body(vec![b' '; 300 * 1024])),
        ("not JSON", 400, post().body("{\"a\":")),
        ("empty", 400, post().body("")),
        ("not UTF-8", 400, post().body(vec![b'"', 0xff, b'"'])),
        (
            "gzip bomb",
            413,
            post().header("content-encoding", "gzip").body(bomb),
        ),
        (
            "broken gzip",
            400,
            post().header("content-encoding", "gzip").body("nonsense"),
        ),
        (
            "unknown encoding",
            415,
            post().header("content-encoding", "br").body("{}"),
        ),
        (
            "a form",
            415,
            post().header("content-type", "text/plain").body("{}"),
        ),
        (
            "wrong token",
            401,
            relay.client.post(&url).bearer_auth("wrong").body("{}"),
        ),
        ("no token", 401, relay.client.post(&url).body("{}")),
        (
            "unknown path",
            404,
            relay
                .client
                .post(format!("{url}/x"))
                .bearer_auth(TOKEN)
                .body("{}"),
        ),
        (
            "unknown source",
            404,
            relay.client.post(url.replace("data", "x")).body("{}"),
        ),
        (
            "wrong method",
            405,
            relay.client.put(&url).bearer_auth(TOKEN).body("{}"),
        ),
    ];
    for (what, expected, request) in requests {
        let (status, body) = answer(request.send().await.unwrap()).await;
        assert_eq!(status, expected, "{what}: {body}");
        for key in ["error", "detail"] {
            assert!(
                body[key].as_str().is_some_and(|text| !text.is_empty()),
                "{what}: {body}"
            );
        }
    }
    nothing_is_journaled(&relay).await;
}

#[tokio::test]
async fn ten_thousand_headers_and_silent_or_half_open_connections_end_in_time() {
    let (_setup, relay) = start();
    let mut many = b"POST /hooks/datatheorem HTTP/1.1\r\nhost: x\r\n".to_vec();
    for number in 0..10_000 {
        write!(many, "x-{number}: y\r\n").unwrap();
    }
    many.extend_from_slice(b"\r\n");
    let began = Instant::now();
    let (headers, silent, half_head, half_body) = tokio::join!(
        raw(&relay, &many),
        raw(&relay, b""),
        raw(&relay, b"POST /hooks/datatheorem HTTP/1.1\r\nhost:"),
        async {
            let head = format!(
                "POST /hooks/datatheorem HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
                 content-length: 100\r\n\r\n{{\"half\":"
            );
            raw(&relay, head.as_bytes()).await
        }
    );
    assert!(headers.starts_with("HTTP/1.1 431"), "{headers}");
    assert_eq!(silent, "");
    assert!(!half_head.contains("200"), "{half_head}");
    assert!(half_body.starts_with("HTTP/1.1 408"), "{half_body}");
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    nothing_is_journaled(&relay).await;
}

#[tokio::test]
async fn a_sender_that_closes_its_half_behind_the_request_still_gets_its_answer() {
    let (_setup, relay) = start();
    let mut stream = TcpStream::connect(relay.address).await.unwrap();
    let request = format!(
        "POST /hooks/datatheorem HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
         content-length: 2\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.expect("the connection was left open").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"accepted\""), "{answer}");
}

#[tokio::test]
async fn memory_stays_flat_under_bombs_and_oversized_bodies() {
    let (_setup, relay) = start();
    let bomb = gzip(256 << 20);
    assert!(
        bomb.len() < 256 * 1024,
        "the bomb must pass the limit on the wire"
    );
    let send = |body: Vec<u8>, encoding: &'static str| {
        let url = format!("http://{}/hooks/datatheorem", relay.address);
        let request = relay.client.post(url).bearer_auth(TOKEN);
        let request = request.header("content-encoding", encoding).body(body);
        async move {
            request
                .send()
                .await
                .map(|response| response.status().as_u16())
        }
    };
    send(bomb.clone(), "gzip").await.unwrap();
    let before = relay.resident_bytes();
    for _ in 0..8 {
        let bombs = (0..8).map(|_| send(bomb.clone(), "gzip"));
        let answers = join_all(bombs).await;
        assert!(
            answers.iter().all(|answer| matches!(answer, Ok(413))),
            "{answers:?}"
        );
        let answer = send(vec![b' '; 20 << 20], "identity").await;
        // A client that is still sending may see the connection end before the answer.
        assert!(matches!(answer, Ok(413) | Err(_)), "{answer:?}");
    }
    let grown = relay.resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes more");
    nothing_is_journaled(&relay).await;
    relay.accepted("{}").await;
}

async fn join_all<F>(futures: impl Iterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let tasks: Vec<_> = futures.map(tokio::spawn).collect();
    let mut outputs = Vec::new();
    for task in tasks {
        outputs.push(task.await.unwrap());
    }
    outputs
}

#[tokio::test]
async fn https_with_certificate_files_takes_events() {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let setup = Setup::new("", FILE);
    setup.edit(
        "[admin]",
        "certificate_file = \"cert.pem\"\nkey_file = \"key.pem\"\n[admin]",
    );
    std::fs::write(setup.path("cert.pem"), key.cert.pem()).unwrap();
    std::fs::write(setup.path("key.pem"), key.signing_key.serialize_pem()).unwrap();
    let relay = setup.start();
    let url = format!(
        "https://localhost:{}/hooks/datatheorem",
        relay.address.port()
    );
    let request = relay
        .client
        .post(url)
        .bearer_auth(TOKEN)
        .body("{\"event\": \"Hello, world!\"}");
    let (status, body): (u16, Value) = answer(request.send().await.unwrap()).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(relay.drained("archive").await["delivered"], 1);
    // Plain HTTP on the TLS port is no way in.
    assert_eq!(
        raw(&relay, b"GET / HTTP/1.1\r\n\r\n")
            .await
            .matches("200")
            .count(),
        0
    );
}
