//! Damaged places that a person passed: where reading goes on behind them, and what was given up.

/// Places remembered; each goes with the segment in which reading goes on.
pub const SKIPS_MAX: usize = 1024;

/// A damaged place that is passed by every reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The last position that can be read before the place.
    pub after: u64,
    /// The last position given up: what follows is above it.
    pub through: u64,
    /// Base of the segment in which reading goes on.
    pub base: u64,
    /// Offset in it.
    pub offset: u64,
    /// Events stored before that offset, those given up included.
    pub ordinal: u64,
}
