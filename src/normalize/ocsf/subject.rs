//! What an event is about, in attributes of its OCSF class.
//!
//! Requirements and values are those of the 1.8.0 classes and objects. Where a class requires
//! what the vendor did not say, the word `unknown` stands in and nothing is guessed.

use crate::normalize::document::{Document, Field};
use crate::normalize::model::{Note, Subject};

use super::{Around, Class, finding, people};

/// Writes the subject and says of which class the event is.
pub(super) fn write<'a>(
    to: &mut Document<'a>,
    subject: Subject<'a>,
    around: Around<'_, 'a>,
) -> Class {
    match subject {
        Subject::Finding(it) => finding::finding(to, *it, around),
        Subject::Note(it) => {
            note(to, *it, &around);
            finding::posture((2, "Update"))
        }
        Subject::Asset(it) => {
            finding::cloud(to, &it);
            finding::rest_of_asset(to, &it);
            to.put("resources", Field::Objects(vec![finding::resource(*it)]));
            Class {
                category: 5,
                uid: 5023,
                name: "Cloud Resources Inventory Info",
                activity: 2,
                activity_name: "Collect",
            }
        }
        Subject::Login(it) => people::login(to, *it, around),
        Subject::Account(it) => people::account(to, *it, around),
        Subject::Activity(it) => people::activity(to, *it, around),
        Subject::Generic => {
            to.put_some("unmapped.ip_address", around.origin.address);
            to.put_some("unmapped.user_name", around.origin.user.word());
            Class {
                category: 0,
                uid: 0,
                name: "Base Event",
                activity: 0,
                activity_name: "Unknown",
            }
        }
    }
}

fn note<'a>(to: &mut Document<'a>, it: Note<'a>, around: &Around<'_, 'a>) {
    let uid = it.finding_uid.or_else(|| it.uid.clone());
    let uid = uid.unwrap_or_else(|| around.facts.event.id.to_string().into());
    to.put("finding_info.uid", uid);
    let changed = it.created.map(|at| at.as_millisecond());
    to.put_some("finding_info.modified_time", changed);
    to.put_some("comment", it.text);
    to.put_some("unmapped.note_uuid", it.uid);
    to.put_some("unmapped.note_author", it.author);
    to.put("status_id", 0_u64);
    to.put("status", "Unknown");
    to.put("compliance.status_id", 0_u64);
}
