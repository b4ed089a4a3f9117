//! Opens a journal after a power cut and looks whether it has what it must have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use siem_relay::journal::{DiskFiles, Health, Journal, NewRecord, Options, Read, Stored};
use siem_relay::telemetry::metrics::Metrics;

use crate::chance::Chance;
use crate::format::Id;
use crate::image::Image;
use crate::rules::Rules;
use crate::story::Story;

/// The destination whose cursor says what is no longer needed.
pub(crate) const DESTINATION: &str = "archive";

/// Cuts the power before a line and opens what is left; the events that had to be there, and were.
pub(crate) fn survives(
    story: &Story,
    rules: &Rules<'_>,
    line: usize,
    chance: &mut Chance,
) -> Result<usize, String> {
    let directory = tempfile::tempdir().unwrap();
    Image::at_cut(story, line, chance).write_to(directory.path());
    let positions: BTreeMap<Id, u64> = rules
        .records
        .iter()
        .map(|record| (record.id, record.position))
        .collect();
    // The sender may have an answer that was only begun.
    let answers = rules.answers().filter(|(_, begun)| *begun < line);
    let answered: BTreeMap<u64, Id> = answers.map(|(id, _)| (positions[&id], id)).collect();
    let failed = |what: String| format!("power cut before line {line}: {what}");
    look(directory.path(), &answered).map_err(failed)
}

fn look(directory: &Path, answered: &BTreeMap<u64, Id>) -> Result<usize, String> {
    let options = Options {
        directory: directory.to_owned(),
        max_size_bytes: 64 * 1024 * 1024,
        segment_bytes: 1024 * 1024,
        reserve_bytes: 0,
        retain_delivered: Duration::from_secs(3600),
        resend_window: 0,
        scrub_interval: Duration::ZERO,
        allow_ephemeral: true,
    };
    let metrics = Metrics::new().unwrap();
    let journal = Journal::open(options, Arc::new(DiskFiles), metrics.storage.clone())
        .map_err(|error| format!("cannot be opened: {error}"))?;
    let low_water = match journal.load_cursor(DESTINATION) {
        Ok(cursor) => cursor.low_water,
        Err(_) if answered.is_empty() => return Ok(0),
        Err(error) => return Err(format!("the destination is lost: {error}")),
    };
    // Also what is delivered and kept for replay: from the oldest segment on.
    let mut reader = journal.reader(0);
    let mut found = BTreeSet::new();
    let mut kept_from = low_water + 1;
    loop {
        let read = reader.read(100, 1024 * 1024);
        let Read::Records(records) = read.map_err(|error| error.to_string())? else {
            return Err("a reader passed damage that nobody passed".to_owned());
        };
        let Some(first) = records.first() else {
            break;
        };
        kept_from = kept_from.min(first.record.position);
        found.extend(records.iter().map(|read| read.record.id));
    }
    let needed = answered.range(kept_from..);
    for (position, id) in needed.clone() {
        if !found.contains(id) {
            return Err(format!("position {position} was answered and is lost"));
        }
    }
    let last = answered.keys().last().copied().unwrap_or(0);
    goes_on(&journal, last)?;
    Ok(needed.count())
}

/// The journal takes records, and gives them positions that nobody had.
fn goes_on(journal: &Journal, last: u64) -> Result<(), String> {
    let record = NewRecord {
        id: [1; 16],
        received_ms: 1,
        resend: None,
        header: Vec::new(),
        payload: Bytes::from_static(b"{}"),
    };
    let appended = journal.append(vec![record]);
    let appended = appended.and_then(|answer| tokio::task::block_in_place(|| answer.wait()));
    match appended {
        Ok(stored) => match stored[..] {
            [Stored::At { position, .. }] if position > last => Ok(()),
            _ => Err(format!("after {last} came {stored:?}")),
        },
        Err(error) => {
            let health = journal.health();
            let health: &Health = &health.borrow();
            Err(format!("takes nothing: {error}; {health:?}"))
        }
    }
}
