//! Proves what a vendor's conventions do at the front door of the real binary: what is a delivery
//! sent again, and what is a connectivity test.

use serde_json::{Value, json};

use crate::relay::{Relay, Setup, TOKEN, answer};

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
        .json(&body);
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
