//! Commands.

pub mod sample;
