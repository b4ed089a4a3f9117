//! Turns what a vendor sent into what a destination wants: pure, synchronous, deterministic.
//!
//! The log keeps the vendor's bytes; everything here happens on the way out, so that a changed
//! mapping can replay the past. Nothing here fails on a vendor's surprise: an unknown type, a
//! value of another JSON type or a missing field still gives a document that holds the whole
//! original text. JSON is read lazily, level by level, so neither depth nor huge numbers nor
//! lone surrogates stop it. Knows no protocol beyond the three shapes that sinks ask for.
//! `docs/decisions/0005-normalise.md` says why; `docs/mapping/` lists the fields.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::event::Event;
use crate::rules::{self, RuleError};
use crate::settings::{Format, Preset, Rule, Source};
use crate::sink::{Rendered, Shape};

mod document;
mod ecs;
mod envelope;
mod instant;
mod json;
mod kind;
#[cfg(test)]
mod tests;
mod url;
mod violation;

use envelope::Envelope;

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

/// Renders events for one destination. Made once per destination and kept by its worker.
#[derive(Clone, Debug)]
pub struct Renderer {
    /// The vendor's conventions by source name.
    presets: HashMap<String, Preset>,
    /// What is changed of a source's events first, by source name.
    source_rules: Arc<HashMap<String, Vec<Rule>>>,
    /// What is changed for this destination.
    rules: Arc<[Rule]>,
    /// What the destination's configuration asks for.
    format: Format,
    /// What its protocol asks for.
    shape: Shape,
}

impl Renderer {
    /// A renderer for a destination of this format and shape.
    pub fn new(sources: &[Source], format: Format, shape: Shape) -> Self {
        let presets = sources
            .iter()
            .map(|source| (source.name.clone(), source.preset))
            .collect();
        let rules_of = |source: &Source| (source.name.clone(), source.rules.clone());
        Self {
            presets,
            source_rules: Arc::new(sources.iter().map(rules_of).collect()),
            rules: Arc::new([]),
            format,
            shape,
        }
    }

    /// The same, which also follows the destination's own rules.
    pub fn with_rules(mut self, rules: &[Rule]) -> Self {
        self.rules = rules.into();
        self
    }

    /// Renders one event, after its source's rules and the destination's. What comes of it still
    /// points to the event as it is in the log. Events of a source that is no
    /// longer configured are any JSON.
    pub fn render(&self, event: &Arc<Event>) -> Result<Rendered, RenderError> {
        let preset = self.presets.get(&event.provenance.source).copied();
        let preset = preset.unwrap_or(Preset::Generic);
        let of_source = self.source_rules.get(&event.provenance.source);
        let rules = of_source.into_iter().flatten().chain(self.rules.iter());
        let payload = rules::apply(rules, &event.payload)?;
        // What no rule changed is the very same memory.
        if payload.as_ptr() == event.payload.as_ptr() {
            return render(event, preset, self.format, self.shape);
        }
        let changed = Arc::new(Event {
            payload,
            ..Event::clone(event)
        });
        let rendered = render(&changed, preset, self.format, self.shape)?;
        Ok(Rendered {
            event: Arc::clone(event),
            ..rendered
        })
    }
}

/// Renders one event of a source with this preset.
pub fn render(
    event: &Arc<Event>,
    preset: Preset,
    format: Format,
    shape: Shape,
) -> Result<Rendered, RenderError> {
    let text = std::str::from_utf8(&event.payload).map_err(|_| RenderError::NotUtf8)?;
    let mut rendered = Rendered {
        event: Arc::clone(event),
        body: event.payload.clone(),
        payload: event.payload.clone(),
        time: None,
        host: None,
    };
    // The one path that need not look inside: the vendor's bytes go out as they came.
    if (format, shape) == (Format::Original, Shape::Payload) {
        return Ok(rendered);
    }
    let envelope = match preset {
        Preset::DataTheorem => Envelope::read(text),
        Preset::Generic => Envelope::none(),
    };
    if matches!(shape, Shape::HecEvent | Shape::Entry) {
        rendered.time = envelope.time().map(str::to_owned);
        rendered.host = envelope.host().map(str::to_owned);
    }
    rendered.body = match (format, shape) {
        (Format::Ecs, _) => ecs::document(event, text, preset, envelope).into_bytes()?,
        (Format::Original, Shape::Payload | Shape::Entry) => rendered.body,
        (Format::Original, Shape::HecEvent) => hec_event(&event.payload, text, &envelope)?,
        (Format::Original, Shape::Document) => {
            ecs::wrapped(event, text, preset, &envelope).into_bytes()?
        }
    };
    Ok(rendered)
}

/// What goes under `event` for Splunk: the vendor's own `event` value, else the whole payload.
/// Nothing else of the vendor's envelope may reach Splunk's, where a key would steer the index.
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
