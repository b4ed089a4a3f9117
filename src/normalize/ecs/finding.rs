//! A finding in `vulnerability`, `rule`, `package`, `file`, `cloud` and `url` of ECS.

use std::borrow::Cow;

use crate::normalize::cloud::provider;
use crate::normalize::document::Document;
use crate::normalize::model::{Asset, Finding, FindingClass, Issues, Location, Weakness, seen};
use crate::normalize::severity;
use crate::normalize::url::Url;
use crate::normalize::vendor::{Ecs, Vendor};

use super::subject::kind;

/// Of a score whose vector does not begin with it.
const CVSS_VERSION: &str = "3.1";

pub(super) fn finding<'a>(to: &mut Document<'a>, vendor: &'static Vendor, it: Finding<'a>) {
    let category = match it.class {
        FindingClass::Protection => "intrusion_detection",
        FindingClass::Detection => "threat",
        FindingClass::Misconfiguration => "configuration",
        _ => "vulnerability",
    };
    let types = match it.class {
        FindingClass::Detection => "indicator",
        _ => "info",
    };
    kind(to, vendor, it.class.dataset(), category, &[types]);
    if it.is_alert() {
        to.put("event.kind", "alert");
    }
    if let Some(level) = it.level {
        to.put("event.severity", severity::number(level));
    }
    if category == "vulnerability" {
        vulnerability(to, vendor, &it);
    }
    body(to, vendor, it);
}

fn vulnerability<'a>(to: &mut Document<'a>, vendor: &'static Vendor, it: &Finding<'a>) {
    to.put("vulnerability.scanner.vendor", vendor.name);
    to.put_some("vulnerability.description", it.description.clone());
    if let Some(level) = it.level {
        to.put("vulnerability.severity", severity::caption(Some(level)));
    }
    let first = it.weaknesses.first();
    let vector = it.vector.as_ref();
    let vector = vector.or_else(|| first.and_then(|one| one.vector.as_ref()));
    if let Some(score) = it.score.or_else(|| first.and_then(|one| one.score)) {
        to.put("vulnerability.classification", "CVSS");
        to.put("vulnerability.score.base", score);
        let version = vector.and_then(|text| severity::cvss_version(text));
        let version = version.map(str::to_owned);
        to.put(
            "vulnerability.score.version",
            version.unwrap_or_else(|| CVSS_VERSION.to_owned()),
        );
    }
    if let Some(first) = first {
        weakness(to, &vendor.ecs, first);
    }
    let mut kinds: Vec<Cow<'a, str>> = Vec::new();
    for kind in it.weaknesses.iter().flat_map(|one| &one.cwes) {
        if !kinds.contains(kind) {
            kinds.push(kind.clone());
        }
    }
    if !kinds.is_empty() {
        to.put(vendor.ecs.weaknesses, kinds);
    }
}

/// The weakness that the finding is about.
fn weakness<'a>(to: &mut Document<'a>, names: &Ecs, it: &Weakness<'a>) {
    if let Some(cve) = &it.cve {
        to.put("vulnerability.id", cve.clone());
        to.put("vulnerability.enumeration", "CVE");
    } else if let Some(advisory) = &it.advisory {
        to.put("vulnerability.id", advisory.clone());
    }
    to.put_some(names.advisory, it.advisory.clone());
    to.put_some(names.vector, it.vector.clone());
    to.put_some("vulnerability.reference", it.url.clone());
    let package = &it.package;
    to.put_some("package.name", package.name.clone());
    to.put_some("package.type", package.ecosystem.clone());
    to.put_some("package.version", package.version.clone());
    to.put_some(names.version_range, package.range.clone());
    to.put_some(names.fixed_version, package.fixed.clone());
    to.put_some(names.manifest, package.manifest.clone());
}

fn body<'a>(to: &mut Document<'a>, vendor: &'static Vendor, it: Finding<'a>) {
    let names = match it.class {
        FindingClass::Violation => &vendor.violation,
        _ => &vendor.finding,
    };
    let ecs = &vendor.ecs;
    to.put_some(names.uuid, it.uid);
    to.put_some(names.status, it.status);
    to.put_some(names.severity, it.severity);
    to.put_some(names.relevance, it.relevance);
    to.put_some(names.recommendation, it.recommendation);
    to.put_some(names.additional, it.additional);
    to.put_some(names.exception_at, it.exception_at.map(|at| at.to_string()));
    to.put_some(ecs.target_uuid, it.target_uid);
    to.put_some(ecs.priority, it.priority);
    to.put_some(ecs.category, it.category);
    to.put_some(ecs.exploitability, it.exploitability);
    to.put_some(ecs.vector, it.vector);
    to.put_some("rule.name", it.title);
    to.put_some("rule.id", it.rule_type);
    to.put_some("rule.uuid", it.rule_uuid);
    to.put_some("rule.ruleset", it.policy_name);
    to.put_some("rule.reference", it.policy_url);
    to.put_some(ecs.policy_uuid, it.policy_uuid);
    to.put_some("event.url", it.portal_url.clone());
    to.put_some("event.reference", it.portal_url);
    to.put_some("event.reason", it.exception);
    to.put_some("event.start", it.created.map(|at| at.to_string()));
    if !it.techniques.is_empty() {
        to.put("threat.framework", "MITRE ATT&CK");
        to.put("threat.technique.id", it.techniques);
    }
    if let Some(all) = it.issues {
        issues(to, ecs, *all);
    }
    location(to, ecs, it.location);
    asset(to, ecs, it.asset);
}

/// What several findings of one event have.
fn issues<'a>(to: &mut Document<'a>, names: &Ecs, all: Issues<'a>) {
    to.put(names.opened_count, all.opened);
    to.put(names.resolved_count, all.resolved);
    let lists = [
        (names.opened_ids, all.opened_ids),
        (names.resolved_ids, all.resolved_ids),
        (names.cves, all.cves),
    ];
    for (name, list) in lists {
        to.put_some(name, (!list.is_empty()).then_some(list));
    }
}

fn location<'a>(to: &mut Document<'a>, names: &Ecs, it: Location<'a>) {
    to.put_some("file.path", it.path);
    to.put_some(names.start_line, it.start_line);
    to.put_some(names.end_line, it.end_line);
    to.put_some(names.commit, it.commit);
    to.put_some(names.reference, it.reference);
}

pub(super) fn asset<'a>(to: &mut Document<'a>, names: &Ecs, it: Asset<'a>) {
    to.put_some("cloud.provider", seen(&it.hosted_on).and_then(provider));
    to.put_some("cloud.account.id", it.account_uid);
    to.put_some("cloud.account.name", it.account_name);
    to.put_some("cloud.region", it.region);
    if it.service {
        to.put_some("service.id", it.uid.clone());
        to.put_some("service.name", it.name.clone());
    }
    to.put_some(names.asset_uuid, it.uid);
    to.put_some(names.asset_name, it.name);
    to.put_some(names.asset_type, it.kind);
    to.put_some(names.asset_portal_url, it.portal_url);
    to.put_some(names.hosted_on, it.hosted_on);
    to.put_some(names.discovered_via, it.discovered_via);
    to.put_some(names.console_url, it.console_url);
    let created = it.created.map(|at| at.to_string());
    to.put_some(names.asset_created, created);
    to.put_some(names.group_uuid, it.group_uid);
    to.put_some(names.group_name, it.group_name);
    if let Some(text) = it.url {
        url(to, names, text);
    }
}

/// Fills `url.*` and `related.*`; text that is no absolute URL has a field of its own.
fn url<'a>(to: &mut Document<'a>, names: &Ecs, text: Cow<'a, str>) {
    let Some(url) = Url::parse(&text) else {
        to.put(names.asset_url, text);
        return;
    };
    to.put("url.scheme", url.scheme.clone());
    to.put_some("url.port", url.port);
    to.put_some("url.path", url.path.map(str::to_owned));
    match url.ip() {
        Some(address) => to.add("related.ip", Cow::Owned(address.to_string())),
        None => to.add("related.hosts", Cow::Owned(url.domain.clone())),
    }
    to.put("url.domain", url.domain);
    to.put("url.full", text.clone());
    to.put("url.original", text);
}
