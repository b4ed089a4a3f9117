//! Events to the raw input, one payload a line, and the query that says what they are.
//!
//! Metadata is the request's, so a request holds events of one index, source, sourcetype and
//! host. There are no fields, so nothing marks an event with the relay's id, and no time: Splunk
//! reads it from the payload as the sourcetype says.

use crate::settings::SplunkHec;
use crate::sink::Rendered;
use crate::sink::payload::{line_bytes, write_line};

use super::indexes::{Indexes, Metadata, source};

/// What requests of a destination have in common.
pub(super) struct Raw {
    indexes: Indexes,
    source: Metadata,
    sourcetype: Metadata,
    host: Metadata,
}

impl Raw {
    pub(super) fn new(settings: &SplunkHec) -> Self {
        Self {
            indexes: Indexes::new(settings),
            source: Metadata::source(settings),
            sourcetype: Metadata::sourcetype(settings),
            host: Metadata::host(settings),
        }
    }

    /// One line per event.
    pub(super) fn encode(&self, batch: &[Rendered]) -> Vec<u8> {
        let mut body = Vec::with_capacity(batch.iter().map(|event| self.bytes(event)).sum());
        for event in batch {
            write_line(&mut body, event, false);
        }
        body
    }

    /// Bytes of one line at most.
    pub(super) fn bytes(&self, event: &Rendered) -> usize {
        line_bytes(event, false)
    }

    /// The query of a request whose events are like this one.
    pub(super) fn query(&self, event: &Rendered) -> Vec<(&'static str, String)> {
        let index = self.indexes.of(event).map(|index| index.to_string());
        let source = source(&self.source, event);
        let sourcetype = self.sourcetype.of(event);
        let host = self.host.of(event);
        let parts = [
            ("index", index),
            ("source", Some(source.into_owned())),
            ("sourcetype", sourcetype.map(|name| name.into_owned())),
            ("host", host.map(|name| name.into_owned())),
        ];
        let stated = parts.into_iter();
        stated
            .filter_map(|(key, value)| Some((key, value?)))
            .collect()
    }
}
