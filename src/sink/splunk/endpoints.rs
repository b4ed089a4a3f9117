//! Several addresses of one HEC: which one takes the next request, and who is asked about what.
//!
//! They take turns. One that is passed over gets no request while another is used; with none
//! left, the one whose pause ends first is tried, since a real event is the best probe there is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::endpoint::HecEndpoint;
use crate::settings::Endpoint;
use crate::sink::client::{Client, ClientError, Login};
use crate::sink::{Confirmation, Ticket};

/// The addresses, at least one.
pub(super) struct Endpoints {
    all: Vec<Arc<HecEndpoint>>,
    login: Login,
    /// Counts requests; whose turn it is.
    turn: AtomicUsize,
    /// Health that is being asked for, one question at a time per endpoint; ends with the sink.
    asking: Mutex<JoinSet<()>>,
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
            turn: AtomicUsize::new(0),
            asking: Mutex::new(JoinSet::new()),
        })
    }

    /// The endpoint for the next request. None if those that were `tried` in vain for it are all
    /// that are used; the first request finds one even if none is.
    pub(super) fn choose(&self, tried: &[usize]) -> Option<&Arc<HecEndpoint>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.all.len().max(1);
        let (before, after) = self.all.split_at_checked(turn)?;
        let mut order: Vec<_> = after.iter().chain(before).collect();
        for endpoint in &order {
            if endpoint.is_to_be_asked() {
                self.ask_health(endpoint);
            }
        }
        order.retain(|endpoint| !tried.contains(&endpoint.number));
        let used = order.iter().find(|endpoint| endpoint.is_used());
        match used {
            Some(endpoint) => Some(endpoint),
            None if tried.is_empty() => {
                let pauses = order.into_iter();
                pauses.min_by_key(|endpoint| endpoint.passed_over_until())
            }
            None => None,
        }
    }

    /// Passes an endpoint over, if there is another.
    pub(super) fn pass_over(&self, endpoint: &HecEndpoint, wish: Option<Duration>) {
        if self.all.len() > 1 {
            endpoint.pass_over(wish);
        }
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

    /// Asks for an endpoint's health without making anybody wait.
    fn ask_health(&self, endpoint: &Arc<HecEndpoint>) {
        let (endpoint, login) = (Arc::clone(endpoint), self.login.clone());
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        while asking.try_join_next().is_some() {}
        asking.spawn(async move { endpoint.ask_health(&login).await });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::splunk::encode::tests::settings;

    /// Endpoints to which nobody listens: only their order is looked at.
    fn endpoints(number: usize) -> Endpoints {
        let one = settings().endpoints.remove(0);
        let all = vec![one; number];
        Endpoints::new(&all, Login::None, Duration::from_secs(300)).unwrap()
    }

    fn chosen(endpoints: &Endpoints, requests: usize) -> Vec<usize> {
        let choose = |_| endpoints.choose(&[]).unwrap().number;
        (0..requests).map(choose).collect()
    }

    #[test]
    fn endpoints_take_turns() {
        assert_eq!(chosen(&endpoints(3), 6), [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn one_that_is_passed_over_is_left_out_and_the_last_one_never_is() {
        let three = endpoints(3);
        three.pass_over(&three.all[1], None);
        assert_eq!(chosen(&three, 6), [1, 3, 3, 1, 3, 3]);
        assert_eq!(three.choose(&[1, 3]).map(|one| one.number), None);
        let one = endpoints(1);
        one.pass_over(&one.all[0], None);
        assert!(one.all[0].is_used());
    }

    #[tokio::test(start_paused = true)]
    async fn with_all_passed_over_the_one_whose_pause_ends_first_is_tried() {
        let two = endpoints(2);
        two.pass_over(&two.all[0], Some(Duration::from_secs(9)));
        two.pass_over(&two.all[1], Some(Duration::from_secs(5)));
        assert_eq!(chosen(&two, 3), [2, 2, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_their_limit_and_begin_anew_after_use() {
        let two = endpoints(2);
        let endpoint = &two.all[0];
        let mut pauses = Vec::new();
        for _ in 0..7 {
            endpoint.pass_over(None);
            // A second failure of the same moment changes nothing.
            endpoint.pass_over(None);
            let pause = endpoint.passed_over_until() - tokio::time::Instant::now();
            pauses.push(pause.as_secs());
            tokio::time::advance(pause).await;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        endpoint.use_again();
        endpoint.pass_over(Some(Duration::from_secs(3600)));
        let pause = endpoint.passed_over_until() - tokio::time::Instant::now();
        assert_eq!(pause, Duration::from_secs(30));
    }
}
