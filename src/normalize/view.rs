//! What a condition can ask of the model of an event: its parts as JSON text.
//!
//! The words of families, severities and outcomes are the configuration's; where the model has
//! words of its own, they are the same. Knows no format and no vendor.

use std::borrow::Cow;

use serde_json::Value;

use super::Reading;
use super::model::{Asset, Finding, Model, Subject, Text, seen};
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
    pub fn read(payload: &'a [u8], provenance: &Provenance, reading: &Reading) -> Self {
        let text = std::str::from_utf8(payload).unwrap_or_default();
        let mut envelope = super::envelope(text, reading);
        Self {
            model: super::model(&mut envelope, provenance, reading),
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
            ModelPart::Vendor => model.vendor,
            ModelPart::Product => model.product.as_deref(),
            ModelPart::Type => seen(&model.code),
            ModelPart::Family => Some(family(&model.subject)),
            ModelPart::Action => model.action.as_deref(),
            ModelPart::Severity => finding.and_then(|it| it.level).map(severity),
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
                Subject::Login(it) => seen(&it.user),
                Subject::Account(it) => seen(&it.user),
                Subject::Note(it) => seen(&it.author),
                _ => None,
            },
            ModelPart::Address => match &model.subject {
                Subject::Login(it) => seen(&it.address),
                _ => of_finding(|it| &it.address),
            },
            // No text; see `json`.
            ModelPart::Test => None,
        };
        found.map(Cow::Borrowed)
    }

    fn finding(&self) -> Option<&Finding<'a>> {
        match &self.model.subject {
            Subject::Violation(it) | Subject::MobileFinding(it) | Subject::Protection(it) => {
                Some(it)
            }
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
        let Subject::Login(login) = &self.model.subject else {
            return None;
        };
        login
            .success
            .map(|success| if success { "success" } else { "failure" })
    }
}

fn family(subject: &Subject<'_>) -> &'static str {
    match subject {
        Subject::Violation(_) => "policy_violation",
        Subject::MobileFinding(_) => "mobile_finding",
        Subject::Protection(_) => "protection",
        Subject::Note(_) => "note",
        Subject::Asset(_) => "asset",
        Subject::Login(_) => "login",
        Subject::Account(_) => "account",
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
