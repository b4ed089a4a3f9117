//! CrowdStrike LogScale's structured ingest, and the HEC/HTTP connector of Falcon Next-Gen SIEM.
//!
//! Structured: events in groups of equal tags, each with its time, attributes and `rawstring`
//! ("Ingest API"). The connector is called HEC and is not Splunk's: its lines are read as JSON, and
//! each is a well-formed HEC envelope, and its answers are judged by status alone.

use super::json::{self, Object, Out};
use super::judge::{self, Taken};
use super::{Preset, stamp};
use crate::settings::Logscale;
use crate::sink::client::Answer;
use crate::sink::payload::compact_lines;
use crate::sink::{Rendered, Verdict};

/// `humio-structured`.
pub(super) struct Structured {
    tags: Vec<(String, String)>,
}

/// A connector's own URL.
pub(super) struct Connector;

impl Structured {
    pub(super) fn new(settings: &Logscale) -> Self {
        Self {
            tags: settings.tags.clone(),
        }
    }
}

/// The sources of a batch, in the order of their first events.
pub(super) fn sources<'a>(batch: &[&'a Rendered]) -> Vec<&'a str> {
    let mut sources: Vec<&str> = Vec::new();
    for event in batch {
        let source = event.event.provenance.source.as_str();
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    sources
}

impl Preset for Structured {
    fn encode(&self, out: &mut dyn Out, batch: &[&Rendered], now_ms: u64) {
        json::array(out, sources(batch), |out, source| {
            let of_it = batch
                .iter()
                .filter(|one| one.event.provenance.source == source);
            let mut group = Object::open(out);
            let mut tags = group.object("tags");
            tags.text("source", source).texts(&self.tags).close();
            json::array(group.value("events"), of_it, |out, event| {
                let happened = stamp::rfc3339(stamp::happened(event, now_ms, None));
                let mut item = Object::open(out);
                item.text("timestamp", &happened);
                let mut attributes = item.object("attributes");
                stamp::identity(&mut attributes, event, "siem_relay_");
                attributes.close();
                item.bytes("rawstring", &event.body).close();
            });
            group.close();
        });
    }

    fn judge(&self, answer: &Answer, events: usize) -> Verdict {
        judge::judge(answer, events, Taken::Any)
    }
}

impl Preset for Connector {
    fn encode(&self, out: &mut dyn Out, batch: &[&Rendered], now_ms: u64) {
        for event in batch {
            let happened = stamp::seconds(stamp::happened(event, now_ms, None));
            let mut line = Object::open(out);
            line.raw("time", happened.as_bytes())
                .some("host", event.host.as_deref())
                .text("source", &event.event.provenance.source)
                .raw("event", &compact_lines(&event.body));
            let mut fields = line.object("fields");
            stamp::identity(&mut fields, event, "siem_relay_");
            fields.close();
            line.close();
            out.put(b"\n");
        }
    }

    fn judge(&self, answer: &Answer, events: usize) -> Verdict {
        judge::judge(answer, events, Taken::Any)
    }
}
