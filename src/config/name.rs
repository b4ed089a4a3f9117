//! Names that follow from the event into their parts: `findings-{/severity|none}-{yyyy.MM}`.
//!
//! Knows no destination: whoever asks says what the name, at its longest, must be like.

use crate::settings::{NAME_VALUE_BYTES_MAX, NamePart};

use super::condition::pointer;

/// Values of an event in one name.
const VALUES_MAX: usize = 4;
/// Stands in for what an event does not say, unless the name states another word.
const OTHERWISE: &str = "none";
/// A date as long as any.
const SOME_DATE: [&str; 3] = ["2026", "11", "24"];

/// Divides a name at its braces; or what is wrong with it.
pub(super) fn parts(name: &str) -> Result<Vec<NamePart>, String> {
    let mut parts = Vec::new();
    let mut rest = name;
    while let Some((before, inside)) = rest.split_once('{') {
        let (inside, after) = inside.split_once('}').ok_or("has a { without its }")?;
        text(&mut parts, before)?;
        let dated = parts.contains(&NamePart::Year);
        match inside {
            "source" => parts.push(NamePart::Source),
            _ if inside.starts_with('/') => parts.push(value(inside)?),
            _ if dated => return Err("has two dates".to_owned()),
            _ => parts.extend(date(inside).ok_or("has a date that cannot be read")?),
        }
        rest = after;
    }
    text(&mut parts, rest)?;
    let values = parts
        .iter()
        .filter(|part| matches!(part, NamePart::Value { .. }));
    if values.count() > VALUES_MAX {
        return Err(format!("has more than {VALUES_MAX} values of the event"));
    }
    Ok(parts)
}

/// The name with everything in it as long as it may become.
pub(super) fn longest(parts: &[NamePart]) -> String {
    let [year, month, day] = SOME_DATE;
    let long = "x".repeat(NAME_VALUE_BYTES_MAX);
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

fn text(parts: &mut Vec<NamePart>, text: &str) -> Result<(), String> {
    if text.contains('}') {
        return Err("has a } without its {".to_owned());
    }
    if !text.is_empty() {
        parts.push(NamePart::Text(text.to_owned()));
    }
    Ok(())
}

/// `/pointer`, or `/pointer|word`.
fn value(inside: &str) -> Result<NamePart, String> {
    let (at, otherwise) = inside.rsplit_once('|').unwrap_or((inside, OTHERWISE));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let length = 1..=NAME_VALUE_BYTES_MAX;
    if !length.contains(&otherwise.len()) || !otherwise.chars().all(plain) {
        return Err(format!(
            "has a fallback that is not 1 to {NAME_VALUE_BYTES_MAX} small letters, digits and _"
        ));
    }
    Ok(NamePart::Value {
        at: pointer(at)?,
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
