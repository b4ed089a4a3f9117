//! Splunk HTTP Event Collector, the `/event` endpoint.
//!
//! One request holds envelopes one after another; one answer speaks for all of them. HEC has no
//! idempotency, so each event carries its id as the indexed field `siem_relay_id`. A 200 means
//! that Splunk has taken the events, not that they are indexed; indexer acknowledgement is not
//! waited for by this version, and a token that uses it is reported once.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use super::client::{self, ANSWER_BYTES, Client, ClientError, Login, Request, Target};
use super::{Outcome, Rendered, Shape, Sink};
use crate::settings::SplunkHec;

mod encode;
mod judge;

use encode::Envelope;
use judge::Posted;

/// A token with indexer acknowledgement demands it, others ignore it.
const CHANNEL: HeaderName = HeaderName::from_static("x-splunk-request-channel");

/// Delivers to one HEC endpoint.
pub struct Splunk {
    /// The destination's name, for logs.
    name: String,
    client: Client,
    target: Target,
    login: Login,
    /// Content type, and the channel: a new GUID with each start.
    headers: HeaderMap,
    envelope: Envelope,
    /// Whether the unawaited acknowledgement was reported.
    acknowledgement_reported: AtomicBool,
}

impl Splunk {
    /// Makes the sink; opens no connection.
    pub fn new(settings: &SplunkHec, name: &str) -> Result<Self, ClientError> {
        let client = Client::new(&settings.endpoint)?;
        let login = Login::Scheme("Splunk", settings.token.clone());
        login.check()?;
        let mut headers = client::content_type("application/json");
        let channel = Uuid::new_v4().hyphenated().to_string();
        if let Ok(channel) = HeaderValue::from_str(&channel) {
            headers.insert(CHANNEL, channel);
        }
        Ok(Self {
            name: name.to_owned(),
            target: client.target(&["services", "collector", "event"], &[]),
            client,
            login,
            headers,
            envelope: Envelope::new(settings),
            acknowledgement_reported: AtomicBool::new(false),
        })
    }

    fn report_acknowledgement(&self) {
        if !self.acknowledgement_reported.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                destination = self.name,
                "the token uses indexer acknowledgement, which this version does not wait for: \
                 events count as delivered when Splunk answers 200; turn it off for this token"
            );
        }
    }
}

impl Sink for Splunk {
    fn shape(&self) -> Shape {
        Shape::HecEvent
    }

    fn encoded_bytes(&self, event: &Rendered) -> usize {
        self.envelope.bytes(event)
    }

    async fn send(&self, batch: &[Rendered]) -> Outcome {
        let body = self.envelope.encode(batch);
        let posted = Posted {
            events: batch.len(),
            body_bytes: body.len(),
            index: self.envelope.index(),
        };
        let exchange = self
            .client
            .post(Request {
                target: &self.target,
                login: &self.login,
                headers: self.headers.clone(),
                body: Bytes::from(body),
                answer_bytes_max: ANSWER_BYTES,
            })
            .await;
        let mut outcome = match exchange.result {
            Ok(answer) => {
                let judged = judge::judge(&answer, &posted);
                if judged.acknowledgement {
                    self.report_acknowledgement();
                }
                judged.outcome
            }
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
