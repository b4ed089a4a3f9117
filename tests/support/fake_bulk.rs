//! A bulk server for tests: takes `create` actions as Elasticsearch and OpenSearch do, answers
//! item by item, and can be told what to answer instead, to one event or to a whole request.
//!
//! It counts what it has *stored* by index and `_id`, which is what a relay must not lose.
//! Faults of the connection are [`Turn`]s with a [`Reply`] of `fake_http`: silence, resets,
//! drops, garbage.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use crate::fake_http::{FakeHttp, Received, Reply};

/// A fake bulk server. Dropping it stops it.
pub(crate) struct FakeBulk {
    /// The sockets: to be stopped, started again, and asked for what they received.
    pub(crate) server: FakeHttp,
    state: Arc<Mutex<Node>>,
}

/// What is done with one bulk request, instead of what such a server does.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// Nothing is done, and this is the answer.
    Refuse(Reply),
    /// It is done, and this is the answer.
    ServeThen(Reply),
}

/// Says of an event, by its number since the start, its index and its document, which item it
/// gets instead of being stored.
type Rule = dyn Fn(usize, &str, &str) -> Option<Value> + Send + Sync;

#[derive(Default)]
struct Node {
    turns: VecDeque<Turn>,
    /// What every request meets, before it is looked at.
    whole: Option<Turn>,
    /// What a request with this text in it meets.
    poison: Option<(String, Reply)>,
    rule: Option<Box<Rule>>,
    /// Documents stored, by index and id.
    stored: BTreeMap<(String, String), String>,
    /// Documents without an id.
    nameless: usize,
    /// Events seen.
    seen: usize,
    /// Refused with 409.
    conflicts: usize,
    /// The answer to `GET /`.
    root: Option<Reply>,
    roots_asked: usize,
    /// Parameters that a request may have besides `filter_path`.
    parameters: Option<BTreeSet<String>>,
    /// Whether each answer has the header of Elasticsearch.
    product: bool,
}

impl FakeBulk {
    /// Takes everything, and may not be asked what it is.
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(Node::default()));
        let shared = Arc::clone(&state);
        let server = FakeHttp::start(move |request| shared.lock().unwrap().serve(request)).await;
        Self { server, state }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// What `GET /` answers.
    pub(crate) fn root(&self, status: u16, body: &str) {
        self.state().root = Some(Reply::status(status, body));
    }

    /// Whether each answer has the header of Elasticsearch.
    pub(crate) fn product(&self, shown: bool) {
        self.state().product = shown;
    }

    /// The parameters that it takes besides `filter_path`; any other one is refused.
    pub(crate) fn takes_only(&self, parameters: &[&str]) {
        let names = parameters.iter().map(|name| (*name).to_owned());
        self.state().parameters = Some(names.collect());
    }

    /// What is done with the next bulk requests, one after another.
    pub(crate) fn next(&self, turns: impl IntoIterator<Item = Turn>) {
        self.state().turns.extend(turns);
    }

    /// What every bulk request meets from now on.
    pub(crate) fn every(&self, turn: Turn) {
        self.state().whole = Some(turn);
    }

    /// What every bulk request with this text in it meets from now on.
    pub(crate) fn poison(&self, text: &str, reply: Reply) {
        self.state().poison = Some((text.to_owned(), reply));
    }

    /// What events get from now on instead of being stored, where the rule says so.
    pub(crate) fn rule(
        &self,
        rule: impl Fn(usize, &str, &str) -> Option<Value> + Send + Sync + 'static,
    ) {
        self.state().rule = Some(Box::new(rule));
    }

    /// From now on it does what such a server does.
    pub(crate) fn serve(&self) {
        let mut state = self.state();
        state.turns.clear();
        state.whole = None;
        state.poison = None;
        state.rule = None;
    }

    /// Ids stored, whatever the index, with how often each was.
    pub(crate) fn stored(&self) -> BTreeMap<String, usize> {
        let mut ids = BTreeMap::new();
        for (_, id) in self.state().stored.keys() {
            *ids.entry(id.clone()).or_insert(0) += 1;
        }
        ids
    }

    /// Documents stored in an index.
    pub(crate) fn stored_in(&self, index: &str) -> usize {
        let state = self.state();
        state.stored.keys().filter(|(of, _)| of == index).count()
    }

    /// Documents stored without an id.
    pub(crate) fn nameless(&self) -> usize {
        self.state().nameless
    }

    /// Events refused because they were there already.
    pub(crate) fn conflicts(&self) -> usize {
        self.state().conflicts
    }

    /// Questions what it is, so far.
    pub(crate) fn roots_asked(&self) -> usize {
        self.state().roots_asked
    }

    /// The bulk requests received so far.
    pub(crate) fn bulks(&self) -> Vec<Received> {
        let mut received = self.server.received();
        received.retain(|request| request.method == "POST");
        received
    }

    fn state(&self) -> MutexGuard<'_, Node> {
        self.state.lock().unwrap()
    }
}

impl Node {
    fn serve(&mut self, request: &Received) -> Reply {
        let reply = self.reply(request);
        match self.product {
            true => reply.header("x-elastic-product", "Elasticsearch"),
            false => reply,
        }
    }

    fn reply(&mut self, request: &Received) -> Reply {
        if request.method == "GET" {
            self.roots_asked += 1;
            let refused = || Reply::status(403, r#"{"error":{"type":"security_exception"}}"#);
            return self.root.clone().unwrap_or_else(refused);
        }
        if let Some(parameter) = self.unknown_parameter(&request.path) {
            let reason = format!("request [/_bulk] contains unrecognized parameter: [{parameter}]");
            let error = json!({"type": "illegal_argument_exception", "reason": reason});
            return Reply::status(400, json!({"error": error, "status": 400}).to_string());
        }
        if let Some((text, reply)) = &self.poison
            && request.text().contains(text)
        {
            return reply.clone();
        }
        match self.turns.pop_front().or_else(|| self.whole.clone()) {
            Some(Turn::Refuse(reply)) => reply,
            Some(Turn::ServeThen(reply)) => {
                self.bulk(request);
                reply
            }
            None => self.bulk(request),
        }
    }

    fn unknown_parameter(&self, path: &str) -> Option<String> {
        let known = self.parameters.as_ref()?;
        let query = path.split_once('?')?.1;
        let mut names = query.split('&').filter_map(|pair| pair.split('=').next());
        let unknown = names.find(|name| *name != "filter_path" && !known.contains(*name));
        unknown.map(str::to_owned)
    }

    fn bulk(&mut self, request: &Received) -> Reply {
        let text = request.text();
        assert!(text.ends_with('\n'), "a bulk ends with a newline");
        let path = request.path.split('?').next().unwrap();
        let of_path = path.strip_suffix("/_bulk").unwrap().trim_start_matches('/');
        let lines: Vec<&str> = text.lines().collect();
        let mut items = Vec::new();
        for pair in lines.chunks(2) {
            let action: Value = serde_json::from_str(pair[0]).unwrap();
            let create = &action["create"];
            assert!(create.is_object(), "only create: {action}");
            let index = create["_index"].as_str().unwrap_or(of_path).to_owned();
            assert!(!index.is_empty(), "no index: {action}");
            items.push(json!({"create": self.create(index, create["_id"].as_str(), pair[1])}));
        }
        // Real servers say `errors` by the items; that it may be wrong is a test of its own.
        Reply::status(
            200,
            json!({"took": 1, "errors": false, "items": items}).to_string(),
        )
    }

    fn create(&mut self, index: String, id: Option<&str>, document: &str) -> Value {
        let number = self.seen;
        self.seen += 1;
        let ruled = self.rule.as_ref();
        if let Some(item) = ruled.and_then(|rule| rule(number, &index, document)) {
            return item;
        }
        let Some(id) = id else {
            self.nameless += 1;
            return json!({"_index": index, "status": 201});
        };
        let key = (index.clone(), id.to_owned());
        if self.stored.contains_key(&key) {
            self.conflicts += 1;
            let error = json!({"type": "version_conflict_engine_exception",
                "reason": "version conflict, document already exists (current version [1])"});
            return json!({"_index": index, "status": 409, "error": error});
        }
        self.stored.insert(key, document.to_owned());
        json!({"_index": index, "status": 201})
    }
}
