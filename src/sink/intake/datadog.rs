//! Datadog logs, version 2: a JSON array of entries (Datadog API, "Send logs").
//!
//! The 202 comes before anything is looked at, and an entry over 1 MB is cut short under it, so one
//! is never sent. The event goes as the string `message`, whose JSON Datadog parses itself.

use std::time::Duration;

use super::json::{self, Count, Object, Out};
use super::judge::{self, Taken};
use super::{Preset, stamp};
use crate::settings::Datadog;
use crate::sink::client::Answer;
use crate::sink::{Rendered, Verdict};

/// Bytes of one entry.
const ENTRY_BYTES_MAX: usize = 1_000_000;

/// The logs intake.
pub(super) struct Logs {
    settings: Datadog,
    tags: Option<String>,
    window: Option<Duration>,
}

impl Logs {
    pub(super) fn new(settings: &Datadog, window: Option<Duration>) -> Self {
        Self {
            tags: (!settings.tags.is_empty()).then(|| settings.tags.join(",")),
            settings: settings.clone(),
            window,
        }
    }

    fn entry(&self, out: &mut dyn Out, event: &Rendered, now_ms: u64) {
        let settings = &self.settings;
        let source = &event.event.provenance.source;
        let hostname = settings.hostname.as_ref().or(event.host.as_ref());
        let happened = stamp::happened(event, now_ms, self.window);
        let mut entry = Object::open(out);
        entry
            .text("ddsource", settings.ddsource.as_ref().unwrap_or(source))
            .some("ddtags", self.tags.as_deref())
            .some("hostname", hostname.map(String::as_str))
            .text("service", &settings.service)
            .raw("timestamp", stamp::milliseconds(happened).as_bytes())
            .bytes("message", &event.body);
        let mut own = entry.object("siem_relay");
        stamp::identity(&mut own, event, "");
        own.close();
        entry.close();
    }
}

impl Preset for Logs {
    fn encode(&self, out: &mut dyn Out, batch: &[&Rendered], now_ms: u64) {
        json::array(out, batch, |out, event| self.entry(out, event, now_ms));
    }

    fn refusal(&self, event: &Rendered) -> Option<String> {
        let mut count = Count::default();
        self.entry(&mut count, event, event.event.received_ms);
        (count.0 > ENTRY_BYTES_MAX).then(|| {
            let bytes = count.0;
            format!("not sent: its entry has {bytes} bytes, Datadog keeps {ENTRY_BYTES_MAX}")
        })
    }

    fn judge(&self, answer: &Answer, events: usize) -> Verdict {
        judge::judge(answer, events, Taken::By(202))
    }
}
