//! Proves that requests beyond the server's limit are split, and that one event beyond it is a dead
//! letter and stops nobody.

use serde_json::json;

use crate::node::Node;
use crate::oracle::settled;
use crate::poster::{Answered, setup};
use crate::relay::Relay;

const EVENTS: u64 = 60;
const LARGE_BYTES: usize = 50_000;
/// More than the server takes at all.
const TOO_LARGE_BYTES: usize = 1_200_000;

async fn post_large(relay: &Relay, too_large: u64) -> Answered {
    let mut answered = Answered::new();
    for n in 0..EVENTS {
        let bytes = if n == too_large {
            TOO_LARGE_BYTES
        } else {
            LARGE_BYTES
        };
        let event = json!({"n": n, "filler": "x".repeat(bytes)});
        answered.insert(relay.accepted(event.to_string()).await, n);
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_beyond_the_servers_limit_is_split_and_one_event_beyond_it_put_aside() {
    let Some(mut node) = Node::start(&["http.max_content_length=1mb"]).await else {
        return;
    };
    for gzip in [false, true] {
        let index = format!("gzip-{gzip}");
        node.create_index(&index, 1).await;
        // While it is away events gather to whole batches.
        node.kill();
        let keys = format!("index = \"{index}\"\ngzip = {gzip}");
        let setup = setup(&node.url(), &keys);
        let relay = setup.start();
        let answered = post_large(&relay, 17).await;
        node.restart().await;

        let places = settled((&node, &index), (&setup, &relay), &answered).await;
        assert_eq!(places.indexed, answered.len() - 1);
        let (id, letter) = places.letters.first_key_value().unwrap();
        assert_eq!((answered[id], &letter["reason"]), (17, &json!("too_large")));
        let split = "siem_relay_delivery_attempts_total{destination=\"search\",result=\"split\"}";
        println!("gzip {gzip}: {} splits", relay.metric(split).await);
    }
}
