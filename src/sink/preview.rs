//! What a destination would be sent for one event alone, by the code that sends it.
//!
//! Pure: no client, login or file is made, so neither secrets nor certificates are needed, and
//! none can be shown. Bodies are as they are before compression. `docs/decisions/0020-render.md`
//! says what a preview cannot tell.

use bytes::Bytes;
use serde::Serialize;

use super::client::ClientError;
use super::{Rendered, Shape, elastic, file, http, intake, splunk};
use crate::settings::Kind;

/// What goes out for one event, but for where to and how the relay proves itself.
#[derive(Clone, Debug)]
pub struct Preview {
    /// What says something of the event outside of the body.
    pub parts: Vec<Part>,
    /// The body of the request, or the line of the file.
    pub body: Bytes,
}

/// A part of a request beside its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// `header`, `query` or `path`.
    pub place: &'static str,
    /// The header's or parameter's name, or what the path names.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Why nothing goes out.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The intake would cut the event short or drop it, so it becomes a dead letter.
    #[error("{0}")]
    Refused(String),
    /// The destination cannot be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl Shape {
    /// What a destination of this kind wants rendered.
    pub fn of(kind: &Kind) -> Self {
        match kind {
            Kind::SplunkHec(settings) => splunk::shape(settings),
            Kind::Elasticsearch(_) => elastic::SHAPE,
            Kind::Http(_) => http::SHAPE,
            Kind::Intake(_) => intake::SHAPE,
            Kind::File(_) => file::SHAPE,
        }
    }
}

/// What a destination of this kind would be sent for this event, in a request of its own at
/// `now_ms` (Unix milliseconds).
pub fn preview(kind: &Kind, event: &Rendered, now_ms: u64) -> Result<Preview, PreviewError> {
    match kind {
        Kind::SplunkHec(settings) => Ok(splunk::preview(settings, event)),
        Kind::Elasticsearch(settings) => Ok(elastic::preview(settings, event)),
        Kind::Http(settings) => Ok(http::preview(settings, event)?),
        Kind::Intake(settings) => {
            intake::preview(settings, event, now_ms).map_err(PreviewError::Refused)
        }
        Kind::File(settings) => Ok(file::preview(settings, event)),
    }
}

impl Part {
    /// A header.
    pub(super) fn header(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            place: "header",
            name: name.into(),
            value: value.into(),
        }
    }
}
