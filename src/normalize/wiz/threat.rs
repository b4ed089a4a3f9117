//! Threats and detections of Wiz Defend: what somebody does in a cloud.

use std::borrow::Cow;

use crate::normalize::json::{self, Object, first, text};
use crate::normalize::model::{Asset, Finding, FindingClass, Subject, User, seen};

use super::asset::{cloud_account, listed, objects, resource, texts};
use super::issue::take_first;
use super::{Reading, places};

/// `threat`: several detections that belong together.
pub(super) fn threat<'a>(reading: &mut Reading<'_, 'a>) -> Subject<'a> {
    let from = reading.body.take("threat", json::object);
    let mut from = from.unwrap_or_default();
    reading.product("threats", "Threats");
    let model = &mut reading.model;
    model.keep(&places::PROJECTS, from.take("projects", listed));
    model.keep(&places::NOTES, from.take("notes", listed));
    model.keep(&places::DETECTIONS, from.take("detectionIds", listed));
    model.keep(&places::RULES, from.take("tdrNames", listed));
    let mut finding = found(reading, &mut from);
    finding.status = text(&mut from, "status");
    finding.created = take_first(&mut from, &["created", "createdAt"]);
    finding.updated = take_first(&mut from, &["updatedAt"]);
    finding.exception_at = take_first(&mut from, &["resolvedAt"]);
    finding.exception = reading.reason(&mut from);
    reading.leave("threat.", from);
    reading.end(finding)
}

/// A detection is the payload itself.
pub(super) fn detection<'a>(reading: &mut Reading<'_, 'a>) -> Subject<'a> {
    let mut from = std::mem::take(&mut reading.body);
    reading.product("detections", "Detections");
    let mut finding = found(reading, &mut from);
    finding.rule_type = text(&mut from, "tdrId");
    finding.created = take_first(&mut from, &["createdAt"]);
    let model = &mut reading.model;
    model.keep(&places::THREAT, text(&mut from, "threatId"));
    model.keep(&places::SOURCE, text(&mut from, "tdrSource"));
    model.keep(&places::EVENTS, text(&mut from, "triggeringEventsCount"));
    // From when to when it was seen; the events have each their own time.
    from.take("timeframe", Some);
    let events = from.take("triggeringEvents", objects);
    // The older form has one event.
    let single = from.take("triggeringEvent", json::object);
    let event = events.and_then(|all| all.into_iter().next());
    if let Some(event) = event.or(single) {
        triggering_event(reading, event);
    }
    reading.leave("", from);
    reading.end(finding)
}

/// What threats and detections have in common.
fn found<'a>(reading: &mut Reading<'_, 'a>, from: &mut Object<'a>) -> Finding<'a> {
    let mut finding = Finding {
        class: FindingClass::Detection,
        uid: text(from, "id"),
        title: text(from, "title"),
        description: text(from, "description"),
        severity: text(from, "severity"),
        portal_url: first(from, &["detectionUrl", "threatURL", "threatUrl"]),
        techniques: from.take("mitreTechniques", texts).unwrap_or_default(),
        asset: assets(reading, from),
        ..Finding::default()
    };
    from.take("threatURL", Some);
    let model = &mut reading.model;
    model.keep(&places::TACTICS, from.take("mitreTactics", listed));
    let organizations = from.take("cloudOrganizations", listed);
    model.keep(&places::ORGANIZATIONS, organizations);
    let accounts = from.take("cloudAccounts", objects).unwrap_or_default();
    for account in accounts {
        cloud_account(&mut finding.asset, account);
    }
    let platform = text(from, "cloudPlatform");
    finding.asset.hosted_on = finding.asset.hosted_on.take().or(platform);
    actors(reading, from);
    finding
}

/// The primary resource, else the first; all of them by name.
fn assets<'a>(reading: &mut Reading<'_, 'a>, from: &mut Object<'a>) -> Asset<'a> {
    reading
        .model
        .keep(&places::RESOURCES, from.get("resources").and_then(listed));
    let primary = from.take("primaryResource", json::object);
    let all = from.take("resources", objects).unwrap_or_default();
    match primary.or_else(|| all.into_iter().next()) {
        Some(one) => resource(reading, one, "resources."),
        None => Asset::default(),
    }
}

/// The primary actor, else the first; all of them by name.
fn actors<'a>(reading: &mut Reading<'_, 'a>, from: &mut Object<'a>) {
    let model = &mut reading.model;
    model.keep(&places::ACTORS, from.get("actors").and_then(listed));
    let primary = from.take("primaryActor", json::object);
    let all = from.take("actors", objects).unwrap_or_default();
    let Some(mut one) = primary.or_else(|| all.into_iter().next()) else {
        return;
    };
    let model = &mut reading.model;
    model.origin.user = User {
        uid: first(&mut one, &["externalId", "id"]),
        name: text(&mut one, "name"),
        ..User::default()
    };
    model.keep(
        &places::ACTOR_TYPE,
        first(&mut one, &["nativeType", "type"]),
    );
}

/// The event that set off a detection; of several the first.
fn triggering_event<'a>(reading: &mut Reading<'_, 'a>, mut from: Object<'a>) {
    let from = &mut from;
    let model = &mut reading.model;
    model.keep(&places::EVENT, first(from, &["description", "name"]));
    model.origin.address = first(from, &["actorIP", "actorIp"]);
    let place = ["actorIPMeta", "actorIpMeta"];
    let place = place.iter().find_map(|key| from.take(key, json::object));
    model.origin.country = place.and_then(|mut place| text(&mut place, "country"));
    let details = from.take("runtimeDetails", json::object);
    let tree = details.and_then(|mut details| details.take("processTree", objects));
    let tree = tree.or_else(|| from.take("processTree", objects));
    let process = tree.and_then(|all| all.into_iter().next());
    let process = process.and_then(|mut process| first(&mut process, &["path", "exePath"]));
    model.keep(&places::PROCESS, process);
    // A name may be the only thing that is known of an actor.
    if model.origin.user.is_unknown()
        && let Some(mut actor) = from.take("actor", json::object)
    {
        model.origin.user = User {
            uid: first(&mut actor, &["externalId", "id"]),
            name: text(&mut actor, "name"),
            ..User::default()
        };
    }
}

/// Words for a title where there is none.
pub(super) fn title<'a>(finding: &Finding<'a>) -> Option<Cow<'a, str>> {
    finding.title.clone().or_else(|| {
        let first = seen(&finding.description).and_then(crate::normalize::text::first_sentence);
        first.map(Cow::Owned)
    })
}
