//! What every format says of every event: times, identity, provenance, the original.
//!
//! Knows the relay's own record of the event and the vendor's time, and no vendor's data.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::event::Event;

use super::document::{Document, Field};
use super::instant;
use super::model::Model;

/// Age at receipt from which an event is called late.
const LATE: SignedDuration = SignedDuration::from_hours(24);

/// What provenance has of most events.
const PROVENANCE_FIELDS: usize = 6;

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
        document.put("id", self.event.id);
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
        let mut document = Document::expecting(PROVENANCE_FIELDS);
        let provenance = &*self.event.provenance;
        document.put("auth", provenance.auth.as_str());
        document.put_some("client_address", provenance.client);
        document.put_some("duplicate_of", self.event.duplicate_of);
        let replay = self.event.replay_id.map(|id| id.to_string());
        document.put_some("replay_id", replay);
        document.put("source", provenance.source.as_str());
        if provenance.test {
            document.put("test", true);
        }
        document
    }

    /// SHA-256 of the payload.
    pub(super) fn hash(&self) -> Field<'a> {
        Field::Digest(Sha256::digest(&self.event.payload).into())
    }
}
