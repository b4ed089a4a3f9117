//! Which index an event goes to, and so which part of the destination can refuse it.
//!
//! One index that a token may not use must not stop the others: a request holds events of one
//! part. The raw input states metadata once per request, so there the source counts as well.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::settings::{HecInput, SplunkHec};
use crate::sink::Rendered;

/// The configured indexes.
pub(super) struct Indexes {
    default: Option<Arc<str>>,
    by_source: HashMap<String, Arc<str>>,
}

/// What requests of a destination are divided by.
pub(super) struct Partitions {
    indexes: Indexes,
    input: HecInput,
    /// The configured `source` of every event.
    source: Option<String>,
}

impl Indexes {
    pub(super) fn new(settings: &SplunkHec) -> Self {
        let by_source = settings.indexes.iter();
        Self {
            default: settings.index.as_deref().map(Arc::from),
            by_source: by_source
                .map(|(source, index)| (source.clone(), Arc::from(index.as_str())))
                .collect(),
        }
    }

    /// The event's index; none leaves it to the token.
    pub(super) fn of(&self, event: &Rendered) -> Option<&Arc<str>> {
        let own = self.by_source.get(&event.event.provenance.source);
        own.or(self.default.as_ref())
    }
}

impl Partitions {
    pub(super) fn new(settings: &SplunkHec) -> Self {
        Self {
            indexes: Indexes::new(settings),
            input: settings.input,
            source: settings.source.clone(),
        }
    }

    /// The event's index, for the raw input together with its source.
    pub(super) fn of(&self, event: &Rendered) -> Option<Arc<str>> {
        let index = self.indexes.of(event);
        match self.input {
            HecInput::Event => index.cloned(),
            HecInput::Raw => {
                let index = index.map_or("the token's index", |index| index);
                let source = source(self.source.as_deref(), event);
                Some(format!("{index} from {source}").into())
            }
        }
    }
}

/// The event's `source`: as configured, or named after where it came in.
pub(super) fn source<'a>(configured: Option<&'a str>, event: &Rendered) -> Cow<'a, str> {
    match configured {
        Some(source) => source.into(),
        None => format!("siem-relay:{}", event.event.provenance.source).into(),
    }
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
}
