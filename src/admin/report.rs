//! The status report: where every event is, in JSON, for people and their scripts.
//!
//! Plain data that `app` fills. Names, counts, times and causes; never payloads, paths of URLs
//! or secrets. Fields are only ever added. A time that is not known is null.

use std::collections::BTreeMap;

use http::Uri;
use serde::{Serialize, Serializer};

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The relay's version.
    pub version: &'static str,
    /// When it started.
    pub started: Option<Time>,
    /// How long ago that was, by a clock that nobody sets.
    pub uptime_seconds: u64,
    /// What an operator should know, in whole sentences: open sources, plain text, and so on.
    pub warnings: Vec<String>,
    /// The log on disk.
    pub journal: Journal,
    /// Vendors, in the order of their names.
    pub sources: Vec<Source>,
    /// Destinations, in the order of their names.
    pub destinations: Vec<Destination>,
    /// What detections need of events, in the order of their names.
    pub contracts: Vec<Contract>,
}

/// The log on disk.
#[derive(Clone, Debug, Serialize)]
pub struct Journal {
    /// `accepting`, `full` or `poisoned`.
    pub state: &'static str,
    /// Why it does not accept.
    pub reason: Option<String>,
    /// The last durable position.
    pub head: u64,
    /// Events ever stored.
    pub events: u64,
    /// Bytes of all segments.
    pub used_bytes: u64,
    /// `journal.max_size`.
    pub max_bytes: u64,
    /// Segment files.
    pub segments: u64,
    /// Places that were durable and cannot be read, as far as they are known and not passed.
    pub damaged: Vec<DamagedPlace>,
}

/// A place that was durable and cannot be read.
#[derive(Clone, Debug, Serialize)]
pub struct DamagedPlace {
    /// The segment file.
    pub file: String,
    /// Byte offset in it.
    pub offset: u64,
    /// The last position before the place: what `journal skip --after` takes.
    pub after: u64,
}

/// One vendor.
#[derive(Clone, Debug, Serialize)]
pub struct Source {
    /// Configured name.
    pub name: String,
    /// Kind of authentication: `bearer`, `capability`, `header` or `none`.
    pub auth: &'static str,
    /// Anybody may send.
    pub unauthenticated: bool,
    /// Accepted events a second, over the last minute.
    pub rate_per_second: f64,
    /// Events accepted since the start.
    pub accepted: u64,
    /// Requests refused since the start, by result; results at zero may be left out.
    pub rejected: BTreeMap<&'static str, u64>,
    /// When the last event was accepted.
    pub last_event: Option<Time>,
    /// The last request that was refused.
    pub last_refusal: Option<Incident>,
}

/// One destination.
#[derive(Clone, Debug, Serialize)]
pub struct Destination {
    /// Configured name.
    pub name: String,
    /// `splunk_hec`, `elasticsearch`, `http` or `file`.
    pub kind: &'static str,
    /// Host and port of its URL, see [`url_host`]; null for a file.
    pub host: Option<String>,
    /// How events are rendered.
    pub format: &'static str,
    /// The worker's state, the word of the metric.
    pub state: &'static str,
    /// Why it is in a state other than delivering.
    pub reason: Option<String>,
    /// Since when it is in that state.
    pub since: Option<Time>,
    /// Delivered events a second, over the last minute.
    pub rate_per_second: f64,
    /// Events not yet settled.
    pub backlog_events: u64,
    /// When the oldest of them was received.
    pub oldest_event: Option<Time>,
    /// How long ago that was; 0 without one.
    pub oldest_age_seconds: u64,
    /// Bytes of segments that it still needs.
    pub retained_bytes: u64,
    /// Whether its events are kept whatever that costs the others.
    pub required: bool,
    /// Bytes beyond which an optional destination gives up its oldest events; null for a required
    /// one.
    pub max_backlog_bytes: Option<u64>,
    /// What was given up last since the start.
    pub last_shed: Option<Shed>,
    /// Events to account for since it was registered.
    pub accepted: u64,
    /// Delivered events, of those.
    pub delivered: u64,
    /// Events refused and kept as dead letters, replayed ones among them.
    pub dead_lettered: u64,
    /// The dead letters that are there.
    pub dead_letters: DeadLetters,
    /// Events that its routing did not want.
    pub filtered: u64,
    /// Lost events: given up, or damaged.
    pub discarded: u64,
    /// Accepted events that are in no other count; 0 when all is well.
    pub accounting_mismatch: i64,
    /// When an event was last delivered.
    pub last_success: Option<Time>,
    /// When a delivery was last tried.
    pub last_attempt: Option<Time>,
    /// The last failed attempt.
    pub last_error: Option<Incident>,
    /// When the next attempt is due, where one is waited for.
    pub next_attempt: Option<Time>,
    /// Batches that may be on their way at once, as the destination bears it.
    pub concurrency_limit: usize,
    /// Batches on their way.
    pub in_flight_batches: usize,
    /// Batches accepted and not yet confirmed.
    pub unconfirmed_batches: usize,
    /// Indexes that wait for a person while others flow.
    pub held_partitions: Vec<HeldPartition>,
}

/// An index of a destination that waits for a person.
#[derive(Clone, Debug, Serialize)]
pub struct HeldPartition {
    /// Its name.
    pub name: String,
    /// Why, and what to do.
    pub reason: String,
    /// Since when.
    pub since: Option<Time>,
    /// Events that wait for it.
    pub events: usize,
}

/// The dead letters of a destination.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetters {
    /// Letters neither replayed nor purged.
    pub present: u64,
    /// When the oldest of them died.
    pub oldest: Option<Time>,
    /// Size of their file.
    pub bytes: u64,
    /// `dead_letters.max_size`.
    pub max_bytes: u64,
    /// Those that somebody had sent again and that are not settled yet.
    pub replaying: u64,
    /// What the replay does: `idle`, `sending`, `backing_off` or `held`.
    pub replay_state: &'static str,
    /// Why it waits.
    pub replay_reason: Option<String>,
}

/// Events of a destination that were given up at once.
#[derive(Clone, Debug, Serialize)]
pub struct Shed {
    /// When.
    pub time: Option<Time>,
    /// How many. Those of them that an attempt under way then delivered are not in `discarded`.
    pub events: u64,
    /// First position of the stretch.
    pub first: u64,
    /// Last position of the stretch.
    pub last: u64,
    /// Bytes of its segments.
    pub bytes: u64,
    /// `max_backlog` or `space_short`.
    pub reason: &'static str,
}

/// What a detection needs of a source's events, and how that is kept.
#[derive(Clone, Debug, Serialize)]
pub struct Contract {
    /// Configured name.
    pub name: String,
    /// The source whose events it is about.
    pub source: String,
    /// Pattern of their types.
    pub r#type: String,
    /// The rule or detection that needs it.
    pub used_by: String,
    /// Events that it was held against since the start.
    pub checked: u64,
    /// Those of them that broke it.
    pub breaches: u64,
    /// The last of these.
    pub last_breach: Option<Breach>,
}

/// An event that broke a contract.
#[derive(Clone, Debug, Serialize)]
pub struct Breach {
    /// When the event was received.
    pub time: Option<Time>,
    /// Its id.
    pub event: String,
    /// The first place that is not as it should be, a JSON pointer.
    pub pointer: String,
    /// `missing` or `unknown_value`.
    pub problem: &'static str,
}

/// What happened, and when.
#[derive(Clone, Debug, Serialize)]
pub struct Incident {
    /// When.
    pub time: Option<Time>,
    /// What, for people.
    pub text: String,
}

/// A known moment; serialised as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(jiff::Timestamp);

impl Time {
    /// From milliseconds since the Unix epoch; 0 is never, and so is what no calendar has.
    pub fn from_unix_ms(ms: u64) -> Option<Self> {
        let ms = i64::try_from(ms).ok().filter(|ms| *ms > 0)?;
        jiff::Timestamp::from_millisecond(ms).ok().map(Self)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

/// Host and port of a URL, without what may hold credentials: user, path and query.
pub fn url_host(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?;
    Some(match uri.port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}
