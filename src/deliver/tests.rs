//! Tests of delivery, by promise.

mod confirm_tests;
mod control_tests;
mod memory;
mod outbox_tests;
mod parallel_tests;
mod partition_tests;
mod purge_tests;
mod repeat_tests;
mod replay_others_tests;
mod replay_tests;
mod scripted;
mod shed_tests;
mod suspect_tests;
mod verdict_tests;
mod window_tests;
mod worker_tests;
