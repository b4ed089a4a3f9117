//! Names: of sources and destinations, of HTTP headers, and of keys that were mistyped.
//!
//! Pure text rules. Knows nothing of tables.

use http::HeaderName;

/// Characters of a source's or destination's name.
pub(super) const NAME_MAX: usize = 64;
/// Longest key that is compared with known ones.
const COMPARED_MAX: usize = 64;
/// Edits between a key and the one that was meant.
const EDITS_MAX: usize = 2;

/// Headers that frame or route a message, so that they cannot prove a sender or be constant.
const FRAMING: [&str; 13] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "date",
];
/// Headers that carry credentials by their definition.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];
/// Parts of names that say that the value is secret.
const SECRET_WORDS: [&str; 12] = [
    "token",
    "secret",
    "password",
    "passwd",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "access-key",
    "authorization",
    "credential",
    "signature",
];
/// Whole names that say so.
const SECRET_NAMES: [&str; 7] = [
    "auth",
    "bearer",
    "capability",
    "cookie",
    "key",
    "sig",
    "value",
];

/// Whether a source or destination may be called that: it becomes a path segment, a metric
/// label, a file name and a part of a variable's name.
pub(super) fn is_name(name: &str) -> bool {
    name.len() <= NAME_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.contains("__")
}

/// A header's name in lower case; none if it cannot be one.
pub(super) fn header_name(text: &str) -> Option<String> {
    let name = HeaderName::from_bytes(text.as_bytes()).ok()?;
    Some(name.as_str().to_owned())
}

/// Whether HTTP itself uses the header.
pub(super) fn is_framing(header: &str) -> bool {
    FRAMING.contains(&header)
}

/// Whether the header carries credentials by its definition.
pub(super) fn is_credential(header: &str) -> bool {
    CREDENTIALS.contains(&header)
}

/// Whether a name (of a key, header or query parameter) says that its value is secret.
pub(super) fn secret_like(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.contains(&name.as_str()) || SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// The known name that was probably meant.
pub(super) fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > COMPARED_MAX {
        return None;
    }
    let near = known.map(|known| (edits(name, known), known));
    let (edits, known) = near.min_by_key(|(edits, _)| *edits)?;
    // Of a short name hardly anything would be left after two edits.
    let limit = EDITS_MAX.min(known.len() / 3);
    (edits <= limit.max(1)).then_some(known)
}

/// Insertions, deletions and replacements that make `b` of `a`.
fn edits(a: &str, b: &str) -> usize {
    let mut above: Vec<usize> = (0..=b.chars().count()).collect();
    for (row, from) in a.chars().enumerate() {
        let mut diagonal = row;
        let mut left = row + 1;
        let mut current = vec![left];
        for (to, over) in b.chars().zip(above.iter().skip(1)) {
            let replaced = diagonal + usize::from(from != to);
            left = replaced.min(left + 1).min(over + 1);
            diagonal = *over;
            current.push(left);
        }
        above = current;
    }
    above.last().copied().unwrap_or_default()
}
