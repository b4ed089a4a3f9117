//! Compares the events that were answered with the documents of the index and the dead letters.
//!
//! It does not believe the ids alone: each event has a number of its own inside, so an event that
//! is stored under two ids is seen.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::node::{Document, Node};
use crate::poster::{Answered, NAME};
use crate::relay::{Relay, Setup};

/// Events that a failure names.
const SHOWN_MAX: usize = 5;

/// Where the events are.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) indexed: usize,
    /// Dead letters by id.
    pub(crate) letters: BTreeMap<String, Value>,
}

/// Waits until nothing is left, and checks that each answered event is in exactly one place.
pub(crate) async fn settled(
    (node, index): (&Node, &str),
    (setup, relay): (&Setup, &Relay),
    answered: &Answered,
) -> Places {
    let status = relay.drained(NAME).await;
    let letters = letters(&setup.text(&format!("dead-letters/{NAME}.jsonl")));
    let documents = node.documents(index).await;
    let wrong = wrong(answered, &documents, &letters);
    let some: Vec<_> = wrong.iter().take(SHOWN_MAX).collect();
    assert!(wrong.is_empty(), "{} wrong, such as {some:#?}", wrong.len());
    assert_eq!(status["accounting_mismatch"], 0, "{status:#}");
    assert_eq!(status["delivered"], documents.len(), "{status:#}");
    assert_eq!(status["dead_lettered"], letters.len(), "{status:#}");
    Places {
        indexed: documents.len(),
        letters,
    }
}

/// Events that the receiver said it had.
pub(crate) async fn conflicts(relay: &Relay) -> usize {
    let sample = format!(
        "siem_relay_duplicate_events_total{{destination=\"{NAME}\",kind=\"receiver_conflict\"}}"
    );
    count(relay.metric(&sample).await)
}

/// Events that were kept to be sent again, for this reason.
pub(crate) async fn retries(relay: &Relay, reason: &str) -> usize {
    let sample =
        format!("siem_relay_delivery_retries_total{{destination=\"{NAME}\",reason=\"{reason}\"}}");
    count(relay.metric(&sample).await)
}

fn letters(text: &str) -> BTreeMap<String, Value> {
    let letters = text.lines().map(|line| {
        let letter: Value = serde_json::from_str(line).unwrap();
        (letter["id"].as_str().unwrap().to_owned(), letter)
    });
    letters.collect()
}

/// What is not as it should be, for people.
fn wrong(
    answered: &Answered,
    documents: &[Document],
    letters: &BTreeMap<String, Value>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let (mut ids, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for document in documents {
        let Document { id, source } = document;
        let number = number_in(source);
        if !ids.insert(id) {
            wrong.push(format!("{id} is there twice"));
        }
        match number {
            None => wrong.push(format!("{id} has no number: {source}")),
            Some(number) if !numbers.insert(number) => {
                wrong.push(format!("event {number} is there twice"));
            }
            Some(number) if answered.get(id) != Some(&number) => {
                wrong.push(format!("{id} is not the id answered for event {number}"));
            }
            Some(_) => {}
        }
    }
    for (id, number) in answered {
        match (ids.contains(id), letters.contains_key(id)) {
            (false, false) => wrong.push(format!("event {number} ({id}) is lost")),
            (true, true) => wrong.push(format!("event {number} is stored and a dead letter")),
            _ => {}
        }
    }
    wrong
}

/// The number in the vendor's event, which every document has as text.
fn number_in(source: &Value) -> Option<u64> {
    let original: Value = serde_json::from_str(source["event"]["original"].as_str()?).ok()?;
    original["n"].as_u64()
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a counter of events"
)]
fn count(sample: f64) -> usize {
    sample as usize
}

#[test]
fn lost_repeated_and_foreign_events_are_seen() {
    let document = |id: &str, n: u64| Document {
        id: id.to_owned(),
        source: serde_json::json!({"event": {"original": format!("{{\"n\":{n}}}")}}),
    };
    let answered = Answered::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
    let none = BTreeMap::new();
    let found = |documents: &[Document], letters| wrong(&answered, documents, letters);

    assert!(found(&[document("a", 1), document("b", 2)], &none).is_empty());
    assert_eq!(found(&[document("a", 1)], &none), ["event 2 (b) is lost"]);
    let again = [document("a", 1), document("b", 2), document("c", 1)];
    assert_eq!(found(&again, &none), ["event 1 is there twice"]);
    let foreign = [document("a", 1), document("b", 2), document("c", 3)];
    assert_eq!(
        found(&foreign, &none),
        ["c is not the id answered for event 3"]
    );
    let letter = BTreeMap::from([("b".to_owned(), Value::Null)]);
    assert!(found(&[document("a", 1)], &letter).is_empty());
    let both = found(&[document("a", 1), document("b", 2)], &letter);
    assert_eq!(both, ["event 2 is stored and a dead letter"]);
    let twice = [document("a", 1), document("a", 1), document("b", 2)];
    assert_eq!(found(&twice, &none).len(), 2, "same id, same number");
}
