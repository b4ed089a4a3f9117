//! Delivery: one worker per destination, from the log to the sink and back to the cursor.
//!
//! # What a worker promises
//! - An event leaves the worker's window only as *delivered*, *dead-lettered*, *filtered* or
//!   *discarded*, each counted. Nothing is given up by count, age or error.
//! - The cursor moves after the fact: a delivery is stored after the destination took it, a dead
//!   letter after it is durable. So a kill repeats what was delivered since the cursor was last
//!   synced, and loses nothing.
//! - Workers share nothing but the log: a destination that is down delays nobody.
//! - Memory is bounded by one batch, whatever the backlog.
//!
//! # The loop
//! Read what there is (a batch grows while the last one is on its way, and no timer delays one),
//! render, send a portion, apply one verdict per event, and wait as the worst verdict asks:
//! *retry* backs off (exponential, with jitter, `Retry-After` obeyed and bounded), *hold* stops
//! until a person repairs something and probes slowly with the next event, *split* halves the
//! portion. Events that stay are sent again before newer ones are read, so that order is kept
//! where nothing is retried.
//!
//! Dead letters that a person wants sent again go through a second lane beside the worker, see
//! [`replay`]: it shares the sink and nothing else, so it delays no event.
//!
//! What is read, sent and settled lives in [`window`]; how long to wait in [`retry`]; what people
//! and metrics see in [`status`].

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
