//! The events to show: one body, bodies on lines, or the lines of an export.
//!
//! One event is in memory at a time, however long the input. What ingest would refuse is no event;
//! the message names the place. Knows nothing of formats.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::{AuthMethod, Event, EventId, Provenance};
use crate::ingest;
use crate::settings::Source;

/// Bytes that a byte of a payload takes at most as a part of a JSON string.
const ESCAPED_BYTES_MAX: usize = 6;
/// Bytes of an export's line beside the payload.
const EXPORT_BYTES_MAX: usize = 64 * 1024;

/// How the input holds events whose provenance it does not state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Body,
    Lines,
}

/// Where events come from.
pub(super) enum Origin<'s> {
    /// From this source, received then.
    Given {
        form: Form,
        source: &'s Source,
        received_ms: u64,
    },
    /// Each line of an export says so itself.
    Stated,
}

/// One event of the input.
pub(super) struct Entry {
    /// From 1.
    pub(super) number: u64,
    /// The line, where the input has events on lines.
    pub(super) line: Option<u64>,
    pub(super) event: Arc<Event>,
}

/// The input, from its beginning.
pub(super) struct Input<'s> {
    reader: Box<dyn BufRead>,
    /// For messages.
    name: String,
    origin: Origin<'s>,
    body_bytes_max: usize,
    events: u64,
    lines: u64,
    ended: bool,
}

/// A line of `journal export`, as far as it is used.
#[derive(Deserialize)]
struct Exported {
    id: String,
    #[serde(default)]
    position: u64,
    received: Option<String>,
    source: String,
    client: Option<String>,
    #[serde(default)]
    auth: String,
    #[serde(default)]
    test: bool,
    duplicate_of: Option<String>,
    original: String,
}

impl<'s> Input<'s> {
    /// Opens a file, or standard input.
    pub(super) fn open(
        path: &Path,
        origin: Origin<'s>,
        body_bytes_max: usize,
    ) -> Result<Self, String> {
        let (reader, name): (Box<dyn BufRead>, _) = match path == Path::new("-") {
            true => (Box::new(io::stdin().lock()), "standard input".to_owned()),
            false => {
                let name = path.display().to_string();
                let file = File::open(path).map_err(|error| format!("{name}: {error}"))?;
                (Box::new(BufReader::new(file)), name)
            }
        };
        Ok(Self::new(reader, name, origin, body_bytes_max))
    }

    pub(super) fn new(
        reader: Box<dyn BufRead>,
        name: String,
        origin: Origin<'s>,
        body_bytes_max: usize,
    ) -> Self {
        Self {
            reader,
            name,
            origin,
            body_bytes_max,
            events: 0,
            lines: 0,
            ended: false,
        }
    }

    /// The next event, or why a place holds none; nothing at the end.
    pub(super) fn next(&mut self) -> Option<Result<Entry, String>> {
        if self.ended {
            return None;
        }
        let is_body = matches!(
            self.origin,
            Origin::Given {
                form: Form::Body,
                ..
            }
        );
        let read = match is_body {
            true => self.body().map(Some),
            false => self.line(),
        };
        match read {
            Ok(Some(bytes)) => {
                self.events += 1;
                let line = (!is_body).then_some(self.lines);
                let event = bytes.and_then(|bytes| self.event(bytes));
                Some(self.placed(event.map(|event| Entry {
                    number: self.events,
                    line,
                    event: Arc::new(event),
                })))
            }
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(error) => {
                self.ended = true;
                Some(Err(format!("{}: {error}", self.name)))
            }
        }
    }

    fn placed(&self, result: Result<Entry, String>) -> Result<Entry, String> {
        result.map_err(|what| match self.lines {
            0 => format!("{}: {what}", self.name),
            line => format!("{}: line {line}: {what}", self.name),
        })
    }

    /// Everything there is.
    fn body(&mut self) -> io::Result<Result<Vec<u8>, String>> {
        self.ended = true;
        let mut body = Vec::new();
        let limit = self.body_bytes_max as u64 + 1;
        (&mut self.reader).take(limit).read_to_end(&mut body)?;
        Ok(match body.len() > self.body_bytes_max {
            true => Err(self.too_large()),
            false => Ok(body),
        })
    }

    /// The next line that is not blank, without its end.
    fn line(&mut self) -> io::Result<Option<Result<Vec<u8>, String>>> {
        let most = match self.origin {
            Origin::Given { .. } => self.body_bytes_max,
            Origin::Stated => self.body_bytes_max * ESCAPED_BYTES_MAX + EXPORT_BYTES_MAX,
        };
        loop {
            let mut line = Vec::new();
            let limit = most as u64 + 1;
            (&mut self.reader)
                .take(limit)
                .read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Ok(None);
            }
            self.lines += 1;
            if line.last() == Some(&b'\n') {
                line.pop();
            } else if line.len() > most {
                self.reader.skip_until(b'\n')?;
                return Ok(Some(Err(self.too_large())));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(Ok(line)));
            }
        }
    }

    fn too_large(&self) -> String {
        let most = self.body_bytes_max;
        format!("larger than {most} bytes, the most that is taken (server.max_body)")
    }

    fn event(&self, bytes: Vec<u8>) -> Result<Event, String> {
        match &self.origin {
            Origin::Stated => exported(&bytes, self.body_bytes_max),
            Origin::Given {
                source,
                received_ms,
                ..
            } => {
                let payload = checked(bytes)?;
                let test = ingest::is_test(source.preset, &payload);
                Ok(Event {
                    position: self.events,
                    id: EventId::numbered(*received_ms, self.events),
                    received_ms: *received_ms,
                    duplicate_of: None,
                    replay_id: None,
                    provenance: Arc::new(Provenance {
                        source: source.name.clone(),
                        auth: ingest::method(&source.auth),
                        test,
                        ..Provenance::unknown()
                    }),
                    payload,
                })
            }
        }
    }
}

/// The event of an export's line.
fn exported(line: &[u8], body_bytes_max: usize) -> Result<Event, String> {
    let exported: Exported = serde_json::from_slice(line)
        .map_err(|error| format!("not a line of an export: column {}", error.column()))?;
    if exported.original.len() > body_bytes_max {
        return Err(format!(
            "its original is larger than {body_bytes_max} bytes"
        ));
    }
    let id = |text: &str| {
        let id = text.parse::<EventId>();
        id.map_err(|_| "not a line of an export: an id is no UUID".to_owned())
    };
    let event_id = id(&exported.id)?;
    let received = exported
        .received
        .and_then(|at| at.parse::<Timestamp>().ok());
    let received = received.and_then(|at| u64::try_from(at.as_millisecond()).ok());
    Ok(Event {
        position: exported.position,
        id: event_id,
        received_ms: received.unwrap_or_else(|| event_id.received_ms()),
        duplicate_of: exported.duplicate_of.as_deref().map(id).transpose()?,
        // What is in the journal was not sent again.
        replay_id: None,
        provenance: Arc::new(Provenance {
            source: exported.source,
            client: exported.client.and_then(|client| client.parse().ok()),
            auth: AuthMethod::from_word(&exported.auth).unwrap_or(AuthMethod::None),
            test: exported.test,
            ..Provenance::unknown()
        }),
        payload: checked(exported.original.into_bytes())?,
    })
}

/// A payload that ingest would take.
fn checked(bytes: Vec<u8>) -> Result<Bytes, String> {
    if bytes.trim_ascii().is_empty() {
        return Err("empty, where an event should be".to_owned());
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| format!("not UTF-8 from byte {} on", error.valid_up_to() + 1))?;
    serde_json::from_str::<&RawValue>(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("not well-formed JSON at line {line}, column {column}")
    })?;
    Ok(Bytes::from(bytes))
}

#[cfg(test)]
mod tests;
