//! Whether a destination wants an event. Pure: the answer depends on configuration and event.
//!
//! That is the destination's list of sources and its condition on what the vendor sent, before any
//! rule has changed it. A worker asks when it first reads an event and never again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::event::Event;
use crate::rules;
use crate::settings::{Condition, Destination};

/// Whether this destination wants this event.
pub fn wants(destination: &Destination, event: &Event) -> bool {
    wants_source(destination, &event.provenance.source)
        && fits(destination.when.as_ref(), &event.payload)
}

/// Whether the destination wants events of this source, if they fit its condition.
pub fn wants_source(destination: &Destination, source: &str) -> bool {
    let sources = destination.sources.as_ref();
    sources.is_none_or(|sources| sources.iter().any(|name| name == source))
}

/// Whether a destination's condition, if it has one, holds of this payload.
pub fn fits(condition: Option<&Condition>, payload: &[u8]) -> bool {
    let Some(condition) = condition else {
        return true;
    };
    // The log holds text; what is none passes like JSON without any member.
    let text = std::str::from_utf8(payload).unwrap_or_default();
    // Made of a stranger's bytes: should this meet a fault of its own, the event goes out rather
    // than missing without a trace.
    catch_unwind(AssertUnwindSafe(|| rules::holds(condition, text))).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::event::{EventId, Provenance};
    use crate::settings::{
        BatchLimits, File, Format, Kind, Pointer, Retry, Scalar, SendingPace, Start, Test,
    };

    fn destination(sources: Option<&[&str]>) -> Destination {
        Destination {
            name: "archive".to_owned(),
            sources: sources.map(|names| names.iter().map(|&name| name.to_owned()).collect()),
            when: None,
            rules: Vec::new(),
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

    #[test]
    fn a_condition_is_on_what_the_vendor_sent_and_comes_on_top_of_the_sources() {
        let mut some = destination(Some(&["appsec"]));
        some.when = Some(Condition::Field {
            at: Pointer(vec!["severity".to_owned()]),
            test: Test::In(vec![Scalar::Text("HIGH".to_owned())]),
        });
        let of = |source: &str, payload: &'static [u8]| Event {
            payload: Bytes::from_static(payload),
            ..event(source)
        };
        assert!(wants(&some, &of("appsec", br#"{"severity":"HIGH"}"#)));
        assert!(!wants(&some, &of("mobile", br#"{"severity":"HIGH"}"#)));
        assert!(!wants(&some, &of("appsec", br#"{"severity":"LOW"}"#)));
        assert!(!wants(&some, &of("appsec", b"\xff{")));
    }
}
