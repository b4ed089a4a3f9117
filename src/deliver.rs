//! Delivery: one worker per destination, from the log to the sink and back to the cursor.
//!
//! # What a worker promises
//! - An event leaves the worker's window only as *delivered*, *dead-lettered*, *filtered* or
//!   *discarded*, each counted. Nothing is given up by count or error, and by age only where that
//!   is configured.
//! - The cursor moves after the fact: a delivery is stored after the destination took it (and
//!   confirmed it, where it does), a dead letter after it is durable. So a kill repeats what was
//!   delivered since the cursor was last synced, and loses nothing.
//! - Workers share nothing but the log: a destination that is down delays nobody, and a part of it
//!   (an index) that waits for a person delays no other part.
//! - Memory is bounded by two portions and those in flight, whatever the backlog; of all else that
//!   waits only positions are kept.
//!
//! # The loop
//! Read what there is (a batch grows while the last one is on its way, and for a few milliseconds
//! behind one of many events; nothing else delays one), render, send a portion, apply one verdict
//! per event, and go on as the worst verdict asks:
//! *retry* backs off (exponential, with jitter, `Retry-After` obeyed and bounded), *hold* stops
//! the destination or a partition until a person repairs something and probes slowly, *split*
//! halves the portion, *pending* waits for confirmation. More than one batch is on its way only
//! where a whole portion waits and the destination bears it ([`concurrency`]).
//!
//! Where an event is between reading and settling: [`outbox`] (to be sent), a flight
//! ([`worker`]), [`awaited`] (accepted, not confirmed), [`parked`] (of a held partition, or to be
//! sent again), [`suspects`] (lets others go first). What is settled is known by [`window`]; how
//! long to wait by [`retry`], [`rate_limit`] and [`age`]; what people and metrics see is in
//! [`status`], and what they want in [`control`].
//!
//! # Dead letters
//! [`replay`] sends them again in a lane of its own, beside the worker.

mod age;
mod awaited;
mod concurrency;
mod control;
mod outbox;
mod parked;
mod rate_limit;
mod replay;
mod retry;
mod status;
mod suspects;
mod verdicts;
mod window;
mod worker;

#[cfg(test)]
mod tests;

pub use control::Controls;
pub use replay::{Replay, ReplayOptions, ReplaySnapshot, ReplayStatus};
pub use status::{DestinationStatus, HeldPartition, LastError, Snapshot};
pub use worker::{Options, Worker, WorkerError};
