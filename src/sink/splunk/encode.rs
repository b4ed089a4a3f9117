//! Events to HEC envelopes, byte for byte.
//!
//! Splunk answers 200 to an envelope with an unknown top-level key, yet drops it and what
//! follows: so there are exactly the keys `time`, `host`, `source`, `sourcetype`, `index`,
//! `event` and `fields`, and only `time` and `host` can come from the vendor, unless the operator
//! makes a value part of a name.

use crate::event::EventId;
use crate::settings::SplunkHec;
use crate::sink::Rendered;
use crate::sink::payload::write_string;

use super::indexes::{Indexes, Metadata, source};

/// Room for what is around an event, but for the configured fields: three ids and names of usual
/// length. Where names are longer, a body grows while it is written.
const AROUND_BYTES: usize = 512;

/// What is the same in every envelope of a destination.
pub(super) struct Envelope {
    source: Metadata,
    indexes: Indexes,
    sourcetype: Metadata,
    host: Metadata,
    /// The configured fields, each with a comma before it, and the closing braces.
    end: Vec<u8>,
}

impl Envelope {
    pub(super) fn new(settings: &SplunkHec) -> Self {
        let mut end = Vec::new();
        for (key, value) in &settings.fields {
            end.push(b',');
            write_string(&mut end, key);
            end.push(b':');
            write_string(&mut end, value);
        }
        end.extend_from_slice(b"}}\n");
        Self {
            source: Metadata::source(settings),
            indexes: Indexes::new(settings),
            sourcetype: Metadata::sourcetype(settings),
            host: Metadata::host(settings),
            end,
        }
    }

    /// All envelopes, one after another.
    pub(super) fn encode(&self, batch: &[Rendered]) -> Vec<u8> {
        let room = |event: &Rendered| event.body.len() + AROUND_BYTES + self.end.len();
        let mut body = Vec::with_capacity(batch.iter().map(room).sum());
        for event in batch {
            self.write_head(&mut body, event);
            body.extend_from_slice(&event.body);
            self.write_tail(&mut body, event);
        }
        body
    }

    /// Bytes of one envelope.
    pub(super) fn bytes(&self, event: &Rendered) -> usize {
        let mut around = Vec::with_capacity(AROUND_BYTES + self.end.len());
        self.write_head(&mut around, event);
        self.write_tail(&mut around, event);
        around.len() + event.body.len()
    }

    fn write_head(&self, out: &mut Vec<u8>, event: &Rendered) {
        out.extend_from_slice(b"{\"time\":");
        match &event.time {
            Some(time) if is_epoch(time) => out.extend_from_slice(time.as_bytes()),
            _ => {
                let received_ms = event.event.received_ms;
                let time = format!("{}.{:03}", received_ms / 1000, received_ms % 1000);
                out.extend_from_slice(time.as_bytes());
            }
        }
        let host = self.host.of(event);
        if let Some(host) = host.as_deref().or(event.host.as_deref()) {
            write_member(out, "host", host);
        }
        write_member(out, "source", &source(&self.source, event));
        // What the operator wrote counts for all events.
        match (self.sourcetype.of(event), event.sourcetype) {
            (Some(configured), _) => write_member(out, "sourcetype", &configured),
            (None, Some(family)) => write_member(out, "sourcetype", family),
            (None, None) => {}
        }
        if let Some(index) = self.indexes.of(event) {
            write_member(out, "index", &index);
        }
        out.extend_from_slice(b",\"event\":");
    }

    fn write_tail(&self, out: &mut Vec<u8>, event: &Rendered) {
        out.extend_from_slice(b",\"fields\":{\"siem_relay_id\":\"");
        out.extend_from_slice(event.id().encode(&mut [0; EventId::TEXT_BYTES]).as_bytes());
        out.push(b'"');
        if let Some(first) = event.event.duplicate_of {
            write_member(out, "siem_relay_duplicate_of", &first.to_string());
        }
        if let Some(replay) = event.event.replay_id {
            write_member(out, "siem_relay_replay_id", &replay.to_string());
        }
        out.extend_from_slice(&self.end);
    }
}

/// Digits with at most one dot between them: what may stand in JSON without quotes, but for
/// leading zeros, which no present time has.
fn is_epoch(time: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, "0"));
    digits(seconds) && digits(fraction) && (seconds == "0" || !seconds.starts_with('0'))
}

/// Appends a member whose key needs no escape.
fn write_member(out: &mut Vec<u8>, key: &'static str, value: &str) {
    for part in [",\"", key, "\":"] {
        out.extend_from_slice(part.as_bytes());
    }
    write_string(out, value);
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::event::{EventId, Provenance};
    use crate::settings::{Acknowledgement, Endpoint, HecInput, PartialBatches};
    use crate::sink::client::test_secret;
    use crate::sink::payload::tests::rendered;

    /// A destination with nothing but its address and token.
    pub(in crate::sink::splunk) fn settings() -> SplunkHec {
        SplunkHec {
            endpoints: vec![Endpoint {
                url: "http://127.0.0.1:8088".to_owned(),
                connect_timeout: Duration::from_secs(1),
                request_timeout: Duration::from_secs(1),
                ca_file: None,
                tls: Default::default(),
                proxy: None,
                gzip: false,
            }],
            token: test_secret("t"),
            input: HecInput::Event,
            index: None,
            indexes: Vec::new(),
            source: None,
            sourcetype: None,
            host: None,
            names: Default::default(),
            fields: Vec::new(),
            partial_batches: PartialBatches::PrefixAccepted,
            acknowledgement: Acknowledgement {
                interval: Duration::from_secs(10),
                timeout: Duration::from_secs(300),
                max_batches: 1000,
            },
        }
    }

    fn text(settings: &SplunkHec, batch: &[Rendered]) -> String {
        let envelope = Envelope::new(settings);
        let body = envelope.encode(batch);
        let bytes: usize = batch.iter().map(|event| envelope.bytes(event)).sum();
        assert_eq!(bytes, body.len(), "the batch limit counts what is sent");
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn the_least_envelope_has_time_source_event_and_id() {
        assert_eq!(
            text(&settings(), &[rendered(1, r#"{"a":1}"#)]),
            "{\"time\":1795444925.123,\"source\":\"siem-relay:acme\",\"event\":{\"a\":1},\
             \"fields\":{\"siem_relay_id\":\"01010101-0101-0101-0101-010101010101\"}}\n"
        );
    }

    #[test]
    fn a_family_has_its_sourcetype_unless_one_is_configured_for_all() {
        let mut settings = settings();
        let mut event = rendered(1, "1");
        event.sourcetype = Some("acme:alert");
        let one = std::slice::from_ref(&event);
        assert!(text(&settings, one).contains(",\"sourcetype\":\"acme:alert\","));
        settings.sourcetype = Some("acme:all".to_owned());
        let configured = text(&settings, one);
        assert!(configured.contains(",\"sourcetype\":\"acme:all\","));
        assert!(!configured.contains("acme:alert"));
    }

    #[test]
    fn every_configured_part_has_its_place_and_nothing_else_appears() {
        let mut settings = settings();
        settings.index = Some("sec".to_owned());
        settings.source = Some("web\"hook".to_owned());
        settings.sourcetype = Some("acme:finding".to_owned());
        settings.fields = vec![("env".to_owned(), "prod".to_owned())];
        let mut event = rendered(2, "\"text\"");
        event.time = Some("1433188255.500".to_owned());
        event.host = Some("web-1".to_owned());
        let first = EventId::from_bytes([1; 16]);
        Arc::get_mut(&mut event.event).unwrap().duplicate_of = Some(first);
        assert_eq!(
            text(&settings, &[event]),
            "{\"time\":1433188255.500,\"host\":\"web-1\",\"source\":\"web\\\"hook\",\
             \"sourcetype\":\"acme:finding\",\"index\":\"sec\",\"event\":\"text\",\"fields\":{\
             \"siem_relay_id\":\"02020202-0202-0202-0202-020202020202\",\
             \"siem_relay_duplicate_of\":\"01010101-0101-0101-0101-010101010101\",\
             \"env\":\"prod\"}}\n"
        );
    }

    #[test]
    fn each_event_names_the_index_of_its_source() {
        let mut settings = settings();
        settings.index = Some("sec".to_owned());
        settings.indexes = vec![("acme".to_owned(), "own".to_owned())];
        let mut other = rendered(2, "{}");
        let provenance = Provenance {
            source: "other".to_owned(),
            ..Provenance::unknown()
        };
        Arc::get_mut(&mut other.event).unwrap().provenance = Arc::new(provenance);
        let text = text(&settings, &[rendered(1, "{}"), other]);
        let indexes: Vec<_> = text
            .lines()
            .filter_map(|line| {
                let envelope: serde_json::Value = serde_json::from_str(line).unwrap();
                envelope["index"].as_str().map(str::to_owned)
            })
            .collect();
        assert_eq!(indexes, ["own", "sec"]);
    }

    #[test]
    fn the_event_goes_byte_for_byte_and_envelopes_follow_without_commas() {
        let odd = "{ \"n\" : 1e400,\r\n \"n\":123456789012345678901234567890 , \"s\":\"\\u00e9\" }";
        let text = text(&settings(), &[rendered(1, odd), rendered(2, "null")]);
        assert!(text.contains(&format!("\"event\":{odd},\"fields\"")));
        assert!(text.contains("}}\n{\"time\""));
    }

    #[test]
    fn a_time_that_is_no_number_is_replaced_by_the_received_time() {
        for time in [
            "",
            ".",
            "1.",
            ".5",
            "1.2.3",
            "1e9",
            "-1",
            "007",
            "1,\"index\":\"x\"",
        ] {
            let mut event = rendered(1, "{}");
            event.time = Some(time.to_owned());
            let text = text(&settings(), &[event]);
            assert!(text.starts_with("{\"time\":1795444925.123,"), "{time}");
        }
    }
}
