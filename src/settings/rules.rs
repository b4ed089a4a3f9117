//! What an operator asks of events' JSON: conditions, and changes on the way out.
//!
//! All of it is bounded where it is read (`config::condition`): depth, number and length, so that
//! whoever follows it needs no limit of its own.

use ipnet::IpNet;

use crate::secret::Secret;

/// A JSON pointer (RFC 6901), decoded: the names and indices on the way from the root. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer(pub Vec<String>);

/// Whether something is to happen to an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Each of them holds.
    All(Vec<Condition>),
    /// At least one of them holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A value passes a test.
    Field {
        /// Which value.
        at: Pointer,
        /// What it must be.
        test: Test,
    },
}

/// What a value must be. A value that is not there passes none but `Exists(false)`.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// It is one of these, of the same JSON type.
    In(Vec<Scalar>),
    /// A string that begins with it.
    Prefix(String),
    /// A string that ends with it.
    Suffix(String),
    /// A string made of these pieces in their order with any text between them; the first one
    /// begins it, the last one ends it.
    Glob(Vec<String>),
    /// It is there and not null, or (false) it is not.
    Exists(bool),
    /// A string that is an address in one of these networks.
    Cidr(Vec<IpNet>),
    /// A number above this one, a JSON number as text.
    Greater(String),
}

/// A value to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A string.
    Text(String),
    /// A JSON number as text, compared by its value.
    Number(String),
    /// True or false.
    Flag(bool),
}

/// A change of events' JSON on the way out.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What is done.
    pub action: Action,
    /// To which events; none for all.
    pub when: Option<Condition>,
}

/// What a rule does. In pointers of the last five, `*` is each element or member.
#[derive(Clone, Debug)]
pub enum Action {
    /// Moves a value; what was at its new place is gone.
    Rename {
        /// Where it is.
        from: Pointer,
        /// Where it will be.
        to: Pointer,
    },
    /// Puts the same value at a second place.
    Copy {
        /// Where it is.
        from: Pointer,
        /// Where it will be as well.
        to: Pointer,
    },
    /// Puts a constant.
    Set {
        /// Where.
        to: Pointer,
        /// A scalar as JSON text.
        value: String,
    },
    /// Takes values away.
    Drop(Vec<Pointer>),
    /// Takes away everything else.
    Keep(Vec<Pointer>),
    /// Hides values.
    Redact {
        /// Which.
        at: Vec<Pointer>,
        /// HMAC-SHA256 with this key stands in for a value; without, the mask does.
        key: Option<Secret>,
        /// Stands in for every value.
        mask: String,
    },
    /// Writes times as RFC 3339 in UTC.
    ParseTime(Vec<Pointer>),
    /// Writes strings in lower case.
    Lower(Vec<Pointer>),
}
