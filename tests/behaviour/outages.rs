//! Proves what refusals do: `Retry-After` is obeyed, a refused item is dead-lettered alone, and
//! seconds of 401 or 404 hold the destination and drop nothing.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fake_http::{Received, Reply};
use crate::relay::Setup;
use crate::siem::{Four, Siem, never};

/// How long a destination refuses.
const OUTAGE: Duration = Duration::from_secs(3);

/// Refuses with `reply` from the first request on, for as long as an outage lasts.
fn outage(reply: Reply) -> impl Fn(&Received) -> Option<Reply> + Send + Sync + 'static {
    let began = Mutex::new(None);
    move |_| {
        let began = *began.lock().unwrap().get_or_insert_with(Instant::now);
        (began.elapsed() < OUTAGE).then(|| reply.clone())
    }
}

async fn refuse_everywhere(reply: Reply, cause: &str) {
    let hec = Siem::hec(outage(reply.clone())).await;
    let elastic = Siem::elastic(outage(reply.clone())).await;
    let http = Siem::http(outage(reply)).await;
    let siems = Four::of("", hec, elastic, http);
    let relay = siems.setup.start();
    let mut ids = Vec::new();
    for number in 0..40 {
        ids.push(relay.accepted(format!("{{\"n\":{number}}}")).await);
    }
    for name in ["splunk", "elastic", "soar"] {
        // Between its probes a held destination is seen as held, with the cause in its reason.
        let held = |status: &Value| {
            status["state"] == "held" && status["reason"].as_str().unwrap().starts_with(cause)
        };
        let status = relay.until(name, held).await;
        assert_eq!(status["dead_lettered"], 0);
    }
    for (name, siem) in [
        ("splunk", &siems.hec),
        ("elastic", &siems.elastic),
        ("soar", &siems.http),
    ] {
        let status = relay.drained(name).await;
        assert_eq!(
            (&status["delivered"], &status["dead_lettered"]),
            (&json!(40), &json!(0))
        );
        let taken = siem.taken();
        assert!(
            ids.iter().all(|id| taken.get(id) == Some(&1)),
            "{name}: {taken:?}"
        );
    }
}

#[tokio::test]
async fn three_seconds_of_401_hold_and_drop_nothing() {
    refuse_everywhere(
        Reply::status(401, r#"{"text":"Invalid authorization","code":3}"#),
        "auth",
    )
    .await;
}

#[tokio::test]
async fn three_seconds_of_404_hold_and_drop_nothing() {
    refuse_everywhere(Reply::status(404, "not here"), "url").await;
}

#[tokio::test]
async fn retry_after_is_obeyed_for_429_and_503() {
    for status in [429, 503] {
        let times = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&times);
        let refusal = move |_: &Received| {
            let mut times = seen.lock().unwrap();
            times.push(Instant::now());
            (times.len() == 1).then(|| Reply::status(status, "").header("retry-after", "2"))
        };
        let http = Siem::http(refusal).await;
        let destination = format!(
            "[destinations.soar]\nkind = \"http\"\nurl = \"{}\"\nenvelope = true\n\
             retry_initial = \"20ms\"",
            http.url()
        );
        let setup = Setup::new("", &destination);
        let relay = setup.start();
        relay.accepted("{\"n\":1}").await;
        relay.accepted("{\"n\":2}").await;
        relay.drained("soar").await;
        let times = times.lock().unwrap();
        let waited = times[1] - times[0];
        assert!(waited >= Duration::from_secs(2), "{status}: {waited:?}");
        assert_eq!(http.taken().len(), 2);
    }
}

#[tokio::test]
async fn a_bulk_with_one_refused_item_dead_letters_that_one_only() {
    let refusal = |request: &Received| {
        let text = request.text();
        let bad = |line: &str| line.contains("poison");
        let items: Vec<_> = text
            .lines()
            .skip(1)
            .step_by(2)
            .map(|document| match bad(document) {
                true => json!({"create": {"_index": "i", "status": 400, "error": {
                    "type": "document_parsing_exception",
                    "reason": "failed to parse field [n] of type [long]"}}}),
                false => json!({"create": {"_index": "i", "status": 201}}),
            })
            .collect();
        let answer = json!({"took": 1, "errors": true, "items": items});
        Some(Reply::status(200, answer.to_string()))
    };
    let (hec, elastic, http) = (
        Siem::hec(never).await,
        Siem::elastic(refusal).await,
        Siem::http(never).await,
    );
    let siems = Four::of("", hec, elastic, http);
    let relay = siems.setup.start();
    for number in 0..9 {
        relay.accepted(format!("{{\"n\":{number}}}")).await;
    }
    let id = relay.accepted("{\"n\":\"poison\"}").await;
    let status = relay.drained("elastic").await;
    assert_eq!(
        (&status["delivered"], &status["dead_lettered"]),
        (&json!(9), &json!(1))
    );
    let letters = siems.setup.text("dead-letters/elastic.jsonl");
    assert_eq!(letters.lines().count(), 1);
    let letter: Value = serde_json::from_str(&letters).unwrap();
    assert_eq!(letter["id"], id);
    assert_eq!(letter["original"], "{\"n\":\"poison\"}");
    assert!(
        letter["detail"]
            .as_str()
            .unwrap()
            .contains("document_parsing_exception")
    );
    // The others have the event: a refusal is one destination's matter.
    assert_eq!(relay.drained("splunk").await["delivered"], 10);
    let dead = "siem_relay_dead_letter_events_total{destination=\"elastic\",reason=\"rejected\"}";
    assert_eq!(relay.metric(dead).await, 1.0);
}
