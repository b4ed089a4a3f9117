//! What an operator asks of events' JSON: conditions, and changes on the way out.
//!
//! All of it is bounded where it is read (`config::condition`): depth, number and length, so that
//! whoever follows it needs no limit of its own.

use ipnet::IpNet;

use crate::secret::Secret;

/// A JSON pointer (RFC 6901), decoded: the names and indices on the way from the root. Never empty.
/// In a condition `*` is each element of an array.
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
    /// A value passes a test; of several, at least one.
    Field {
        /// Which value.
        at: Pointer,
        /// What it must be.
        test: Test,
    },
    /// What the vendor's reader made of the event passes a test.
    Model {
        /// Which part of it.
        part: ModelPart,
        /// What it must be.
        test: Test,
    },
}

impl Condition {
    /// Whether it asks for the model, which is read as the event's source says.
    pub fn asks_model(&self) -> bool {
        match self {
            Self::All(conditions) | Self::Any(conditions) => {
                conditions.iter().any(Self::asks_model)
            }
            Self::Not(condition) => condition.asks_model(),
            Self::Field { .. } => false,
            Self::Model { .. } => true,
        }
    }
}

/// What a condition can ask of the model that every format is written from. All are texts but
/// [`ModelPart::Test`]; an event has those that its vendor states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelPart {
    /// The vendor's name.
    Vendor,
    /// Its product, as people write it.
    Product,
    /// The vendor's type, as it is written.
    Type,
    /// What kind of event it is, one of [`ModelPart::words`].
    Family,
    /// What happened, in lower-case words with dashes.
    Action,
    /// How bad a finding is, one of [`ModelPart::words`].
    Severity,
    /// What became of a finding, one of [`ModelPart::words`].
    Change,
    /// Its state in the vendor's word.
    Status,
    /// Whether a login, a change or an activity succeeded, one of [`ModelPart::words`].
    Outcome,
    /// What a finding is called.
    Title,
    /// The rule or type of issue that it is of, the same for all tenants.
    Rule,
    /// The policy that it violates.
    Policy,
    /// The asset that it is in, or that was discovered: its name.
    Asset,
    /// Its type in the vendor's word.
    AssetType,
    /// The host of its URL, in lower case.
    AssetHost,
    /// Who logs in, whose account is changed, who wrote a note, else who caused the event.
    User,
    /// The address that it came from.
    Address,
    /// Whether it is the vendor's connectivity test: true or false, always there.
    Test,
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

impl ModelPart {
    /// Every part with its word in the configuration.
    pub const ALL: [(&'static str, Self); 18] = [
        ("vendor", Self::Vendor),
        ("product", Self::Product),
        ("type", Self::Type),
        ("family", Self::Family),
        ("action", Self::Action),
        ("severity", Self::Severity),
        ("change", Self::Change),
        ("status", Self::Status),
        ("outcome", Self::Outcome),
        ("title", Self::Title),
        ("rule", Self::Rule),
        ("policy", Self::Policy),
        ("asset", Self::Asset),
        ("asset_type", Self::AssetType),
        ("asset_host", Self::AssetHost),
        ("user", Self::User),
        ("address", Self::Address),
        ("test", Self::Test),
    ];

    /// The words of a part that has no others; severities from the least to the worst.
    pub fn words(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Family => Some(&[
                "policy_violation",
                "mobile_finding",
                "protection",
                "vulnerability",
                "code",
                "secret",
                "misconfiguration",
                "detection",
                "note",
                "asset",
                "login",
                "account",
                "activity",
                "generic",
            ]),
            Self::Severity => Some(&["informational", "low", "medium", "high", "critical"]),
            Self::Change => Some(&[
                "opened",
                "reopened",
                "updated",
                "resolved",
                "wont-fix",
                "risk-accepted",
                "compensating-control",
                "by-policy",
                "false-positive",
                "dismissed",
            ]),
            Self::Outcome => Some(&["success", "failure"]),
            _ => None,
        }
    }
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
