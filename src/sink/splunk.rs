//! Splunk HTTP Event Collector.
//!
//! One request holds envelopes one after another; one answer speaks for all of them. HEC has no
//! idempotency, so each event carries its id as the indexed field `siem_relay_id`. A 200 means
//! that Splunk has taken the events. If it comes with an acknowledgement id, they are delivered
//! once Splunk says that they are indexed (`docs/decisions/0011-hec-acknowledgement.md`).

use std::sync::Arc;

use bytes::Bytes;

use super::client::{ClientError, FaultKind, Login};
use super::status;
use super::{
    Confirmation, Confirming, Outcome, Part, Preview, Rendered, RetryCause, Sent, Shape, Sink,
    Ticket, Verdict,
};
use crate::settings::{Acknowledgement, HecInput, PartialBatches, SplunkHec};

mod ack;
mod channels;
mod encode;
mod endpoint;
mod endpoints;
mod indexes;
mod jar;
mod judge;
mod raw;

use channels::Lease;
use encode::Envelope;
use endpoint::HecEndpoint;
use endpoints::Endpoints;
use indexes::Partitions;
use judge::{Judged, Numbers, Posted};
use raw::Raw;

/// Endpoints that one batch is sent to, one after another, where each certainly took nothing.
const TRIES_MAX: usize = 3;

/// Delivers to one HEC, at one address or several.
pub struct Splunk {
    /// The destination's name, for logs.
    name: String,
    endpoints: Endpoints,
    login: Login,
    form: Form,
    partitions: Partitions,
    partial_batches: PartialBatches,
    acknowledgement: Acknowledgement,
}

/// How events are written.
enum Form {
    Event(Envelope),
    Raw(Raw),
}

/// Names and values of a query.
type Query = Vec<(&'static str, String)>;

/// A batch as it is posted.
struct Posting {
    events: usize,
    body: Bytes,
    /// The raw input's metadata.
    query: Option<Query>,
    /// The part of the destination that all its events go to.
    partition: Option<Arc<str>>,
}

/// What became of a posting at one endpoint.
struct Attempt {
    outcome: Outcome,
    /// Nothing was taken there, and another endpoint may be fine.
    elsewhere: bool,
}

impl Splunk {
    /// Makes the sink; opens no connection.
    pub fn new(settings: &SplunkHec, name: &str) -> Result<Self, ClientError> {
        let login = Login::Scheme("Splunk", settings.token.clone());
        let acknowledgement = settings.acknowledgement;
        // What the last request before a change of channel leaves open is asked about until it
        // is sent again, and that may be one question late.
        let keep = acknowledgement.timeout + acknowledgement.interval;
        let endpoints = Endpoints::new(&settings.endpoints, login.clone(), keep)?;
        login.check()?;
        Ok(Self {
            name: name.to_owned(),
            endpoints,
            login,
            form: Form::new(settings),
            partitions: Partitions::new(settings),
            partial_batches: settings.partial_batches,
            acknowledgement,
        })
    }

    fn posting(&self, batch: &[Rendered]) -> Posting {
        let (body, query) = self.form.encode(batch);
        let mut parts = batch.iter().map(|event| self.partitions.of(event));
        let first = parts.next().flatten();
        let alike = parts.all(|part| part == first);
        Posting {
            events: batch.len(),
            body: Bytes::from(body),
            query,
            partition: first.filter(|_| alike),
        }
    }

    /// How many events at the batch's beginning can go in one request: of the raw input, those
    /// with the same metadata.
    fn fitting(&self, batch: &[Rendered]) -> usize {
        match (&self.form, batch.first()) {
            (Form::Raw(_), Some(first)) => {
                let part = self.partitions.of(first);
                let alike = |event: &&Rendered| self.partitions.of(event) == part;
                batch.iter().take_while(alike).count()
            }
            _ => batch.len(),
        }
    }

    async fn attempt(&self, endpoint: &HecEndpoint, posting: &Posting) -> Attempt {
        let lease = endpoint.channels.take();
        let query = posting.query.as_deref();
        let body = posting.body.clone();
        let exchange = endpoint.post(&self.login, query, &lease.headers, body);
        let exchange = exchange.await;
        let (mut outcome, mut elsewhere) = match exchange.result {
            Ok(answer) => {
                lease.update(&answer.cookies);
                let judged = judge::judge(&answer, &self.posted(endpoint, &lease, posting));
                if answer.status == 503 {
                    self.endpoints.pass_over(endpoint, answer.retry_after);
                } else {
                    self.endpoints.use_again(endpoint);
                }
                if answer.is_success() && judged.is_hec {
                    endpoint.note_acknowledges(judged.ack_id.is_some());
                }
                (self.believed(&lease, judged), answer.status == 503)
            }
            Err(fault) => {
                let unsent = matches!(fault.kind, FaultKind::Connect | FaultKind::Tls);
                if fault.kind != FaultKind::Credential {
                    self.endpoints.pass_over(endpoint, None);
                }
                let outcome = Outcome::all(posting.events, fault.verdict(), None, 0);
                (outcome, unsent)
            }
        };
        // The server may have restarted, or given an id that nobody has seen.
        if elsewhere
            || outcome
                .verdicts
                .iter()
                .any(|one| is_retry(one, Sent::Unknown))
        {
            lease.retire();
        }
        elsewhere &= outcome.verdicts.iter().all(|one| is_retry(one, Sent::No));
        outcome.wire_bytes = exchange.wire_bytes;
        Attempt { outcome, elsewhere }
    }

    fn posted<'a>(
        &self,
        endpoint: &HecEndpoint,
        lease: &'a Lease<'_>,
        posting: &'a Posting,
    ) -> Posted<'a> {
        Posted {
            events: posting.events,
            body_bytes: posting.body.len(),
            partition: posting.partition.as_ref(),
            numbers: match (&self.form, self.partial_batches) {
                (Form::Raw(_), _) => Numbers::Meaningless,
                (Form::Event(_), PartialBatches::PrefixAccepted) => Numbers::PrefixAccepted,
                (Form::Event(_), PartialBatches::AllRejected) => Numbers::AllRejected,
            },
            channel: lease.name(),
            acknowledges: endpoint.acknowledges(),
        }
    }

    /// The outcome, unless its acknowledgement id stands for another batch already.
    fn believed(&self, lease: &Lease<'_>, judged: Judged) -> Outcome {
        let mut outcome = judged.outcome;
        let Some(Err(repeated)) = judged.ack_id.map(|id| lease.give(id)) else {
            return outcome;
        };
        if repeated.divided {
            tracing::warn!(
                destination = self.name,
                "acknowledgement ids of one channel come from several indexers: each request now \
                 gets a channel of its own; let the load balancer keep a client at one indexer by \
                 a cookie, or list the indexers under urls"
            );
        }
        for verdict in &mut outcome.verdicts {
            if matches!(verdict, Verdict::Pending { .. }) {
                *verdict = Verdict::Retry {
                    after: None,
                    sent: Sent::Unknown,
                    cause: RetryCause::BadAnswer,
                    detail: Arc::from(
                        "the acknowledgement id was given before on this channel: another indexer \
                         answers, or it has restarted",
                    ),
                };
            }
        }
        outcome
    }
}

impl Form {
    fn new(settings: &SplunkHec) -> Self {
        match settings.input {
            HecInput::Event => Self::Event(Envelope::new(settings)),
            HecInput::Raw => Self::Raw(Raw::new(settings)),
        }
    }

    fn shape(&self) -> Shape {
        match self {
            Self::Event(_) => Shape::HecEvent,
            Self::Raw(_) => Shape::Payload,
        }
    }

    /// The body of a request with these events, and the raw input's metadata.
    fn encode(&self, batch: &[Rendered]) -> (Vec<u8>, Option<Query>) {
        match self {
            Self::Event(envelope) => (envelope.encode(batch), None),
            Self::Raw(raw) => {
                let query = batch.first().map(|event| raw.query(event));
                (raw.encode(batch), query)
            }
        }
    }
}

impl Sink for Splunk {
    fn shape(&self) -> Shape {
        self.form.shape()
    }

    fn encoded_bytes(&self, event: &Rendered) -> usize {
        match &self.form {
            Form::Event(envelope) => envelope.bytes(event),
            Form::Raw(raw) => raw.bytes(event),
        }
    }

    async fn send(&self, batch: &[Rendered]) -> Outcome {
        let (fitting, rest) = batch.split_at(self.fitting(batch));
        let posting = self.posting(fitting);
        let mut tried = Vec::new();
        let mut last: Option<Outcome> = None;
        let mut wire_bytes = 0;
        while tried.len() < TRIES_MAX
            && let Some(endpoint) = self.endpoints.choose(&tried)
        {
            tried.push(endpoint.number);
            let attempt = self.attempt(endpoint, &posting).await;
            wire_bytes += attempt.outcome.wire_bytes;
            last = Some(attempt.outcome);
            if !attempt.elsewhere {
                break;
            }
        }
        let mut outcome =
            last.unwrap_or_else(|| Outcome::all(posting.events, status::unsent(), None, 0));
        outcome.wire_bytes = wire_bytes;
        outcome
            .verdicts
            .extend(rest.iter().map(|_| status::unsent()));
        outcome
    }

    fn partition(&self, event: &Rendered) -> Option<Arc<str>> {
        self.partitions.of(event)
    }

    /// Always: whether a token uses acknowledgement shows in each answer, and may change.
    fn confirming(&self) -> Option<Confirming> {
        Some(Confirming {
            interval: self.acknowledgement.interval,
            timeout: self.acknowledgement.timeout,
            max_batches: self.acknowledgement.max_batches,
        })
    }

    async fn confirm(&self, tickets: &[Ticket]) -> Confirmation {
        self.endpoints.confirm(tickets).await
    }

    fn refresh(&self) {
        self.login.reread();
        self.endpoints.refresh();
    }
}

/// What HEC wants rendered with these settings.
pub(super) fn shape(settings: &SplunkHec) -> Shape {
    Form::new(settings).shape()
}

/// What is sent for an event alone.
pub(super) fn preview(settings: &SplunkHec, event: &Rendered) -> Preview {
    let (body, query) = Form::new(settings).encode(std::slice::from_ref(event));
    let part = |(name, value): (&str, String)| Part {
        place: "query",
        name: name.to_owned(),
        value,
    };
    Preview {
        parts: query.into_iter().flatten().map(part).collect(),
        body: Bytes::from(body),
    }
}

fn is_retry(verdict: &Verdict, how: Sent) -> bool {
    matches!(verdict, Verdict::Retry { sent, .. } if *sent == how)
}
