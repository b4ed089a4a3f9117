//! Secrets where they should not be: secret scanning alerts. The value of one is never shown.
//!
//! Members that this reader does not know are hidden as far as they could hold one: all but
//! numbers, `true` and `false`.

use crate::normalize::json::{self, Object, text};
use crate::normalize::model::{Finding, FindingClass, Subject, seen};
use crate::normalize::severity;
use crate::settings::Severity;

use super::{Reading, alert, places, user};

const PRODUCT: (&str, &str) = ("secret-scanning", "Secret scanning");
/// GitHub does not rate secrets. One that is out is as bad as what it opens.
const LEVEL: Severity = Severity::High;

/// `secret_scanning_alert` and `secret_scanning_alert_location`.
pub(super) fn alert<'a>(reading: &mut Reading<'_, 'a>) -> Subject<'a> {
    let from = reading.body.take("alert", json::object);
    let mut from = from.unwrap_or_default();
    let mut finding = alert::begin(reading, &mut from, FindingClass::Secret, PRODUCT);
    // Known, and never shown.
    from.take("secret", Some);
    finding.rule_type = text(&mut from, "secret_type");
    finding.title = text(&mut from, "secret_type_display_name");
    if finding.title.is_none() {
        finding.title = finding.rule_type.clone();
    }
    let validity = text(&mut from, "validity");
    let words = [seen(&validity), seen(&finding.rule_type)];
    finding.level = severity::by_own_words(words, reading.severities).or(Some(LEVEL));
    let model = &mut reading.model;
    model.keep(&places::VALIDITY, validity);
    model.keep(&places::PUBLICLY_LEAKED, text(&mut from, "publicly_leaked"));
    model.keep(&places::MULTI_REPO, text(&mut from, "multi_repo"));
    bypass(reading, &mut from);
    for key in ["location", "first_location_detected"] {
        let place = match key {
            "location" => reading.body.take(key, json::object),
            _ => from.take(key, json::object),
        };
        if let Some(mut place) = place {
            location(reading, &mut finding, &mut place);
        }
    }
    reading.leave_closed("alert.", from);
    let body = std::mem::take(&mut reading.body);
    reading.leave_closed("", body);
    reading.model.message = alert::message(PRODUCT.1, &finding);
    Subject::Finding(Box::new(finding))
}

/// Somebody was warned and pushed all the same.
fn bypass<'a>(reading: &mut Reading<'_, 'a>, from: &mut Object<'a>) {
    let bypassed = text(from, "push_protection_bypassed");
    reading.model.keep(&places::BYPASSED, bypassed);
    let at = text(from, "push_protection_bypassed_at");
    reading.model.keep(&places::BYPASSED_AT, at);
    let by = from.take("push_protection_bypassed_by", user);
    let by = by.unwrap_or_default().word();
    reading.model.keep(&places::BYPASSED_BY, by);
}

/// A place in a commit, an issue, a wiki and so on: with or without the object around it.
fn location<'a>(reading: &mut Reading<'_, 'a>, finding: &mut Finding<'a>, from: &mut Object<'a>) {
    let kind = text(from, "type");
    reading.model.keep(&places::LOCATION_TYPE, kind);
    let details = from.take("details", json::object);
    let mut details = details.unwrap_or_else(|| std::mem::take(from));
    let place = &mut finding.location;
    place.path = place.path.take().or(text(&mut details, "path"));
    place.start_line = place
        .start_line
        .or(details.take("start_line", json::number));
    place.end_line = place.end_line.or(details.take("end_line", json::number));
    place.commit = place.commit.take().or(text(&mut details, "commit_sha"));
}
