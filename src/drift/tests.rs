//! What the tests of contracts and drift share: events, and a sketch that they are shown to.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::event::{EventId, Provenance};

mod contract_tests;
mod file_tests;
mod follower_tests;
mod property_tests;
mod sketch_tests;

/// The id of the event with this number, received so many seconds after a fixed time.
fn id(number: u64) -> EventId {
    let ms = 1_700_000_000_000 + number * 1000;
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    bytes[6] = 0x70;
    bytes[8] = 0x80;
    bytes[15] = u8::try_from(number % 256).unwrap();
    EventId::from_bytes(bytes)
}

fn event(number: u64, payload: &Value) -> Event {
    Event {
        position: number,
        id: id(number),
        received_ms: 0,
        duplicate_of: None,
        replay_id: None,
        provenance: Arc::new(Provenance {
            source: "appsec".to_owned(),
            ..Provenance::unknown()
        }),
        payload: Bytes::from(payload.to_string()),
    }
}

/// A sketch that was shown these events of one source, numbered from 1.
fn shown(events: &[Value]) -> Sketch {
    let mut sketch = Sketch::default();
    for (number, value) in (1..).zip(events) {
        sketch.add("appsec", type_of(value), Shape::of(value), id(number));
    }
    sketch
}

/// The findings of these events: what, field, detail and the number of the event.
fn found(events: &[Value]) -> Vec<(&'static str, String, String, u64)> {
    let number = |finding: &Finding| {
        let ids = (1..=events.len() as u64).find(|number| id(*number).to_string() == finding.event);
        ids.unwrap()
    };
    let findings = shown(events).report().findings.into_iter();
    findings
        .map(|it| {
            (
                it.what.as_str(),
                it.field.clone(),
                it.detail.clone(),
                number(&it),
            )
        })
        .collect()
}

/// So many times the same event.
fn repeated(count: usize, value: &Value) -> Vec<Value> {
    vec![value.clone(); count]
}

fn drift(contracts: &[Contract]) -> Drift {
    let directory = PathBuf::from("/nonexistent");
    Drift::new(
        directory,
        Sketch::default(),
        contracts,
        &Metrics::new().unwrap(),
    )
}

#[test]
fn connectivity_tests_change_nothing_and_what_is_too_large_is_counted() {
    let drift = drift(&[]);
    let mut test = event(1, &json!({ "a": 1 }));
    let provenance = Provenance {
        test: true,
        ..(*test.provenance).clone()
    };
    test.provenance = Arc::new(provenance);
    drift.observe(&test);
    assert_eq!((drift.report().events, drift.report().unreadable), (0, 0));
    for (payload, unreadable) in [
        (format!("[{}0]", "0,".repeat(VALUES_MAX - 2)), 0),
        (format!("[{}0]", "0,".repeat(VALUES_MAX)), 1),
        (format!("\"{}\"", "x".repeat(PAYLOAD_BYTES_MAX - 2)), 1),
        (format!("\"{}\"", "x".repeat(PAYLOAD_BYTES_MAX - 1)), 2),
        (format!("{}{}", "[".repeat(2000), "]".repeat(2000)), 3),
    ] {
        let mut large = event(2, &Value::Null);
        large.payload = Bytes::from(payload);
        drift.observe(&large);
        assert_eq!(drift.report().unreadable, unreadable);
    }
    assert_eq!(drift.report().events, 2);
    assert_eq!(
        (drift.metrics.observed.get(), drift.metrics.unreadable.get()),
        (2, 3)
    );
}

#[test]
fn the_type_is_found_where_vendors_put_it() {
    for (value, expected) in [
        (json!({ "type": "A", "event": { "type": "B" } }), "A"),
        (json!({ "type": 7, "event": { "type": "B" } }), "B"),
        (json!({ "event_type": "C" }), "C"),
        (json!({ "eventType": "D" }), "D"),
        (json!([{ "type": "E" }]), ""),
    ] {
        assert_eq!(type_of(&value), expected, "{value}");
    }
}
