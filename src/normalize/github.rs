//! GitHub's webhooks and streamed audit log into the model.
//!
//! What an event is stands in the header `X-GitHub-Event`; where the record has none, the shape of
//! the body tells. Objects that come with every event (`repository`, `organization`, `enterprise`,
//! `sender`, `installation`) have some hundred members: those with a place are taken, the rest is
//! in the original only. Values of secrets are never shown (`mask`). Facts are those of the
//! vendor's webhook and audit log documentation; `docs/mapping/github-ecs.md` lists the result.

use std::borrow::Cow;

use crate::event::Provenance;
use crate::settings::Severity;

use super::headers;
use super::json::{self, Object, text};
use super::kind;
use super::mask;
use super::model::{Asset, Model, Subject, Text, User};
use super::vendor::GITHUB;

mod alert;
mod audit;
mod code;
mod dependabot;
mod members;
mod places;
mod secret;

/// The header that names the event.
const EVENT: &str = "x-github-event";
/// The header with the id of the delivery, which is the same when it is sent again.
const DELIVERY: &str = "x-github-delivery";

/// What the parts of this reader share.
struct Reading<'r, 'a> {
    model: Model<'a>,
    /// The top level of the payload.
    body: Object<'a>,
    /// `created`, `fixed` and so on, in words with dashes.
    action: String,
    /// It is about one more place of a leaked secret.
    is_location: bool,
    /// The repository, where the event is about one.
    repository: Asset<'a>,
    /// The source's own words for severities.
    severities: &'r [(String, Severity)],
}

/// Reads one event.
pub(super) fn read<'a>(
    payload: &'a str,
    provenance: &'a Provenance,
    severities: &[(String, Severity)],
) -> Model<'a> {
    let mut model = Model::of(&GITHUB);
    model.event_id = headers::value(provenance, DELIVERY);
    let body = Object::parse(payload).or_else(|| only_element(payload));
    let Some(body) = body else {
        model.notes.types = 1;
        return model;
    };
    let named = headers::value(provenance, EVENT);
    let name = named.or_else(|| by_shape(&body).map(Cow::Borrowed));
    let mut reading = Reading {
        model,
        body,
        action: String::new(),
        is_location: false,
        repository: Asset::default(),
        severities,
    };
    if name.as_deref() == Some(audit::NAME) {
        audit::read(&mut reading);
    } else {
        webhook(&mut reading, name);
    }
    reading.finish()
}

/// The audit log may be streamed as an array; one with more than one event is not taken apart.
fn only_element(payload: &str) -> Option<Object<'_>> {
    match json::array(json::value(payload).ok()?, 2)?.as_slice() {
        [only] => json::object(only),
        _ => None,
    }
}

/// The name of an event by what only it has.
fn by_shape(body: &Object<'_>) -> Option<&'static str> {
    let has = |key: &str| body.get(key).is_some_and(|value| !json::is_blank(value));
    let action = body.get("action").and_then(json::string);
    let action = action.as_deref().unwrap_or_default();
    if has("zen") && has("hook_id") {
        return Some("ping");
    }
    if let Some(alert) = body.get("alert").and_then(json::object) {
        return alert::by_shape(&alert, has("location"));
    }
    if action.contains('.') && ["@timestamp", "_document_id"].iter().any(|key| has(key)) {
        return Some(audit::NAME);
    }
    match action {
        _ if has("security_advisory") => Some("security_advisory"),
        "added" | "removed" if has("team") && has("member") => Some("membership"),
        "added" | "removed" | "edited" if has("member") => Some("member"),
        _ if action.starts_with("member_") && has("organization") => Some("organization"),
        _ => None,
    }
}

fn webhook<'a>(reading: &mut Reading<'_, 'a>, name: Text<'a>) {
    let action = text(&mut reading.body, "action");
    reading.action = action.as_deref().map(kind::words).unwrap_or_default();
    let name = name.unwrap_or_default();
    reading.is_location = name == "secret_scanning_alert_location";
    context(reading);
    let words = format!("{name}-{}", reading.action);
    let words = kind::words(&words);
    reading.model.action = (!words.is_empty()).then_some(words);
    reading.model.code = match (name.is_empty(), action) {
        (true, action) => action,
        (false, None) => Some(name.clone()),
        (false, Some(action)) => Some(format!("{name}.{action}").into()),
    };
    let subject = match name.as_ref() {
        "dependabot_alert" => Some(dependabot::alert(reading)),
        "repository_vulnerability_alert" => Some(dependabot::older(reading)),
        "security_advisory" => Some(dependabot::published(reading)),
        "code_scanning_alert" => Some(code::alert(reading)),
        "secret_scanning_alert" | "secret_scanning_alert_location" => Some(secret::alert(reading)),
        "organization" => members::organization(reading),
        "member" | "membership" => Some(members::member(reading)),
        "ping" => {
            ping(reading);
            Some(Subject::Generic)
        }
        _ => None,
    };
    reading.model.notes.types = u64::from(subject.is_none());
    reading.model.subject = subject.unwrap_or_default();
}

/// What GitHub sends when a webhook is made.
fn ping(reading: &mut Reading<'_, '_>) {
    reading.model.action = Some("connectivity-test".to_owned());
    reading.model.message = text(&mut reading.body, "zen");
    reading
        .model
        .keep(&places::HOOK_ID, text(&mut reading.body, "hook_id"));
    // How the webhook is set up: with it comes the address it sends to.
    reading.body.take("hook", Some);
}

/// Takes what comes with every event.
fn context(reading: &mut Reading<'_, '_>) {
    let body = &mut reading.body;
    let model = &mut reading.model;
    if let Some(mut from) = body.take("repository", json::object) {
        reading.repository = Asset {
            uid: text(&mut from, "id"),
            name: text(&mut from, "full_name"),
            kind: Some("repository".into()),
            portal_url: text(&mut from, "html_url"),
            created: from.take("created_at", super::instant::from_rfc3339),
            ..Asset::default()
        };
        model.keep(&places::REPOSITORY, reading.repository.name.clone());
        let visibility = text(&mut from, "visibility");
        model.keep(&places::VISIBILITY, visibility);
    }
    let organization = body.take("organization", json::object);
    model.organization = organization.and_then(|mut from| text(&mut from, "login"));
    let enterprise = body.take("enterprise", json::object);
    let enterprise = enterprise.and_then(|mut from| text(&mut from, "slug"));
    model.keep(&places::ENTERPRISE, enterprise);
    let installation = body.take("installation", json::object);
    let installation = installation.and_then(|mut from| text(&mut from, "id"));
    model.keep(&places::INSTALLATION, installation);
    model.origin.user = body.take("sender", user).unwrap_or_default();
}

/// An account as GitHub writes one.
fn user<'a>(value: &'a serde_json::value::RawValue) -> Option<User<'a>> {
    let mut from = json::object(value)?;
    let user = User {
        uid: text(&mut from, "id"),
        name: text(&mut from, "login"),
        email: text(&mut from, "email"),
        full_name: None,
    };
    (!user.is_unknown()).then_some(user)
}

impl<'a> Reading<'_, 'a> {
    /// Keeps what is left of an object at `path`, without values of secrets.
    fn leave(&mut self, path: &str, from: Object<'a>) {
        self.model.other.keep_but(path, from, mask::hides);
    }

    /// The same of an event that is about a secret.
    fn leave_closed(&mut self, path: &str, from: Object<'a>) {
        self.model.other.keep_but(path, from, mask::hides_closed);
    }

    fn finish(mut self) -> Model<'a> {
        let body = std::mem::take(&mut self.body);
        self.leave("", body);
        self.model.count_other();
        self.model
    }
}
