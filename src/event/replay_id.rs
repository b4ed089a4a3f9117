//! The id of a replay: what all events have in common that were sent again by one wish.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Identifies one wish to have events sent again, a UUIDv7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplayId(Uuid);

impl ReplayId {
    /// A new one, of now.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for ReplayId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for ReplayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for ReplayId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::from_str(text).map(Self)
    }
}
