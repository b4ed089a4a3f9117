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
mod tests;
