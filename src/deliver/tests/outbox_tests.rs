//! Proves that the outbox gives out what was put in, in order and within its limits, whatever the
//! order in which events come and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use crate::deliver::outbox::{Item, Outbox, Tag};
use crate::event::{Event, EventId, Provenance};
use crate::settings::BatchLimits;
use crate::sink::{Rendered, Sent};

const LIMITS: BatchLimits = BatchLimits {
    max_events: 4,
    max_bytes: 100,
};

/// What is known of an event in the model: its bytes and its partition.
type Known = (usize, Option<Arc<str>>);

#[derive(Clone, Debug)]
enum Step {
    Push(u64, Known),
    PutBack(BTreeMap<u64, Known>),
    Take(usize, u64),
    TakeLast,
    TakePartition(Arc<str>),
    DropThrough(u64),
}

fn partition() -> impl Strategy<Value = Option<Arc<str>>> {
    prop_oneof![Just(None), Just(Some("a".into())), Just(Some("b".into()))]
}

fn step() -> impl Strategy<Value = Step> {
    let some = prop::collection::btree_map(1..60_u64, (0..60_usize, partition()), 0..5);
    prop_oneof![
        2 => some.prop_map(Step::PutBack),
        8 => (1..60_u64, 0..60_usize, partition()).prop_map(|(p, b, of)| Step::Push(p, (b, of))),
        3 => (0..6_usize, 1..60_u64).prop_map(|(max, alone)| Step::Take(max, alone)),
        1 => Just(Step::TakeLast),
        1 => Just(Step::TakePartition("a".into())),
        1 => (0..40_u64).prop_map(Step::DropThrough),
    ]
}

fn item(position: u64, (encoded_bytes, partition): Known) -> Item {
    let event = Event {
        position,
        id: EventId::from_bytes([1; 16]),
        received_ms: 0,
        duplicate_of: None,
        replay_id: None,
        provenance: Arc::new(Provenance::unknown()),
        payload: Bytes::new(),
    };
    let rendered = Rendered {
        event: Arc::new(event),
        body: Bytes::new(),
        payload: Bytes::new(),
        time: None,
        host: None,
        sourcetype: None,
    };
    let tag = Tag {
        encoded_bytes,
        partition,
        attempts: 0,
        sent: Sent::No,
        together: None,
    };
    Item { rendered, tag }
}

/// What a portion has to be: from the first event on, those of its partition, until one does not
/// fit, goes alone, or enough are taken.
fn portion(model: &BTreeMap<u64, Known>, events_max: usize, alone: u64) -> Vec<u64> {
    let mut taken = Vec::new();
    let mut bytes = 0;
    let partition = model.values().next().map(|(_, partition)| partition);
    let alike = model.iter().filter(|(_, (_, of))| Some(of) == partition);
    for (position, (more, _)) in alike.take(events_max.clamp(1, LIMITS.max_events)) {
        if !taken.is_empty() && (bytes + more > LIMITS.max_bytes || *position == alone) {
            break;
        }
        taken.push(*position);
        bytes += more;
        if *position == alone {
            break;
        }
    }
    taken
}

proptest! {
    #[test]
    fn it_gives_out_what_was_put_in_in_order(steps in prop::collection::vec(step(), 1..80)) {
        let mut outbox = Outbox::new(LIMITS);
        let mut model: BTreeMap<u64, Known> = BTreeMap::new();
        for step in steps {
            let (taken, expected) = match step {
                Step::Push(position, known) => {
                    outbox.push(item(position, known.clone()));
                    model.insert(position, known);
                    (Vec::new(), Vec::new())
                }
                Step::PutBack(some) => {
                    let items = some.iter().map(|(p, known)| item(*p, known.clone()));
                    outbox.put_back(items.collect());
                    model.extend(some);
                    (Vec::new(), Vec::new())
                }
                Step::Take(most, alone) => {
                    let expected = portion(&model, most, alone);
                    (outbox.take(most, |position| position == alone), expected)
                }
                Step::TakeLast => {
                    let last = model.keys().next_back().copied();
                    (outbox.take_last(), last.into_iter().collect())
                }
                Step::TakePartition(name) => {
                    let of_it = model.iter().filter(|(_, (_, of))| of.as_ref() == Some(&name));
                    let expected = of_it.map(|(position, _)| *position).collect();
                    (outbox.take_partition(&name), expected)
                }
                Step::DropThrough(position) => {
                    outbox.drop_through(position);
                    model = model.split_off(&(position + 1));
                    (Vec::new(), Vec::new())
                }
            };
            let taken: Vec<_> = taken.iter().map(Item::position).collect();
            prop_assert_eq!(&taken, &expected);
            model.retain(|position, _| !expected.contains(position));
            let bytes: usize = model.values().map(|(bytes, _)| bytes).sum();
            let is_full = model.len() >= LIMITS.max_events || bytes >= LIMITS.max_bytes;
            prop_assert_eq!(outbox.is_full(), is_full);
            prop_assert_eq!(outbox.is_empty(), model.is_empty());
        }
    }
}
