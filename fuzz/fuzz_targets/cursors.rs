//! See `siem_relay::journal::fuzz::cursors`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| siem_relay::journal::fuzz::cursors(bytes));
