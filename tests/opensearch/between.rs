//! A way to the node that a test watches and disturbs: what comes in goes on to the node, unless
//! the test's rule does something else.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::runtime::Handle;

use crate::fake_http::{FakeHttp, Received, Reply};
use crate::node::Node;

/// What a rule gets: the request, and the way on.
pub(crate) struct Passing<'a> {
    pub(crate) request: &'a Received,
    node: &'a str,
    client: &'a reqwest::Client,
}

/// The way. Dropping it closes it.
pub(crate) struct Between {
    pub(crate) server: FakeHttp,
}

impl Between {
    /// A closed way: connections are refused until [`Between::open`]. Needs a runtime with several
    /// threads.
    pub(crate) async fn closed(
        node: &Node,
        rule: impl Fn(Passing<'_>) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let url = node.url();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let serve = move |request: &Received| {
            let passing = Passing {
                request,
                node: &url,
                client: &client,
            };
            // The server wants its answer at once, and the node is asked for it.
            tokio::task::block_in_place(|| rule(passing))
        };
        let mut server = FakeHttp::start(serve).await;
        server.stop().await;
        Self { server }
    }

    /// One that changes nothing.
    pub(crate) async fn plain(node: &Node) -> Self {
        Self::closed(node, |passing| passing.as_it_is()).await
    }

    pub(crate) async fn open(&mut self) {
        self.server.restart().await;
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Events of each bulk so far. The relay also asks what product the node is.
    pub(crate) fn batches(&self) -> Vec<usize> {
        let received = self.server.received();
        let events = |request: &Received| request.text().lines().count() / 2;
        let counts = received.iter().map(events);
        counts.filter(|events| *events > 0).collect()
    }
}

impl Passing<'_> {
    /// The node's answer to the request.
    pub(crate) fn as_it_is(&self) -> Reply {
        self.with_body(self.request.body.clone())
    }

    /// The node's answer to another body.
    pub(crate) fn with_body(&self, body: Vec<u8>) -> Reply {
        let (status, text) = Handle::current().block_on(async {
            let answer = self
                .client
                .post(format!("{}{}", self.node, self.request.path))
                .header("content-type", "application/x-ndjson")
                .body(body)
                .send()
                .await
                .unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        });
        Reply::status(status, text)
    }
}

/// Counts events that were stored although their sender is not told.
#[derive(Clone, Default)]
pub(crate) struct Untold(Arc<Mutex<usize>>);

impl Untold {
    /// Takes note of an answer that its sender will not get.
    pub(crate) fn note(&self, answer: &Reply) {
        let Reply::Answer { body, .. } = answer else {
            panic!("no answer: {answer:?}");
        };
        let answer: Value = serde_json::from_slice(body).unwrap();
        let items = answer["items"].as_array().unwrap();
        let created = items.iter().filter(|item| item["create"]["status"] == 201);
        *self.0.lock().unwrap() += created.count();
    }

    pub(crate) fn events(&self) -> usize {
        *self.0.lock().unwrap()
    }
}
