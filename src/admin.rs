//! The second listener, for operators: metrics, health, readiness, the status report, commands.
//!
//! Sees the stages through [`View`] alone, which only reads, and changes them through [`Commands`]
//! alone. Metrics and health are open, because scrapers and load balancers carry no token and
//! neither tells more than names and numbers. The rest names hosts and errors: off loopback it
//! needs a token, on loopback a Host header that a browser cannot be tricked into sending (DNS
//! rebinding). Commands need the write token everywhere.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::listener::{Limits, Listener, LogLimit, Peer};
use crate::secret::Secret;
use crate::telemetry::metrics::Metrics;

mod commands;
mod entry;
mod guard;
mod letters;
mod reply;
pub mod report;
mod routes;
#[cfg(test)]
mod tests;
mod write;

pub use commands::{CommandError, Commands, PassedPlace, Places, Wish};
pub use letters::{Letters, LettersOf};
pub use report::Report;

/// Connections open at once: a few scrapers, a few people.
const CONNECTIONS_MAX: usize = 64;
/// Headers of one request.
const HEADERS_MAX: usize = 64;
/// Bytes of one request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// From connect, or the last answer, to the end of the request head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Lines per second about refused commands.
const REFUSAL_LINES_PER_SECOND: u32 = 5;

/// What the admin listener answers from.
pub struct Admin {
    /// Rendered for `/metrics`.
    pub metrics: Arc<Metrics>,
    /// The stages' present state; asked once per request.
    pub view: Arc<dyn View>,
    /// What commands are handed to.
    pub commands: Arc<dyn Commands>,
    /// Admits to all reads where the listener is off loopback.
    pub read_token: Option<Secret>,
    /// Admits to commands, and to reads; without it no command is taken.
    pub write_token: Option<Secret>,
    /// The listener's address is a loopback one.
    pub loopback_only: bool,
    /// Bounds what strangers can write into the log, see [`refusal_lines`].
    pub refusals: Arc<LogLimit>,
}

/// The state of the stages, as `app` sees it. No call may block: each runs on the runtime.
pub trait View: Send + Sync {
    /// Sets the gauges that are derived from state; called right before each scrape.
    fn refresh(&self);

    /// Whether events can be accepted durably, and nothing else.
    fn ready(&self) -> Readiness;

    /// Where every event is.
    fn status(&self) -> Report;

    /// What changed in vendors' events, as `drift::Report` has it.
    fn drift(&self) -> Result<serde_json::Value, serde_json::Error>;
}

/// Whether events can be accepted durably now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// They can.
    pub ready: bool,
    /// Why not, for people; not looked at when ready.
    pub reason: String,
}

/// What can be commanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    JournalSkip,
    JournalForget,
    LettersReplay,
    LettersPurge,
    Destination(Wish),
}

/// The limit of log lines about refused commands.
pub fn refusal_lines() -> Arc<LogLimit> {
    Arc::new(LogLimit::new(REFUSAL_LINES_PER_SECOND))
}

/// The limits of the admin listener; not configurable, since nobody but operators asks.
pub fn limits() -> Limits {
    Limits {
        max_connections: CONNECTIONS_MAX,
        max_headers: HEADERS_MAX,
        max_header_bytes: HEAD_BYTES_MAX,
        header_timeout: HEAD_TIMEOUT,
    }
}

impl Admin {
    /// Answers until `stop`; then lets answers under way finish, until `force`.
    pub async fn serve(
        self: Arc<Self>,
        listener: Listener,
        stop: CancellationToken,
        force: CancellationToken,
    ) {
        let service = move |request: http::Request<hyper::body::Incoming>, peer: Peer| {
            let admin = Arc::clone(&self);
            async move { admin.respond(request, peer.address).await }
        };
        // The client of a refused connection is told so; it concerns nobody else.
        let refused = |_| {};
        listener.serve(service, refused, stop, force).await;
    }
}

impl Command {
    /// The word used in metrics and logs.
    fn as_str(self) -> &'static str {
        match self {
            Self::JournalSkip => "journal_skip",
            Self::JournalForget => "journal_forget",
            Self::LettersReplay => "dead_letters_replay",
            Self::LettersPurge => "dead_letters_purge",
            Self::Destination(Wish::Pause) => "destination_pause",
            Self::Destination(Wish::Resume) => "destination_resume",
            Self::Destination(Wish::Try) => "destination_try",
        }
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("read_token", &self.read_token)
            .field("write_token", &self.write_token)
            .field("loopback_only", &self.loopback_only)
            .finish_non_exhaustive()
    }
}
