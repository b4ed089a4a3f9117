//! Turns what a vendor sent into what a destination wants: pure, synchronous, deterministic.
//!
//! The log keeps the vendor's bytes; everything here happens on the way out, so that a changed
//! mapping can replay the past. Nothing here fails on a vendor's surprise: an unknown type, a
//! value of another JSON type or a missing field still gives a document that holds the whole
//! original text. JSON is read lazily, level by level, so neither depth nor huge numbers nor
//! lone surrogates stop it. A vendor's reader fills one model (`model`), and each format is
//! written from it. Knows no protocol beyond the shapes that sinks ask for.
//! `docs/decisions/0005-normalise.md` says why; `docs/mapping/` lists the fields.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::event::Event;
use crate::settings::{Format, Preset, Severity, Source};
use crate::sink::{Rendered, Shape};

mod cim;
mod cloud;
mod datatheorem;
mod document;
mod ecs;
mod envelope;
mod facts;
mod instant;
mod json;
mod kind;
mod model;
mod ocsf;
mod other;
mod severity;
#[cfg(test)]
mod tests;
mod text;
mod url;

use envelope::Envelope;
use facts::Facts;
use model::Model;
pub use model::Notes;

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

/// Renders events for one destination. Made once per destination and kept by its worker.
#[derive(Clone, Debug)]
pub struct Renderer {
    /// How to read events, by source name.
    sources: HashMap<String, Reading>,
    /// What the destination's configuration asks for.
    format: Format,
    /// What its protocol asks for.
    shape: Shape,
}

impl Renderer {
    /// A renderer for a destination of this format and shape.
    pub fn new(sources: &[Source], format: Format, shape: Shape) -> Self {
        let reading = |source: &Source| Reading {
            preset: source.preset,
            severities: source.severities.clone(),
        };
        Self {
            sources: sources
                .iter()
                .map(|source| (source.name.clone(), reading(source)))
                .collect(),
            format,
            shape,
        }
    }

    /// Renders one event, and says what was unknown about it. Events of a source that is no
    /// longer configured are any JSON.
    pub fn render(&self, event: &Arc<Event>) -> Result<(Rendered, Notes), RenderError> {
        let reading = self.sources.get(&event.provenance.source);
        let reading = reading.unwrap_or(&UNKNOWN_SOURCE);
        render(event, reading, self.format, self.shape)
    }
}

/// Renders one event of a source that is read so.
pub fn render(
    event: &Arc<Event>,
    reading: &Reading,
    format: Format,
    shape: Shape,
) -> Result<(Rendered, Notes), RenderError> {
    let text = std::str::from_utf8(&event.payload).map_err(|_| RenderError::NotUtf8)?;
    let mut rendered = Rendered {
        event: Arc::clone(event),
        body: event.payload.clone(),
        time: None,
        host: None,
        sourcetype: None,
    };
    // The one path that need not look inside: the vendor's bytes go out as they came.
    if (format, shape) == (Format::Original, Shape::Payload) {
        return Ok((rendered, Notes::default()));
    }
    let mut envelope = match reading.preset {
        Preset::DataTheorem => Envelope::read(text),
        Preset::Generic => Envelope::none(),
    };
    if matches!(shape, Shape::HecEvent | Shape::Entry) {
        rendered.time = envelope.time().map(str::to_owned);
        rendered.host = envelope.host().map(str::to_owned);
    }
    if format == Format::Original {
        rendered.body = match shape {
            Shape::Payload | Shape::Entry => rendered.body,
            Shape::HecEvent => hec_event(&event.payload, text, &envelope)?,
            Shape::Document => {
                let facts = Facts::new(event, text, &envelope);
                ecs::wrapped(&facts, reading.preset).into_bytes()?
            }
        };
        return Ok((rendered, Notes::default()));
    }
    let facts = Facts::new(event, text, &envelope);
    let model = match reading.preset {
        Preset::DataTheorem => {
            datatheorem::read(&mut envelope, event.provenance.test, &reading.severities)
        }
        Preset::Generic => Model::default(),
    };
    let notes = model.notes;
    rendered.body = match format {
        Format::Ocsf => ocsf::document(&facts, model, shape == Shape::Document).into_bytes()?,
        Format::Cim => {
            rendered.sourcetype = Some(cim::sourcetype(&model));
            cim::document(&facts, &envelope, model).into_flat_bytes()?
        }
        Format::Ecs | Format::Original => {
            ecs::document(&facts, reading.preset, &envelope, model).into_bytes()?
        }
    };
    Ok((rendered, notes))
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
