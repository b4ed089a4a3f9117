//! The shape of one event: which fields it has, of which kinds, and the words in them.
//!
//! Pure and bounded. Elements of an array are laid over each other, since their number and order
//! say nothing about the vendor's schema. Keys that look made up (ids as keys) count as one, and a
//! text is kept only if it looks like a word of an enumeration: no address, URL, id or sentence
//! gets into the sketch, nor anything of a field that sounds like a credential.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Elements of an array that are looked at.
const ELEMENTS_MAX: usize = 100;
/// Depth to which fields are looked at.
pub(super) const DEPTH_MAX: usize = 16;
/// Bytes of a key that is kept as it is, and digits in it.
const KEY_BYTES_MAX: usize = 64;
const KEY_DIGITS_MAX: usize = 4;
/// Bytes, blanks and digits of a word.
const WORD_BYTES_MAX: usize = 48;
const WORD_BLANKS_MAX: usize = 3;
const WORD_DIGITS_MAX: usize = 4;
/// Different words of one field; one with more has free text.
pub(super) const WORDS_MAX: usize = 32;
/// All elements of an array.
pub(super) const ELEMENT: &str = "[]";
/// All keys that look made up.
const MADE_UP: &str = "/{id}";
/// Parts of a field's name that say that its text is nobody's business.
const SECRET_WORDS: [&str; 11] = [
    "token",
    "secret",
    "passw",
    "passphrase",
    "key",
    "auth",
    "credential",
    "signature",
    "session",
    "cookie",
    "bearer",
];

/// The kinds of JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

/// The texts of a field.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Texts {
    /// These words, and nothing else.
    Words(BTreeSet<String>),
    /// At least one that is no word, or too many.
    Free,
}

/// One field, and what is below it. Children of objects are `/key`, escaped as in a JSON pointer;
/// the elements of arrays are `[]`.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) kinds: BTreeSet<Kind>,
    pub(super) texts: Texts,
    pub(super) children: BTreeMap<String, Shape>,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }
    }
}

impl Shape {
    /// The shape of a whole event.
    pub(super) fn of(value: &Value) -> Self {
        let mut shape = Self::new();
        shape.lay(value, 0, true);
        shape
    }

    fn new() -> Self {
        Self {
            kinds: BTreeSet::new(),
            texts: Texts::Words(BTreeSet::new()),
            children: BTreeMap::new(),
        }
    }

    /// Lays a value over what is there. Texts are kept where it is `open`.
    fn lay(&mut self, value: &Value, depth: usize, open: bool) {
        self.kinds.insert(Kind::of(value));
        match value {
            Value::String(text) => self.lay_text(text, open),
            Value::Array(elements) if depth < DEPTH_MAX => {
                for element in elements.iter().take(ELEMENTS_MAX) {
                    self.child(ELEMENT.to_owned()).lay(element, depth + 1, open);
                }
            }
            Value::Object(fields) if depth < DEPTH_MAX => {
                for (key, field) in fields {
                    let open = open && !sounds_secret(key);
                    self.child(step(key)).lay(field, depth + 1, open);
                }
            }
            _ => {}
        }
    }

    fn child(&mut self, name: String) -> &mut Self {
        self.children.entry(name).or_insert_with(Self::new)
    }

    fn lay_text(&mut self, text: &str, open: bool) {
        let Texts::Words(words) = &mut self.texts else {
            return;
        };
        if open && is_word(text) && (words.len() < WORDS_MAX || words.contains(text)) {
            words.insert(text.to_owned());
        } else {
            self.texts = Texts::Free;
        }
    }
}

/// A key as a step of a path.
fn step(key: &str) -> String {
    let made_up =
        key.len() > KEY_BYTES_MAX || digits(key) > KEY_DIGITS_MAX || key.contains(char::is_control);
    if made_up {
        return MADE_UP.to_owned();
    }
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Whether a text may be one of an enumeration.
pub(super) fn is_word(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    (1..=WORD_BYTES_MAX).contains(&text.len())
        && text.chars().all(fits)
        && digits(text) <= WORD_DIGITS_MAX
        && text.matches(' ').count() <= WORD_BLANKS_MAX
}

fn digits(text: &str) -> usize {
    text.chars().filter(char::is_ascii_digit).count()
}

fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| key.contains(word))
}
