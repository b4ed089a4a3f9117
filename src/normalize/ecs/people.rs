//! Who did something and to whom, in `user`, `source` and `related` of ECS.

use std::borrow::Cow;

use crate::normalize::document::Document;
use crate::normalize::model::{
    Account, AccountChange, Activity, Effect, Login, Origin, User, outcome_word, seen,
};
use crate::normalize::vendor::Vendor;

use super::subject::kind;

/// Writes who caused the event, and from where. `user` of a login is whoever logs in: of a system
/// that does it for them only the name is told.
pub(super) fn origin<'a>(to: &mut Document<'a>, it: Origin<'a>, is_login: bool) {
    match it.user.word() {
        Some(word) if is_login => to.add("related.user", word),
        _ => user(to, it.user),
    }
    to.put_some("user_agent.original", it.user_agent);
    let country = match seen(&it.country).is_some_and(is_code) {
        true => "source.geo.country_iso_code",
        false => "source.geo.country_name",
    };
    to.put_some(country, it.country);
    to.put_some("source.geo.city_name", it.city);
    let Some(text) = it.address else {
        return;
    };
    // Text that is no address stays text.
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        to.put("source.ip", address);
        to.add("related.ip", Cow::Owned(address.to_string()));
    }
    to.put("source.address", text);
}

/// A country in two letters.
fn is_code(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The user whose event it is.
fn user<'a>(to: &mut Document<'a>, it: User<'a>) {
    if let Some(word) = it.word() {
        to.add("related.user", word);
    }
    to.put_some("user.id", it.uid);
    to.put_some("user.name", it.name);
    to.put_some("user.email", it.email);
    to.put_some("user.full_name", it.full_name);
}

/// The user that something was done to.
fn target<'a>(to: &mut Document<'a>, it: User<'a>) {
    if let Some(word) = it.word() {
        to.add("related.user", word);
    }
    to.put_some("user.target.id", it.uid);
    to.put_some("user.target.name", it.name);
    to.put_some("user.target.email", it.email);
    to.put_some("user.target.full_name", it.full_name);
}

pub(super) fn login<'a>(to: &mut Document<'a>, vendor: &'static Vendor, it: Login<'a>) {
    let what = if it.end { "end" } else { "start" };
    kind(to, vendor, "authentication", "authentication", &[what]);
    to.put("event.outcome", outcome_word(it.success));
    to.put(
        "service.name",
        it.service.unwrap_or(Cow::Borrowed(vendor.service)),
    );
    to.put_some("event.reason", it.reason);
    to.put_some(vendor.ecs.strategy, it.strategy);
    user(to, it.user);
}

pub(super) fn account<'a>(to: &mut Document<'a>, vendor: &'static Vendor, it: Account<'a>) {
    let what = match it.change {
        Some(AccountChange::Created) => "creation",
        Some(AccountChange::Deleted) => "deletion",
        Some(_) => "change",
        None => "info",
    };
    kind(to, vendor, "account", "iam", &["user", what]);
    to.put("service.name", vendor.service);
    if it.success.is_some() || it.unclear {
        to.put("event.outcome", outcome_word(it.success));
    }
    to.put_some("event.reason", it.reason);
    target(to, it.user);
    let names: Vec<_> = [it.first_name, it.last_name]
        .into_iter()
        .flatten()
        .collect();
    if !names.is_empty() {
        to.put("user.target.full_name", names.join(" "));
    }
    to.put_some("user.target.roles", it.role.map(|role| vec![role]));
    to.put_some("user.target.group.name", it.group);
    to.put_some(vendor.ecs.strategy, it.strategy);
    to.put_some(vendor.ecs.notification_email, it.notification_email);
}

pub(super) fn activity<'a>(to: &mut Document<'a>, vendor: &'static Vendor, it: Activity<'a>) {
    let what = match it.effect {
        Some(Effect::Created) => "creation",
        Some(Effect::Read) => "access",
        Some(Effect::Updated) => "change",
        Some(Effect::Deleted) => "deletion",
        None => "info",
    };
    kind(to, vendor, "audit", "configuration", &[what]);
    if it.success.is_some() || it.unclear {
        to.put("event.outcome", outcome_word(it.success));
    }
    to.put_some("event.reason", it.reason);
    to.put_some(vendor.ecs.object_type, it.object_type);
    to.put_some(vendor.ecs.object_id, it.object_uid);
    to.put_some(vendor.ecs.object_name, it.object_name);
    target(to, it.target);
}
