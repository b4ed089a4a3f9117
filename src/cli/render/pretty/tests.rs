//! Proves that what is laid out for people reads as it did before, and harms no terminal.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn shown(text: &str) -> String {
    String::from_utf8(pretty(text.as_bytes())).unwrap()
}

#[test]
fn values_are_laid_out_and_their_tokens_stay() {
    let text = r#"{"b":1.0,"a":[1e400,{"x":"a\"{,"}],"b":{},"c":[ ]}"#;
    let expected = [
        "{",
        "  \"b\": 1.0,",
        "  \"a\": [",
        "    1e400,",
        "    {",
        "      \"x\": \"a\\\"{,\"",
        "    }",
        "  ],",
        "  \"b\": {},",
        "  \"c\": []",
        "}\n",
    ];
    let expected = expected.join("\n");
    assert_eq!(shown(text), expected);
    assert_eq!(shown(&expected), expected);
}

#[test]
fn several_values_stand_one_after_another() {
    assert_eq!(shown("{}\n{\"a\":1}{}\n"), "{}\n{\n  \"a\": 1\n}\n{}\n");
    assert_eq!(shown(" null 7\n\"a\"true"), "null\n7\n\"a\"\ntrue\n");
    assert_eq!(shown(""), "");
}

#[test]
fn depth_does_not_multiply_the_output() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(shown(&deep).len() < 25_000);
    let inner = |text: &str| {
        text.chars()
            .filter(|c| !c.is_whitespace())
            .collect::<String>()
    };
    assert_eq!(inner(&shown(&deep)), deep);
}

#[test]
fn characters_that_steer_a_terminal_are_escapes() {
    let text = "\"\u{7f}\u{9b}2J\u{e9}\u{a0}\u{1f600}\\\\\"";
    let expected = "\"\\u007f\\u009b2J\u{e9}\u{a0}\u{1f600}\\\\\"\n";
    assert_eq!(shown(text), expected);
    let read = |text: &str| serde_json::from_str::<String>(text).unwrap();
    assert_eq!(read(text), read(expected));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(40, 128, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_laid_out_reads_as_before(value in any_value()) {
        let shown = pretty(value.to_string().as_bytes());
        prop_assert_eq!(serde_json::from_slice::<Value>(&shown).unwrap(), value);
    }

    #[test]
    fn no_bytes_make_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        pretty(&bytes);
    }
}
