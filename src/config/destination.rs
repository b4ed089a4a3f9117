//! `[destinations.NAME]`: the keys that every kind has, and the rules between destinations.
//!
//! What a kind needs besides is in `kinds`. Without a known kind no other key can be judged.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::settings::{
    BatchLimits, DeadLetters, Destination, Format, Framing, HecInput, Journal, Kind, Retry,
    SendingPace, Start,
};

use super::condition::{Of, condition};
use super::elastic;
use super::intake;
use super::kinds;
use super::overlap::can_meet;
use super::problems::shown;
use super::rules::rules;
use super::sections::is_inside;
use super::splunk;
use super::table::Table;

/// Most events of one batch, for every kind.
const BATCH_EVENTS_MAX: usize = 10_000;
/// Smallest batch in bytes: no useful limit lies below.
const BATCH_BYTES_MIN: u64 = 1024;
/// Batches on their way at once: by default, and at most.
const IN_FLIGHT: usize = 4;
const IN_FLIGHT_MAX: usize = 64;
/// Events per second, at most.
const RATE_MAX: usize = 1_000_000;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// The kinds, before their keys are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    SplunkHec,
    Elasticsearch,
    Http,
    File,
    Intake(intake::Word),
}

/// Defaults and cap of a kind's batches.
struct Batches {
    events: usize,
    events_max: usize,
    bytes: usize,
    bytes_max: u64,
}

/// Reads one destination; none if it cannot be built, which is then reported.
pub(super) fn destination(
    name: &str,
    table: &Table<'_>,
    sources: &[String],
    journal: &Journal,
) -> Option<Destination> {
    let mut words = vec![
        ("splunk_hec", Word::SplunkHec),
        ("elasticsearch", Word::Elasticsearch),
        ("http", Word::Http),
        ("file", Word::File),
    ];
    words.extend(intake::WORDS.map(|(text, word)| (text, Word::Intake(word))));
    let Some(word) = table.one_of("kind", None, &words) else {
        if !table.has("kind") {
            let words: Vec<_> = words.iter().map(|(text, _)| *text).collect();
            let remedy = format!("write kind = one of {}", words.join(", "));
            table.problem("kind", "missing", remedy);
        }
        table.take_all();
        return None;
    };
    let kind = match word {
        Word::SplunkHec => splunk::splunk_hec(table, sources).map(Kind::SplunkHec),
        Word::Elasticsearch => elastic::elasticsearch(table, sources).map(Kind::Elasticsearch),
        Word::Http => kinds::http(table).map(Box::new).map(Kind::Http),
        Word::File => kinds::file(table).map(Kind::File),
        Word::Intake(word) => intake::intake(table, word).map(Box::new).map(Kind::Intake),
    };
    let formats = Format::ALL.map(|format| (format.as_str(), format));
    let starts = [("earliest", Start::Earliest), ("latest", Start::Latest)];
    let format = table.one_of("format", Some("original"), &formats);
    check_format(table, format, kind.as_ref());
    let keep_original = table.flag("keep_original", true);
    if !keep_original && format == Some(Format::Original) {
        let what = "is false although the format is original, which is nothing else";
        table.problem("keep_original", what, "set format, or remove it");
    }
    let start = table.one_of("start", Some("earliest"), &starts);
    let wanted = wanted(table, sources);
    let when = condition(table, "when", Of::Event);
    let rules = rules(table);
    let batch = batch(table, word, kind.as_ref());
    let retry = retry(table);
    let probe_range = 10 * MILLISECOND..=24 * HOUR;
    let probe_interval = table.duration("probe_interval", 60 * SECOND, probe_range);
    let pace = pace(table, word, kind.as_ref());
    let max_backlog_bytes = max_backlog(table, journal);
    Some(Destination {
        name: name.to_owned(),
        sources: wanted,
        when,
        rules,
        format: format.unwrap_or(Format::Original),
        keep_original,
        start: start.unwrap_or(Start::Earliest),
        batch,
        retry,
        probe_interval,
        pace,
        max_backlog_bytes,
        kind: kind?,
    })
}

/// Reports a format that the kind cannot carry. CIM is flat, without `@timestamp`, and told apart
/// by the sourcetype of each event.
fn check_format(table: &Table<'_>, format: Option<Format>, kind: Option<&Kind>) {
    if format != Some(Format::Cim) {
        return;
    }
    match kind {
        Some(Kind::Elasticsearch(_) | Kind::Intake(_)) => {
            let what = "is cim, which only Splunk reads";
            table.problem("format", what, "write ecs, ocsf or original");
        }
        Some(Kind::SplunkHec(splunk))
            if splunk.input == HecInput::Raw && splunk.sourcetype.is_none() =>
        {
            let what = "is cim, whose sourcetype differs from event to event";
            table.problem(
                "format",
                what,
                "set endpoint = \"event\", or one sourcetype for all",
            );
        }
        _ => {}
    }
}

/// Reports a file destination that would write into the relay's own directories, or into the
/// file of an earlier destination. `sources` are the names of all.
pub(super) fn check_path(
    table: &Table<'_>,
    destination: &Destination,
    sources: &[String],
    earlier: &[Destination],
    journal: &Journal,
    dead_letters: &DeadLetters,
) {
    let Kind::File(file) = &destination.kind else {
        return;
    };
    let own = [
        ("journal.directory", &journal.directory),
        ("dead_letters.directory", &dead_letters.directory),
    ];
    let prefix = file.names.as_ref().map(|names| &names.directory);
    for (key, directory) in own {
        if is_inside(prefix.unwrap_or(&file.path), directory) {
            let what = format!("lies inside {key}");
            table.problem("path", what, "name a file in a directory of its own");
        } else if prefix.is_some_and(|prefix| is_inside(directory, prefix)) {
            // An event could name it.
            let what = format!("can lead into {key}");
            table.problem("path", what, "let it begin with a directory of its own");
        }
    }
    for other in earlier {
        if can_meet(destination, other, sources) {
            let follows =
                |one: &Destination| matches!(&one.kind, Kind::File(file) if file.names.is_some());
            let is = match follows(destination) || follows(other) {
                true => "can be",
                false => "is",
            };
            let what = format!("{is} the file of destinations.{}", shown(&other.name));
            table.problem("path", what, "give each destination files of its own");
        }
    }
}

impl Word {
    fn batches(self, kind: Option<&Kind>) -> Batches {
        if let Some(Kind::Intake(intake)) = kind {
            let limits = intake.preset.limits();
            return Batches {
                events: limits.events,
                events_max: limits.events_max,
                bytes: limits.bytes,
                bytes_max: u64::try_from(limits.bytes_max).unwrap_or(u64::MAX),
            };
        }
        let (events, bytes, bytes_max) = match self {
            // Splunk's documents let a request grow to 5 MB; proxies count the frame as well.
            Self::SplunkHec => (1000, 1_000_000, 4608 * 1024),
            // Elasticsearch refuses more than 100 MB unless told otherwise.
            Self::Elasticsearch => (1000, 5_000_000, 50_000_000),
            // An intake only where it could not be read, which is reported already.
            Self::Http | Self::Intake(_) => (1000, 1_000_000, 50_000_000),
            Self::File => (5000, 4 * 1024 * 1024, 64 * 1024 * 1024),
        };
        Batches {
            events,
            events_max: BATCH_EVENTS_MAX,
            bytes,
            bytes_max,
        }
    }
}

fn wanted(table: &Table<'_>, sources: &[String]) -> Option<Vec<String>> {
    let wanted = table.list("sources", None)?;
    if wanted.is_empty() {
        let what = "is empty, so that the destination would get nothing";
        table.problem(
            "sources",
            what,
            "name sources, or remove the key to get all",
        );
    }
    for name in wanted.iter().filter(|name| !sources.contains(name)) {
        let what = format!("there is no source \"{}\"", shown(name));
        let remedy = format!("write one of {}, or add the source", sources.join(", "));
        table.problem("sources", what, remedy);
    }
    Some(wanted)
}

fn batch(table: &Table<'_>, word: Word, kind: Option<&Kind>) -> BatchLimits {
    let limits = word.batches(kind);
    let framing = match kind {
        Some(Kind::Http(http)) => Some(&http.framing),
        _ => None,
    };
    let single = framing.is_some_and(Framing::is_single);
    let default = if single { 1 } else { limits.events };
    let range: RangeInclusive<usize> = 1..=limits.events_max;
    let max_events = table.count("batch_max_events", default, range);
    if single && max_events > 1 {
        let what = "more than one event while each has a request of its own";
        let remedy = "remove it, or use framing = \"array\" or cloudevents = \"batched\"";
        table.problem("batch_max_events", what, remedy);
    }
    let bytes_range = BATCH_BYTES_MIN..=limits.bytes_max;
    let max_bytes = table.memory("batch_max_bytes", limits.bytes, bytes_range);
    BatchLimits {
        max_events,
        // The limit is the body's; what is left of it is the events'.
        max_bytes: max_bytes - framing.map_or(0, Framing::frame_bytes).min(max_bytes),
    }
}

fn pace(table: &Table<'_>, word: Word, kind: Option<&Kind>) -> SendingPace {
    let (default, most) = match word {
        // A file has one end to write to.
        Word::File => (1, 1),
        _ => (IN_FLIGHT, IN_FLIGHT_MAX),
    };
    let rate = table.optional_count("rate_limit", 1..=RATE_MAX);
    SendingPace {
        max_in_flight: table.count("max_in_flight", default, 1..=most),
        rate_limit: rate.and_then(|rate| u32::try_from(rate).ok()),
        max_event_age: max_event_age(table, kind),
    }
}

/// An intake that takes events of some age only has that as the default.
fn max_event_age(table: &Table<'_>, kind: Option<&Kind>) -> Option<Duration> {
    let range = 60 * SECOND..=3650 * 24 * HOUR;
    let window = match kind {
        Some(Kind::Intake(intake)) => intake.preset.limits().age_max,
        _ => None,
    };
    match window {
        Some(window) => Some(table.duration("max_event_age", window, range)),
        None => table.optional_duration("max_event_age", range),
    }
}

/// None for a required destination.
fn max_backlog(table: &Table<'_>, journal: &Journal) -> Option<u64> {
    let required = table.flag("required", true);
    let range = journal.segment_bytes..=journal.max_size_bytes;
    let bytes = table.size("max_backlog", journal.max_size_bytes / 2, range);
    if required && table.has("max_backlog") {
        // Whoever writes it counts on a bound that would not be there: the journal would fill.
        let what = "is set although the destination is required, so that nothing bounds it";
        table.problem("max_backlog", what, "remove it, or set required = false");
    }
    (!required).then_some(bytes)
}

fn retry(table: &Table<'_>) -> Retry {
    let retry = Retry {
        initial: table.duration("retry_initial", SECOND, MILLISECOND..=HOUR),
        max: table.duration("retry_max", 300 * SECOND, MILLISECOND..=24 * HOUR),
        multiplier: table.ratio("retry_multiplier", 2.0, 1.0..=100.0),
        jitter: table.ratio("retry_jitter", 0.5, 0.0..=1.0),
    };
    if retry.max < retry.initial {
        let what = "is shorter than retry_initial";
        table.problem("retry_max", what, "raise it, or lower retry_initial");
    }
    retry
}
