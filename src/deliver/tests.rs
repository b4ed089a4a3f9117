//! Tests of delivery, by promise.

mod memory;
mod purge_tests;
mod replay_tests;
mod scripted;
mod shed_tests;
mod verdict_tests;
mod window_tests;
mod worker_tests;
