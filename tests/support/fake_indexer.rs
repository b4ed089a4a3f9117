//! The indexer behind `fake_hec`: what it knows, and what it answers.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::{Value, json};

use super::{Indexing, Turn};
use crate::fake_http::{Received, Reply};

/// What one indexer knows.
#[derive(Default)]
pub(super) struct Indexer {
    pub(super) token: Option<String>,
    pub(super) acknowledges: bool,
    pub(super) indexing: Indexing,
    /// A refusal names one event, and says nothing about those before it: they are not taken.
    pub(super) rejects_all: bool,
    /// Indexes that the token may use; none allows all.
    pub(super) indexes: Option<Vec<String>>,
    /// An event with this text is invalid.
    pub(super) poison: Option<String>,
    /// `Set-Cookie` of each answer.
    pub(super) cookie: Option<String>,
    /// Status and code of health, where it is not well.
    pub(super) health: Option<(u16, i64)>,
    pub(super) posts: VecDeque<Turn>,
    pub(super) questions: VecDeque<Turn>,
    pub(super) channels: HashMap<String, Channel>,
    /// Taken and not indexed: channel, acknowledgement id, relay ids.
    pub(super) waiting: Vec<(String, Option<u64>, Vec<String>)>,
    pub(super) indexed: BTreeMap<String, usize>,
    pub(super) lines: Vec<String>,
    pub(super) questions_asked: usize,
    pub(super) health_asked: usize,
}

#[derive(Default)]
pub(super) struct Channel {
    next: u64,
    /// Acknowledgements to say once.
    indexed: Vec<u64>,
}

/// An answer of HEC.
struct Said {
    status: u16,
    body: Value,
}

impl Indexer {
    /// Indexes what waits, and acknowledges it.
    pub(super) fn index_waiting(&mut self) {
        for (channel, id, events) in std::mem::take(&mut self.waiting) {
            self.index(&events);
            if let Some(id) = id {
                self.channels.entry(channel).or_default().indexed.push(id);
            }
        }
    }

    /// Forgets channels and ids, and loses what waits.
    pub(super) fn restart(&mut self) {
        self.channels.clear();
        self.waiting.clear();
    }

    pub(super) fn serve(&mut self, request: &Received) -> Reply {
        let path = request.path.split('?').next().unwrap_or_default();
        let turn = match path {
            "/services/collector/ack" => {
                self.questions_asked += 1;
                self.questions.pop_front()
            }
            "/services/collector/health" => {
                self.health_asked += 1;
                None
            }
            _ => self.posts.pop_front(),
        };
        if let Some(Turn::Refuse(reply)) = turn {
            return reply;
        }
        let said = match path {
            "/services/collector/event" => match self.check(request) {
                Ok(channel) => self.take_events(channel, &request.body),
                Err(refusal) => refusal,
            },
            "/services/collector/raw" => match self.check(request) {
                Ok(channel) => {
                    self.lines.extend(request.text().lines().map(str::to_owned));
                    self.accept(channel, Vec::new())
                }
                Err(refusal) => refusal,
            },
            "/services/collector/ack" => self.answer(request),
            "/services/collector/health" => {
                let (status, code) = self.health.unwrap_or((200, 17));
                said(status, code)
            }
            _ => Said {
                status: 404,
                body: json!({"text": "The requested URL was not found", "code": 404}),
            },
        };
        if let Some(Turn::ServeThen(reply)) = turn {
            return reply;
        }
        let reply = Reply::status(said.status, said.body.to_string());
        match &self.cookie {
            Some(cookie) => reply.header("set-cookie", cookie),
            None => reply,
        }
    }

    /// The channel, or why the request is refused.
    fn check(&self, request: &Received) -> Result<Option<String>, Said> {
        let Some(login) = request.header("authorization") else {
            return Err(said(401, 2));
        };
        let Some(token) = login.strip_prefix("Splunk ") else {
            return Err(said(401, 3));
        };
        if self.token.as_deref().is_some_and(|good| good != token) {
            return Err(said(403, 4));
        }
        match request.header("x-splunk-request-channel") {
            None if self.acknowledges => Err(said(400, 10)),
            Some(text) if self.acknowledges && text.len() != 36 => Err(said(400, 11)),
            channel => Ok(channel.map(str::to_owned)),
        }
    }

    /// Takes the events before the first invalid one, as Splunk does.
    fn take_events(&mut self, channel: Option<String>, body: &[u8]) -> Said {
        let mut ids = Vec::new();
        let mut fault = None;
        for envelope in serde_json::Deserializer::from_slice(body).into_iter::<Value>() {
            match self.examine(envelope) {
                Ok(id) => ids.push(id),
                Err(code) => {
                    fault = Some(code);
                    break;
                }
            }
        }
        let Some(code) = fault else {
            return match ids.is_empty() {
                true => said(400, 5),
                false => self.accept(channel, ids),
            };
        };
        let number = ids.len();
        let mut refusal = said(400, code);
        if code == 7 {
            // The number of code 7 is the next event's.
            refusal.body["invalid-event-number"] = json!(number + 1);
            return refusal;
        }
        refusal.body["invalid-event-number"] = json!(number);
        if number > 0 && !self.rejects_all {
            let accepted = self.accept(channel, ids);
            if let Some(id) = accepted.body.get("ackId") {
                refusal.body["ackId"] = id.clone();
            }
        }
        refusal
    }

    /// The relay's id of an event, or the code that refuses it.
    fn examine(&self, envelope: Result<Value, serde_json::Error>) -> Result<String, i64> {
        let envelope = envelope.map_err(|_| 6)?;
        let Some(event) = envelope.get("event") else {
            return Err(12);
        };
        if event.as_str().is_some_and(|text| text.trim().is_empty()) || event.is_null() {
            return Err(13);
        }
        let poisoned = |poison: &String| event.to_string().contains(poison.as_str());
        if self.poison.as_ref().is_some_and(poisoned) {
            return Err(6);
        }
        let index = envelope.get("index").and_then(Value::as_str);
        if let (Some(allowed), Some(index)) = (&self.indexes, index)
            && !allowed.iter().any(|known| known == index)
        {
            return Err(7);
        }
        let id = envelope["fields"]["siem_relay_id"].as_str();
        Ok(id.expect("every event has the relay's id").to_owned())
    }

    fn accept(&mut self, channel: Option<String>, events: Vec<String>) -> Said {
        let mut success = said(200, 0);
        let name = channel.unwrap_or_default();
        let id = self.acknowledges.then(|| {
            let channel = self.channels.entry(name.clone()).or_default();
            let id = channel.next;
            channel.next += 1;
            id
        });
        if let Some(id) = id {
            success.body["ackId"] = json!(id);
        }
        match self.indexing {
            Indexing::Waiting => self.waiting.push((name, id, events)),
            Indexing::AtOnce => {
                self.index(&events);
                if let Some(id) = id {
                    self.channels.entry(name).or_default().indexed.push(id);
                }
            }
            Indexing::Unacknowledged => self.index(&events),
            Indexing::Lost => {}
        }
        success
    }

    fn index(&mut self, events: &[String]) {
        for event in events {
            *self.indexed.entry(event.clone()).or_insert(0) += 1;
        }
    }

    /// Says `true` once for each id that is indexed.
    fn answer(&mut self, request: &Received) -> Said {
        let channel = match self.check(request) {
            Ok(channel) => channel,
            Err(refusal) => return refusal,
        };
        if !self.acknowledges {
            return said(400, 14);
        }
        let question: Value = serde_json::from_slice(&request.body).expect("questions are JSON");
        let name = channel.unwrap_or_default();
        assert!(
            request.path.contains(&format!("channel={name}")),
            "a question names its channel"
        );
        let channel = self.channels.entry(name).or_default();
        let mut acks = serde_json::Map::new();
        for id in question["acks"].as_array().expect("a list of ids") {
            let id = id.as_u64().expect("ids are numbers");
            let before = channel.indexed.len();
            channel.indexed.retain(|known| *known != id);
            acks.insert(id.to_string(), json!(channel.indexed.len() < before));
        }
        Said {
            status: 200,
            body: json!({"acks": acks}),
        }
    }
}

/// A code with its text.
fn said(status: u16, code: i64) -> Said {
    let text = match code {
        0 => "Success",
        2 => "Token is required",
        3 => "Invalid authorization",
        4 => "Invalid token",
        5 => "No data",
        6 => "Invalid data format",
        7 => "Incorrect index",
        10 => "Data channel is missing",
        11 => "Invalid data channel",
        12 => "Event field is required",
        13 => "Event field cannot be blank",
        14 => "ACK is disabled",
        17 => "HEC is healthy",
        _ => "HEC is unhealthy",
    };
    Said {
        status,
        body: json!({"text": text, "code": code}),
    }
}
