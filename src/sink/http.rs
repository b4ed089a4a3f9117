//! Any HTTP endpoint: events in a JSON array, wrapped or not, as JSON lines, one a request, or as
//! CloudEvents.
//!
//! POST is not idempotent, so each request has an `Idempotency-Key` made of its body: the same
//! events give the same key, and where the outcome is unknown the same events are sent again
//! together. What a receiver does with it is its own affair.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::client::{self, ANSWER_BYTES, Client, ClientError, Exchange, Login, Request, Target};
use super::status;
use super::{Outcome, Pace, Part, Preview, RejectCause, Rendered, Shape, Sink, Verdict};
use crate::settings;

mod cloud_events;
mod encode;
mod judge;
mod request_id;

use encode::{BodyDigest, Form};
use judge::Terms;

/// What an endpoint wants rendered.
pub(super) const SHAPE: Shape = Shape::Payload;
/// Headers that the connection or the body's form decides.
const FORBIDDEN_HEADERS: [&str; 4] = [
    "connection",
    "content-encoding",
    "content-length",
    "transfer-encoding",
];
/// Asked on a connection that does not lead to the URL's host (RFC 9110, section 15.5.20).
const MISDIRECTED_REQUEST: u16 = 421;

/// Delivers to one URL.
pub struct Http {
    client: Client,
    target: Target,
    login: Login,
    outline: Outline,
    terms: Terms,
}

/// What requests are made of, whomever they go to.
struct Outline {
    form: Form,
    /// Header with the request's key, where requests have one.
    key: Option<HeaderName>,
    /// Content type, then what the configuration adds or replaces.
    headers: HeaderMap,
}

impl Http {
    /// Makes the sink; opens no connection.
    pub fn new(settings: &settings::Http) -> Result<Self, ClientError> {
        let client = Client::new(&settings.endpoint)?;
        let login = Login::new(&settings.auth, &settings.endpoint)?;
        let outline = Outline::new(settings)?;
        let terms = &settings.terms;
        Ok(Self {
            target: client.base(),
            client,
            login,
            terms: Terms {
                keyed: outline.key.is_some(),
                success_statuses: terms.success_statuses.clone(),
                success: terms.success.clone(),
            },
            outline,
        })
    }

    /// Sends a request with these events; with one, where a request holds one only.
    async fn post(&self, batch: &[Rendered]) -> Outcome {
        let (headers, body) = self.outline.request(batch);
        let signs = self.login.signs();
        let id = signs.then(|| request_id::of(batch, &body));
        let exchange = self
            .client
            .post(Request {
                target: &self.target,
                login: &self.login,
                headers,
                body: Bytes::from(body),
                answer_bytes_max: ANSWER_BYTES,
                id,
            })
            .await;
        self.outcome(exchange, batch.len())
    }

    fn outcome(&self, exchange: Exchange, events: usize) -> Outcome {
        let wire_bytes = exchange.wire_bytes;
        let answer = match exchange.result {
            Ok(answer) => answer,
            Err(fault) => return Outcome::all(events, fault.verdict(), None, wire_bytes),
        };
        if answer.status == MISDIRECTED_REQUEST {
            self.client.reconnect();
        }
        let verdict = judge::judge(&answer, events, &self.terms);
        let mut outcome = Outcome::all(events, verdict, Some(answer.status), wire_bytes);
        outcome.pace = status::pace(&answer);
        outcome
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
            let mut one = self.post(std::slice::from_ref(event)).await;
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

impl Outline {
    fn new(settings: &settings::Http) -> Result<Self, ClientError> {
        let form = Form::new(settings.framing.clone(), settings.envelope);
        let key = settings.terms.idempotency_header.as_deref();
        let key = key.map(header_name).transpose()?;
        let mut headers = client::content_type(form.content_type());
        for (name, value) in &settings.headers {
            let unusable = |why| ClientError::Header {
                name: name.clone(),
                why,
            };
            if sets(&form, key.as_ref(), &name.to_ascii_lowercase()) {
                return Err(unusable("the relay sets it itself"));
            }
            let value = HeaderValue::from_str(value);
            headers.insert(
                header_name(name)?,
                value.map_err(|_| unusable("its value is not printable text"))?,
            );
        }
        Ok(Self { form, key, headers })
    }

    /// Headers and body of a request with these events; with one, where a request holds one only.
    fn request(&self, batch: &[Rendered]) -> (HeaderMap, Vec<u8>) {
        let body = self.form.body(batch);
        let mut headers = self.headers.clone();
        if let [event] = batch {
            self.form.insert_event(&mut headers, event);
        }
        if let Some(name) = &self.key {
            BodyDigest::of(&body).insert(&mut headers, name.clone());
        }
        (headers, body)
    }
}

impl Sink for Http {
    fn shape(&self) -> Shape {
        SHAPE
    }

    fn encoded_bytes(&self, event: &Rendered) -> usize {
        self.outline.form.event_bytes(event)
    }

    async fn send(&self, batch: &[Rendered]) -> Outcome {
        if self.outline.form.is_single() {
            self.send_singly(batch).await
        } else {
            self.post(batch).await
        }
    }

    fn repeats_whole(&self) -> bool {
        self.outline.key.is_some()
    }

    fn refresh(&self) {
        self.login.reread();
        self.client.refresh();
    }
}

/// What is sent for an event alone.
pub(super) fn preview(settings: &settings::Http, event: &Rendered) -> Result<Preview, ClientError> {
    let (headers, body) = Outline::new(settings)?.request(std::slice::from_ref(event));
    let part = |(name, value): (&HeaderName, &HeaderValue)| {
        Part::header(name.as_str(), String::from_utf8_lossy(value.as_bytes()))
    };
    Ok(Preview {
        parts: headers.iter().map(part).collect(),
        body: Bytes::from(body),
    })
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

/// Whether the relay sets a header (lower case) itself in requests of this form.
fn sets(form: &Form, key: Option<&HeaderName>, name: &str) -> bool {
    let of_standard = form.cloud_events().is_some();
    FORBIDDEN_HEADERS.contains(&name)
        || key.is_some_and(|key| key == name)
        || of_standard && (name == "content-type" || name.starts_with("ce-"))
}

fn header_name(name: &str) -> Result<HeaderName, ClientError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| ClientError::Header {
        name: name.to_owned(),
        why: "this is no header name",
    })
}
