//! Proves what a vendor's conventions do at the front door of the real binary: what is a delivery
//! sent again, what is a connectivity test, and how a vendor learns that the URL is its customer's.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::relay::{PATIENCE, Relay, Setup, TOKEN, answer};

const FILE: &str = "[destinations.archive]\nkind = \"file\"\npath = \"archive.jsonl\"";

/// A relay with one source, `vendor`, of this preset.
fn start(preset: &str) -> (Setup, Relay) {
    let setup = Setup::new("", FILE);
    setup.edit("[sources.datatheorem]", "[sources.vendor]");
    setup.edit(
        "preset = \"datatheorem\"",
        &format!("preset = \"{preset}\""),
    );
    let relay = setup.start();
    (setup, relay)
}

async fn requests(relay: &Relay, result: &str) -> f64 {
    let sample =
        format!("siem_relay_ingest_requests_total{{result=\"{result}\",source=\"vendor\"}}");
    relay.metric(&sample).await
}

fn url(relay: &Relay) -> String {
    format!("http://{}/hooks/vendor", relay.address)
}

/// Posts as GitHub does.
async fn github(relay: &Relay, event: &str, delivery: &str, body: Value) -> Value {
    let request = relay
        .client
        .post(url(relay))
        .bearer_auth(TOKEN)
        .header("x-github-event", event)
        .header("x-github-delivery", delivery)
        .body(body.to_string());
    let (status, body) = answer(request.send().await.unwrap()).await;
    assert_eq!(status, 200, "{body}");
    body
}

#[tokio::test]
async fn a_replayed_body_cannot_spend_the_id_of_a_delivery_that_is_yet_to_come() {
    let (setup, relay) = start("github");
    let (old, new) = (json!({"action": "old"}), json!({"action": "new"}));
    let replayed = github(&relay, "dependabot_alert", "d-1", old).await;
    let real = github(&relay, "dependabot_alert", "d-1", new.clone()).await;
    assert_eq!(real["status"], "accepted", "{real}");
    assert_ne!(real["id"], replayed["id"]);
    let again = github(&relay, "dependabot_alert", "d-1", new).await;
    assert_eq!(again["status"], "duplicate", "{again}");
    assert_eq!(again["id"], real["id"]);
    assert_eq!(relay.drained("archive").await["delivered"], 2);
    let stored = setup.text("archive.jsonl");
    assert!(stored.contains("\"new\""), "{stored}");
}

#[tokio::test]
async fn a_header_alone_makes_no_connectivity_test() {
    let (_setup, relay) = start("github");
    let finding = json!({"action": "created", "alert": {"number": 1}});
    github(&relay, "ping", "d-1", finding).await;
    assert_eq!(requests(&relay, "test").await, 0.0);
    let ping = json!({"zen": "Keep it logically awesome.", "hook_id": 1});
    github(&relay, "ping", "d-2", ping).await;
    assert_eq!(requests(&relay, "test").await, 1.0);
}

/// Asks with these request line, headers and body on a socket, as Okta does; status and body.
async fn okta(relay: &Relay, request: &str, more: &str, body: &str) -> (String, String) {
    let text = format!(
        "{request} HTTP/1.1\r\nUser-Agent: Okta-Integrations\r\nAccept: application/json\r\n\
         Host: relay\r\nConnection: close\r\n{more}\r\n{body}"
    );
    let mut stream = TcpStream::connect(relay.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].to_owned(), body.to_owned())
}

#[tokio::test]
async fn okta_gets_its_challenge_back_and_whoever_lacks_the_secret_does_not() {
    let (_setup, relay) = start("okta");
    let hook = "GET /hooks/vendor";
    let secret = format!("Authorization: Bearer {TOKEN}\r\n");
    let challenge = |value: &str| format!("X-Okta-Verification-Challenge: {value}\r\n");
    let value = "Me_rShK8JHsTnbyYrWXCEoMGbM_zsZ6k0hLPZ_Pg";
    for value in [value, r#"a"b\c"#, &"x".repeat(256)] {
        let (status, body) = okta(&relay, hook, &(challenge(value) + &secret), "").await;
        assert_eq!(status, "200", "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body, json!({"verification": value}));
    }
    let asked = challenge(value);
    let (wrong, length) = ("Authorization: Bearer wrong\r\n", "Content-Length: 2\r\n");
    let twice = format!("{asked}{asked}{secret}");
    let long = challenge(&"x".repeat(257)) + &secret;
    let with_body = format!("{asked}{secret}{length}");
    let admitted = format!("{asked}{secret}");
    for (request, headers, body, expected) in [
        (hook, asked.clone(), "", "401"),
        (hook, asked.clone() + wrong, "", "401"),
        (hook, twice, "", "400"),
        (hook, long, "", "400"),
        (hook, challenge("") + &secret, "", "400"),
        (hook, challenge("\u{e9}") + &secret, "", "400"),
        (hook, with_body, "{}", "405"),
        (hook, secret.clone(), "", "405"),
        ("HEAD /hooks/vendor", admitted.clone(), "", "405"),
        ("OPTIONS /hooks/vendor", admitted.clone(), "", "405"),
        ("GET /hooks/vendor/x", admitted.clone(), "", "404"),
    ] {
        let (status, body) = okta(&relay, request, &headers, body).await;
        assert_eq!(status, expected, "{request} {headers} {body}");
        assert!(!body.contains("Me_rShK8"), "{body}");
    }
    for (result, count) in [
        ("challenge", 3.0),
        ("auth_failed", 2.0),
        ("malformed", 4.0),
        ("method", 4.0),
    ] {
        assert_eq!(requests(&relay, result).await, count, "{result}");
    }
    assert_eq!(relay.status().await["journal"]["events"], 0);
    assert!(!relay.log_text().contains("Me_rShK8"));
}

#[tokio::test]
async fn only_a_vendor_that_asks_is_answered() {
    let (_setup, relay) = start("generic");
    let headers =
        format!("X-Okta-Verification-Challenge: abc\r\nAuthorization: Bearer {TOKEN}\r\n");
    let (status, body) = okta(&relay, "GET /hooks/vendor", &headers, "").await;
    assert_eq!(status, "405", "{body}");
    assert_eq!(requests(&relay, "challenge").await, 0.0);
}
