//! Who did something and to whom: classes 3002, 3001 and 6003.

use std::borrow::Cow;

use crate::normalize::document::{Document, Field};
use crate::normalize::model::{
    Account, AccountChange, Activity, Effect, Login, Origin, User, seen,
};

use super::{Around, Class, user};

/// Stands for an operation without a name.
const UNKNOWN: &str = "unknown";

pub(super) fn login<'a>(to: &mut Document<'a>, it: Login<'a>, around: Around<'_, 'a>) -> Class {
    status(to, it.success);
    to.put_some("status_detail", it.reason);
    to.put(
        "service.name",
        it.service.unwrap_or(Cow::Borrowed(around.service)),
    );
    to.put("user", Field::Object(user(it.user)));
    to.put_some("is_mfa", it.mfa);
    if let Some(strategy) = it.strategy {
        to.put("auth_protocol_id", 99_u64);
        to.put("auth_protocol", strategy);
    }
    let by = came_from(to, around.origin);
    if !by.is_unknown() {
        to.put("actor.user", Field::Object(user(by)));
    }
    let (activity, activity_name) = if it.end { (2, "Logoff") } else { (1, "Logon") };
    Class {
        category: 3,
        uid: 3002,
        name: "Authentication",
        activity,
        activity_name,
    }
}

pub(super) fn account<'a>(to: &mut Document<'a>, it: Account<'a>, around: Around<'_, 'a>) -> Class {
    let (activity, activity_name) = account_activity(it.change);
    status(to, it.success.or((!it.unclear).then_some(true)));
    to.put_some("status_detail", it.reason);
    let mut user = user(it.user);
    let names: Vec<_> = [it.first_name, it.last_name]
        .into_iter()
        .flatten()
        .collect();
    if !names.is_empty() {
        user.put("full_name", names.join(" "));
    }
    if let Some(group) = it.group {
        let mut named = Document::default();
        named.put("name", group);
        user.put("groups", Field::Objects(vec![named]));
    }
    to.put("user", Field::Object(user));
    let by = came_from(to, around.origin);
    if !by.is_unknown() {
        to.put("actor.user", Field::Object(super::user(by)));
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

fn account_activity(change: Option<AccountChange>) -> (u64, &'static str) {
    match change {
        Some(AccountChange::Created) => (1, "Create"),
        Some(AccountChange::Enabled) => (2, "Enable"),
        Some(AccountChange::PasswordChanged) => (3, "Password Change"),
        Some(AccountChange::PasswordReset) => (4, "Password Reset"),
        Some(AccountChange::Disabled) => (5, "Disable"),
        Some(AccountChange::Deleted) => (6, "Delete"),
        Some(AccountChange::RoleGranted) => (7, "Attach Policy"),
        Some(AccountChange::RoleRevoked) => (8, "Detach Policy"),
        Some(AccountChange::Locked) => (9, "Lock"),
        Some(AccountChange::MfaEnabled) => (10, "MFA Factor Enable"),
        Some(AccountChange::MfaDisabled) => (11, "MFA Factor Disable"),
        Some(AccountChange::Unlocked) => (12, "Unlock"),
        Some(AccountChange::Updated) | None => (99, "Other"),
    }
}

pub(super) fn activity<'a>(
    to: &mut Document<'a>,
    it: Activity<'a>,
    around: Around<'_, 'a>,
) -> Class {
    let (activity, activity_name) = match it.effect {
        Some(Effect::Created) => (1, "Create"),
        Some(Effect::Read) => (2, "Read"),
        Some(Effect::Updated) => (3, "Update"),
        Some(Effect::Deleted) => (4, "Delete"),
        None => (99, "Other"),
    };
    status(to, it.success);
    to.put_some("status_detail", it.reason);
    let operation = around.code.unwrap_or(Cow::Borrowed(UNKNOWN));
    to.put("api.operation", operation);
    to.put("api.service.name", around.service);
    if around.origin.address.is_none() {
        to.put("src_endpoint.name", UNKNOWN);
    }
    let by = came_from(to, around.origin);
    to.put("actor.user", Field::Object(user(by)));
    to.put_some("unmapped.target_user", it.target.word());
    if it.object_uid.is_some() || it.object_name.is_some() {
        let mut resource = Document::default();
        resource.put_some("uid", it.object_uid);
        resource.put_some("name", it.object_name);
        resource.put_some("type", it.object_type);
        to.put("resources", Field::Objects(vec![resource]));
    }
    Class {
        category: 6,
        uid: 6003,
        name: "API Activity",
        activity,
        activity_name,
    }
}

fn status(to: &mut Document<'_>, success: Option<bool>) {
    let (id, caption) = match success {
        Some(true) => (1_u64, "Success"),
        Some(false) => (2, "Failure"),
        None => (0, "Unknown"),
    };
    to.put("status_id", id);
    to.put("status", caption);
}

/// Writes from where it was done, and gives back who did it.
fn came_from<'a>(to: &mut Document<'a>, it: Origin<'a>) -> User<'a> {
    to.put_some("http_request.user_agent", it.user_agent);
    if let Some(address) = it.address {
        match address.parse::<std::net::IpAddr>() {
            Ok(ip) => to.put("src_endpoint.ip", ip),
            Err(_) => to.put("src_endpoint.name", address),
        }
        // OCSF takes a country's code and not its name.
        if seen(&it.country).is_some_and(|text| text.len() == 2) {
            to.put_some("src_endpoint.location.country", it.country);
        }
        to.put_some("src_endpoint.location.city", it.city);
    }
    it.user
}
