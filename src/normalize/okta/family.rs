//! Which family an event of Okta's System Log is of, by the words of its type.
//!
//! The catalogue of types is open and long, so nothing here is a closed list: what no row knows
//! is something that somebody did.

use crate::normalize::kind;
use crate::normalize::model::{AccountChange, Effect};

/// What an event is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Family {
    /// A login, a part of one (`mfa`), or the end of one.
    Login {
        end: bool,
        mfa: bool,
    },
    Account(AccountChange),
    /// Okta itself finds it suspicious.
    Detection,
    Other(Option<Effect>),
}

/// Takes a type such as `user.account.lock` apart.
pub(super) fn family(code: &str) -> Family {
    let words: Vec<&str> = code.split('.').collect();
    match words.as_slice() {
        ["user", "session", "start"] => login(false, false),
        ["user", "session", "end"] => login(true, false),
        ["user", "authentication", "slo" | "universal_logout"] => login(true, false),
        ["user", "authentication", how, ..] => login(false, how.contains("mfa")),
        ["user", "mfa", "okta_verify", ..] => login(false, true),
        // Not how somebody sets up that it is looked for.
        [
            "security",
            "threat" | "attack" | "breached_credential",
            ..,
            "detected" | "start" | "end",
        ] => Family::Detection,
        ["user", "risk", "detect"] => Family::Detection,
        ["user", "mfa", "attempt_bypass"] => Family::Detection,
        ["user", "account", what] if what.starts_with("report_suspicious") => Family::Detection,
        words => match account(words) {
            Some(change) => Family::Account(change),
            None => Family::Other(words.last().and_then(|word| effect(word))),
        },
    }
}

/// False of a type that says that it was not done, whatever its result.
pub(super) fn success(code: &str) -> Option<bool> {
    let last = code.rsplit('.').next().unwrap_or_default();
    let denied = last.starts_with("deny_push").then_some(false);
    denied.or_else(|| kind::success(code))
}

fn login(end: bool, mfa: bool) -> Family {
    Family::Login { end, mfa }
}

fn account(words: &[&str]) -> Option<AccountChange> {
    use AccountChange as Did;
    Some(match words {
        ["user", "lifecycle" | "registration", "create"] => Did::Created,
        ["user", "lifecycle", "activate" | "reactivate" | "unsuspend"] => Did::Enabled,
        ["user", "lifecycle", "suspend" | "deactivate"] => Did::Disabled,
        ["user", "lifecycle", "delete", ..] => Did::Deleted,
        ["user", "account", "lock", ..] => Did::Locked,
        ["user", "account", what] if what.starts_with("unlock") => Did::Unlocked,
        ["user", "account", "update_password"] => Did::PasswordChanged,
        ["user", "account", "reset_password" | "expire_password"] => Did::PasswordReset,
        ["user", "account", what] if what.starts_with("update_") => Did::Updated,
        ["user", "account", "privilege", "grant"] => Did::RoleGranted,
        ["user", "account", "privilege", "revoke"] => Did::RoleRevoked,
        ["group" | "application", "user_membership", "add"] => Did::RoleGranted,
        [
            "group" | "application",
            "user_membership",
            "remove" | "revoke",
        ] => Did::RoleRevoked,
        ["user", "mfa", "factor", "activate" | "unsuspend"] => Did::MfaEnabled,
        [
            "user",
            "mfa",
            "factor",
            "deactivate" | "suspend" | "reset_all",
        ] => Did::MfaDisabled,
        ["user", "mfa", "factor", "update"] => Did::Updated,
        _ => return None,
    })
}

/// What was done, by the last word of a type.
fn effect(word: &str) -> Option<Effect> {
    match word {
        "create" | "add" => Some(Effect::Created),
        "delete" | "remove" => Some(Effect::Deleted),
        "update" | "activate" | "deactivate" | "enable" | "disable" | "suspend" | "unsuspend"
        | "grant" | "revoke" => Some(Effect::Updated),
        _ if word.starts_with("access") => Some(Effect::Read),
        _ => None,
    }
}
