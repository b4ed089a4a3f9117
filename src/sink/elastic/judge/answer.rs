//! The parts of a bulk answer that are judged, as JSON has them.

use serde::Deserialize;

use super::is_block;

/// An answer with an item per event.
#[derive(Deserialize)]
pub(super) struct BulkAnswer {
    pub(super) items: Vec<ItemOf>,
}

/// An item under the name of its action.
#[derive(Deserialize)]
pub(super) struct ItemOf {
    pub(super) create: Item,
}

/// What became of one event.
#[derive(Deserialize)]
pub(super) struct Item {
    pub(super) status: u16,
    #[serde(default)]
    pub(super) error: Option<ItemError>,
    /// `used`, `failed`, `not_enabled`, `not_applicable_or_unknown`.
    #[serde(default)]
    pub(super) failure_store: Option<String>,
}

/// Why.
#[derive(Deserialize)]
pub(super) struct ItemError {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) reason: Option<String>,
    #[serde(default)]
    suppressed: Vec<Suppressed>,
}

/// Why the failure store could not take a document.
#[derive(Deserialize)]
struct Suppressed {
    #[serde(default, rename = "type")]
    kind: String,
}

/// An answer that refuses the whole request.
#[derive(Deserialize)]
pub(super) struct WholeError {
    pub(super) error: ItemError,
}

impl ItemError {
    /// Whether what kept the failure store from taking it passes by itself.
    pub(super) fn is_suppressed_passing(&self) -> bool {
        self.suppressed.iter().any(|one| is_passing(&one.kind))
    }
}

fn is_passing(kind: &str) -> bool {
    is_block(kind)
        || kind.ends_with("rejected_execution_exception")
        || matches!(
            kind,
            "circuit_breaking_exception"
                | "unavailable_shards_exception"
                | "no_shard_available_action_exception"
                | "process_cluster_event_timeout_exception"
        )
}
