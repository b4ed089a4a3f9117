//! The front door: takes vendors' webhooks and answers 2xx only for what the log has made durable.
//!
//! The order of checks is the order of cost. What a head alone decides (path, method, declared
//! length and encoding, address, credential) is decided before a byte of body is taken; body
//! bytes are reserved from one budget for all requests before they are read; and the event goes
//! to the log only when the whole body is known to be JSON. Every request ends in exactly one
//! result (see `exchange`), also when its sender leaves in between. A sender who disconnects
//! cancels the answer, never the append, which then goes on alone (see `finish`).
//!
//! A source whose path holds a secret does not exist for those who do not know it: whatever is
//! wrong with the request, they get the 404 of an unknown source.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::EXPECT;
use http::request::Parts;
use http::{Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::event::EventId;
use crate::listener::{Deadlines, Listener, LogLimit, Peer, Refusal};
use crate::settings;
use crate::spool::{Appended, Log, NewEvent};
use crate::telemetry::metrics::{Metrics, NO_SOURCE};

mod auth;
mod body;
mod challenge;
mod client;
mod event;
mod exchange;
mod finish;
mod json;
mod reply;
mod route;
mod source;
#[cfg(test)]
mod tests;

pub use json::is_test;
pub use source::{LastRefusal, SourceStatus, Unwanted, method};

use body::Declared;
use exchange::Exchange;
use finish::Finish;
use reply::{Refused, Taken};
use route::Route;
use source::{Source, Stored, Tally};

/// How long a request waits for its share of `server.max_inflight_bytes`.
const BUDGET_WAIT: Duration = Duration::from_secs(1);
/// How long a sender waits for the log. The append goes on after it; a resend is then marked.
const APPEND_WAIT: Duration = Duration::from_secs(30);
/// Lines per second about refused requests.
const LOG_LINES_PER_SECOND: u32 = 10;

/// Takes requests for all sources and appends their events to one log.
pub struct Ingest<L: Log> {
    /// Path before `/<source>`.
    path: String,
    sources: BTreeMap<String, Arc<Source>>,
    /// Counts requests that belong to no source.
    nobody: Tally,
    trusted_proxies: Vec<IpNet>,
    max_body_bytes: usize,
    body_timeout: Duration,
    /// Body bytes that all requests together may hold, one permit each.
    budget: Arc<Semaphore>,
    budget_bytes: u32,
    log: Arc<L>,
    refusals: LogLimit,
    /// For the waits within a request: budget, body, log.
    deadlines: Deadlines,
}

impl<L: Log> Ingest<L> {
    /// Resolves metric handles, and warns of sources that take events from anybody.
    pub fn new(
        server: &settings::Server,
        sources: &[settings::Source],
        log: Arc<L>,
        metrics: &Metrics,
    ) -> Arc<Self> {
        let budget_bytes = u32::try_from(server.max_inflight_bytes).unwrap_or(u32::MAX);
        let sources = sources
            .iter()
            .map(|source| (source.name.clone(), Source::new(source, metrics)))
            .collect();
        Arc::new(Self {
            path: server.path.clone(),
            sources,
            nobody: Tally::new(NO_SOURCE, metrics.source(NO_SOURCE, 0, false)),
            trusted_proxies: server.trusted_proxies.clone(),
            max_body_bytes: server.max_body_bytes,
            body_timeout: server.body_timeout,
            budget: Arc::new(Semaphore::new(
                usize::try_from(budget_bytes).unwrap_or(usize::MAX),
            )),
            budget_bytes,
            log,
            refusals: LogLimit::new(LOG_LINES_PER_SECOND),
            deadlines: Deadlines::default(),
        })
    }

    /// Serves vendors; see [`Listener::serve`] for `stop` and `force`.
    pub async fn serve(
        self: Arc<Self>,
        listener: Listener,
        stop: CancellationToken,
        force: CancellationToken,
    ) {
        let ingest = Arc::clone(&self);
        let service = move |request, peer| Arc::clone(&ingest).answer(request, peer);
        let refused = move |refusal: Refusal| self.nobody.refused_connection(refusal);
        listener.serve(service, refused, stop, force).await;
    }

    /// Tells when a source was last heard before the relay started; unknown names are ignored.
    pub fn restore_last_event(&self, source: &str, received_ms: u64) {
        if let Some(source) = self.sources.get(source) {
            source.restore_last_event(received_ms);
        }
    }

    /// Tells which of a source's events no destination wants: they are stored, and counted as
    /// unrouted.
    pub fn set_unwanted(&self, source: &str, unwanted: Unwanted) {
        if let Some(source) = self.sources.get(source) {
            source.set_unwanted(unwanted);
        }
    }

    /// What each source has taken and refused since the start, by name.
    pub fn status(&self) -> Vec<SourceStatus> {
        self.sources
            .values()
            .map(|source| source.status())
            .collect()
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Reply {
        let (mut head, mut body) = request.into_parts();
        let route = route::find(&self.path, &self.sources, head.uri.path());
        if let (Route::Health, Method::GET | Method::HEAD) = (route, head.method.clone()) {
            return reply::healthy();
        }
        let client = client::resolve(peer.address.ip(), &head.headers, &self.trusted_proxies);
        let tally = route.source().map_or(&self.nobody, |source| &source.tally);
        let exchange = Exchange::begin(tally, client, &self.refusals);
        let waits_to_send = head.headers.contains_key(EXPECT);
        let taken = self.take(route, &mut head, &mut body, peer, client);
        match taken.await {
            Ok(taken) => {
                exchange.finish(taken.result());
                taken.response(head.headers)
            }
            Err(refused) => {
                exchange.refuse(refused);
                let rest = body::discard(waits_to_send, &mut body).await;
                refused.response(rest)
            }
        }
    }

    /// All checks in their order, then the append, for which the head is emptied.
    async fn take(
        &self,
        route: Route<'_>,
        head: &mut Parts,
        body: &mut Incoming,
        peer: Peer,
        client: IpAddr,
    ) -> Result<Taken, Refused> {
        let (source, slot) = match route {
            Route::Source { source, slot } => (source, slot),
            Route::Health => return Err(Refused::HealthMethod),
            Route::Unknown => return Err(Refused::NotFound),
            Route::WrongCapability(_) => return Err(Refused::WrongCapability),
        };
        let preset = source.settings.preset;
        if challenge::is_asked(preset, head, !body.is_end_stream()) {
            source.check_address(client)?;
            auth::check(&source.settings.auth, slot, &head.headers)?;
            return challenge::answer(preset, &head.headers);
        }
        if head.method != Method::POST {
            return Err(Refused::Method);
        }
        let declared = Declared::check(&head.headers, body.size_hint(), self.max_body_bytes)?;
        source.check_address(client)?;
        let slot = auth::check(&source.settings.auth, slot, &head.headers)?;
        let permit = self.reserve(declared).await?;
        let read = body::read(body, declared, self.max_body_bytes);
        let wire = self.deadlines.within(self.body_timeout, read).await;
        let wire = wire.ok_or(Refused::BodyTimeout)??;
        let received_ms = now_ms();
        let payload = body::decode(wire, declared, self.max_body_bytes).await?;
        let test = json::check(preset, &payload)?
            || (event::says_test(preset, &head.headers) && json::is_ping(preset, &payload));
        let event = event::Arrival {
            source: &source.settings,
            headers: &head.headers,
            peer: peer.address,
            client,
            slot,
            received_ms,
            test,
        }
        .into_event(payload);
        // The head is made of pieces of the connection's read buffer. hyper has a new one by now,
        // so that this one would be kept for nothing while the log works.
        head.uri = Uri::default();
        head.headers.clear();
        self.append(Arc::clone(source), event, permit).await
    }

    /// Takes the request's share of the budget. A request larger than the whole budget takes all
    /// of it: it can then be served alone instead of never.
    async fn reserve(&self, declared: Declared) -> Result<OwnedSemaphorePermit, Refused> {
        let bytes = declared.held_bytes(self.max_body_bytes);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let permits = Arc::clone(&self.budget).acquire_many_owned(bytes.min(self.budget_bytes));
        match self.deadlines.within(BUDGET_WAIT, permits).await {
            Some(Ok(permit)) => Ok(permit),
            // The semaphore is never closed, so both mean that there is no room.
            Some(Err(_)) | None => Err(Refused::Overloaded),
        }
    }

    /// Waits until the event is durable. The permit goes with the append, since that holds the
    /// payload even when nobody waits for the answer any more.
    async fn append(
        &self,
        source: Arc<Source>,
        event: NewEvent,
        permit: OwnedSemaphorePermit,
    ) -> Result<Taken, Refused> {
        let log = Arc::clone(&self.log);
        let append = Finish::new(async move {
            let (id, test) = (event.id, event.provenance.test);
            let about = Stored {
                bytes: event.payload.len(),
                slot: event.provenance.secret_slot,
                test,
                // Asked before the payload and its permit are gone.
                unwanted: source.is_unwanted(&event.payload, &event.provenance),
            };
            let appended = log.append(vec![event]).await;
            drop(permit);
            let appended = appended?.into_iter().next();
            Ok(match appended.ok_or(Refused::LogSilent)? {
                Appended::Stored { duplicate_of, .. } => {
                    source.stored(id, &about);
                    stored(id, duplicate_of, test)
                }
                Appended::Repeat { first } => {
                    source.repeated(id, about.slot);
                    Taken::Repeat { first }
                }
            })
        });
        let taken = self.deadlines.within(APPEND_WAIT, append).await;
        // Not in time: durable or not is unknown, and an event that may not be durable is not
        // accepted.
        taken.unwrap_or(Err(Refused::LogSilent))
    }
}

type Reply = Response<Full<Bytes>>;

fn stored(id: EventId, duplicate_of: Option<EventId>, test: bool) -> Taken {
    if test {
        Taken::Test { id }
    } else {
        Taken::Event { id, duplicate_of }
    }
}

/// The wall clock in Unix milliseconds.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
