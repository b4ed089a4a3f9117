//! One address of HEC: its connections, its channels, and whether it is passed over for now.
//!
//! It is passed over after it could not be reached or answered 503, as in a rolling restart. When
//! the pause is over its health is asked for, aside, and no event waits for that. Health says
//! that an indexer takes requests again; it proves neither token nor index, and nothing here
//! takes it for more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderMap;
use tokio::time::Instant;

use super::ack::{self, Said};
use super::channels::Channels;
use crate::sink::client::{
    ANSWER_BYTES, Answer, Client, Exchange, Login, Request, Target, content_type,
};
use crate::sink::{Confirmation, Ticket};

/// First and longest time for which an endpoint is passed over; in between it doubles.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// One address.
pub(super) struct HecEndpoint {
    /// Its place in the configuration, from 1: logs name it by that, not by its URL.
    pub(super) number: usize,
    pub(super) channels: Channels,
    client: Client,
    event: Target,
    health: Target,
    /// Whether the request accepted last came back with an acknowledgement id.
    acknowledges: AtomicBool,
    standing: Mutex<Standing>,
}

/// Whether it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Used,
    /// Passed over until then, after waiting so long.
    PassedOver {
        until: Instant,
        pause: Duration,
    },
    /// Passed over, and its health is being asked for.
    Asked {
        pause: Duration,
    },
}

impl HecEndpoint {
    /// Opens no connection. `keep` is how long tickets are of use.
    pub(super) fn new(client: Client, number: usize, keep: Duration) -> Self {
        Self {
            number,
            channels: Channels::new(keep),
            event: client.target(&["services", "collector", "event"], &[]),
            health: client.target(&["services", "collector", "health"], &[]),
            client,
            acknowledges: AtomicBool::new(false),
            standing: Mutex::new(Standing::Used),
        }
    }

    /// Sends events; with a query to the raw input.
    pub(super) async fn post(
        &self,
        login: &Login,
        query: Option<&[(&'static str, String)]>,
        channel: &HeaderMap,
        body: Bytes,
    ) -> Exchange {
        let raw = query.map(|query| {
            let query: Vec<_> = query.iter().map(|(key, value)| (*key, &**value)).collect();
            self.client
                .target(&["services", "collector", "raw"], &query)
        });
        let media_type = match raw {
            Some(_) => "text/plain; charset=utf-8",
            None => "application/json",
        };
        let mut headers = content_type(media_type);
        headers.extend(channel.clone());
        let request = Request {
            target: raw.as_ref().unwrap_or(&self.event),
            login,
            headers,
            body,
            answer_bytes_max: ANSWER_BYTES,
            id: None,
        };
        self.client.post(request).await
    }

    /// Asks about ids of this endpoint's channels, one channel after another. Ends at the first
    /// question that is not answered: the others would wait as long.
    pub(super) async fn confirm(
        &self,
        login: &Login,
        channels: Vec<(Arc<str>, Vec<u64>)>,
    ) -> Confirmation {
        let mut confirmation = Confirmation::default();
        for (channel, ids) in channels {
            let mut heard = true;
            for part in ids.chunks(ack::IDS_MAX) {
                match self.ask(login, &channel, part).await {
                    Some(Said::Indexed(indexed)) => self.channels.note(&channel, &indexed),
                    Some(Said::Gone) => self.lose(&channel),
                    Some(Said::Nothing) => heard = false,
                    None => {}
                }
                if !heard {
                    break;
                }
            }
            let ticket = |id| Ticket {
                channel: Arc::clone(&channel),
                id,
            };
            match self.channels.indexed(&channel).await {
                Some(mut indexed) => {
                    indexed.retain(|id| ids.contains(id));
                    let indexed = indexed.into_iter().map(ticket);
                    confirmation.confirmed.extend(indexed);
                }
                None => confirmation.lost.extend(ids.into_iter().map(ticket)),
            }
            if !heard {
                break;
            }
        }
        confirmation
    }

    fn lose(&self, channel: &str) {
        tracing::warn!(
            endpoint = self.number,
            "Splunk refuses the channel whose acknowledgements are waited for, or the token's \
             indexer acknowledgement was turned off: what is not acknowledged is sent again"
        );
        self.channels.give_up(channel);
    }

    /// None if the channel is given up.
    async fn ask(&self, login: &Login, channel: &str, ids: &[u64]) -> Option<Said> {
        let mut headers = content_type("application/json");
        headers.extend(self.channels.headers(channel)?);
        let path = ["services", "collector", "ack"];
        let target = self.client.target(&path, &[("channel", channel)]);
        let request = Request {
            target: &target,
            login,
            headers,
            body: ack::question(ids),
            answer_bytes_max: ANSWER_BYTES,
            id: None,
        };
        match self.client.post(request).await.result {
            Ok(answer) => {
                self.channels.update(channel, &answer.cookies);
                let said = ack::judge(&answer, ids);
                if said == Said::Nothing {
                    let status = answer.status;
                    tracing::debug!(endpoint = self.number, status, "no word of acknowledgement");
                }
                Some(said)
            }
            Err(fault) => {
                tracing::debug!(endpoint = self.number, %fault, "no word of acknowledgement");
                Some(Said::Nothing)
            }
        }
    }

    /// Notes whether an accepted request came back with an acknowledgement id.
    pub(super) fn note_acknowledges(&self, acknowledges: bool) {
        self.acknowledges.store(acknowledges, Ordering::Relaxed);
    }

    /// Whether the request accepted last came back with an acknowledgement id.
    pub(super) fn acknowledges(&self) -> bool {
        self.acknowledges.load(Ordering::Relaxed)
    }

    /// Whether it is used.
    pub(super) fn is_used(&self) -> bool {
        *self.standing() == Standing::Used
    }

    /// When its pause ends; now, where there is none.
    pub(super) fn passed_over_until(&self) -> Instant {
        match *self.standing() {
            Standing::PassedOver { until, .. } => until,
            Standing::Used | Standing::Asked { .. } => Instant::now(),
        }
    }

    /// Whether its pause is over and nobody asks for its health. Then the caller does.
    pub(super) fn is_to_be_asked(&self) -> bool {
        let mut standing = self.standing();
        match *standing {
            Standing::PassedOver { until, pause } if until <= Instant::now() => {
                *standing = Standing::Asked { pause };
                true
            }
            _ => false,
        }
    }

    /// Asks for its health, and uses it again unless it is unhealthy or cannot be reached. An
    /// answer that is no HEC answer counts as reached: what stands before HEC need not know
    /// health, and events are judged by their own answer.
    pub(super) async fn ask_health(&self, login: &Login) {
        let request = Request {
            target: &self.health,
            login,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            answer_bytes_max: ANSWER_BYTES,
            id: None,
        };
        match self.client.get(request).await.result {
            Ok(Answer { status, .. }) if status < 500 && status != 429 => self.use_again(),
            _ => self.pass_over(None),
        }
    }

    /// Uses it from now on.
    pub(super) fn use_again(&self) {
        let mut standing = self.standing();
        if *standing != Standing::Used {
            *standing = Standing::Used;
            tracing::info!(endpoint = self.number, "the endpoint is used again");
        }
    }

    /// Passes it over for a while, longer each time, or as long as it wishes within the same
    /// limits.
    pub(super) fn pass_over(&self, wish: Option<Duration>) {
        let mut standing = self.standing();
        let now = Instant::now();
        let before = match *standing {
            Standing::Used => None,
            // Requests that were under way together fail together: that is one failure.
            Standing::PassedOver { until, .. } if until > now => return,
            Standing::PassedOver { pause, .. } | Standing::Asked { pause } => Some(pause),
        };
        let longer = before.map_or(PAUSE_MIN, |pause| pause.saturating_mul(2));
        let pause = wish.unwrap_or(longer).clamp(PAUSE_MIN, PAUSE_MAX);
        if before.is_none() {
            tracing::warn!(
                endpoint = self.number,
                "the endpoint is passed over until it answers again"
            );
        }
        *standing = Standing::PassedOver {
            until: now + pause,
            pause,
        };
    }

    /// Reads changed certificates again.
    pub(super) fn refresh(&self) {
        self.client.refresh();
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        // One value is stored whole, so a panic leaves nothing half done.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
