//! `kind = "splunk_hec"`: addresses, token, indexes, acknowledgement.
//!
//! Reads every key before it gives up, so that one mistake does not make others look unknown.

use std::time::Duration;

use crate::settings::{Acknowledgement, HecInput, PartialBatches, SplunkHec};

use super::endpoint::{Shape, endpoints};
use super::kinds::constants;
use super::problems::shown;
use super::secrets::{self, Rule};
use super::table::Table;

/// The field by which the relay marks every Splunk event with its id.
const ID_FIELD: &str = "siem_relay_id";
/// Bytes of an index's name.
const INDEX_BYTES_MAX: usize = 80;
/// Batches that may wait for acknowledgement.
const ACK_BATCHES_MAX: usize = 100_000;

const SECOND: Duration = Duration::from_secs(1);
const TENTH: Duration = Duration::from_millis(100);

/// Reads the table. `sources` are the names that `indexes` may have.
pub(super) fn splunk_hec(table: &Table<'_>, sources: &[String]) -> Option<SplunkHec> {
    let endpoints = endpoints(table, true, &Shape::SPLUNK);
    let token = secrets::one(table, "token", Rule::SPLUNK);
    if !secrets::named(table, "token") {
        let remedy = "set it to a file with the HEC token, or set token_env";
        table.problem("token_file", "missing", remedy);
    }
    let inputs = [("event", HecInput::Event), ("raw", HecInput::Raw)];
    let input = table.one_of("endpoint", Some("event"), &inputs);
    let input = input.unwrap_or(HecInput::Event);
    let partial = [
        ("prefix_accepted", PartialBatches::PrefixAccepted),
        ("all_rejected", PartialBatches::AllRejected),
    ];
    let partial_batches = table.one_of("partial_batches", Some("prefix_accepted"), &partial);
    let index = table.string("index", None);
    check_index(table, "index", index.as_deref());
    let indexes = indexes(table, sources);
    let source = table.string("source", None);
    let sourcetype = table.string("sourcetype", None);
    let fields = fields(table, input);
    let acknowledgement = acknowledgement(table);
    Some(SplunkHec {
        endpoints: endpoints?,
        token: token?,
        input,
        index,
        indexes,
        source,
        sourcetype,
        fields,
        partial_batches: partial_batches.unwrap_or(PartialBatches::PrefixAccepted),
        acknowledgement,
    })
}

fn indexes(table: &Table<'_>, sources: &[String]) -> Vec<(String, String)> {
    let indexes = table.texts("indexes");
    for (source, index) in &indexes {
        let key = format!("indexes.{}", shown(source));
        if !sources.contains(source) {
            let remedy = format!("write one of {}, or add the source", sources.join(", "));
            table.problem(&key, "there is no such source", remedy);
        }
        check_index(table, &key, Some(index));
    }
    indexes
}

/// Splunk's rules for names of indexes ("Create custom indexes"); internal ones begin with `_`.
fn check_index(table: &Table<'_>, key: &str, index: Option<&str>) {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    let is_index = |name: &str| {
        name.len() <= INDEX_BYTES_MAX && !name.starts_with('-') && name.chars().all(allowed)
    };
    if index.is_some_and(|name| !is_index(name)) {
        let remedy = format!(
            "use at most {INDEX_BYTES_MAX} lower-case letters, digits, _ and -, not beginning \
             with -"
        );
        table.problem(key, "is not the name of an index", remedy);
    }
}

fn fields(table: &Table<'_>, input: HecInput) -> Vec<(String, String)> {
    let fields = constants(table, "fields");
    if fields.iter().any(|(name, _)| name == ID_FIELD) {
        let what = format!("{ID_FIELD} is the relay's own field");
        table.problem("fields", what, "choose another name");
    }
    if !fields.iter().all(|(name, _)| is_field(name)) {
        let what = "has a name that is not 1 to 64 letters, digits and _.:-";
        table.problem("fields", what, "rename the field");
    }
    if input == HecInput::Raw && !fields.is_empty() {
        let what = "is set although endpoint is raw, which has no fields";
        table.problem("fields", what, "remove it, or use endpoint = \"event\"");
    }
    fields
}

fn is_field(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(allowed)
}

fn acknowledgement(table: &Table<'_>) -> Acknowledgement {
    let acknowledgement = Acknowledgement {
        interval: table.duration("ack_interval", 10 * SECOND, TENTH..=300 * SECOND),
        timeout: table.duration("ack_timeout", 300 * SECOND, TENTH..=24 * 3600 * SECOND),
        max_batches: table.count("ack_max_batches", 1000, 1..=ACK_BATCHES_MAX),
    };
    if acknowledgement.timeout < acknowledgement.interval {
        let what = "is shorter than ack_interval, so that no batch would be asked about in time";
        table.problem("ack_timeout", what, "raise it, or lower ack_interval");
    }
    acknowledgement
}
