//! Which index or data stream an event goes to, and under which id.
//!
//! Both follow from the event alone, never from the attempt, the batch or the time of sending: a
//! resend must meet the first copy, be it after a month of outage or a replay of dead letters. So
//! the date in an index's name is the received time that the id itself holds, in UTC. It is not
//! the vendor's time: that is missing from many events, and where a sender states it, he would
//! choose among, and make, indices of any date.

use std::sync::Arc;

use crate::event::EventId;
use crate::settings::{BulkTarget, Elasticsearch, Letters, NamePart};
use crate::sink::{Rendered, name};

/// Where events go.
pub(super) struct Targets {
    name: Name,
    /// Sources whose resends get the id of the first event.
    collapse: Vec<String>,
}

enum Name {
    Fixed(Arc<str>),
    Following(Vec<NamePart>),
}

impl Targets {
    pub(super) fn new(settings: &Elasticsearch) -> Self {
        let name = match &settings.target {
            BulkTarget::DataStream(name) => Name::Fixed(name.as_str().into()),
            BulkTarget::DataStreams(parts) => Name::Following(parts.clone()),
            BulkTarget::Index(parts) => match parts.as_slice() {
                [NamePart::Text(name)] => Name::Fixed(name.as_str().into()),
                parts => Name::Following(parts.to_vec()),
            },
        };
        Self {
            name,
            collapse: settings.collapse_resends.clone(),
        }
    }

    /// The document's id: the event's own, or that of the first one of which it is a resend.
    pub(super) fn id(&self, event: &Rendered) -> EventId {
        let event = &event.event;
        match event.duplicate_of {
            Some(first) if self.collapse.contains(&event.provenance.source) => first,
            _ => event.id,
        }
    }

    /// The index or data stream.
    pub(super) fn name(&self, event: &Rendered) -> Arc<str> {
        match &self.name {
            Name::Fixed(name) => Arc::clone(name),
            Name::Following(parts) => {
                name::fill(parts, Letters::Plain, event, self.id(event)).into()
            }
        }
    }

    /// The part of the destination that can refuse for itself; none where there is only one.
    pub(super) fn partition(&self, event: &Rendered) -> Option<Arc<str>> {
        match &self.name {
            Name::Fixed(_) => None,
            Name::Following(parts) => {
                Some(name::fill(parts, Letters::Plain, event, self.id(event)).into())
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::event::Event;
    use crate::settings::{Auth, ElasticFlavour};
    use crate::sink::payload::tests::rendered;

    pub(in crate::sink::elastic) fn settings(target: BulkTarget) -> Elasticsearch {
        Elasticsearch {
            endpoints: Vec::new(),
            flavour: ElasticFlavour::Auto,
            target,
            require_alias: false,
            ids: true,
            collapse_resends: Vec::new(),
            auth: Auth::None,
            pipeline: None,
        }
    }

    pub(in crate::sink::elastic) fn daily() -> BulkTarget {
        let text = |text: &str| NamePart::Text(text.to_owned());
        BulkTarget::Index(vec![
            text("f-"),
            NamePart::Year,
            text("."),
            NamePart::Month,
            text("-"),
            NamePart::Day,
        ])
    }

    /// An event received then, a resend of that one.
    pub(in crate::sink::elastic) fn received(ms: u64, first: Option<EventId>) -> Rendered {
        let mut rendered = rendered(1, "{}");
        rendered.event = Arc::new(Event {
            id: EventId::new(ms),
            received_ms: ms,
            duplicate_of: first,
            ..Event::clone(&rendered.event)
        });
        rendered
    }

    /// 2026-11-23T23:59:59.999Z.
    pub(in crate::sink::elastic) const BEFORE_MIDNIGHT: u64 = 1_795_478_399_999;

    #[test]
    fn a_dated_index_follows_the_time_of_receipt_in_utc() {
        let targets = Targets::new(&settings(daily()));
        for (ms, name) in [
            (0, "f-1970.01-01"),
            (BEFORE_MIDNIGHT, "f-2026.11-23"),
            (BEFORE_MIDNIGHT + 1, "f-2026.11-24"),
        ] {
            let event = received(ms, None);
            assert_eq!(&*targets.name(&event), name);
            assert_eq!(targets.partition(&event).as_deref(), Some(name));
        }
        let mut never = rendered(1, "{}");
        Arc::get_mut(&mut never.event).unwrap().id = EventId::from_bytes([255; 16]);
        assert_eq!(&*targets.name(&never), "f-9999.12-30");
    }

    #[test]
    fn a_resend_takes_the_place_of_the_first_event_only_where_that_is_wanted() {
        let mut settings = settings(daily());
        let first = received(BEFORE_MIDNIGHT, None);
        let resend = received(BEFORE_MIDNIGHT + 60_000, Some(first.id()));
        let apart = Targets::new(&settings);
        assert_eq!(apart.id(&resend), resend.id());
        assert_eq!(&*apart.name(&resend), "f-2026.11-24");
        settings.collapse_resends = vec!["acme".to_owned()];
        let together = Targets::new(&settings);
        assert_eq!(together.id(&resend), first.id());
        assert_eq!(together.name(&resend), together.name(&first));
        assert_eq!(together.id(&first), first.id());
        settings.collapse_resends = vec!["other".to_owned()];
        assert_eq!(Targets::new(&settings).id(&resend), resend.id());
    }

    #[test]
    fn a_fixed_name_is_no_part_of_the_destination() {
        let targets = Targets::new(&settings(BulkTarget::DataStream("logs-a-b".to_owned())));
        let event = rendered(1, "{}");
        assert_eq!(&*targets.name(&event), "logs-a-b");
        assert_eq!(targets.partition(&event), None);
    }

    #[test]
    fn the_partition_is_the_name_that_an_events_values_give() {
        let parts = vec![
            NamePart::Text("logs-a.".to_owned()),
            NamePart::Value {
                at: crate::settings::Pointer(vec!["k".to_owned()]),
                otherwise: "none".to_owned(),
            },
            NamePart::Text("-prod".to_owned()),
        ];
        let targets = Targets::new(&settings(BulkTarget::DataStreams(parts)));
        for (json, name) in [
            (r#"{"k":"Login-Failed"}"#, "logs-a.login_failed-prod"),
            ("{}", "logs-a.none-prod"),
        ] {
            let event = rendered(1, json);
            assert_eq!(&*targets.name(&event), name);
            assert_eq!(targets.partition(&event).as_deref(), Some(name));
        }
    }
}
