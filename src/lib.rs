//! The relay that stands between vendors' webhooks and a SIEM: it answers 2xx only when an event
//! is durable, and delivers it to every destination for as long as that takes.
//!
//! `docs/architecture.md` has the map: which module may use which, and the invariants.

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod dead_letters;
pub mod deliver;
pub mod directory;
pub mod drift;
pub mod event;
pub mod ingest;
pub mod journal;
pub mod listener;
pub mod normalize;
pub mod route;
pub mod rules;
pub mod secret;
pub mod settings;
pub mod sink;
pub mod spool;
pub mod telemetry;
pub mod watched;
