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
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::cli::render::unconfigured;
    use crate::settings::Preset;

    fn read(origin: Origin<'_>, text: &str, most: usize) -> Vec<Result<Entry, String>> {
        let reader = Box::new(Cursor::new(text.to_owned()));
        let mut input = Input::new(reader, "in".to_owned(), origin, most);
        std::iter::from_fn(|| input.next()).collect()
    }

    /// Number, line and payload of an event.
    type Told = (u64, Option<u64>, String);

    fn events(form: Form, text: &str, most: usize) -> Vec<Result<Told, String>> {
        let source = unconfigured(Preset::DataTheorem);
        let origin = Origin::Given {
            form,
            source: &source,
            received_ms: 1_795_444_925_123,
        };
        let told = |entry: Entry| {
            let payload = String::from_utf8(entry.event.payload.to_vec()).unwrap();
            (entry.number, entry.line, payload)
        };
        let read = read(origin, text, most).into_iter();
        read.map(|one| one.map(told)).collect()
    }

    fn event(number: u64, line: Option<u64>, payload: &str) -> Result<Told, String> {
        Ok((number, line, payload.to_owned()))
    }

    #[test]
    fn a_body_is_all_there_is_and_a_line_is_one_event() {
        assert_eq!(
            events(Form::Body, "[1,\n2]\n", 7),
            [event(1, None, "[1,\n2]\n")]
        );
        assert_eq!(
            events(Form::Lines, "\n[1]\r\n \n[2]", 4),
            [event(1, Some(2), "[1]\r"), event(2, Some(4), "[2]")]
        );
        assert_eq!(events(Form::Lines, "", 9), []);
    }

    #[test]
    fn what_is_too_large_is_told_and_passed() {
        let too_large = |place: &str| {
            let text = "larger than 4 bytes, the most that is taken (server.max_body)";
            Err(format!("in: {place}{text}"))
        };
        assert_eq!(events(Form::Body, "12345", 4), [too_large("")]);
        assert_eq!(
            events(Form::Lines, "1234\n12345\n123456789\n7", 4),
            [
                event(1, Some(1), "1234"),
                too_large("line 2: "),
                too_large("line 3: "),
                event(4, Some(4), "7"),
            ]
        );
    }

    #[test]
    fn a_connectivity_test_is_known_as_ingest_knows_it() {
        let source = unconfigured(Preset::DataTheorem);
        let origin = Origin::Given {
            form: Form::Body,
            source: &source,
            received_ms: 7,
        };
        let read = read(origin, r#"{"event":"Hello, world!"}"#, 99);
        let entry = read.into_iter().next().unwrap().unwrap();
        assert!(entry.event.provenance.test);
        assert_eq!(
            (entry.event.received_ms, entry.event.id.received_ms()),
            (7, 7)
        );
    }

    #[test]
    fn a_line_of_an_export_is_the_event_with_its_provenance() {
        let id = "019ab136-1b03-7000-8000-000000000001";
        let line = format!(
            r#"{{"auth":"bearer","client":"192.0.2.7","duplicate_of":"{id}","id":"{id}",
            "original":"{{\"a\":1}}","position":9,"received":"2026-11-23T14:42:05.123Z",
            "source":"appsec","test":true,"later":1}}"#
        );
        let read = read(Origin::Stated, &line.replace('\n', ""), 99);
        let event = read.into_iter().next().unwrap().unwrap().event;
        let provenance = &event.provenance;
        assert_eq!((event.position, event.received_ms), (9, 1_795_444_925_123));
        assert_eq!(event.duplicate_of, Some(event.id));
        assert_eq!(
            (event.id.to_string().as_str(), &event.payload[..]),
            (id, &b"{\"a\":1}"[..])
        );
        assert_eq!(
            (provenance.source.as_str(), provenance.auth),
            ("appsec", AuthMethod::Bearer)
        );
        assert_eq!(
            (provenance.test, provenance.client),
            (true, "192.0.2.7".parse().ok())
        );
    }
}
