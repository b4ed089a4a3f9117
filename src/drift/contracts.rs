//! Contracts: what detections need of a source's events, checked on each event that comes.
//!
//! A breach is counted, told in the log at most once a minute for each contract, and changes
//! nothing else. Neither log nor status repeats what an event holds: they have the event's id and
//! the place, which the configuration names.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::mark::Mark;
use super::{read, type_of};
use crate::event::{Event, EventId};
use crate::settings::Contract;
use crate::telemetry::metrics::{ContractMetrics, Metrics};

/// Between two log lines about one contract.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// All contracts, with what became of them since the start.
pub(super) struct Contracts(Vec<Watched>);

struct Watched {
    contract: Contract,
    metrics: ContractMetrics,
    last: Option<Breach>,
    logged: Option<Instant>,
    /// Breaches since the last log line, which the next one tells.
    unlogged: u64,
}

/// A contract and how it is kept.
#[derive(Clone, Debug)]
pub struct ContractStatus {
    /// What is expected, and for whom.
    pub contract: Contract,
    /// Events that it was held against since the start.
    pub checked: u64,
    /// Those of them that broke it.
    pub breaches: u64,
    /// The last one.
    pub last: Option<Breach>,
}

/// An event that broke a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The event.
    pub event: EventId,
    /// The first place that is not as it should be, a JSON pointer.
    pub pointer: String,
    /// `missing` or `unknown_value`.
    pub problem: &'static str,
}

/// Contracts that an event was held against, each with how the event breaks it.
pub type Held<'c> = Vec<(&'c Contract, Option<Breach>)>;

impl Contracts {
    pub(super) fn new(contracts: &[Contract], metrics: &Metrics) -> Self {
        let watched = contracts.iter().map(|contract| Watched {
            metrics: metrics.contract(&contract.name),
            contract: contract.clone(),
            last: None,
            logged: None,
            unlogged: 0,
        });
        Self(watched.collect())
    }

    /// Holds one event of this type against each contract of its source.
    pub(super) fn check(&mut self, event: &Event, kind: &str, value: &Value, now: Instant) {
        for watched in &mut self.0 {
            let contract = &watched.contract;
            if !concerns(contract, event, kind) {
                continue;
            }
            watched.metrics.checked.inc();
            if let Some((pointer, problem)) = breach(contract, value) {
                let pointer = pointer.to_owned();
                watched.note(event.id, pointer, problem, now);
            }
        }
    }

    pub(super) fn status(&self) -> Vec<ContractStatus> {
        let status = |watched: &Watched| ContractStatus {
            contract: watched.contract.clone(),
            checked: watched.metrics.checked.get(),
            breaches: watched.metrics.breaches.get(),
            last: watched.last.clone(),
        };
        self.0.iter().map(status).collect()
    }
}

impl Watched {
    fn note(&mut self, event: EventId, pointer: String, problem: &'static str, now: Instant) {
        self.metrics.breaches.inc();
        let quiet = self
            .logged
            .is_some_and(|logged| now.saturating_duration_since(logged) < LOG_INTERVAL);
        if quiet {
            self.unlogged = self.unlogged.saturating_add(1);
        } else {
            let contract = &self.contract;
            tracing::warn!(
                contract = contract.name,
                used_by = contract.used_by,
                source = contract.source,
                %event,
                received = Mark(event).time(),
                pointer,
                problem,
                unlogged = self.unlogged,
                "contract broken: the detection may not see such events"
            );
            self.logged = Some(now);
            self.unlogged = 0;
        }
        self.last = Some(Breach {
            event,
            pointer,
            problem,
        });
    }
}

/// Holds an event against the contracts of its source and type, as the follower does, and counts
/// nothing. None for an event that is too large to be taken apart, at which the follower does not
/// look either.
pub fn hold<'c>(contracts: &'c [Contract], event: &Event) -> Option<Held<'c>> {
    // A connectivity test is no event of its kind.
    if event.provenance.test {
        return Some(Vec::new());
    }
    let value = read(&event.payload)?;
    let kind = type_of(&value);
    let held = contracts.iter().filter(|held| concerns(held, event, kind));
    let broken = |contract: &'c Contract| {
        let (pointer, problem) = breach(contract, &value)?;
        Some(Breach {
            event: event.id,
            pointer: pointer.to_owned(),
            problem,
        })
    };
    Some(held.map(|contract| (contract, broken(contract))).collect())
}

/// Whether a contract is about events of this source and type.
fn concerns(contract: &Contract, event: &Event, kind: &str) -> bool {
    contract.source == event.provenance.source && matches(&contract.kind, kind)
}

/// The first place where an event is not as its contract says, and how.
pub(super) fn breach<'a>(contract: &'a Contract, value: &Value) -> Option<(&'a str, &'static str)> {
    let there = |pointer: &str| value.pointer(pointer).is_some_and(|found| !found.is_null());
    let missing = contract.requires.iter().find(|pointer| !there(pointer));
    if let Some(pointer) = missing {
        return Some((pointer, "missing"));
    }
    let unknown = contract.values.iter().find(|(pointer, words)| {
        let found = value.pointer(pointer).filter(|found| !found.is_null());
        found.is_some_and(|found| !is_among(found, words))
    });
    unknown.map(|(pointer, _)| (pointer.as_str(), "unknown_value"))
}

/// Whether a value, or each element of an array, is one of the words. Numbers and booleans are
/// compared as JSON writes them.
fn is_among(value: &Value, words: &[String]) -> bool {
    match value {
        Value::String(text) => words.contains(text),
        Value::Number(number) => words.contains(&number.to_string()),
        Value::Bool(flag) => words.contains(&flag.to_string()),
        Value::Array(elements) => {
            let nested = |element: &Value| element.is_array() || element.is_object();
            elements.iter().all(|e| !nested(e) && is_among(e, words))
        }
        Value::Null | Value::Object(_) => false,
    }
}

/// Whether a type is meant by a pattern, in which `*` stands for any text, also none.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    // Each part as early as it can be leaves most for those behind it.
    for part in parts {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}
