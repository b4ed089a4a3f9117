//! Proves with the real binary and a real OpenSearch that each answered event is in the index
//! exactly once, or a dead letter with the server's reason, whatever the server does meanwhile.
//!
//! The server is built from Maven Central (`server/README.md`), needs Java and Maven, and one runs
//! at a time. Without them, or with `SIEM_RELAY_OPENSEARCH=skip`, the tests say so and pass without
//! having looked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[path = "../support/fake_http.rs"]
mod fake_http;
#[path = "../support/relay.rs"]
mod relay;
#[path = "../support/samples.rs"]
mod samples;
#[path = "../support/index_template.rs"]
mod support;

mod between;
mod blocks;
mod duplicates;
mod kills;
mod node;
mod oracle;
mod poster;
mod pressure;
mod refusals;
mod sizes;
mod streams;
mod template;
