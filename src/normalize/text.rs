//! Vendors' prose, made fit for one line or one message.

use std::borrow::Cow;

/// Longest title made from a description, in bytes.
const TITLE_BYTES_MAX: usize = 256;

/// The text with line breaks where the vendor wrote the two characters `\n`.
pub(super) fn repaired<'a>(text: &Cow<'a, str>) -> Cow<'a, str> {
    if text.contains("\\n") {
        Cow::Owned(text.replace("\\n", "\n"))
    } else {
        text.clone()
    }
}

/// The text up to so many bytes, at the end of a character.
pub(super) fn shortened(text: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    match text.get(..text.floor_char_boundary(max)) {
        Some(start) if start.len() < text.len() => Cow::Owned(start.to_owned()),
        _ => text,
    }
}

/// The text up to a line break, or up to a full stop that ends a sentence: at the end, or before
/// white space and a letter that is not small (so that `e.g. this` goes on).
pub(super) fn first_sentence(text: &str) -> Option<String> {
    let line = text.trim().lines().next()?;
    let end = line.match_indices(['.', '!', '?']).find_map(|(at, mark)| {
        let rest = line.get(at.checked_add(mark.len())?..)?;
        let next = rest.trim_start();
        let ends =
            next.is_empty() || (next.len() < rest.len() && !next.starts_with(char::is_lowercase));
        ends.then_some(at)
    });
    let sentence = line.get(..end.unwrap_or(line.len()))?.trim_end();
    let title = sentence.get(..sentence.floor_char_boundary(TITLE_BYTES_MAX))?;
    title
        .contains(char::is_alphanumeric)
        .then(|| title.to_owned())
}
