//! Snyk's webhooks into the model: snapshots of projects, and the ping.
//!
//! A snapshot says what is new and what is gone since the last test of a project, most often
//! nothing. It is one finding: the worst of the new issues, else of those that are gone, is
//! described; `weaknesses` has all on that side, and the lists of `model::Issues` those of both.
//! Facts are those of the vendor's documentation of webhooks, which calls them a beta that may
//! change at any time; `docs/mapping/snyk-ecs.md` lists the result.

use std::borrow::Cow;
use std::cmp::Reverse;

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::event::Provenance;
use crate::settings::Severity;

use super::json::{self, Object, first, text};
use super::model::{
    Asset, COUNTED_MAX, Change, Finding, FindingClass, Issues, LISTED_MAX, Model, Subject, Text,
    count, list, seen,
};
use super::vendor::SNYK;
use super::{headers, instant, kind, mask, severity};

mod issue;
mod places;

use issue::Issue;

/// The header that names the event: `project_snapshot/v0`.
const EVENT: &str = "x-snyk-event";
/// The header with the id of the transport, of which nothing says that a retry has the same.
const TRANSPORT: &str = "x-snyk-transport-id";
/// The header with the time of the event.
const TIMESTAMP: &str = "x-snyk-timestamp";
/// The version of events that is documented.
const VERSION: &str = "v0";

/// Reads one event.
pub(super) fn read<'a>(
    payload: &'a str,
    provenance: &'a Provenance,
    severities: &[(String, Severity)],
) -> Model<'a> {
    let mut model = Model::of(&SNYK);
    model.keep(&places::TRANSPORT, headers::value(provenance, TRANSPORT));
    let stated = headers::value(provenance, TIMESTAMP);
    model.time = seen(&stated).and_then(instant::from_text);
    model.odd_time = stated.is_some() && model.time.is_none();
    let Some(mut body) = Object::parse(payload) else {
        model.notes.types = 1;
        return model;
    };
    let named = headers::value(provenance, EVENT);
    let name = match named.as_deref().map(|name| name.split_once('/')) {
        Some(Some((name, version))) => {
            model.notes.versions = u64::from(version != VERSION);
            model.version = Some(version.to_owned().into());
            Some(name.to_owned())
        }
        Some(None) => named.as_deref().map(str::to_owned),
        None => by_shape(&body).map(str::to_owned),
    };
    match name.as_deref() {
        Some("project_snapshot") => snapshot(&mut model, &mut body, severities),
        Some("ping") => {
            model.action = Some("connectivity-test".to_owned());
            model.keep(&places::WEBHOOK, text(&mut body, "webhookId"));
        }
        _ => {
            model.notes.types = 1;
            let words = name.as_deref().map(kind::words);
            model.action = words.filter(|words| !words.is_empty());
        }
    }
    model.code = name.map(Cow::Owned);
    model.other.keep_but("", body, mask::hides);
    model.count_other();
    model
}

/// The name of an event by what only it has.
fn by_shape(body: &Object<'_>) -> Option<&'static str> {
    let has = |key: &str| body.get(key).is_some();
    if has("newIssues") || has("removedIssues") {
        return Some("project_snapshot");
    }
    has("webhookId").then_some("ping")
}

fn snapshot<'a>(model: &mut Model<'a>, body: &mut Object<'a>, severities: &[(String, Severity)]) {
    let (asset, tested) = project(model, body);
    let ecosystem = asset.kind.clone();
    model.time = model.time.or(tested);
    owners(model, body);
    let mut all = Issues::default();
    let mut issues = Vec::new();
    for (key, gone) in [("newIssues", false), ("removedIssues", true)] {
        let raw = body.take(key, |value| json::array(value, COUNTED_MAX));
        let raw = raw.unwrap_or_default();
        let counted = if gone {
            &mut all.resolved
        } else {
            &mut all.opened
        };
        *counted = count(&raw);
        issues.extend(read_all(raw, gone, severities));
    }
    let name = asset.name.as_deref().unwrap_or("a project").to_owned();
    model.action = Some("project-snapshot".to_owned());
    model.message = Some(summary(&all, &name).into());
    let asset = Asset {
        kind: Some("project".into()),
        ..asset
    };
    if issues.is_empty() {
        // A test without news is no finding.
        return quiet(model, asset);
    }
    for issue in &mut issues {
        issue.weakness.package.ecosystem = ecosystem.clone();
        let ids = match issue.gone {
            true => &mut all.resolved_ids,
            false => &mut all.opened_ids,
        };
        list(ids, issue.id.clone());
        list(&mut all.cves, issue.weakness.cve.clone());
        keep_rest(model, issue);
    }
    model.subject = Subject::Finding(Box::new(finding(model, asset, all, issues)));
}

fn read_all<'a>(
    mut raw: Vec<&'a RawValue>,
    gone: bool,
    severities: &[(String, Severity)],
) -> Vec<Issue<'a>> {
    // The worst may be anywhere; equals stay as they came.
    raw.sort_by_cached_key(|value| Reverse(severity::id(issue::level(value, severities))));
    let listed = raw.into_iter().take(LISTED_MAX);
    let issues = listed.filter_map(|value| Issue::read(value, gone, severities));
    issues.collect()
}

/// Members of issues that nobody knows: one place for all of them, so that two do not differ by
/// where they are in a list.
fn keep_rest<'a>(model: &mut Model<'a>, issue: &mut Issue<'a>) {
    let list = if issue.gone {
        "removedIssues."
    } else {
        "newIssues."
    };
    for (below, rest) in std::mem::take(&mut issue.rest) {
        model
            .other
            .keep_but(&format!("{list}{below}"), rest, mask::hides);
    }
    let odd = issue.severity.is_some() && issue.level.is_none();
    model.notes.values += u64::from(odd);
}

fn summary(all: &Issues<'_>, project: &str) -> String {
    let issues = |number: u64| if number == 1 { "issue" } else { "issues" };
    match (all.opened, all.resolved) {
        (0, 0) => format!("no new or removed issues in {project}"),
        (new, 0) => format!("{new} new {} in {project}", issues(new)),
        (0, gone) => format!("{gone} {} removed from {project}", issues(gone)),
        (new, gone) => format!("{new} new {} in {project}, {gone} removed", issues(new)),
    }
}

fn finding<'a>(
    model: &mut Model<'a>,
    asset: Asset<'a>,
    all: Issues<'a>,
    mut issues: Vec<Issue<'a>>,
) -> Finding<'a> {
    // What is new comes before what is gone, and the worst first; equals stay as they came.
    issues.sort_by_key(|issue| (issue.gone, Reverse(severity::id(issue.level))));
    let only_gone = issues.iter().all(|issue| issue.gone);
    let single = all.opened.saturating_add(all.resolved) == 1;
    issues.retain(|issue| issue.gone == only_gone);
    // Something new is an alert, whatever else is gone.
    let change = match only_gone {
        true => Change::Resolved,
        false => Change::Opened,
    };
    let mut finding = Finding {
        class: FindingClass::Vulnerability,
        change: Some(change),
        portal_url: asset.portal_url.clone(),
        issues: Some(Box::new(all)),
        asset,
        ..Finding::default()
    };
    let Some(worst) = issues.first_mut() else {
        return finding;
    };
    finding.severity = worst.severity.take();
    finding.level = worst.level;
    finding.description = worst.description.take();
    finding.title = worst.weakness.title.clone();
    finding.rule_type = worst.id.clone();
    finding.recommendation = repair(worst);
    if single {
        finding.uid = uid(&finding.asset, worst);
    }
    model.keep(&places::ISSUE, worst.id.clone());
    model.keep(&places::ISSUE_TYPE, worst.kind.take());
    model.keep(&places::MATURITY, worst.maturity.take());
    model.keep(&places::SCORE, worst.priority.take());
    model.keep(&places::IGNORED, worst.ignored.take());
    let [upgradable, patchable, pinnable] = std::mem::take(&mut worst.repairs);
    model.keep(&places::UPGRADABLE, upgradable);
    model.keep(&places::PATCHABLE, patchable);
    model.keep(&places::PINNABLE, pinnable);
    finding.weaknesses = issues.into_iter().map(|issue| issue.weakness).collect();
    finding
}

/// Joins the events of one issue in one project.
fn uid(asset: &Asset<'_>, issue: &Issue<'_>) -> Text<'static> {
    let project = asset.uid.as_deref()?;
    let issue = issue.id.as_deref()?;
    Some(format!("{project}/{issue}").into())
}

fn repair(issue: &Issue<'_>) -> Text<'static> {
    let package = &issue.weakness.package;
    let (name, fixed) = (package.name.as_deref()?, package.fixed.as_deref()?);
    Some(format!("Update {name} to {fixed} or later").into())
}

/// Nothing is claimed but that the project was tested.
fn quiet<'a>(model: &mut Model<'a>, asset: Asset<'a>) {
    model.keep(&places::PROJECT, asset.uid);
    model.keep(&places::PROJECT_NAME, asset.name);
}

/// The project, with its kind of packages in place of a kind of asset, and when it was tested.
fn project<'a>(model: &mut Model<'a>, body: &mut Object<'a>) -> (Asset<'a>, Option<Timestamp>) {
    let from = body.take("project", json::object);
    let mut from = from.unwrap_or_default();
    let asset = Asset {
        uid: text(&mut from, "id"),
        name: text(&mut from, "name"),
        kind: text(&mut from, "type"),
        portal_url: text(&mut from, "browseUrl"),
        created: from.take("created", instant::from_rfc3339),
        ..Asset::default()
    };
    let tested = from.take("lastTestedDate", instant::from_rfc3339);
    model.keep(&places::ORIGIN, text(&mut from, "origin"));
    model.keep(&places::REPOSITORY, text(&mut from, "remoteRepoUrl"));
    model.keep(&places::BRANCH, text(&mut from, "branch"));
    model.keep(
        &places::TARGET_REFERENCE,
        text(&mut from, "targetReference"),
    );
    model.keep(&places::IMAGE, text(&mut from, "imageId"));
    model.keep(&places::IMAGE_TAG, text(&mut from, "imageTag"));
    model.keep(&places::BASE_IMAGE, text(&mut from, "imageBaseImage"));
    model.keep(&places::CLUSTER, text(&mut from, "imageCluster"));
    model.keep(&places::HOST, text(&mut from, "hostname"));
    // How the project is set up, what it has had before, and who once imported it.
    let known = [
        "readOnly",
        "testFrequency",
        "totalDependencies",
        "issueCountsBySeverity",
        "imagePlatform",
        "importingUser",
        "owner",
        "isMonitored",
        "tags",
        "attributes",
        "remediation",
    ];
    for key in known {
        from.take(key, Some);
    }
    model.other.keep_but("project.", from, mask::hides);
    (asset, tested)
}

/// The organisation and the group that it belongs to.
fn owners<'a>(model: &mut Model<'a>, body: &mut Object<'a>) {
    let organization = body.take("org", json::object);
    let mut organization = organization.unwrap_or_default();
    model.keep(&places::ORGANIZATION_ID, text(&mut organization, "id"));
    model.organization = first(&mut organization, &["name", "slug"]);
    let group = body.take("group", json::object);
    let mut group = group.unwrap_or_default();
    model.keep(&places::GROUP_ID, text(&mut group, "id"));
    model.keep(&places::GROUP, text(&mut group, "name"));
}
