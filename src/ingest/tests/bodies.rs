//! Bodies: kinds, encodings, lengths that lie, bombs, and what counts as JSON.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::AsyncWriteExt;

use super::support::*;

/// Two headers of one name mean the same as a list.
const TWICE: &str = "gzip\r\nContent-Encoding: gzip";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A POST with the usual token; `headers` decide all about the body.
fn raw(headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("POST /hooks/vendor HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

fn typed(content_type: &str) -> Vec<u8> {
    let header = format!("Content-Type: {content_type}\r\nContent-Length: 2\r\n");
    raw(&header, b"{}")
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let headers = format!("Content-Encoding: gzip\r\nContent-Length: {length}\r\n");
    raw(&headers, body)
}

#[tokio::test]
async fn json_of_any_flavour_or_without_a_type_is_taken_and_nothing_else() {
    let relay = Relay::start(vec![vendor()]).await;
    for good in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/cloudevents+json",
    ] {
        assert_eq!(relay.send(typed(good)).await.status, 200, "{good}");
    }
    let untyped = raw("Content-Length: 2\r\n", b"{}");
    assert_eq!(relay.send(untyped).await.status, 200);
    for bad in [
        "text/plain",
        "application/x-json",
        "application/xml",
        "json",
        "",
    ] {
        let answer = relay.send(typed(bad)).await;
        assert_eq!(answer.status, 415, "{bad}");
        assert_eq!(answer.field("error"), "unsupported");
    }
    assert_eq!(relay.requests("vendor", "unsupported"), 5);
    assert_eq!(relay.stored(), 4);
}

#[tokio::test]
async fn gzip_is_decoded_and_other_encodings_are_refused() {
    let relay = Relay::start(vec![vendor()]).await;
    assert_eq!(relay.send(gzipped(&gzip(b"{\"a\":1}"))).await.status, 200);
    let members = [gzip(b"{\"a\""), gzip(b":2}")].concat();
    assert_eq!(relay.send(gzipped(&members)).await.status, 200);
    let plain = raw("Content-Encoding: identity\r\nContent-Length: 2\r\n", b"{}");
    assert_eq!(relay.send(plain).await.status, 200);
    for encoding in ["br", "zstd", "deflate", "gzip, gzip", TWICE] {
        let headers = format!("Content-Encoding: {encoding}\r\nContent-Length: 2\r\n");
        let answer = relay.send(raw(&headers, b"{}")).await;
        assert_eq!(answer.status, 415, "{encoding}");
        assert_eq!(answer.header("accept-encoding"), Some("gzip, identity"));
    }
    let events = relay.log.events.lock().unwrap();
    let payloads: Vec<_> = events.iter().map(|event| event.payload.clone()).collect();
    assert_eq!(payloads, ["{\"a\":1}", "{\"a\":2}", "{}"]);
    let encodings = events.iter().map(|e| e.provenance.content_encoding.clone());
    let gzip = Some("gzip".to_owned());
    assert_eq!(encodings.collect::<Vec<_>>(), [gzip.clone(), gzip, None]);
}

#[tokio::test]
async fn broken_gzip_is_refused() {
    let relay = Relay::start(vec![vendor()]).await;
    let good = gzip(b"{\"some\":\"event\"}");
    let mut wrong_sum = good.clone();
    let at = wrong_sum.len() - 6;
    wrong_sum[at] ^= 1;
    for bad in [
        b"{}".to_vec(),
        good[..good.len() - 1].to_vec(),
        good[..good.len() / 2].to_vec(),
        [&good[..], b"garbage"].concat(),
        [&good[..], &[0; 16]].concat(),
        wrong_sum,
    ] {
        let answer = relay.send(gzipped(&bad)).await;
        assert_eq!(answer.status, 400, "{bad:?}");
        assert_eq!(answer.field("error"), "malformed");
    }
    assert_eq!(relay.stored(), 0);
}

#[tokio::test]
async fn a_gzip_bomb_is_refused_at_the_limit() {
    let relay = Relay::start(vec![vendor()]).await;
    let bomb = gzip(&vec![b'0'; 10_000_000]);
    assert!(bomb.len() < 16_000, "{}", bomb.len());
    let answer = relay.send(gzipped(&bomb)).await;
    assert_eq!(answer.status, 413);
    // The key that the remedy names is the one of the configuration.
    assert!(
        answer.field("detail").contains("server.max_body;"),
        "{answer:?}"
    );
    assert_eq!(relay.requests("vendor", "too_large"), 1);
    let largest = gzip(&[b"\"", &vec![b'x'; 64 * 1024 - 2][..], b"\""].concat());
    assert_eq!(relay.send(gzipped(&largest)).await.status, 200);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_declaration_and_by_count() {
    let relay = Relay::start(vec![vendor()]).await;
    let limit = 64 * 1024;
    let largest = [b"\"", &vec![b'x'; limit - 2][..], b"\""].concat();
    assert_eq!(relay.post(&largest).await.status, 200);
    let larger = [&largest[..], b" "].concat();
    assert_eq!(relay.post(&larger).await.status, 413);

    let chunk = format!("{:x}\r\n", larger.len());
    let body = [chunk.as_bytes(), &larger, b"\r\n0\r\n\r\n"].concat();
    let answer = relay
        .send(raw("Transfer-Encoding: chunked\r\n", &body))
        .await;
    assert_eq!(answer.status, 413);
    assert_eq!(relay.requests("vendor", "too_large"), 2);
    assert_eq!(relay.stored(), 1);
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_sends_its_whole_body_first() {
    let relay = Relay::start(vec![vendor()]).await;
    let body = vec![b'x'; 500_000];
    let answer = relay.post(&body).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.header("connection"), Some("close"));

    // What fits into the discarded part costs the sender no connection.
    let mut stream = relay.connect().await;
    let sent = request("/hooks/vendor", "", vec![b'x'; 60_000]);
    for _ in 0..2 {
        stream.write_all(&sent).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("connection"), None);
    }
}

#[tokio::test]
async fn a_client_that_waits_for_permission_is_refused_without_sending() {
    let relay = Relay::start(vec![vendor()]).await;
    let headers = "Expect: 100-continue\r\nContent-Length: 50\r\n";
    let wrong = format!("POST /hooks/vendor HTTP/1.1\r\n{headers}\r\n");
    let answer = relay.send(wrong).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("connection"), Some("close"));

    let mut stream = relay.connect().await;
    let headers = "Expect: 100-continue\r\nContent-Length: 2\r\n";
    stream.write_all(&raw(headers, b"")).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 100);
    stream.write_all(b"{}").await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 200);
}

#[tokio::test]
async fn chunks_are_put_together_and_broken_ones_are_refused() {
    let relay = Relay::start(vec![vendor()]).await;
    let chunked = |body: &[u8]| raw("Transfer-Encoding: chunked\r\n", body);
    let good = chunked(b"1\r\n{\r\n6;x=y\r\n\"a\":1}\r\n0\r\nTrailer: x\r\n\r\n");
    assert_eq!(relay.send(good).await.status, 200);
    let payload = relay.log.events.lock().unwrap()[0].payload.clone();
    assert_eq!(payload, "{\"a\":1}");
    let answer = relay.send(chunked(b"zz\r\n{}\r\n0\r\n\r\n")).await;
    assert_eq!(answer.status, 400);
    assert_eq!(relay.requests("vendor", "malformed"), 1);
    assert_eq!(relay.send(chunked(b"0\r\n\r\n")).await.status, 400);
    assert_eq!(relay.stored(), 1);
}

#[tokio::test]
async fn a_length_that_lies_stores_nothing() {
    let relay = Relay::start(vec![vendor()]).await;
    // Fewer bytes than declared, then the end.
    let mut stream = relay.connect().await;
    stream
        .write_all(&raw("Content-Length: 100\r\n", b"{}"))
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    read_to_close(&mut stream).await;
    eventually("counted", || relay.requests("vendor", "aborted") == 1).await;
    // Two lengths, and a length beside chunks: hyper refuses both (request smuggling).
    let two = raw("Content-Length: 2\r\nContent-Length: 3\r\n", b"{}");
    assert_eq!(relay.send(two).await.status, 400);
    assert_eq!(relay.stored(), 0);
    // More bytes than declared are the next request, and none that works.
    let answer = relay
        .send(raw("Content-Length: 2\r\n", b"{}trailing"))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(relay.log.events.lock().unwrap()[0].payload, "{}");
}

#[tokio::test]
async fn only_one_json_value_in_utf8_is_an_event() {
    let relay = Relay::start(vec![vendor()]).await;
    let deep = ["[".repeat(30_000), "]".repeat(30_000)].concat();
    for good in [
        "{}",
        " [1] \n",
        "\"text\"",
        "0",
        "null",
        &deep,
        "\"\\ud800\"",
    ] {
        assert_eq!(relay.post(good).await.status, 200, "{good}");
    }
    let bad: [&[u8]; 11] = [
        b"",
        b" ",
        b"{",
        b"{}{}",
        b"{} x",
        b"{'a':1}",
        b"[1,]",
        b"NaN",
        b"\"\xff\"",
        b"\xef\xbb\xbf{}",
        b"\"\n\"",
    ];
    for bad in bad {
        let answer = relay.post(bad).await;
        assert_eq!(answer.status, 400, "{bad:?}");
        assert_eq!(answer.field("error"), "malformed");
    }
    assert_eq!(relay.requests("vendor", "malformed"), 11);
    assert_eq!(relay.stored(), 7);
}
