//! Names that follow from the event: of an index or a data stream.
//!
//! A sender's values become small letters, digits and `_` of a bounded number: so whatever he
//! writes, the name stays within what the operator wrote around it, and is one that the
//! destination takes. Values are those that the rules left, so that nothing redacted becomes a
//! name. The date is the received time that an id holds, in UTC (`elastic::target` says why).

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Rendered;
use crate::event::EventId;
use crate::rules;
use crate::settings::{NAME_VALUE_BYTES_MAX, NamePart};

/// The name for an event, dated by this id.
pub(super) fn fill(parts: &[NamePart], event: &Rendered, id: EventId) -> String {
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
                let value = rules::scalar(text, at).map(|value| plain(&value));
                let value = value.filter(|value| !value.is_empty());
                name.write_str(value.as_deref().unwrap_or(otherwise))
            }
        };
    }
    name
}

/// A sender's value as part of a name.
fn plain(value: &str) -> String {
    let plain = value.trim().chars().take(NAME_VALUE_BYTES_MAX);
    let plain = plain.map(|c| match c.to_ascii_lowercase() {
        c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
        _ => '_',
    });
    plain.collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::settings::Pointer;
    use crate::sink::payload::tests::rendered;

    fn value() -> NamePart {
        NamePart::Value {
            at: Pointer(vec!["v".to_owned()]),
            otherwise: "none".to_owned(),
        }
    }

    fn named(json: &str) -> String {
        let event = rendered(1, json);
        let parts = [NamePart::Text("f-".to_owned()), value()];
        fill(&parts, &event, event.id())
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
            fill(&[NamePart::Source, value()], &event, event.id()),
            "acme_redacted_"
        );
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
        }
    }
}
