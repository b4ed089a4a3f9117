//! Proves of documents that they are written as serde_json writes them, sorted and nested by the
//! names of their fields.

use crate::normalize::document::Document;

/// The documents' own writer of strings must escape what the library escapes.
#[test]
fn every_character_is_escaped_as_serde_json_escapes_it() {
    let all: String = ('\0'..='\u{2100}')
        .chain(['\u{fffd}', '\u{1f600}'])
        .collect();
    let plain = "plain text, longer than any chunk that is looked at at once; ";
    let mut texts = vec![all.clone(), String::new(), plain.to_owned()];
    texts.extend(all.chars().map(|letter| letter.to_string()));
    texts.extend((0..40).map(|at| format!("{:.at$}\"{plain}\n", plain)));
    for text in texts {
        let mut document = Document::default();
        document.put("a", text.as_str());
        let expected = serde_json::to_vec(&serde_json::json!({ "a": text })).unwrap();
        assert_eq!(document.into_bytes().unwrap(), expected, "{text:?}");
    }
}

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
