//! Writes what was seen of events: bodies to standard output, and lines about them that begin with
//! `#`; or all of it as JSON.
//!
//! Where one body alone is asked for, standard output is that body and nothing else, so that it can
//! be piped on. What comes from an event is escaped in lines about it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::input::Entry;
use super::pretty::pretty;
use super::view::{Outcome, Seen};
use crate::cli::{Failure, RUNTIME_FAILED};
use crate::drift::{Breach, Held};
use crate::settings::{Contract, Format, Preset};

/// Unmapped members told of one event; more are counted.
const UNMAPPED_MAX: usize = 256;

/// How the report is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Bodies and lines about them together, for reading.
    Together,
    /// Bodies laid out on standard output, lines about them on standard error.
    Alone,
    /// The same with bodies as they are sent.
    Compact,
    /// A line of JSON for each event.
    Json,
}

/// The report on all events.
pub(super) struct Report {
    layout: Layout,
}

impl Report {
    pub(super) fn new(layout: Layout) -> Self {
        Self { layout }
    }

    /// Tells of one event.
    pub(super) fn event(
        &self,
        entry: &Entry,
        preset: Preset,
        seen: &[Seen<'_>],
        held: Option<&Option<Held<'_>>>,
    ) -> Result<(), Failure> {
        if self.layout == Layout::Json {
            let line = json_line(entry, preset, seen, held);
            return write(format!("{line}\n").as_bytes());
        }
        let event = &entry.event;
        let line = entry.line.map(|line| format!(" (line {line})"));
        self.note(&format!(
            "event {}{}: {}, source {}, preset {}",
            entry.number,
            line.unwrap_or_default(),
            event.id,
            event.provenance.source,
            preset.as_str()
        ))?;
        for (index, one) in seen.iter().enumerate() {
            self.seen(one)?;
            // Formats map alike: the last one speaks for all.
            let behind = seen.get(index + 1..).unwrap_or_default();
            let last = behind.iter().all(|next| next.format == Format::Original);
            if one.destination.is_some() || last {
                self.unmapped(one)?;
            }
        }
        for line in held.map(contract_lines).unwrap_or_default() {
            self.note(&line)?;
        }
        Ok(())
    }

    /// Tells how each contract was kept.
    pub(super) fn contracts(
        &self,
        contracts: &[Contract],
        held: &BTreeMap<String, (u64, u64)>,
    ) -> Result<(), Failure> {
        if self.layout == Layout::Json {
            return Ok(());
        }
        for contract in contracts {
            let (events, broken) = held.get(&contract.name).copied().unwrap_or_default();
            self.note(&format!(
                "contract {}: held against {events} event(s), broken by {broken}",
                contract.name
            ))?;
        }
        Ok(())
    }

    fn seen(&self, seen: &Seen<'_>) -> Result<(), Failure> {
        let format = seen.format.as_str();
        let heading = match seen.destination {
            Some(one) => format!("{} ({}), format {format}", one.name, one.kind.as_str()),
            None => format.to_owned(),
        };
        match &seen.outcome {
            Outcome::Filtered(why) => self.note(&format!("{heading}: filtered: {why}")),
            Outcome::Failed(why) => self.note(&format!("{heading}: a dead letter: {why}")),
            Outcome::Sent(sent) => {
                self.note(&heading)?;
                for part in &sent.parts {
                    self.note(&format!("{} {}: {}", part.place, part.name, part.value))?;
                }
                match self.layout {
                    Layout::Compact => {
                        write(&sent.body)?;
                        match sent.body.ends_with(b"\n") {
                            true => Ok(()),
                            false => write(b"\n"),
                        }
                    }
                    _ => write(&pretty(&sent.body)),
                }
            }
        }
    }

    fn unmapped(&self, seen: &Seen<'_>) -> Result<(), Failure> {
        for member in seen.unmapped.iter().take(UNMAPPED_MAX) {
            self.note(&format!("unmapped: {} ({})", member.path, member.kind))?;
        }
        let more = seen.unmapped.len().saturating_sub(UNMAPPED_MAX);
        if more > 0 {
            self.note(&format!("unmapped: {more} more"))?;
        }
        let unknown = seen
            .notes
            .words()
            .into_iter()
            .filter(|(_, parts)| *parts > 0);
        let unknown: Vec<_> = unknown
            .map(|(what, parts)| format!("{what} {parts}"))
            .collect();
        if !unknown.is_empty() {
            self.note(&format!("unknown: {}", unknown.join(", ")))?;
        }
        Ok(())
    }

    /// A line about an event.
    fn note(&self, text: &str) -> Result<(), Failure> {
        match self.layout {
            Layout::Together => write(format!("# {}\n", plain(text)).as_bytes()),
            _ => {
                aside(&format!("# {text}"));
                Ok(())
            }
        }
    }
}

/// Tells something on standard error. Nobody is there to be told without one.
pub(super) fn aside(text: &str) {
    let _lost = writeln!(io::stderr(), "{}", plain(text));
}

fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(|error| Failure::new(RUNTIME_FAILED, format!("cannot write: {error}")))
}

/// Text on one line, without what could steer a terminal.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => plain.push(character),
            _ => plain.extend(character.escape_debug()),
        }
    }
    plain
}

fn contract_lines(held: &Option<Held<'_>>) -> Vec<String> {
    let Some(held) = held else {
        return vec!["contracts: not held against it, since it is too large".to_owned()];
    };
    let line = |(contract, breach): &(&Contract, Option<Breach>)| {
        let name = &contract.name;
        match breach {
            None => format!("contract {name}: kept"),
            Some(Breach {
                pointer, problem, ..
            }) => {
                let used_by = &contract.used_by;
                format!("contract {name}: broken: {problem} at {pointer}; used by {used_by}")
            }
        }
    };
    held.iter().map(line).collect()
}

fn json_line(
    entry: &Entry,
    preset: Preset,
    seen: &[Seen<'_>],
    held: Option<&Option<Held<'_>>>,
) -> Value {
    let event = &entry.event;
    let mut line = json!({
        "event": entry.number,
        "line": entry.line,
        "id": event.id,
        "source": event.provenance.source,
        "preset": preset.as_str(),
        "documents": seen.iter().map(document).collect::<Vec<_>>(),
    });
    if let (Some(held), Some(fields)) = (held, line.as_object_mut()) {
        let contract = |(contract, breach): &(&Contract, Option<Breach>)| {
            json!({
                "contract": contract.name,
                "kept": breach.is_none(),
                "problem": breach.as_ref().map(|breach| breach.problem),
                "pointer": breach.as_ref().map(|breach| &breach.pointer),
                "used_by": contract.used_by,
            })
        };
        let held = held
            .as_ref()
            .map(|held| held.iter().map(contract).collect::<Vec<_>>());
        fields.insert("contracts".to_owned(), json!(held));
    }
    line
}

fn document(seen: &Seen<'_>) -> Value {
    let mut document = Map::new();
    let mut put = |key: &str, value: Value| document.insert(key.to_owned(), value);
    put("format", seen.format.as_str().into());
    if let Some(destination) = seen.destination {
        put("destination", destination.name.as_str().into());
        put("kind", destination.kind.as_str().into());
    }
    match &seen.outcome {
        Outcome::Filtered(why) => put("filtered", (*why).into()),
        Outcome::Failed(why) => put("failed", why.as_str().into()),
        Outcome::Sent(sent) => {
            put("parts", json!(sent.parts));
            put("body", String::from_utf8_lossy(&sent.body).into())
        }
    };
    if seen.format != Format::Original {
        let members = seen.unmapped.iter().take(UNMAPPED_MAX);
        let member = members.map(|one| json!({ "path": one.path, "type": one.kind }));
        let unmapped: Value = member.collect();
        let unknown: Map<_, _> = seen
            .notes
            .words()
            .into_iter()
            .map(|(what, parts)| (what.to_owned(), parts.into()))
            .collect();
        document.insert("unmapped".to_owned(), unmapped);
        document.insert("unknown".to_owned(), unknown.into());
    }
    document.into()
}
