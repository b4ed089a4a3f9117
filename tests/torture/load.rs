//! Clients that post as fast as they are answered, to whatever relay runs now.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::relay::{PATIENCE, TOKEN};

const CLIENTS: usize = 24;
/// With it an event has about 1 kB.
const FILLER_BYTES: usize = 1000;

/// The running clients.
pub(crate) struct Load {
    address: watch::Sender<Option<SocketAddr>>,
    clients: JoinSet<()>,
    posted: Arc<Mutex<Posted>>,
}

/// What became of all requests.
#[derive(Default)]
pub(crate) struct Posted {
    /// Ids answered 2xx.
    pub(crate) answered: BTreeSet<String>,
    /// Other answers, by status.
    pub(crate) refused: BTreeMap<u16, usize>,
    /// Requests without an answer.
    pub(crate) broken: usize,
}

impl Load {
    /// Starts clients that wait for a relay.
    pub(crate) fn start() -> Self {
        let (address, known) = watch::channel(None);
        let posted = Arc::new(Mutex::new(Posted::default()));
        let numbers = Arc::new(AtomicU64::new(0));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (posted, numbers) = (Arc::clone(&posted), Arc::clone(&numbers));
            clients.spawn(post(known.clone(), numbers, posted));
        }
        Self {
            address,
            clients,
            posted,
        }
    }

    /// Tells the clients where the relay is; none while there is no relay.
    pub(crate) fn aim_at(&self, address: Option<SocketAddr>) {
        self.address.send_replace(address);
    }

    /// Ends the clients.
    pub(crate) async fn stop(self) -> Posted {
        drop(self.address);
        self.clients.join_all().await;
        std::mem::take(&mut self.posted.lock().unwrap())
    }
}

async fn post(
    mut address: watch::Receiver<Option<SocketAddr>>,
    numbers: Arc<AtomicU64>,
    posted: Arc<Mutex<Posted>>,
) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .unwrap();
    let filler = "x".repeat(FILLER_BYTES);
    loop {
        let Ok(known) = address.wait_for(Option::is_some).await.map(|known| *known) else {
            return;
        };
        let Some(known) = known else { return };
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let request = client
            .post(format!("http://{known}/hooks/datatheorem"))
            .bearer_auth(TOKEN)
            .header("content-type", "application/json")
            .body(format!("{{\"n\":{number},\"filler\":\"{filler}\"}}"));
        let Some((status, id)) = outcome(request).await else {
            posted.lock().unwrap().broken += 1;
            // The relay is dead; the next one has another address.
            if address.changed().await.is_err() {
                return;
            }
            continue;
        };
        let mut posted = posted.lock().unwrap();
        match id {
            Some(id) => assert!(posted.answered.insert(id), "one id was answered twice"),
            None => *posted.refused.entry(status).or_default() += 1,
        }
    }
}

/// Status, and the id of a 2xx; none when the connection broke before a whole answer had come.
async fn outcome(request: reqwest::RequestBuilder) -> Option<(u16, Option<String>)> {
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    let body = response.bytes().await.ok()?;
    let id = (200..300).contains(&status).then(|| {
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["id"].as_str().expect("a 2xx names the id").to_owned()
    });
    Some((status, id))
}
