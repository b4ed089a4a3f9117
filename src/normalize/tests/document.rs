//! Proves of documents that they are written as serde_json writes them, sorted and nested by the
//! names of their fields.

use std::net::IpAddr;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::event::EventId;
use crate::normalize::document::{Document, Field};

#[test]
fn fields_are_nested_and_sorted_and_the_last_value_counts() {
    let mut document = Document::default();
    for (name, text) in [
        ("b.c.d", "1"),
        ("a", "2"),
        ("b.e", "3"),
        ("b.c.a", "4"),
        ("a", "5"),
    ] {
        document.put(name, text);
    }
    let mut below = Document::default();
    below.put("z.y", true);
    below.put("x", 7_u64);
    document.put_object("b.f", below);
    document.put("c.c", -1_i64);
    let written = document.into_bytes().unwrap();
    let b = r#"{"c":{"a":"4","d":"1"},"e":"3","f":{"x":7,"z":{"y":true}}}"#;
    assert_eq!(written, format!(r#"{{"a":"5","b":{b},"c":{{"c":-1}}}}"#));
}

#[test]
fn flat_fields_have_the_names_of_the_objects_around_them() {
    let mut below = Document::default();
    below.put("late", true);
    below.put("id", "x");
    let mut document = Document::default();
    document.put_object("siem_relay", below);
    document.put("src", "y");
    document.put("a", 0.5);
    let written = document.into_flat_bytes().unwrap();
    let expected = r#"{"a":0.5,"siem_relay.id":"x","siem_relay.late":true,"src":"y"}"#;
    assert_eq!(written, expected);
}

#[test]
fn ids_instants_addresses_and_digests_are_the_strings_that_people_know() {
    fn written<'a>(field: impl Into<Field<'a>>) -> String {
        let mut document = Document::default();
        document.put("a", field);
        let bytes = document.into_bytes().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }
    fn expected(text: impl ToString) -> String {
        serde_json::json!({ "a": text.to_string() }).to_string()
    }
    for octet in 0..=255 {
        let address = IpAddr::from([octet, 255 - octet, 7, octet]);
        assert_eq!(written(address), expected(address));
    }
    let address: IpAddr = "2001:db8::7".parse().unwrap();
    assert_eq!(written(address), expected(address));
    let id = EventId::numbered(1_611_733_110_123, 7);
    assert_eq!(written(id), expected(id));
    for (nanos, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_611_733_110_123_999_999_i128, "2021-01-27T07:38:30.123Z"),
    ] {
        let at = Timestamp::from_nanosecond(nanos).unwrap();
        assert_eq!(written(Field::Instant(at)), expected(text));
    }
    let digest = Sha256::digest(b"abc");
    let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(written(Field::Digest(digest.into())), expected(hex));
}
