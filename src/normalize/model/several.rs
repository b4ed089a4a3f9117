//! One event that says several things: what all of them have, beside the one that it describes.
//!
//! A relay keeps one document for each event, so that an event is delivered once and is one dead
//! letter. The worst of them is described in full; the lists here let a search find the others.

use std::borrow::Cow;

use super::Text;

/// Most of them that are listed one by one; all are counted.
pub(in crate::normalize) const LISTED_MAX: usize = 100;
/// Most elements of an array that are counted.
pub(in crate::normalize) const COUNTED_MAX: usize = 65_536;

/// Several entries of a log in one delivery.
#[derive(Debug, Default)]
pub(in crate::normalize) struct Batch<'a> {
    pub(in crate::normalize) count: u64,
    /// Their types, each once.
    pub(in crate::normalize) codes: Vec<Cow<'a, str>>,
    pub(in crate::normalize) ids: Vec<Cow<'a, str>>,
    /// Who did them, each once.
    pub(in crate::normalize) users: Vec<Cow<'a, str>>,
    /// From where, each once.
    pub(in crate::normalize) addresses: Vec<Cow<'a, str>>,
}

/// What one scan found, and what it found no more.
#[derive(Debug, Default)]
pub(in crate::normalize) struct Issues<'a> {
    pub(in crate::normalize) opened: u64,
    pub(in crate::normalize) resolved: u64,
    pub(in crate::normalize) opened_ids: Vec<Cow<'a, str>>,
    pub(in crate::normalize) resolved_ids: Vec<Cow<'a, str>>,
    /// Of all of them, each once.
    pub(in crate::normalize) cves: Vec<Cow<'a, str>>,
}

/// Adds a text that is not listed yet.
pub(in crate::normalize) fn list<'a>(to: &mut Vec<Cow<'a, str>>, text: Text<'a>) {
    if let Some(text) = text
        && to.len() < LISTED_MAX
        && !to.contains(&text)
    {
        to.push(text);
    }
}

/// How many there are.
pub(in crate::normalize) fn count<T>(all: &[T]) -> u64 {
    u64::try_from(all.len()).unwrap_or(u64::MAX)
}
