//! `siem-relay drift`: what vendors changed in their events, asked of the running relay, or read
//! from the file that it kept where none answers.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;

use super::journal::JOURNAL_UNUSABLE;
use super::{CONFIG_INVALID, Failure, RUNTIME_FAILED, from_here, load, say, small_runtime};
use crate::drift::{FILE_NAME, Finding, Report, stored_report};
use crate::event::EventId;
use crate::settings::Settings;
use crate::sink::client::{Answer, Login, get_once};

/// Bytes of the relay's answer: some 1,000 findings with the longest fields.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

#[derive(Args)]
pub(super) struct DriftArguments {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only changes first seen within this time, such as 12h or 30d
    #[arg(long, value_name = "DURATION", default_value = "30d",
          value_parser = humantime::parse_duration)]
    since: Duration,
    /// Only changes of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Print each change as a line of JSON, and nothing else
    #[arg(long)]
    json: bool,
}

/// Prints what changed.
pub(super) fn run(arguments: &DriftArguments) -> Result<(), Failure> {
    let settings = load(&arguments.config)?.settings;
    let (report, from) = read(&settings)?;
    let begin = SystemTime::now().checked_sub(arguments.since);
    let begin = begin.and_then(|begin| begin.duration_since(SystemTime::UNIX_EPOCH).ok());
    let begin_ms = begin.map_or(0, |begin| begin.as_millis());
    let wanted = |finding: &&Finding| {
        let id = finding.event.parse::<EventId>();
        id.is_ok_and(|id| u128::from(id.received_ms()) >= begin_ms)
            && arguments
                .source
                .as_ref()
                .is_none_or(|name| *name == finding.source)
    };
    let found: Vec<_> = report.findings.iter().filter(wanted).collect();
    if arguments.json {
        for finding in found {
            let line = serde_json::to_string(finding)
                .map_err(|error| Failure::new(RUNTIME_FAILED, error))?;
            say(line)?;
        }
        return Ok(());
    }
    introduce(&report, &from)?;
    for finding in &found {
        say(line(finding))?;
    }
    say(format_args!("{} change(s)", found.len()))
}

/// What the report rests on, so that nobody takes silence for health.
fn introduce(report: &Report, from: &str) -> Result<(), Failure> {
    let since = report.since.as_deref().unwrap_or("no event yet");
    say(format_args!(
        "{from}: {} event(s) looked at since {since}; {} missed, {} not readable",
        report.events, report.missed, report.unreadable
    ))?;
    for source in report.sources.iter().filter(|source| source.untracked > 0) {
        say(format_args!(
            "source {}: {} time(s) a type, field or value found no room and is not known",
            source.name, source.untracked
        ))?;
    }
    if report.left_out > 0 {
        say(format_args!(
            "{} older change(s) are left out",
            report.left_out
        ))?;
    }
    Ok(())
}

fn line(finding: &Finding) -> String {
    let Finding {
        source,
        kind,
        field,
        detail,
        first_seen,
        event,
        ..
    } = finding;
    let field = if field.is_empty() { "-" } else { field };
    let what = finding.what.as_str();
    format!("{first_seen} {source} {what} {kind} {field}: {detail}; first in event {event}")
}

/// The report, and where it is from.
fn read(settings: &Settings) -> Result<(Report, String), Failure> {
    let directory = &settings.journal.directory;
    let why = match ask(settings)? {
        Ok((report, address)) => return Ok((report, format!("the relay at {address}"))),
        Err(why) => why,
    };
    let stored = stored_report(directory);
    let stored = stored.map_err(|error| Failure::new(JOURNAL_UNUSABLE, error))?;
    let path = directory.join(FILE_NAME).display().to_string();
    match stored {
        Some(report) => Ok((report, format!("{path} ({why})"))),
        None => {
            let text = format!("{why}, and {path} is not there: start the relay first");
            Err(Failure::new(RUNTIME_FAILED, text))
        }
    }
}

/// Asks the running relay; the inner error is that none answers.
fn ask(settings: &Settings) -> Result<Result<(Report, String), String>, Failure> {
    let admin = &settings.admin;
    if admin.listen.port() == 0 {
        return Ok(Err("admin.listen names no port to ask at".to_owned()));
    }
    let address = from_here(admin.listen);
    let token = admin
        .read_token
        .clone()
        .or_else(|| admin.write_token.clone());
    let login = token.map_or(Login::None, |token| Login::Scheme("Bearer", token));
    let url = format!("http://{address}/api/v1/drift");
    match small_runtime()?.block_on(get_once(&url, &login, ANSWER_BYTES_MAX)) {
        Ok(answer) => {
            let report = understand(&answer, &address.to_string())?;
            Ok(Ok((report, address.to_string())))
        }
        Err(error) => Ok(Err(format!("no relay answers at {address}: {error}"))),
    }
}

fn understand(answer: &Answer, address: &str) -> Result<Report, Failure> {
    if answer.is_success() {
        return serde_json::from_slice(&answer.body).map_err(|error| {
            let text = format!("the answer of {address} is not understood: {error}");
            Failure::new(RUNTIME_FAILED, text)
        });
    }
    let code = match answer.status {
        401 | 403 => CONFIG_INVALID,
        _ => RUNTIME_FAILED,
    };
    let (status, quoted) = (answer.status, answer.quote_body());
    Err(Failure::new(
        code,
        format!("the relay at {address} refused: {status} {quoted}"),
    ))
}
