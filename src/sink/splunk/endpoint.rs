//! One address of HEC: its connections, its channels, and its health.
//!
//! Health says that an indexer takes requests again; it proves neither token nor index, and nothing
//! here takes it for more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderMap;

use super::ack::{self, Said};
use super::channels::Channels;
use crate::sink::client::{
    ANSWER_BYTES, Answer, Client, Exchange, Login, Request, Target, content_type,
};
use crate::sink::{Confirmation, Ticket};

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

    /// Asks for its health: whether it is neither unhealthy nor out of reach. An answer that is no
    /// HEC answer counts as reached: what stands before HEC need not know health, and events are
    /// judged by their own answer.
    pub(super) async fn is_healthy(&self, login: &Login) -> bool {
        let request = Request {
            target: &self.health,
            login,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            answer_bytes_max: ANSWER_BYTES,
            id: None,
        };
        let answer = self.client.get(request).await.result;
        answer.is_ok_and(|Answer { status, .. }| status < 500 && status != 429)
    }

    /// Reads changed certificates again.
    pub(super) fn refresh(&self) {
        self.client.refresh();
    }
}
