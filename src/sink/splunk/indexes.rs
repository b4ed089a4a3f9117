//! Which index an event goes to, and so which part of the destination can refuse it.
//!
//! Index, source, sourcetype and host are constants, or names that follow from the event
//! (`sink::name`). One index that a token may not use must not stop the others: a request holds
//! events of one part. The raw input states metadata once per request, so there the source counts
//! as well.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::settings::{HecInput, Letters, NamePart, SplunkHec};
use crate::sink::{Rendered, name};

/// Metadata: a constant, or what follows from the event.
pub(super) struct Metadata {
    constant: Option<String>,
    following: Option<Vec<NamePart>>,
    letters: Letters,
}

/// The configured indexes.
pub(super) struct Indexes {
    default: Option<Arc<str>>,
    /// Instead of the default.
    following: Option<Vec<NamePart>>,
    by_source: HashMap<String, Arc<str>>,
}

/// What requests of a destination are divided by.
pub(super) struct Partitions {
    indexes: Indexes,
    input: HecInput,
    source: Metadata,
    sourcetype: Metadata,
    host: Metadata,
}

impl Metadata {
    pub(super) fn source(settings: &SplunkHec) -> Self {
        Self {
            constant: settings.source.clone(),
            following: settings.names.source.clone(),
            letters: Letters::Plain,
        }
    }

    pub(super) fn sourcetype(settings: &SplunkHec) -> Self {
        Self {
            constant: settings.sourcetype.clone(),
            following: settings.names.sourcetype.clone(),
            letters: Letters::Plain,
        }
    }

    pub(super) fn host(settings: &SplunkHec) -> Self {
        Self {
            constant: settings.host.clone(),
            following: settings.names.host.clone(),
            letters: Letters::Host,
        }
    }

    /// The event's; none where nothing is configured.
    pub(super) fn of(&self, event: &Rendered) -> Option<Cow<'_, str>> {
        match &self.following {
            Some(parts) => Some(name::fill(parts, self.letters, event, event.id()).into()),
            None => self.constant.as_deref().map(Cow::Borrowed),
        }
    }
}

impl Indexes {
    pub(super) fn new(settings: &SplunkHec) -> Self {
        let by_source = settings.indexes.iter();
        Self {
            default: settings.index.as_deref().map(Arc::from),
            following: settings.names.index.clone(),
            by_source: by_source
                .map(|(source, index)| (source.clone(), Arc::from(index.as_str())))
                .collect(),
        }
    }

    /// The event's index; none leaves it to the token.
    pub(super) fn of(&self, event: &Rendered) -> Option<Arc<str>> {
        if let Some(own) = self.by_source.get(&event.event.provenance.source) {
            return Some(Arc::clone(own));
        }
        match &self.following {
            Some(parts) => Some(name::fill(parts, Letters::Plain, event, event.id()).into()),
            None => self.default.clone(),
        }
    }
}

impl Partitions {
    pub(super) fn new(settings: &SplunkHec) -> Self {
        Self {
            indexes: Indexes::new(settings),
            input: settings.input,
            source: Metadata::source(settings),
            sourcetype: Metadata::sourcetype(settings),
            host: Metadata::host(settings),
        }
    }

    /// The event's index, for the raw input together with its source and with a sourcetype and a
    /// host of its own.
    pub(super) fn of(&self, event: &Rendered) -> Option<Arc<str>> {
        let index = self.indexes.of(event);
        match self.input {
            HecInput::Event => index,
            HecInput::Raw => {
                let index = index.as_deref().unwrap_or("the token's index");
                let source = source(&self.source, event);
                let own = |word: &str, of: &Metadata| match &of.following {
                    Some(_) => of.of(event).map(|name| format!(" {word} {name}")),
                    None => None,
                };
                let sourcetype = own("as", &self.sourcetype).unwrap_or_default();
                let host = own("of", &self.host).unwrap_or_default();
                Some(format!("{index} from {source}{sourcetype}{host}").into())
            }
        }
    }
}

/// The event's `source`: as configured, or named after where it came in.
pub(super) fn source<'a>(configured: &'a Metadata, event: &Rendered) -> Cow<'a, str> {
    let named = || format!("siem-relay:{}", event.event.provenance.source).into();
    configured.of(event).unwrap_or_else(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::payload::tests::rendered;
    use crate::sink::splunk::encode::tests::settings;

    fn part(settings: &SplunkHec) -> Option<String> {
        let part = Partitions::new(settings).of(&rendered(1, "{}"));
        part.map(|part| part.to_string())
    }

    #[test]
    fn a_source_has_its_own_index_or_the_default_or_the_tokens() {
        let mut settings = settings();
        assert_eq!(part(&settings), None);
        settings.index = Some("all".to_owned());
        assert_eq!(part(&settings).as_deref(), Some("all"));
        settings.indexes = vec![("other".to_owned(), "elsewhere".to_owned())];
        assert_eq!(part(&settings).as_deref(), Some("all"));
        settings.indexes.push(("acme".to_owned(), "own".to_owned()));
        assert_eq!(part(&settings).as_deref(), Some("own"));
    }

    #[test]
    fn the_raw_input_is_divided_by_source_as_well() {
        let mut settings = settings();
        settings.input = HecInput::Raw;
        let expected = "the token's index from siem-relay:acme";
        assert_eq!(part(&settings).as_deref(), Some(expected));
        settings.index = Some("all".to_owned());
        settings.source = Some("hooks".to_owned());
        assert_eq!(part(&settings).as_deref(), Some("all from hooks"));
    }

    #[test]
    fn metadata_can_follow_the_event_and_divides_requests() {
        let value = |text: &str| {
            let at = crate::settings::Pointer(vec!["k".to_owned()]);
            let otherwise = "none".to_owned();
            Some(vec![
                NamePart::Text(text.to_owned()),
                NamePart::Value { at, otherwise },
            ])
        };
        let mut settings = settings();
        settings.names = crate::settings::HecNames {
            index: value("sec_"),
            source: value("hook:"),
            sourcetype: value("acme:"),
            host: value("h."),
        };
        let high = rendered(1, r#"{"k":"HIGH"}"#);
        let of = |settings: &SplunkHec| Partitions::new(settings).of(&high);
        assert_eq!(of(&settings).as_deref(), Some("sec_high"));
        settings.input = HecInput::Raw;
        let expected = "sec_high from hook:high as acme:high of h.HIGH";
        assert_eq!(of(&settings).as_deref(), Some(expected));
        let query = crate::sink::splunk::raw::Raw::new(&settings).query(&high);
        let values: Vec<_> = query.into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, ["sec_high", "hook:high", "acme:high", "h.HIGH"]);
        settings.input = HecInput::Event;
        let body = crate::sink::splunk::encode::Envelope::new(&settings)
            .encode(std::slice::from_ref(&high));
        let envelope: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let keys = ["index", "source", "sourcetype", "host"];
        let stated = keys.map(|key| envelope[key].clone());
        assert_eq!(stated, ["sec_high", "hook:high", "acme:high", "h.HIGH"]);
        settings.indexes = vec![("acme".to_owned(), "own".to_owned())];
        assert_eq!(of(&settings).as_deref(), Some("own"));
    }
}
