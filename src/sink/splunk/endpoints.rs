//! Several addresses of one HEC: which one takes the next request, and who is asked about what.
//!
//! Turns and pauses are the client's (`rota`); whom to ask for acknowledgement is known here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::endpoint::HecEndpoint;
use crate::settings::Endpoint;
use crate::sink::client::{Client, ClientError, Login, Rota};
use crate::sink::{Confirmation, Ticket};

/// The addresses, at least one.
pub(super) struct Endpoints {
    all: Vec<Arc<HecEndpoint>>,
    login: Login,
    rota: Rota,
}

impl Endpoints {
    /// Opens no connection. `keep` is how long tickets are of use.
    pub(super) fn new(
        settings: &[Endpoint],
        login: Login,
        keep: Duration,
    ) -> Result<Self, ClientError> {
        let clients: Vec<Client> = settings
            .iter()
            .map(Client::new)
            .collect::<Result<_, ClientError>>()?;
        let endpoint = |(at, client)| Arc::new(HecEndpoint::new(client, at + 1, keep));
        Ok(Self {
            all: clients.into_iter().enumerate().map(endpoint).collect(),
            login,
            rota: Rota::new(settings.len()),
        })
    }

    /// The endpoint for the next request. None if those that were `tried` in vain for it are all
    /// that are used; the first request finds one even if none is.
    pub(super) fn choose(&self, tried: &[usize]) -> Option<&Arc<HecEndpoint>> {
        let number = self.rota.choose(tried, |number| {
            let (endpoint, login) = (self.numbered(number).cloned(), self.login.clone());
            async move {
                match endpoint {
                    Some(endpoint) => endpoint.is_healthy(&login).await,
                    None => false,
                }
            }
        })?;
        self.numbered(number)
    }

    /// Passes an endpoint over, if there is another.
    pub(super) fn pass_over(&self, endpoint: &HecEndpoint, wish: Option<Duration>) {
        self.rota.pass_over(endpoint.number, wish);
    }

    /// Uses an endpoint that answered.
    pub(super) fn use_again(&self, endpoint: &HecEndpoint) {
        self.rota.use_again(endpoint.number);
    }

    fn numbered(&self, number: usize) -> Option<&Arc<HecEndpoint>> {
        self.all.get(number.checked_sub(1)?)
    }

    /// Asks each endpoint about its tickets, all at the same time. Tickets of a channel that no
    /// endpoint has are lost.
    pub(super) async fn confirm(&self, tickets: &[Ticket]) -> Confirmation {
        let mut confirmation = Confirmation::default();
        let mut questions: BTreeMap<usize, BTreeMap<Arc<str>, Vec<u64>>> = BTreeMap::new();
        let mut at: BTreeMap<Arc<str>, Option<usize>> = BTreeMap::new();
        for ticket in tickets {
            let known =
                |endpoint: &Arc<HecEndpoint>| endpoint.channels.headers(&ticket.channel).is_some();
            let at = at.entry(Arc::clone(&ticket.channel));
            match at.or_insert_with(|| self.all.iter().position(known)) {
                Some(at) => {
                    let channels = questions.entry(*at).or_default();
                    let channel = Arc::clone(&ticket.channel);
                    channels.entry(channel).or_default().push(ticket.id);
                }
                None => confirmation.lost.push(ticket.clone()),
            }
        }
        let mut asked = JoinSet::new();
        for (at, channels) in questions {
            let Some(endpoint) = self.all.get(at).map(Arc::clone) else {
                continue;
            };
            let login = self.login.clone();
            let channels = channels.into_iter().collect();
            asked.spawn(async move { endpoint.confirm(&login, channels).await });
        }
        while let Some(said) = asked.join_next().await {
            match said {
                Ok(said) => {
                    confirmation.confirmed.extend(said.confirmed);
                    confirmation.lost.extend(said.lost);
                }
                // Its tickets stay open, and time settles them.
                Err(error) => tracing::error!(%error, "asking for acknowledgement ended early"),
            }
        }
        confirmation
    }

    /// Reads changed certificates again.
    pub(super) fn refresh(&self) {
        for endpoint in &self.all {
            endpoint.refresh();
        }
    }
}
