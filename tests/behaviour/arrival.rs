//! Proves that an event arrives at all four kinds of destination with the right bytes, headers
//! and id, that the connectivity test does too, and that one dead destination delays nobody.

use serde_json::{Value, json};

use crate::fake_http::Received;
use crate::relay::Relay;
use crate::siem::{Four, NAMES, SECRETS, file_ids};

const VIOLATION: &str = include_str!("../fixtures/datatheorem/policy-violation-resolved.json");
const CONNECTIVITY_TEST: &str = r#"{"event": "Hello, world!"}"#;

struct World {
    siems: Four,
    relay: Relay,
}

async fn world() -> World {
    let siems = Four::willing().await;
    let relay = siems.setup.start();
    World { siems, relay }
}

impl World {
    /// The one request that each HTTP destination got.
    async fn requests(&self) -> [Received; 3] {
        for name in NAMES {
            self.relay.drained(name).await;
        }
        let siems = &self.siems;
        [&siems.hec, &siems.elastic, &siems.http].map(|siem| siem.server.received().remove(0))
    }
}

#[tokio::test]
async fn a_policy_violation_arrives_everywhere_with_the_right_bytes_and_headers() {
    let world = world().await;
    let id = world.relay.accepted(VIOLATION).await;
    let [hec, elastic, http] = world.requests().await;

    assert_eq!(
        (hec.method.as_str(), hec.path.as_str()),
        ("POST", "/services/collector/event")
    );
    assert_eq!(
        hec.header("authorization"),
        Some(format!("Splunk {}", SECRETS[0].1).as_str())
    );
    assert!(uuid::Uuid::parse_str(hec.header("x-splunk-request-channel").unwrap()).is_ok());
    let start = VIOLATION.find("\"event\": ").unwrap() + "\"event\": ".len();
    let end = VIOLATION.find(",\n  \"time\"").unwrap();
    let expected = format!(
        "{{\"time\":1611733052,\"host\":\"securetheorem.com\",\
         \"source\":\"siem-relay:datatheorem\",\"sourcetype\":\"datatheorem:webhook\",\
         \"index\":\"appsec\",\"event\":{},\"fields\":{{\"siem_relay_id\":\"{id}\"}}}}",
        &VIOLATION[start..end]
    );
    assert_eq!(hec.text().trim_end(), expected);

    assert!(
        elastic.path.starts_with("/_bulk?filter_path="),
        "{}",
        elastic.path
    );
    assert_eq!(elastic.header("content-type"), Some("application/x-ndjson"));
    let text = elastic.text();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let target = "logs-datatheorem.webhook-default";
    assert_eq!(lines[0], json!({"create": {"_index": target, "_id": id}}));
    assert_eq!(lines[1]["@timestamp"], "2021-01-27T07:37:32.000Z");
    assert_eq!(lines[1]["ecs"]["version"], "9.4.0");
    assert_eq!(lines[1]["event"]["id"], id);
    assert_eq!(lines[1]["event"]["original"], VIOLATION);
    assert_eq!(
        lines[1]["rule"]["id"],
        "5c3b1f37-8509-5c6e-abed-6ee9f3497c17"
    );
    assert_eq!(lines.len(), 2);

    assert_eq!(http.path, "/events?tenant=a");
    assert_eq!(http.header("content-type"), Some("application/json"));
    assert_eq!(
        http.header("authorization"),
        Some(format!("Bearer {}", SECRETS[1].1).as_str())
    );
    let events: Value = serde_json::from_slice(&http.body).unwrap();
    assert_eq!(events[0]["id"], id);
    assert_eq!(events[0]["source"], "datatheorem");
    assert_eq!(
        events[0]["event"],
        serde_json::from_str::<Value>(VIOLATION).unwrap()
    );

    let archive = world.siems.setup.text("archive/events.jsonl");
    assert_eq!(archive.lines().count(), 1);
    assert_eq!(file_ids(&archive).into_keys().collect::<Vec<_>>(), [id]);
}

#[tokio::test]
async fn the_connectivity_test_is_answered_marked_and_never_poisons_a_mapping() {
    let world = world().await;
    world.relay.accepted(CONNECTIVITY_TEST).await;
    let [hec, elastic, _] = world.requests().await;
    assert!(hec.text().contains("\"event\":\"Hello, world!\""));
    let text = elastic.text();
    let document: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert!(
        document["event"].is_object(),
        "event must stay an object: {document}"
    );
    assert_eq!(document["event"]["original"], CONNECTIVITY_TEST);
    assert_eq!(document["siem_relay"]["test"], true);
    let tests = "siem_relay_ingest_requests_total{result=\"test\",source=\"datatheorem\"}";
    assert_eq!(world.relay.metric(tests).await, 1.0);
}

#[tokio::test]
async fn a_destination_that_is_down_delays_nobody() {
    let mut world = world().await;
    world.siems.hec.server.stop().await;
    for number in 0..50 {
        world.relay.accepted(format!("{{\"n\":{number}}}")).await;
    }
    for name in ["elastic", "soar", "archive"] {
        let status = world.relay.drained(name).await;
        assert_eq!(status["delivered"], 50);
    }
    let failing = |status: &Value| status["last_error"].is_object();
    let splunk = world.relay.until("splunk", failing).await;
    assert_eq!(
        (&splunk["delivered"], &splunk["backlog_events"]),
        (&json!(0), &json!(50))
    );
    assert!(splunk["oldest_event"].is_string());
    world.siems.hec.server.restart().await;
    assert_eq!(world.relay.drained("splunk").await["delivered"], 50);
    assert_eq!(world.siems.hec.taken().len(), 50);
}
