//! Microsoft Sentinel: the Logs Ingestion API of Azure Monitor, one JSON object per event that
//! fits the columns of a data collection rule's stream.
//!
//! A value over 64 KB is cut short under 204, so one is never sent. Nothing recognises a repeat:
//! `EventId` is the column to make rows distinct by.

use std::time::Duration;

use super::json::{self, Object, Out};
use super::judge::{self, Taken};
use super::{Preset, stamp};
use crate::settings::{Sentinel, SentinelColumn};
use crate::sink::client::Answer;
use crate::sink::payload;
use crate::sink::status;
use crate::sink::{HoldCause, Rendered, Verdict};

/// The version of the API.
pub(super) const API_VERSION: &str = "2023-01-01";
/// Bytes of one value.
const VALUE_BYTES_MAX: usize = 64_000;

/// A stream of a data collection rule.
pub(super) struct Stream {
    column: SentinelColumn,
    window: Option<Duration>,
}

impl Stream {
    pub(super) fn new(settings: &Sentinel, window: Option<Duration>) -> Self {
        Self {
            column: settings.column,
            window,
        }
    }
}

/// What stands behind the endpoint.
pub(super) fn path(settings: &Sentinel) -> Vec<String> {
    let parts = [
        "dataCollectionRules",
        &settings.rule_id,
        "streams",
        &settings.stream,
    ];
    parts.map(str::to_owned).to_vec()
}

impl Preset for Stream {
    fn encode(&self, out: &mut dyn Out, batch: &[&Rendered], now_ms: u64) {
        json::array(out, batch, |out, event| {
            let happened = stamp::happened(event, now_ms, self.window);
            let first = event.event.duplicate_of.map(|id| id.to_string());
            let replay = event.event.replay_id.map(|id| id.to_string());
            let mut row = Object::open(out);
            row.text("TimeGenerated", &stamp::rfc3339(happened))
                .text("EventId", &event.id().to_string())
                .text("ReceivedTime", &payload::received(&event.event))
                .text("Source", &event.event.provenance.source)
                .some("DuplicateOf", first.as_deref())
                .some("ReplayId", replay.as_deref());
            match self.column {
                SentinelColumn::RawData => row.bytes("RawData", &event.body),
                SentinelColumn::Event => row.raw("Event", &event.body),
            };
            row.close();
        });
    }

    fn refusal(&self, event: &Rendered) -> Option<String> {
        let bytes = event.body.len();
        (bytes > VALUE_BYTES_MAX).then(|| {
            format!("not sent: it has {bytes} bytes, Sentinel keeps {VALUE_BYTES_MAX} of a value")
        })
    }

    fn judge(&self, answer: &Answer, events: usize) -> Verdict {
        match answer.status {
            403 => {
                let advice = "grant Monitoring Metrics Publisher on the data collection rule, \
                              which can take half an hour to count";
                status::hold(HoldCause::Auth, status::describe(answer, advice))
            }
            _ => judge::judge(answer, events, Taken::By(204)),
        }
    }
}
