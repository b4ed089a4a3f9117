//! What a condition can ask of the model of an event: its parts as JSON text.
//!
//! The words of families, severities and outcomes are the configuration's; where the model has
//! words of its own, they are the same. Knows no format and no vendor.

use std::borrow::Cow;

use serde_json::Value;

use super::Reading;
use super::model::{Asset, Finding, Model, Subject, Text, User, seen};
use super::url::Url;
use crate::event::Provenance;
use crate::settings::{ModelPart, Severity};

/// The model of one event, read for conditions.
#[derive(Debug)]
pub struct View<'a> {
    model: Model<'a>,
    /// The vendor's connectivity test.
    test: bool,
}

impl<'a> View<'a> {
    /// Reads a payload that came in so. Of one that is no text, as of any other surprise, there is
    /// a model that says little.
    pub fn read(payload: &'a [u8], provenance: &'a Provenance, reading: &Reading) -> Self {
        let text = std::str::from_utf8(payload).unwrap_or_default();
        let (_, model) = super::read(text, provenance, reading, false);
        Self {
            model,
            test: provenance.test,
        }
    }

    /// A part as JSON text; none where the vendor does not state it.
    pub fn json(&self, part: ModelPart) -> Option<String> {
        if part == ModelPart::Test {
            return Some(self.test.to_string());
        }
        let text = self.text(part)?;
        Some(Value::from(text.as_ref()).to_string())
    }

    fn text(&self, part: ModelPart) -> Option<Cow<'_, str>> {
        let model = &self.model;
        let finding = self.finding();
        let of_finding = |pick: for<'f> fn(&'f Finding<'a>) -> &'f Text<'a>| seen(pick(finding?));
        let found = match part {
            ModelPart::Vendor => model.vendor.map(|vendor| vendor.name),
            ModelPart::Product => model.product.as_deref(),
            ModelPart::Type => seen(&model.code),
            ModelPart::Family => Some(family(&model.subject)),
            ModelPart::Action => model.action.as_deref(),
            ModelPart::Severity => {
                let level = finding.and_then(|it| it.level);
                level.or(model.level).map(severity)
            }
            ModelPart::Change => finding.and_then(|it| it.change).map(|it| it.as_str()),
            ModelPart::Status => of_finding(|it| &it.status),
            ModelPart::Outcome => self.outcome(),
            ModelPart::Title => of_finding(|it| &it.title),
            ModelPart::Rule => of_finding(|it| &it.rule_type),
            ModelPart::Policy => of_finding(|it| &it.policy_name),
            ModelPart::Asset => self.asset().and_then(|it| seen(&it.name)),
            ModelPart::AssetType => self.asset().and_then(|it| seen(&it.kind)),
            ModelPart::AssetHost => {
                let url = self.asset().and_then(|it| Url::parse(seen(&it.url)?));
                return url.map(|url| url.domain.into());
            }
            ModelPart::User => match &model.subject {
                Subject::Login(it) => user(&it.user),
                Subject::Account(it) => user(&it.user),
                Subject::Note(it) => seen(&it.author),
                _ => user(&model.origin.user),
            },
            ModelPart::Address => seen(&model.origin.address),
            // No text; see `json`.
            ModelPart::Test => None,
        };
        found.map(Cow::Borrowed)
    }

    fn finding(&self) -> Option<&Finding<'a>> {
        match &self.model.subject {
            Subject::Finding(it) => Some(it),
            _ => None,
        }
    }

    fn asset(&self) -> Option<&Asset<'a>> {
        match &self.model.subject {
            Subject::Asset(it) => Some(it),
            _ => self.finding().map(|it| &it.asset),
        }
    }

    fn outcome(&self) -> Option<&'static str> {
        let success = match &self.model.subject {
            Subject::Login(it) => it.success,
            Subject::Account(it) => it.success,
            Subject::Activity(it) => it.success,
            _ => None,
        };
        success.map(|success| if success { "success" } else { "failure" })
    }
}

/// What people call somebody.
fn user<'t>(user: &'t User<'_>) -> Option<&'t str> {
    let name = seen(&user.name).or_else(|| seen(&user.email));
    name.or_else(|| seen(&user.uid))
}

fn family(subject: &Subject<'_>) -> &'static str {
    match subject {
        Subject::Finding(it) => it.class.dataset(),
        Subject::Note(_) => "note",
        Subject::Asset(_) => "asset",
        Subject::Login(_) => "login",
        Subject::Account(_) => "account",
        Subject::Activity(_) => "activity",
        Subject::Generic => "generic",
    }
}

fn severity(level: Severity) -> &'static str {
    match level {
        Severity::Informational => "informational",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}
