//! Streamed audit events of GitLab: logins, changes of accounts, and what else somebody did.
//!
//! `details` has no schema by the vendor's own word; what is read of it are the members that its
//! documentation shows. Types are an open list, told apart by their words.

use crate::normalize::json::{self, Object, first, text};
use crate::normalize::model::{
    Account, AccountChange, Activity, Batch, Effect, Login, Origin, Subject, Text, User, list, seen,
};
use crate::normalize::{instant, kind};

use super::{Reading, places};

/// What an event is about.
enum Family {
    Login { success: bool },
    Account(AccountChange),
    Other(Option<Effect>),
}

/// What `details` says beside the event's own members.
#[derive(Default)]
struct Details<'a> {
    message: Text<'a>,
    strategy: Text<'a>,
    role: Text<'a>,
}

/// What several events of one delivery have; their number is the caller's.
pub(super) fn batch<'a>(events: &[Object<'a>]) -> Batch<'a> {
    let mut batch = Batch::default();
    for event in events {
        let scalar = |key: &str| event.get(key).and_then(json::scalar);
        list(&mut batch.codes, scalar("event_type"));
        list(&mut batch.ids, scalar("id"));
        list(&mut batch.users, scalar("author_name"));
        list(&mut batch.addresses, scalar("ip_address"));
    }
    batch
}

/// Reads one event.
pub(super) fn read<'a>(reading: &mut Reading<'_, 'a>) -> Subject<'a> {
    let body = &mut reading.body;
    let model = &mut reading.model;
    model.provider = Some("audit-events".to_owned());
    model.product = Some("Audit events".to_owned());
    let code = text(body, "event_type").unwrap_or_default();
    model.event_id = text(body, "id");
    model.time = body.take("created_at", instant::from_rfc3339);
    let odd = body.get("created_at");
    model.odd_time = odd.is_some_and(|value| !json::is_blank(value));
    model.origin = Origin {
        user: User {
            uid: text(body, "author_id"),
            name: text(body, "author_name"),
            ..User::default()
        },
        address: text(body, "ip_address"),
        ..Origin::default()
    };
    model.keep(&places::ENTITY, text(body, "entity_path"));
    model.keep(&places::ENTITY_TYPE, text(body, "entity_type"));
    model.keep(&places::ENTITY_ID, text(body, "entity_id"));
    let details = details(reading);
    let words = kind::words(&code);
    let model = &mut reading.model;
    model.action = (!words.is_empty()).then_some(words);
    let by = model.origin.user.word();
    let by = by.map(|by| format!("{code} by {by}").into());
    model.message = details.message.clone().or(by);
    let subject = match family(&code, reading) {
        Family::Login { success } => login(reading, details, success),
        Family::Account(change) => account(reading, details, change, &code),
        Family::Other(effect) => activity(reading, effect, &code),
    };
    reading.model.code = Some(code);
    subject
}

fn details<'a>(reading: &mut Reading<'_, 'a>) -> Details<'a> {
    let Some(mut from) = reading.body.take("details", json::object) else {
        return Details::default();
    };
    let model = &mut reading.model;
    let mut found = Details {
        message: text(&mut from, "custom_message"),
        strategy: first(&mut from, &["with", "failed_login"]),
        role: None,
    };
    // Of operations of Git the message is an object.
    if let Some(mut operation) = from.take("custom_message", json::object) {
        model.keep(&places::PROTOCOL, text(&mut operation, "protocol"));
        model.keep(&places::OPERATION, text(&mut operation, "action"));
    }
    model.keep(&places::AUTHOR_CLASS, text(&mut from, "author_class"));
    model.origin.user.email = text(&mut from, "author_email");
    // An event in an array of the vendor's interface has these only here.
    model.origin.address = model
        .origin
        .address
        .take()
        .or(text(&mut from, "ip_address"));
    let name = text(&mut from, "author_name");
    model.origin.user.name = model.origin.user.name.take().or(name);
    found.role = text(&mut from, "as");
    let changed = first(&mut from, &["change", "add", "remove"]);
    let to = text(&mut from, "to");
    if changed.as_deref() == Some("access_level") {
        found.role = found.role.or_else(|| to.clone());
    }
    model.keep(&places::CHANGED, changed);
    model.keep(&places::FROM, text(&mut from, "from"));
    model.keep(&places::TO, to);
    // The same again as beside `details`.
    let again = [
        "ip_address",
        "entity_path",
        "target_id",
        "target_type",
        "target_details",
        "event_name",
    ];
    for key in again {
        from.take(key, Some);
    }
    reading.leave("details.", from, false);
    found
}

fn family(code: &str, reading: &Reading<'_, '_>) -> Family {
    use AccountChange as Did;
    let has = |word: &str| code.contains(word);
    let of_user = code.split('_').any(|word| word == "user");
    let ends = |words: &[&str]| words.iter().any(|word| code.ends_with(word));
    let change = match code {
        _ if has("login_failed") => return Family::Login { success: false },
        _ if code.starts_with("authenticated_with") || has("user_signed_in") => {
            return Family::Login { success: true };
        }
        _ if ends(&["access_locked"]) => Did::Locked,
        _ if ends(&["access_unlocked"]) => Did::Unlocked,
        _ if has("password_reset") || has("reset_password") => Did::PasswordReset,
        _ if has("password_updated") || has("update_password") => Did::PasswordChanged,
        _ if has("two_factor") && has("enable") => Did::MfaEnabled,
        _ if has("two_factor") && has("disable") => Did::MfaDisabled,
        "member_created" => Did::RoleGranted,
        "member_destroyed" => Did::RoleRevoked,
        "member_updated" => Did::Updated,
        "user_created" | "user_registered" | "create_user" => Did::Created,
        _ if of_user && ends(&["destroyed", "deleted", "delete_user"]) => Did::Deleted,
        _ if of_user && has("unblock") || has("unban") => Did::Enabled,
        _ if of_user && has("block") || has("ban_user") || has("user_ban") => Did::Disabled,
        _ if of_user && ends(&["deactivated", "deactivate"]) => Did::Disabled,
        _ if of_user && ends(&["activated", "activate"]) => Did::Enabled,
        _ => return Family::Other(effect(code, reading)),
    };
    Family::Account(change)
}

/// What was done, by the last word of the type; of operations of Git by the command.
fn effect(code: &str, reading: &Reading<'_, '_>) -> Option<Effect> {
    let mut own = reading.model.own.iter();
    let command = own.find(|(place, _)| std::ptr::eq(*place, &places::OPERATION));
    match command.map(|(_, text)| text.as_ref()) {
        Some("git-upload-pack") => return Some(Effect::Read),
        Some("git-receive-pack") => return Some(Effect::Updated),
        _ => {}
    }
    match code.rsplit('_').next().unwrap_or_default() {
        "created" | "added" | "create" => Some(Effect::Created),
        "accessed" | "downloaded" | "exported" | "viewed" => Some(Effect::Read),
        "updated" | "changed" | "enabled" | "disabled" | "approved" | "archived" => {
            Some(Effect::Updated)
        }
        "destroyed" | "deleted" | "removed" | "revoked" => Some(Effect::Deleted),
        _ => None,
    }
}

/// The target, as far as it is a user.
fn target<'a>(reading: &mut Reading<'_, 'a>) -> (User<'a>, Text<'a>) {
    let body = &mut reading.body;
    let kind = text(body, "target_type");
    let target = User {
        uid: text(body, "target_id"),
        name: text(body, "target_details"),
        ..User::default()
    };
    (target, kind)
}

/// Whoever logs in is the author; a failed login has only the name that was tried.
fn login<'a>(reading: &mut Reading<'_, 'a>, details: Details<'a>, success: bool) -> Subject<'a> {
    let (target, _) = target(reading);
    let author = std::mem::take(&mut reading.model.origin.user);
    let unknown = author
        .uid
        .as_deref()
        .is_some_and(|uid| uid.starts_with('-'));
    let user = match unknown && target.name.is_some() {
        true => User {
            uid: None,
            ..target
        },
        false => author,
    };
    let reason = (!success).then_some(details.message).flatten();
    Subject::Login(Box::new(Login {
        success: Some(success),
        user,
        strategy: details.strategy,
        reason,
        ..Login::default()
    }))
}

fn account<'a>(
    reading: &mut Reading<'_, 'a>,
    details: Details<'a>,
    change: AccountChange,
    code: &str,
) -> Subject<'a> {
    let (target, _) = target(reading);
    let mut own = reading.model.own.iter();
    let entity = own.find(|(place, _)| std::ptr::eq(*place, &places::ENTITY));
    let group = entity.map(|(_, text)| text.clone());
    let of_user =
        reading.model.own.iter().any(|(place, text)| {
            std::ptr::eq(*place, &places::ENTITY_TYPE) && text.as_ref() == "User"
        });
    Subject::Account(Box::new(Account {
        change: Some(change),
        success: kind::success(code),
        user: target,
        role: details.role,
        // A user's own path is no group.
        group: group.filter(|_| !of_user),
        ..Account::default()
    }))
}

fn activity<'a>(reading: &mut Reading<'_, 'a>, effect: Option<Effect>, code: &str) -> Subject<'a> {
    let (target, of) = target(reading);
    let is_user = seen(&of) == Some("User");
    let (object, target) = match is_user {
        true => (User::default(), target),
        false => (target, User::default()),
    };
    Subject::Activity(Box::new(Activity {
        effect,
        success: kind::success(code),
        object_uid: object.uid,
        object_name: object.name,
        object_type: of,
        target,
        ..Activity::default()
    }))
}
