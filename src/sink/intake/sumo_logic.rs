//! Sumo Logic's HTTP Logs and Metrics source: one envelope a line, metadata in headers ("Upload
//! data to an HTTP source", "Troubleshooting HTTP sources").
//!
//! The URL is the credential. A collector that an ingest budget has stopped drops events and still
//! answers 200, which nobody here can notice.

use super::json::Out;
use super::judge::{self, Taken};
use super::{Preset, envelopes};
use crate::settings::SumoLogic;
use crate::sink::client::Answer;
use crate::sink::status;
use crate::sink::{HoldCause, Rendered, Verdict};

/// An HTTP source.
pub(super) struct Source;

/// `X-Sumo-*`.
pub(super) fn headers(settings: &SumoLogic) -> Vec<(&'static str, String)> {
    let fields = settings.fields.iter();
    let fields: Vec<_> = fields
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let fields = (!fields.is_empty()).then(|| fields.join(","));
    [
        ("x-sumo-category", settings.category.clone()),
        ("x-sumo-host", settings.host.clone()),
        ("x-sumo-name", settings.name.clone()),
        ("x-sumo-fields", fields),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

impl Preset for Source {
    fn encode(&self, out: &mut dyn Out, batch: &[&Rendered], _now_ms: u64) {
        envelopes::lines(out, batch);
    }

    fn judge(&self, answer: &Answer, events: usize) -> Verdict {
        match answer.status {
            401 => {
                let advice = "the URL is not that of a source; put the present one where url_file \
                              or url_env says";
                status::hold(HoldCause::Url, status::describe(answer, advice))
            }
            _ => judge::judge(answer, events, Taken::By(200)),
        }
    }
}
