//! A finding in OCSF: classes 2002, 2003, 2004 and 2007.

use std::borrow::Cow;

use crate::normalize::cloud::provider;
use crate::normalize::document::{Document, Field};
use crate::normalize::model::{Asset, Change, Finding, FindingClass, seen};
use crate::normalize::url::Url;

use super::{Around, Class, weakness};

pub(super) fn finding<'a>(
    to: &mut Document<'a>,
    mut it: Finding<'a>,
    around: Around<'_, 'a>,
) -> Class {
    let done = activity(it.change);
    let vulnerabilities = weakness::vulnerabilities(to, &mut it);
    let known = !vulnerabilities.is_empty();
    if known {
        to.put("vulnerabilities", Field::Objects(vulnerabilities));
    }
    let (uid, name) = match it.class {
        FindingClass::Protection | FindingClass::Detection => (2004, "Detection Finding"),
        FindingClass::Misconfiguration => {
            compliance(to, &it);
            (2003, "Compliance Finding")
        }
        FindingClass::Vulnerability if known => (2002, "Vulnerability Finding"),
        _ => {
            application(to, &it.asset);
            compliance(to, &it);
            (2007, "Application Security Posture Finding")
        }
    };
    // Class 2002 has no remediation of its own, but one for each vulnerability.
    if uid != 2002 {
        to.put_some("remediation.desc", it.recommendation.take());
    }
    body(to, it, around);
    Class {
        uid,
        name,
        ..posture(done)
    }
}

pub(super) fn posture((activity, activity_name): (u64, &'static str)) -> Class {
    Class {
        category: 2,
        uid: 2007,
        name: "Application Security Posture Finding",
        activity,
        activity_name,
    }
}

fn activity(change: Option<Change>) -> (u64, &'static str) {
    match change {
        Some(Change::Opened) => (1, "Create"),
        Some(Change::Reopened | Change::Updated) => (2, "Update"),
        Some(_) => (3, "Close"),
        None => (99, "Other"),
    }
}

fn body<'a>(to: &mut Document<'a>, it: Finding<'a>, around: Around<'_, 'a>) {
    let (id, caption) = match it.standing() {
        Some(Change::Opened | Change::Reopened) => (1_u64, "New"),
        Some(Change::Resolved) => (4, "Resolved"),
        Some(Change::Updated) | None => (0, "Unknown"),
        Some(_) => (3, "Suppressed"),
    };
    to.put("status_id", id);
    to.put("status", caption);
    to.put_some("status_code", it.status);
    to.put_some("status_detail", it.exception);
    let id = around.facts.event.id;
    to.put(
        "finding_info.uid",
        it.uid.unwrap_or_else(|| id.to_string().into()),
    );
    to.put_some("finding_info.title", it.title.clone());
    to.put_some("finding_info.desc", it.description);
    to.put_some("finding_info.src_url", it.portal_url);
    let created = it.created.map(|at| at.as_millisecond());
    to.put_some("finding_info.created_time", created);
    to.put_some("finding_info.first_seen_time", created);
    let changed = it.exception_at.or(it.updated);
    let changed = changed.map(|at| at.as_millisecond());
    to.put_some("finding_info.modified_time", changed);
    to.put_some("finding_info.types", it.category.map(|text| vec![text]));
    if it.rule_type.is_some() || it.title.is_some() {
        to.put_some("finding_info.analytic.uid", it.rule_type);
        to.put_some("finding_info.analytic.name", it.title);
        to.put("finding_info.analytic.type", "Rule");
        to.put("finding_info.analytic.type_id", 1_u64);
    }
    if !it.techniques.is_empty() {
        let attacks = it.techniques.into_iter().map(attack).collect();
        to.put("finding_info.attacks", Field::Objects(attacks));
    }
    to.put_some("unmapped.severity", it.severity);
    to.put_some("unmapped.relevance", it.relevance);
    to.put_some("unmapped.priority", it.priority);
    to.put_some("unmapped.exploitability", it.exploitability);
    to.put_some("unmapped.cvss3_score", it.score);
    to.put_some("unmapped.cvss3_vector", it.vector);
    to.put_some("unmapped.target_uuid", it.target_uid);
    to.put_some("unmapped.additional_information", it.additional);
    to.put_some("unmapped.rule_uuid", it.rule_uuid);
    to.put_some("unmapped.policy_uuid", it.policy_uuid);
    to.put_some("unmapped.policy_url", it.policy_url);
    // An actor belongs to the profile of hosts, which no finding here is about.
    to.put_some("unmapped.ip_address", around.origin.address);
    to.put_some("unmapped.user_name", around.origin.user.word());
    if let Some(all) = it.issues {
        to.put("unmapped.opened_count", all.opened);
        to.put("unmapped.resolved_count", all.resolved);
        to.put("unmapped.opened_ids", all.opened_ids);
        to.put("unmapped.resolved_ids", all.resolved_ids);
    }
    cloud(to, &it.asset);
    rest_of_asset(to, &it.asset);
    if it.asset.uid.is_some() || it.asset.name.is_some() {
        to.put("resources", Field::Objects(vec![resource(it.asset)]));
    }
}

/// `T1078`, or `T1078.004` below it.
fn attack(id: Cow<'_, str>) -> Document<'_> {
    let mut attack = Document::default();
    let technique = id.split_once('.').map(|(above, _)| above.to_owned());
    match technique {
        Some(above) => {
            attack.put("technique.uid", above);
            attack.put("sub_technique.uid", id);
        }
        None => attack.put("technique.uid", id),
    }
    attack
}

/// A class of findings wants an application, a remediation or this; so this is always there.
fn compliance<'a>(to: &mut Document<'a>, it: &Finding<'a>) {
    let (id, caption) = match it.standing() {
        Some(Change::Opened | Change::Reopened) => (3_u64, "Fail"),
        Some(Change::Resolved) => (1, "Pass"),
        _ => (0, "Unknown"),
    };
    to.put("compliance.status_id", id);
    to.put("compliance.status", caption);
    to.put_some("compliance.control", it.policy_name.clone());
}

fn application<'a>(to: &mut Document<'a>, it: &Asset<'a>) {
    if it.uid.is_none() && it.name.is_none() {
        return;
    }
    to.put_some("application.uid", it.uid.clone());
    to.put_some("application.name", it.name.clone());
    to.put_some("application.type", it.kind.clone());
    let Some(text) = &it.url else {
        return;
    };
    to.put("application.url.url_string", text.clone());
    if let Some(url) = Url::parse(text) {
        to.put_some("application.url.path", url.path.map(str::to_owned));
        to.put_some("application.url.port", url.port);
        to.put("application.url.scheme", url.scheme);
        to.put("application.url.hostname", url.domain);
    }
}

pub(super) fn resource(it: Asset<'_>) -> Document<'_> {
    let mut resource = Document::default();
    if it.uid.is_none() && it.name.is_none() {
        resource.put("name", "unknown");
    }
    resource.put_some("uid", it.uid);
    resource.put_some("name", it.name);
    resource.put_some("type", it.kind);
    resource.put_some("created_time", it.created.map(|at| at.as_millisecond()));
    let url = it.url.as_deref().and_then(Url::parse);
    resource.put_some("hostname", url.map(|url| url.domain));
    resource.put_some("group.uid", it.group_uid);
    resource.put_some("group.name", it.group_name);
    resource
}

/// `cloud` belongs to a profile, which the event then has to name.
pub(super) fn cloud<'a>(to: &mut Document<'a>, it: &Asset<'a>) {
    if let Some(provider) = seen(&it.hosted_on).and_then(provider) {
        to.put("cloud.provider", provider);
        to.put_some("cloud.account.uid", it.account_uid.clone());
        to.put_some("cloud.account.name", it.account_name.clone());
        to.put_some("cloud.region", it.region.clone());
        to.put("metadata.profiles", vec![Cow::Borrowed("cloud")]);
        return;
    }
    to.put_some("unmapped.cloud_account_uid", it.account_uid.clone());
    to.put_some("unmapped.cloud_account_name", it.account_name.clone());
    to.put_some("unmapped.cloud_region", it.region.clone());
}

pub(super) fn rest_of_asset<'a>(to: &mut Document<'a>, it: &Asset<'a>) {
    to.put_some("unmapped.asset_portal_url", it.portal_url.clone());
    to.put_some("unmapped.asset_url", it.url.clone());
    to.put_some("unmapped.hosted_on", it.hosted_on.clone());
    to.put_some("unmapped.discovered_via", it.discovered_via.clone());
    to.put_some("unmapped.cloud_console_url", it.console_url.clone());
}
