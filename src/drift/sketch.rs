//! What is known of all events seen: per source and type a tree of fields, each with the first
//! event that had it, of which kind, with which word.
//!
//! Pure: the same events in the same order give the same sketch, byte for byte. Every level has a
//! limit, and each source has a budget of bytes; what finds no room is counted and not kept, so
//! that nothing that a vendor or a stranger sends can make it large. Nothing is ever forgotten by
//! itself: a limit that is reached stays reached until the file is removed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::mark::Mark;
use super::shape::{ELEMENT, Kind, Shape, Texts, WORDS_MAX};
use crate::event::EventId;

/// Sources that are kept: as many as can be configured.
pub(super) const SOURCES_MAX: usize = 32;
/// Types of events of one source.
pub(super) const TYPES_MAX: usize = 64;
/// Fields of one type.
pub(super) const FIELDS_MAX: usize = 512;
/// Memory of one source's part, and of all together, in bytes as reckoned by the costs below: no
/// source can take more than an eighth.
pub(super) const SOURCE_BYTES_MAX: usize = 2 * 1024 * 1024;
pub(super) const TOTAL_BYTES_MAX: usize = 8 * SOURCE_BYTES_MAX;
/// What a type, a field and a word take beside their text, in bytes: in memory, where nodes of
/// trees are half empty, and no less than in the file.
const TYPE_COST: usize = 1024;
const FIELD_COST: usize = 640;
const WORD_COST: usize = 128;
/// Bytes and digits of a type that is kept; another counts as no type.
const TYPE_BYTES_MAX: usize = 128;
const TYPE_DIGITS_MAX: usize = 8;
const NO_TYPE: &str = "-";

/// All that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sketch {
    /// The last position that was looked at; 0 for none.
    pub(super) position: u64,
    /// The ordinal of the event there; none before the first one.
    pub(super) ordinal: Option<u64>,
    /// The first event ever looked at.
    pub(super) first: Option<Mark>,
    pub(super) events: u64,
    /// Events that the follower did not come to see.
    pub(super) missed: u64,
    /// Events that are too large, too deep or not JSON as this reads it.
    pub(super) unreadable: u64,
    /// Events of sources for which there was no room.
    pub(super) untracked: u64,
    pub(super) sources: BTreeMap<String, Source>,
    /// What all sources take; reckoned anew after loading.
    #[serde(skip)]
    bytes: usize,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    pub(super) first: Mark,
    pub(super) events: u64,
    /// Times that something found no room.
    pub(super) untracked: u64,
    pub(super) types: BTreeMap<String, Type>,
    /// What it takes; reckoned anew after loading.
    #[serde(skip)]
    bytes: usize,
}

/// One type of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Type {
    pub(super) first: Mark,
    pub(super) root: Field,
    #[serde(skip)]
    fields: usize,
}

/// One field, or the event as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Field {
    pub(super) first: Mark,
    /// Events that had it.
    pub(super) seen: u64,
    /// Since it was last there: events that had what it belongs to, and not it.
    pub(super) absent: u64,
    /// The first of these.
    pub(super) gone: Option<Mark>,
    /// The longest such stretch that ended.
    pub(super) gap_max: u64,
    /// The first event of each kind.
    pub(super) kinds: BTreeMap<Kind, Mark>,
    /// The first event of each word; none where the text is free.
    pub(super) words: Option<BTreeMap<String, Mark>>,
    pub(super) fields: BTreeMap<String, Field>,
}

/// What a source may still take.
struct Room<'a> {
    bytes: &'a mut usize,
    total: &'a mut usize,
    fields: &'a mut usize,
    untracked: &'a mut u64,
}

impl Sketch {
    /// Adds the shape of one event.
    pub(super) fn add(&mut self, source: &str, kind: &str, shape: Shape, id: EventId) {
        let mark = Mark(id);
        self.first.get_or_insert(mark);
        self.events = self.events.saturating_add(1);
        if !self.sources.contains_key(source) && self.sources.len() >= SOURCES_MAX {
            self.untracked = self.untracked.saturating_add(1);
            return;
        }
        let source = self.sources.entry(source.to_owned());
        let source = source.or_insert_with(|| Source::new(mark));
        source.add(kind, shape, mark, &mut self.bytes);
    }

    /// What each source takes, in bytes, and then all of them.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> Vec<usize> {
        let sources = self.sources.values().map(|source| source.bytes);
        sources.chain([self.bytes]).collect()
    }

    /// Reckons what is not stored; once, after loading.
    pub(super) fn reckon(&mut self) {
        self.bytes = 0;
        for source in self.sources.values_mut() {
            source.bytes = 0;
            for (name, kind) in &mut source.types {
                kind.fields = 0;
                source.bytes += TYPE_COST + name.len();
                kind.root.reckon(&mut source.bytes, &mut kind.fields);
            }
            self.bytes += source.bytes;
        }
    }
}

impl Source {
    fn new(first: Mark) -> Self {
        Self {
            first,
            events: 0,
            untracked: 0,
            types: BTreeMap::new(),
            bytes: 0,
        }
    }

    fn add(&mut self, kind: &str, shape: Shape, mark: Mark, total: &mut usize) {
        self.events = self.events.saturating_add(1);
        let kind = if is_type(kind) { kind } else { NO_TYPE };
        if !self.types.contains_key(kind) {
            let cost = TYPE_COST + kind.len();
            if self.types.len() >= TYPES_MAX || !fits(self.bytes, *total, cost) {
                self.untracked = self.untracked.saturating_add(1);
                return;
            }
            self.bytes += cost;
            *total += cost;
            self.types.insert(kind.to_owned(), Type::new(mark));
        }
        if let Some(known) = self.types.get_mut(kind) {
            let mut room = Room {
                bytes: &mut self.bytes,
                total,
                fields: &mut known.fields,
                untracked: &mut self.untracked,
            };
            known.root.add(shape, mark, &mut room);
        }
    }
}

impl Type {
    fn new(first: Mark) -> Self {
        Self {
            first,
            root: Field::new(first),
            fields: 0,
        }
    }
}

impl Field {
    fn new(first: Mark) -> Self {
        Self {
            first,
            seen: 0,
            absent: 0,
            gone: None,
            gap_max: 0,
            kinds: BTreeMap::new(),
            words: Some(BTreeMap::new()),
            fields: BTreeMap::new(),
        }
    }

    fn add(&mut self, shape: Shape, mark: Mark, room: &mut Room<'_>) {
        self.seen = self.seen.saturating_add(1);
        let was_object = shape.kinds.contains(&Kind::Object);
        for kind in shape.kinds {
            self.kinds.entry(kind).or_insert(mark);
        }
        self.add_texts(shape.texts, mark, room);
        for (name, field) in &mut self.fields {
            // An empty array says nothing about its elements.
            if was_object && name != ELEMENT && !shape.children.contains_key(name) {
                field.miss(mark);
            }
        }
        for (name, child) in shape.children {
            if let Some(field) = self.fields.get_mut(&name) {
                field.come_back();
                field.add(child, mark, room);
            } else if room.take_field(&name) {
                let field = self.fields.entry(name);
                field
                    .or_insert_with(|| Self::new(mark))
                    .add(child, mark, room);
            }
        }
    }

    fn add_texts(&mut self, texts: Texts, mark: Mark, room: &mut Room<'_>) {
        let Some(words) = &mut self.words else {
            return;
        };
        let Texts::Words(new) = texts else {
            return self.set_free(room);
        };
        for word in new {
            if words.contains_key(&word) {
                continue;
            }
            if words.len() >= WORDS_MAX {
                return self.set_free(room);
            }
            if room.take(WORD_COST + word.len()) {
                words.insert(word, mark);
            }
        }
    }

    /// The text is no word of a list: what was kept of it goes.
    fn set_free(&mut self, room: &mut Room<'_>) {
        for word in self.words.take().unwrap_or_default().into_keys() {
            let cost = WORD_COST + word.len();
            *room.bytes = room.bytes.saturating_sub(cost);
            *room.total = room.total.saturating_sub(cost);
        }
    }

    fn miss(&mut self, mark: Mark) {
        self.gone.get_or_insert(mark);
        self.absent = self.absent.saturating_add(1);
    }

    fn come_back(&mut self) {
        self.gap_max = self.gap_max.max(self.absent);
        self.absent = 0;
        self.gone = None;
    }

    fn reckon(&self, bytes: &mut usize, fields: &mut usize) {
        let words = self.words.iter().flat_map(BTreeMap::keys);
        *bytes += words.map(|word| WORD_COST + word.len()).sum::<usize>();
        for (name, field) in &self.fields {
            *fields += 1;
            *bytes += FIELD_COST + name.len();
            field.reckon(bytes, fields);
        }
    }
}

impl Room<'_> {
    fn take_field(&mut self, name: &str) -> bool {
        if *self.fields >= FIELDS_MAX {
            *self.untracked = self.untracked.saturating_add(1);
            return false;
        }
        let taken = self.take(FIELD_COST + name.len());
        *self.fields += usize::from(taken);
        taken
    }

    fn take(&mut self, cost: usize) -> bool {
        let fits = fits(*self.bytes, *self.total, cost);
        if fits {
            *self.bytes += cost;
            *self.total += cost;
        } else {
            *self.untracked = self.untracked.saturating_add(1);
        }
        fits
    }
}

/// Whether something finds room beside what one source and all of them take.
fn fits(bytes: usize, total: usize, cost: usize) -> bool {
    bytes + cost <= SOURCE_BYTES_MAX && total + cost <= TOTAL_BYTES_MAX
}

fn is_type(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (1..=TYPE_BYTES_MAX).contains(&text.len())
        && digits <= TYPE_DIGITS_MAX
        && text
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
}
