//! What the relay says about itself: every metric, declared once, and the log set-up.
//!
//! Handles may be held by every stage; this module knows none of them. It is the only user of
//! `prometheus`. Label sets are closed: configured names and enums, zero at start.

pub mod logs;
pub mod metrics;
pub mod rate;
