//! Proves that an event whose delivery nobody confirmed is sent again, and stored once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::between::{Between, Untold};
use crate::fake_http::Reply;
use crate::node::Node;
use crate::oracle::{conflicts, settled};
use crate::poster::{post, setup};
use crate::relay::eventually;

const EVENTS: u64 = 200;
/// Answers that are lost.
const LOST: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_cost_a_conflict_each_and_no_copy() {
    let Some(node) = Node::start(&[]).await else {
        return;
    };
    node.create_index("findings", 1).await;
    let untold = Untold::default();
    let (noted, requests) = (untold.clone(), AtomicUsize::new(0));
    let rule = move |passing: crate::between::Passing<'_>| {
        let answer = passing.as_it_is();
        if requests.fetch_add(1, Ordering::Relaxed) >= LOST {
            return answer;
        }
        noted.note(&answer);
        Reply::CloseWithoutAnswer
    };
    let mut between = Between::closed(&node, rule).await;
    let setup = setup(
        &between.url(),
        "index = \"findings\"\nbatch_max_events = 50",
    );
    let relay = setup.start();
    let answered = post(&relay, EVENTS).await;
    between.open().await;

    let places = settled((&node, "findings"), (&setup, &relay), &answered).await;
    assert_eq!(places.indexed, answered.len());
    assert!(untold.events() > 0, "no answer was lost that mattered");
    assert_eq!(conflicts(&relay).await, untold.events());
    println!(
        "answered {EVENTS}, in the index {}, recognised as stored {}",
        places.indexed,
        untold.events()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_killed_before_it_is_answered_repeats_nothing() {
    let Some(node) = Node::start(&[]).await else {
        return;
    };
    node.create_index("findings", 1).await;
    let silent = Arc::new(AtomicBool::new(true));
    let untold = Untold::default();
    let (noted, keeps) = (untold.clone(), Arc::clone(&silent));
    let rule = move |passing: crate::between::Passing<'_>| {
        let answer = passing.as_it_is();
        if !keeps.load(Ordering::Relaxed) {
            return answer;
        }
        noted.note(&answer);
        Reply::Stall
    };
    let mut between = Between::closed(&node, rule).await;
    let keys = "index = \"findings\"\nbatch_max_events = 50\nmax_in_flight = 1";
    let setup = setup(&between.url(), keys);
    let relay = setup.start();
    let answered = post(&relay, EVENTS).await;
    between.open().await;
    node.until_indexed("findings", 50).await;
    eventually("the node's answer is there", || untold.events() == 50).await;
    relay.kill();

    silent.store(false, Ordering::Relaxed);
    let relay = setup.start();
    let places = settled((&node, "findings"), (&setup, &relay), &answered).await;
    assert_eq!(places.indexed, answered.len());
    assert_eq!(conflicts(&relay).await, 50);
}
