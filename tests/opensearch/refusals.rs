//! Proves that what the server refuses for good costs the refused event alone: a wrong field, an
//! id that spoils the whole request, a missing pipeline.

use serde_json::{Value, json};

use crate::between::{Between, Passing};
use crate::node::Node;
use crate::oracle::settled;
use crate::poster::{NAME, post, setup};

const EVENTS: u64 = 100;
/// The number of the event that is refused.
const BAD: u64 = 37;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_mapping_conflict_in_ten_is_one_dead_letter_with_the_servers_reason() {
    let Some(node) = Node::start(&[]).await else {
        return;
    };
    node.create_index("findings", 1).await;
    // The vendor's own fields become the server's, as teams do it with a pipeline.
    let processor = json!({"json": {"field": "event.original", "target_field": "finding"}});
    node.put(
        "/_ingest/pipeline/unpack",
        json!({"processors": [processor]}),
    )
    .await;
    let mut between = Between::plain(&node).await;
    let setup = setup(
        &between.url(),
        "index = \"findings\"\npipeline = \"unpack\"",
    );
    let relay = setup.start();
    let mut answered = post(&relay, 9).await;
    let body = "{\"n\":\"nine\"}";
    let bad = relay.accepted(body).await;
    answered.insert(bad.clone(), 9);
    between.open().await;

    let places = settled((&node, "findings"), (&setup, &relay), &answered).await;
    let counts = (places.indexed, places.letters.len());
    assert_eq!(counts, (9, 1), "{:#?}", places.letters.first_key_value());
    assert_eq!(between.batches(), [10], "they went in one request");
    let letter = &places.letters[&bad];
    assert_eq!(
        (&letter["reason"], &letter["original"]),
        (&json!("rejected"), &json!(body))
    );
    let detail = letter["detail"].as_str().unwrap();
    let reason =
        "HTTP 400: mapper_parsing_exception: failed to parse field [finding.n] of type [long]";
    assert!(detail.starts_with(reason), "{detail}");
    assert!(
        !detail.contains("nine"),
        "the reason quotes the event: {detail}"
    );
}

/// The relay's ids are always good; one is made too long on its way, for the server's refusal of
/// the whole request. The request names no event, so it is found by halving.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_spoils_the_whole_request_is_found_and_the_others_are_stored() {
    let Some(node) = Node::start(&[]).await else {
        return;
    };
    node.create_index("findings", 1).await;
    let mut between = Between::closed(&node, |passing| {
        let body = with_long_id(&passing);
        passing.with_body(body.into_bytes())
    })
    .await;
    let setup = setup(&between.url(), "index = \"findings\"");
    let relay = setup.start();
    let answered = post(&relay, EVENTS).await;
    between.open().await;

    let places = settled((&node, "findings"), (&setup, &relay), &answered).await;
    let (id, letter) = places.letters.first_key_value().unwrap();
    assert_eq!((places.letters.len(), answered[id]), (1, BAD));
    assert_eq!(letter["reason"], "rejected");
    let detail = letter["detail"].as_str().unwrap();
    assert!(
        detail.contains("action_request_validation_exception"),
        "{detail}"
    );
    let batches = between.batches();
    assert_eq!(batches[0], 100, "the first request has them all");
    let tries = letter["attempts"].as_u64().unwrap();
    assert!(tries < 12, "halving takes few tries, not {tries}");
    println!(
        "{EVENTS} events, {} requests, {tries} with the bad one",
        batches.len()
    );
}

/// The request, with an `_id` of more than 512 bytes for the bad event.
fn with_long_id(passing: &Passing<'_>) -> String {
    let text = passing.request.text();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    for pair in lines.chunks_mut(2) {
        let event: Value = serde_json::from_str(&pair[1]).unwrap();
        let original = event["event"]["original"].as_str().unwrap();
        if original == format!("{{\"n\":{BAD}}}") {
            let mut action: Value = serde_json::from_str(&pair[0]).unwrap();
            action["create"]["_id"] = json!("x".repeat(513));
            pair[0] = action.to_string();
        }
    }
    lines.join("\n") + "\n"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_pipeline_holds_and_goes_on_once_it_is_there() {
    let Some(node) = Node::start(&[]).await else {
        return;
    };
    node.create_index("findings", 1).await;
    let keys = "index = \"findings\"\npipeline = \"appsec\"";
    let setup = setup(&node.url(), keys);
    let relay = setup.start();
    let answered = post(&relay, EVENTS).await;
    let held = |status: &Value| {
        let reason = status["reason"].as_str().unwrap_or_default();
        status["state"] == "held" && reason.contains("pipeline with id [appsec] does not exist")
    };
    relay.until(NAME, held).await;

    let processors = json!([{"set": {"field": "seen", "value": true}}]);
    node.put(
        "/_ingest/pipeline/appsec",
        json!({"processors": processors}),
    )
    .await;
    let places = settled((&node, "findings"), (&setup, &relay), &answered).await;
    assert_eq!(places.indexed, answered.len());
    let documents = node.documents("findings").await;
    assert!(documents.iter().all(|one| one.source["seen"] == true));
}
