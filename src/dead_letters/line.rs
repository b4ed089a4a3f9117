//! The lines of a dead-letter log: how each kind is written and what is read of it.
//!
//! `docs/dead-letters.md` describes them; version 1, with version 0 of earlier builds still read
//! (it has `dead` lines alone). Knows no file.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{DeadLetter, ReplayOutcome};
use crate::event::{EventId, ReplayId};

/// Version of a line's form, in its `v` key.
pub(super) const VERSION: u64 = 1;
/// Ids in one line, so that a line about many letters stays short.
pub(super) const IDS_MAX: usize = 100;

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A letter.
    Dead { id: EventId, died_ms: u64 },
    /// A person wants these sent again, as one replay.
    Replay(Vec<EventId>, Option<ReplayId>),
    /// They are about to be sent: from here on the destination may have them. The replay is there
    /// in a rewritten log, which has no `replay` line of them any more.
    Sending(Vec<EventId>, Option<ReplayId>),
    /// The destination took it after all.
    Replayed(EventId),
    /// It was sent again and refused again.
    Refused(EventId),
    /// Given up by a person; `events` more were, whose lines are gone.
    Purged { ids: Vec<EventId>, events: u64 },
    /// So many purged events are about to be moved in the destination's totals, which then have
    /// so many dead-lettered ones.
    Counting { events: u64, dead_lettered: u64 },
    /// So many purged events have been moved.
    Counted { events: u64 },
}

/// Why a line is not understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// A later version wrote it.
    Newer(u64),
    /// It is damaged, or somebody edited it.
    Unreadable,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    died: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    ids: Vec<Cow<'a, str>>,
    #[serde(borrow, default)]
    replay_id: Option<Cow<'a, str>>,
    #[serde(default)]
    events: Option<u64>,
    #[serde(default)]
    dead_lettered: Option<u64>,
}

#[derive(Deserialize)]
struct Version {
    v: u64,
}

impl Line {
    /// Reads a line, with or without its newline.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Unread> {
        let Version { v } = serde_json::from_slice(bytes).map_err(|_| Unread::Unreadable)?;
        if v > VERSION {
            return Err(Unread::Newer(v));
        }
        let head: Head<'_> = serde_json::from_slice(bytes).map_err(|_| Unread::Unreadable)?;
        Self::of(&head).ok_or(Unread::Unreadable)
    }

    fn of(head: &Head<'_>) -> Option<Self> {
        let id = || head.id.as_ref()?.parse::<EventId>().ok();
        let ids = || {
            let ids = head.ids.iter().map(|id| id.parse::<EventId>().ok());
            ids.collect::<Option<Vec<_>>>()
        };
        // None in lines of builds that knew no such id.
        let replay_id = || match &head.replay_id {
            Some(text) => text.parse().ok().map(Some),
            None => Some(None),
        };
        Some(match &*head.kind {
            "dead" => Self::Dead {
                id: id()?,
                died_ms: died_ms(head.died.as_deref()?)?,
            },
            "replay" => Self::Replay(ids()?, replay_id()?),
            "sending" => Self::Sending(ids()?, replay_id()?),
            "replayed" => Self::Replayed(id()?),
            "refused" => Self::Refused(id()?),
            "purged" => Self::Purged {
                ids: ids()?,
                events: head.events.unwrap_or(0),
            },
            "counting" => Self::Counting {
                events: head.events?,
                dead_lettered: head.dead_lettered?,
            },
            "counted" => Self::Counted {
                events: head.events?,
            },
            _ => return None,
        })
    }
}

/// The moment in a `died` key; Unix milliseconds.
pub(super) fn died_ms(text: &str) -> Option<u64> {
    let at: Timestamp = text.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok()
}

/// The line of a refused event.
pub(super) fn dead(letter: &DeadLetter, now: Timestamp) -> Value {
    let event = &letter.event;
    let provenance = &event.provenance;
    let mut line = json!({
        "v": VERSION,
        "kind": "dead",
        "id": event.id.to_string(),
        "position": event.position,
        "received": timestamp(event.received_ms),
        "died": moment(now),
        "reason": letter.reason,
        "detail": &*letter.detail,
        "attempts": letter.attempts,
        "source": provenance.source,
        "peer": provenance.peer.map(|peer| peer.to_string()),
        "client": provenance.client.map(|client| client.to_string()),
        "auth": provenance.auth.as_str(),
        "secret_slot": provenance.secret_slot,
        "test": provenance.test,
        "duplicate_of": event.duplicate_of.map(|id| id.to_string()),
        "content_type": provenance.content_type,
        "content_encoding": provenance.content_encoding,
        "headers": provenance.headers,
    });
    put_bytes(&mut line, "original", &event.payload);
    if let Some(rendered) = &letter.rendered {
        put_bytes(&mut line, "rendered", rendered);
    }
    line
}

/// Lines of `replay`, `sending` or `purged` about these letters, which one replay sends.
pub(super) fn about(
    kind: &str,
    ids: &[EventId],
    replay_id: Option<ReplayId>,
    now: Timestamp,
) -> Vec<Value> {
    let lines = ids.chunks(IDS_MAX).map(|ids| {
        let ids: Vec<_> = ids.iter().map(EventId::to_string).collect();
        let mut line = json!({"v": VERSION, "kind": kind, "at": moment(now), "ids": ids});
        if let (Some(id), Some(line)) = (replay_id, line.as_object_mut()) {
            line.insert("replay_id".to_owned(), id.to_string().into());
        }
        line
    });
    lines.collect()
}

/// The line of a letter that was sent again.
pub(super) fn outcome(outcome: &ReplayOutcome, now: Timestamp) -> Value {
    let (id, at) = (outcome.id.to_string(), moment(now));
    let attempts = outcome.attempts;
    match &outcome.refused {
        None => {
            json!({"v": VERSION, "kind": "replayed", "id": id, "at": at, "attempts": attempts})
        }
        Some((reason, detail)) => json!({
            "v": VERSION, "kind": "refused", "id": id, "at": at, "attempts": attempts,
            "reason": reason, "detail": &**detail,
        }),
    }
}

/// The line of purged events whose own lines are gone.
pub(super) fn purged(events: u64, now: Timestamp) -> Value {
    json!({"v": VERSION, "kind": "purged", "at": moment(now), "ids": [], "events": events})
}

/// The line before purged events are moved in the totals.
pub(super) fn counting(events: u64, dead_lettered: u64) -> Value {
    json!({
        "v": VERSION, "kind": "counting", "events": events, "dead_lettered": dead_lettered,
    })
}

/// The line after that.
pub(super) fn counted(events: u64) -> Value {
    json!({"v": VERSION, "kind": "counted", "events": events})
}

/// Appends a line's bytes.
pub(super) fn put(lines: &mut Vec<u8>, line: &Value) {
    lines.extend_from_slice(line.to_string().as_bytes());
    lines.push(b'\n');
}

/// Text under `name`, or base64 under `name_base64` where it is none.
fn put_bytes(line: &mut Value, name: &str, bytes: &[u8]) {
    let Some(fields) = line.as_object_mut() else {
        return;
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => fields.insert(name.to_owned(), text.into()),
        Err(_) => fields.insert(format!("{name}_base64"), BASE64.encode(bytes).into()),
    };
}

/// Microseconds, also where they are none: a line that is written again is as long as before.
pub(super) fn moment(now: Timestamp) -> String {
    format!("{now:.6}")
}

fn timestamp(ms: u64) -> Option<String> {
    let ms = i64::try_from(ms).ok()?;
    Some(Timestamp::from_millisecond(ms).ok()?.to_string())
}
