//! One node: its connections, and what is known of the product behind them.
//!
//! Each node is told apart for itself, since in a rolling upgrade they differ. `GET /` is asked
//! aside, after a bulk request was answered, and no event waits for it: until it is answered, and
//! where it never is, only what all products take is sent. A parameter that is refused all the
//! same is left out from then on, and the batch goes again at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderMap;
use tokio::time::Instant;

use super::flavour::Flavour;
use crate::settings::{BulkTarget, ElasticFlavour, Elasticsearch, Endpoint};
use crate::sink::client::{
    ANSWER_BYTES, Answer, Client, ClientError, Exchange, Login, Request, content_type,
};

/// Only what is judged; without `items.*.status` successes would vanish and places not match.
const FILTER_PATH: &str = "took,errors,items.*.status,items.*._index,items.*.failure_store,\
    items.*.error.type,items.*.error.reason,items.*.error.suppressed.type";
/// An answer has about 100 bytes per stored event, and about 600 per refused one.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Wait before a node is asked again that did not say what it is, after a restart of it, or after
/// it refused a parameter. It doubles while that goes on, to the longest.
const ASK_PAUSE_MIN: Duration = Duration::from_secs(60);
/// Wait before a node is asked again that said what it is: it may be upgraded.
const ASK_PAUSE_MAX: Duration = Duration::from_secs(3600);

/// One node.
pub(super) struct Node {
    /// Its place in the configuration, from 1: logs name it by that, not by its URL.
    pub(super) number: usize,
    client: Client,
    /// What every product takes.
    query: Vec<(&'static str, String)>,
    to_data_stream: bool,
    stated: ElasticFlavour,
    /// How long an answer may take.
    request_timeout: Duration,
    seen: Mutex<Seen>,
}

/// What was seen of the product.
struct Seen {
    flavour: Flavour,
    /// It refused a parameter that its flavour should take.
    plain: bool,
    asked_at: Option<Instant>,
    /// When to ask next.
    ask_at: Instant,
    /// The last wait after an answer that was of no use.
    pause: Duration,
}

impl Node {
    /// Opens no connection.
    pub(super) fn new(
        settings: &Elasticsearch,
        endpoint: &Endpoint,
        number: usize,
    ) -> Result<Self, ClientError> {
        let mut query = vec![("filter_path", FILTER_PATH.to_owned())];
        if let Some(pipeline) = &settings.pipeline {
            query.push(("pipeline", pipeline.clone()));
        }
        if settings.require_alias {
            query.push(("require_alias", "true".to_owned()));
        }
        Ok(Self {
            number,
            client: Client::new(endpoint)?,
            query,
            to_data_stream: matches!(
                settings.target,
                BulkTarget::DataStream(_) | BulkTarget::DataStreams(_)
            ),
            stated: settings.flavour,
            request_timeout: endpoint.connect_timeout + endpoint.request_timeout,
            seen: Mutex::new(Seen {
                flavour: Flavour::stated(settings.flavour),
                plain: false,
                asked_at: None,
                ask_at: Instant::now(),
                pause: Duration::ZERO,
            }),
        })
    }

    /// Sends a bulk body, to the index in the path where one is given; with what the node is known
    /// to take, or with only what all take where that is refused.
    pub(super) async fn post(&self, login: &Login, index: Option<&str>, body: Bytes) -> Exchange {
        let parameters = self.parameters();
        let mut exchange = self
            .post_with(login, index, body.clone(), &parameters)
            .await;
        let refused = exchange.result.as_ref().is_ok_and(refuses_a_parameter);
        if refused && !parameters.is_empty() {
            self.refused_a_parameter();
            let before = exchange.wire_bytes;
            exchange = self.post_with(login, index, body, &[]).await;
            exchange.wire_bytes += before;
        }
        match &exchange.result {
            Ok(answer) => self.answered(answer),
            Err(_) => self.may_have_restarted(),
        }
        exchange
    }

    async fn post_with(
        &self,
        login: &Login,
        index: Option<&str>,
        body: Bytes,
        parameters: &[(&'static str, &'static str)],
    ) -> Exchange {
        let always = self.query.iter().map(|(name, value)| (*name, &**value));
        let query: Vec<_> = always.chain(parameters.iter().copied()).collect();
        let path: Vec<&str> = index.into_iter().chain(["_bulk"]).collect();
        let request = Request {
            target: &self.client.target(&path, &query),
            login,
            headers: content_type("application/x-ndjson"),
            body,
            answer_bytes_max: ANSWER_BYTES_MAX,
            id: None,
        };
        self.client.post(request).await
    }

    /// Whether it is time to ask what it is. Then the caller does.
    pub(super) fn is_to_be_asked(&self) -> bool {
        let open = matches!(
            self.stated,
            ElasticFlavour::Auto | ElasticFlavour::Elasticsearch
        );
        let now = Instant::now();
        let mut seen = self.seen();
        if !open || seen.ask_at > now {
            return false;
        }
        seen.asked_at = Some(now);
        // Not again before this question has an answer.
        seen.ask_at = now + self.request_timeout + ASK_PAUSE_MIN;
        true
    }

    /// Asks what it is, and so whether it takes requests: not if it cannot be reached or is
    /// unwell. A login that may not ask is no failure. Amazon OpenSearch Serverless has nothing to
    /// be asked: whether it is well shows with the next batch.
    pub(super) async fn ask(&self, login: &Login) -> bool {
        if self.stated == ElasticFlavour::OpenSearchServerless {
            return true;
        }
        let request = Request {
            target: &self.client.base(),
            login,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            answer_bytes_max: ANSWER_BYTES,
            id: None,
        };
        let result = self.client.get(request).await.result;
        self.told(result.as_ref().map(Flavour::of_root).ok());
        result.is_ok_and(|answer| answer.status < 500 && answer.status != 429)
    }

    /// Reads changed certificates again.
    pub(super) fn refresh(&self) {
        self.client.refresh();
    }

    fn parameters(&self) -> Vec<(&'static str, &'static str)> {
        let seen = self.seen();
        match seen.plain {
            true => Vec::new(),
            false => seen.flavour.parameters(self.to_data_stream),
        }
    }

    /// Takes in what `GET /` said, if it was answered.
    fn told(&self, flavour: Option<Flavour>) {
        let mut seen = self.seen();
        let now = Instant::now();
        let useful =
            flavour.filter(|told| !matches!(told, Flavour::Unknown | Flavour::Elasticsearch(None)));
        seen.ask_at = now
            + match useful {
                Some(_) => ASK_PAUSE_MAX,
                None => seen.lengthen(),
            };
        if let Some(told) = useful {
            seen.become_one(told, self);
            seen.plain = false;
        }
    }

    /// Takes in what any answer says by its header.
    fn answered(&self, answer: &Answer) {
        if answer.status >= 500 {
            self.may_have_restarted();
        }
        let mut seen = self.seen();
        if answer.elastic && matches!(seen.flavour, Flavour::Unknown | Flavour::OpenSearch) {
            seen.become_one(Flavour::Elasticsearch(None), self);
        }
    }

    /// It may come back as another release.
    fn may_have_restarted(&self) {
        let mut seen = self.seen();
        if let Some(asked_at) = seen.asked_at {
            seen.ask_at = seen.ask_at.min(asked_at + ASK_PAUSE_MIN);
        }
    }

    fn refused_a_parameter(&self) {
        let mut seen = self.seen();
        seen.plain = true;
        seen.ask_at = Instant::now() + seen.lengthen();
        tracing::info!(
            endpoint = self.number,
            flavour = ?seen.flavour,
            "the endpoint refuses a parameter of its product: it is left out"
        );
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Each value is stored whole, and any mixture of them is one that can be.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn become_one(&mut self, flavour: Flavour, node: &Node) {
        let may_be = match node.stated {
            ElasticFlavour::Auto => true,
            // Only its release is to be found out.
            ElasticFlavour::Elasticsearch => matches!(flavour, Flavour::Elasticsearch(_)),
            _ => false,
        };
        if !may_be {
            return;
        }
        if self.flavour != flavour {
            tracing::info!(
                endpoint = node.number,
                ?flavour,
                "the endpoint's product is known"
            );
            self.flavour = flavour;
        }
    }

    fn lengthen(&mut self) -> Duration {
        let longer = self.pause.saturating_mul(2);
        self.pause = longer.clamp(ASK_PAUSE_MIN, ASK_PAUSE_MAX);
        self.pause
    }
}

/// Whether the whole request is refused for a parameter, in the words of Elasticsearch and
/// OpenSearch (`BaseRestHandler`).
pub(super) fn refuses_a_parameter(answer: &Answer) -> bool {
    let words = b"unrecognized parameter";
    answer.status == 400 && memchr::memmem::find(&answer.body, words).is_some()
}

#[cfg(test)]
mod tests;
