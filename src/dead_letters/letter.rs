//! One letter as it is read back: what a person is shown, and the event to be sent again.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::index::{Entry, Span};
use super::line::{died_ms, moment};
use crate::event::{AuthMethod, Event, EventId, Provenance, ReplayId};

/// Keys that a later refusal replaces.
const REPLACED: [&str; 3] = ["reason", "detail", "attempts"];

/// Stands for the reason, which is not known, of a letter whose line is damaged.
const DAMAGED: &str = "damaged";

/// What is to become of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterState {
    /// It waits for a person.
    Dead,
    /// A person wants it sent again.
    Waiting,
    /// The same, and an attempt has begun: the destination may have it.
    Sending,
}

/// A letter.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The event's id.
    pub id: EventId,
    /// What is to become of it.
    pub state: LetterState,
    /// The replay that it is to be sent by.
    replay_id: Option<ReplayId>,
    fields: Map<String, Value>,
}

impl LetterState {
    /// The word in lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Waiting => "waiting",
            Self::Sending => "sending",
        }
    }
}

impl Letter {
    /// A letter of its `dead` line and, where it was sent again since, of its last `refused` one;
    /// none where the first is damaged. A damaged refusal leaves it as it first died.
    pub(super) fn of(entry: &Entry, dead: &[u8], refused: Option<&[u8]>) -> Option<Self> {
        let mut fields = object(dead)?;
        if let Some(mut later) = refused.and_then(object) {
            for key in REPLACED {
                if let Some(value) = later.remove(key) {
                    fields.insert(key.to_owned(), value);
                }
            }
            let at = later.remove("at").unwrap_or_default();
            fields.insert("refused_again".to_owned(), at);
        }
        Some(Self::with(entry, fields))
    }

    /// What is known of a letter whose line is damaged: whose it is, and where to look. It holds
    /// no event, so a replay refuses it, and has no reason or source that a filter could want.
    pub(super) fn damaged(entry: &Entry) -> Self {
        let at = i64::try_from(entry.died_ms).ok();
        let died = at.and_then(|at| Timestamp::from_millisecond(at).ok());
        let Span { offset, bytes } = entry.line;
        let mut fields = Map::new();
        fields.insert("id".to_owned(), entry.id.to_string().into());
        fields.insert("died".to_owned(), died.map(moment).into());
        fields.insert("reason".to_owned(), DAMAGED.into());
        let detail = format!("its line at byte {offset} of the log, {bytes} bytes, is damaged");
        fields.insert("detail".to_owned(), detail.into());
        Self::with(entry, fields)
    }

    fn with(entry: &Entry, fields: Map<String, Value>) -> Self {
        Self {
            id: entry.id,
            state: entry.state,
            replay_id: entry.replay_id,
            fields,
        }
    }

    /// A text field; empty where it is not there.
    pub fn text(&self, key: &str) -> &str {
        self.fields
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Attempts made so far.
    pub fn attempts(&self) -> u32 {
        let attempts = self.fields.get("attempts").and_then(Value::as_u64);
        attempts
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0)
    }

    /// When it died; Unix milliseconds.
    pub fn died_ms(&self) -> u64 {
        died_ms(self.text("died")).unwrap_or(0)
    }

    /// Everything, with its state.
    pub fn to_json(&self) -> Value {
        let mut fields = self.fields.clone();
        fields.insert("state".to_owned(), self.state.as_str().into());
        if let Some(id) = self.replay_id {
            fields.insert("replay_id".to_owned(), id.to_string().into());
        }
        Value::Object(fields)
    }

    /// One entry of a list.
    pub fn summary(&self) -> Value {
        json!({
            "id": self.id.to_string(),
            "died": self.text("died"),
            "reason": self.text("reason"),
            "detail": self.text("detail"),
            "source": self.text("source"),
            "attempts": self.attempts(),
            "state": self.state.as_str(),
        })
    }

    /// The event as it was accepted, with the replay that sends it; none where the line does not
    /// hold it.
    pub fn event(&self) -> Option<Event> {
        let parsed = |key: &str| {
            let text = self.text(key);
            (!text.is_empty()).then_some(text)
        };
        let payload = match self.fields.get("original_base64") {
            Some(text) => BASE64.decode(text.as_str()?).ok()?,
            None => self.fields.get("original")?.as_str()?.as_bytes().to_vec(),
        };
        let headers = self.fields.get("headers").cloned().unwrap_or_default();
        let slot = self.fields.get("secret_slot").and_then(Value::as_u64);
        let provenance = Provenance {
            source: self.text("source").to_owned(),
            peer: parsed("peer").and_then(|text| text.parse().ok()),
            client: parsed("client").and_then(|text| text.parse().ok()),
            auth: AuthMethod::from_word(self.text("auth"))?,
            secret_slot: slot.and_then(|slot| u8::try_from(slot).ok()),
            test: self
                .fields
                .get("test")
                .and_then(Value::as_bool)
                .unwrap_or(false),
            content_type: parsed("content_type").map(str::to_owned),
            content_encoding: parsed("content_encoding").map(str::to_owned),
            headers: serde_json::from_value(headers).unwrap_or_default(),
        };
        let received: Timestamp = self.text("received").parse().ok()?;
        Some(Event {
            position: self.fields.get("position")?.as_u64()?,
            id: self.id,
            received_ms: u64::try_from(received.as_millisecond()).ok()?,
            duplicate_of: parsed("duplicate_of").and_then(|text| text.parse().ok()),
            replay_id: self.replay_id,
            provenance: Arc::new(provenance),
            payload: Bytes::from(payload),
        })
    }
}

fn object(line: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(line).ok()
}
