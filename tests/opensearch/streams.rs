//! Proves that data streams take events once: ECS events always, events as they came where they
//! have what a data stream asks for.

use serde_json::json;

use crate::between::{Between, Untold};
use crate::fake_http::Reply;
use crate::node::Node;
use crate::oracle::{conflicts, settled};
use crate::poster::{Answered, post, setup};

const STREAM: &str = "logs-relay.tests-default";
const EVENTS: u64 = 100;

async fn with_template(node: &Node) {
    let properties = json!({"@timestamp": {"type": "date"}});
    let template = json!({"settings": {"number_of_replicas": 0},
        "mappings": {"properties": properties}});
    let body = json!({"index_patterns": ["logs-*-*"], "data_stream": {}, "template": template});
    node.put("/_index_template/logs", body).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_stream_made_by_its_template_takes_every_event_once() {
    let Some(node) = Node::start(&[]).await else {
        return;
    };
    with_template(&node).await;
    let untold = Untold::default();
    let (noted, lost) = (untold.clone(), std::sync::Once::new());
    let mut between = Between::closed(&node, move |passing| {
        let answer = passing.as_it_is();
        let mut loses = false;
        lost.call_once(|| loses = true);
        if !loses {
            return answer;
        }
        noted.note(&answer);
        Reply::CloseWithoutAnswer
    })
    .await;
    let keys = format!("data_stream = \"{STREAM}\"\nformat = \"ecs\"");
    let setup = setup(&between.url(), &keys);
    let relay = setup.start();
    let answered = post(&relay, EVENTS).await;
    between.open().await;

    let places = settled((&node, STREAM), (&setup, &relay), &answered).await;
    assert_eq!(places.indexed, answered.len());
    assert!(untold.events() > 0, "no answer was lost");
    assert_eq!(conflicts(&relay).await, untold.events());
    for document in node.documents(STREAM).await {
        assert_eq!(document.source["event"]["id"], document.id);
    }
}

/// The relay always states a time that can be read; a pipeline may spoil it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_a_pipeline_leaves_without_a_good_time_are_dead_letters_beside_the_others() {
    let Some(node) = Node::start(&[]).await else {
        return;
    };
    with_template(&node).await;
    let processors = json!([
        {"json": {"field": "event.original", "target_field": "finding"}},
        {"remove": {"field": "@timestamp"}},
        {"rename": {"field": "finding.time", "target_field": "@timestamp",
            "ignore_missing": true}},
    ]);
    node.put(
        "/_ingest/pipeline/vendors-time",
        json!({ "processors": processors }),
    )
    .await;
    let keys = format!("data_stream = \"{STREAM}\"\npipeline = \"vendors-time\"");
    let setup = setup(&node.url(), &keys);
    let relay = setup.start();
    let mut answered = Answered::new();
    let good = json!({"n": 0, "time": "2026-01-02T03:04:05Z"});
    let none = json!({"n": 1});
    let bad = json!({"n": 2, "time": "yesterday"});
    for (n, event) in [(0, good), (1, none), (2, bad)] {
        answered.insert(relay.accepted(event.to_string()).await, n);
    }

    let places = settled((&node, STREAM), (&setup, &relay), &answered).await;
    let details = places.letters.iter().map(|(id, letter)| {
        assert_eq!(letter["reason"], "rejected");
        (answered[id], letter["detail"].as_str().unwrap())
    });
    let details: Vec<_> = details.collect();
    assert_eq!((places.indexed, details.len()), (1, 2));
    for (n, detail) in details {
        assert!(detail.contains("mapper_parsing_exception"), "{n}: {detail}");
        assert!(
            !detail.contains("yesterday"),
            "it quotes the event: {detail}"
        );
    }
}
