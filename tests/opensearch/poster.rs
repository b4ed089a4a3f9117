//! A relay that delivers to an index, and the events that it answered.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::relay::{Relay, Setup, TOKEN};

/// The one destination.
pub(crate) const NAME: &str = "search";
const SENDERS: u64 = 8;

/// By the id that the relay answered: the event's number.
pub(crate) type Answered = BTreeMap<String, u64>;

/// A relay for this server; `keys` are further lines of the destination, with its target.
pub(crate) fn setup(url: &str, keys: &str) -> Setup {
    let destination = format!(
        "[destinations.{NAME}]\nkind = \"elasticsearch\"\nurl = \"{url}\"\n\
         retry_initial = \"20ms\"\nretry_max = \"300ms\"\nprobe_interval = \"200ms\"\n{keys}"
    );
    let setup = Setup::new("", &destination);
    setup.edit(
        "max_body = \"256KiB\"",
        "max_body = \"2MiB\"\nmax_connections = 64",
    );
    setup.edit("segment_size = \"1MiB\"", "segment_size = \"8MiB\"");
    setup.edit("max_size = \"64MiB\"", "max_size = \"256MiB\"");
    setup
}

/// Posts `count` events, numbered from 0, one after the other.
pub(crate) async fn post(relay: &Relay, count: u64) -> Answered {
    let mut answered = Answered::new();
    for n in 0..count {
        answered.insert(relay.accepted(json!({"n": n}).to_string()).await, n);
    }
    answered
}

/// Posts numbered events at so many a second, as far as the machine can, for so long.
pub(crate) async fn load(relay: &Relay, rate: u64, lasts: Duration) -> Answered {
    let end = Instant::now() + lasts;
    let url = format!("http://{}/hooks/datatheorem", relay.address);
    let between =
        Duration::from_secs(1) * u32::try_from(SENDERS).unwrap() / u32::try_from(rate).unwrap();
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let request = relay.client.post(&url).bearer_auth(TOKEN);
        let request = request.header("content-type", "application/json");
        senders.spawn(async move {
            let mut pace = tokio::time::interval(between);
            let mut answered = Answered::new();
            let mut n = sender;
            while Instant::now() < end {
                pace.tick().await;
                let body = json!({"n": n}).to_string();
                let request = request.try_clone().unwrap().body(body);
                let (status, answer) = crate::relay::answer(request.send().await.unwrap()).await;
                assert_eq!(status, 200, "{answer}");
                answered.insert(answer["id"].as_str().unwrap().to_owned(), n);
                n += SENDERS;
            }
            answered
        });
    }
    senders.join_all().await.into_iter().flatten().collect()
}
