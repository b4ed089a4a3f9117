//! What operators ask of events' JSON, followed: pure, total and bounded.
//!
//! JSON is never parsed into a tree of values: what is looked for is found by skipping over the
//! rest, and numbers and strings stay as their source text, so that none is too large, too deep or
//! too odd. Nothing here fails on a vendor's surprise: a value that is missing or of another type
//! passes no test and stays as it is. Knows no vendor, destination or file; `config` bounds
//! what it is asked. `docs/decisions/0017-rules.md` says why.

mod change;
mod condition;
mod decimal;
mod json;
mod moves;
mod node;
#[cfg(test)]
mod tests;

pub use change::{RuleError, apply};
pub use condition::{Parts, holds, may_hold};
pub use json::{Decoded, scalar, string};
