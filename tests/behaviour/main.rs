//! Proves over real sockets, with the real binary, what a user is promised.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../support/http_answers.rs"]
mod answers;
#[path = "../support/authority.rs"]
mod authority;
#[path = "../support/fake_bulk.rs"]
mod fake_bulk;
#[path = "../support/fake_hec.rs"]
mod fake_hec;
#[path = "../support/fake_http.rs"]
mod fake_http;
#[path = "../support/relay.rs"]
mod relay;
#[path = "../support/siem.rs"]
mod siem;

mod arrival;
mod bulk;
mod bulk_table;
mod commands;
mod dead_letters;
mod destination_tls;
mod drift;
mod file_destination;
mod front_door;
mod hec;
mod http_answers;
mod journal_commands;
mod journal_repairs;
mod memory;
mod names;
mod observation;
mod open_files;
mod outages;
mod redaction;
mod render;
mod render_refusals;
mod restarts;
mod routing;
mod shedding;
mod storage;
mod vendors;
