//! Any HTTP endpoint: events in a JSON array, as JSON lines, or one a request.
//!
//! POST is not idempotent, so each request has an `Idempotency-Key` made of its body: the same
//! events give the same key. What a receiver does with it, and what its 2xx is worth, is its own
//! affair.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::client::{self, ANSWER_BYTES, Client, ClientError, Exchange, Login, Request, Target};
use super::status;
use super::{Outcome, Pace, RejectCause, Rendered, Shape, Sink, Verdict};
use crate::settings::{self, Framing};

mod encode;
mod judge;

/// Headers that the connection or the body's form decides.
const FORBIDDEN_HEADERS: [&str; 5] = [
    "connection",
    "content-encoding",
    "content-length",
    "idempotency-key",
    "transfer-encoding",
];

/// Delivers to one URL.
pub struct Http {
    client: Client,
    target: Target,
    login: Login,
    framing: Framing,
    envelope: bool,
    /// Content type, then what the configuration adds or replaces.
    headers: HeaderMap,
}

impl Http {
    /// Makes the sink; opens no connection.
    pub fn new(settings: &settings::Http) -> Result<Self, ClientError> {
        let client = Client::new(&settings.endpoint)?;
        let login = Login::new(&settings.auth, &settings.endpoint)?;
        let mut headers = client::content_type(match settings.framing {
            Framing::Ndjson => "application/x-ndjson",
            Framing::Array | Framing::Single => "application/json",
        });
        for (name, value) in &settings.headers {
            let unusable = |why| ClientError::Header {
                name: name.clone(),
                why,
            };
            if FORBIDDEN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                return Err(unusable("the relay sets it itself"));
            }
            let value = HeaderValue::from_str(value);
            headers.insert(
                header_name(name)?,
                value.map_err(|_| unusable("its value is not printable text"))?,
            );
        }
        Ok(Self {
            target: client.base(),
            client,
            login,
            framing: settings.framing,
            envelope: settings.envelope,
            headers,
        })
    }

    async fn post(&self, headers: HeaderMap, body: Vec<u8>) -> Exchange {
        self.client
            .post(Request {
                target: &self.target,
                login: &self.login,
                headers,
                body: Bytes::from(body),
                answer_bytes_max: ANSWER_BYTES,
            })
            .await
    }

    async fn send_together(&self, batch: &[Rendered]) -> Outcome {
        let body = match self.framing {
            Framing::Ndjson => encode::lines(batch, self.envelope),
            Framing::Array | Framing::Single => encode::array(batch, self.envelope),
        };
        let mut headers = self.headers.clone();
        encode::insert_key(&mut headers, &body);
        let exchange = self.post(headers, body).await;
        outcome(exchange, batch.len())
    }

    /// One request per event, in order. A refused event does not stop the ones behind it; any
    /// other failure does, and they follow as soon as the destination is tried again.
    async fn send_singly(&self, batch: &[Rendered]) -> Outcome {
        let mut whole = Outcome {
            verdicts: Vec::with_capacity(batch.len()),
            pace: Pace::Steady,
            status: None,
            wire_bytes: 0,
        };
        for event in batch {
            let body = encode::single(event, self.envelope);
            let mut headers = self.headers.clone();
            encode::insert_key(&mut headers, &body);
            if !self.envelope {
                encode::insert_provenance(&mut headers, event);
            }
            let mut one = outcome(self.post(headers, body).await, 1);
            one.verdicts.iter_mut().for_each(refuse_too_large);
            whole.wire_bytes += one.wire_bytes;
            whole.status = one.status.or(whole.status);
            if one.pace != Pace::Steady {
                whole.pace = one.pace;
            }
            let goes_on = one.verdicts.iter().all(|verdict| {
                matches!(verdict, Verdict::Delivered { .. } | Verdict::Reject { .. })
            });
            whole.verdicts.extend(one.verdicts);
            if !goes_on {
                break;
            }
        }
        whole.verdicts.resize_with(batch.len(), status::behind);
        whole
    }
}

impl Sink for Http {
    fn shape(&self) -> Shape {
        Shape::Payload
    }

    fn encoded_bytes(&self, event: &Rendered) -> usize {
        encode::bytes(event, self.envelope)
    }

    async fn send(&self, batch: &[Rendered]) -> Outcome {
        match self.framing {
            Framing::Array | Framing::Ndjson => self.send_together(batch).await,
            Framing::Single => self.send_singly(batch).await,
        }
    }

    fn refresh(&self) {
        self.login.reread();
        self.client.refresh();
    }
}

/// A request that held one event cannot be split, however many events the batch has.
fn refuse_too_large(verdict: &mut Verdict) {
    if let Verdict::Split { detail } = verdict {
        *verdict = Verdict::Reject {
            cause: RejectCause::TooLarge,
            detail: Arc::clone(detail),
        };
    }
}

fn header_name(name: &str) -> Result<HeaderName, ClientError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| ClientError::Header {
        name: name.to_owned(),
        why: "this is no header name",
    })
}

fn outcome(exchange: Exchange, events: usize) -> Outcome {
    match exchange.result {
        Ok(answer) => {
            let verdict = judge::judge(&answer, events);
            let mut outcome =
                Outcome::all(events, verdict, Some(answer.status), exchange.wire_bytes);
            outcome.pace = status::pace(&answer);
            outcome
        }
        Err(fault) => Outcome::all(events, fault.verdict(), None, exchange.wire_bytes),
    }
}
