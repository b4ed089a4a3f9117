//! What a vendor said, in a small typed form that every format is written from.
//!
//! A reader for each vendor fills it; `ecs`, `ocsf` and `cim` write it. It holds nothing of a
//! schema but what all three need, and what it has no place for stays in [`Model::other`]. Text
//! is borrowed from the payload. `docs/mapping/` lists where each part ends.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::settings::Severity;

use super::kind::Change;
use super::other::Other;

/// Text that the vendor may leave out.
pub(super) type Text<'a> = Option<Cow<'a, str>>;

/// One event, read.
#[derive(Debug, Default)]
pub(super) struct Model<'a> {
    /// The vendor, where the preset tells; the source's name stands in for it elsewhere.
    pub(super) vendor: Option<&'static str>,
    /// The vendor's type, as it is written.
    pub(super) code: Text<'a>,
    /// Before the double underscore of the type: `API_SECURE`.
    pub(super) provider: Option<String>,
    /// The same as people write it: `API Secure`.
    pub(super) product: Option<String>,
    /// What happened, in lower-case words with dashes.
    pub(super) action: Option<String>,
    /// Version of the vendor's own schema.
    pub(super) version: Text<'a>,
    /// One text for people, where there is a better one than the type.
    pub(super) message: Text<'a>,
    /// What it is about.
    pub(super) subject: Subject<'a>,
    /// Members that no part of the model took.
    pub(super) other: Other<'a>,
    /// What the reader did not know.
    pub(super) notes: Notes,
}

/// What an event is about.
#[derive(Debug, Default)]
pub(super) enum Subject<'a> {
    /// A policy violation.
    Violation(Box<Finding<'a>>),
    /// A finding in a mobile application, or its state for one target.
    MobileFinding(Box<Finding<'a>>),
    /// Something that a protection at run time noticed.
    Protection(Box<Finding<'a>>),
    /// A note on a mobile finding.
    Note(Box<Note<'a>>),
    /// An asset that was discovered.
    Asset(Box<Asset<'a>>),
    /// A login to the vendor's portal.
    Login(Box<Login<'a>>),
    /// A change of a portal user.
    Account(Box<Account<'a>>),
    /// Anything else; nothing is claimed.
    #[default]
    Generic,
}

/// A weakness and its state.
#[derive(Debug, Default)]
pub(super) struct Finding<'a> {
    /// What became of it, where the type or the status tells.
    pub(super) change: Option<Change>,
    /// Joins all events of one finding.
    pub(super) uid: Text<'a>,
    /// Of a mobile finding: what it was found in this time.
    pub(super) target_uid: Text<'a>,
    pub(super) status: Text<'a>,
    /// By the severity table; none for words that it does not know.
    pub(super) level: Option<Severity>,
    pub(super) severity: Text<'a>,
    pub(super) relevance: Text<'a>,
    pub(super) priority: Text<'a>,
    pub(super) category: Text<'a>,
    pub(super) exploitability: Text<'a>,
    /// CVSS 3 base score, 0 to 10.
    pub(super) score: Option<f64>,
    pub(super) vector: Text<'a>,
    /// The vendor's title, else the first sentence of the description.
    pub(super) title: Text<'a>,
    pub(super) description: Text<'a>,
    pub(super) recommendation: Text<'a>,
    pub(super) additional: Text<'a>,
    pub(super) portal_url: Text<'a>,
    pub(super) policy_name: Text<'a>,
    pub(super) policy_uuid: Text<'a>,
    pub(super) policy_url: Text<'a>,
    pub(super) rule_uuid: Text<'a>,
    /// The same for all tenants: the key to write detections on.
    pub(super) rule_type: Text<'a>,
    pub(super) exception: Text<'a>,
    pub(super) exception_at: Option<Timestamp>,
    pub(super) created: Option<Timestamp>,
    pub(super) asset: Asset<'a>,
    /// Of a protection: who caused it.
    pub(super) address: Text<'a>,
}

/// What a finding is in, or what was discovered.
#[derive(Debug, Default)]
pub(super) struct Asset<'a> {
    pub(super) uid: Text<'a>,
    pub(super) name: Text<'a>,
    pub(super) kind: Text<'a>,
    pub(super) portal_url: Text<'a>,
    pub(super) url: Text<'a>,
    pub(super) hosted_on: Text<'a>,
    pub(super) discovered_via: Text<'a>,
    pub(super) console_url: Text<'a>,
    pub(super) created: Option<Timestamp>,
    pub(super) group_uid: Text<'a>,
    pub(super) group_name: Text<'a>,
}

/// A note on a finding.
#[derive(Debug, Default)]
pub(super) struct Note<'a> {
    pub(super) uid: Text<'a>,
    pub(super) finding_uid: Text<'a>,
    pub(super) text: Text<'a>,
    pub(super) author: Text<'a>,
    pub(super) created: Option<Timestamp>,
}

/// A login.
#[derive(Debug, Default)]
pub(super) struct Login<'a> {
    /// Whether it succeeded, where the type tells.
    pub(super) success: Option<bool>,
    pub(super) user: Text<'a>,
    pub(super) address: Text<'a>,
    pub(super) strategy: Text<'a>,
    pub(super) reason: Text<'a>,
}

/// A change of a user.
#[derive(Debug, Default)]
pub(super) struct Account<'a> {
    /// What was done, where the type tells.
    pub(super) change: Option<AccountChange>,
    /// The account.
    pub(super) user: Text<'a>,
    /// Who did it.
    pub(super) by: Text<'a>,
    pub(super) first_name: Text<'a>,
    pub(super) last_name: Text<'a>,
    pub(super) notification_email: Text<'a>,
    pub(super) role: Text<'a>,
    pub(super) strategy: Text<'a>,
}

/// What was done with an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccountChange {
    Created,
    Updated,
    Deleted,
}

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

/// A text that can be read elsewhere as well.
pub(super) fn seen<'t>(text: &'t Text<'_>) -> Option<&'t str> {
    text.as_deref()
}
