//! What every format says of every event: times, identity, provenance, the original.
//!
//! Knows the relay's own record of the event and the vendor's time, and no vendor's data.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::event::Event;

use super::document::Document;
use super::instant;
use super::model::Model;

/// Age at receipt from which an event is called late.
const LATE: SignedDuration = SignedDuration::from_hours(24);

/// What is the same in every format.
pub(super) struct Facts<'a> {
    /// The event as the log has it.
    pub(super) event: &'a Event,
    /// Its payload, where that goes along.
    pub(super) original: Option<&'a str>,
    /// When it happened: the vendor's word, else the received time.
    pub(super) happened: Timestamp,
    /// When it was received.
    pub(super) received: Timestamp,
    /// The vendor states a time that is none, so that the received time stands in.
    pub(super) time_adjusted: bool,
}

impl<'a> Facts<'a> {
    /// Of an event that was read so.
    pub(super) fn new(event: &'a Event, original: Option<&'a str>, model: &Model<'_>) -> Self {
        let received = instant::from_epoch_ms(event.received_ms);
        Self {
            event,
            original,
            happened: model.time.unwrap_or(received),
            received,
            time_adjusted: model.time.is_none() && model.odd_time,
        }
    }

    /// The configured name of the source.
    pub(super) fn source(&self) -> &'a str {
        self.event.provenance.source.as_str()
    }

    /// How it came in, and what the relay makes of its time.
    pub(super) fn provenance(&self) -> Document<'a> {
        let mut document = self.way_in();
        document.put("id", self.event.id.to_string());
        if self.received.duration_since(self.happened) > LATE {
            document.put("late", true);
        }
        if self.time_adjusted {
            document.put("time_adjusted", true);
        }
        document
    }

    /// How it came in.
    pub(super) fn way_in(&self) -> Document<'a> {
        let mut document = Document::default();
        let provenance = &*self.event.provenance;
        document.put("source", provenance.source.as_str());
        document.put("auth", provenance.auth.as_str());
        let client = provenance.client.map(|address| address.to_string());
        document.put_some("client_address", client);
        if provenance.test {
            document.put("test", true);
        }
        let first = self.event.duplicate_of.map(|id| id.to_string());
        document.put_some("duplicate_of", first);
        let replay = self.event.replay_id.map(|id| id.to_string());
        document.put_some("replay_id", replay);
        document
    }

    /// SHA-256 of the payload, hexadecimal.
    pub(super) fn hash(&self) -> String {
        let mut hex = String::with_capacity(64);
        for byte in Sha256::digest(&self.event.payload) {
            for digit in [byte >> 4, byte & 15] {
                hex.extend(char::from_digit(u32::from(digit), 16));
            }
        }
        hex
    }
}
