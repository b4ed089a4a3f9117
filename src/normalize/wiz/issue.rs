//! Issues of Wiz, and single findings of its configuration rules: resources that are not set up as
//! a control or a rule asks.
//!
//! An issue of the type `THREAT_DETECTION` is a detection. Evidence is not shown: it can hold what
//! a scanner found of secrets.

use crate::normalize::instant;
use crate::normalize::json::{self, Object, first, text};
use crate::normalize::model::{Change, Finding, FindingClass, Subject, seen};

use super::asset::{listed, resource, texts};
use super::{Reading, places};

/// `issue`, with `resource` and `control` beside it or inside.
pub(super) fn read<'a>(reading: &mut Reading<'_, 'a>) -> Subject<'a> {
    let from = reading.body.take("issue", json::object);
    let mut from = from.unwrap_or_default();
    let kind = text(&mut from, "type");
    let class = match seen(&kind) {
        Some("THREAT_DETECTION") => FindingClass::Detection,
        _ => FindingClass::Misconfiguration,
    };
    reading.product("issues", "Issues");
    let mut finding = Finding {
        class,
        uid: text(&mut from, "id"),
        severity: text(&mut from, "severity"),
        status: text(&mut from, "status"),
        category: kind,
        exception: reading.reason(&mut from),
        portal_url: first(&mut from, &["url", "issueURL", "portalUrl"]),
        created: take_first(&mut from, &["created", "createdAt"]),
        updated: take_first(&mut from, &["updatedAt", "updated"]),
        exception_at: take_first(&mut from, &["resolvedAt"]),
        ..Finding::default()
    };
    let model = &mut reading.model;
    model.keep(&places::PROJECTS, from.take("projects", listed));
    model.keep(&places::NOTES, from.take("notes", listed));
    let mut beside = |keys: [&str; 2], inside: [&str; 2]| {
        let outer = keys
            .iter()
            .find_map(|key| reading.body.take(key, json::object));
        outer.or_else(|| inside.iter().find_map(|key| from.take(key, json::object)))
    };
    let asset = beside(["resource", "entity"], ["entitySnapshot", "entity"]);
    let control = beside(["control", "sourceRule"], ["control", "sourceRule"]);
    if let Some(asset) = asset {
        finding.asset = resource(reading, asset, "resource.");
    }
    if let Some(found) = control {
        rule(reading, &mut finding, found);
    }
    from.take("evidence", Some);
    reading.leave("issue.", from);
    reading.end(finding)
}

/// The control that an issue comes from, or the rule of a configuration finding.
fn rule<'a>(reading: &mut Reading<'_, 'a>, finding: &mut Finding<'a>, mut from: Object<'a>) {
    let from = &mut from;
    finding.rule_type = text(from, "id");
    finding.title = text(from, "name");
    finding.policy_name = finding.title.clone();
    let keys = ["description", "descriptionPlainText", "controlDescription"];
    finding.description = first(from, &keys);
    let keys = [
        "resolutionRecommendationPlainText",
        "resolutionRecommendation",
        "remediationInstructions",
    ];
    finding.recommendation = first(from, &keys);
    from.take("resolutionRecommendation", Some);
    let source = ["sourceCloudConfigurationRule", "sourceRule"];
    let source = source.iter().find_map(|key| from.take(key, json::object));
    if let Some(mut source) = source {
        finding.rule_uuid = first(&mut source, &["shortId", "id"]);
        for key in ["id", "name", "__typename"] {
            source.take(key, Some);
        }
        reading.leave("control.sourceRule.", source);
    }
    let model = &mut reading.model;
    finding.rule_uuid = finding.rule_uuid.take().or(text(from, "shortId"));
    model.keep(&places::CONTROL_SEVERITY, text(from, "severity"));
    model.keep(&places::RISKS, from.take("risks", listed));
    let frameworks = from.take("securitySubCategories", listed);
    model.keep(&places::FRAMEWORKS, frameworks);
    let rest = std::mem::take(from);
    reading.leave("control.", rest);
}

/// A configuration finding: whether one resource passes one rule. The names of its members are
/// those of the vendor's interface; no webhook of it is published.
pub(super) fn configuration<'a>(
    reading: &mut Reading<'_, 'a>,
    mut from: Object<'a>,
    path: &str,
) -> Subject<'a> {
    reading.product("configuration-findings", "Configuration findings");
    let result = text(&mut from, "result");
    let mut finding = Finding {
        class: FindingClass::Misconfiguration,
        uid: text(&mut from, "id"),
        severity: text(&mut from, "severity"),
        status: text(&mut from, "status"),
        portal_url: first(&mut from, &["portalUrl", "url"]),
        recommendation: text(&mut from, "remediation"),
        created: take_first(&mut from, &["firstSeenAt", "createdAt"]),
        updated: take_first(&mut from, &["analyzedAt", "updatedAt"]),
        exception_at: take_first(&mut from, &["resolvedAt"]),
        exception: reading.reason(&mut from),
        ..Finding::default()
    };
    // The result tells where there is no status.
    finding.change = match seen(&result) {
        Some("FAIL") => Some(Change::Opened),
        Some("PASS") => Some(Change::Resolved),
        _ => None,
    };
    let model = &mut reading.model;
    model.keep(&places::RESULT, result);
    model.keep(&places::PROJECTS, from.take("projects", listed));
    let techniques = from.take("mitreTechniques", texts);
    finding.techniques = techniques.unwrap_or_default();
    let recommendation = finding.recommendation.take();
    if let Some(found) = from.take("rule", json::object) {
        rule(reading, &mut finding, found);
    }
    finding.recommendation = recommendation.or(finding.recommendation);
    if let Some(asset) = from.take("resource", json::object) {
        finding.asset = resource(reading, asset, "resource.");
    }
    from.take("evidence", Some);
    reading.leave(path, from);
    reading.end(finding)
}

/// The first of these members that is a date.
pub(super) fn take_first(from: &mut Object<'_>, keys: &[&str]) -> Option<jiff::Timestamp> {
    let mut keys = keys.iter();
    keys.find_map(|key| from.take(key, instant::from_rfc3339))
}
