//! Whether a destination wants an event. Pure: the answer depends on configuration and event.
//!
//! Today that is the destination's list of sources.

use crate::event::Event;
use crate::settings::Destination;

/// Whether this destination wants this event.
pub fn wants(destination: &Destination, event: &Event) -> bool {
    match &destination.sources {
        None => true,
        Some(sources) => sources.contains(&event.provenance.source),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::event::{EventId, Provenance};
    use crate::settings::{BatchLimits, File, Format, Kind, Retry, SendingPace, Start};

    fn destination(sources: Option<&[&str]>) -> Destination {
        Destination {
            name: "archive".to_owned(),
            sources: sources.map(|names| names.iter().map(|&name| name.to_owned()).collect()),
            format: Format::Original,
            start: Start::Earliest,
            batch: BatchLimits {
                max_events: 1,
                max_bytes: 1,
            },
            retry: Retry {
                initial: Duration::ZERO,
                max: Duration::ZERO,
                multiplier: 1.0,
                jitter: 0.0,
            },
            probe_interval: Duration::ZERO,
            pace: SendingPace {
                max_in_flight: 1,
                rate_limit: None,
                max_event_age: None,
            },
            max_backlog_bytes: None,
            kind: Kind::File(File {
                path: "/events.jsonl".into(),
                rotate_bytes: 1,
                rotate_age: None,
                keep_files: None,
                compress: crate::settings::Compress::None,
                min_free_bytes: 0,
                envelope: false,
            }),
        }
    }

    fn event(source: &str) -> Event {
        Event {
            position: 1,
            id: EventId::from_bytes([0; 16]),
            received_ms: 0,
            duplicate_of: None,
            provenance: Arc::new(Provenance {
                source: source.to_owned(),
                ..Provenance::unknown()
            }),
            payload: Bytes::from_static(b"{}"),
        }
    }

    #[test]
    fn a_destination_without_a_list_wants_every_source() {
        assert!(wants(&destination(None), &event("appsec")));
    }

    #[test]
    fn a_destination_with_a_list_wants_its_sources_by_their_whole_name() {
        let listed = destination(Some(&["appsec", "mobile"]));
        assert!(wants(&listed, &event("mobile")));
        assert!(!wants(&listed, &event("mobile2")));
        assert!(!wants(&destination(Some(&[])), &event("appsec")));
    }
}
