//! JSON laid out for people, token by token: numbers, strings, the order of keys and doubled keys
//! stay as they were written.
//!
//! Takes any number of well-formed values one after another, as bodies of lines have them. Only
//! characters that could steer a terminal are written as escapes, which JSON reads the same.

/// Depth to which values begin lines of their own; what is deeper stays on the line, so that deep
/// nesting does not multiply the output.
const DEPTH_MAX: usize = 32;

/// Each value laid out, with a line end behind it.
pub(super) fn pretty(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len().saturating_mul(2));
    let mut depth: usize = 0;
    let mut rest = text.trim_ascii_start();
    while let Some((byte, behind)) = rest.split_first() {
        let mut next = behind.trim_ascii_start();
        match byte {
            b'"' => next = string(&mut out, behind).trim_ascii_start(),
            b'{' | b'[' => {
                out.push(*byte);
                match next.split_first() {
                    Some((end @ (b'}' | b']'), behind)) => {
                        out.push(*end);
                        next = behind.trim_ascii_start();
                    }
                    _ => {
                        depth += 1;
                        begin_line(&mut out, depth, depth);
                    }
                }
            }
            b'}' | b']' => {
                let outer = depth.saturating_sub(1);
                begin_line(&mut out, depth, outer);
                depth = outer;
                out.push(*byte);
            }
            b',' => {
                out.push(b',');
                begin_line(&mut out, depth, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => {
                let end = rest.iter().position(|byte| !is_scalar(*byte));
                let (scalar, behind) = rest.split_at(end.unwrap_or(rest.len()).max(1));
                out.extend_from_slice(scalar);
                next = behind.trim_ascii_start();
            }
        }
        if depth == 0 {
            out.push(b'\n');
        }
        rest = next;
    }
    out
}

/// Copies a string, whose opening quote is behind; what is left of the text.
fn string<'t>(out: &mut Vec<u8>, text: &'t [u8]) -> &'t [u8] {
    out.push(b'"');
    let mut escaped = false;
    let mut after_c2 = false;
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            // DEL, and U+0080 to U+009F, whose first byte is held back until the second is seen.
            0x7f => out.extend_from_slice(b"\\u007f"),
            0x80..=0x9f if after_c2 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            0xc2 => {}
            _ if after_c2 => out.extend_from_slice(&[0xc2, *byte]),
            _ => out.push(*byte),
        }
        after_c2 = *byte == 0xc2;
        if *byte == b'"' && !escaped {
            break;
        }
        escaped = *byte == b'\\' && !escaped;
    }
    rest
}

/// Begins a line inside of a value at `depth`, two spaces per level of `indent`.
fn begin_line(out: &mut Vec<u8>, depth: usize, indent: usize) {
    if depth <= DEPTH_MAX {
        out.push(b'\n');
        out.resize(out.len() + 2 * indent, b' ');
    }
}

/// Whether a byte belongs to a number or a word.
fn is_scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

#[cfg(test)]
mod tests {
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
}
