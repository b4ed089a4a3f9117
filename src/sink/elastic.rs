//! Elasticsearch and OpenSearch, the `_bulk` endpoint.
//!
//! Every event is a `create` with the relay's id as `_id`: a resend of a stored one answers 409
//! and counts as delivered, which makes an unknown outcome safe to repeat. The answer speaks of
//! each event on its own, by place; a 200 proves nothing before its items were read.

use bytes::Bytes;

use super::client::{self, Client, ClientError, Login, Request, Target};
use super::{Outcome, Rendered, Shape, Sink};
use crate::settings::{Elasticsearch, ElasticsearchAuth};

mod encode;
mod judge;

use encode::Action;

/// Only what is judged; without `items.*.status` successes would vanish and places not match.
const FILTER_PATH: &str = "took,errors,items.*.status,items.*._index,items.*.failure_store,\
    items.*.error.type,items.*.error.reason,items.*.error.suppressed.type";
/// An answer has about 100 bytes per stored event, and about 600 per refused one.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Delivers to one index or data stream.
pub struct Elastic {
    client: Client,
    target: Target,
    login: Login,
    action: Action,
}

impl Elastic {
    /// Makes the sink; opens no connection.
    pub fn new(settings: &Elasticsearch) -> Result<Self, ClientError> {
        let client = Client::new(&settings.endpoint)?;
        let login = match &settings.auth {
            ElasticsearchAuth::None => Login::None,
            ElasticsearchAuth::ApiKey(key) => Login::Scheme("ApiKey", key.clone()),
            ElasticsearchAuth::Bearer(token) => Login::Scheme("Bearer", token.clone()),
            ElasticsearchAuth::Basic { user, password } => Login::Basic {
                user: user.clone(),
                password: password.clone(),
            },
        };
        login.check()?;
        let mut query = vec![("filter_path", FILTER_PATH)];
        if let Some(pipeline) = &settings.pipeline {
            query.push(("pipeline", pipeline));
        }
        Ok(Self {
            target: client.target(&["_bulk"], &query),
            client,
            login,
            action: Action::new(&settings.target),
        })
    }
}

impl Sink for Elastic {
    fn shape(&self) -> Shape {
        Shape::Document
    }

    fn encoded_bytes(&self, event: &Rendered) -> usize {
        self.action.bytes(event)
    }

    async fn send(&self, batch: &[Rendered]) -> Outcome {
        let exchange = self
            .client
            .post(Request {
                target: &self.target,
                login: &self.login,
                headers: client::content_type("application/x-ndjson"),
                body: Bytes::from(self.action.encode(batch)),
                answer_bytes_max: ANSWER_BYTES_MAX,
                id: None,
            })
            .await;
        let mut outcome = match exchange.result {
            Ok(answer) => judge::judge(&answer, batch.len(), self.action.target()),
            Err(fault) => Outcome::all(batch.len(), fault.verdict(), None, 0),
        };
        outcome.wire_bytes = exchange.wire_bytes;
        outcome
    }

    fn refresh(&self) {
        self.login.reread();
        self.client.refresh();
    }
}
