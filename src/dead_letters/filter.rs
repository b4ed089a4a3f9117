//! Which letters are meant. Pure.

use super::Letter;
use crate::event::EventId;

/// Which letters of a destination are meant: those that fit every part that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The reason's word.
    pub reason: Option<String>,
    /// The source's name.
    pub source: Option<String>,
    /// Died at or after; Unix milliseconds.
    pub since_ms: Option<u64>,
    /// Died before; Unix milliseconds.
    pub until_ms: Option<u64>,
    /// One of these; none for any.
    pub ids: Vec<EventId>,
    /// Not more than so many, the oldest first.
    pub limit: Option<usize>,
}

impl Filter {
    /// Whether a letter can be meant, by what is known without reading it.
    pub(super) fn may_want(&self, id: EventId, died_ms: u64) -> bool {
        (self.ids.is_empty() || self.ids.contains(&id))
            && self.since_ms.is_none_or(|since| died_ms >= since)
            && self.until_ms.is_none_or(|until| died_ms < until)
    }

    /// Whether the letter itself has to be looked at.
    pub(super) fn reads_letters(&self) -> bool {
        self.reason.is_some() || self.source.is_some()
    }

    /// Whether a letter fits; its number is not looked at.
    pub(super) fn wants(&self, letter: &Letter) -> bool {
        let fits = |wanted: &Option<String>, key| {
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted == letter.text(key))
        };
        fits(&self.reason, "reason")
            && fits(&self.source, "source")
            && self.may_want(letter.id, letter.died_ms())
    }
}
