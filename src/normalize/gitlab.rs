//! GitLab's webhooks and streamed audit events into the model.
//!
//! Vulnerabilities and audit events are read; of all other events only who did it and what it is
//! called, and the rest stays as it is. `object_kind` tells what an event is, where it is missing
//! the header `X-Gitlab-Event`. Values of secrets and of variables of pipelines are never shown.
//! Facts are those of the vendor's documentation of webhook events and of audit event streaming;
//! `docs/mapping/gitlab-ecs.md` lists the result.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::event::Provenance;
use crate::settings::Severity;

use super::json::{self, Object, text};
use super::model::{
    Asset, Batch, COUNTED_MAX, FindingClass, LISTED_MAX, Model, Subject, User, count,
};
use super::vendor::GITLAB;
use super::{headers, instant, kind, mask};

mod audit;
mod places;
mod vulnerability;

/// The header that names the event: `Vulnerability Hook`.
const EVENT: &str = "x-gitlab-event";
/// The header with an id of the event, where the body has none.
const EVENT_ID: &str = "x-gitlab-event-uuid";

/// What the parts of this reader share.
struct Reading<'r, 'a> {
    model: Model<'a>,
    /// The top level of the payload.
    body: Object<'a>,
    /// The project, where the event names one.
    project: Asset<'a>,
    /// The source's own words for severities.
    severities: &'r [(String, Severity)],
}

/// Reads one event.
pub(super) fn read<'a>(
    payload: &'a str,
    provenance: &'a Provenance,
    severities: &[(String, Severity)],
) -> Model<'a> {
    let mut model = Model::of(&GITLAB);
    model.event_id = headers::value(provenance, EVENT_ID);
    let body = match Object::parse(payload) {
        Some(body) => Some(body),
        None => first_of_array(payload, &mut model),
    };
    let Some(body) = body else {
        model.notes.types = 1;
        return model;
    };
    let mut reading = Reading {
        model,
        body,
        project: Asset::default(),
        severities,
    };
    let named = headers::value(provenance, EVENT);
    reading.model.subject = reading.subject(named);
    if let Some(all) = &reading.model.batch {
        let message = reading.model.message.as_deref().unwrap_or("event");
        let message = format!("{message} (one of {} events)", all.count);
        reading.model.message = Some(message.into());
    }
    let body = std::mem::take(&mut reading.body);
    let closed =
        matches!(&reading.model.subject, Subject::Finding(it) if it.class == FindingClass::Secret);
    reading.leave("", body, closed);
    reading.model.count_other();
    reading.model
}

/// Audit events may come in an array. The first is described; they have no severity.
fn first_of_array<'a>(payload: &'a str, model: &mut Model<'a>) -> Option<Object<'a>> {
    let all = json::array(json::value(payload).ok()?, COUNTED_MAX)?;
    let listed = all.iter().take(LISTED_MAX).copied();
    let mut events: Vec<_> = listed.filter_map(json::object).collect();
    if all.len() > 1 {
        model.batch = Some(Box::new(Batch {
            count: count(&all),
            ..audit::batch(&events)
        }));
    }
    (!events.is_empty()).then(|| events.swap_remove(0))
}

impl<'a> Reading<'_, 'a> {
    fn subject(&mut self, named: Option<Cow<'a, str>>) -> Subject<'a> {
        let kind = text(&mut self.body, "object_kind");
        let has = |key: &str| {
            self.body
                .get(key)
                .is_some_and(|value| !json::is_blank(value))
        };
        let is_audit = kind.is_none() && has("event_type") && (has("author_id") || has("details"));
        if is_audit {
            return audit::read(self);
        }
        self.context();
        let name = named.map(|name| kind::words(name.trim_end_matches("Hook")));
        let name = kind.or(name.map(Cow::Owned));
        self.model.code = name.clone();
        if name.as_deref() == Some("vulnerability") {
            return vulnerability::read(self);
        }
        self.model.notes.types = 1;
        let attributes = self.body.get("object_attributes").and_then(json::object);
        let action = attributes.and_then(|mut from| text(&mut from, "action"));
        let words = [name.as_deref(), action.as_deref()];
        let words = words.into_iter().flatten().collect::<Vec<_>>().join("-");
        let words = kind::words(&words);
        self.model.action = (!words.is_empty()).then_some(words);
        Subject::Generic
    }

    /// Takes what most events have around what they are about.
    fn context(&mut self) {
        let body = &mut self.body;
        if let Some(mut from) = body.take("project", json::object) {
            self.project = Asset {
                uid: text(&mut from, "id"),
                name: text(&mut from, "path_with_namespace"),
                kind: Some("project".into()),
                portal_url: text(&mut from, "web_url"),
                created: from.take("created_at", instant::from_rfc3339),
                ..Asset::default()
            };
        }
        let user = body.take("user", user).or_else(|| pusher(body));
        self.model.origin.user = user.unwrap_or_default();
    }

    /// Keeps what is left of an object at `path`, without values of secrets; of an event that is
    /// about a secret (`closed`) without any text.
    fn leave(&mut self, path: &str, from: Object<'a>, closed: bool) {
        let hides = if closed { mask::hides_closed } else { hides };
        self.model.other.keep_but(path, from.without_empty(), hides);
    }
}

/// Someone as GitLab writes them in most events.
fn user<'a>(value: &'a RawValue) -> Option<User<'a>> {
    let mut from = json::object(value)?;
    let user = User {
        uid: text(&mut from, "id"),
        name: text(&mut from, "username"),
        email: text(&mut from, "email").filter(|email| email.contains('@')),
        full_name: text(&mut from, "name"),
    };
    (!user.is_unknown()).then_some(user)
}

/// Someone as GitLab writes them in events of pushes.
fn pusher<'a>(body: &mut Object<'a>) -> Option<User<'a>> {
    let user = User {
        uid: text(body, "user_id"),
        name: text(body, "user_username"),
        email: text(body, "user_email").filter(|email| email.contains('@')),
        full_name: text(body, "user_name"),
    };
    (!user.is_unknown()).then_some(user)
}

/// Variables of pipelines are credentials often enough.
fn hides(key: &str, value: &RawValue) -> bool {
    mask::hides(key, value) || key == "variables" || value.get().contains("variables\"")
}
