//! The event: what a vendor sent, its id, and the record header that says how it came in.
//!
//! The header is stored beside the payload as TLV (tag u8, length u16 little endian, value), so
//! that a later version can add tags and an older one skips what it does not know. The journal
//! sees header and payload as bytes; nothing here knows of files, sockets or destinations.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use bytes::Bytes;
use serde::{Serialize, Serializer};
use uuid::{Builder, Uuid};

mod header;
mod replay_id;
#[cfg(test)]
mod tests;

pub use header::HeaderError;
pub use replay_id::ReplayId;

/// Identifies one accepted event: a UUIDv7 whose milliseconds equal the received time, so that
/// an event can be found by its id without an index.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(Uuid);

/// One event as it was accepted, with its place in the log.
#[derive(Clone, Debug)]
pub struct Event {
    /// Place in the log; 1 and up, increasing, may have gaps.
    pub position: u64,
    /// The relay's own id, answered to the sender and carried to every destination.
    pub id: EventId,
    /// When the whole body had arrived; milliseconds since the Unix epoch.
    pub received_ms: u64,
    /// The first event with the same resend key, where the source only marks repeats.
    pub duplicate_of: Option<EventId>,
    /// The replay that sends it again; none for an event on its first way. Not in the log.
    pub replay_id: Option<ReplayId>,
    /// How it came in; shared, since retries and dead letters keep it alive.
    pub provenance: std::sync::Arc<Provenance>,
    /// The vendor's bytes after content decoding; well-formed JSON in UTF-8.
    pub payload: Bytes,
}

/// Where an event came from and how it was let in. Never holds a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Configured name of the source.
    pub source: String,
    /// Address of the connection's other end; a proxy's where one stands before the relay.
    pub peer: Option<SocketAddr>,
    /// The sender's address, resolved through trusted proxies only.
    pub client: Option<IpAddr>,
    /// Which kind of authentication admitted it.
    pub auth: AuthMethod,
    /// Which configured secret matched, counted from 1 in the order of the configuration.
    pub secret_slot: Option<u8>,
    /// A vendor's connectivity test, not a finding.
    pub test: bool,
    /// `Content-Type` as sent.
    pub content_type: Option<String>,
    /// `Content-Encoding` as sent, where it was not identity.
    pub content_encoding: Option<String>,
    /// Request headers that the configuration allows to be kept; names in lower case.
    pub headers: Vec<(String, String)>,
}

/// The kind of authentication that admitted an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// The source is open (`allow_unauthenticated = true`).
    None,
    /// `Authorization: Bearer`.
    Bearer,
    /// A secret last path segment.
    Capability,
    /// The whole value of a configured header.
    Header,
}

impl EventId {
    /// Makes a new id for an event received at `received_ms` (Unix milliseconds).
    pub fn new(received_ms: u64) -> Self {
        let seconds = received_ms / 1000;
        let nanos = u32::try_from(received_ms % 1000).unwrap_or(0) * 1_000_000;
        let timestamp = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos);
        Self(Uuid::new_v7(timestamp))
    }

    /// The id numbered so among those of `received_ms` (Unix milliseconds): always the same one,
    /// so for events that are shown and never stored.
    pub fn numbered(received_ms: u64, number: u64) -> Self {
        let mut tail = [0; 10];
        for (to, from) in tail.iter_mut().rev().zip(number.to_be_bytes().iter().rev()) {
            *to = *from;
        }
        Self(Builder::from_unix_timestamp_millis(received_ms, &tail).into_uuid())
    }

    /// The received time in the id; Unix milliseconds.
    pub fn received_ms(&self) -> u64 {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().skip(2).zip(self.0.as_bytes()) {
            *to = *from;
        }
        u64::from_be_bytes(bytes)
    }

    /// Bytes of the id as text.
    pub const TEXT_BYTES: usize = 36;

    /// The id as text, written to this place.
    pub fn encode<'b>(&self, to: &'b mut [u8; Self::TEXT_BYTES]) -> &'b str {
        self.0.as_hyphenated().encode_lower(to)
    }

    /// The 16 bytes stored in a log record.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id stored in a log record; any 16 bytes are taken.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; Self::TEXT_BYTES]))
    }
}

impl FromStr for EventId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::from_str(text).map(Self)
    }
}

impl AuthMethod {
    /// The word used in logs, documents and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bearer => "bearer",
            Self::Capability => "capability",
            Self::Header => "header",
        }
    }

    /// The kind that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        let all = [Self::None, Self::Bearer, Self::Capability, Self::Header];
        all.into_iter().find(|method| method.as_str() == word)
    }
}
