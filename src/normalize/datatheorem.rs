//! Data Theorem's webhooks into the model: which family an event is of, and its parts.
//!
//! A family is told by the first or last words of the type, never by a closed list; fields are
//! the vendor's documented ones, and for types without a published example those that its other
//! interfaces name (`docs/mapping/datatheorem-ecs.md` marks them). What has another JSON type
//! than expected, and every member unknown here, stays in `other`.

use crate::settings::Severity;

use super::envelope::{Content, Envelope, Opened};
use super::json::{self, Object, first, text};
use super::kind::{self, Family, Kind};
use super::model::{
    Account, AccountChange, Asset, Change, Finding, FindingClass, Login, Model, Note, Subject,
    User, seen,
};
use super::text::{first_sentence, repaired};
use super::vendor::DATA_THEOREM;
use super::{instant, mask, severity};

/// The version of the vendor's schema that the published examples have.
const VERSION: &str = "1";

/// What the envelope says, where the event itself is of no interest.
pub(super) fn outline<'a>(envelope: &Envelope<'a>) -> Model<'a> {
    let stated = envelope.time();
    let time = stated.and_then(instant::from_epoch_digits);
    Model {
        time,
        odd_time: time.is_none() && (stated.is_some() || envelope.has_odd_time()),
        host: envelope.host(),
        ..Model::of(&DATA_THEOREM)
    }
}

/// Reads one event. `test` says that the source took it for a connectivity test.
pub(super) fn read<'a>(
    envelope: &mut Envelope<'a>,
    test: bool,
    severities: &[(String, Severity)],
) -> Model<'a> {
    let mut model = outline(envelope);
    match envelope.take_event() {
        Content::Opened(opened) => {
            typed(&mut model, opened, envelope.take_rest(), severities);
        }
        Content::Closed(_) if test => {
            model.action = Some("connectivity-test".to_owned());
            model.message = Some("connectivity test".into());
        }
        Content::Closed(value) => {
            model.message = json::scalar(value);
            model.notes.types = 1;
        }
        Content::Nothing => model.notes.types = 1,
    }
    model
}

fn typed<'a>(
    model: &mut Model<'a>,
    opened: Opened<'a>,
    outer: Object<'a>,
    severities: &[(String, Severity)],
) {
    let (mut inner, mut data) = (opened.event, opened.data);
    let code = inner.get("type").and_then(json::scalar);
    let kind = code.and_then(Kind::parse);
    if kind.is_some() {
        inner.take("type", Some);
    }
    model.version = inner.take("version", json::scalar);
    model.notes.versions = u64::from(seen(&model.version).is_some_and(|text| text != VERSION));
    let family = kind.as_ref().and_then(Kind::family);
    model.notes.types = u64::from(family.is_none());
    if let Some(kind) = kind {
        model.action = (!kind.words.is_empty()).then(|| kind.words.clone());
        model.provider = kind.product.clone();
        model.product = kind.product_name();
        if let Some(family) = family {
            subject(model, family, &kind.words, &mut data, severities);
        }
        model.code = Some(kind.code);
    }
    model.other.keep_but("event.data.", data, mask::hides);
    model.other.keep_but("event.", inner, mask::hides);
    model.other.keep_but("", outer, mask::hides);
    model.count_other();
}

fn subject<'a>(
    model: &mut Model<'a>,
    family: Family,
    words: &str,
    data: &mut Object<'a>,
    severities: &[(String, Severity)],
) {
    model.subject = match family {
        Family::Violation => {
            let found = finding(model, FindingClass::Violation, words, data, severities);
            model.action = Some(violation_action(&found, words));
            Subject::Finding(Box::new(found))
        }
        Family::MobileFinding => {
            let class = FindingClass::MobileFinding;
            Subject::Finding(Box::new(finding(model, class, words, data, severities)))
        }
        Family::Protection => {
            let class = FindingClass::Protection;
            Subject::Finding(Box::new(finding(model, class, words, data, severities)))
        }
        Family::Note => Subject::Note(Box::new(note(data))),
        Family::Asset => {
            let mut found = Asset::default();
            asset(model, &mut found, data, "event.data.");
            model.message = found.name.clone().or_else(|| found.url.clone());
            Subject::Asset(Box::new(found))
        }
        Family::Login => Subject::Login(Box::new(login(model, words, data))),
        Family::Account => Subject::Account(Box::new(account(model, words, data))),
    };
}

fn finding<'a>(
    model: &mut Model<'a>,
    class: FindingClass,
    words: &str,
    data: &mut Object<'a>,
    severities: &[(String, Severity)],
) -> Finding<'a> {
    let mut finding = Finding {
        class,
        title: text(data, "title"),
        severity: text(data, "severity"),
        description: text(data, "description"),
        recommendation: text(data, "recommendation"),
        additional: text(data, "additional_information"),
        portal_url: text(data, "portal_url"),
        exception: text(data, "exception_explanation"),
        exception_at: data.take("exception_date_created", instant::from_rfc3339),
        created: data.take("date_created", instant::from_rfc3339),
        ..Finding::default()
    };
    if kind::after_violation(words).is_some() {
        violation(model, &mut finding, data);
    } else {
        mobile(model, &mut finding, data);
    }
    finding.level = severity::level(&finding, severities);
    let stated = finding.severity.is_some() || finding.relevance.is_some();
    model.notes.values += u64::from(stated && finding.level.is_none());
    let status = seen(&finding.status).map(kind::words).unwrap_or_default();
    finding.change = kind::change(words).or_else(|| Change::from_words(&status));
    model.notes.values += u64::from(finding.status.is_some() && finding.change.is_none());
    // The vendor writes line breaks as the two characters `\n`.
    let whole = finding.description.as_ref().map(repaired);
    if finding.title.is_none() {
        finding.title = whole.as_deref().and_then(first_sentence).map(Into::into);
    }
    model.message = whole.or_else(|| finding.title.clone());
    finding
}

/// What only a policy violation has.
fn violation<'a>(model: &mut Model<'a>, finding: &mut Finding<'a>, data: &mut Object<'a>) {
    finding.uid = text(data, "uuid");
    finding.status = text(data, "policy_violation_status");
    finding.relevance = text(data, "relevance");
    finding.policy_name = text(data, "policy_name");
    finding.policy_uuid = text(data, "policy_uuid");
    finding.policy_url = text(data, "policy_portal_url");
    finding.rule_uuid = text(data, "violated_policy_rule_uuid");
    finding.rule_type = text(data, "violated_policy_rule_type_uuid");
    if let Some(mut members) = data.take("affected_asset", json::object) {
        let path = "event.data.affected_asset.";
        asset(model, &mut finding.asset, &mut members, path);
        model.other.keep_but(path, members, mask::hides);
    }
}

/// What only findings in mobile applications and those of protections have; the names are those
/// of the vendor's results interface.
fn mobile<'a>(model: &mut Model<'a>, finding: &mut Finding<'a>, data: &mut Object<'a>) {
    finding.uid = first(data, &["security_finding_id", "uuid", "id"]);
    finding.target_uid = first(data, &["target_id", "uuid", "id"]);
    finding.status = first(data, &["aggregated_status", "status"]);
    finding.priority = text(data, "priority");
    finding.category = text(data, "category");
    finding.exploitability = text(data, "exploitability");
    finding.score = data.take("cvss3_score", severity::score);
    finding.vector = text(data, "cvss3_vector");
    finding.rule_type = text(data, "issue_type_id");
    model.origin.address = text(data, "ip_address");
    if let Some(mut members) = data.take("mobile_app", json::object) {
        finding.asset.service = true;
        finding.asset.uid = first(&mut members, &["uuid", "id"]);
        finding.asset.name = text(&mut members, "name");
        let path = "event.data.mobile_app.";
        model.other.keep_but(path, members, mask::hides);
    }
    if finding.asset.uid.is_none() {
        finding.asset.service = true;
        finding.asset.uid = text(data, "mobile_app_id");
    }
}

/// The end of the action of a violation says what became of it, in one word for each outcome.
fn violation_action(finding: &Finding<'_>, words: &str) -> String {
    let happened = kind::after_violation(words).unwrap_or_default();
    let status = seen(&finding.status).map(kind::words).unwrap_or_default();
    let word = match finding.change {
        Some(change) => change.as_str(),
        None if happened.is_empty() => &status,
        None => happened,
    };
    let separator = if word.is_empty() { "" } else { "-" };
    format!("policy-violation{separator}{word}")
}

fn asset<'a>(model: &mut Model<'a>, to: &mut Asset<'a>, from: &mut Object<'a>, path: &str) {
    to.service = true;
    to.uid = text(from, "uuid");
    to.name = text(from, "name");
    to.kind = text(from, "type");
    to.portal_url = text(from, "portal_url");
    to.url = text(from, "url");
    to.hosted_on = text(from, "hosted_on");
    to.discovered_via = text(from, "discovered_via");
    to.console_url = text(from, "cloud_console_url");
    to.created = from.take("date_created", instant::from_rfc3339);
    if let Some(mut group) = from.take("belongs_to_asset_group", json::object) {
        to.group_uid = text(&mut group, "uuid");
        to.group_name = text(&mut group, "name");
        let path = format!("{path}belongs_to_asset_group.");
        model.other.keep_but(&path, group, mask::hides);
    }
}

fn note<'a>(data: &mut Object<'a>) -> Note<'a> {
    Note {
        finding_uid: text(data, "security_finding_id"),
        uid: first(data, &["uuid", "id"]),
        text: first(data, &["text", "note", "content"]),
        author: first(data, &["created_by", "deleted_by", "author_email"]),
        created: data.take("date_created", instant::from_rfc3339),
    }
}

fn login<'a>(model: &mut Model<'a>, words: &str, data: &mut Object<'a>) -> Login<'a> {
    let success = match words.rsplit('-').next() {
        Some("successful" | "succeeded" | "success") => Some(true),
        Some("failed" | "failure" | "denied" | "blocked") => Some(false),
        _ => None,
    };
    model.origin.address = text(data, "ip_address");
    Login {
        success,
        user: User::addressed(text(data, "user_login_email")),
        strategy: text(data, "auth_strategy"),
        reason: text(data, "auth_failed_reason"),
        ..Login::default()
    }
}

fn account<'a>(model: &mut Model<'a>, words: &str, data: &mut Object<'a>) -> Account<'a> {
    let change = match words.rsplit('-').next() {
        Some("created" | "added" | "invited") => Some(AccountChange::Created),
        Some("updated" | "changed" | "modified") => Some(AccountChange::Updated),
        Some("deleted" | "removed") => Some(AccountChange::Deleted),
        _ => None,
    };
    let by = first(data, &["created_by", "updated_by", "deleted_by"]);
    model.origin.user = User::addressed(by);
    Account {
        change,
        success: kind::success(words),
        user: User::addressed(text(data, "user_login_email")),
        first_name: text(data, "first_name"),
        last_name: text(data, "last_name"),
        notification_email: text(data, "notification_email"),
        role: text(data, "role"),
        strategy: text(data, "auth_strategy"),
        ..Account::default()
    }
}
