//! SIEMs reached by HTTP whose protocol is known: an operator writes a place and a key.
//!
//! One engine has the connection, the login and the limits; each intake has a file of its own with
//! what is pure: `encode` (events to a body), `refusal` (what it would cut short or drop while it
//! answers 2xx, and which is therefore never sent) and `judge` (answer to verdict). What a body is
//! counted as and what it is are made by one code, so a batch is never larger than it was thought.
//! `docs/intakes.md` has the limits, their sources, and what each 2xx does not promise.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::client::{self, ANSWER_BYTES, Answer, Client, ClientError, Login, Request, Target};
use super::status;
use super::{Outcome, Pace, Part, Preview, RejectCause, Rendered, Shape, Sink, Verdict};
use crate::secret::Secret;
use crate::settings::{self, Endpoint, IntakePreset};

mod datadog;
mod envelopes;
mod google_secops;
mod graylog;
mod json;
mod judge;
mod logscale;
mod loki;
mod new_relic;
mod sentinel;
mod stamp;
mod sumo_logic;

use json::{Count, Out};

/// What an intake wants rendered.
pub(super) const SHAPE: Shape = Shape::Entry;

/// What is an intake's own; pure.
trait Preset: Send + Sync {
    /// Writes the body of a request with these events, of which there is at least one. `now_ms` is
    /// the time of sending, in Unix milliseconds.
    fn encode(&self, out: &mut dyn Out, batch: &[&Rendered], now_ms: u64);

    /// Why the intake would not keep all of this event although it answered 2xx.
    fn refusal(&self, event: &Rendered) -> Option<String> {
        let _ = event;
        None
    }

    /// What an answer means for each of a request's `events`.
    fn judge(&self, answer: &Answer, events: usize) -> Verdict;
}

/// Delivers to one intake.
pub struct Intake {
    /// Replaced when a URL that is a secret changed.
    reach: ArcSwap<Reach>,
    endpoint: Endpoint,
    secret_url: Option<Secret>,
    /// What the preset adds to the URL.
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    login: Login,
    headers: HeaderMap,
    preset: Box<dyn Preset>,
    /// Most events and bytes of a request, whatever the configuration asks for.
    events_max: usize,
    bytes_max: usize,
}

/// An event of a batch that is to be sent.
struct Waiting<'a> {
    /// Its place in the batch.
    index: usize,
    event: &'a Rendered,
    bytes: usize,
}

/// A client and where it sends to.
struct Reach {
    client: Client,
    target: Target,
}

/// How a preset is set up.
struct Setup {
    preset: Box<dyn Preset>,
    media_type: &'static str,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
}

impl Intake {
    /// Makes the sink; opens no connection.
    pub fn new(settings: &settings::Intake) -> Result<Self, ClientError> {
        let setup = setup(settings);
        let login = Login::new(&settings.auth, &settings.endpoint)?;
        let mut headers = client::content_type(setup.media_type);
        for (name, value) in setup.headers {
            let value = HeaderValue::from_str(&value).map_err(|_| ClientError::Header {
                name: name.to_owned(),
                why: "its value is not printable text",
            })?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let limits = settings.preset.limits();
        let reach = Reach::new(&settings.endpoint, &setup.path, &setup.query)?;
        Ok(Self {
            reach: ArcSwap::from_pointee(reach),
            endpoint: settings.endpoint.clone(),
            secret_url: settings.secret_url.clone(),
            path: setup.path,
            query: setup.query,
            login,
            headers,
            preset: setup.preset,
            events_max: limits.events_max,
            bytes_max: limits.bytes_max,
        })
    }

    /// How many of these go in the next request.
    fn fitting(&self, events: &[Waiting<'_>]) -> usize {
        let mut bytes = 0;
        let fits = |one: &&Waiting<'_>| {
            bytes += one.bytes;
            bytes <= self.bytes_max
        };
        let fitting = events.iter().take(self.events_max).take_while(fits).count();
        fitting.max(1)
    }

    /// One request.
    async fn post(&self, events: &[Waiting<'_>]) -> (Verdict, Pace, Option<u16>, usize) {
        let batch: Vec<_> = events.iter().map(|one| one.event).collect();
        let mut body = Vec::with_capacity(events.iter().map(|one| one.bytes).sum());
        self.preset.encode(&mut body, &batch, now_ms());
        let reach = self.reach.load_full();
        let exchange = reach
            .client
            .post(Request {
                id: None,
                target: &reach.target,
                login: &self.login,
                headers: self.headers.clone(),
                body: Bytes::from(body),
                answer_bytes_max: ANSWER_BYTES,
            })
            .await;
        match exchange.result {
            Ok(answer) => (
                self.preset.judge(&answer, events.len()),
                status::pace(&answer),
                Some(answer.status),
                exchange.wire_bytes,
            ),
            Err(fault) => (fault.verdict(), Pace::Steady, None, exchange.wire_bytes),
        }
    }

    /// Takes a changed URL into use; the last good one stays if it is none.
    fn follow(&self) {
        let Some(secret) = &self.secret_url else {
            return;
        };
        secret.reread();
        let mut endpoint = self.endpoint.clone();
        secret.value().expose_secret().clone_into(&mut endpoint.url);
        match Reach::new(&endpoint, &self.path, &self.query) {
            Ok(reach) => self.reach.store(Arc::new(reach)),
            Err(error) => tracing::warn!(%error, "URL not taken, the last good one stays"),
        }
    }
}

impl Sink for Intake {
    fn shape(&self) -> Shape {
        SHAPE
    }

    fn encoded_bytes(&self, event: &Rendered) -> usize {
        bytes(&*self.preset, event)
    }

    /// Usually one request. An event that must not be sent stands in nobody's way; any other
    /// failure leaves what comes behind it for the next attempt.
    async fn send(&self, batch: &[Rendered]) -> Outcome {
        let mut outcome = Outcome::all(batch.len(), status::behind(), None, 0);
        let mut waiting = Vec::with_capacity(batch.len());
        for (index, (event, verdict)) in batch.iter().zip(&mut outcome.verdicts).enumerate() {
            match measure(&*self.preset, self.bytes_max, event) {
                Ok(bytes) => waiting.push(Waiting {
                    index,
                    event,
                    bytes,
                }),
                Err(detail) => *verdict = too_large_for_ever(detail.into()),
            }
        }
        let mut rest = waiting.as_slice();
        while !rest.is_empty() {
            let (events, behind) = rest.split_at(self.fitting(rest));
            let (mut verdict, pace, status, wire_bytes) = self.post(events).await;
            outcome.status = status.or(outcome.status);
            outcome.wire_bytes += wire_bytes;
            if pace != Pace::Steady {
                outcome.pace = pace;
            }
            if let (Verdict::Split { detail }, 1) = (&verdict, events.len()) {
                verdict = too_large_for_ever(Arc::clone(detail));
            }
            for one in events {
                if let Some(place) = outcome.verdicts.get_mut(one.index) {
                    place.clone_from(&verdict);
                }
            }
            if !matches!(verdict, Verdict::Delivered { .. } | Verdict::Reject { .. }) {
                break;
            }
            rest = behind;
        }
        outcome
    }

    fn refresh(&self) {
        self.login.reread();
        self.follow();
        self.reach.load().client.refresh();
    }
}

impl Reach {
    fn new(
        endpoint: &Endpoint,
        path: &[String],
        query: &[(&'static str, String)],
    ) -> Result<Self, ClientError> {
        let client = Client::new(endpoint)?;
        let target = if path.is_empty() {
            client.base()
        } else {
            let path: Vec<_> = path.iter().map(String::as_str).collect();
            let query: Vec<_> = query.iter().map(|(k, v)| (*k, v.as_str())).collect();
            client.target(&path, &query)
        };
        Ok(Self { client, target })
    }
}

fn setup(settings: &settings::Intake) -> Setup {
    let path = |path: &str| path.split('/').map(str::to_owned).collect();
    let json = |preset, path| Setup {
        preset,
        media_type: "application/json",
        path,
        query: Vec::new(),
        headers: Vec::new(),
    };
    let window = settings.preset.limits().age_max;
    match &settings.preset {
        IntakePreset::Datadog(datadog) => {
            let preset = datadog::Logs::new(datadog, window);
            json(Box::new(preset), path("api/v2/logs"))
        }
        IntakePreset::SumoLogic(sumo) => Setup {
            media_type: "application/x-ndjson",
            headers: sumo_logic::headers(sumo),
            ..json(Box::new(sumo_logic::Source), Vec::new())
        },
        IntakePreset::Logscale(logscale) => match logscale.input {
            settings::LogscaleInput::Structured => {
                let preset = logscale::Structured::new(logscale);
                json(Box::new(preset), path("api/v1/ingest/humio-structured"))
            }
            settings::LogscaleInput::Connector => Setup {
                media_type: "application/x-ndjson",
                ..json(Box::new(logscale::Connector), Vec::new())
            },
        },
        IntakePreset::Panther => Setup {
            media_type: "application/x-ndjson",
            ..json(Box::new(envelopes::Lines), Vec::new())
        },
        IntakePreset::Loki(loki) => Setup {
            headers: loki::headers(loki),
            ..json(
                Box::new(loki::Push::new(loki, window)),
                path("loki/api/v1/push"),
            )
        },
        IntakePreset::NewRelic(new_relic) => {
            let preset = new_relic::Logs::new(new_relic, window);
            json(Box::new(preset), path("log/v1"))
        }
        IntakePreset::Sentinel(sentinel) => Setup {
            query: vec![("api-version", sentinel::API_VERSION.to_owned())],
            ..json(
                Box::new(sentinel::Stream::new(sentinel, window)),
                sentinel::path(sentinel),
            )
        },
        IntakePreset::GoogleSecops(google) => {
            json(google_secops::preset(google), google_secops::path(google))
        }
        IntakePreset::Graylog(graylog) => json(Box::new(graylog::Gelf::new(graylog)), path("gelf")),
        IntakePreset::ElasticAgent => json(Box::new(envelopes::Array), Vec::new()),
    }
}

/// What is sent for an event alone at this time (Unix milliseconds), or why it is not.
pub(super) fn preview(
    settings: &settings::Intake,
    event: &Rendered,
    now_ms: u64,
) -> Result<Preview, String> {
    let setup = setup(settings);
    let bytes = measure(&*setup.preset, settings.preset.limits().bytes_max, event)?;
    let mut body = Vec::with_capacity(bytes);
    setup.preset.encode(&mut body, &[event], now_ms);
    let mut parts = vec![Part::header(CONTENT_TYPE.as_str(), setup.media_type)];
    let headers = setup.headers.into_iter();
    parts.extend(headers.map(|(name, value)| Part::header(name, value)));
    Ok(Preview {
        parts,
        body: Bytes::from(body),
    })
}

/// Bytes of a request with this event alone, which are at least what it adds to another.
fn bytes(preset: &dyn Preset, event: &Rendered) -> usize {
    let mut count = Count::default();
    preset.encode(&mut count, &[event], event.event.received_ms);
    count.0
}

/// The bytes of an event, or why it must not be sent.
fn measure(preset: &dyn Preset, bytes_max: usize, event: &Rendered) -> Result<usize, String> {
    let bytes = bytes(preset, event);
    let refusal = match bytes > bytes_max {
        true => Some(format!(
            "not sent: it makes a request of {bytes} bytes, the intake takes {bytes_max}"
        )),
        false => preset.refusal(event),
    };
    refusal.map_or(Ok(bytes), Err)
}

fn too_large_for_ever(detail: Arc<str>) -> Verdict {
    Verdict::Reject {
        cause: RejectCause::TooLarge,
        detail,
    }
}

fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}
