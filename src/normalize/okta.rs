//! Okta's event hooks, and single events of its System Log, into the model.
//!
//! A delivery of a hook may hold several events. The worst by Okta's own severity is described,
//! the first among equals, and the lists of `model::Batch` have what a search needs of the others.
//! Facts are those of the vendor's documentation of event hooks and of the System Log;
//! `docs/mapping/okta-ecs.md` lists the result.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::settings::Severity;

use super::json::{self, Object, text};
use super::model::{
    Account, AccountChange, Activity, Batch, COUNTED_MAX, Change, Effect, Finding, FindingClass,
    LISTED_MAX, Login, Model, Subject, Text, User, count, list, seen,
};
use super::url::Url;
use super::vendor::OKTA;
use super::{instant, kind, severity};

mod context;
mod family;
mod places;

use context::{is_address, known};
use family::Family;

/// The version of events that the published examples have.
const VERSION: &str = "0";
/// The version of hooks that the published examples have.
const HOOK_VERSION: &str = "1.0";
/// `severity_id` of low, which a failed login is at least.
const LOW: u64 = 2;
/// Most targets of one event looked at.
const TARGETS_MAX: usize = 16;

/// One event on its way into the model.
struct Entry<'m, 'a> {
    model: &'m mut Model<'a>,
    event: Object<'a>,
    /// Where it is in the payload.
    path: &'static str,
    /// How somebody proved themselves.
    strategy: Text<'a>,
    success: Option<bool>,
    /// A result is stated, but neither of these.
    unclear: bool,
    reason: Text<'a>,
}

/// Someone or something that an event was about.
#[derive(Default)]
struct Target<'a> {
    kind: Text<'a>,
    named: User<'a>,
}

/// Reads one delivery, or one event.
pub(super) fn read<'a>(payload: &'a str, severities: &[(String, Severity)]) -> Model<'a> {
    let mut model = Model::of(&OKTA);
    let Some(mut body) = Object::parse(payload) else {
        model.notes.types = 1;
        return model;
    };
    let (event, path) = match body.take("data", json::object) {
        Some(data) => (hook(&mut model, &mut body, data), "data.events."),
        None => (std::mem::take(&mut body), ""),
    };
    let mut entry = Entry {
        model: &mut model,
        event,
        path,
        strategy: None,
        success: None,
        unclear: false,
        reason: None,
    };
    entry.read(severities);
    if let Some(all) = &model.batch {
        let message = model.message.as_deref().unwrap_or("event");
        model.message = Some(format!("{message} (one of {} events)", all.count).into());
    }
    model.other.keep_but("", body, super::mask::hides);
    model.count_other();
    model
}

/// Takes what a hook has around its events, and picks the event to describe.
fn hook<'a>(model: &mut Model<'a>, body: &mut Object<'a>, mut data: Object<'a>) -> Object<'a> {
    model.keep(&places::HOOK_EVENT, text(body, "eventId"));
    // The older spelling, which some published examples have.
    model.keep(&places::HOOK_EVENT, text(body, "eventID"));
    let version = text(body, "eventTypeVersion");
    model.notes.versions += u64::from(seen(&version).is_some_and(|text| text != HOOK_VERSION));
    let source = text(body, "source");
    let host = source.as_deref().and_then(Url::parse);
    model.host = host.map(|url| Cow::Owned(url.domain));
    model.time = body.take("eventTime", instant::from_rfc3339);
    for key in ["eventType", "cloudEventsVersion", "contentType"] {
        body.take(key, Some);
    }
    let events = data.take("events", |value| json::array(value, COUNTED_MAX));
    let mut events = events.unwrap_or_default();
    // The worst may be anywhere; equals stay as they came.
    events.sort_by_cached_key(|event| rank(event));
    model.other.keep_but("data.", data, super::mask::hides);
    if events.len() > 1 {
        model.batch = Some(Box::new(batch(&events)));
    }
    let worst = events.into_iter().next();
    worst.and_then(json::object).unwrap_or_default()
}

/// Okta's own order; the worst has the lowest.
fn rank(event: &RawValue) -> u8 {
    let severity = json::object(event).and_then(|mut event| text(&mut event, "severity"));
    match seen(&severity) {
        Some("ERROR") => 0,
        Some("WARN") => 1,
        Some("INFO") => 2,
        _ => 3,
    }
}

fn batch<'a>(events: &[&'a RawValue]) -> Batch<'a> {
    let mut batch = Batch {
        count: count(events),
        ..Batch::default()
    };
    for event in events.iter().take(LISTED_MAX) {
        let Some(mut event) = json::object(event) else {
            continue;
        };
        list(&mut batch.codes, text(&mut event, "eventType"));
        list(&mut batch.ids, text(&mut event, "uuid"));
        let actor = event.take("actor", target).unwrap_or_default();
        list(&mut batch.users, actor.named.word());
        let client = event.take("client", json::object);
        let address = client.and_then(|mut client| text(&mut client, "ipAddress"));
        list(&mut batch.addresses, address);
    }
    batch
}

impl<'a> Entry<'_, 'a> {
    fn read(&mut self, severities: &[(String, Severity)]) {
        let code = text(&mut self.event, "eventType");
        self.identity(severities);
        self.outcome();
        context::read(self);
        let actor = self.event.take("actor", target).unwrap_or_default();
        self.model.keep(&places::ACTOR_TYPE, actor.kind.clone());
        let targets = self.event.take("target", targets).unwrap_or_default();
        let names = targets.iter().filter_map(|one| {
            let named = one.named.full_name.clone();
            named.or_else(|| one.named.word())
        });
        let names: Vec<Cow<'_, str>> = names.collect();
        let joined = (!names.is_empty()).then(|| names.join(",").into());
        self.model.keep(&places::TARGETS, joined);
        self.model.notes.types = u64::from(code.is_none());
        if let Some(code) = code {
            // Okta's result of a denied push is that the denial has arrived.
            self.success = family::success(&code).or(self.success);
            let words = kind::words(&code);
            self.model.action = (!words.is_empty()).then_some(words);
            self.model.subject = self.subject(family::family(&code), &code, actor, targets);
            self.model.code = Some(code);
        }
        let event = std::mem::take(&mut self.event);
        self.leave("", event);
    }

    fn identity(&mut self, severities: &[(String, Severity)]) {
        let event = &mut self.event;
        let model = &mut *self.model;
        let published = event.take("published", instant::from_rfc3339);
        let odd = event.get("published");
        model.odd_time = odd.is_some_and(|value| !json::is_blank(value));
        model.time = published.or(model.time);
        model.event_id = text(event, "uuid");
        model.message = text(event, "displayMessage");
        model.version = text(event, "version");
        let odd = seen(&model.version).is_some_and(|text| text != VERSION);
        model.notes.versions += u64::from(odd);
        let word = text(event, "severity");
        model.level = seen(&word).and_then(|word| severity::of_word(word, severities));
        model.notes.values += u64::from(word.is_some() && model.level.is_none());
        model.keep(&places::SEVERITY, word);
        model.keep(&places::LEGACY_TYPE, text(event, "legacyEventType"));
    }

    fn outcome(&mut self) {
        let from = self.event.take("outcome", json::object);
        let mut from = from.unwrap_or_default();
        let result = text(&mut from, "result");
        self.success = match seen(&result) {
            Some("SUCCESS" | "ALLOW") => Some(true),
            Some("FAILURE" | "DENY") => Some(false),
            _ => None,
        };
        self.unclear = result.is_some() && self.success.is_none();
        self.reason = text(&mut from, "reason");
        self.model.keep(&places::RESULT, result);
        self.leave("outcome.", from);
    }

    fn subject(
        &mut self,
        family: Family,
        code: &str,
        actor: Target<'a>,
        targets: Vec<Target<'a>>,
    ) -> Subject<'a> {
        let (people, objects): (Vec<_>, Vec<_>) = targets.into_iter().partition(is_person);
        // The same person's account in an application may stand before them.
        let of_okta = people.iter().position(|it| seen(&it.kind) == Some("User"));
        let person = people.into_iter().nth(of_okta.unwrap_or(0));
        let person = person.map(|target| target.named);
        let object = objects.into_iter().next();
        match family {
            Family::Login { end, mfa } => self.login(end, mfa, actor, person, object),
            Family::Account(change) => self.account(change, actor, person, object),
            Family::Detection => self.detection(code, actor, person),
            Family::Other(effect) => self.activity(effect, actor, person, object),
        }
    }

    /// Whoever logs in is the actor, unless a system does it for them.
    fn login(
        &mut self,
        end: bool,
        mfa: bool,
        actor: Target<'a>,
        person: Option<User<'a>>,
        object: Option<Target<'a>>,
    ) -> Subject<'a> {
        let user = match person {
            Some(person) if !is_person(&actor) => {
                self.model.origin.user = actor.named;
                person
            }
            _ => actor.named,
        };
        if self.success == Some(false) && severity::id(self.model.level) < LOW {
            self.model.level = Some(Severity::Low);
        }
        let application = object.filter(|it| seen(&it.kind) == Some("AppInstance"));
        Subject::Login(Box::new(Login {
            success: self.success,
            end,
            mfa: mfa.then_some(true),
            user,
            service: application.and_then(|it| it.named.full_name),
            strategy: self.strategy.take(),
            reason: self.reason.take(),
        }))
    }

    fn account(
        &mut self,
        change: AccountChange,
        actor: Target<'a>,
        person: Option<User<'a>>,
        object: Option<Target<'a>>,
    ) -> Subject<'a> {
        self.model.origin.user = actor.named.clone();
        Subject::Account(Box::new(Account {
            change: Some(change),
            success: self.success,
            unclear: self.unclear,
            // Without a target it is the actor's own account.
            user: person.unwrap_or(actor.named),
            group: object.and_then(|it| it.named.full_name.or(it.named.name)),
            strategy: self.strategy.take(),
            reason: self.reason.take(),
            ..Account::default()
        }))
    }

    fn detection(
        &mut self,
        code: &str,
        actor: Target<'a>,
        person: Option<User<'a>>,
    ) -> Subject<'a> {
        self.model.origin.user = match person {
            Some(person) if !is_person(&actor) => person,
            _ => actor.named,
        };
        let change = match code.ends_with(".end") {
            true => Change::Resolved,
            false => Change::Opened,
        };
        let model = &*self.model;
        Subject::Finding(Box::new(Finding {
            class: FindingClass::Detection,
            change: Some(change),
            uid: model.event_id.clone(),
            title: model.message.clone(),
            rule_type: Some(code.to_owned().into()),
            level: model.level,
            exception: self.reason.take(),
            ..Finding::default()
        }))
    }

    fn activity(
        &mut self,
        effect: Option<Effect>,
        actor: Target<'a>,
        person: Option<User<'a>>,
        object: Option<Target<'a>>,
    ) -> Subject<'a> {
        self.model.origin.user = actor.named;
        let object = object.unwrap_or_default();
        Subject::Activity(Box::new(Activity {
            effect,
            success: self.success,
            unclear: self.unclear,
            object_uid: object.named.uid,
            object_name: object.named.full_name.or(object.named.name),
            object_type: object.kind,
            target: person.unwrap_or_default(),
            reason: self.reason.take(),
        }))
    }
}

fn is_person(target: &Target<'_>) -> bool {
    matches!(seen(&target.kind), Some("User" | "AppUser"))
}

fn targets<'a>(value: &'a RawValue) -> Option<Vec<Target<'a>>> {
    let all = json::array(value, TARGETS_MAX)?.into_iter();
    Some(all.filter_map(target).collect())
}

/// An actor or a target.
fn target<'a>(value: &'a RawValue) -> Option<Target<'a>> {
    let mut from = json::object(value)?;
    let name = known(text(&mut from, "alternateId"));
    let named = User {
        uid: text(&mut from, "id"),
        email: name.clone().filter(|_| is_address(&name)),
        name,
        full_name: known(text(&mut from, "displayName")),
    };
    let kind = text(&mut from, "type");
    Some(Target { kind, named })
}
