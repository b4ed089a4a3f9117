//! `kind = "splunk_hec"`: addresses, token, indexes, acknowledgement.
//!
//! Reads every key before it gives up, so that one mistake does not make others look unknown.

use std::time::Duration;

use crate::settings::{
    Acknowledgement, HecInput, HecNames, Letters, NamePart, PartialBatches, SplunkHec,
};

use super::endpoint::{Shape, endpoints};
use super::kinds::constants;
use super::name;
use super::problems::shown;
use super::secrets::{self, Rule};
use super::table::Table;

/// The field by which the relay marks every Splunk event with its id.
const ID_FIELD: &str = "siem_relay_id";
const NO_INDEX: &str = "is not the name of an index";
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
    let source = table.string("source", None);
    let sourcetype = table.string("sourcetype", None);
    let host = table.string("host", None);
    let following = |key: &str, text: &Option<String>, is_one: &dyn Fn(&str) -> bool| {
        let text = text.as_deref().filter(|text| name::follows(text))?;
        following(table, key, text, is_one)
    };
    let names = HecNames {
        index: following("index", &index, &is_index),
        source: following("source", &source, &|_| true),
        sourcetype: following("sourcetype", &sourcetype, &|_| true),
        host: host_parts(table, host.as_deref()),
    };
    let constant = |text: Option<String>| text.filter(|text| !name::follows(text));
    let index = constant(index);
    check_index(table, "index", index.as_deref());
    let indexes = indexes(table, sources);
    let fields = fields(table, input);
    let acknowledgement = acknowledgement(table);
    Some(SplunkHec {
        endpoints: endpoints?,
        token: token?,
        input,
        index,
        indexes,
        source: constant(source),
        sourcetype: constant(sourcetype),
        host: constant(host),
        names,
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

/// The parts of metadata that follows the event; none if it is none, which is then reported.
fn following(
    table: &Table<'_>,
    key: &str,
    text: &str,
    is_one: &dyn Fn(&str) -> bool,
) -> Option<Vec<NamePart>> {
    match name::parts(text, Letters::Plain) {
        // A token's indexes and an app's sourcetypes go by the beginning of their names.
        Ok(parts) if matches!(parts.first(), Some(NamePart::Value { .. })) => {
            let what = "begins with what an event says";
            table.problem(key, what, "write a prefix of your own before it");
            None
        }
        Ok(parts) if is_one(&name::longest(&parts, Letters::Plain)) => Some(parts),
        Ok(_) => {
            table.problem(key, NO_INDEX, index_remedy());
            None
        }
        Err(what) => {
            let remedy =
                "write such as \"sec_{/event/severity|none}\", \"{source}\" or \"x{yyyy}\"";
            table.problem(key, what, remedy);
            None
        }
    }
}

/// The parts of a host that follows the event. It may begin with a value: nothing is permitted by
/// the beginning of a host's name.
fn host_parts(table: &Table<'_>, host: Option<&str>) -> Option<Vec<NamePart>> {
    match name::parts(host.filter(|host| name::follows(host))?, Letters::Host) {
        Ok(parts) => Some(parts),
        Err(what) => {
            let remedy = "write such as \"{/host|none}\" or \"{source}.example.com\"";
            table.problem("host", what, remedy);
            None
        }
    }
}

/// Splunk's rules for names of indexes ("Create custom indexes"); internal ones begin with `_`.
fn is_index(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    name.len() <= INDEX_BYTES_MAX && !name.starts_with('-') && name.chars().all(allowed)
}

fn index_remedy() -> String {
    format!(
        "use at most {INDEX_BYTES_MAX} lower-case letters, digits, _ and -, not beginning with -"
    )
}

fn check_index(table: &Table<'_>, key: &str, index: Option<&str>) {
    if index.is_some_and(|name| !is_index(name)) {
        table.problem(key, NO_INDEX, index_remedy());
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
