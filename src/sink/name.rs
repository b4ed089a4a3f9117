//! Names that follow from the event: of an index, a data stream, a host, a path.
//!
//! A sender's values become letters that mean nothing in the name, of a bounded number: so
//! whatever he writes, the name stays within what the operator wrote around it, and is one that
//! the destination takes. Values are those that the rules left, so that nothing redacted becomes a
//! name. The date is the received time that an id holds, in UTC (`elastic::target` says why).

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Rendered;
use crate::event::EventId;
use crate::rules;
use crate::settings::{Letters, NamePart};

/// The name for an event, dated by this id.
pub(super) fn fill(parts: &[NamePart], letters: Letters, event: &Rendered, id: EventId) -> String {
    let milliseconds = i64::try_from(id.received_ms()).unwrap_or(i64::MAX);
    // An id that no relay made can hold a time past the year 9999.
    let time = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX);
    let date = time.to_zoned(TimeZone::UTC).date();
    let text = std::str::from_utf8(&event.payload).unwrap_or_default();
    let mut name = String::new();
    for part in parts {
        // Writing to a string never fails.
        let _ = match part {
            NamePart::Text(text) => name.write_str(text),
            NamePart::Year => write!(name, "{:04}", date.year()),
            NamePart::Month => write!(name, "{:02}", date.month()),
            NamePart::Day => write!(name, "{:02}", date.day()),
            NamePart::Source => name.write_str(&event.event.provenance.source),
            NamePart::Value { at, otherwise } => {
                let value = rules::scalar(text, at).map(|value| clean(&value, letters));
                let value = value.filter(|value| !value.is_empty());
                name.write_str(value.as_deref().unwrap_or(otherwise))
            }
        };
    }
    name
}

/// A sender's value as part of a name.
fn clean(value: &str, letters: Letters) -> String {
    let kept = value.trim().chars().take(letters.bytes_max());
    kept.map(|c| letters.clean(c)).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::settings::{NAME_VALUE_BYTES_MAX, Pointer};
    use crate::sink::payload::tests::rendered;

    fn value() -> NamePart {
        NamePart::Value {
            at: Pointer(vec!["v".to_owned()]),
            otherwise: "none".to_owned(),
        }
    }

    fn named_with(letters: Letters, json: &str) -> String {
        let event = rendered(1, json);
        let parts = [NamePart::Text("f-".to_owned()), value()];
        fill(&parts, letters, &event, event.id())
    }

    fn named(json: &str) -> String {
        named_with(Letters::Plain, json)
    }

    #[test]
    fn values_become_small_letters_digits_and_underscores_or_the_fallback() {
        for (json, name) in [
            (r#"{"v":"HIGH"}"#, "f-high"),
            (r#"{"v":" a/../B-c.d "}"#, "f-a____b_c_d"),
            (r#"{"v":"\u00dc*,#"}"#, "f-____"),
            (r#"{"v":9.5}"#, "f-9_5"),
            (r#"{"v":true}"#, "f-true"),
            (r#"{"v":"  "}"#, "f-none"),
            (r#"{"v":null}"#, "f-none"),
            (r#"{"v":{"a":1}}"#, "f-none"),
            (r#"{"v":["a"]}"#, "f-none"),
            ("{}", "f-none"),
            ("not json", "f-none"),
        ] {
            assert_eq!(named(json), name, "{json}");
        }
        let long = named(&format!("{{\"v\":\"{}\"}}", "x".repeat(1000)));
        assert_eq!(long.len(), 2 + NAME_VALUE_BYTES_MAX);
    }

    #[test]
    fn a_name_is_made_of_what_the_rules_left() {
        let mut event = rendered(1, r#"{"v":"word"}"#);
        event.payload = Bytes::from_static(br#"{"v":"[redacted]"}"#);
        assert_eq!(
            fill(
                &[NamePart::Source, value()],
                Letters::Plain,
                &event,
                event.id()
            ),
            "acme_redacted_"
        );
    }

    #[test]
    fn hosts_and_headers_keep_the_letters_that_mean_nothing_there() {
        for (value, host, header) in [
            (
                "Web-01.example.com",
                "Web-01.example.com",
                "Web-01.example.com",
            ),
            ("fe80::1", "fe80::1", "fe80::1"),
            ("a, b;c=d", "a__b_c_d", "a__b_c_d"),
            ("x\r\nSet-Cookie: y", "x__Set-Cookie:_y", "x__Set-Cookie:_y"),
            (
                "https://a/b+c~d@e",
                "https:__a_b_c_d_e",
                "https://a/b+c~d@e",
            ),
            ("\"q\" \u{7f}\u{e9}", "_q____", "_q____"),
            ("\t ", "none", "none"),
        ] {
            let json = serde_json::json!({"v": value}).to_string();
            assert_eq!(named_with(Letters::Host, &json), format!("f-{host}"));
            assert_eq!(named_with(Letters::Header, &json), format!("f-{header}"));
        }
        let long = format!("{{\"v\":\"{}\"}}", "x".repeat(1000));
        assert_eq!(named_with(Letters::Host, &long).len(), 2 + 255);
        assert_eq!(named_with(Letters::Header, &long).len(), 2 + 256);
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_place(value in ".{0,200}") {
            let json = serde_json::json!({"v": value}).to_string();
            let name = named(&json);
            let inside = name.strip_prefix("f-").unwrap();
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            prop_assert!(!inside.is_empty() && inside.chars().all(plain));
            prop_assert!(inside.len() <= NAME_VALUE_BYTES_MAX);
            for letters in [Letters::Host, Letters::Header] {
                let name = named_with(letters, &json);
                let inside = name.strip_prefix("f-").unwrap();
                let word = |c: char| c.is_ascii_graphic() && !"\"'(),;<=>?[\\]{}".contains(c);
                prop_assert!(!inside.is_empty() && inside.chars().all(word));
                prop_assert!(inside.len() <= letters.bytes_max());
            }
        }
    }
}
