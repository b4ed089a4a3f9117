//! Data models Authentication and Change, of what people do.

use std::borrow::Cow;

use crate::normalize::document::Document;
use crate::normalize::model::{Account, AccountChange, Activity, Effect, Login};

use super::{Common, change, plain, required};

/// Data model Change, with the tag `account`.
pub(super) fn account<'a>(to: &mut Document<'a>, it: Account<'a>, common: &Common<'a>) {
    let action = match it.change {
        Some(AccountChange::Created) => "created",
        Some(AccountChange::Deleted) => "deleted",
        Some(AccountChange::Locked) => "lockout",
        Some(AccountChange::Unlocked) => "unlocked",
        Some(AccountChange::Enabled) => "enabled",
        Some(AccountChange::Disabled) => "disabled",
        Some(_) | None => "modified",
    };
    change(to, common, action);
    outcome(to, (it.success, it.unclear), it.reason);
    if it.change == Some(AccountChange::Locked) {
        to.put("result", "lockout");
    }
    to.put("change_type", "AAA");
    to.put("object_category", "user");
    let user = it.user.word();
    to.put("object", required(user.clone()));
    to.put("object_id", plain(it.user.uid.or_else(|| user.clone())));
    to.put("object_attrs", plain(it.role.clone()));
    to.put("user", required(user));
    to.put("src_user", required(common.origin.user.word()));
    to.put_some("authentication_method", it.strategy);
    to.put_some("first_name", it.first_name);
    to.put_some("last_name", it.last_name);
    to.put_some("notification_email", it.notification_email);
    to.put_some("role", it.role);
    to.put_some("group", it.group);
}

/// Data model Authentication.
pub(super) fn login<'a>(to: &mut Document<'a>, it: Login<'a>, common: &Common<'a>) {
    let action = match it.success {
        Some(true) => "success",
        Some(false) => "failure",
        None => "error",
    };
    to.put("action", action);
    to.put(
        "app",
        it.service.unwrap_or(Cow::Borrowed(common.vendor.module)),
    );
    to.put("dest", common.host.clone());
    to.put("src", required(common.origin.address.clone()));
    to.put("user", required(it.user.word()));
    to.put("signature", common.words());
    to.put("signature_id", required(common.code.clone()));
    to.put_some("authentication_method", it.strategy);
    to.put_some("reason", it.reason);
}

/// Data model Change, with the tag `audit`.
pub(super) fn activity<'a>(to: &mut Document<'a>, it: Activity<'a>, common: &Common<'a>) {
    let action = match it.effect {
        Some(Effect::Created) => "created",
        Some(Effect::Read) => "read",
        Some(Effect::Deleted) => "deleted",
        Some(Effect::Updated) | None => "modified",
    };
    change(to, common, action);
    outcome(to, (it.success, it.unclear), it.reason);
    to.put("change_type", "audit");
    let category = it.object_type.or(Some(Cow::Borrowed("object")));
    to.put("object_category", required(category));
    let object = it.object_name.clone().or_else(|| it.object_uid.clone());
    to.put("object", required(object.clone()));
    to.put("object_id", plain(it.object_uid.or(object)));
    to.put("user", required(common.origin.user.word()));
    to.put_some("target_user", it.target.word());
}

/// What has no result succeeded; a failure has its reason as `result`. The model has no word for a
/// result that is neither, and takes an event without a status as unknown.
fn outcome<'a>(
    to: &mut Document<'a>,
    (success, unclear): (Option<bool>, bool),
    reason: Option<Cow<'a, str>>,
) {
    match success {
        Some(false) => {
            to.put("status", "failure");
            to.put("result", required(reason.clone()));
        }
        None if unclear => {}
        Some(true) | None => to.put("status", "success"),
    }
    to.put_some("reason", reason);
}
