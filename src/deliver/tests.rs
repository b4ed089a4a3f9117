//! Tests of delivery, by promise.

mod verdict_tests;
mod window_tests;
mod worker_tests;
