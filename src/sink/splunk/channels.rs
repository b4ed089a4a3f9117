//! The channels of one endpoint: which one a request takes, and which ids came back on it.
//!
//! An acknowledgement id means nothing but on its channel, at the indexer that gave it, until
//! that restarts: all of them count from 0. If one id stood for two batches, the confirmation of
//! one would be taken for the other, which may be lost. So no id is believed twice: an id that a
//! channel has given before says that another indexer answers, or one that has forgotten, and the
//! channel goes, with every open ticket. And after an attempt of which nobody knows how it ended,
//! a new channel begins, so that an id that was given and never seen cannot hide such a repeat.
//! The old one is still asked about until its tickets are settled or too old.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
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

/// The channels.
pub(super) struct Channels {
    inner: Mutex<Inner>,
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
    /// Those that are not over.
    in_flight: usize,
    /// Every id that came back.
    given: HashSet<u64>,
    /// Those that are not confirmed.
    open: HashSet<u64>,
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
        channel.in_flight += 1;
        Lease {
            channels: self,
            name: Arc::clone(&channel.name),
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

    /// These ids are settled.
    pub(super) fn settle(&self, name: &str, ids: &[u64]) {
        if let Some(channel) = self.lock().find(name) {
            for id in ids {
                channel.open.remove(id);
            }
        }
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
            channel.in_flight = channel.in_flight.saturating_sub(1);
        }
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
            wanted || channel.in_flight > 0
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
            in_flight: 0,
            given: HashSet::new(),
            open: HashSet::new(),
        }
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
mod tests {
    use super::*;

    const KEEP: Duration = Duration::from_secs(300);

    fn channels() -> Channels {
        Channels::new(KEEP)
    }

    /// Takes a channel, is given an id on it, and says which channel it was.
    fn given(channels: &Channels, id: u64) -> Arc<str> {
        let lease = channels.take();
        lease.give(id).unwrap();
        Arc::clone(lease.name())
    }

    #[test]
    fn requests_share_a_channel_until_it_is_used_up_and_the_old_one_is_still_known() {
        let channels = channels();
        let first = given(&channels, 0);
        for id in 1..1000 {
            assert_eq!(given(&channels, id), first);
        }
        assert_ne!(given(&channels, 0), first);
        assert!(channels.headers(&first).is_some());
    }

    #[test]
    fn a_repeated_id_gives_the_channel_up() {
        let channels = channels();
        let first = given(&channels, 0);
        given(&channels, 1);
        let lease = channels.take();
        assert_eq!(lease.give(0), Err(Repeated { divided: false }));
        assert!(channels.headers(&first).is_none());
        // What was under way on it cannot be told apart either.
        assert!(lease.give(7).is_err());
        assert_ne!(given(&channels, 0), first);
    }

    #[test]
    fn after_three_repeats_each_request_has_a_channel_of_its_own() {
        let channels = channels();
        for repeat in 1..=3 {
            given(&channels, 0);
            let divided = channels.take().give(0).unwrap_err().divided;
            assert_eq!(divided, repeat == 3);
        }
        let names: HashSet<_> = (0..5).map(|_| given(&channels, 0)).collect();
        assert_eq!(names.len(), 5);
        for name in &names {
            assert!(channels.headers(name).is_some());
        }
    }

    #[test]
    fn a_retired_channel_is_known_until_its_tickets_are_settled() {
        let channels = channels();
        let (first, lease) = (given(&channels, 0), channels.take());
        lease.retire();
        drop(lease);
        let second = given(&channels, 0);
        assert_ne!(first, second);
        assert!(channels.headers(&first).is_some());
        channels.settle(&first, &[0]);
        channels.take().retire();
        assert!(channels.headers(&first).is_none());
        assert!(channels.headers(&second).is_some());
    }

    #[test]
    fn an_answer_on_a_channel_that_was_retired_meanwhile_still_counts() {
        let channels = channels();
        let (slow, broken) = (channels.take(), channels.take());
        broken.retire();
        channels.take().retire();
        assert_eq!(slow.give(5), Ok(()));
        assert!(channels.headers(slow.name()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_retired_channel_is_given_up_when_its_tickets_are_too_old() {
        let channels = channels();
        let first = given(&channels, 0);
        channels.take().retire();
        tokio::time::advance(KEEP).await;
        channels.take().retire();
        assert!(channels.headers(&first).is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        channels.take().retire();
        assert!(channels.headers(&first).is_none());
    }

    #[test]
    fn former_channels_are_bounded() {
        let channels = channels();
        let first = given(&channels, 0);
        for _ in 0..=FORMER_MAX {
            channels.take().retire();
            given(&channels, 0);
        }
        assert!(channels.headers(&first).is_none());
        assert_eq!(channels.lock().former.len(), FORMER_MAX);
    }

    #[test]
    fn cookies_go_with_the_channel_and_on_to_the_next_one() {
        let channels = channels();
        let lease = channels.take();
        assert!(lease.headers.get(COOKIE).is_none());
        lease.update(&[HeaderValue::from_static("lb=a; Path=/")]);
        lease.retire();
        assert_eq!(channels.take().headers.get(COOKIE).unwrap(), "lb=a");
    }
}
