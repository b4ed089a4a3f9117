//! Wiz's webhooks into the model: issues, threats, detections, vulnerabilities, configurations.
//!
//! What an event is stands in `trigger.source`; bodies of issues are templates that a customer may
//! change, so any member may be missing and the shape tells as well. Empty texts are what a
//! template leaves of a variable without a value. Facts are those of the vendor's webhook
//! references; where none is published, the names of its interface. `docs/mapping/wiz-ecs.md`
//! lists the result.

use crate::settings::Severity;

use super::json::{self, Object, text};
use super::model::{Change, Finding, Model, Subject, Text, known_reason, seen};
use super::vendor::WIZ;
use super::{kind, mask, severity};

mod asset;
mod issue;
mod places;
mod threat;
mod vulnerability;

/// Names of the object around a vulnerability; without one it is the payload itself.
const VULNERABILITY: [&str; 3] = ["vulnerability", "vulnerabilityFinding", "finding"];
/// The same of a configuration finding.
const CONFIGURATION: [&str; 2] = ["configurationFinding", "cloudConfigurationFinding"];

/// What the parts of this reader share.
struct Reading<'r, 'a> {
    model: Model<'a>,
    /// The top level of the payload.
    body: Object<'a>,
    /// What set it off, in words with dashes: `created`, `updated`.
    trigger: String,
    /// Why it was closed, where that is one of Wiz's words.
    closed: Option<Change>,
    /// The source's own words for severities.
    severities: &'r [(String, Severity)],
}

/// Reads one event.
pub(super) fn read<'a>(payload: &'a str, severities: &[(String, Severity)]) -> Model<'a> {
    let mut model = Model::of(&WIZ);
    let Some(body) = Object::parse(payload) else {
        model.notes.types = 1;
        return model;
    };
    let mut reading = Reading {
        model,
        body,
        trigger: String::new(),
        closed: None,
        severities,
    };
    reading.trigger();
    reading.model.subject = match reading.subject() {
        Some(subject) => subject,
        None => {
            reading.model.notes.types = 1;
            Subject::Generic
        }
    };
    let body = std::mem::take(&mut reading.body);
    reading.leave("", body);
    reading.model.count_other();
    reading.model
}

impl<'a> Reading<'_, 'a> {
    /// Why the webhook was called, and by whom.
    fn trigger(&mut self) {
        let from = self.body.take("trigger", json::object);
        let mut from = from.unwrap_or_default();
        let source = text(&mut from, "source");
        let kind = text(&mut from, "type");
        self.trigger = kind.as_deref().map(kind::words).unwrap_or_default();
        let model = &mut self.model;
        model.code = source;
        model.keep(&places::TRIGGER, kind);
        model.keep(&places::AUTOMATION, text(&mut from, "ruleName"));
        model.keep(&places::AUTOMATION_ID, text(&mut from, "ruleId"));
        model.keep(&places::CHANGED, from.take("updatedFields", asset::listed));
        model.origin.user.name = text(&mut from, "changedBy");
        let name = &model.origin.user.name;
        model.origin.user.email = name.clone().filter(|name| name.contains('@'));
        self.leave("trigger.", from);
    }

    /// By what only it has; none for a shape that nobody knows.
    fn subject(&mut self) -> Option<Subject<'a>> {
        let has = |key: &str| {
            self.body
                .get(key)
                .is_some_and(|value| !json::is_blank(value))
        };
        if has("threat") {
            return Some(threat::threat(self));
        }
        if has("tdrId") || has("triggeringEventsCount") {
            return Some(threat::detection(self));
        }
        if has("issue") || (has("control") && has("resource")) {
            return Some(issue::read(self));
        }
        if has("vulnerableAsset") || has("CVEDescription") {
            let from = std::mem::take(&mut self.body);
            return Some(vulnerability::read(self, from, ""));
        }
        if has("rule") && has("resource") {
            let from = std::mem::take(&mut self.body);
            return Some(issue::configuration(self, from, ""));
        }
        let mut inside = |keys: &[&'static str]| {
            let mut keys = keys.iter();
            keys.find_map(|key| Some((*key, self.body.take(key, json::object)?)))
        };
        if let Some((key, from)) = inside(&VULNERABILITY) {
            return Some(vulnerability::read(self, from, &format!("{key}.")));
        }
        let (key, from) = inside(&CONFIGURATION)?;
        Some(issue::configuration(self, from, &format!("{key}.")))
    }

    /// The part of Wiz that says it.
    fn product(&mut self, provider: &str, name: &str) {
        self.model.provider = Some(provider.to_owned());
        self.model.product = Some(name.to_owned());
    }

    /// Why somebody closed it. A note is a person's own words, of which none is read as a reason.
    fn reason(&mut self, from: &mut Object<'a>) -> Text<'a> {
        let reason = text(from, "resolutionReason");
        self.closed = seen(&reason).and_then(|text| closed_as(&kind::words(text)));
        reason.or_else(|| text(from, "resolutionNote"))
    }

    /// What became of a finding, how bad it is, and what people read.
    fn end(&mut self, mut finding: Finding<'a>) -> Subject<'a> {
        let status = seen(&finding.status).map(kind::words).unwrap_or_default();
        let by_status = match status.as_str() {
            "open" | "in-progress" => Some(Change::Opened),
            "resolved" => Some(self.closed.unwrap_or(Change::Resolved)),
            "rejected" | "ignored" => Some(self.closed.unwrap_or(Change::Dismissed)),
            _ => None,
        };
        let odd = finding.status.is_some() && by_status.is_none();
        self.model.notes.values += u64::from(odd);
        let by_trigger = match self.trigger.as_str() {
            "created" => Some(Change::Opened),
            "reopened" => Some(Change::Reopened),
            // Somebody sends it again by hand, or something about it is new.
            "" => None,
            "resolved" => Some(Change::Resolved),
            _ => Some(Change::Updated),
        };
        let standing = by_status.or(finding.change);
        (finding.change, finding.state) = match (by_trigger, standing) {
            // Whoever closes an issue updates it.
            (Some(Change::Updated | Change::Resolved), Some(closed)) if !closed.is_open() => {
                (Some(closed), None)
            }
            (Some(change), standing) => (Some(change), standing),
            (None, standing) => (standing, None),
        };
        finding.level = severity::level(&finding, self.severities);
        let odd = finding.severity.is_some() && finding.level.is_none();
        self.model.notes.values += u64::from(odd);
        finding.title = threat::title(&finding);
        self.times(&finding);
        self.words(&finding);
        Subject::Finding(Box::new(finding))
    }

    /// The creation is the time of the event only when it is what the event says.
    fn times(&mut self, finding: &Finding<'_>) {
        let changed = finding.exception_at.max(finding.updated);
        self.model.time = match self.trigger.as_str() {
            "created" => finding.created.or(changed),
            "" => changed.or(finding.created),
            _ => changed,
        };
    }

    fn words(&mut self, finding: &Finding<'a>) {
        let class = finding.class.dataset();
        let change = finding.change.map(Change::as_str).unwrap_or_default();
        let words = kind::words(&format!("{class}-{change}"));
        self.model.action = Some(words);
        let title = finding.title.as_deref();
        let name = finding.asset.name.as_deref();
        self.model.message = match (title, name) {
            (Some(title), Some(name)) => Some(format!("{title} on {name}").into()),
            (title, name) => title.or(name).map(|text| text.to_owned().into()),
        };
    }

    /// Keeps what is left of an object at `path`, without values of secrets.
    fn leave(&mut self, path: &str, from: Object<'a>) {
        self.model
            .other
            .keep_but(path, from.without_empty(), mask::hides);
    }
}

/// How it was closed, by Wiz's word for the reason.
fn closed_as(words: &str) -> Option<Change> {
    match words {
        "issue-fixed" | "object-deleted" | "control-changed" | "control-disabled"
        | "control-deleted" => Some(Change::Resolved),
        "exception" => Some(Change::RiskAccepted),
        words => known_reason(words),
    }
}
