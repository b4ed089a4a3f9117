//! JSON strings written: texts escaped as serde_json does it, and what needs no escape.
//!
//! The payload goes this way in nearly every document, itself JSON and so full of quotes: which
//! bytes of a long text are escaped is worked out for a block at once, and the short runs between
//! them are copied in pieces of a fixed size.

use std::io;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

/// Bytes that are looked at at once: one bit of an integer for each.
const BLOCK_BYTES: usize = 64;
/// The same where the text is short.
const CHUNK_BYTES: usize = 16;

/// Writes instants with three digits after the point.
const MILLISECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// Appends the text as a JSON string.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let (blocks, _) = bytes.as_chunks::<BLOCK_BYTES>();
    // Bytes of the text that are written, and those before the block.
    let (mut written, mut start) = (0, 0);
    for block in blocks {
        let mut marks = marks(block);
        while marks != 0 {
            let place = marks.trailing_zeros() as usize;
            marks &= marks - 1;
            let (Some(rest), Some(byte)) = (bytes.get(written..), block.get(place)) else {
                // What is written ends before the block does, and a mark is a place in it.
                break;
            };
            push_plain(out, rest, start + place - written);
            push_escape(out, *byte);
            written = start + place + 1;
        }
        start += BLOCK_BYTES;
    }
    // What is left of the blocks has nothing to escape.
    out.extend_from_slice(bytes.get(written..start).unwrap_or_default());
    let mut rest = bytes.get(start..).unwrap_or_default();
    while let Some((plain, byte, after)) = next_escaped(rest) {
        out.extend_from_slice(plain);
        push_escape(out, byte);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn is_escaped(byte: u8) -> bool {
    // Without branches, so that the processor's vectors do many at once.
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

/// A bit for each byte, the first one lowest: whether JSON escapes it.
fn marks(block: &[u8; BLOCK_BYTES]) -> u64 {
    let flags = block.map(|byte| u8::from(is_escaped(byte)));
    let (words, _) = flags.as_chunks::<8>();
    words.iter().rev().fold(0, |bits, word| {
        // Gathers the lowest bits of eight bytes in the highest byte.
        let gathered = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080);
        (bits << 8) | (gathered >> 56)
    })
}

/// What stands before the first byte that JSON escapes, that byte, and the rest.
fn next_escaped(bytes: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let plain = |chunk: &&[u8; CHUNK_BYTES]| {
        !chunk
            .iter()
            .fold(false, |any, byte| any | is_escaped(*byte))
    };
    let (chunks, _) = bytes.as_chunks::<CHUNK_BYTES>();
    let skipped = chunks.iter().take_while(plain).count() * CHUNK_BYTES;
    let mut rest = bytes.get(skipped..)?.iter();
    let at = skipped + rest.position(|byte| is_escaped(*byte))?;
    let (plain, rest) = bytes.split_at_checked(at)?;
    let (byte, after) = rest.split_first()?;
    Some((plain, *byte, after))
}

/// Appends so many of the first bytes.
fn push_plain(out: &mut Vec<u8>, from: &[u8], count: usize) {
    match from.first_chunk::<CHUNK_BYTES>() {
        // Of a fixed size it is a store and no call; what is too much is taken back.
        Some(piece) if count <= CHUNK_BYTES => {
            let end = out.len() + count;
            out.extend_from_slice(piece);
            out.truncate(end);
        }
        _ => out.extend_from_slice(from.get(..count).unwrap_or(from)),
    }
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    if matches!(byte, b'"' | b'\\') {
        out.extend_from_slice(&[b'\\', byte]);
    } else {
        push_control(out, byte);
    }
}

/// Seldom: JSON on one line has none.
#[cold]
fn push_control(out: &mut Vec<u8>, byte: u8) {
    let letter = match byte {
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

/// Appends a text without anything to escape.
pub(super) fn write_plain(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

pub(super) fn write_instant(out: &mut Vec<u8>, at: &Timestamp) -> Result<(), serde_json::Error> {
    out.push(b'"');
    let written = MILLISECONDS.print_timestamp(at, &mut *out);
    out.push(b'"');
    written.map_err(|error| serde_json::Error::io(io::Error::other(error)))
}

/// As the standard library writes an address, but without its detours: every event has one.
pub(super) fn write_octets(out: &mut Vec<u8>, octets: [u8; 4]) {
    let mut mark = b'"';
    for octet in octets {
        out.push(mark);
        if octet >= 100 {
            out.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            out.push(b'0' + octet / 10 % 10);
        }
        out.push(b'0' + octet % 10);
        mark = b'.';
    }
    out.push(b'"');
}

pub(super) fn write_digest(out: &mut Vec<u8>, digest: &[u8]) {
    let digit = |half: u8| {
        if half < 10 {
            b'0' + half
        } else {
            b'a' + half - 10
        }
    };
    out.push(b'"');
    for byte in digest {
        out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::write_text;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_text(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_byte_at_each_place_is_escaped_as_serde_json_does_it() {
        for filler in ["a", "\"", "é"] {
            for byte in 0..=127_u8 {
                for length in [0, 1, 15, 16, 17, 63, 64, 65, 130] {
                    let before = filler.repeat(length);
                    for after in ["", "z", "zzzzzzzzzzzzzzzzzzzz"] {
                        let text = format!("{before}{}{after}", char::from(byte));
                        assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
                    }
                }
            }
        }
        assert_eq!(written(""), "\"\"");
    }

    proptest! {
        #[test]
        fn any_text_is_escaped_as_serde_json_does_it(
            parts in prop::collection::vec("[\\x00-\\x7f]{0,40}|\\PC{0,20}", 0..12),
        ) {
            let text = parts.concat();
            prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
        }
    }
}
