//! What alerts of all kinds have in common: number, state, times, who closed it and why.

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::normalize::json::{self, Object, first, text};
use crate::normalize::model::{Change, Finding, FindingClass, Text, User, closed_as, seen};
use crate::normalize::{instant, kind};

use super::{Reading, places, user};

/// Most assignees named.
const ASSIGNEES_MAX: usize = 16;

/// The name of an alert's event by what only it has.
pub(super) fn by_shape(alert: &Object<'_>, location: bool) -> Option<&'static str> {
    let has = |key: &str| alert.get(key).is_some();
    if has("secret_type") {
        return Some(match location {
            true => "secret_scanning_alert_location",
            false => "secret_scanning_alert",
        });
    }
    if has("dependency") || has("security_vulnerability") {
        return Some("dependabot_alert");
    }
    if has("affected_package_name") || has("affected_range") {
        return Some("repository_vulnerability_alert");
    }
    has("rule").then_some("code_scanning_alert")
}

/// Begins a finding of an alert. `product` names the part of GitHub, as in the alert's address.
pub(super) fn begin<'a>(
    reading: &mut Reading<'_, 'a>,
    alert: &mut Object<'a>,
    class: FindingClass,
    product: (&'static str, &'static str),
) -> Finding<'a> {
    let (provider, name) = product;
    reading.model.provider = Some(provider.to_owned());
    reading.model.product = Some(name.to_owned());
    let number = first(alert, &["number", "id"]);
    let uid = number.as_deref().map(|number| {
        let repository = reading.repository.name.as_deref().unwrap_or("unknown");
        format!("{repository}/{provider}/{number}").into()
    });
    reading.model.keep(&places::NUMBER, number);
    // Addresses of the vendor's interface, which say nothing that the others do not.
    for key in ["url", "locations_url", "instances_url"] {
        alert.take(key, Some);
    }
    let status = text(alert, "state");
    let reason = first(
        alert,
        &[
            "dismissed_reason",
            "dismiss_reason",
            "resolution",
            "fix_reason",
        ],
    );
    let mut finding = Finding {
        class,
        uid,
        portal_url: text(alert, "html_url"),
        asset: std::mem::take(&mut reading.repository),
        ..Finding::default()
    };
    let comments = ["dismissed_comment", "resolution_comment"];
    reading
        .model
        .keep(&places::COMMENT, first(alert, &comments));
    closed_by(reading, alert);
    state(reading, &mut finding, status, reason);
    times(reading, &mut finding, alert);
    finding
}

fn closed_by<'a>(reading: &mut Reading<'_, 'a>, alert: &mut Object<'a>) {
    let keys = ["dismissed_by", "resolved_by", "dismisser"];
    let person = keys.iter().find_map(|key| alert.take(key, user));
    let person = person.unwrap_or_default();
    reading.model.keep(&places::CLOSED_BY, person.word());
    let assignees = alert.take("assignees", names);
    reading.model.keep(&places::ASSIGNEES, assignees);
}

/// The names of people in an array.
fn names(value: &RawValue) -> Text<'static> {
    let people = json::array(value, ASSIGNEES_MAX)?;
    let people: Vec<User<'_>> = people.into_iter().filter_map(user).collect();
    let names: Vec<_> = people.iter().filter_map(User::word).collect();
    (!names.is_empty()).then(|| names.join(",").into())
}

/// What became of it: the action, and where that says only "closed", the reason.
fn state<'a>(
    reading: &mut Reading<'_, 'a>,
    finding: &mut Finding<'a>,
    status: Text<'a>,
    reason: Text<'a>,
) {
    let closed = seen(&reason).map(|text| closed_as(&kind::words(text)));
    let change = match reading.action.as_str() {
        // One more place of a secret whose alert is older.
        "created" if reading.is_location => Some(Change::Updated),
        "created" | "create" | "published" => Some(Change::Opened),
        "reopened" | "reopen" | "reopened-by-user" | "auto-reopened" | "reintroduced" => {
            Some(Change::Reopened)
        }
        // A reason beside it is what is left of an earlier dismissal.
        "fixed" | "resolve" | "revoked" => Some(Change::Resolved),
        "resolved" => Some(closed.unwrap_or(Change::Resolved)),
        "dismissed" | "dismiss" | "closed-by-user" | "withdrawn" => {
            Some(closed.unwrap_or(Change::Dismissed))
        }
        "auto-dismissed" => Some(Change::ByPolicy),
        "" => None,
        _ => Some(Change::Updated),
    };
    let known = [
        "appeared-in-branch",
        "assigned",
        "assignees-changed",
        "publicly-leaked",
        "unassigned",
        "updated",
        "updated-assignment",
        "validated",
    ];
    let odd = match change {
        Some(Change::Updated) if reading.is_location => false,
        Some(Change::Updated) => !known.contains(&reading.action.as_str()),
        change => change.is_none(),
    };
    finding.state = match seen(&status) {
        Some("open") => Some(Change::Opened),
        Some("fixed" | "fix") => Some(Change::Resolved),
        Some("auto_dismissed") => Some(Change::ByPolicy),
        Some("resolved" | "dismissed") => closed.or(Some(Change::Dismissed)),
        _ => None,
    };
    let unknown = status.is_some() && finding.state.is_none();
    reading.model.notes.values += u64::from(odd) + u64::from(unknown);
    finding.change = change;
    finding.status = status;
    finding.exception = reason;
}

fn times<'a>(reading: &mut Reading<'_, 'a>, finding: &mut Finding<'a>, alert: &mut Object<'a>) {
    let stated = alert
        .get("created_at")
        .is_some_and(|value| !json::is_blank(value));
    let mut at = |key: &str| alert.take(key, instant::from_rfc3339);
    finding.created = at("created_at").or_else(|| at("published_at"));
    finding.updated = at("updated_at");
    let closed = [
        "fixed_at",
        "dismissed_at",
        "auto_dismissed_at",
        "resolved_at",
    ];
    let closed: Vec<Timestamp> = closed.iter().filter_map(|key| at(key)).collect();
    finding.exception_at = closed.into_iter().max();
    let time = match finding.change {
        // Later changes are in the alert as well, but this is the event of its beginning.
        Some(Change::Opened) => finding.created.or(finding.updated),
        // The alert may have been closed long before.
        _ if reading.is_location => finding.updated,
        _ => finding.exception_at.max(finding.updated),
    };
    reading.model.time = time;
    reading.model.odd_time = stated && finding.created.is_none();
}

/// One line for people: what, and where.
pub(super) fn message<'a>(product: &str, finding: &Finding<'a>) -> Text<'a> {
    let title = finding.title.as_deref()?;
    let text = match finding.asset.name.as_deref() {
        Some(repository) => format!("{product}: {title} in {repository}"),
        None => format!("{product}: {title}"),
    };
    Some(text.into())
}
