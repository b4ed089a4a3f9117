//! The channels of one endpoint: which one a request takes, and which ids came back on it.
//!
//! An acknowledgement id means nothing but on its channel, at the indexer that gave it, until
//! that restarts: all of them count from 0. If one id stood for two batches, the confirmation of
//! one would be taken for the other, which may be lost. So no id is believed twice: an id that a
//! channel has given before says that another indexer answers, or one that has forgotten, and the
//! channel goes, with every open ticket. And after an attempt of which nobody knows how it ended,
//! a new channel begins, so that an id that was given and never seen cannot hide such a repeat.
//! The old one is still asked about until its tickets are settled or too old.
//!
//! A repeat can be under way when an id is said to be indexed: then it may be that one which is.
//! So what is said counts when every request has ended that was in flight on the channel at that
//! time, and the channel is still there.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::jar::Jar;

/// A token with indexer acknowledgement demands it, others ignore it.
const CHANNEL: HeaderName = HeaderName::from_static("x-splunk-request-channel");
/// Requests on one channel: it bounds the ids remembered.
const REQUESTS_MAX: usize = 1000;
/// Channels that are only asked about; of more, the oldest is given up and its tickets are lost.
const FORMER_MAX: usize = 1024;
/// Repeats after which each request gets a channel of its own: the endpoint is several indexers
/// behind something that does not keep a client at one of them.
const REPEATS_MAX: u32 = 3;
/// How long requests in flight are waited for before what was said is left to the next question.
const ENDS_MAX: Duration = Duration::from_secs(1);

/// The channels.
pub(super) struct Channels {
    inner: Mutex<Inner>,
    /// A request has ended.
    ended: Notify,
    /// How long a former channel with open tickets is kept.
    keep: Duration,
}

struct Inner {
    current: Channel,
    /// Oldest first.
    former: VecDeque<Former>,
    /// Repeated ids since a channel was last used up without one.
    repeats: u32,
}

struct Channel {
    /// A GUID, which the tickets name.
    name: Arc<str>,
    jar: Jar,
    /// Requests that took it.
    requests: usize,
    /// Those that have not ended, by number: the first request is 1.
    in_flight: BTreeSet<usize>,
    /// Every id that came back.
    given: HashSet<u64>,
    /// Those that are not confirmed.
    open: HashSet<u64>,
    /// Those that are said to be indexed, each with the number of requests until then.
    said: Vec<(u64, usize)>,
}

/// A channel that takes no more requests.
struct Former {
    channel: Channel,
    since: Instant,
}

/// A channel, taken for one request.
pub(super) struct Lease<'a> {
    channels: &'a Channels,
    name: Arc<str>,
    /// Its number on the channel.
    number: usize,
    /// The channel, and the cookies that go with it.
    pub(super) headers: HeaderMap,
}

/// An id was given that its channel had given before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repeated {
    /// Whether each request now gets a channel of its own, and did not before.
    pub(super) divided: bool,
}

impl Channels {
    /// `keep` is how long tickets are of use.
    pub(super) fn new(keep: Duration) -> Self {
        let inner = Inner {
            current: Channel::new(Jar::default()),
            former: VecDeque::new(),
            repeats: 0,
        };
        Self {
            inner: Mutex::new(inner),
            ended: Notify::new(),
            keep,
        }
    }

    /// Takes the present channel for a request, or a new one where it is used up.
    pub(super) fn take(&self) -> Lease<'_> {
        let mut inner = self.lock();
        let divided = inner.repeats >= REPEATS_MAX;
        let limit = if divided { 1 } else { REQUESTS_MAX };
        if inner.current.requests >= limit {
            if !divided {
                inner.repeats = 0;
            }
            inner.renew(self.keep);
        }
        let channel = &mut inner.current;
        channel.requests += 1;
        channel.in_flight.insert(channel.requests);
        Lease {
            channels: self,
            name: Arc::clone(&channel.name),
            number: channel.requests,
            headers: channel.headers(),
        }
    }

    /// What to send when asking about a channel; none if it is given up.
    pub(super) fn headers(&self, name: &str) -> Option<HeaderMap> {
        let mut inner = self.lock();
        inner.find(name).map(|channel| channel.headers())
    }

    /// Takes in the cookies of an answer on a channel.
    pub(super) fn update(&self, name: &str, cookies: &[HeaderValue]) {
        if let Some(channel) = self.lock().find(name) {
            channel.jar.update(cookies);
        }
    }

    /// Notes that these ids are said to be indexed.
    pub(super) fn note(&self, name: &str, ids: &[u64]) {
        if let Some(channel) = self.lock().find(name) {
            let until = channel.requests;
            channel.said.extend(ids.iter().map(|id| (*id, until)));
        }
    }

    /// The ids that are indexed, whatever is still in flight; none if the channel is given up.
    /// Waits a little for requests to end; what they leave undecided the next call will say.
    pub(super) async fn indexed(&self, name: &str) -> Option<Vec<u64>> {
        let decided = async {
            loop {
                let mut ended = pin!(self.ended.notified());
                ended.as_mut().enable();
                let undecided = self.lock().find(name).is_some_and(|channel| {
                    let mut said = channel.said.iter();
                    !said.all(|(_, until)| channel.is_over(*until))
                });
                if !undecided {
                    return;
                }
                ended.await;
            }
        };
        // Without an end in time there is just less to say.
        let _ = timeout(ENDS_MAX, decided).await;
        let mut inner = self.lock();
        let channel = inner.find(name)?;
        let said = std::mem::take(&mut channel.said);
        let (over, rest) = said
            .into_iter()
            .partition(|(_, until)| channel.is_over(*until));
        channel.said = rest;
        let over: Vec<(u64, usize)> = over;
        for (id, _) in &over {
            channel.open.remove(id);
        }
        Some(over.into_iter().map(|(id, _)| id).collect())
    }

    /// Gives a channel up: its ids mean nothing any more.
    pub(super) fn give_up(&self, name: &str) {
        self.lock().give_up(name);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that holds the lock can panic half way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease<'_> {
    /// The channel's name, for tickets.
    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Notes the id of an accepted request; refused if it, or its channel, stands for nothing.
    pub(super) fn give(&self, id: u64) -> Result<(), Repeated> {
        let mut inner = self.channels.lock();
        let Some(channel) = inner.find(&self.name) else {
            return Err(Repeated { divided: false });
        };
        if channel.given.insert(id) {
            channel.open.insert(id);
            return Ok(());
        }
        inner.repeats = inner.repeats.saturating_add(1);
        inner.give_up(&self.name);
        Err(Repeated {
            divided: inner.repeats == REPEATS_MAX,
        })
    }

    /// Takes in the cookies of the answer.
    pub(super) fn update(&self, cookies: &[HeaderValue]) {
        self.channels.update(&self.name, cookies);
    }

    /// Lets no further request take the channel.
    pub(super) fn retire(&self) {
        let mut inner = self.channels.lock();
        if inner.current.name == self.name {
            inner.renew(self.channels.keep);
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(channel) = self.channels.lock().find(&self.name) {
            channel.in_flight.remove(&self.number);
        }
        self.channels.ended.notify_waiters();
    }
}

impl Inner {
    fn find(&mut self, name: &str) -> Option<&mut Channel> {
        if &*self.current.name == name {
            return Some(&mut self.current);
        }
        let mut former = self.former.iter_mut().map(|former| &mut former.channel);
        former.find(|channel| &*channel.name == name)
    }

    /// Begins a new channel; the load balancer's cookies go on.
    fn renew(&mut self, keep: Duration) {
        let new = Channel::new(self.current.jar.clone());
        let channel = std::mem::replace(&mut self.current, new);
        let since = Instant::now();
        self.former.push_back(Former { channel, since });
        self.former.retain(|former| {
            let channel = &former.channel;
            let wanted = !channel.open.is_empty() && former.since.elapsed() <= keep;
            wanted || !channel.in_flight.is_empty()
        });
        if self.former.len() > FORMER_MAX {
            self.former.pop_front();
        }
    }

    fn give_up(&mut self, name: &str) {
        if &*self.current.name == name {
            self.current = Channel::new(self.current.jar.clone());
        }
        self.former.retain(|former| &*former.channel.name != name);
    }
}

impl Channel {
    fn new(jar: Jar) -> Self {
        Self {
            name: Uuid::new_v4().hyphenated().to_string().into(),
            jar,
            requests: 0,
            in_flight: BTreeSet::new(),
            given: HashSet::new(),
            open: HashSet::new(),
            said: Vec::new(),
        }
    }

    /// Whether the first `until` requests have ended.
    fn is_over(&self, until: usize) -> bool {
        self.in_flight.first().is_none_or(|first| *first > until)
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        // A GUID is always a header's value.
        if let Ok(name) = HeaderValue::from_str(&self.name) {
            headers.insert(CHANNEL, name);
        }
        if let Some(cookies) = self.jar.header() {
            headers.insert(COOKIE, cookies);
        }
        headers
    }
}

#[cfg(test)]
mod tests;
