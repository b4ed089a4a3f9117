//! What the commands on dead letters take and answer: which letters are meant, and how many
//! that is per destination.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Ids that one command may name, so that it fits its body.
const IDS_MAX: usize = 64;

/// Which dead letters are meant: those that fit every part that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    /// Of this destination; none for all that are configured.
    pub destination: Option<String>,
    /// Refused for this reason.
    pub reason: Option<String>,
    /// Of this source.
    pub source: Option<String>,
    /// Died at or after; Unix milliseconds.
    pub since_ms: Option<u64>,
    /// Died before; Unix milliseconds.
    pub until_ms: Option<u64>,
    /// These; none for any.
    pub ids: Vec<[u8; 16]>,
    /// Not more per destination, the oldest first.
    pub limit: Option<usize>,
}

/// Letters of one destination that a command was about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LettersOf {
    /// Its name.
    pub destination: String,
    /// How many.
    pub letters: u64,
}

/// A command's body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LettersBody {
    destination: Option<String>,
    reason: Option<String>,
    source: Option<String>,
    since: Option<String>,
    until: Option<String>,
    #[serde(default)]
    ids: Vec<String>,
    limit: Option<usize>,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    dry_run: bool,
}

/// The answer.
#[derive(Serialize)]
pub(super) struct LettersAnswer {
    pub(super) dry_run: bool,
    pub(super) destinations: Vec<LettersOf>,
}

/// The body as JSON keys, for a refusal's text.
pub(super) const KEYS: &str = "send {\"all\": true}, or one or more of \"destination\", \
     \"reason\", \"source\", \"since\", \"until\" (RFC 3339), \"ids\" (64 at most) and \
     \"limit\", with \"dry_run\": true to change nothing, and no other key";

impl LettersBody {
    /// The letters meant, and whether nothing is to be changed; none where that is not clear.
    /// `all` and narrower parts exclude each other: nobody gives everything up by a forgotten key.
    pub(super) fn read(self) -> Option<(Letters, bool)> {
        let narrow = self.destination.is_some()
            || self.reason.is_some()
            || self.source.is_some()
            || self.since.is_some()
            || self.until.is_some()
            || !self.ids.is_empty()
            || self.limit.is_some();
        if narrow == self.all || self.ids.len() > IDS_MAX {
            return None;
        }
        let ids = self.ids.iter().map(|id| Uuid::parse_str(id).ok());
        let ids = ids.map(|id| Some(id?.into_bytes()));
        let letters = Letters {
            destination: self.destination,
            reason: self.reason,
            source: self.source,
            since_ms: self.since.as_deref().map(moment).transpose().ok()?,
            until_ms: self.until.as_deref().map(moment).transpose().ok()?,
            ids: ids.collect::<Option<_>>()?,
            limit: self.limit,
        };
        Some((letters, self.dry_run))
    }
}

/// An RFC 3339 time in Unix milliseconds; times before 1970 are its beginning.
fn moment(text: &str) -> Result<u64, jiff::Error> {
    let at: jiff::Timestamp = text.parse()?;
    Ok(u64::try_from(at.as_millisecond()).unwrap_or(0))
}
