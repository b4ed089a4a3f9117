//! Known vulnerabilities in components: Dependabot's alerts, their older form, and advisories.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::normalize::json::{self, Object, text};
use crate::normalize::model::{Finding, FindingClass, Package, Subject, Text, Weakness};
use crate::normalize::severity;

use super::{Reading, alert, places};

const PRODUCT: (&str, &str) = ("dependabot", "Dependabot");
const ADVISORIES: (&str, &str) = ("advisories", "Security advisories");
/// Most kinds of weakness of one advisory, and most components.
const ELEMENTS_MAX: usize = 16;

/// `dependabot_alert`.
pub(super) fn alert<'a>(reading: &mut Reading<'_, 'a>) -> Subject<'a> {
    let from = reading.body.take("alert", json::object);
    let mut from = from.unwrap_or_default();
    let mut finding = alert::begin(reading, &mut from, FindingClass::Vulnerability, PRODUCT);
    let mut weakness = Weakness::default();
    if let Some(mut advisory) = from.take("security_advisory", json::object) {
        about(reading, &mut finding, &mut weakness, &mut advisory);
        // All components of the advisory; this alert's own is in `security_vulnerability`.
        advisory.take("vulnerabilities", Some);
        reading.leave("alert.security_advisory.", advisory);
    }
    if let Some(mut component) = from.take("security_vulnerability", json::object) {
        finding.severity = text(&mut component, "severity").or(finding.severity);
        package(&mut weakness.package, &mut component);
        reading.leave("alert.security_vulnerability.", component);
    }
    if let Some(mut dependency) = from.take("dependency", json::object) {
        package(&mut weakness.package, &mut dependency);
        weakness.package.manifest = text(&mut dependency, "manifest_path");
        reading
            .model
            .keep(&places::SCOPE, text(&mut dependency, "scope"));
        let relationship = text(&mut dependency, "relationship");
        reading.model.keep(&places::RELATIONSHIP, relationship);
        reading.leave("alert.dependency.", dependency);
    }
    reading.leave("alert.", from);
    end(reading, finding, weakness, PRODUCT.1)
}

/// `repository_vulnerability_alert`, which GitHub calls by its older name.
pub(super) fn older<'a>(reading: &mut Reading<'_, 'a>) -> Subject<'a> {
    let from = reading.body.take("alert", json::object);
    let mut from = from.unwrap_or_default();
    let mut finding = alert::begin(reading, &mut from, FindingClass::Vulnerability, PRODUCT);
    finding.severity = text(&mut from, "severity");
    let identifier = text(&mut from, "external_identifier");
    let is_cve = |text: &Cow<'_, str>| text.starts_with("CVE-");
    let advisory = text(&mut from, "ghsa_id");
    let package = Package {
        name: text(&mut from, "affected_package_name"),
        range: text(&mut from, "affected_range"),
        fixed: text(&mut from, "fixed_in"),
        ..Package::default()
    };
    let weakness = Weakness {
        cve: identifier.clone().filter(is_cve),
        advisory: advisory.or_else(|| identifier.filter(|text| !is_cve(text))),
        url: text(&mut from, "external_reference"),
        package,
        ..Weakness::default()
    };
    reading.leave("alert.", from);
    end(reading, finding, weakness, PRODUCT.1)
}

/// `security_advisory`: news of a vulnerability, of which no repository is said to have it.
pub(super) fn published<'a>(reading: &mut Reading<'_, 'a>) -> Subject<'a> {
    let from = reading.body.take("security_advisory", json::object);
    let mut from = from.unwrap_or_default();
    let mut finding = alert::begin(reading, &mut from, FindingClass::Vulnerability, ADVISORIES);
    let mut weakness = Weakness::default();
    about(reading, &mut finding, &mut weakness, &mut from);
    finding.uid = weakness.advisory.clone();
    if let Some([first, ..]) = from.take("vulnerabilities", elements).as_deref()
        && let Some(mut component) = json::object(first)
    {
        package(&mut weakness.package, &mut component);
    }
    reading.leave("security_advisory.", from);
    end(reading, finding, weakness, ADVISORIES.1)
}

/// What an advisory says.
fn about<'a>(
    reading: &mut Reading<'_, 'a>,
    finding: &mut Finding<'a>,
    weakness: &mut Weakness<'a>,
    from: &mut Object<'a>,
) {
    weakness.cve = text(from, "cve_id");
    weakness.advisory = text(from, "ghsa_id");
    finding.title = text(from, "summary");
    finding.description = text(from, "description");
    finding.severity = text(from, "severity");
    reading
        .model
        .keep(&places::ADVISORY_PUBLISHED, text(from, "published_at"));
    reading
        .model
        .keep(&places::ADVISORY_UPDATED, text(from, "updated_at"));
    if let Some(mut epss) = from.take("epss", json::object) {
        let model = &mut reading.model;
        model.keep(&places::EPSS, text(&mut epss, "percentage"));
        model.keep(&places::EPSS_PERCENTILE, text(&mut epss, "percentile"));
    }
    // The same identifiers again.
    from.take("identifiers", Some);
    weakness.url = from.take("references", first_url);
    weakness.cwes = from.take("cwes", weaknesses).unwrap_or_default();
    if let Some(mut cvss) = from.take("cvss", json::object) {
        score(weakness, &mut cvss);
    }
    // The newer form has both versions of the score; without one it says 0.
    if let Some(mut all) = from.take("cvss_severities", json::object) {
        for version in ["cvss_v4", "cvss_v3"] {
            if weakness.score.is_none()
                && let Some(mut cvss) = all.take(version, json::object)
            {
                score(weakness, &mut cvss);
            }
        }
    }
}

fn score<'a>(weakness: &mut Weakness<'a>, from: &mut Object<'a>) {
    let score = from.take("score", severity::score);
    weakness.score = score.filter(|score| *score > 0.0);
    weakness.vector = text(from, "vector_string");
}

fn elements(value: &RawValue) -> Option<Vec<&RawValue>> {
    json::array(value, ELEMENTS_MAX)
}

fn first_url<'a>(value: &'a RawValue) -> Text<'a> {
    let mut all = elements(value)?.into_iter();
    all.find_map(|one| text(&mut json::object(one)?, "url"))
}

fn weaknesses<'a>(value: &'a RawValue) -> Option<Vec<Cow<'a, str>>> {
    let all = elements(value)?.into_iter();
    let ids = all.filter_map(|one| text(&mut json::object(one)?, "cwe_id"));
    Some(ids.collect())
}

fn package<'a>(to: &mut Package<'a>, from: &mut Object<'a>) {
    if let Some(mut named) = from.take("package", json::object) {
        to.name = text(&mut named, "name").or(to.name.take());
        to.ecosystem = text(&mut named, "ecosystem").or(to.ecosystem.take());
    }
    to.range = text(from, "vulnerable_version_range").or(to.range.take());
    let fixed = from.take("first_patched_version", |value| match json::object(value) {
        Some(mut fixed) => text(&mut fixed, "identifier"),
        None => json::scalar(value),
    });
    to.fixed = fixed.or(to.fixed.take());
}

fn end<'a>(
    reading: &mut Reading<'_, 'a>,
    mut finding: Finding<'a>,
    mut weakness: Weakness<'a>,
    product: &str,
) -> Subject<'a> {
    finding.level = severity::level(&finding, reading.severities);
    let odd = finding.severity.is_some() && finding.level.is_none();
    reading.model.notes.values += u64::from(odd);
    if finding.title.is_none() {
        let name = weakness.package.name.as_deref();
        finding.title = name.map(|name| format!("Vulnerable component {name}").into());
    }
    let rule = weakness.advisory.clone().or_else(|| weakness.cve.clone());
    finding.rule_type = rule;
    weakness.title = finding.title.clone();
    finding.recommendation = repair(&weakness.package);
    reading.model.message = alert::message(product, &finding);
    finding.weaknesses.push(weakness);
    Subject::Finding(Box::new(finding))
}

fn repair(package: &Package<'_>) -> Text<'static> {
    let (name, fixed) = (package.name.as_deref()?, package.fixed.as_deref()?);
    Some(format!("Update {name} to {fixed} or later").into())
}
