//! Turns what a vendor sent into what a destination wants: pure, synchronous, deterministic.
//!
//! The log keeps the vendor's bytes; everything here happens on the way out, so that a changed
//! mapping can replay the past. Nothing here fails on a vendor's surprise: an unknown type, a
//! value of another JSON type or a missing field still gives a document that holds the whole
//! original text. JSON is read lazily, level by level, so neither depth nor huge numbers nor
//! lone surrogates stop it. A vendor's reader fills one model (`model`), and each format is
//! written from it. Knows no protocol beyond the shapes that sinks ask for.
//! `docs/decisions/0005-normalise.md` says why; `docs/mapping/` lists the fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::event::{Event, Provenance};
use crate::rules::{self, RuleError};
use crate::settings::{Format, Preset, Rule, Severity, Source};
use crate::sink::{Rendered, Shape};

mod cim;
mod cloud;
mod datatheorem;
mod document;
mod ecs;
mod envelope;
mod facts;
mod github;
mod gitlab;
mod headers;
mod instant;
mod json;
mod kind;
mod mask;
mod model;
mod ocsf;
mod okta;
mod other;
mod severity;
mod snyk;
mod strings;
#[cfg(test)]
mod tests;
mod text;
mod url;
mod vendor;
mod view;
mod wiz;

use envelope::Envelope;
use facts::Facts;
use model::Model;
pub use model::Notes;
pub use other::Unmapped;
pub use view::View;

/// Why an event cannot be rendered. The event itself stays in the log and in the dead letter.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RenderError {
    /// The log holds bytes that ingest would have refused.
    #[error("the payload is not UTF-8; look at the original in the dead letter")]
    NotUtf8,
    /// The log holds text that ingest would have refused; inside a batch it would harm others.
    #[error(
        "the payload is not well-formed JSON at line {line}, column {column}; \
         look at the original in the dead letter"
    )]
    NotJson {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// Splunk refuses `null` and blank strings under `event`, and with them the whole batch.
    #[error(
        "the payload is null or a blank string, which Splunk does not take; \
         replay it with format = \"ecs\" if it matters"
    )]
    Blank,
    /// A document could not be written as JSON.
    #[error("the document cannot be written as JSON: {0}; report this with the event's id")]
    Unwritable(String),
    /// A rule could not be followed; what it would have redacted does not go out.
    #[error(transparent)]
    Rules(#[from] RuleError),
}

/// What a source's configuration says about reading its events.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The vendor's conventions.
    pub preset: Preset,
    /// How bad the vendor's words are; before the built-in table.
    pub severities: Vec<(String, Severity)>,
}

/// Of a source that is not configured any more: any JSON.
static UNKNOWN_SOURCE: Reading = Reading {
    preset: Preset::Generic,
    severities: Vec::new(),
};

impl Reading {
    /// How a source's events are read.
    pub fn of(source: &Source) -> Self {
        Self {
            preset: source.preset,
            severities: source.severities.clone(),
        }
    }
}

/// Renders events for one destination. Made once per destination and kept by its worker.
#[derive(Clone, Debug)]
pub struct Renderer {
    /// How to read events, and what is changed of them first, by source name: a few names, which
    /// are found sooner by comparing than by hashing.
    sources: Arc<BTreeMap<String, (Reading, Vec<Rule>)>>,
    /// What is changed for this destination.
    rules: Arc<[Rule]>,
    /// What the destination's configuration asks for.
    format: Format,
    /// What its protocol asks for.
    shape: Shape,
    /// What the vendor sent goes along in documents.
    keeps_original: bool,
}

impl Renderer {
    /// A renderer for a destination of this format and shape.
    pub fn new(sources: &[Source], format: Format, shape: Shape) -> Self {
        let entry = |source: &Source| {
            let read = (Reading::of(source), source.rules.clone());
            (source.name.clone(), read)
        };
        Self {
            sources: Arc::new(sources.iter().map(entry).collect()),
            rules: Arc::new([]),
            format,
            shape,
            keeps_original: true,
        }
    }

    /// The same, whose documents have what the vendor sent or leave it out. Its hash stays.
    pub fn with_original(mut self, keeps_original: bool) -> Self {
        self.keeps_original = keeps_original;
        self
    }

    /// The same, which also follows the destination's own rules.
    pub fn with_rules(mut self, rules: &[Rule]) -> Self {
        self.rules = rules.into();
        self
    }

    /// How events of a source are read; none of one that is not configured.
    pub fn reading(&self, source: &str) -> Option<&Reading> {
        self.sources.get(source).map(|(reading, _)| reading)
    }

    /// Renders one event, after its source's rules and the destination's, and says what was unknown
    /// about it. What comes of it still points to the event as it is in the log. Events of a source
    /// that is no longer configured are any JSON.
    pub fn render(&self, event: &Arc<Event>) -> Result<(Rendered, Notes), RenderError> {
        let (changed, reading) = self.changed(event)?;
        let changed = changed.as_ref().unwrap_or(event);
        let (format, shape) = (self.format, self.shape);
        render(event, changed, reading, format, shape, self.keeps_original)
    }

    /// The members of an event that its model has no place for, after the rules, in the order of
    /// their paths: for people.
    pub fn unmapped(&self, event: &Arc<Event>) -> Result<Vec<Unmapped>, RenderError> {
        let (changed, reading) = self.changed(event)?;
        let changed = changed.as_ref().unwrap_or(event);
        let text = std::str::from_utf8(&changed.payload).map_err(|_| RenderError::NotUtf8)?;
        let (_, model) = read(text, &event.provenance, reading, false);
        Ok(model.other.list())
    }

    /// The event as the rules leave it, none where they changed nothing; and how it is read.
    fn changed(&self, event: &Event) -> Result<(Option<Event>, &Reading), RenderError> {
        let source = self.sources.get(&event.provenance.source);
        let (reading, of_source) = match source {
            Some((reading, rules)) => (reading, rules.as_slice()),
            None => (&UNKNOWN_SOURCE, [].as_slice()),
        };
        let rules = of_source.iter().chain(self.rules.iter());
        let payload = rules::apply(rules, &event.payload)?;
        // What no rule changed is the very same memory.
        if payload.as_ptr() == event.payload.as_ptr() {
            return Ok((None, reading));
        }
        let changed = Event {
            payload,
            ..event.clone()
        };
        Ok((Some(changed), reading))
    }
}

/// Renders one event of a source that is read so, as the rules left it (`changed`). What the vendor
/// sent is left out of documents of another format than `original` unless it is to be kept.
fn render(
    event: &Arc<Event>,
    changed: &Event,
    reading: &Reading,
    format: Format,
    shape: Shape,
    keeps_original: bool,
) -> Result<(Rendered, Notes), RenderError> {
    let payload = &changed.payload;
    let text = std::str::from_utf8(payload).map_err(|_| RenderError::NotUtf8)?;
    let mut rendered = Rendered {
        event: Arc::clone(event),
        body: payload.clone(),
        payload: payload.clone(),
        time: None,
        host: None,
        sourcetype: None,
    };
    // The one path that need not look inside: the vendor's bytes go out as they came.
    if (format, shape) == (Format::Original, Shape::Payload) {
        return Ok((rendered, Notes::default()));
    }
    let outline = format == Format::Original;
    let (envelope, model) = read(text, &changed.provenance, reading, outline);
    if matches!(shape, Shape::HecEvent | Shape::Entry) {
        let time = envelope.time().map(str::to_owned);
        rendered.time = time.or_else(|| model.time.map(instant::epoch_seconds));
        rendered.host = model.host.as_deref().map(str::to_owned);
    }
    let original = (keeps_original || format == Format::Original).then_some(text);
    let facts = Facts::new(changed, original, &model);
    if format == Format::Original {
        rendered.body = match shape {
            Shape::Payload | Shape::Entry => rendered.body,
            Shape::HecEvent => hec_event(payload, text, &envelope)?,
            Shape::Document => ecs::wrapped(&facts, &model).into_bytes()?,
        };
        return Ok((rendered, Notes::default()));
    }
    let notes = model.notes;
    rendered.body = match format {
        Format::Ocsf => ocsf::document(&facts, model, shape == Shape::Document).into_bytes()?,
        Format::Cim => {
            rendered.sourcetype = Some(cim::sourcetype(&model));
            cim::document(&facts, model).into_flat_bytes()?
        }
        Format::Ecs | Format::Original => ecs::document(&facts, model).into_bytes()?,
    };
    Ok((rendered, notes))
}

/// What the vendor puts around an event, and what its reader makes of it. With `outline` only time
/// and host matter, which an envelope tells without a look at the event: it stays closed.
fn read<'a>(
    text: &'a str,
    provenance: &'a Provenance,
    reading: &Reading,
    outline: bool,
) -> (Envelope<'a>, Model<'a>) {
    let mut envelope = match reading.preset {
        Preset::DataTheorem if outline => Envelope::read(text),
        Preset::DataTheorem => Envelope::open(text),
        _ => Envelope::none(),
    };
    let severities = &reading.severities;
    let mut model = match reading.preset {
        Preset::DataTheorem if outline => datatheorem::outline(&envelope),
        Preset::DataTheorem => datatheorem::read(&mut envelope, provenance.test, severities),
        Preset::GitHub => github::read(text, provenance, severities),
        Preset::GitLab => gitlab::read(text, provenance, severities),
        Preset::Snyk => snyk::read(text, provenance, severities),
        Preset::Wiz => wiz::read(text, severities),
        Preset::Okta => okta::read(text, severities),
        Preset::Generic => Model::default(),
    };
    mask::take_logins(&mut model);
    (envelope, model)
}

/// What goes under `event` for Splunk: the vendor's own `event` value, else the whole payload.
/// Nothing else of the vendor's envelope may reach Splunk's, where a key would steer the index.
/// The event must not have been opened.
fn hec_event(payload: &Bytes, text: &str, envelope: &Envelope<'_>) -> Result<Bytes, RenderError> {
    if let Some(value) = envelope.event().filter(|value| !json::is_blank(value)) {
        // The value borrows from the payload (`RawValue` keeps the input's slice), so sharing
        // the payload's memory is sound and copies nothing.
        return Ok(payload.slice_ref(value.get().as_bytes()));
    }
    let whole = json::value(text).map_err(|error| RenderError::NotJson {
        line: error.line(),
        column: error.column(),
    })?;
    if json::is_blank(whole) {
        return Err(RenderError::Blank);
    }
    Ok(payload.clone())
}
