//! `vulnerabilities` of OCSF: each has exactly one identifier, and the rest of what is known.

use std::borrow::Cow;

use crate::normalize::document::{Document, Field};
use crate::normalize::model::{Finding, Location, Package, Weakness};
use crate::normalize::severity;
use crate::normalize::text::shortened;

/// Longest ecosystem, in bytes: all vulnerabilities of one event repeat it.
const ECOSYSTEM_BYTES_MAX: usize = 1_024;
/// Of a score whose vector does not begin with it.
const CVSS_VERSION: &str = "3.1";

/// The weaknesses that have an identifier. What has no attribute there goes to `unmapped`.
pub(super) fn vulnerabilities<'a>(
    to: &mut Document<'a>,
    it: &mut Finding<'a>,
) -> Vec<Document<'a>> {
    let location = std::mem::take(&mut it.location);
    to.put_some("unmapped.commit", location.commit.clone());
    to.put_some("unmapped.ref", location.reference.clone());
    let several = it.issues.is_some();
    let weaknesses = std::mem::take(&mut it.weaknesses);
    if let Some(first) = weaknesses.first() {
        unplaced(to, first);
    }
    let mut all: Vec<_> = weaknesses.into_iter().flat_map(identified).collect();
    if all.is_empty() {
        to.put_some("unmapped.file_path", location.path);
        to.put_some("unmapped.start_line", location.start_line);
        to.put_some("unmapped.end_line", location.end_line);
        return all;
    }
    let created = it.created.map(|at| at.as_millisecond());
    // Of several findings these are the words for the first one only.
    let described = if several { 1 } else { all.len() };
    for vulnerability in all.iter_mut().take(described) {
        vulnerability.put_some("first_seen_time", created);
        if it.level.is_some() {
            vulnerability.put("severity", severity::caption(it.level));
        }
    }
    // What may be long is there once: a small payload makes no large event.
    if let Some(vulnerability) = all.first_mut() {
        vulnerability.put_some("remediation.desc", it.recommendation.clone());
        if let Some(code) = code(&location) {
            vulnerability.put("affected_code", Field::Objects(vec![code]));
        }
    }
    all
}

/// One for a CVE or an advisory, else one for each kind of weakness; the first has the rest.
fn identified(it: Weakness<'_>) -> Vec<Document<'_>> {
    if it.cve.is_none() && it.advisory.is_none() {
        let kinds = it.cwes.iter().enumerate().map(|(index, kind)| {
            let mut one = match index {
                0 => described(&it),
                _ => Document::default(),
            };
            one.put("cwe.uid", kind.clone());
            one
        });
        return kinds.collect();
    }
    let mut one = described(&it);
    let kinds: Vec<_> = it.cwes.iter().cloned().map(kind).collect();
    let place = match (&it.cve, &it.advisory) {
        (Some(cve), advisory) => {
            one.put("cve.uid", cve.clone());
            one.put_some(
                "related_vulnerabilities",
                advisory.clone().map(|text| vec![text]),
            );
            one.put_some(
                "cve.cvss",
                cvss(&it).map(|score| Field::Objects(vec![score])),
            );
            "cve.related_cwes"
        }
        (None, advisory) => {
            one.put_some("advisory.uid", advisory.clone());
            "advisory.related_cwes"
        }
    };
    if !kinds.is_empty() {
        one.put(place, Field::Objects(kinds));
    }
    vec![one]
}

/// A score has a place only beside a CVE, and the versions that are vulnerable have none.
fn unplaced<'a>(to: &mut Document<'a>, it: &Weakness<'a>) {
    if it.cve.is_none() || it.score.is_none() {
        to.put_some("unmapped.cvss_score", it.score);
        to.put_some("unmapped.cvss_vector", it.vector.clone());
    }
    to.put_some("unmapped.package_range", it.package.range.clone());
}

fn described<'a>(it: &Weakness<'a>) -> Document<'a> {
    let mut one = Document::default();
    one.put_some("title", it.title.clone());
    if it.level.is_some() {
        one.put("severity", severity::caption(it.level));
    }
    one.put_some("references", it.url.clone().map(|text| vec![text]));
    if it.package.name.is_some() {
        one.put("is_fix_available", it.package.fixed.is_some());
        one.put(
            "affected_packages",
            Field::Objects(vec![package(&it.package)]),
        );
    }
    one
}

/// OCSF wants the version that is there; most vendors name only those that are vulnerable.
fn package<'a>(it: &Package<'a>) -> Document<'a> {
    let mut package = Document::default();
    package.put_some("name", it.name.clone());
    let version = it.version.clone();
    package.put("version", version.unwrap_or(Cow::Borrowed("unknown")));
    let ecosystem = it.ecosystem.clone();
    let ecosystem = ecosystem.map(|text| shortened(text, ECOSYSTEM_BYTES_MAX));
    package.put_some("package_manager", ecosystem);
    package.put_some("fixed_in_version", it.fixed.clone());
    package.put_some("path", it.manifest.clone());
    package
}

fn kind(id: Cow<'_, str>) -> Document<'_> {
    let mut kind = Document::default();
    kind.put("uid", id);
    kind
}

fn cvss<'a>(it: &Weakness<'a>) -> Option<Document<'a>> {
    let mut cvss = Document::default();
    cvss.put("base_score", it.score?);
    let version = it.vector.as_deref().and_then(severity::cvss_version);
    cvss.put("version", version.unwrap_or(CVSS_VERSION).to_owned());
    cvss.put_some("vector_string", it.vector.clone());
    Some(cvss)
}

fn code<'a>(it: &Location<'a>) -> Option<Document<'a>> {
    let path = it.path.clone()?;
    let name = path.rsplit('/').find(|part| !part.is_empty())?.to_owned();
    let mut code = Document::default();
    code.put("file.name", name);
    code.put("file.path", path);
    code.put("file.type_id", 1_u64);
    code.put("file.type", "Regular File");
    code.put_some("start_line", it.start_line);
    code.put_some("end_line", it.end_line);
    Some(code)
}
