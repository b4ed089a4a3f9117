//! Data models Vulnerabilities and Alerts.

use crate::normalize::document::Document;
use crate::normalize::facts::Facts;
use crate::normalize::model::{Change, Finding, FindingClass};

use super::{Common, about_asset, dest, joined, level, required};

/// Whether the model of alerts has more to say of it than that of vulnerabilities.
pub(super) fn is_alert(it: &Finding<'_>) -> bool {
    matches!(
        it.class,
        FindingClass::Secret | FindingClass::Misconfiguration
    ) || it.class.is_alert()
}

/// Data model Vulnerabilities.
pub(super) fn vulnerability<'a>(to: &mut Document<'a>, mut it: Finding<'a>, common: &Common<'a>) {
    let category = match it.class {
        FindingClass::Violation => "policy violation",
        FindingClass::MobileFinding => "mobile finding",
        FindingClass::Code => "code weakness",
        _ => "vulnerability",
    };
    let category = it.category.take().or(Some(category.into()));
    to.put("category", required(category));
    weaknesses(to, &mut it);
    to.put("dest", dest(&it.asset));
    to.put("dvc", common.host.clone());
    to.put("severity", level(it.level));
    to.put(
        "signature",
        required(it.title.take().or_else(|| common.code.clone())),
    );
    let signature_id = it.rule_type.take().or_else(|| common.code.clone());
    to.put("signature_id", required(signature_id));
    to.put_some("url", it.portal_url.take());
    to.put_some("src", common.origin.address.clone());
    to.put_some("user", common.origin.user.word());
    state(to, &mut it, common);
    to.put_some("description", it.description.take());
    to.put_some("recommendation", it.recommendation);
    to.put_some("additional_information", it.additional);
    to.put_some("relevance", it.relevance);
    to.put_some("exploitability", it.exploitability);
    to.put_some("policy_uuid", it.policy_uuid);
    to.put_some("rule_uuid", it.rule_uuid);
    to.put_some(common.vendor.cim_target_id, it.target_uid);
    about_asset(to, it.asset);
}

/// Identifiers, score and component; the model wants the first two even where there are none.
fn weaknesses<'a>(to: &mut Document<'a>, it: &mut Finding<'a>) {
    let first = it.weaknesses.first();
    to.put("cve", required(first.and_then(|one| one.cve.clone())));
    let mut kinds: Vec<&str> = Vec::new();
    for kind in it.weaknesses.iter().flat_map(|one| &one.cwes) {
        if !kinds.contains(&kind.as_ref()) {
            kinds.push(kind);
        }
    }
    if !kinds.is_empty() {
        to.put("cwe", kinds.join(","));
    }
    let first = it.weaknesses.iter_mut().next();
    let score = it
        .score
        .or_else(|| first.as_ref().and_then(|one| one.score));
    to.put("cvss", score.unwrap_or(0.0));
    to.put_some("cvss_vector", it.vector.take());
    if let Some(first) = first {
        to.put_some("cvss_vector", first.vector.take());
        to.put_some("xref", first.advisory.take());
        to.put_some("reference", first.url.take());
        to.put_some("package", first.package.name.take());
        to.put_some("package_version", first.package.version.take());
        to.put_some("package_range", first.package.range.take());
        to.put_some("package_fixed_version", first.package.fixed.take());
        to.put_some("package_type", first.package.ecosystem.take());
        to.put_some("package_manifest", first.package.manifest.take());
    }
    if let Some(all) = it.issues.take() {
        to.put("opened_count", all.opened);
        to.put("resolved_count", all.resolved);
        to.put_some("opened_id", joined(&all.opened_ids));
        to.put_some("resolved_id", joined(&all.resolved_ids));
        to.put_some("cves", joined(&all.cves));
    }
    location(to, it);
}

fn location<'a>(to: &mut Document<'a>, it: &mut Finding<'a>) {
    let location = std::mem::take(&mut it.location);
    to.put_some("file_path", location.path);
    to.put_some("start_line", location.start_line);
    to.put_some("end_line", location.end_line);
    to.put_some("commit", location.commit);
    to.put_some("ref", location.reference);
}

/// What became of a finding, and why.
fn state<'a>(to: &mut Document<'a>, it: &mut Finding<'a>, common: &Common<'a>) {
    to.put_some(common.vendor.cim_finding_id, it.uid.take());
    to.put_some("status", it.status.take());
    to.put_some("action", it.change.map(Change::as_str));
    to.put_some("vendor_severity", it.severity.take());
    to.put_some("vendor_priority", it.priority.take());
    to.put_some("reason", it.exception.take());
    to.put_some("reason_time", it.exception_at.map(|at| at.to_string()));
    to.put_some("first_found", it.created.map(|at| at.to_string()));
    to.put_some("last_changed", it.updated.map(|at| at.to_string()));
    to.put_some("policy", it.policy_name.take());
    to.put_some("policy_url", it.policy_url.take());
}

/// Data model Alerts.
pub(super) fn alert<'a>(
    to: &mut Document<'a>,
    mut it: Finding<'a>,
    common: &Common<'a>,
    facts: &Facts<'a>,
) {
    let id = it.uid.clone();
    let id = id.unwrap_or_else(|| facts.event.id.to_string().into());
    to.put("app", common.vendor.name);
    to.put("dest", dest(&it.asset));
    to.put("id", required(Some(id)));
    to.put("severity", level(it.level));
    let title = it.title.take().or_else(|| common.code.clone());
    let description = it.description.take().or_else(|| title.clone());
    to.put("description", required(description));
    to.put("signature", required(title));
    let signature_id = it.rule_type.take().or_else(|| common.code.clone());
    to.put("signature_id", required(signature_id));
    to.put("src", required(common.origin.address.clone()));
    // What is over has the same sourcetype, and asks for nobody's attention.
    to.put("type", if it.is_closed() { "event" } else { "alert" });
    to.put("user", required(common.origin.user.word()));
    to.put_some("url", it.portal_url.take());
    if it.class == FindingClass::Protection {
        to.put_some("status", it.status.take());
        to.put_some("vendor_severity", it.severity.take());
    } else {
        to.put_some("category", it.category.take());
        to.put_some("recommendation", it.recommendation.take());
        if !it.techniques.is_empty() {
            to.put("mitre_technique_id", it.techniques.join(","));
        }
        location(to, &mut it);
        state(to, &mut it, common);
    }
    about_asset(to, it.asset);
}
