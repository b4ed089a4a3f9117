//! Proves over real sockets that every way a destination can misbehave becomes a verdict, that
//! requests are what the protocols want, and that no credential goes where it must not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../support/authority.rs"]
mod authority;
mod aws;
#[path = "../support/aws_signature.rs"]
mod aws_signature;
mod bulk;
mod client_certificates;
#[path = "../support/fake_bulk.rs"]
mod fake_bulk;
#[path = "../support/fake_hec.rs"]
mod fake_hec;
#[path = "../support/fake_http.rs"]
mod fake_http;
mod faults;
mod hec;
mod hec_acknowledgement;
mod hec_endpoints;
mod http;
#[path = "../support/http_answers.rs"]
mod http_answers;
mod intake_answers;
mod intake_cloud;
mod intake_limits;
mod intake_requests;
mod logins;
mod proxies;
mod requests;
mod setup;
mod signing;
mod tls;
