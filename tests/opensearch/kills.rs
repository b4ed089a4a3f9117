//! Proves that a server that is killed under load and comes back has every answered event once.

use std::time::Duration;

use crate::node::Node;
use crate::oracle::{conflicts, settled};
use crate::poster::{load, setup};

/// Events a second that are attempted.
const RATE: u64 = 2000;
const LASTS: Duration = Duration::from_secs(5);
/// The server is killed once so many events are in the index.
const BEFORE_THE_KILL: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_under_load_has_every_answered_event_once() {
    let Some(mut node) = Node::start(&[]).await else {
        return;
    };
    node.create_index("findings", 2).await;
    let setup = setup(&node.url(), "index = \"findings\"");
    let relay = setup.start();
    let (answered, ()) = tokio::join!(load(&relay, RATE, LASTS), async {
        node.until_indexed("findings", BEFORE_THE_KILL).await;
        node.kill();
        node.restart().await;
    });
    let places = settled((&node, "findings"), (&setup, &relay), &answered).await;
    assert_eq!(places.indexed, answered.len());
    println!(
        "answered {}, in the index {}, recognised as stored {}",
        answered.len(),
        places.indexed,
        conflicts(&relay).await
    );
}
