//! Names that follow from the event into their parts: `findings-{/severity|none}-{yyyy.MM}`.
//!
//! Knows no destination: whoever asks says what values are made of there, and what the name, at
//! its longest, must be like.

use crate::settings::{Letters, NamePart};

use super::condition::pointer;

/// Values of an event in one name.
const VALUES_MAX: usize = 4;
/// Stands in for what an event does not say, unless the name states another word.
const OTHERWISE: &str = "none";
/// A date as long as any.
const SOME_DATE: [&str; 3] = ["2026", "11", "24"];

/// Whether a text is a name that follows from the event: one with braces.
pub(super) fn follows(text: &str) -> bool {
    text.contains(['{', '}'])
}

/// Divides a name at its braces, of which two are one that stands for itself; or what is wrong
/// with it.
pub(super) fn parts(name: &str, letters: Letters) -> Result<Vec<NamePart>, String> {
    let mut parts = Vec::new();
    let (mut text, mut rest) = (String::new(), name);
    while let Some((before, brace, after)) = next_brace(rest) {
        text.push_str(before);
        if let Some(after) = after.strip_prefix(brace) {
            text.push(brace);
            rest = after;
            continue;
        }
        if brace == '}' {
            return Err("has a } without its {".to_owned());
        }
        let (inside, after) = after.split_once('}').ok_or("has a { without its }")?;
        put_text(&mut parts, &mut text);
        let dated = parts.contains(&NamePart::Year);
        match inside {
            "source" => parts.push(NamePart::Source),
            _ if inside.starts_with('/') => parts.push(value(inside, letters)?),
            _ if dated => return Err("has two dates".to_owned()),
            _ => parts.extend(date(inside).ok_or("has a date that cannot be read")?),
        }
        rest = after;
    }
    text.push_str(rest);
    put_text(&mut parts, &mut text);
    let values = parts
        .iter()
        .filter(|part| matches!(part, NamePart::Value { .. }));
    if values.count() > VALUES_MAX {
        return Err(format!("has more than {VALUES_MAX} values of the event"));
    }
    Ok(parts)
}

/// The parts of a path, by its segments: slashes inside of braces divide nothing. A first slash
/// makes a first segment without parts.
pub(super) fn segments(path: &str) -> Result<Vec<Vec<NamePart>>, String> {
    let mut segments = vec![Vec::new()];
    for part in parts(path, Letters::Plain)? {
        let NamePart::Text(text) = &part else {
            if let Some(last) = segments.last_mut() {
                last.push(part);
            }
            continue;
        };
        for (at, text) in text.split('/').enumerate() {
            if at > 0 {
                segments.push(Vec::new());
            }
            if let Some(last) = segments.last_mut().filter(|_| !text.is_empty()) {
                last.push(NamePart::Text(text.to_owned()));
            }
        }
    }
    Ok(segments)
}

/// Whether a segment of a path leads below where it stands, whatever the event: it is neither
/// empty nor `.` or `..`. Values are made of [`Letters::Plain`] and never empty.
pub(super) fn is_below(segment: &[NamePart]) -> bool {
    match segment {
        [] => false,
        [NamePart::Text(text)] => text != "." && text != "..",
        _ => true,
    }
}

/// The name with everything in it as long as it may become.
pub(super) fn longest(parts: &[NamePart], letters: Letters) -> String {
    let [year, month, day] = SOME_DATE;
    let long = "x".repeat(letters.bytes_max());
    let part = |part: &NamePart| match part {
        NamePart::Text(text) => text.clone(),
        NamePart::Year => year.to_owned(),
        NamePart::Month => month.to_owned(),
        NamePart::Day => day.to_owned(),
        // Names of sources are no longer than values.
        NamePart::Source | NamePart::Value { .. } => long.clone(),
    };
    parts.iter().map(part).collect()
}

/// What stands before the next brace, the brace, and what stands behind it.
fn next_brace(text: &str) -> Option<(&str, char, &str)> {
    let (before, rest) = text.split_at_checked(text.find(['{', '}'])?)?;
    let mut rest = rest.chars();
    let brace = rest.next()?;
    Some((before, brace, rest.as_str()))
}

fn put_text(parts: &mut Vec<NamePart>, text: &mut String) {
    if !text.is_empty() {
        parts.push(NamePart::Text(std::mem::take(text)));
    }
}

/// `/pointer`, or `/pointer|word`.
fn value(inside: &str, letters: Letters) -> Result<NamePart, String> {
    let (at, otherwise) = inside.rsplit_once('|').unwrap_or((inside, OTHERWISE));
    let length = 1..=letters.bytes_max();
    if !length.contains(&otherwise.len()) || !otherwise.chars().all(|c| letters.clean(c) == c) {
        let of = match letters {
            Letters::Plain => "small letters, digits and _",
            Letters::Host => "letters, digits and ._-:",
            Letters::Header => "letters, digits and ._-:/@+~",
        };
        let most = letters.bytes_max();
        return Err(format!("has a fallback that is not 1 to {most} {of}"));
    }
    let at = pointer(at)?;
    if at.0.iter().any(|step| step == "*") {
        return Err("has a *, which is several values: write the number of one".to_owned());
    }
    Ok(NamePart::Value {
        at,
        otherwise: otherwise.to_owned(),
    })
}

/// The parts of a date; none if it is none.
fn date(date: &str) -> Option<Vec<NamePart>> {
    let mut parts = Vec::new();
    let units = [
        ("yyyy", NamePart::Year),
        ("MM", NamePart::Month),
        ("dd", NamePart::Day),
    ];
    let mut date = date;
    for (at, (word, part)) in units.into_iter().enumerate() {
        if date.is_empty() && at > 0 {
            break;
        }
        let bare = date.trim_start_matches(['.', '-', '_']);
        let between = date.get(..date.len() - bare.len())?;
        if between.len() > 1 || (at == 0 && !between.is_empty()) {
            return None;
        }
        if !between.is_empty() {
            parts.push(NamePart::Text(between.to_owned()));
        }
        date = bare.strip_prefix(word)?;
        parts.push(part);
    }
    date.is_empty().then_some(parts)
}
