//! Where something was first seen: the event's id, which holds the time of its receipt.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

use crate::event::EventId;

/// The event that had something first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark(pub(super) EventId);

impl Mark {
    /// When the event was received, RFC 3339 in UTC; empty where no calendar has it.
    pub(super) fn time(self) -> String {
        let ms = i64::try_from(self.0.received_ms()).ok();
        let time = ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        time.map(|time| format!("{time:.3}")).unwrap_or_default()
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Mark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Mark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}
