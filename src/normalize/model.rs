//! What a vendor said, in a small typed form that every format is written from.
//!
//! A reader for each vendor fills it; `ecs`, `ocsf` and `cim` write it. It holds nothing of a
//! schema but what all three need. What only one vendor has goes to [`Model::own`], and what no
//! reader knows stays in [`Model::other`]. Text is borrowed from the payload. `docs/mapping/`
//! lists where each part ends.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::settings::Severity;

use super::other::Other;
use super::vendor::{Place, Vendor};

mod finding;
mod notes;
mod people;
mod several;

pub(super) use finding::{
    Asset, Change, Finding, FindingClass, Location, Note, Package, Weakness, closed_as,
    known_reason,
};
pub use notes::Notes;
pub(super) use people::{
    Account, AccountChange, Activity, Effect, Login, Origin, User, outcome_word,
};
pub(super) use several::{Batch, COUNTED_MAX, Issues, LISTED_MAX, count, list};

/// Text that the vendor may leave out.
pub(super) type Text<'a> = Option<Cow<'a, str>>;

/// One event, read.
#[derive(Debug, Default)]
pub(super) struct Model<'a> {
    /// The vendor, where the preset tells; the source's name stands in for it elsewhere.
    pub(super) vendor: Option<&'static Vendor>,
    /// When it happened, in the vendor's word.
    pub(super) time: Option<Timestamp>,
    /// The vendor states a time of a form or range that is none.
    pub(super) odd_time: bool,
    /// The vendor's host.
    pub(super) host: Text<'a>,
    /// The vendor's own id of the event.
    pub(super) event_id: Text<'a>,
    /// The organisation whose event it is.
    pub(super) organization: Text<'a>,
    /// The vendor's type, as it is written.
    pub(super) code: Text<'a>,
    /// The part of the vendor's service that says it, as it is written: `API_SECURE`.
    pub(super) provider: Option<String>,
    /// The same as people write it: `API Secure`.
    pub(super) product: Option<String>,
    /// What happened, in lower-case words with dashes.
    pub(super) action: Option<String>,
    /// Version of the vendor's own schema.
    pub(super) version: Text<'a>,
    /// One text for people, where there is a better one than the type.
    pub(super) message: Text<'a>,
    /// Who did it, and from where.
    pub(super) origin: Origin<'a>,
    /// How bad it is, where the vendor rates more than findings, which have their own.
    pub(super) level: Option<Severity>,
    /// What it is about.
    pub(super) subject: Subject<'a>,
    /// Of a delivery with several entries: what all of them have.
    pub(super) batch: Option<Box<Batch<'a>>>,
    /// What only this vendor has, each in a place of its own.
    pub(super) own: Vec<(&'static Place, Cow<'a, str>)>,
    /// Members that no part of the model took.
    pub(super) other: Other<'a>,
    /// What the reader did not know.
    pub(super) notes: Notes,
}

/// What an event is about.
#[derive(Debug, Default)]
pub(super) enum Subject<'a> {
    /// A weakness, a leak, a violation, or something noticed.
    Finding(Box<Finding<'a>>),
    /// A note on a finding.
    Note(Box<Note<'a>>),
    /// An asset that was discovered.
    Asset(Box<Asset<'a>>),
    /// A login.
    Login(Box<Login<'a>>),
    /// A change of an account.
    Account(Box<Account<'a>>),
    /// Anything else that somebody did.
    Activity(Box<Activity<'a>>),
    /// Anything else; nothing is claimed.
    #[default]
    Generic,
}

impl<'a> Model<'a> {
    /// An event of this vendor, of which nothing else is known yet.
    pub(super) fn of(vendor: &'static Vendor) -> Self {
        Self {
            vendor: Some(vendor),
            ..Self::default()
        }
    }

    /// Keeps what only this vendor has.
    pub(super) fn keep(&mut self, place: &'static Place, text: Text<'a>) {
        self.own.extend(text.map(|text| (place, text)));
    }

    /// Counts what the reader left in `other`.
    pub(super) fn count_other(&mut self) {
        self.notes.members = self.other.count();
        self.notes.overflows = u64::from(self.other.is_large());
    }
}

/// A text that can be read elsewhere as well.
pub(super) fn seen<'t>(text: &'t Text<'_>) -> Option<&'t str> {
    text.as_deref()
}
