//! Every limit of the front door holds, is answered, and lets go again.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::support::*;

const SHORT: Duration = Duration::from_millis(200);

fn head(length: usize) -> Vec<u8> {
    format!(
        "POST /hooks/vendor HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Length: {length}\r\n\r\n"
    )
    .into_bytes()
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_answered_with_431() {
    let relay = Relay::start(vec![vendor()]).await;
    let many = "X: y\r\n".repeat(10_000);
    let answer = relay.send(request("/hooks/vendor", &many, "{}")).await;
    assert_eq!(answer.status, 431);
    let few = "X: y\r\n".repeat(65);
    let answer = relay.send(request("/hooks/vendor", &few, "{}")).await;
    assert_eq!(answer.status, 431);
    let large = format!("X: {}\r\n", "y".repeat(17_000));
    let answer = relay.send(request("/hooks/vendor", &large, "{}")).await;
    assert_eq!(answer.status, 431);
    let what = "counted";
    eventually(what, || relay.requests("none", "malformed") == 3).await;
    assert_eq!(relay.all_requests(), 3);
}

#[tokio::test]
async fn a_head_limit_below_the_read_buffer_holds_too() {
    let relay = Relay::start_with(vec![vendor()], |server| server.max_header_bytes = 1024).await;
    assert_eq!(relay.post("{}").await.status, 200);
    let large = format!("X: {}\r\n", "y".repeat(2000));
    let answer = relay.send(request("/hooks/vendor", &large, "{}")).await;
    assert_eq!(answer.status, 431);
}

#[tokio::test]
async fn what_is_not_http_is_answered_with_400_and_counted() {
    let relay = Relay::start(vec![vendor()]).await;
    let answer = relay.send("nonsense\r\n\r\n").await;
    assert_eq!(answer.status, 400);
    eventually("counted", || relay.requests("none", "malformed") == 1).await;
}

#[tokio::test]
async fn silent_and_endless_heads_are_closed_in_time() {
    let relay = Relay::start_with(vec![vendor()], |server| server.header_timeout = SHORT).await;
    for begin in ["", "P", "POST /hooks/vendor HTTP/1.1\r\nX: "] {
        let began = Instant::now();
        let mut stream = relay.connect().await;
        stream.write_all(begin.as_bytes()).await.unwrap();
        assert_eq!(read_to_close(&mut stream).await, b"", "{begin}");
        assert!(began.elapsed() >= SHORT, "{begin}");
    }
    eventually("counted", || relay.requests("none", "timeout") == 3).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_being_counted() {
    let relay = Relay::start_with(vec![vendor()], |server| server.header_timeout = SHORT).await;
    let mut stream = relay.connect().await;
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let post = request("/hooks/vendor", &token, "{}");
    stream.write_all(&post).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 200);
    assert_eq!(read_to_close(&mut stream).await, b"");
    relay.post("{}").await;
    assert_eq!(relay.all_requests(), 2);
}

#[tokio::test]
async fn a_body_that_stops_is_answered_with_408() {
    let relay = Relay::start_with(vec![vendor()], |server| server.body_timeout = SHORT).await;
    let mut stream = relay.connect().await;
    stream.write_all(&head(100)).await.unwrap();
    stream.write_all(b"{\"half\":").await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert_eq!(answer.status, 408);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(answer.field("error"), "timeout");
    assert_eq!(relay.requests("vendor", "timeout"), 1);
    assert_eq!(relay.stored(), 0);
}

#[tokio::test]
async fn connections_over_the_limit_are_told_and_the_limit_recovers() {
    let relay = Relay::start_with(vec![vendor()], |server| server.max_connections = 2).await;
    let first = relay.connect().await;
    let second = relay.connect().await;
    let answer = relay.send("").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(relay.requests("none", "overloaded"), 1);
    drop((first, second));
    let deadline = Instant::now() + DEADLINE;
    while relay.post("{}").await.status != 200 {
        assert!(Instant::now() < deadline);
    }
}

#[tokio::test]
async fn body_bytes_over_the_budget_wait_a_second_and_the_budget_recovers() {
    let relay = Relay::start_with(vec![vendor()], |server| {
        server.max_inflight_bytes = 64 * 1024;
    })
    .await;
    // Holds the whole budget with an unfinished body, whose length it leaves open.
    let mut holder = relay.connect().await;
    let open = String::from_utf8(head(0)).unwrap();
    let open = open.replace("Content-Length: 0", "Transfer-Encoding: chunked");
    holder.write_all(open.as_bytes()).await.unwrap();
    holder.write_all(b"2\r\n{}\r\n").await.unwrap();

    let deadline = Instant::now() + DEADLINE;
    let answer = loop {
        assert!(Instant::now() < deadline, "the budget is never exhausted");
        // The holder may not have been read yet when the first of these comes in.
        let began = Instant::now();
        let answer = relay.post("{}").await;
        if answer.status != 200 {
            assert!(began.elapsed() >= Duration::from_millis(900));
            break answer;
        }
    };
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.field("error"), "overloaded");
    assert_eq!(relay.requests("vendor", "overloaded"), 1);

    holder.write_all(b"0\r\n\r\n").await.unwrap();
    assert_eq!(read_answer(&mut holder).await.status, 200);
    assert_eq!(relay.post("{}").await.status, 200);
}

#[tokio::test]
async fn the_budget_is_held_until_the_append_is_done() {
    let relay = Relay::start_with(vec![vendor()], |server| {
        server.max_inflight_bytes = 1000;
    })
    .await;
    relay.block();
    let mut gone = relay.connect().await;
    let body = format!("\"{}\"", "x".repeat(998));
    gone.write_all(&head(body.len())).await.unwrap();
    gone.write_all(body.as_bytes()).await.unwrap();
    relay.begun(1).await;
    drop(gone);
    eventually("counted", || relay.requests("vendor", "aborted") == 1).await;
    assert_eq!(relay.post("{}").await.status, 503);
    relay.release();
    eventually("stored", || relay.stored() == 1).await;
    assert_eq!(relay.post("{}").await.status, 200);
}
