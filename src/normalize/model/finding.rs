//! Findings: what was found, where, how bad it is and what became of it.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::settings::Severity;

use super::{Issues, Text};

/// What kind of finding it is; decides on categories, classes and data models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::normalize) enum FindingClass {
    /// A policy violation of an application.
    #[default]
    Violation,
    /// In a mobile application, or its state for one target.
    MobileFinding,
    /// Something that a protection at run time noticed.
    Protection,
    /// A known vulnerability in a component.
    Vulnerability,
    /// A weakness in an application's own code.
    Code,
    /// A secret where it should not be.
    Secret,
    /// A resource that is not set up as a control asks.
    Misconfiguration,
    /// Somebody does something suspicious.
    Detection,
}

/// What became of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::normalize) enum Change {
    /// Found for the first time.
    Opened,
    /// Found again.
    Reopened,
    /// Something about it is new, but not whether it is open.
    Updated,
    /// No longer there.
    Resolved,
    /// A person decided against repairing it.
    WontFix,
    /// A person took the risk.
    RiskAccepted,
    /// Something else makes up for it.
    CompensatingControl,
    /// A policy says that it does not matter.
    ByPolicy,
    /// It was none.
    FalsePositive,
    /// Closed without being repaired, for a reason that is none of these.
    Dismissed,
}

/// A weakness and its state.
#[derive(Debug, Default)]
pub(in crate::normalize) struct Finding<'a> {
    pub(in crate::normalize) class: FindingClass,
    /// What became of it, where the type or the status tells.
    pub(in crate::normalize) change: Option<Change>,
    /// The state that an update left it in.
    pub(in crate::normalize) state: Option<Change>,
    /// Joins all events of one finding.
    pub(in crate::normalize) uid: Text<'a>,
    /// Of a mobile finding: what it was found in this time.
    pub(in crate::normalize) target_uid: Text<'a>,
    pub(in crate::normalize) status: Text<'a>,
    /// By the severity table; none for words that it does not know.
    pub(in crate::normalize) level: Option<Severity>,
    pub(in crate::normalize) severity: Text<'a>,
    pub(in crate::normalize) relevance: Text<'a>,
    pub(in crate::normalize) priority: Text<'a>,
    pub(in crate::normalize) category: Text<'a>,
    pub(in crate::normalize) exploitability: Text<'a>,
    /// CVSS base score, 0 to 10.
    pub(in crate::normalize) score: Option<f64>,
    pub(in crate::normalize) vector: Text<'a>,
    /// The vendor's title, else the first sentence of the description.
    pub(in crate::normalize) title: Text<'a>,
    pub(in crate::normalize) description: Text<'a>,
    pub(in crate::normalize) recommendation: Text<'a>,
    pub(in crate::normalize) additional: Text<'a>,
    pub(in crate::normalize) portal_url: Text<'a>,
    pub(in crate::normalize) policy_name: Text<'a>,
    pub(in crate::normalize) policy_uuid: Text<'a>,
    pub(in crate::normalize) policy_url: Text<'a>,
    pub(in crate::normalize) rule_uuid: Text<'a>,
    /// The same for all tenants: the key to write detections on.
    pub(in crate::normalize) rule_type: Text<'a>,
    /// Why it was closed.
    pub(in crate::normalize) exception: Text<'a>,
    pub(in crate::normalize) exception_at: Option<Timestamp>,
    pub(in crate::normalize) created: Option<Timestamp>,
    /// Last changed.
    pub(in crate::normalize) updated: Option<Timestamp>,
    pub(in crate::normalize) asset: Asset<'a>,
    /// Known vulnerabilities and kinds of weakness; the first is the one that it is about.
    pub(in crate::normalize) weaknesses: Vec<Weakness<'a>>,
    /// Of an event with several findings, which `weaknesses` are: what all of them have.
    pub(in crate::normalize) issues: Option<Box<Issues<'a>>>,
    /// Where in the code.
    pub(in crate::normalize) location: Location<'a>,
    /// Ids of MITRE ATT&CK: `T1078`.
    pub(in crate::normalize) techniques: Vec<Cow<'a, str>>,
}

/// A vulnerability by its identifiers, or a kind of weakness where it has none.
#[derive(Debug, Default)]
pub(in crate::normalize) struct Weakness<'a> {
    /// `CVE-2021-44228`.
    pub(in crate::normalize) cve: Text<'a>,
    /// Another's id: `GHSA-...`, `SNYK-...`.
    pub(in crate::normalize) advisory: Text<'a>,
    /// `CWE-79`.
    pub(in crate::normalize) cwes: Vec<Cow<'a, str>>,
    pub(in crate::normalize) title: Text<'a>,
    /// CVSS base score, 0 to 10.
    pub(in crate::normalize) score: Option<f64>,
    /// Of one among several: how bad it is.
    pub(in crate::normalize) level: Option<Severity>,
    /// `CVSS:3.1/AV:N/...`.
    pub(in crate::normalize) vector: Text<'a>,
    /// Where more is written about it.
    pub(in crate::normalize) url: Text<'a>,
    pub(in crate::normalize) package: Package<'a>,
}

/// The component that a vulnerability is in.
#[derive(Debug, Default)]
pub(in crate::normalize) struct Package<'a> {
    pub(in crate::normalize) name: Text<'a>,
    /// `npm`, `pip`, `maven`.
    pub(in crate::normalize) ecosystem: Text<'a>,
    /// The version that is there.
    pub(in crate::normalize) version: Text<'a>,
    /// The versions that are vulnerable.
    pub(in crate::normalize) range: Text<'a>,
    /// The first version that is not.
    pub(in crate::normalize) fixed: Text<'a>,
    /// The file that asks for it.
    pub(in crate::normalize) manifest: Text<'a>,
}

/// A place in code.
#[derive(Debug, Default)]
pub(in crate::normalize) struct Location<'a> {
    pub(in crate::normalize) path: Text<'a>,
    pub(in crate::normalize) start_line: Option<u64>,
    pub(in crate::normalize) end_line: Option<u64>,
    pub(in crate::normalize) commit: Text<'a>,
    /// A branch or tag: `refs/heads/main`.
    pub(in crate::normalize) reference: Text<'a>,
}

/// What a finding is in, or what was discovered.
#[derive(Debug, Default)]
pub(in crate::normalize) struct Asset<'a> {
    /// It is a service or an application, and not code or a resource.
    pub(in crate::normalize) service: bool,
    pub(in crate::normalize) uid: Text<'a>,
    pub(in crate::normalize) name: Text<'a>,
    pub(in crate::normalize) kind: Text<'a>,
    pub(in crate::normalize) portal_url: Text<'a>,
    pub(in crate::normalize) url: Text<'a>,
    /// A cloud, where one can be recognised.
    pub(in crate::normalize) hosted_on: Text<'a>,
    /// Account, subscription or project of the cloud.
    pub(in crate::normalize) account_uid: Text<'a>,
    pub(in crate::normalize) account_name: Text<'a>,
    pub(in crate::normalize) region: Text<'a>,
    pub(in crate::normalize) discovered_via: Text<'a>,
    pub(in crate::normalize) console_url: Text<'a>,
    pub(in crate::normalize) created: Option<Timestamp>,
    pub(in crate::normalize) group_uid: Text<'a>,
    pub(in crate::normalize) group_name: Text<'a>,
}

/// A note on a finding.
#[derive(Debug, Default)]
pub(in crate::normalize) struct Note<'a> {
    pub(in crate::normalize) uid: Text<'a>,
    pub(in crate::normalize) finding_uid: Text<'a>,
    pub(in crate::normalize) text: Text<'a>,
    pub(in crate::normalize) author: Text<'a>,
    pub(in crate::normalize) created: Option<Timestamp>,
}

impl FindingClass {
    /// The end of `event.dataset`.
    pub(in crate::normalize) fn dataset(self) -> &'static str {
        match self {
            Self::Violation => "policy_violation",
            Self::MobileFinding => "mobile_finding",
            Self::Protection => "protection",
            Self::Vulnerability => "vulnerability",
            Self::Code => "code",
            Self::Secret => "secret",
            Self::Misconfiguration => "misconfiguration",
            Self::Detection => "detection",
        }
    }

    /// It is about what somebody does, and not about what could be done.
    pub(in crate::normalize) fn is_alert(self) -> bool {
        matches!(self, Self::Protection | Self::Detection)
    }
}

impl Finding<'_> {
    /// Whether it is open, or how it was closed; none where nothing tells.
    pub(in crate::normalize) fn standing(&self) -> Option<Change> {
        match self.change {
            Some(Change::Updated) => self.state,
            change => change,
        }
    }

    /// Whether something says that it is over.
    pub(in crate::normalize) fn is_closed(&self) -> bool {
        let standing = self.standing();
        standing.is_some_and(|it| !it.is_open() && it != Change::Updated)
    }

    /// Whether it asks for somebody's attention: it stands open, or it is about what somebody does
    /// and nothing says that it is over.
    pub(in crate::normalize) fn is_alert(&self) -> bool {
        match self.standing() {
            Some(standing) if standing.is_open() => true,
            _ => self.class.is_alert() && !self.is_closed(),
        }
    }
}

impl Change {
    /// Recognises the words of a type's end or of a status.
    pub(in crate::normalize) fn from_words(words: &str) -> Option<Self> {
        match words {
            "opened" | "open" | "created" | "new" => Some(Self::Opened),
            "reopened" => Some(Self::Reopened),
            "resolved" | "fixed" | "closed-fixed" | "closed-item-not-found" => Some(Self::Resolved),
            "open-ready-to-rescan" => Some(Self::Opened),
            _ if words.ends_with("wont-fix") => Some(Self::WontFix),
            _ if words.ends_with("risk-accepted") => Some(Self::RiskAccepted),
            _ if words.ends_with("compensating-control") => Some(Self::CompensatingControl),
            _ if words.ends_with("by-policy") => Some(Self::ByPolicy),
            _ => None,
        }
    }

    /// The end of `event.action`.
    pub(in crate::normalize) fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Reopened => "reopened",
            Self::Updated => "updated",
            Self::Resolved => "resolved",
            Self::WontFix => "wont-fix",
            Self::RiskAccepted => "risk-accepted",
            Self::CompensatingControl => "compensating-control",
            Self::ByPolicy => "by-policy",
            Self::FalsePositive => "false-positive",
            Self::Dismissed => "dismissed",
        }
    }

    /// Whether somebody has to look at it now.
    pub(in crate::normalize) fn is_open(self) -> bool {
        matches!(self, Self::Opened | Self::Reopened)
    }
}

/// How a person closed it, by the vendor's word for the reason.
pub(in crate::normalize) fn closed_as(words: &str) -> Change {
    known_reason(words).unwrap_or(Change::Dismissed)
}

/// The same; none for a word that nobody knows.
pub(in crate::normalize) fn known_reason(words: &str) -> Option<Change> {
    Some(match words {
        "fixed" | "resolved" | "revoked" | "no-longer-present" => Change::Resolved,
        "false-positive" | "inaccurate" | "not-used" | "used-in-tests" | "pattern-edited"
        | "pattern-deleted" => Change::FalsePositive,
        "wont-fix" | "no-bandwidth" => Change::WontFix,
        "tolerable-risk" | "acceptable-risk" | "risk-accepted" => Change::RiskAccepted,
        "mitigating-control" => Change::CompensatingControl,
        // A repair that somebody has begun: neither done nor decided against.
        "fix-started" => Change::Dismissed,
        _ => return None,
    })
}
