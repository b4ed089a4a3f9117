//! What of a request follows from its events: segments of the path, and headers.
//!
//! All events of one request are alike in it, and what is alike is a part of the destination that
//! can refuse for itself: a path that is not there holds its own events only. Scheme, host and
//! query, and the path that the URL has, are the same for all.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName};

use super::encode::insert;
use crate::settings::{HttpNames, Letters, NamePart};
use crate::sink::client::{Client, Target};
use crate::sink::{Rendered, Scope, Verdict, name};

/// Statuses that are about the credentials, which are the same for all.
const OF_ALL: [u16; 3] = [401, 403, 407];

/// How the names of a destination's requests are made.
pub(super) struct Names {
    path: Vec<Vec<NamePart>>,
    headers: Vec<(HeaderName, Vec<NamePart>)>,
}

/// Those of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    path: Vec<String>,
    headers: Vec<(HeaderName, String)>,
}

impl Names {
    /// `headers` are those of the settings, whose names were looked at.
    pub(super) fn new(
        settings: &HttpNames,
        headers: Vec<(HeaderName, Vec<NamePart>)>,
    ) -> Option<Self> {
        let path = settings.path.clone();
        let any = !path.is_empty() || !headers.is_empty();
        any.then_some(Self { path, headers })
    }

    pub(super) fn of(&self, event: &Rendered) -> Named {
        let id = event.id();
        let segment = |parts: &Vec<NamePart>| name::fill(parts, Letters::Plain, event, id);
        let header = |(header, parts): &(HeaderName, Vec<NamePart>)| {
            let value = name::fill(parts, Letters::Header, event, id);
            (header.clone(), value)
        };
        Named {
            path: self.path.iter().map(segment).collect(),
            headers: self.headers.iter().map(header).collect(),
        }
    }
}

impl Named {
    /// What people call the part of the destination. The URL is not in it: that can be a secret.
    ///
    /// Different names have different texts: of what stands between two values the template
    /// decides, and no value has a space.
    pub(super) fn part(&self) -> Arc<str> {
        let headers = self.headers.iter();
        let headers = headers.map(|(header, value)| format!("{header}: {value}"));
        let texts: Vec<_> = self.path().into_iter().chain(headers).collect();
        texts.join(", ").into()
    }

    /// The segments behind the URL's path; none where nothing of it follows from events.
    pub(super) fn path(&self) -> Option<String> {
        Some(self.path.join("/")).filter(|path| !path.is_empty())
    }

    /// The URL with these segments, each percent-encoded, behind its path; none where it is the
    /// URL as it stands.
    pub(super) fn target(&self, client: &Client) -> Option<Target> {
        let segments: Vec<_> = self.path.iter().map(String::as_str).collect();
        (!segments.is_empty()).then(|| client.target(&segments, &[]))
    }

    /// All that follows from the event, segment by segment and header by header.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let headers = self.headers.iter();
        let headers = headers.flat_map(|(header, value)| [header.as_str(), value]);
        self.path.iter().map(String::as_str).chain(headers)
    }

    pub(super) fn insert(&self, headers: &mut HeaderMap) {
        for (header, value) in &self.headers {
            insert(headers, header.clone(), value);
        }
    }

    /// The same verdict on an answer, about this part of the destination where the answer can be
    /// about that: any other value may get another one.
    pub(super) fn narrow(&self, status: u16, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Hold {
                cause,
                detail,
                scope: Scope::Destination,
            } if !OF_ALL.contains(&status) => Verdict::Hold {
                cause,
                detail,
                scope: Scope::Partition(self.part()),
            },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Pointer;
    use crate::sink::payload::tests::rendered;
    use proptest::prelude::*;

    fn value(step: &str) -> NamePart {
        NamePart::Value {
            at: Pointer(vec![step.to_owned()]),
            otherwise: "none".to_owned(),
        }
    }

    fn names() -> Names {
        let text = |text: &str| NamePart::Text(text.to_owned());
        let path = vec![vec![text("v-"), value("a")], vec![value("b")]];
        let header = HeaderName::from_static("x-b");
        let settings = HttpNames {
            path,
            headers: Vec::new(),
        };
        Names::new(&settings, vec![(header, vec![text("t "), value("b")])]).unwrap()
    }

    #[test]
    fn the_part_names_path_and_headers() {
        let named = names().of(&rendered(1, r#"{"a":"X/Y","b":"Z.z"}"#));
        assert_eq!(&*named.part(), "v-x_y/z_z, x-b: t Z.z");
        let bare = names().of(&rendered(1, "{}"));
        assert_eq!(&*bare.part(), "v-none/none, x-b: t none");
    }

    #[test]
    fn all_answers_but_those_about_credentials_hold_a_part_alone() {
        let named = names().of(&rendered(1, "{}"));
        let hold = || crate::sink::status::hold(crate::sink::HoldCause::Url, "no".into());
        for (status, alone) in [
            (302, true),
            (402, true),
            (404, true),
            (406, true),
            (410, true),
            (414, true),
            (431, true),
            (451, true),
            (501, true),
            (401, false),
            (403, false),
            (407, false),
        ] {
            let Verdict::Hold { scope, .. } = named.narrow(status, hold()) else {
                panic!("no hold");
            };
            assert_eq!(scope != Scope::Destination, alone, "{status}");
        }
    }

    proptest! {
        #[test]
        fn events_are_of_one_part_exactly_if_their_requests_are_alike(
            one in "[a-c ,:]{0,3}", other in "[a-c ,:]{0,3}", third in "[a-c ,:]{0,3}",
        ) {
            let of = |a: &str, b: &str| {
                let json = serde_json::json!({"a": a, "b": b}).to_string();
                names().of(&rendered(1, &json))
            };
            let (left, right) = (of(&one, &other), of(&other, &third));
            prop_assert_eq!(left == right, left.part() == right.part());
        }
    }
}
