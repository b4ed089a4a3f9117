//! Whether a destination wants an event. Pure: the answer depends on configuration and event.
//!
//! That is the destination's list of sources and its condition on what the vendor sent, before any
//! rule has changed it, and on what the vendor's reader makes of that. A worker asks when it first
//! reads an event and never again.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::event::{Event, Provenance};
use crate::normalize::{Reading, View};
use crate::rules;
use crate::settings::{Condition, Destination, ModelPart};

/// An event as conditions are asked of it. Its model is read when the first one asks for a part of
/// it, and once.
pub struct Asked<'a> {
    payload: &'a [u8],
    provenance: &'a Provenance,
    reading: &'a Reading,
    view: OnceCell<View<'a>>,
}

/// Whether this destination wants this event, whose source is read so. Where nothing says how,
/// because the source is not configured any more, it is wanted unless its JSON alone decides
/// against it: a vendor's sender was told that it is safe, so it must not be lost to a new name.
pub fn wants(destination: &Destination, event: &Event, reading: Option<&Reading>) -> bool {
    if !wants_source(destination, &event.provenance.source) {
        return false;
    }
    let Some(condition) = &destination.when else {
        return true;
    };
    match reading {
        Some(reading) => Asked::new(&event.payload, &event.provenance, reading).fits(condition),
        None => sound(|| rules::may_hold(condition, text(&event.payload))),
    }
}

/// Whether the destination wants events of this source, if they fit its condition.
pub fn wants_source(destination: &Destination, source: &str) -> bool {
    let sources = destination.sources.as_ref();
    sources.is_none_or(|sources| sources.iter().any(|name| name == source))
}

impl<'a> Asked<'a> {
    /// Of a payload that came in so, whose source is read so.
    pub fn new(payload: &'a [u8], provenance: &'a Provenance, reading: &'a Reading) -> Self {
        Self {
            payload,
            provenance,
            reading,
            view: OnceCell::new(),
        }
    }

    /// Whether a destination's condition holds.
    pub fn fits(&self, condition: &Condition) -> bool {
        let part = |part: ModelPart| self.view().json(part).map(Cow::Owned);
        sound(|| rules::holds(condition, text(self.payload), &part))
    }

    fn view(&self) -> &View<'a> {
        let read = || View::read(self.payload, self.provenance, self.reading);
        self.view.get_or_init(read)
    }
}

/// The log holds text; what is none passes like JSON without any member.
fn text(payload: &[u8]) -> &str {
    std::str::from_utf8(payload).unwrap_or_default()
}

/// What is asked is made of a stranger's bytes: should it meet a fault of its own, the event goes
/// out rather than missing without a trace.
fn sound(holds: impl FnOnce() -> bool) -> bool {
    catch_unwind(AssertUnwindSafe(holds)).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::event::EventId;
    use crate::settings::{
        BatchLimits, File, Format, Kind, Pointer, Preset, Retry, Scalar, SendingPace, Start, Test,
    };

    fn wants(destination: &Destination, event: &Event) -> bool {
        super::wants(destination, event, Some(&reading(Preset::Generic)))
    }

    fn reading(preset: Preset) -> Reading {
        Reading {
            preset,
            severities: Vec::new(),
        }
    }

    fn destination(sources: Option<&[&str]>) -> Destination {
        Destination {
            name: "archive".to_owned(),
            sources: sources.map(|names| names.iter().map(|&name| name.to_owned()).collect()),
            when: None,
            rules: Vec::new(),
            format: Format::Original,
            keep_original: true,
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
                names: None,
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
            replay_id: None,
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
    #[test]
    fn a_condition_on_the_model_goes_by_what_the_vendors_reader_makes_of_the_event() {
        let mut severe = destination(None);
        let words = ["high", "critical"].map(|word| Scalar::Text(word.to_owned()));
        severe.when = Some(Condition::All(vec![
            Condition::Model {
                part: ModelPart::Severity,
                test: Test::In(words.to_vec()),
            },
            Condition::Model {
                part: ModelPart::Family,
                test: Test::Prefix("mobile".to_owned()),
            },
        ]));
        let of = |severity: &str| {
            let payload = format!(
                "{{\"event\":{{\"type\":\"MOBILE_SECURE__MOBILE_FINDING_CREATED\",\
                 \"data\":{{\"severity\":\"{severity}\"}}}}}}"
            );
            Event {
                payload: Bytes::from(payload),
                ..event("appsec")
            }
        };
        let vendors = reading(Preset::DataTheorem);
        assert!(super::wants(&severe, &of("HIGH"), Some(&vendors)));
        assert!(!super::wants(&severe, &of("LOW"), Some(&vendors)));
        assert!(!super::wants(
            &severe,
            &of("HIGH"),
            Some(&reading(Preset::Generic))
        ));
        let own = Reading {
            severities: vec![("LOW".to_owned(), crate::settings::Severity::Critical)],
            ..vendors
        };
        assert!(super::wants(&severe, &of("LOW"), Some(&own)));
    }

    #[test]
    fn where_no_source_tells_the_model_only_the_rest_of_a_condition_can_rule_an_event_out() {
        let field = Condition::Field {
            at: Pointer(vec!["tenant".to_owned()]),
            test: Test::In(vec![Scalar::Text("a".to_owned())]),
        };
        let model = Condition::Model {
            part: ModelPart::Severity,
            test: Test::Exists(true),
        };
        let not = |condition: &Condition| Condition::Not(Box::new(condition.clone()));
        let pair = |one: Condition| vec![one, model.clone()];
        for (condition, of_a, of_b) in [
            (model.clone(), true, true),
            (not(&model), true, true),
            (field.clone(), true, false),
            (Condition::All(pair(field.clone())), true, false),
            (not(&Condition::Any(pair(field.clone()))), false, true),
            (Condition::Any(pair(not(&field))), true, true),
            (not(&Condition::All(pair(field.clone()))), true, true),
        ] {
            let mut some = destination(None);
            some.when = Some(condition.clone());
            for (payload, wanted) in [("{\"tenant\":\"a\"}", of_a), ("{\"tenant\":\"b\"}", of_b)] {
                let event = Event {
                    payload: Bytes::from_static(payload.as_bytes()),
                    ..event("gone")
                };
                let found = super::wants(&some, &event, None);
                assert_eq!(found, wanted, "{condition:?} of {payload}");
            }
        }
    }

    #[test]
    fn the_model_is_read_once_and_only_for_a_condition_that_asks_for_it() {
        let vendors = reading(Preset::DataTheorem);
        let provenance = Provenance::unknown();
        let asked = Asked::new(b"{\"event\":{}}", &provenance, &vendors);
        asked.fits(&Condition::Field {
            at: Pointer(vec!["event".to_owned()]),
            test: Test::Exists(true),
        });
        assert!(asked.view.get().is_none());
        let on_vendor = Condition::Model {
            part: ModelPart::Vendor,
            test: Test::Exists(true),
        };
        assert!(asked.fits(&on_vendor));
        let first: *const View<'_> = asked.view.get().unwrap();
        assert!(asked.fits(&on_vendor) && std::ptr::eq(first, asked.view()));
    }
}
