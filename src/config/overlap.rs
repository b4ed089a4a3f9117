//! Whether two file destinations can write one file: by what their paths can become, whatever the
//! events. Looks at no file: links are not followed.

use std::collections::HashSet;

use crate::settings::{Destination, File, Kind, Letters, NamePart};

use super::sections::plain;

/// A step through a path: one letter, or any number of them.
#[derive(Clone, Copy)]
struct Step {
    of: Of,
    repeats: bool,
}

/// What a letter can be.
#[derive(Clone, Copy)]
enum Of {
    /// This one.
    One(char),
    /// A digit of a date.
    Digit,
    /// One of a value or of what stands in for it.
    Value,
}

/// Whether there is a path that both can write to. `sources` are all that there are.
pub(super) fn can_meet(one: &Destination, other: &Destination, sources: &[String]) -> bool {
    let (Kind::File(file), Kind::File(other_file)) = (&one.kind, &other.kind) else {
        return false;
    };
    let others = paths(other_file, other.sources.as_deref().unwrap_or(sources));
    let own = paths(file, one.sources.as_deref().unwrap_or(sources));
    own.iter()
        .any(|path| others.iter().any(|other| meet(path, other)))
}

/// What the file's path can be: one form for each source that it is named after.
fn paths(file: &File, sources: &[String]) -> Vec<Vec<Step>> {
    let Some(names) = &file.names else {
        let path = plain(&file.path);
        return vec![letters(&path.to_string_lossy()).collect()];
    };
    let parts = || names.below.iter().flatten();
    let is_of_source = parts().any(|part| *part == NamePart::Source);
    let sources = if is_of_source {
        sources
    } else {
        sources.get(..1).unwrap_or_default()
    };
    let path = |source: &String| {
        let directory = plain(&names.directory);
        let mut steps: Vec<_> = letters(&directory.to_string_lossy()).collect();
        for segment in &names.below {
            steps.extend(letters("/"));
            segment
                .iter()
                .for_each(|part| put(&mut steps, part, source));
        }
        steps
    };
    sources.iter().map(path).collect()
}

fn put(steps: &mut Vec<Step>, part: &NamePart, source: &str) {
    let of = |of: Of, repeats: bool| Step { of, repeats };
    match part {
        NamePart::Text(text) => steps.extend(letters(text)),
        NamePart::Source => steps.extend(letters(source)),
        NamePart::Year => steps.extend([of(Of::Digit, false); 4]),
        NamePart::Month | NamePart::Day => steps.extend([of(Of::Digit, false); 2]),
        NamePart::Value { .. } => steps.extend([of(Of::Value, false), of(Of::Value, true)]),
    }
}

fn letters(text: &str) -> impl Iterator<Item = Step> {
    text.chars().map(|letter| Step {
        of: Of::One(letter),
        repeats: false,
    })
}

/// Whether some text fits both. Looks at each pair of places once.
fn meet(one: &[Step], other: &[Step]) -> bool {
    let mut seen = HashSet::new();
    let mut open = vec![(0, 0)];
    while let Some((at, other_at)) = open.pop() {
        if !seen.insert((at, other_at)) {
            continue;
        }
        let (step, other_step) = (one.get(at), other.get(other_at));
        if step.is_none() && other_step.is_none() {
            return true;
        }
        if step.is_some_and(|step| step.repeats) {
            open.push((at + 1, other_at));
        }
        if other_step.is_some_and(|step| step.repeats) {
            open.push((at, other_at + 1));
        }
        if let (Some(step), Some(other_step)) = (step, other_step)
            && step.of.shares(other_step.of)
        {
            let next = |at: usize, step: &Step| if step.repeats { at } else { at + 1 };
            open.push((next(at, step), next(other_at, other_step)));
        }
    }
    false
}

impl Of {
    /// Whether a letter can be both.
    fn shares(self, other: Self) -> bool {
        match (self, other) {
            (Self::One(letter), Self::One(other)) => letter == other,
            (Self::One(letter), Self::Digit) | (Self::Digit, Self::One(letter)) => {
                letter.is_ascii_digit()
            }
            (Self::One(letter), Self::Value) | (Self::Value, Self::One(letter)) => {
                Letters::Plain.clean(letter) == letter
            }
            _ => true,
        }
    }
}
