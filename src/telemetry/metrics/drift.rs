//! Metrics of contracts and drift: events looked at, broken contracts, saves of the sketch.
//!
//! Labels are configured names of contracts and the closed sets below. Knows no event.

use prometheus::{IntCounter, IntCounterVec};

use super::declare::Declare;

pub(super) struct ContractFamilies {
    events: IntCounterVec,
    breaches: IntCounterVec,
}

/// Handles of one contract.
#[derive(Clone)]
pub struct ContractMetrics {
    /// Events that it was held against.
    pub checked: IntCounter,
    /// Those of them that broke it.
    pub breaches: IntCounter,
}

/// Handles of the follower.
#[derive(Clone)]
pub struct DriftMetrics {
    /// Events looked at.
    pub observed: IntCounter,
    /// Events that it did not come to see.
    pub missed: IntCounter,
    /// Events too large to be looked at, or that cannot be taken apart.
    pub unreadable: IntCounter,
    /// Saves of the sketch.
    pub saved: IntCounter,
    /// Saves that failed.
    pub failed: IntCounter,
}

impl ContractFamilies {
    /// Declares the families; no series yet.
    pub(super) fn declare(d: &Declare<'_>) -> Result<Self, prometheus::Error> {
        const CONTRACT: &[&str] = &["contract"];
        Ok(Self {
            events: d.counters(
                "contract_events_total",
                "Events that a contract was held against.",
                CONTRACT,
            )?,
            breaches: d.counters(
                "contract_breaches_total",
                "Events that broke a contract.",
                CONTRACT,
            )?,
        })
    }

    /// The handles of one contract, at zero.
    pub(super) fn contract(&self, name: &str) -> ContractMetrics {
        ContractMetrics {
            checked: self.events.with_label_values(&[name]),
            breaches: self.breaches.with_label_values(&[name]),
        }
    }
}

impl DriftMetrics {
    pub(super) fn declare(d: &Declare<'_>) -> Result<Self, prometheus::Error> {
        let events = d.counters(
            "drift_events_total",
            "Events for contracts and drift, by whether they were looked at.",
            &["result"],
        )?;
        let saves = d.counters(
            "drift_saves_total",
            "Saves of what is known of events.",
            &["result"],
        )?;
        Ok(Self {
            observed: events.with_label_values(&["observed"]),
            missed: events.with_label_values(&["missed"]),
            unreadable: events.with_label_values(&["unreadable"]),
            saved: saves.with_label_values(&["done"]),
            failed: saves.with_label_values(&["failed"]),
        })
    }
}
