//! Elasticsearch and OpenSearch, the `_bulk` endpoint.
//!
//! Every event is a `create` with the relay's id as `_id`: a resend of a stored one answers 409
//! and counts as delivered, which makes an unknown outcome safe to repeat. The answer speaks of
//! each event on its own, by place; a 200 proves nothing before its items were read. Nothing is
//! ever made there but documents: indices, templates and policies are their owner's
//! (`docs/decisions/0016-bulk.md`).

use std::sync::Arc;

use bytes::Bytes;

use super::client::{ClientError, FaultKind, Login, Rota};
use super::{Outcome, Part, Preview, Rendered, Sent, Shape, Sink, Verdict, status};
use crate::settings::Elasticsearch;

mod encode;
mod flavour;
mod judge;
mod node;
mod target;

use encode::Action;
use judge::Posted;
use node::Node;
use target::Targets;

/// What the bulk endpoint wants rendered.
pub(super) const SHAPE: Shape = Shape::Document;
/// Nodes that one batch is sent to, one after another.
const TRIES_MAX: usize = 3;

/// Delivers to one cluster, at one node or several.
pub struct Elastic {
    nodes: Vec<Arc<Node>>,
    rota: Rota,
    login: Login,
    targets: Targets,
    action: Action,
}

/// A batch as it is posted.
struct Posting {
    body: Bytes,
    /// The index of all its events, where it is not in the lines.
    index: Option<Arc<str>>,
    posted: Posted,
}

/// What became of a posting at one node.
struct Attempt {
    outcome: Outcome,
    /// Another node may be fine, and nothing speaks against sending the same there.
    elsewhere: bool,
}

impl Elastic {
    /// Makes the sink; opens no connection.
    pub fn new(settings: &Elasticsearch) -> Result<Self, ClientError> {
        // The nodes differ in nothing but the URL, which is not how tokens are fetched.
        let first = settings.endpoints.first().ok_or(ClientError::Url)?;
        let login = Login::new(&settings.auth, first)?;
        let node = |(at, endpoint)| Node::new(settings, endpoint, at + 1).map(Arc::new);
        let nodes = settings.endpoints.iter().enumerate().map(node);
        Ok(Self {
            nodes: nodes.collect::<Result<_, _>>()?,
            rota: Rota::new(settings.endpoints.len()),
            login,
            targets: Targets::new(settings),
            action: Action::new(settings),
        })
    }

    /// How many events at the batch's beginning can go in one request: with the index in the path,
    /// those of one index.
    fn fitting(&self, batch: &[Rendered]) -> usize {
        let first = batch.first().map(|event| self.targets.name(event));
        match first.filter(|_| !self.action.index) {
            None => batch.len(),
            Some(first) => {
                let alike = |event: &&Rendered| self.targets.name(event) == first;
                batch.iter().take_while(alike).count()
            }
        }
    }

    fn posting(&self, batch: &[Rendered]) -> Posting {
        let first = batch.first().map(|event| self.targets.name(event));
        let partitions = batch.iter().map(|event| self.targets.partition(event));
        Posting {
            body: Bytes::from(self.action.encode(&self.targets, batch)),
            index: first.filter(|_| !self.action.index),
            posted: Posted {
                partitions: partitions.collect(),
            },
        }
    }

    fn choose(&self, tried: &[usize]) -> Option<&Arc<Node>> {
        let number = self.rota.choose(tried, |number| {
            let (node, login) = (self.numbered(number).cloned(), self.login.clone());
            async move {
                match node {
                    Some(node) => node.ask(&login).await,
                    None => false,
                }
            }
        })?;
        self.numbered(number)
    }

    fn numbered(&self, number: usize) -> Option<&Arc<Node>> {
        self.nodes.get(number.checked_sub(1)?)
    }

    async fn attempt(&self, node: &Arc<Node>, posting: &Posting) -> Attempt {
        let index = posting.index.as_deref();
        let exchange = node.post(&self.login, index, posting.body.clone()).await;
        let events = posting.posted.partitions.len();
        let (mut outcome, elsewhere) = match exchange.result {
            Ok(answer) => {
                // What stands before the node answers in its place, or it is starting or leaving.
                let away = matches!(answer.status, 502..=504);
                if away {
                    self.rota.pass_over(node.number, answer.retry_after);
                } else {
                    self.rota.use_again(node.number);
                }
                if node.is_to_be_asked() {
                    let (node, login) = (Arc::clone(node), self.login.clone());
                    self.rota.aside(async move {
                        node.ask(&login).await;
                    });
                }
                (judge::judge(&answer, &posting.posted), away)
            }
            Err(fault) => {
                let local = matches!(
                    fault.kind,
                    FaultKind::Credential | FaultKind::Token { .. } | FaultKind::ProxyLogin
                );
                if !local {
                    self.rota.pass_over(node.number, None);
                }
                let outcome = Outcome::all(events, fault.verdict(), None, 0);
                // A second silence as long as the first would only make the batch late.
                (outcome, !local && fault.kind != FaultKind::Timeout)
            }
        };
        outcome.wire_bytes = exchange.wire_bytes;
        // With ids a repeat does no harm, so what nobody knows may be repeated at once.
        let is_safe = self.action.id || outcome.verdicts.iter().all(|one| is_retry(one, Sent::No));
        let is_open = outcome.verdicts.iter().all(is_any_retry);
        Attempt {
            outcome,
            elsewhere: elsewhere && is_open && is_safe,
        }
    }
}

impl Sink for Elastic {
    fn shape(&self) -> Shape {
        SHAPE
    }

    fn encoded_bytes(&self, event: &Rendered) -> usize {
        self.action.bytes(&self.targets, event)
    }

    async fn send(&self, batch: &[Rendered]) -> Outcome {
        let (fitting, rest) = batch.split_at(self.fitting(batch));
        let posting = self.posting(fitting);
        let mut tried = Vec::new();
        let mut last: Option<Outcome> = None;
        let (mut wire_bytes, mut unsure) = (0, false);
        while tried.len() < TRIES_MAX
            && let Some(node) = self.choose(&tried)
        {
            tried.push(node.number);
            let attempt = self.attempt(node, &posting).await;
            wire_bytes += attempt.outcome.wire_bytes;
            let verdicts = &attempt.outcome.verdicts;
            unsure |= verdicts.iter().any(|one| is_retry(one, Sent::Unknown));
            last = Some(attempt.outcome);
            if !attempt.elsewhere {
                break;
            }
        }
        let mut outcome =
            last.unwrap_or_else(|| Outcome::all(fitting.len(), status::behind(), None, 0));
        if unsure {
            // One of the nodes may have taken what the last one certainly did not.
            for verdict in &mut outcome.verdicts {
                if let Verdict::Retry { sent, .. } = verdict {
                    *sent = Sent::Unknown;
                }
            }
        }
        outcome.wire_bytes = wire_bytes;
        outcome
            .verdicts
            .extend(rest.iter().map(|_| status::behind()));
        outcome
    }

    fn partition(&self, event: &Rendered) -> Option<Arc<str>> {
        self.targets.partition(event)
    }

    fn refresh(&self) {
        self.login.reread();
        for node in &self.nodes {
            node.refresh();
        }
    }
}

/// What is sent for an event alone.
pub(super) fn preview(settings: &Elasticsearch, event: &Rendered) -> Preview {
    let (targets, action) = (Targets::new(settings), Action::new(settings));
    let index = (!action.index).then(|| Part {
        place: "path",
        name: "index".to_owned(),
        value: targets.name(event).to_string(),
    });
    Preview {
        parts: index.into_iter().collect(),
        body: Bytes::from(action.encode(&targets, std::slice::from_ref(event))),
    }
}

fn is_any_retry(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Retry { .. })
}

fn is_retry(verdict: &Verdict, how: Sent) -> bool {
    matches!(verdict, Verdict::Retry { sent, .. } if *sent == how)
}
