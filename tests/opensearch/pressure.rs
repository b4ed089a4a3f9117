//! Proves that all three ways in which the server says "too much at once" delay and lose nothing.

use crate::between::Between;
use crate::node::Node;
use crate::oracle::{retries, settled};
use crate::poster::{post, setup};

const EVENTS: u64 = 400;

/// Brings events in many small batches at once to a node with these settings.
async fn press(settings: &[&str], shards: u32, keys: &str) {
    let Some(node) = Node::start(settings).await else {
        return;
    };
    node.create_index("findings", shards).await;
    let mut between = Between::plain(&node).await;
    let keys = format!("index = \"findings\"\n{keys}");
    let setup = setup(&between.url(), &keys);
    let relay = setup.start();
    let answered = post(&relay, EVENTS).await;
    between.open().await;

    let places = settled((&node, "findings"), (&setup, &relay), &answered).await;
    assert_eq!(places.indexed, answered.len());
    let refused = retries(&relay, "rate_limited").await;
    assert!(refused > 0, "the server refused nothing");
    println!("{settings:?}: answered {EVENTS}, all in the index, {refused} refused on the way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexing_pressure_delays_and_loses_nothing() {
    let limit = "indexing_pressure.memory.limit=4kb";
    press(&[limit], 1, "batch_max_events = 20\nmax_in_flight = 16").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_breaker_for_requests_in_flight_delays_and_loses_nothing() {
    let limit = "network.breaker.inflight_requests.limit=5kb";
    press(&[limit], 1, "batch_max_events = 20\nmax_in_flight = 16").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_of_writes_delays_single_events_and_loses_nothing() {
    let settings = ["thread_pool.write.size=1", "thread_pool.write.queue_size=1"];
    press(&settings, 8, "batch_max_events = 20\nmax_in_flight = 16").await;
}
