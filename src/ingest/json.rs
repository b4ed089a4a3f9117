//! What a payload is: one JSON value in UTF-8, and perhaps a vendor's connectivity test.
//!
//! Both are found in one pass where that is possible. Nesting of any depth is taken: no check
//! recurses.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::reply::Refused;
use crate::settings::Preset;

/// The one key of an envelope that is looked at here.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: &'a RawValue,
}

/// What GitHub sends when a webhook is made, and nothing else of GitHub's has.
#[derive(Deserialize)]
struct GitHubPing {
    #[serde(rename = "zen")]
    _zen: IgnoredAny,
    #[serde(rename = "hook_id")]
    _hook_id: IgnoredAny,
}

/// The same of Snyk.
#[derive(Deserialize)]
struct SnykPing {
    #[serde(rename = "webhookId")]
    _webhook_id: IgnoredAny,
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

/// Whether a payload of one JSON value has what only the connectivity test has, of a vendor that
/// says in a header what an event is. It alone does not make a test.
pub(super) fn is_ping(preset: Preset, payload: &[u8]) -> bool {
    match preset {
        Preset::GitHub => object::<GitHubPing>(payload).is_some(),
        Preset::Snyk => object::<SnykPing>(payload).is_some(),
        _ => false,
    }
}

/// Whether a payload of one JSON value is a vendor's connectivity test, where the payload alone
/// tells.
pub fn is_test(preset: Preset, payload: &[u8]) -> bool {
    check(preset, payload).unwrap_or(false)
}

/// The `event` of Data Theorem's envelope, which is a string in a connectivity test and an object
/// in a finding; none where the payload is not an envelope or not JSON.
fn event_of(payload: &[u8]) -> Option<&str> {
    let envelope: Envelope<'_> = object(payload)?;
    Some(envelope.event.get())
}

/// The members of an object; none where the payload lacks one, has one twice or is not JSON.
fn object<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Option<T> {
    // The first byte is looked at because an array would also fill a struct. The UTF-8 of values
    // that are skipped is checked only here.
    if !payload.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let text = str::from_utf8(payload).ok()?;
    serde_json::from_str(text).ok()
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
    fn a_ping_has_what_no_other_event_of_the_vendor_has() {
        let github = br#"{"zen": "Keep it logically awesome.", "hook_id": 1, "hook": {}}"#;
        let snyk = br#"{"webhookId": "d3cf26b3"}"#;
        assert!(is_ping(Preset::GitHub, github) && is_ping(Preset::Snyk, snyk));
        assert!(!is_ping(Preset::Generic, github) && !is_ping(Preset::Snyk, github));
        for event in [
            r#"{"zen": "x"}"#,
            r#"{"hook_id": 1}"#,
            r#"{"hook": {"zen": "x", "hook_id": 1, "webhookId": "x"}}"#,
            r#"["x", 1]"#,
            r#"["x"]"#,
        ] {
            for preset in [Preset::GitHub, Preset::Snyk] {
                assert!(!is_ping(preset, event.as_bytes()), "{event}");
            }
        }
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
