//! Grafana Loki's push, as JSON (Loki HTTP API, "Ingest logs").
//!
//! One stream per source, with constant labels: an id as a label would make a stream per event, so
//! the relay's facts are structured metadata. Values have the received time in nanoseconds, as
//! strings, with the position in the last six digits: Loki keeps one of two values that agree in
//! time and line, which makes a repeat harmless and must not meet two events.

use std::time::Duration;

use super::json::{self, Object, Out};
use super::judge::{self, Taken};
use super::logscale::sources;
use super::{Preset, stamp};
use crate::settings::Loki;
use crate::sink::client::Answer;
use crate::sink::status;
use crate::sink::{Rendered, RetryCause, Sent, Verdict};

/// Bytes of a line (`limits_config.max_line_size`); longer ones are discarded.
const LINE_BYTES_MAX: usize = 256 * 1024;

/// The push endpoint.
pub(super) struct Push {
    labels: Vec<(String, String)>,
    window: Option<Duration>,
}

impl Push {
    pub(super) fn new(settings: &Loki, window: Option<Duration>) -> Self {
        Self {
            labels: settings.labels.clone(),
            window,
        }
    }
}

/// The tenant.
pub(super) fn headers(settings: &Loki) -> Vec<(&'static str, String)> {
    let tenant = settings.tenant.iter();
    tenant.map(|id| ("x-scope-orgid", id.clone())).collect()
}

impl Preset for Push {
    fn encode(&self, out: &mut dyn Out, batch: &[&Rendered], now_ms: u64) {
        let mut body = Object::open(out);
        json::array(body.value("streams"), sources(batch), |out, source| {
            let of_it = batch
                .iter()
                .filter(|one| one.event.provenance.source == source);
            let mut stream = Object::open(out);
            let mut labels = stream.object("stream");
            labels.text("source", source).texts(&self.labels).close();
            json::array(stream.value("values"), of_it, |out, event| {
                let nanos = stamp::received(event, now_ms, self.window).to_string();
                out.put(b"[");
                json::string(out, nanos.as_bytes());
                out.put(b",");
                json::string(out, &event.body);
                out.put(b",");
                let mut metadata = Object::open(out);
                stamp::identity(&mut metadata, event, "siem_relay_");
                metadata.close();
                out.put(b"]");
            });
            stream.close();
        });
        body.close();
    }

    fn refusal(&self, event: &Rendered) -> Option<String> {
        let bytes = event.body.len();
        (bytes > LINE_BYTES_MAX).then(|| {
            format!("not sent: it has {bytes} bytes, Loki takes lines of {LINE_BYTES_MAX}")
        })
    }

    fn judge(&self, answer: &Answer, events: usize) -> Verdict {
        match answer.status {
            204 => judge::judge(answer, events, Taken::By(204)),
            // `block_ingestion_status_code`: the tenant is blocked until a time.
            260 => Verdict::Retry {
                after: answer.retry_after,
                sent: Sent::No,
                cause: RetryCause::Blocked,
                detail: status::describe(answer, "ingestion is blocked for this tenant"),
            },
            // Part of the request may be stored: it is not sent again by itself. Which part does
            // not show, so all of it becomes dead letters, from where a person sends it again.
            400 => status::reject(status::describe(
                answer,
                "part of the request may be stored",
            )),
            _ => judge::judge(answer, events, Taken::By(204)),
        }
    }
}
