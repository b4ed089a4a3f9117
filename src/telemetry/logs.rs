//! The log set-up: lines to stdout, as JSON or as text, with UTC times; and panics as log lines.
//!
//! The calling thread writes the line. Where stdout is closed, or its reader takes nothing, the
//! line is lost and counted and the relay goes on: the errors of a log have nowhere else to go.
//! Lines are also counted by level before they are written.

use std::fmt;
use std::panic::PanicHookInfo;
use std::sync::Arc;

use prometheus::IntCounter;
use tracing::field::Field;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::metrics::Metrics;

mod outlet;
#[cfg(test)]
mod tests;

use outlet::Outlet;

/// Most bytes of a filter; a filter is written by hand.
const FILTER_BYTES_MAX: usize = 1024;
/// Most characters of a panic's message in the log: it may quote data.
const PANIC_CHARACTERS_MAX: usize = 256;

const LEVEL_WORDS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Why logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not one.
    #[error("log.level: {0}")]
    Level(String),
    /// Logging was set up before, in this process.
    #[error("logging is already set up; call this once")]
    Twice,
}

/// Sends the log to stdout from here on, and panics of any thread to the log.
///
/// `level` is a filter as [`check_level`] takes it. Fails for a bad one, and when called twice.
pub fn init(json: bool, level: &str, metrics: &Arc<Metrics>) -> Result<(), LogError> {
    let filter = parse(level).map_err(LogError::Level)?;
    let outlet = Outlet::new(std::io::stdout(), metrics.log_messages_lost.clone());
    subscriber(json, filter, metrics, outlet)
        .try_init()
        .map_err(|_| LogError::Twice)?;
    std::panic::set_hook(Box::new(report_panic));
    Ok(())
}

/// Checks a filter: a level, or `target=level` pairs, separated by commas, such as `info`,
/// `siem_relay=debug` or `warn,siem_relay::deliver=trace`.
pub fn check_level(level: &str) -> Result<(), String> {
    parse(level).map(drop)
}

/// Stricter than the library, to which a misspelt level is the name of a target: `inof` would
/// silence all that matters.
fn parse(filter: &str) -> Result<Targets, String> {
    if filter.len() > FILTER_BYTES_MAX {
        return Err(format!(
            "is longer than {FILTER_BYTES_MAX} bytes; name fewer targets"
        ));
    }
    let mut targets = Targets::new();
    for directive in filter.split(',').map(str::trim) {
        targets = match directive.split_once('=') {
            None => targets.with_default(parse_level(directive)?),
            Some((target, level)) if is_target(target) => {
                targets.with_target(target, parse_level(level)?)
            }
            Some((target, _)) => {
                return Err(format!(
                    "{target:?} is not a target; write one such as siem_relay"
                ));
            }
        };
    }
    Ok(targets)
}

fn parse_level(word: &str) -> Result<LevelFilter, String> {
    let known = LEVEL_WORDS
        .iter()
        .any(|level| level.eq_ignore_ascii_case(word));
    match word.parse() {
        Ok(level) if known => Ok(level),
        _ => Err(format!(
            "{word:?} is not a level; use one of {}, or target=level",
            LEVEL_WORDS.join(", ")
        )),
    }
}

fn is_target(text: &str) -> bool {
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    text.split("::").all(word)
}

fn subscriber<W>(
    json: bool,
    filter: Targets,
    metrics: &Metrics,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // A failed write must not be reported on stderr: that panics where stderr is closed too.
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .log_internal_errors(false);
    let lines = if json {
        lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed()
    } else {
        let fields = debug_fn(write_field).delimited(" ");
        lines.with_ansi(false).fmt_fields(fields).boxed()
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(Count::new(metrics))
        .with(lines)
}

/// Writes a field of a text line. Control characters are escaped: a receiver's answer quoted in
/// a field must neither begin a line of its own nor steer a terminal.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(writer, "{}=", field.name())?;
    }
    for character in format!("{value:?}").chars() {
        if character.is_control() {
            write!(writer, "{}", character.escape_default())?;
        } else {
            writer.write_char(character)?;
        }
    }
    Ok(())
}

/// Counts lines by level.
struct Count {
    error: IntCounter,
    warn: IntCounter,
    info: IntCounter,
    debug: IntCounter,
    trace: IntCounter,
}

impl Count {
    fn new(metrics: &Metrics) -> Self {
        let level = |level| metrics.log_messages.with_label_values(&[level]);
        Self {
            error: level("error"),
            warn: level("warn"),
            info: level("info"),
            debug: level("debug"),
            trace: level("trace"),
        }
    }
}

impl<S: Subscriber> Layer<S> for Count {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let counter = match *event.metadata().level() {
            Level::ERROR => &self.error,
            Level::WARN => &self.warn,
            Level::INFO => &self.info,
            Level::DEBUG => &self.debug,
            Level::TRACE => &self.trace,
        };
        counter.inc();
    }
}

/// The panic hook. It stands in for the standard one, whose text on stderr no log reader sees.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let text = panic.payload_as_str().unwrap_or("no message");
    let text: String = text.chars().take(PANIC_CHARACTERS_MAX).collect();
    let location = panic.location().map(ToString::to_string);
    let thread = std::thread::current();
    tracing::error!(
        panic = text,
        location = location.as_deref(),
        thread = thread.name(),
        "a thread panicked"
    );
}
