//! Who may what: webhooks about members of organisations, teams and repositories.

use serde_json::value::RawValue;

use crate::normalize::json::{self, text};
use crate::normalize::model::{Account, AccountChange, Subject, Text, User};

use super::{Reading, places, user};

/// `organization`: members that come and go; none for what happens to the organisation itself.
pub(super) fn organization<'a>(reading: &mut Reading<'_, 'a>) -> Option<Subject<'a>> {
    let change = match reading.action.as_str() {
        "member-added" | "member-invited" => AccountChange::RoleGranted,
        "member-removed" => AccountChange::RoleRevoked,
        _ => return None,
    };
    let mut role = None;
    let mut member = None;
    if let Some(mut from) = reading.body.take("membership", json::object) {
        role = text(&mut from, "role");
        member = from.take("user", user);
        for key in ["url", "organization_url", "state"] {
            from.take(key, Some);
        }
        reading.leave("membership.", from);
    }
    if let Some(mut from) = reading.body.take("invitation", json::object) {
        role = role.or_else(|| text(&mut from, "role"));
        let invited = User {
            name: text(&mut from, "login"),
            email: text(&mut from, "email"),
            ..User::default()
        };
        member = member.or(Some(invited));
        // Who invites is the sender; an invitation has the addresses of the vendor's interface.
        for key in ["inviter", "invitation_teams_url", "node_id", "id"] {
            from.take(key, Some);
        }
        reading.leave("invitation.", from);
    }
    let member = member.or_else(|| reading.body.take("user", user));
    let group = reading.model.organization.clone();
    Some(account(change, member, role, group))
}

/// `member` of a repository and `membership` of a team.
pub(super) fn member<'a>(reading: &mut Reading<'_, 'a>) -> Subject<'a> {
    let change = match reading.action.as_str() {
        "added" => AccountChange::RoleGranted,
        "removed" => AccountChange::RoleRevoked,
        action => {
            reading.model.notes.values += u64::from(action != "edited");
            AccountChange::Updated
        }
    };
    let team = reading.body.take("team", json::object);
    let team = team.and_then(|mut team| text(&mut team, "name"));
    reading.model.keep(&places::TEAM, team.clone());
    reading.body.take("scope", Some);
    let mut role = None;
    if let Some(mut changes) = reading.body.take("changes", json::object) {
        let mut take = |key: &str| changes.take(key, permission);
        let permission = take("permission").or_else(|| take("role_name"));
        let old = take("old_permission").and_then(|(from, _)| from);
        let (from, to) = permission.unwrap_or_default();
        reading.model.keep(&places::OLD_PERMISSION, from.or(old));
        role = to;
        reading.leave("changes.", changes);
    }
    let member = reading.body.take("member", user);
    let repository = reading.repository.name.clone();
    let group = team.or(repository);
    let group = group.or_else(|| reading.model.organization.clone());
    account(change, member, role, group)
}

/// What it was and what it is.
fn permission<'a>(value: &'a RawValue) -> Option<(Text<'a>, Text<'a>)> {
    let mut change = json::object(value)?;
    Some((text(&mut change, "from"), text(&mut change, "to")))
}

fn account<'a>(
    change: AccountChange,
    member: Option<User<'a>>,
    role: Text<'a>,
    group: Text<'a>,
) -> Subject<'a> {
    Subject::Account(Box::new(Account {
        change: Some(change),
        user: member.unwrap_or_default(),
        role,
        group,
        ..Account::default()
    }))
}
