//! Entries of the audit log, as GitHub streams them: logins, changes of accounts, and the rest.
//!
//! An action is `object.verb` of an open list; which family it is of, and what was done, is told by
//! words of both, and by `operation_type` where the words do not tell.

use std::borrow::Cow;

use crate::normalize::json::{self, first, text};
use crate::normalize::model::{
    Account, AccountChange, Activity, Effect, Login, Origin, Subject, Text, User,
};
use crate::normalize::{instant, kind};

use super::{Reading, places};

/// Stands for the name of an event: the audit log has no header.
pub(super) const NAME: &str = "audit_log";
/// Who can be added to or removed from something.
const PEOPLE: [&str; 6] = [
    "member",
    "admin",
    "owner",
    "billing_manager",
    "outside_collaborator",
    "collaborator",
];

/// What an entry is about.
enum Family {
    Login {
        success: Option<bool>,
        end: bool,
        mfa: bool,
    },
    Account(AccountChange),
    Other,
}

/// Reads one entry.
pub(super) fn read(reading: &mut Reading<'_, '_>) {
    let code = text(&mut reading.body, "action").unwrap_or_default();
    let model = &mut reading.model;
    model.provider = Some("audit-log".to_owned());
    model.product = Some("Audit log".to_owned());
    let words = kind::words(&code);
    model.action = (!words.is_empty()).then_some(words);
    times(reading);
    who(reading);
    details(reading);
    let (object, verb) = code.split_once('.').unwrap_or(("", code.as_ref()));
    let target = target(reading);
    reading.model.subject = match family(object, verb) {
        Family::Login { success, end, mfa } => {
            let it = Login {
                success,
                end,
                mfa: mfa.then_some(true),
                ..Login::default()
            };
            login(reading, target, it)
        }
        Family::Account(change) => account(reading, target, change, verb),
        Family::Other => activity(reading, target, object, verb),
    };
    reading.model.message = message(reading, &code);
    reading.model.code = Some(code);
}

fn times(reading: &mut Reading<'_, '_>) {
    let stated = ["@timestamp", "created_at"]
        .iter()
        .any(|key| reading.body.get(key).is_some());
    let mut at = |key: &str| {
        let milliseconds = reading.body.take(key, instant::from_epoch_ms_value);
        milliseconds.or_else(|| reading.body.take(key, instant::from_rfc3339))
    };
    let (written, created) = (at("@timestamp"), at("created_at"));
    reading.model.time = created.or(written);
    reading.model.odd_time = stated && reading.model.time.is_none();
    let id = text(&mut reading.body, "_document_id");
    reading.model.event_id = id.or(reading.model.event_id.take());
}

/// Who did it, and from where.
fn who(reading: &mut Reading<'_, '_>) {
    let body = &mut reading.body;
    let mut origin = Origin {
        user: User {
            name: text(body, "actor"),
            uid: text(body, "actor_id"),
            ..User::default()
        },
        address: text(body, "actor_ip"),
        user_agent: text(body, "user_agent"),
        ..Origin::default()
    };
    if let Some(mut place) = body.take("actor_location", json::object) {
        origin.country = first(&mut place, &["country_code", "country_name", "country"]);
        origin.city = text(&mut place, "city");
    }
    let model = &mut reading.model;
    model.origin = origin;
    model.organization = text(body, "org");
    model.keep(&places::ORGANIZATION_ID, text(body, "org_id"));
    model.keep(&places::ENTERPRISE, text(body, "business"));
    model.keep(&places::ENTERPRISE_ID, text(body, "business_id"));
    model.keep(&places::IS_BOT, text(body, "actor_is_bot"));
}

/// Members that have a place of their own.
fn details(reading: &mut Reading<'_, '_>) {
    let body = &mut reading.body;
    let model = &mut reading.model;
    let identity = ["external_identity_nameid", "external_identity_username"];
    model.keep(&places::OPERATION, text(body, "operation_type"));
    model.keep(&places::ACCESS, text(body, "programmatic_access_type"));
    model.keep(&places::TOKEN_ID, text(body, "token_id"));
    model.keep(&places::TOKEN_SCOPES, text(body, "token_scopes"));
    model.keep(&places::HASHED_TOKEN, text(body, "hashed_token"));
    model.keep(&places::REQUEST_ID, text(body, "request_id"));
    model.keep(&places::IDENTITY, first(body, &identity));
    model.keep(&places::PERMISSION, text(body, "permission"));
    model.keep(&places::OLD_PERMISSION, text(body, "old_permission"));
    model.keep(&places::VISIBILITY, text(body, "visibility"));
    model.keep(&places::TEAM, text(body, "team"));
    model.keep(&places::REPOSITORY, first(body, &["repo", "repository"]));
    let repository_id = first(body, &["repo_id", "repository_id"]);
    model.keep(&places::REPOSITORY_ID, repository_id);
    let transport = first(body, &["transport_protocol_name", "transport_protocol"]);
    model.keep(&places::TRANSPORT, transport);
    // The number of what the name says.
    body.take("transport_protocol", Some);
}

/// Whom it was done to, where somebody is named.
fn target<'a>(reading: &mut Reading<'_, 'a>) -> User<'a> {
    User {
        name: text(&mut reading.body, "user"),
        uid: text(&mut reading.body, "user_id"),
        ..User::default()
    }
}

fn family(object: &str, verb: &str) -> Family {
    use AccountChange as Did;
    let login = |success, end, mfa| Family::Login { success, end, mfa };
    let (act, whom) = verb.split_once('_').unwrap_or((verb, ""));
    let on_people = PEOPLE.contains(&whom);
    let change = match (object, verb) {
        ("user", "login") => return login(Some(true), false, false),
        // The identity provider has answered; with what is not said.
        (_, "sso_response") => return login(None, false, false),
        ("user", "failed_login") => return login(Some(false), false, false),
        ("user", "logout") => return login(Some(true), true, false),
        ("user", "two_factor_challenge_success") => return login(Some(true), false, true),
        ("user", "two_factor_challenge_failure") => return login(Some(false), false, true),
        ("user", "create") | ("external_identity", "provision") => Did::Created,
        ("user", "delete" | "destroy") | ("external_identity", "deprovision") => Did::Deleted,
        ("user", "suspend") => Did::Disabled,
        ("user", "unsuspend") => Did::Enabled,
        ("user", "promote") => Did::RoleGranted,
        ("user", "demote") => Did::RoleRevoked,
        ("user", "change_password") => Did::PasswordChanged,
        ("user", "reset_password" | "forgot_password") => Did::PasswordReset,
        ("user", "rename") | ("external_identity", "update") => Did::Updated,
        ("two_factor_authentication", "enabled") => Did::MfaEnabled,
        ("two_factor_authentication", "disabled") => Did::MfaDisabled,
        (_, "block_user") => Did::Disabled,
        (_, "unblock_user") => Did::Enabled,
        _ if on_people && matches!(act, "add" | "invite") => Did::RoleGranted,
        _ if on_people && act == "remove" => Did::RoleRevoked,
        _ if on_people && act == "update" => Did::Updated,
        _ => return Family::Other,
    };
    Family::Account(change)
}

fn login<'a>(reading: &mut Reading<'_, 'a>, target: User<'a>, it: Login<'a>) -> Subject<'a> {
    // Whoever logs in is the actor; the entry names them twice.
    let actor = std::mem::take(&mut reading.model.origin.user);
    let user = if actor.is_unknown() { target } else { actor };
    Subject::Login(Box::new(Login {
        user,
        reason: text(&mut reading.body, "failure_reason"),
        ..it
    }))
}

fn account<'a>(
    reading: &mut Reading<'_, 'a>,
    target: User<'a>,
    change: AccountChange,
    verb: &str,
) -> Subject<'a> {
    let model = &reading.model;
    let own = |wanted: &'static _| kept(model, wanted);
    let group = own(&places::TEAM).or_else(|| own(&places::REPOSITORY));
    let group = group.or_else(|| model.organization.clone());
    let role = own(&places::PERMISSION);
    // A change of one's own account names no other.
    let user = match target.is_unknown() {
        true => model.origin.user.clone(),
        false => target,
    };
    Subject::Account(Box::new(Account {
        change: Some(change),
        success: kind::success(verb),
        user,
        role,
        group,
        ..Account::default()
    }))
}

/// A member that has got its place already.
fn kept<'a>(
    model: &super::Model<'a>,
    wanted: &'static crate::normalize::vendor::Place,
) -> Text<'a> {
    let mut own = model.own.iter();
    let found = own.find(|(place, _)| std::ptr::eq(*place, wanted));
    found.map(|(_, text)| text.clone())
}

fn activity<'a>(
    reading: &mut Reading<'_, 'a>,
    target: User<'a>,
    object: &str,
    verb: &str,
) -> Subject<'a> {
    let operation = kept(&reading.model, &places::OPERATION);
    let body = &mut reading.body;
    let repository = kept(&reading.model, &places::REPOSITORY);
    let repository_id = kept(&reading.model, &places::REPOSITORY_ID);
    let (object_type, object_name, object_uid) = match (object, repository) {
        (_, Some(name)) => (Cow::Borrowed("repository"), Some(name), repository_id),
        ("team", None) => ("team".into(), kept(&reading.model, &places::TEAM), None),
        ("org" | "", None) => {
            let name = reading.model.organization.clone();
            ("organization".into(), name, None)
        }
        (object, None) => (Cow::Owned(object.to_owned()), text(body, "name"), None),
    };
    Subject::Activity(Box::new(Activity {
        effect: effect(verb, operation.as_deref()),
        success: kind::success(verb),
        object_type: Some(object_type),
        object_name,
        object_uid,
        target,
        ..Activity::default()
    }))
}

/// What was done, by the first word of the verb, else by the kind of operation.
fn effect(verb: &str, operation: Option<&str>) -> Option<Effect> {
    let first = verb.split('_').next().unwrap_or_default();
    match (first, operation) {
        (_, Some("create")) => Some(Effect::Created),
        (_, Some("access")) => Some(Effect::Read),
        (_, Some("modify" | "restore" | "transfer")) => Some(Effect::Updated),
        (_, Some("remove")) => Some(Effect::Deleted),
        ("create" | "add" | "generate" | "upload" | "push", _) => Some(Effect::Created),
        ("access" | "clone" | "fetch" | "download" | "export" | "view", _) => Some(Effect::Read),
        ("destroy" | "delete" | "remove" | "revoke", _) => Some(Effect::Deleted),
        ("update" | "change" | "enable" | "enabled" | "disable" | "disabled" | "rename", _) => {
            Some(Effect::Updated)
        }
        _ => None,
    }
}

fn message<'a>(reading: &Reading<'_, 'a>, code: &str) -> Text<'a> {
    let by = reading.model.origin.user.word();
    let by = by.or_else(|| match &reading.model.subject {
        Subject::Login(it) => it.user.word(),
        _ => None,
    });
    by.map(|by| format!("{code} by {by}").into())
}
