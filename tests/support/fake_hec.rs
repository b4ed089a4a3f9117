//! A Splunk HTTP Event Collector for tests: tokens, channels, acknowledgement ids and indexes as
//! Splunk has them, and every way it can misbehave.
//!
//! It counts what it has *indexed* by `siem_relay_id`, which is what a relay must not lose; what
//! it has taken and not indexed yet is gone when it [restarts](FakeHec::restart). Faults of the
//! connection are [`Turn`]s with a [`Reply`] of `fake_http`: silence, resets, drops, garbage.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::fake_http::{FakeHttp, Reply};

#[path = "fake_indexer.rs"]
mod fake_indexer;

use fake_indexer::Indexer;

/// A fake HEC. Dropping it stops it.
pub(crate) struct FakeHec {
    /// The sockets: to be stopped, started again, and asked for what they received.
    pub(crate) server: FakeHttp,
    state: Arc<Mutex<Indexer>>,
}

/// What is done with one request, instead of what Splunk does.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// As Splunk does.
    Serve,
    /// Nothing is done, and this is the answer.
    Refuse(Reply),
    /// It is done, and this is the answer. Of a question about acknowledgement: it counts as
    /// asked, so that `true` is not said again.
    ServeThen(Reply),
}

/// What becomes of events that were taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Indexing {
    /// They are indexed at once, and acknowledged to the next question.
    #[default]
    AtOnce,
    /// They wait for [`FakeHec::index_waiting`].
    Waiting,
    /// They are indexed, and the acknowledgement never comes.
    Unacknowledged,
    /// They are never indexed.
    Lost,
}

impl FakeHec {
    /// Takes every token and index, and does not acknowledge.
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(Indexer::default()));
        let shared = Arc::clone(&state);
        let server = FakeHttp::start(move |request| shared.lock().unwrap().serve(request)).await;
        Self { server, state }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// The one token that is good.
    pub(crate) fn token(&self, token: &str) {
        self.state().token = Some(token.to_owned());
    }

    /// Whether the token uses indexer acknowledgement.
    pub(crate) fn acknowledge(&self, acknowledges: bool) {
        self.state().acknowledges = acknowledges;
    }

    /// What becomes of events from now on.
    pub(crate) fn indexing(&self, indexing: Indexing) {
        self.state().indexing = indexing;
    }

    /// Indexes what waits, and acknowledges it.
    pub(crate) fn index_waiting(&self) {
        self.state().index_waiting();
    }

    /// Whether a refusal that names an event leaves those before it out as well.
    pub(crate) fn reject_all(&self, rejects_all: bool) {
        self.state().rejects_all = rejects_all;
    }

    /// The indexes that the token may use.
    pub(crate) fn allow_indexes(&self, indexes: &[&str]) {
        self.state().indexes = Some(indexes.iter().map(|&index| index.to_owned()).collect());
    }

    /// Events with this text are invalid.
    pub(crate) fn poison(&self, text: &str) {
        self.state().poison = Some(text.to_owned());
    }

    /// The `Set-Cookie` of each answer, as a load balancer adds it.
    pub(crate) fn cookie(&self, cookie: &str) {
        self.state().cookie = Some(cookie.to_owned());
    }

    /// What health answers.
    pub(crate) fn health(&self, status: u16, code: i64) {
        self.state().health = Some((status, code));
    }

    /// What is done with the next requests with events, one after another.
    pub(crate) fn next_posts(&self, turns: impl IntoIterator<Item = Turn>) {
        self.state().posts.extend(turns);
    }

    /// From now on requests are served as Splunk serves them.
    pub(crate) fn serve(&self) {
        self.state().posts.clear();
    }

    /// What is done with the next questions about acknowledgement.
    pub(crate) fn next_questions(&self, turns: impl IntoIterator<Item = Turn>) {
        self.state().questions.extend(turns);
    }

    /// Restarts the indexer behind open sockets: it forgets channels and ids, counts from 0
    /// again, and loses what it had not indexed.
    pub(crate) fn restart(&self) {
        self.state().restart();
    }

    /// Relay ids of the events indexed, with how often each was.
    pub(crate) fn indexed(&self) -> BTreeMap<String, usize> {
        self.state().indexed.clone()
    }

    /// Lines that the raw input took.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.state().lines.clone()
    }

    /// Questions about acknowledgement so far.
    pub(crate) fn questions_asked(&self) -> usize {
        self.state().questions_asked
    }

    /// Questions about health so far.
    pub(crate) fn health_asked(&self) -> usize {
        self.state().health_asked
    }

    /// Channels on which ids were given, since the last restart.
    pub(crate) fn channels(&self) -> usize {
        self.state().channels.len()
    }

    fn state(&self) -> MutexGuard<'_, Indexer> {
        self.state.lock().unwrap()
    }
}
