//! What an event is about, in fields of ECS and below the vendor's own name.
//!
//! `event.kind`, `category` and `type` are those that ECS names for each kind of event. Nothing
//! is put below an ECS name that ECS does not define.

use std::borrow::Cow;

use crate::normalize::document::Document;
use crate::normalize::model::{Note, Subject};
use crate::normalize::vendor::Vendor;

use super::{finding, people};

/// Writes the subject; nothing for an event that is about nothing known.
pub(super) fn write<'a>(to: &mut Document<'a>, vendor: &'static Vendor, subject: Subject<'a>) {
    match subject {
        Subject::Finding(it) => finding::finding(to, vendor, *it),
        Subject::Note(it) => note(to, vendor, *it),
        Subject::Asset(it) => {
            kind(to, vendor, "asset", "network", &["info"]);
            to.put("event.kind", "asset");
            to.put_some("event.start", it.created.map(|at| at.to_string()));
            to.put_some("event.url", it.portal_url.clone());
            finding::asset(to, &vendor.ecs, *it);
        }
        Subject::Login(it) => people::login(to, vendor, *it),
        Subject::Account(it) => people::account(to, vendor, *it),
        Subject::Activity(it) => people::activity(to, vendor, *it),
        Subject::Generic => {}
    }
}

/// The three words by which ECS sorts events, and the vendor's stream.
pub(super) fn kind(
    to: &mut Document<'_>,
    vendor: &'static Vendor,
    dataset: &'static str,
    category: &'static str,
    types: &[&'static str],
) {
    to.put("event.dataset", format!("{}.{dataset}", vendor.module));
    to.put("event.category", vec![Cow::Borrowed(category)]);
    let types: Vec<Cow<'_, str>> = types.iter().map(|name| Cow::Borrowed(*name)).collect();
    to.put("event.type", types);
}

fn note<'a>(to: &mut Document<'a>, vendor: &'static Vendor, it: Note<'a>) {
    kind(to, vendor, "finding_note", "configuration", &["info"]);
    to.put_some(vendor.ecs.note_uuid, it.uid);
    to.put_some(vendor.ecs.finding_uuid, it.finding_uid);
    to.put_some(vendor.ecs.note_text, it.text);
    to.put_some("event.start", it.created.map(|at| at.to_string()));
    if let Some(author) = it.author {
        to.put("user.name", author.clone());
        to.add("related.user", author);
    }
}
