//! Graylog's GELF HTTP input: one GELF 1.1 message a request, or one a line where the input has
//! bulk receiving on ("GELF Inputs").
//!
//! An input without it takes the first line and answers 202 for all, so one a request is the
//! default. The event is `full_message`; the relay's facts are additional fields.

use super::json::{Object, Out};
use super::judge::{self, Taken};
use super::{Preset, stamp};
use crate::settings::Graylog;
use crate::sink::client::Answer;
use crate::sink::{Rendered, Verdict};

/// GELF's `host` where nobody names one; it must not be empty.
const HOST: &str = "siem-relay";

/// A GELF input.
pub(super) struct Gelf {
    settings: Graylog,
    fields: Vec<(String, String)>,
}

impl Gelf {
    pub(super) fn new(settings: &Graylog) -> Self {
        let fields = settings.fields.iter();
        Self {
            fields: fields.map(|(k, v)| (format!("_{k}"), v.clone())).collect(),
            settings: settings.clone(),
        }
    }

    fn message(&self, out: &mut dyn Out, event: &Rendered, now_ms: u64) {
        let settings = &self.settings;
        let host = settings.host.as_deref().or(event.host.as_deref());
        let host = host.filter(|host| !host.is_empty()).unwrap_or(HOST);
        let short = format!("event from {}", event.event.provenance.source);
        let happened = stamp::happened(event, now_ms, None);
        let mut message = Object::open(out);
        message
            .text("version", "1.1")
            .text("host", host)
            .text("short_message", &short)
            .bytes("full_message", &event.body)
            .raw("timestamp", stamp::seconds(happened).as_bytes())
            .raw("level", settings.level.to_string().as_bytes());
        stamp::identity(&mut message, event, "_siem_relay_");
        message.texts(&self.fields).close();
    }
}

impl Preset for Gelf {
    fn encode(&self, out: &mut dyn Out, batch: &[&Rendered], now_ms: u64) {
        for event in batch {
            self.message(out, event, now_ms);
            if self.settings.bulk {
                out.put(b"\n");
            }
        }
    }

    fn judge(&self, answer: &Answer, events: usize) -> Verdict {
        judge::judge(answer, events, Taken::By(202))
    }
}
