//! Proves that an index that takes nothing for a while loses nothing: blocked by a person or by a
//! full disk, closed, or not there yet.

use serde_json::{Value, json};

use crate::node::Node;
use crate::oracle::{retries, settled};
use crate::poster::{NAME, post, setup};
use crate::relay::Relay;

const EVENTS: u64 = 100;

/// Waits until the destination is in this state, with all of this in its reason.
async fn waits(relay: &Relay, state: &str, words: &[&str]) {
    let as_said = |status: &Value| {
        let reason = status["reason"].as_str().unwrap_or_default();
        status["state"] == state && words.iter().all(|word| reason.contains(word))
    };
    let status = relay.until(NAME, as_said).await;
    assert_eq!(status["dead_lettered"], 0, "{status:#}");
}

/// Sets a block, posts, sees it in status and metrics, lifts it.
async fn block(node: &Node, block: &str, words: &[&str]) {
    let index = block.rsplit('.').next().unwrap();
    node.create_index(index, 1).await;
    let path = format!("/{index}/_settings");
    node.put(&path, json!({ block: true })).await;
    let setup = setup(&node.url(), &format!("index = \"{index}\""));
    let relay = setup.start();
    let answered = post(&relay, EVENTS).await;
    waits(&relay, "backing_off", words).await;
    assert!(retries(&relay, "blocked").await > 0);
    assert_eq!(node.documents(index).await.len(), 0);

    node.put(&path, json!({ block: null })).await;
    let places = settled((node, index), (&setup, &relay), &answered).await;
    assert_eq!(places.indexed, answered.len(), "{block}");
}

#[tokio::test]
async fn a_write_block_delays_and_the_end_of_the_block_is_noticed() {
    let Some(node) = Node::start(&[]).await else {
        return;
    };
    let words = [
        "HTTP 403: cluster_block_exception",
        "index write (api)",
        "lift the block",
    ];
    block(&node, "index.blocks.write", &words).await;
}

#[tokio::test]
async fn the_block_of_a_full_disk_delays_and_its_end_is_noticed() {
    let Some(node) = Node::start(&[]).await else {
        return;
    };
    let words = ["HTTP 429: cluster_block_exception", "free disk space"];
    block(&node, "index.blocks.read_only_allow_delete", &words).await;
}

#[tokio::test]
async fn a_closed_index_holds_and_goes_on_once_it_is_open() {
    let Some(node) = Node::start(&[]).await else {
        return;
    };
    node.create_index("findings", 1).await;
    let (status, answer) = node.call("POST", "/findings/_close", Value::Null).await;
    assert_eq!(status, 200, "{answer}");
    let setup = setup(&node.url(), "index = \"findings\"");
    let relay = setup.start();
    let answered = post(&relay, EVENTS).await;
    waits(
        &relay,
        "held",
        &["index_closed_exception", "open the index"],
    )
    .await;

    let (status, answer) = node.call("POST", "/findings/_open", Value::Null).await;
    assert_eq!(status, 200, "{answer}");
    let places = settled((&node, "findings"), (&setup, &relay), &answered).await;
    assert_eq!(places.indexed, answered.len());
}

#[tokio::test]
async fn a_missing_index_holds_by_name_and_goes_on_once_it_is_made() {
    let Some(node) = Node::start(&["action.auto_create_index=false"]).await else {
        return;
    };
    let setup = setup(&node.url(), "index = \"findings\"");
    let relay = setup.start();
    let answered = post(&relay, EVENTS).await;
    let words = [
        "index_not_found_exception",
        "no such index [findings]",
        "create",
    ];
    waits(&relay, "held", &words).await;

    node.create_index("findings", 1).await;
    let places = settled((&node, "findings"), (&setup, &relay), &answered).await;
    assert_eq!(places.indexed, answered.len());
}
