//! What a payload is: one JSON value in UTF-8, and perhaps a vendor's connectivity test.
//!
//! Both are found in one pass where that is possible. Nesting of any depth is taken: neither check
//! recurses.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::reply::Refused;
use crate::settings::Preset;

/// The one key of an envelope that is looked at here.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: &'a RawValue,
}

/// Refuses what is not one JSON value. Says whether the payload is a connectivity test.
pub(super) fn check(preset: Preset, payload: &[u8]) -> Result<bool, Refused> {
    if payload.is_empty() {
        return Err(Refused::EmptyBody);
    }
    if preset == Preset::DataTheorem
        && let Some(event) = event_of(payload)
    {
        return Ok(event.starts_with('"'));
    }
    // Whatever is no envelope, or one that is odd (a key twice, say), is no test either.
    match serde_json::from_slice::<&RawValue>(payload) {
        Ok(_) => Ok(false),
        Err(_) => Err(Refused::NotJson),
    }
}

/// Whether a payload of one JSON value is a vendor's connectivity test.
pub fn is_test(preset: Preset, payload: &[u8]) -> bool {
    check(preset, payload).unwrap_or(false)
}

/// The `event` of Data Theorem's envelope, which is a string in a connectivity test and an object
/// in a finding; none where the payload is not an envelope or not JSON. Other vendors' tests are
/// not known, so nothing of theirs is taken for one.
fn event_of(payload: &[u8]) -> Option<&str> {
    // The first byte is looked at because an array would also fill a struct. The UTF-8 of values
    // that are skipped is checked only here.
    if !payload.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let text = str::from_utf8(payload).ok()?;
    let envelope: Envelope<'_> = serde_json::from_str(text).ok()?;
    Some(envelope.event.get())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_test(payload: &str) -> bool {
        check(Preset::DataTheorem, payload.as_bytes()).unwrap()
    }

    #[test]
    fn only_an_envelope_with_a_string_is_a_connectivity_test() {
        assert!(is_test(r#"{"event": "Hello, world!"}"#));
        assert!(is_test(r#" {"host": 1, "event" : ""}"#));
        assert!(is_test(r#"{"\u0065vent": "x"}"#));
        for finding in [
            r#"{"event": {"type": "X"}}"#,
            r#"{"event": null}"#,
            r#"{"data": {"event": "x"}}"#,
            r#"{"event": "x", "event": "y"}"#,
            r#"{"event": "x", "\ud800": 1}"#,
            r#"{}"#,
            r#"["Hello, world!"]"#,
            r#""event""#,
        ] {
            assert!(!is_test(finding), "{finding}");
        }
        let test = br#"{"event": "x"}"#;
        assert_eq!(check(Preset::Generic, test), Ok(false));
    }

    #[test]
    fn an_envelope_must_be_json_to_its_last_byte() {
        let refused: [&[u8]; 6] = [
            b"{\"event\": \"x\"",
            b"{\"event\": \"x\"} {}",
            b"{\"event\": \"x\", \"other\": \"\xff\"}",
            b"{\"event\": \"\xff\"}",
            b"{\"\xff\": 1, \"event\": \"x\"}",
            b"\x0c{\"event\": \"x\"}",
        ];
        for payload in refused {
            let outcome = check(Preset::DataTheorem, payload);
            assert_eq!(outcome, Err(Refused::NotJson), "{}", payload.escape_ascii());
        }
    }

    /// The two questions one after the other, as the one pass must answer them.
    fn in_two_passes(payload: &[u8]) -> Result<bool, Refused> {
        if payload.is_empty() {
            return Err(Refused::EmptyBody);
        }
        if serde_json::from_slice::<&RawValue>(payload).is_err() {
            return Err(Refused::NotJson);
        }
        Ok(payload.trim_ascii_start().starts_with(b"{")
            && serde_json::from_slice::<Envelope<'_>>(payload)
                .is_ok_and(|envelope| envelope.event.get().starts_with('"')))
    }

    /// Pieces that make envelopes, almost envelopes, and garbage.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop::sample::select(vec![
            &b"{"[..],
            b"}",
            b"[",
            b"]",
            b":",
            b",",
            b" ",
            b"\"event\"",
            b"\"event\":\"x\"",
            b"\"other\":{\"event\":\"x\"}",
            b"\"\\ud800\":1",
            b"\"\\u0065vent\"",
            b"\"\xff\"",
            b"\x0c",
            b"1e5",
            b"null",
        ]);
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn one_pass_finds_what_two_would(inner in pieces(), envelope in any::<bool>()) {
            let payload = match envelope {
                true => [b"{", inner.as_slice(), b"}"].concat(),
                false => inner,
            };
            prop_assert_eq!(check(Preset::DataTheorem, &payload), in_two_passes(&payload));
        }
    }
}
