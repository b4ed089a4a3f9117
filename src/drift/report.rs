//! What changed: findings read off the sketch, each with the first event that shows it.
//!
//! A source's first event is the ground that later ones are compared with. Of a change only its top
//! is told: a new object, not also each of its fields. Knows no file and no socket.

use serde::{Deserialize, Serialize};

use super::mark::Mark;
use super::shape::{ELEMENT, Kind};
use super::sketch::{Field, Sketch, Source};

/// Findings of one report; the oldest are left out.
const FINDINGS_MAX: usize = 1000;
/// Events that had a field before its absence means anything.
const MISSING_SEEN_MIN: u64 = 3;
/// A field that may be absent is missed after so many events, and so many times its longest gap.
const MISSING_EVENTS_MIN: u64 = 10;
const MISSING_GAPS: u64 = 4;
/// Events of a field for each word, for its words to be an enumeration.
const EVENTS_PER_WORD: u64 = 3;

/// What was noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Since when events are looked at, RFC 3339; what is older is not known. None before the
    /// first event.
    pub since: Option<String>,
    /// Events looked at.
    pub events: u64,
    /// Events that the follower did not come to see.
    pub missed: u64,
    /// Events too large or too deep to be looked at.
    pub unreadable: u64,
    /// Events of sources beyond the limit.
    pub untracked: u64,
    /// Per source, in the order of their names.
    pub sources: Vec<SourceReport>,
    /// Changes, the oldest first.
    pub findings: Vec<Finding>,
    /// Older ones, for which there was no room here.
    pub left_out: usize,
}

/// What is known of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceReport {
    /// Its configured name.
    pub name: String,
    /// Events looked at.
    pub events: u64,
    /// Types of events.
    pub types: usize,
    /// Times that a type, field or word found no room in the sketch.
    pub untracked: u64,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of change.
    pub what: What,
    /// The source.
    pub source: String,
    /// The event's type as the vendor has it; `-` for none.
    #[serde(rename = "type")]
    pub kind: String,
    /// The field, as a JSON pointer with `[]` for the elements of an array and `{id}` for keys that
    /// look made up; empty for the event as a whole.
    pub field: String,
    /// What it is now, and what it was, for people.
    pub detail: String,
    /// When the first event that shows it was received, RFC 3339.
    pub first_seen: String,
    /// That event's id.
    pub event: String,
}

/// What can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A type of events that the source had not sent.
    NewType,
    /// A field that earlier events of the type did not have.
    NewField,
    /// A field that events of the type used to have.
    MissingField,
    /// A field of another JSON type than before.
    Retyped,
    /// A word that an enumeration did not have.
    NewValue,
}

/// Collects findings with the marks they are sorted by: the latest, and how many more there were.
#[derive(Default)]
struct Collector<'a> {
    found: Vec<(Mark, Finding)>,
    left_out: usize,
    source: &'a str,
    kind: &'a str,
    path: String,
}

impl What {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NewType => "new_type",
            Self::NewField => "new_field",
            Self::MissingField => "missing_field",
            Self::Retyped => "retyped",
            Self::NewValue => "new_value",
        }
    }
}

impl Sketch {
    /// What it shows.
    pub(super) fn report(&self) -> Report {
        let mut collector = Collector::default();
        for (name, source) in &self.sources {
            collector.source = name;
            collector.visit_source(source);
        }
        collector.keep_latest();
        let findings = collector.found.into_iter();
        let sources = self.sources.iter().map(|(name, source)| SourceReport {
            name: name.clone(),
            events: source.events,
            types: source.types.len(),
            untracked: source.untracked,
        });
        Report {
            since: self.first.map(Mark::time),
            events: self.events,
            missed: self.missed,
            unreadable: self.unreadable,
            untracked: self.untracked,
            sources: sources.collect(),
            findings: findings.map(|(_, finding)| finding).collect(),
            left_out: collector.left_out,
        }
    }
}

impl<'a> Collector<'a> {
    fn visit_source(&mut self, source: &'a Source) {
        for (kind, known) in &source.types {
            self.kind = kind;
            if known.first != source.first {
                let detail = format!("{} event(s)", known.root.seen);
                self.note(What::NewType, detail, known.first);
            }
            self.visit(&known.root);
        }
    }

    /// Sorts by the events that show them, and leaves out the oldest.
    fn keep_latest(&mut self) {
        self.found.sort_by_key(|(mark, _)| *mark);
        let more = self.found.len().saturating_sub(FINDINGS_MAX);
        self.found.drain(..more);
        self.left_out += more;
    }

    fn visit(&mut self, field: &Field) {
        for (kind, mark) in field.kinds.iter().filter(|(_, mark)| **mark != field.first) {
            let earlier = kinds(field, |first| first < *mark || first == field.first);
            let detail = format!("{}, was {earlier}", kind.as_str());
            self.note(What::Retyped, detail, *mark);
        }
        self.visit_words(field);
        let began = field.kinds.get(&Kind::Object).copied();
        for (name, child) in &field.fields {
            let length = self.path.len();
            self.path.push_str(name);
            // Elements come and go with the array that they are in.
            let elements = name == ELEMENT;
            if !elements && began.is_some_and(|began| child.first != began) {
                self.note(What::NewField, kinds(child, |_| true), child.first);
            }
            match child.gone {
                Some(gone) if is_missing(child) => {
                    let (absent, seen) = (child.absent, child.seen);
                    let detail = format!("absent in {absent} event(s), was in {seen}");
                    self.note(What::MissingField, detail, gone);
                }
                _ => self.visit(child),
            }
            self.path.truncate(length);
        }
    }

    fn visit_words(&mut self, field: &Field) {
        let (Some(words), Some(began)) = (&field.words, field.kinds.get(&Kind::String)) else {
            return;
        };
        let few = words.len() as u64 * EVENTS_PER_WORD <= field.seen;
        for (word, mark) in words.iter().filter(|(_, mark)| few && *mark != began) {
            self.note(What::NewValue, word.clone(), *mark);
        }
    }

    fn note(&mut self, what: What, detail: String, mark: Mark) {
        if self.found.len() >= 4 * FINDINGS_MAX {
            self.keep_latest();
        }
        let finding = Finding {
            what,
            source: self.source.to_owned(),
            kind: self.kind.to_owned(),
            field: self.path.clone(),
            detail,
            first_seen: mark.time(),
            event: mark.to_string(),
        };
        self.found.push((mark, finding));
    }
}

/// Whether a field that is absent used to be there.
fn is_missing(field: &Field) -> bool {
    let gaps = field.gap_max.saturating_mul(MISSING_GAPS);
    let long = field.absent >= MISSING_EVENTS_MIN && field.absent > gaps;
    field.seen >= MISSING_SEEN_MIN && (field.gap_max == 0 || long)
}

/// The kinds of a field, as far as their first events are `wanted`.
fn kinds(field: &Field, wanted: impl Fn(Mark) -> bool) -> String {
    let wanted = field.kinds.iter().filter(|(_, first)| wanted(**first));
    let words: Vec<_> = wanted.map(|(kind, _)| kind.as_str()).collect();
    words.join(" or ")
}
