//! Weaknesses in a repository's own code: code scanning alerts.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::normalize::json::{self, Object, first, text};
use crate::normalize::model::{Finding, FindingClass, Location, Subject, Weakness};
use crate::normalize::severity;

use super::{Reading, alert, places};

const PRODUCT: (&str, &str) = ("code-scanning", "Code scanning");
/// How CodeQL tags a kind of weakness: `external/cwe/cwe-089`.
const CWE_TAG: &str = "external/cwe/cwe-";
/// Most tags of a rule looked at.
const TAGS_MAX: usize = 64;

/// `code_scanning_alert`.
pub(super) fn alert<'a>(reading: &mut Reading<'_, 'a>) -> Subject<'a> {
    let from = reading.body.take("alert", json::object);
    let mut from = from.unwrap_or_default();
    let mut finding = alert::begin(reading, &mut from, FindingClass::Code, PRODUCT);
    if let Some(mut found) = from.take("rule", json::object) {
        rule(reading, &mut finding, &mut found);
        reading.leave("alert.rule.", found);
    }
    if let Some(mut tool) = from.take("tool", json::object) {
        let model = &mut reading.model;
        finding.policy_name = text(&mut tool, "name");
        model.keep(&places::TOOL, finding.policy_name.clone());
        model.keep(&places::TOOL_VERSION, text(&mut tool, "version"));
        reading.leave("alert.tool.", tool);
    }
    instance(reading, &mut finding, &mut from);
    let reference = text(&mut reading.body, "ref");
    let commit = text(&mut reading.body, "commit_oid");
    let location = &mut finding.location;
    location.reference = location.reference.take().or(reference);
    location.commit = location.commit.take().or(commit);
    reading.leave("alert.", from);
    finding.level = severity::level(&finding, reading.severities);
    let odd = finding.severity.is_some() && finding.level.is_none();
    reading.model.notes.values += u64::from(odd);
    reading.model.message = alert::message(PRODUCT.1, &finding);
    Subject::Finding(Box::new(finding))
}

fn rule<'a>(reading: &mut Reading<'_, 'a>, finding: &mut Finding<'a>, from: &mut Object<'a>) {
    finding.rule_type = text(from, "id");
    let technical = text(from, "severity");
    finding.severity = text(from, "security_severity_level").or_else(|| technical.clone());
    reading.model.keep(&places::RULE_SEVERITY, technical);
    let name = text(from, "name");
    finding.title = text(from, "description").or(name);
    finding.description = text(from, "full_description");
    finding.recommendation = text(from, "help");
    finding.policy_url = text(from, "help_uri");
    let cwes = from.take("tags", kinds).unwrap_or_default();
    if !cwes.is_empty() {
        finding.weaknesses.push(Weakness {
            cwes,
            title: finding.title.clone(),
            ..Weakness::default()
        });
    }
}

/// Kinds of weakness among a rule's tags; other tags are of the tool.
fn kinds(value: &RawValue) -> Option<Vec<Cow<'static, str>>> {
    let tags = json::array(value, TAGS_MAX)?.into_iter();
    let kinds = tags.filter_map(|tag| {
        let tag = json::string(tag)?.to_ascii_lowercase();
        let number: u32 = tag.strip_prefix(CWE_TAG)?.parse().ok()?;
        Some(format!("CWE-{number}").into())
    });
    Some(kinds.collect())
}

/// Where it was found: the most recent instance, in older events the first of all.
fn instance<'a>(reading: &mut Reading<'_, 'a>, finding: &mut Finding<'a>, from: &mut Object<'a>) {
    let recent = from.take("most_recent_instance", json::object);
    let older = from.take("instances", |value| json::array(value, 1));
    let older = older.and_then(|all| all.into_iter().next());
    let Some(mut instance) = recent.or_else(|| older.and_then(json::object)) else {
        return;
    };
    let mut location = Location {
        commit: text(&mut instance, "commit_sha"),
        reference: text(&mut instance, "ref"),
        ..Location::default()
    };
    if let Some(mut place) = instance.take("location", json::object) {
        location.path = text(&mut place, "path");
        location.start_line = place.take("start_line", json::number);
        location.end_line = place.take("end_line", json::number);
    }
    finding.location = location;
    let message = instance.take("message", json::object);
    finding.additional = message.and_then(|mut message| text(&mut message, "text"));
    let analysis = first(&mut instance, &["category", "analysis_key"]);
    reading.model.keep(&places::ANALYSIS, analysis);
    // The state is the alert's; what else it has tells of the run and not of the weakness.
    for key in [
        "state",
        "environment",
        "analysis_key",
        "classifications",
        "html_url",
    ] {
        instance.take(key, Some);
    }
    reading.leave("alert.most_recent_instance.", instance);
}
