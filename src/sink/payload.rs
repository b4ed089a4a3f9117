//! How payloads are framed by every sink that sends them: on one line, or in an envelope.
//!
//! Pure: bytes to bytes. Payloads are well-formed JSON; nothing here parses or changes them but
//! for line ends between tokens.

use std::borrow::Cow;

use jiff::Timestamp;
use memchr::{memchr2, memchr2_iter};

use super::Rendered;
use crate::event::{Event, EventId};

/// Removes line ends, so that the text fits on one line.
///
/// Inside a string well-formed JSON has no raw CR or LF, and between tokens they are white space
/// that nothing depends on: so removing each of them changes no value.
pub(super) fn compact_lines(json: &[u8]) -> Cow<'_, [u8]> {
    if memchr2(b'\r', b'\n', json).is_none() {
        return Cow::Borrowed(json);
    }
    let mut line = Vec::with_capacity(json.len());
    let mut rest = 0;
    for end in memchr2_iter(b'\r', b'\n', json) {
        line.extend_from_slice(json.get(rest..end).unwrap_or_default());
        rest = end + 1;
    }
    line.extend_from_slice(json.get(rest..).unwrap_or_default());
    Cow::Owned(line)
}

/// Appends the event's body, wrapped as `{"id", "received", "source", "event"}` if asked for;
/// a marked resend has `"duplicate_of"` before `"event"`, and one of a replay `"replay_id"`.
pub(super) fn write(out: &mut Vec<u8>, event: &Rendered, envelope: bool) {
    if envelope {
        write_head(out, &event.event);
    }
    out.extend_from_slice(&event.body);
    if envelope {
        out.push(b'}');
    }
}

/// Appends the event as one line with its end.
pub(super) fn write_line(out: &mut Vec<u8>, event: &Rendered, envelope: bool) {
    if envelope {
        write_head(out, &event.event);
    }
    out.extend_from_slice(&compact_lines(&event.body));
    if envelope {
        out.push(b'}');
    }
    out.push(b'\n');
}

/// Bytes that [`write_line`] appends at most.
pub(super) fn line_bytes(event: &Rendered, envelope: bool) -> usize {
    let mut head = Vec::new();
    if envelope {
        write_head(&mut head, &event.event);
        head.push(b'}');
    }
    head.len() + event.body.len() + 1
}

/// Received time as RFC 3339 with milliseconds, in UTC.
pub(super) fn received(event: &Event) -> String {
    let milliseconds = i64::try_from(event.received_ms).unwrap_or(i64::MAX);
    // Past the year 9999 there is no RFC 3339 form; no clock shows that.
    let timestamp = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX);
    format!("{timestamp:.3}")
}

/// Appends a JSON string.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    // Text can always be written to memory.
    let _never_fails = serde_json::to_writer(out, text);
}

fn write_head(out: &mut Vec<u8>, event: &Event) {
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(event.id.encode(&mut [0; EventId::TEXT_BYTES]).as_bytes());
    out.extend_from_slice(b"\",\"received\":\"");
    out.extend_from_slice(received(event).as_bytes());
    out.extend_from_slice(b"\",\"source\":");
    write_string(out, &event.provenance.source);
    if let Some(first) = event.duplicate_of {
        out.extend_from_slice(b",\"duplicate_of\":\"");
        out.extend_from_slice(first.to_string().as_bytes());
        out.push(b'"');
    }
    if let Some(replay) = event.replay_id {
        out.extend_from_slice(b",\"replay_id\":\"");
        out.extend_from_slice(replay.to_string().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b",\"event\":");
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::event::{EventId, Provenance, ReplayId};

    /// The event number `n`, received at 2026-11-23T14:42:05.123Z.
    pub(in crate::sink) fn rendered(n: u8, body: &str) -> Rendered {
        let provenance = Provenance {
            source: "acme".to_owned(),
            ..Provenance::unknown()
        };
        let event = Event {
            position: u64::from(n),
            id: EventId::from_bytes([n; 16]),
            received_ms: 1_795_444_925_123,
            duplicate_of: None,
            replay_id: None,
            provenance: Arc::new(provenance),
            payload: Bytes::copy_from_slice(body.as_bytes()),
        };
        Rendered {
            event: Arc::new(event),
            body: Bytes::copy_from_slice(body.as_bytes()),
            payload: Bytes::copy_from_slice(body.as_bytes()),
            time: None,
            host: None,
            sourcetype: None,
        }
    }

    #[test]
    fn only_line_ends_between_tokens_are_removed() {
        let pretty = b"{\r\n  \"a\": \"x\\ny\",\n\t\"b\": [1,\n2]\r}\n";
        let line = compact_lines(pretty);
        assert_eq!(&*line, b"{  \"a\": \"x\\ny\",\t\"b\": [1,2]}");
        let before: serde_json::Value = serde_json::from_slice(pretty).unwrap();
        let after: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(before, after);
    }

    #[test]
    fn a_text_without_line_ends_is_not_copied() {
        assert!(matches!(compact_lines(b"{\"a\":1}"), Cow::Borrowed(_)));
    }

    #[test]
    fn an_envelope_names_id_received_time_and_source() {
        let mut out = Vec::new();
        let event = rendered(1, "{\n\"a\":1}");
        write_line(&mut out, &event, true);
        let expected = "{\"id\":\"01010101-0101-0101-0101-010101010101\",\
            \"received\":\"2026-11-23T14:42:05.123Z\",\"source\":\"acme\",\"event\":{\"a\":1}}\n";
        assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
        assert_eq!(
            line_bytes(&event, true),
            out.len() + 1,
            "one line end was removed"
        );
    }

    #[test]
    fn a_marked_resend_names_the_first_event_in_its_envelope_and_a_replayed_one_its_replay() {
        let mut event = rendered(2, "7");
        let (first, replay) = (EventId::from_bytes([1; 16]), ReplayId::new());
        let inner = Arc::get_mut(&mut event.event).unwrap();
        inner.duplicate_of = Some(first);
        inner.replay_id = Some(replay);
        let mut out = Vec::new();
        write(&mut out, &event, true);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["duplicate_of"], first.to_string());
        assert_eq!(value["replay_id"], replay.to_string());
        assert_eq!(value["event"], 7);
    }
}
