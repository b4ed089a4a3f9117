//! Resources as Wiz writes them in its several webhooks, and lists of names.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::normalize::instant;
use crate::normalize::json::{self, Object, first, text};
use crate::normalize::model::{Asset, LISTED_MAX, Text};

use super::{Reading, places};

/// A resource; `path` is where it is in the payload.
pub(super) fn resource<'a>(
    reading: &mut Reading<'_, 'a>,
    mut from: Object<'a>,
    path: &str,
) -> Asset<'a> {
    let from = &mut from;
    let model = &mut reading.model;
    let mut asset = Asset {
        uid: first(
            from,
            &["providerUniqueId", "providerId", "externalId", "id"],
        ),
        name: text(from, "name"),
        kind: first(from, &["nativeType", "type"]),
        hosted_on: first(from, &["cloudPlatform", "cloudProvider"]),
        account_uid: first(from, &["subscriptionExternalId", "subscriptionId"]),
        account_name: text(from, "subscriptionName"),
        region: text(from, "region"),
        console_url: first(from, &["cloudProviderURL", "cloudProviderUrl"]),
        created: from.take("createdAt", instant::from_rfc3339),
        ..Asset::default()
    };
    if let Some(account) = from.take("cloudAccount", json::object) {
        cloud_account(&mut asset, account);
    }
    model.keep(&places::RESOURCE_STATUS, text(from, "status"));
    // The id within Wiz, where another one is better known.
    model.keep(&places::EXTERNAL_ID, first(from, &["externalId", "id"]));
    model.keep(&places::CLUSTER, text(from, "kubernetesClusterName"));
    model.keep(&places::NAMESPACE, text(from, "kubernetesNamespaceName"));
    // The cloud's own description can hold anything, also credentials.
    for key in ["cloudProviderOriginalJson", "type", "subscriptionId"] {
        from.take(key, Some);
    }
    let rest = std::mem::take(from);
    reading.leave(path, rest);
    asset
}

/// An account, subscription or project of a cloud.
pub(super) fn cloud_account<'a>(to: &mut Asset<'a>, mut from: Object<'a>) {
    let platform = first(&mut from, &["cloudPlatform", "cloudProvider"]);
    to.hosted_on = to.hosted_on.take().or(platform);
    let uid = first(&mut from, &["externalId", "id"]);
    to.account_uid = to.account_uid.take().or(uid);
    to.account_name = to.account_name.take().or(text(&mut from, "name"));
}

/// The objects of an array.
pub(super) fn objects<'a>(value: &'a RawValue) -> Option<Vec<Object<'a>>> {
    let all = json::array(value, LISTED_MAX)?.into_iter();
    Some(all.filter_map(json::object).collect())
}

/// Texts as one: those of an array, the names of its objects, or a text with commas, which
/// Wiz's templates end with one.
pub(super) fn listed<'a>(value: &'a RawValue) -> Text<'a> {
    let Some(all) = json::array(value, LISTED_MAX) else {
        return json::scalar(value).and_then(|text| trimmed(&text));
    };
    let all = all.into_iter().filter_map(|one| match json::object(one) {
        Some(mut named) => first(&mut named, &["name", "id"]),
        None => json::scalar(one),
    });
    let all: Vec<Cow<'_, str>> = all.collect();
    (!all.is_empty()).then(|| all.join(",").into())
}

/// The texts of an array, or of a text with commas.
pub(super) fn texts<'a>(value: &'a RawValue) -> Option<Vec<Cow<'a, str>>> {
    match json::array(value, LISTED_MAX) {
        Some(all) => Some(all.into_iter().filter_map(json::scalar).collect()),
        None => {
            let text = json::scalar(value)?;
            let parts = text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            let parts = parts.take(LISTED_MAX).map(|part| part.to_owned().into());
            Some(parts.collect())
        }
    }
}

fn trimmed(text: &str) -> Text<'static> {
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let parts: Vec<&str> = parts.collect();
    (!parts.is_empty()).then(|| parts.join(",").into())
}
