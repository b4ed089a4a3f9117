//! One issue of a project: a vulnerable component or one under a licence that is not wanted.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::normalize::json::{self, Object, first, text};
use crate::normalize::model::{Package, Text, Weakness};
use crate::normalize::severity;
use crate::settings::Severity;

/// Most elements of a list of one issue looked at.
const ELEMENTS_MAX: usize = 16;
/// What Snyk writes beside an issue that has no place, and that a person finds by its address.
const KNOWN: [&str; 12] = [
    "credit",
    "patches",
    "publicationTime",
    "disclosureTime",
    "language",
    "isMaliciousPackage",
    "nearestFixedInVersion",
    "creationTime",
    "modificationTime",
    "path",
    "functions",
    "cvssSources",
];

/// An issue, read.
pub(super) struct Issue<'a> {
    /// `SNYK-JS-MS-10509`; the older ones are like `npm:ms:20170412`.
    pub(super) id: Text<'a>,
    /// It is no longer there.
    pub(super) gone: bool,
    pub(super) kind: Text<'a>,
    pub(super) severity: Text<'a>,
    pub(super) level: Option<Severity>,
    pub(super) description: Text<'a>,
    pub(super) maturity: Text<'a>,
    pub(super) priority: Text<'a>,
    pub(super) ignored: Text<'a>,
    /// Whether it can be upgraded, patched or pinned.
    pub(super) repairs: [Text<'a>; 3],
    pub(super) weakness: Weakness<'a>,
    /// What nobody knows of it, by the object that it is in.
    pub(super) rest: Vec<(&'static str, Object<'a>)>,
}

impl<'a> Issue<'a> {
    /// Reads one element of `newIssues` or, with `gone`, of `removedIssues`.
    pub(super) fn read(
        value: &'a RawValue,
        gone: bool,
        severities: &[(String, Severity)],
    ) -> Option<Self> {
        let mut from = json::object(value)?;
        let data = from.take("issueData", json::object);
        let mut data = data.unwrap_or_default();
        let id = text(&mut from, "id");
        let id = id.or_else(|| text(&mut data, "id"));
        data.take("id", Some);
        let severity = text(&mut data, "severity");
        let level = severity.as_deref();
        let level = level.and_then(|word| severity::of_word(word, severities));
        let priority = from.take("priority", json::object);
        let priority = priority.and_then(|mut priority| text(&mut priority, "score"));
        let mut fix = from.take("fixInfo", json::object).unwrap_or_default();
        let fixed = first(&mut fix, &["nearestFixedInVersion"]);
        let fixed = fixed.or_else(|| text(&mut data, "nearestFixedInVersion"));
        let fixed = fixed.or_else(|| fix.take("fixedIn", first_text));
        let keys = ["isUpgradable", "isPatchable", "isPinnable"];
        let repairs = keys.map(|key| text(&mut fix, key));
        let package = Package {
            name: text(&mut from, "pkgName"),
            version: from.take("pkgVersions", joined),
            range: data.take("semver", vulnerable),
            fixed,
            ..Package::default()
        };
        let weakness = weakness(&mut data, id.clone(), level, package);
        for key in KNOWN {
            data.take(key, Some);
        }
        from.take("isPatched", Some);
        Some(Self {
            id,
            gone,
            kind: text(&mut from, "issueType"),
            severity,
            level,
            description: text(&mut data, "description"),
            maturity: text(&mut data, "exploitMaturity"),
            priority,
            ignored: text(&mut from, "isIgnored"),
            repairs,
            weakness,
            rest: vec![("issueData.", data), ("fixInfo.", fix), ("", from)],
        })
    }
}

/// How bad an element is, and nothing else of it.
pub(super) fn level(value: &RawValue, severities: &[(String, Severity)]) -> Option<Severity> {
    let data = json::object(value)?.take("issueData", json::object);
    let word = text(&mut data?, "severity")?;
    severity::of_word(&word, severities)
}

fn weakness<'a>(
    data: &mut Object<'a>,
    id: Text<'a>,
    level: Option<Severity>,
    package: Package<'a>,
) -> Weakness<'a> {
    let mut found = Weakness {
        advisory: id,
        title: text(data, "title"),
        score: data.take("cvssScore", severity::score),
        level,
        vector: text(data, "CVSSv3"),
        url: text(data, "url"),
        package,
        ..Weakness::default()
    };
    if let Some(mut all) = data.take("identifiers", json::object) {
        let cves = all.take("CVE", texts).unwrap_or_default();
        found.cve = cves.into_iter().next();
        found.cwes = all.take("CWE", texts).unwrap_or_default();
    }
    found
}

fn texts<'a>(value: &'a RawValue) -> Option<Vec<Cow<'a, str>>> {
    let all = json::array(value, ELEMENTS_MAX)?.into_iter();
    Some(all.filter_map(json::scalar).collect())
}

fn first_text<'a>(value: &'a RawValue) -> Text<'a> {
    texts(value)?.into_iter().next()
}

fn joined(value: &RawValue) -> Text<'static> {
    let all = texts(value)?;
    (!all.is_empty()).then(|| all.join(",").into())
}

/// The versions that are vulnerable: a list, or in older events one text.
fn vulnerable<'a>(value: &'a RawValue) -> Text<'a> {
    let mut from = json::object(value)?;
    let ranges = from.take("vulnerable", joined);
    ranges.or_else(|| text(&mut from, "vulnerable"))
}
