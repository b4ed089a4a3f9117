//! `dead-letters list` and `dead-letters show`.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;

use super::{Selection, failed};
use crate::cli::{Failure, RUNTIME_FAILED, USAGE_WRONG, load, say};
use crate::dead_letters::{Filter, Letter, names, read};
use crate::event::EventId;

#[derive(Args)]
pub(in crate::cli) struct ListArguments {
    #[command(flatten)]
    selection: Selection,
    /// One JSON object a line instead of columns
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct ShowArguments {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only a letter of this destination
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// The event's id
    id: EventId,
}

/// Writes a line per letter: id, died, destination, reason, source, attempts, state.
pub(in crate::cli) fn list(arguments: &ListArguments) -> Result<(), Failure> {
    let settings = arguments.selection.settings()?;
    let directory = &settings.dead_letters.directory;
    let filter = arguments.selection.filter();
    let mut out = BufWriter::new(io::stdout().lock());
    let mut written = Ok(());
    for destination in arguments.selection.destinations(&settings)? {
        let each = |letter: Letter| {
            written = write(&mut out, &destination, &letter, arguments.json);
            written.is_ok()
        };
        let unreadable = read(directory, &destination, &filter, each).map_err(failed)?;
        if written.is_err() {
            break;
        }
        if unreadable > 0 {
            let text =
                format!("warning: {unreadable} line(s) of {destination}.jsonl are not understood");
            // Nobody is there to be warned without a stderr.
            let _lost = writeln!(io::stderr(), "{text}");
        }
    }
    let written = written.and_then(|()| out.flush());
    written.map_err(|error| Failure::new(RUNTIME_FAILED, format!("cannot write: {error}")))
}

fn write(out: &mut impl Write, destination: &str, letter: &Letter, json: bool) -> io::Result<()> {
    if json {
        let mut summary = letter.summary();
        if let Some(fields) = summary.as_object_mut() {
            fields.insert("destination".to_owned(), destination.into());
        }
        return writeln!(out, "{summary}");
    }
    writeln!(
        out,
        "{} {} {destination} {} {} {} {}",
        letter.id,
        letter.text("died"),
        letter.text("reason"),
        letter.text("source"),
        letter.attempts(),
        letter.state.as_str()
    )
}

/// Writes everything of the letter, of each destination that has it.
pub(in crate::cli) fn show(arguments: &ShowArguments) -> Result<(), Failure> {
    let settings = load(&arguments.config)?.settings;
    let directory = &settings.dead_letters.directory;
    let filter = Filter {
        ids: vec![arguments.id],
        ..Filter::default()
    };
    let mut found = Vec::new();
    for destination in names(directory).map_err(failed)? {
        let wanted = arguments.destination.as_ref();
        if wanted.is_some_and(|wanted| *wanted != destination) {
            continue;
        }
        let each = |letter: Letter| {
            let mut shown = letter.to_json();
            if let Some(fields) = shown.as_object_mut() {
                fields.insert("destination".to_owned(), destination.as_str().into());
            }
            found.push(shown);
            true
        };
        read(directory, &destination, &filter, each).map_err(failed)?;
    }
    for letter in &found {
        say(format_args!("{letter:#}"))?;
    }
    if found.is_empty() {
        let text = format!("no dead letter has the id {}", arguments.id);
        return Err(Failure::new(USAGE_WRONG, text));
    }
    Ok(())
}
