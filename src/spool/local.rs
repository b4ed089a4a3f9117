//! The log in the embedded journal.
/// Placeholder.
#[derive(Debug)]
pub struct LocalLog;
/// Placeholder.
#[derive(Debug)]
pub struct LocalReader;
