//! Google SecOps: `logs:import` of the Chronicle API, and the ingestion API that it replaces.
//!
//! Import: raw logs in base64, each with the time it happened, a later one at which it was
//! collected, and labels, which carry the relay's facts. Of the old API an entry has text and time
//! alone, so that the text is the relay's envelope.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::json::{self, Object, Out};
use super::judge::{self, Taken};
use super::{Preset, stamp};
use crate::settings::{GoogleSecops, SecopsApi};
use crate::sink::client::Answer;
use crate::sink::{Rendered, Verdict, payload};

/// The least by which a log is collected after it happened.
const COLLECTED_AFTER_NANOS: u64 = 1_000_000;

struct Import {
    /// The forwarder's full name.
    forwarder: Option<String>,
}

struct Legacy {
    customer_id: String,
    log_type: String,
}

/// The preset for the API that is configured.
pub(super) fn preset(settings: &GoogleSecops) -> Box<dyn Preset> {
    match &settings.api {
        SecopsApi::Import { forwarder, .. } => {
            let named = |id| format!("{}/forwarders/{id}", parent(settings).join("/"));
            Box::new(Import {
                forwarder: forwarder.as_ref().map(named),
            })
        }
        SecopsApi::Legacy => Box::new(Legacy {
            customer_id: settings.instance.clone(),
            log_type: settings.log_type.clone(),
        }),
    }
}

/// What stands behind the host.
pub(super) fn path(settings: &GoogleSecops) -> Vec<String> {
    match &settings.api {
        SecopsApi::Import { version, .. } => {
            let mut path = vec![version.clone()];
            path.extend(parent(settings));
            path.extend(["logTypes", &settings.log_type, "logs:import"].map(str::to_owned));
            path
        }
        SecopsApi::Legacy => ["v2", "unstructuredlogentries:batchCreate"]
            .map(str::to_owned)
            .to_vec(),
    }
}

/// The instance's full name in parts; none for the old API.
fn parent(settings: &GoogleSecops) -> Vec<String> {
    let SecopsApi::Import {
        project, region, ..
    } = &settings.api
    else {
        return Vec::new();
    };
    let parts = [
        "projects",
        project,
        "locations",
        region,
        "instances",
        &settings.instance,
    ];
    parts.map(str::to_owned).to_vec()
}

impl Preset for Import {
    fn encode(&self, out: &mut dyn Out, batch: &[&Rendered], now_ms: u64) {
        let mut body = Object::open(out);
        let mut source = body.object("inlineSource");
        json::array(source.value("logs"), batch, |out, event| {
            let happened = stamp::happened(event, now_ms, None);
            let received = event.event.received_ms.saturating_mul(1_000_000);
            let collected = received.max(happened.saturating_add(COLLECTED_AFTER_NANOS));
            let mut log = Object::open(out);
            log.text("data", &BASE64.encode(&event.body))
                .text("logEntryTime", &stamp::rfc3339(happened))
                .text("collectionTime", &stamp::rfc3339(collected));
            let mut labels = log.object("labels");
            for (name, value) in stamp::facts(event) {
                let mut label = labels.object(&format!("siem_relay_{name}"));
                label.text("value", &value).close();
            }
            labels.close();
            log.close();
        });
        source.some("forwarder", self.forwarder.as_deref()).close();
        body.close();
    }

    fn judge(&self, answer: &Answer, events: usize) -> Verdict {
        judge::judge(answer, events, Taken::Any)
    }
}

impl Preset for Legacy {
    fn encode(&self, out: &mut dyn Out, batch: &[&Rendered], now_ms: u64) {
        let mut body = Object::open(out);
        body.text("customer_id", &self.customer_id)
            .text("log_type", &self.log_type);
        json::array(body.value("entries"), batch, |out, event| {
            let happened = stamp::happened(event, now_ms, None);
            let mut text = Vec::with_capacity(event.body.len() + 256);
            payload::write(&mut text, event, true);
            let mut entry = Object::open(out);
            entry
                .bytes("log_text", &text)
                .text("ts_rfc3339", &stamp::rfc3339(happened))
                .close();
        });
        body.close();
    }

    fn judge(&self, answer: &Answer, events: usize) -> Verdict {
        judge::judge(answer, events, Taken::Any)
    }
}
