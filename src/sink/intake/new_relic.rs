//! New Relic logs: one block with common attributes and entries ("Introduction to the Log API").
//!
//! Attributes can be no arrays, so that the event goes as the string `message`. The 202 comes
//! before anything is looked at.

use std::time::Duration;

use super::json::{self, Object, Out};
use super::judge::{self, Taken};
use super::{Preset, stamp};
use crate::settings::NewRelic;
use crate::sink::client::Answer;
use crate::sink::{Rendered, Verdict};

/// The log API.
pub(super) struct Logs {
    attributes: Vec<(String, String)>,
    window: Option<Duration>,
}

impl Logs {
    pub(super) fn new(settings: &NewRelic, window: Option<Duration>) -> Self {
        Self {
            attributes: settings.attributes.clone(),
            window,
        }
    }
}

impl Preset for Logs {
    fn encode(&self, out: &mut dyn Out, batch: &[&Rendered], now_ms: u64) {
        out.put(b"[");
        let mut block = Object::open(out);
        let mut common = block.object("common");
        let mut attributes = common.object("attributes");
        attributes.texts(&self.attributes).close();
        common.close();
        json::array(block.value("logs"), batch, |out, event| {
            let happened = stamp::happened(event, now_ms, self.window);
            let mut entry = Object::open(out);
            entry
                .raw("timestamp", stamp::milliseconds(happened).as_bytes())
                .bytes("message", &event.body);
            let mut attributes = entry.object("attributes");
            stamp::identity(&mut attributes, event, "siem_relay_");
            attributes.some("host", event.host.as_deref()).close();
            entry.close();
        });
        block.close();
        out.put(b"]");
    }

    fn judge(&self, answer: &Answer, events: usize) -> Verdict {
        judge::judge(answer, events, Taken::By(202))
    }
}
