//! What a reader did not know of one event: counts, which never decide on anything.

/// What a reader did not know of one event. Never a reason to refuse it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Its type belongs to no family that is known, or it has none.
    pub types: u64,
    /// Its schema has another version than the one that is known.
    pub versions: u64,
    /// Members that have no place in the model.
    pub members: u64,
    /// Words that no table knows: of a severity or a state.
    pub values: u64,
    /// Unknown members were too large or too many to be shown one by one.
    pub overflows: u64,
}

impl Notes {
    /// Each count with its word, in a fixed order.
    pub fn words(self) -> [(&'static str, u64); 5] {
        [
            ("type", self.types),
            ("version", self.versions),
            ("member", self.members),
            ("value", self.values),
            ("overflow", self.overflows),
        ]
    }
}
