//! Destinations' protocols: `Sink::send` turns a batch into one verdict per event.
//!
//! Nothing above a sink knows status codes, and nothing in a sink knows positions, retries or
//! cursors. Each sink has three parts: `encode` (pure: events to bytes), `send` (the request),
//! `judge` (pure: answer to verdicts), so that every row of a protocol's table is a unit test.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::event::{Event, EventId};

mod any;
mod cause;
pub mod client;
pub mod elastic;
pub mod file;
pub mod http;
pub mod intake;
mod name;
mod payload;
mod preview;
mod retry_after;
pub mod splunk;
mod status;

pub use any::{AnySink, SinkError};
pub use cause::{HoldCause, RejectCause, RetryCause};
pub use preview::{Part, Preview, PreviewError, preview};

/// One event, rendered for a destination.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The event it was made from.
    pub event: Arc<Event>,
    /// The JSON text that goes out: under `event` for Splunk, the document for Elasticsearch,
    /// the payload for HTTP and file. Valid UTF-8.
    pub body: Bytes,
    /// What the vendor sent, as the rules left it: what names are made of.
    pub payload: Bytes,
    /// When it happened by the vendor's word, as epoch seconds in digits with at most one dot;
    /// none where the received time stands in.
    pub time: Option<String>,
    /// The vendor's host, where it states one.
    pub host: Option<String>,
    /// Splunk's sourcetype for events of its family, where the format has families.
    pub sourcetype: Option<&'static str>,
}

/// What a sink makes of one batch. `verdicts` has one entry per event, in order.
#[derive(Debug)]
pub struct Outcome {
    /// One per event of the batch.
    pub verdicts: Vec<Verdict>,
    /// Whether the destination asks for less.
    pub pace: Pace,
    /// HTTP status, where there was an answer; for metrics only.
    pub status: Option<u16>,
    /// Bytes put on the wire.
    pub wire_bytes: usize,
}

/// What became of one event in one attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The destination has it.
    Delivered {
        /// What was special about it.
        note: Note,
    },
    /// Accepted but not yet confirmed; settled later by [`Sink::confirm`].
    Pending {
        /// What to ask about.
        ticket: Ticket,
    },
    /// Try again later; nothing is wrong with the event.
    Retry {
        /// The destination's own wish (`Retry-After`), unbounded as received.
        after: Option<Duration>,
        /// Whether the destination may have it already.
        sent: Sent,
        /// Why, as a closed word and in words.
        cause: RetryCause,
        /// For people: what was answered.
        detail: Arc<str>,
    },
    /// A person must act; the event waits.
    Hold {
        /// Why, as a closed word.
        cause: HoldCause,
        /// For people: what was answered and what to do.
        detail: Arc<str>,
        /// How much of the destination waits.
        scope: Scope,
    },
    /// Too much at once: send again in smaller portions. Of a single event: too large for ever.
    Split {
        /// For people: what was answered.
        detail: Arc<str>,
    },
    /// This event can never be taken.
    Reject {
        /// Why, as a closed word.
        cause: RejectCause,
        /// For people: an excerpt of the answer, without event content where avoidable.
        detail: Arc<str>,
    },
}

/// What was special about a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Nothing.
    Plain,
    /// The destination had it already.
    Duplicate,
    /// The destination took it, but put it aside (Elasticsearch failure store).
    Diverted,
}

/// Whether the destination may have an event whose attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It certainly has not.
    No,
    /// Nobody knows: a repeat may be a duplicate there.
    Unknown,
}

/// How much of a destination a hold stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    Destination,
    /// One index or stream of it, by name.
    Partition(Arc<str>),
}

/// What to ask about an unconfirmed batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The channel it went through.
    pub channel: Arc<str>,
    /// The destination's number for it.
    pub id: u64,
}

/// When to ask about unconfirmed batches.
#[derive(Clone, Copy, Debug)]
pub struct Confirming {
    /// Wait between two questions.
    pub interval: Duration,
    /// Time after which an unconfirmed batch is sent again.
    pub timeout: Duration,
    /// Batches that may wait for confirmation; more are not sent.
    pub max_batches: usize,
}

/// What a destination says about tickets. Those in neither list are still open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirmation {
    /// Their events are there for good.
    pub confirmed: Vec<Ticket>,
    /// They will never be confirmed: the events are sent again.
    pub lost: Vec<Ticket>,
}

/// Whether the destination asks for less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It does not.
    Steady,
    /// It does.
    Slower {
        /// For how long, where it said so.
        after: Option<Duration>,
    },
}

/// What a sink wants rendered, besides the configured format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The value under `event` of a HEC envelope.
    HecEvent,
    /// A whole document with `@timestamp`.
    Document,
    /// The payload.
    Payload,
    /// The payload, with the vendor's time and host beside it.
    Entry,
}

/// A destination's protocol.
pub trait Sink: Send + Sync + 'static {
    /// What it wants rendered.
    fn shape(&self) -> Shape;

    /// Bytes that one event adds to a request, for the batch limit.
    fn encoded_bytes(&self, event: &Rendered) -> usize;

    /// Sends one batch, once. Never fails: every fault is a verdict. `batch` is not empty.
    fn send(&self, batch: &[Rendered]) -> impl Future<Output = Outcome> + Send;

    /// The part of the destination that an event goes to, where it has parts that can refuse for
    /// themselves (an index). A batch holds events of one part.
    fn partition(&self, event: &Rendered) -> Option<Arc<str>> {
        let _ = event;
        None
    }

    /// Whether the destination knows a repeat by the whole request: then events whose outcome is
    /// unknown are sent again with those they went with, and no others.
    fn repeats_whole(&self) -> bool {
        false
    }

    /// When to ask about unconfirmed batches; none for a sink that leaves none.
    fn confirming(&self) -> Option<Confirming> {
        None
    }

    /// Asks about tickets. The destination may forget what it confirmed as soon as it said so, so
    /// the answer is made durable before any of these tickets is asked about again.
    fn confirm(&self, tickets: &[Ticket]) -> impl Future<Output = Confirmation> + Send {
        let _ = tickets;
        async { Confirmation::default() }
    }

    /// Reads changed secrets and certificates again; asked before each probe of a held destination,
    /// and of a part that is held for its credentials.
    fn refresh(&self);
}

/// Has a sink read its secrets and certificates again, and waits for it: files may lie on a disk
/// that hangs, which must not hold up who else runs on this thread.
pub async fn refresh<S: Sink>(sink: &Arc<S>) {
    let refreshed = Arc::clone(sink);
    if let Err(error) = tokio::task::spawn_blocking(move || refreshed.refresh()).await {
        tracing::error!(%error, "secrets and certificates were not read again");
    }
}

impl Outcome {
    /// The same verdict for every event.
    pub fn all(count: usize, verdict: Verdict, status: Option<u16>, wire_bytes: usize) -> Self {
        Self {
            verdicts: vec![verdict; count],
            pace: Pace::Steady,
            status,
            wire_bytes,
        }
    }
}

impl Rendered {
    /// The event's id.
    pub fn id(&self) -> EventId {
        self.event.id
    }
}
