//! What an event is about, in fields of ECS and below `datatheorem`.
//!
//! `event.kind`, `category` and `type` are those that ECS names for each kind of event. Nothing
//! is put below an ECS name that ECS does not define.

use std::borrow::Cow;

use crate::normalize::cloud::provider;
use crate::normalize::datatheorem::VENDOR;
use crate::normalize::document::Document;
use crate::normalize::kind::Change;
use crate::normalize::model::{
    Account, AccountChange, Asset, Finding, Login, Note, Subject, Text, seen,
};
use crate::normalize::severity;
use crate::normalize::url::Url;

/// The vendor's service that people log in to.
const PORTAL: &str = "Data Theorem portal";

/// The own fields of a finding, whose names depend on its family.
struct Names {
    uuid: &'static str,
    status: &'static str,
    severity: &'static str,
    relevance: &'static str,
    recommendation: &'static str,
    additional: &'static str,
    exception_at: &'static str,
}

const VIOLATION: Names = Names {
    uuid: "datatheorem.policy_violation.uuid",
    status: "datatheorem.policy_violation.status",
    severity: "datatheorem.policy_violation.severity",
    relevance: "datatheorem.policy_violation.relevance",
    recommendation: "datatheorem.policy_violation.recommendation",
    additional: "datatheorem.policy_violation.additional_information",
    exception_at: "datatheorem.policy_violation.exception_date_created",
};

const FINDING: Names = Names {
    uuid: "datatheorem.finding.uuid",
    status: "datatheorem.finding.status",
    severity: "datatheorem.finding.severity",
    relevance: "datatheorem.finding.relevance",
    recommendation: "datatheorem.finding.recommendation",
    additional: "datatheorem.finding.additional_information",
    exception_at: "datatheorem.finding.exception_date_created",
};

/// Writes the subject; nothing for an event that is about nothing known.
pub(super) fn write<'a>(to: &mut Document<'a>, subject: Subject<'a>) {
    match subject {
        Subject::Violation(it) => {
            kind(
                to,
                "datatheorem.policy_violation",
                "vulnerability",
                &["info"],
            );
            vulnerability(to, &it);
            finding(to, *it, &VIOLATION);
        }
        Subject::MobileFinding(it) => {
            kind(to, "datatheorem.mobile_finding", "vulnerability", &["info"]);
            vulnerability(to, &it);
            finding(to, *it, &FINDING);
        }
        Subject::Protection(it) => {
            kind(
                to,
                "datatheorem.protection",
                "intrusion_detection",
                &["info"],
            );
            to.put("event.kind", "alert");
            if let Some(level) = it.level {
                to.put("event.severity", severity::number(level));
            }
            finding(to, *it, &FINDING);
        }
        Subject::Note(it) => note(to, *it),
        Subject::Asset(it) => {
            kind(to, "datatheorem.asset", "network", &["info"]);
            to.put("event.kind", "asset");
            to.put_some("event.start", it.created.map(|at| at.to_string()));
            to.put_some("event.url", it.portal_url.clone());
            asset(to, *it);
        }
        Subject::Login(it) => login(to, *it),
        Subject::Account(it) => account(to, *it),
        Subject::Generic => {}
    }
}

fn kind(
    to: &mut Document<'_>,
    dataset: &'static str,
    category: &'static str,
    types: &[&'static str],
) {
    to.put("event.dataset", dataset);
    to.put("event.category", vec![Cow::Borrowed(category)]);
    let types: Vec<Cow<'_, str>> = types.iter().map(|name| Cow::Borrowed(*name)).collect();
    to.put("event.type", types);
}

fn vulnerability<'a>(to: &mut Document<'a>, it: &Finding<'a>) {
    if it.change.is_some_and(Change::is_open) {
        to.put("event.kind", "alert");
    }
    to.put("vulnerability.scanner.vendor", VENDOR);
    to.put_some("vulnerability.description", it.description.clone());
    if let Some(level) = it.level {
        to.put("event.severity", severity::number(level));
        to.put("vulnerability.severity", severity::caption(Some(level)));
    }
    if let Some(score) = it.score {
        to.put("vulnerability.classification", "CVSS");
        to.put("vulnerability.score.base", score);
        to.put("vulnerability.score.version", "3.1");
    }
}

fn finding<'a>(to: &mut Document<'a>, it: Finding<'a>, names: &Names) {
    to.put_some(names.uuid, it.uid);
    to.put_some(names.status, it.status);
    to.put_some(names.severity, it.severity);
    to.put_some(names.relevance, it.relevance);
    to.put_some(names.recommendation, it.recommendation);
    to.put_some(names.additional, it.additional);
    to.put_some(names.exception_at, it.exception_at.map(|at| at.to_string()));
    to.put_some("datatheorem.finding.target_uuid", it.target_uid);
    to.put_some("datatheorem.finding.priority", it.priority);
    to.put_some("datatheorem.finding.category", it.category);
    to.put_some("datatheorem.finding.exploitability", it.exploitability);
    to.put_some("datatheorem.finding.cvss_vector", it.vector);
    to.put_some("rule.name", it.title);
    to.put_some("rule.id", it.rule_type);
    to.put_some("rule.uuid", it.rule_uuid);
    to.put_some("rule.ruleset", it.policy_name);
    to.put_some("rule.reference", it.policy_url);
    to.put_some("datatheorem.policy.uuid", it.policy_uuid);
    to.put_some("event.url", it.portal_url.clone());
    to.put_some("event.reference", it.portal_url);
    to.put_some("event.reason", it.exception);
    to.put_some("event.start", it.created.map(|at| at.to_string()));
    address(to, it.address);
    asset(to, it.asset);
}

fn asset<'a>(to: &mut Document<'a>, it: Asset<'a>) {
    to.put_some("cloud.provider", seen(&it.hosted_on).and_then(provider));
    to.put_some("service.id", it.uid.clone());
    to.put_some("service.name", it.name.clone());
    to.put_some("datatheorem.asset.uuid", it.uid);
    to.put_some("datatheorem.asset.name", it.name);
    to.put_some("datatheorem.asset.type", it.kind);
    to.put_some("datatheorem.asset.portal_url", it.portal_url);
    to.put_some("datatheorem.asset.hosted_on", it.hosted_on);
    to.put_some("datatheorem.asset.discovered_via", it.discovered_via);
    to.put_some("datatheorem.asset.cloud_console_url", it.console_url);
    let created = it.created.map(|at| at.to_string());
    to.put_some("datatheorem.asset.date_created", created);
    to.put_some("datatheorem.asset_group.uuid", it.group_uid);
    to.put_some("datatheorem.asset_group.name", it.group_name);
    if let Some(text) = it.url {
        url(to, text);
    }
}

/// Fills `url.*` and `related.*`; text that is no absolute URL has a field of its own.
fn url<'a>(to: &mut Document<'a>, text: Cow<'a, str>) {
    let Some(url) = Url::parse(&text) else {
        to.put("datatheorem.asset.url", text);
        return;
    };
    to.put("url.scheme", url.scheme.clone());
    to.put_some("url.port", url.port);
    to.put_some("url.path", url.path.map(str::to_owned));
    match url.ip() {
        Some(address) => to.put("related.ip", vec![Cow::Owned(address.to_string())]),
        None => to.put("related.hosts", vec![Cow::Owned(url.domain.clone())]),
    }
    to.put("url.domain", url.domain);
    to.put("url.full", text.clone());
    to.put("url.original", text);
}

/// The other end of a connection; text that is no address stays text.
fn address<'a>(to: &mut Document<'a>, text: Text<'a>) {
    let Some(text) = text else {
        return;
    };
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        to.put("source.ip", address.to_string());
        to.put("related.ip", vec![Cow::Owned(address.to_string())]);
    }
    to.put("source.address", text);
}

fn login<'a>(to: &mut Document<'a>, it: Login<'a>) {
    kind(
        to,
        "datatheorem.authentication",
        "authentication",
        &["start"],
    );
    let outcome = match it.success {
        Some(true) => "success",
        Some(false) => "failure",
        None => "unknown",
    };
    to.put("event.outcome", outcome);
    to.put("service.name", PORTAL);
    to.put_some("event.reason", it.reason);
    to.put_some("datatheorem.auth.strategy", it.strategy);
    if let Some(user) = it.user {
        to.put("user.email", user.clone());
        to.put("user.name", user.clone());
        to.put("related.user", vec![user]);
    }
    address(to, it.address);
}

fn account<'a>(to: &mut Document<'a>, it: Account<'a>) {
    let what = match it.change {
        Some(AccountChange::Created) => "creation",
        Some(AccountChange::Updated) => "change",
        Some(AccountChange::Deleted) => "deletion",
        None => "info",
    };
    kind(to, "datatheorem.account", "iam", &["user", what]);
    to.put("service.name", PORTAL);
    let users: Vec<_> = [&it.by, &it.user].into_iter().flatten().cloned().collect();
    if !users.is_empty() {
        to.put("related.user", users);
    }
    if let Some(by) = it.by {
        to.put("user.email", by.clone());
        to.put("user.name", by);
    }
    if let Some(user) = it.user {
        to.put("user.target.email", user.clone());
        to.put("user.target.name", user);
    }
    let names: Vec<_> = [it.first_name, it.last_name]
        .into_iter()
        .flatten()
        .collect();
    if !names.is_empty() {
        to.put("user.target.full_name", names.join(" "));
    }
    to.put_some("user.target.roles", it.role.map(|role| vec![role]));
    to.put_some("datatheorem.auth.strategy", it.strategy);
    let email = it.notification_email;
    to.put_some("datatheorem.account.notification_email", email);
}

fn note<'a>(to: &mut Document<'a>, it: Note<'a>) {
    kind(to, "datatheorem.finding_note", "configuration", &["info"]);
    to.put_some("datatheorem.note.uuid", it.uid);
    to.put_some("datatheorem.finding.uuid", it.finding_uid);
    to.put_some("datatheorem.note.text", it.text);
    to.put_some("event.start", it.created.map(|at| at.to_string()));
    if let Some(author) = it.author {
        to.put("user.name", author.clone());
        to.put("related.user", vec![author]);
    }
}
