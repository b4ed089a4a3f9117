//! What an event is about, in attributes of its OCSF class.
//!
//! Requirements and values are those of the 1.8.0 classes and objects. Where a class requires
//! what the vendor did not say, the word `unknown` stands in and nothing is guessed.

use std::borrow::Cow;

use crate::normalize::cloud::provider;
use crate::normalize::document::{Document, Field};
use crate::normalize::facts::Facts;
use crate::normalize::kind::Change;
use crate::normalize::model::{
    Account, AccountChange, Asset, Finding, Login, Note, Subject, Text, seen,
};
use crate::normalize::url::Url;

use super::{Class, email, named};

/// The vendor's service that people log in to.
const PORTAL: &str = "Data Theorem portal";

/// Writes the subject and says of which class the event is.
pub(super) fn write<'a>(to: &mut Document<'a>, subject: Subject<'a>, facts: &Facts<'a>) -> Class {
    match subject {
        Subject::Violation(it) | Subject::MobileFinding(it) => {
            let activity = activity(it.change);
            application(to, &it.asset);
            compliance(to, &it);
            finding(to, *it, facts);
            posture(activity)
        }
        Subject::Protection(it) => {
            let (activity, activity_name) = activity(it.change);
            finding(to, *it, facts);
            Class {
                category: 2,
                uid: 2004,
                name: "Detection Finding",
                activity,
                activity_name,
            }
        }
        Subject::Note(it) => {
            note(to, *it, facts);
            posture((2, "Update"))
        }
        Subject::Asset(it) => {
            cloud(to, &it);
            rest_of_asset(to, &it);
            to.put("resources", Field::Objects(vec![resource(*it)]));
            Class {
                category: 5,
                uid: 5023,
                name: "Cloud Resources Inventory Info",
                activity: 2,
                activity_name: "Collect",
            }
        }
        Subject::Login(it) => login(to, *it),
        Subject::Account(it) => account(to, *it),
        Subject::Generic => Class {
            category: 0,
            uid: 0,
            name: "Base Event",
            activity: 0,
            activity_name: "Unknown",
        },
    }
}

fn posture((activity, activity_name): (u64, &'static str)) -> Class {
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
        Some(Change::Reopened) => (2, "Update"),
        Some(_) => (3, "Close"),
        None => (99, "Other"),
    }
}

fn finding<'a>(to: &mut Document<'a>, it: Finding<'a>, facts: &Facts<'a>) {
    let (id, caption) = match it.change {
        Some(Change::Opened | Change::Reopened) => (1_u64, "New"),
        Some(Change::Resolved) => (4, "Resolved"),
        Some(_) => (3, "Suppressed"),
        None => (0, "Unknown"),
    };
    to.put("status_id", id);
    to.put("status", caption);
    to.put_some("status_code", it.status);
    to.put_some("status_detail", it.exception);
    let uid = it.uid.unwrap_or_else(|| facts.event.id.to_string().into());
    to.put("finding_info.uid", uid);
    to.put_some("finding_info.title", it.title.clone());
    to.put_some("finding_info.desc", it.description);
    to.put_some("finding_info.src_url", it.portal_url);
    let created = it.created.map(|at| at.as_millisecond());
    to.put_some("finding_info.created_time", created);
    to.put_some("finding_info.first_seen_time", created);
    let changed = it.exception_at.map(|at| at.as_millisecond());
    to.put_some("finding_info.modified_time", changed);
    to.put_some("finding_info.types", it.category.map(|text| vec![text]));
    if it.rule_type.is_some() || it.title.is_some() {
        to.put_some("finding_info.analytic.uid", it.rule_type);
        to.put_some("finding_info.analytic.name", it.title);
        to.put("finding_info.analytic.type", "Rule");
        to.put("finding_info.analytic.type_id", 1_u64);
    }
    to.put_some("remediation.desc", it.recommendation);
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
    to.put_some("unmapped.ip_address", it.address);
    cloud(to, &it.asset);
    rest_of_asset(to, &it.asset);
    if it.asset.uid.is_some() || it.asset.name.is_some() {
        to.put("resources", Field::Objects(vec![resource(it.asset)]));
    }
}

/// A class of findings wants an application, a remediation or this; so this is always there.
fn compliance<'a>(to: &mut Document<'a>, it: &Finding<'a>) {
    let (id, caption) = match it.change {
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

fn resource<'a>(it: Asset<'a>) -> Document<'a> {
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
fn cloud<'a>(to: &mut Document<'a>, it: &Asset<'a>) {
    if let Some(provider) = seen(&it.hosted_on).and_then(provider) {
        to.put("cloud.provider", provider);
        to.put("metadata.profiles", vec![Cow::Borrowed("cloud")]);
    }
}

fn rest_of_asset<'a>(to: &mut Document<'a>, it: &Asset<'a>) {
    to.put_some("unmapped.asset_portal_url", it.portal_url.clone());
    to.put_some("unmapped.asset_url", it.url.clone());
    to.put_some("unmapped.hosted_on", it.hosted_on.clone());
    to.put_some("unmapped.discovered_via", it.discovered_via.clone());
    to.put_some("unmapped.cloud_console_url", it.console_url.clone());
}

fn note<'a>(to: &mut Document<'a>, it: Note<'a>, facts: &Facts<'a>) {
    let uid = it.finding_uid.or_else(|| it.uid.clone());
    let uid = uid.unwrap_or_else(|| facts.event.id.to_string().into());
    to.put("finding_info.uid", uid);
    let changed = it.created.map(|at| at.as_millisecond());
    to.put_some("finding_info.modified_time", changed);
    to.put_some("comment", it.text);
    to.put_some("unmapped.note_uuid", it.uid);
    to.put_some("unmapped.note_author", it.author);
    to.put("status_id", 0_u64);
    to.put("status", "Unknown");
    to.put("compliance.status_id", 0_u64);
}

fn login<'a>(to: &mut Document<'a>, it: Login<'a>) -> Class {
    let (id, caption) = match it.success {
        Some(true) => (1_u64, "Success"),
        Some(false) => (2, "Failure"),
        None => (0, "Unknown"),
    };
    to.put("status_id", id);
    to.put("status", caption);
    to.put_some("status_detail", it.reason);
    to.put("service.name", PORTAL);
    to.put("user", Field::Object(user(it.user)));
    if let Some(strategy) = it.strategy {
        to.put("auth_protocol_id", 99_u64);
        to.put("auth_protocol", strategy);
    }
    if let Some(address) = it.address {
        match address.parse::<std::net::IpAddr>() {
            Ok(ip) => to.put("src_endpoint.ip", ip.to_string()),
            Err(_) => to.put("src_endpoint.name", address),
        }
    }
    Class {
        category: 3,
        uid: 3002,
        name: "Authentication",
        activity: 1,
        activity_name: "Logon",
    }
}

fn account<'a>(to: &mut Document<'a>, it: Account<'a>) -> Class {
    let (activity, activity_name) = match it.change {
        Some(AccountChange::Created) => (1, "Create"),
        Some(AccountChange::Deleted) => (6, "Delete"),
        _ => (99, "Other"),
    };
    to.put("status_id", 1_u64);
    to.put("status", "Success");
    let mut user = user(it.user);
    let names: Vec<_> = [it.first_name, it.last_name]
        .into_iter()
        .flatten()
        .collect();
    if !names.is_empty() {
        user.put("full_name", names.join(" "));
    }
    to.put("user", Field::Object(user));
    if it.by.is_some() {
        to.put("actor.user", Field::Object(self::user(it.by)));
    }
    to.put_some("unmapped.role", it.role);
    to.put_some("unmapped.auth_strategy", it.strategy);
    to.put_some("unmapped.notification_email", it.notification_email);
    Class {
        category: 3,
        uid: 3001,
        name: "Account Change",
        activity,
        activity_name,
    }
}

fn user<'a>(text: Text<'a>) -> Document<'a> {
    let mut user = Document::default();
    let address = seen(&text).and_then(email).map(str::to_owned);
    user.put_some("email_addr", address);
    user.put("name", named(text));
    user
}
