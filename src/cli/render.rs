//! `siem-relay render`: shows what events become, by format or by destination, and holds them
//! against contracts.
//!
//! It reaches nobody, keeps nothing and needs no secret: what it shows is made by the code that the
//! relay makes it with, and only how it is laid out for people is its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::{CONFIG_INVALID, Failure, RUNTIME_FAILED, USAGE_WRONG, environment};
use crate::config;
use crate::drift::{self, Held};
use crate::event::Event;
use crate::settings::{Contract, Destination, Format, Preset, Settings, Source, SourceAuth};

mod input;
mod pretty;
mod report;
mod view;

use input::{Form, Input, Origin};
use report::{Layout, Report};
use view::View;

/// Exit code of an event that breaks a contract, or of events that no contract is about.
const CONTRACT_BROKEN: u8 = 6;
/// Bytes of an event without a configuration: the most that `server.max_body` can be.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Args)]
pub(super) struct RenderArguments {
    /// The file with the body of a webhook; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// What the file holds
    #[arg(long, value_enum, default_value = "body")]
    input: InputArgument,
    /// The configuration file (TOML); secrets that it names need not be there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The configured source that the events are of; needed where there are several
    #[arg(long, value_name = "NAME", requires = "config")]
    source: Option<String>,
    /// The vendor's conventions, without a configuration; generic by default
    #[arg(long, value_name = "PRESET", conflicts_with = "config", value_parser = preset)]
    preset: Option<Preset>,
    /// Show this format (original, ecs, ocsf, cim); can be repeated; all four by default
    #[arg(long, value_name = "FORMAT", conflicts_with = "destination", value_parser = format)]
    format: Vec<Format>,
    /// Show what this destination is sent, or that it takes no such event; can be repeated
    #[arg(long, value_name = "NAME", requires = "config")]
    destination: Vec<String>,
    /// Hold the events against the configured contracts; exit with 6 if one is broken
    #[arg(long, requires = "config")]
    contracts: bool,
    /// When the events were received (RFC 3339), which their ids follow from; now by default
    #[arg(long, value_name = "TIME")]
    received: Option<Timestamp>,
    /// Write bodies byte for byte as they are sent, and nothing else, to standard output
    #[arg(long)]
    compact: bool,
    /// Write everything about an event as a line of JSON
    #[arg(long, conflicts_with = "compact")]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum InputArgument {
    /// The body of one webhook
    Body,
    /// A body on each line
    Lines,
    /// What `journal export` writes
    Export,
}

/// What the events are held against or shown by.
struct Scene {
    sources: Vec<Source>,
    destinations: Vec<Destination>,
    contracts: Vec<Contract>,
    body_bytes_max: usize,
}

/// What became of all events.
#[derive(Default)]
struct Tally {
    /// Places of the input without an event.
    unread: u64,
    /// Events that a format or a destination cannot take.
    failed: u64,
    /// Events that no contract can be held against.
    too_large: u64,
    /// By a contract's name: events that it was held against, and those that broke it.
    held: BTreeMap<String, (u64, u64)>,
}

/// Shows all events.
pub(super) fn run(arguments: &RenderArguments) -> Result<(), Failure> {
    let scene = Scene::new(arguments)?;
    let views = scene.views(arguments)?;
    let origin = scene.origin(arguments)?;
    let mut input = Input::open(&arguments.file, origin, scene.body_bytes_max)
        .map_err(|text| Failure::new(RUNTIME_FAILED, text))?;
    let report = Report::new(arguments.layout(views.len()));
    let mut tally = Tally::default();
    while let Some(read) = input.next() {
        let entry = match read {
            Ok(entry) => entry,
            Err(text) if arguments.input == InputArgument::Body => {
                return Err(Failure::new(RUNTIME_FAILED, text));
            }
            Err(text) => {
                tally.unread += 1;
                report::aside(&text);
                continue;
            }
        };
        let seen: Vec<_> = views.iter().map(|view| view.show(&entry.event)).collect();
        tally.failed += u64::from(seen.iter().any(view::Seen::has_failed));
        let held = arguments
            .contracts
            .then(|| tally.hold(&scene.contracts, &entry.event));
        report.event(&entry, scene.preset_of(&entry.event), &seen, held.as_ref())?;
    }
    if arguments.contracts {
        report.contracts(&scene.contracts, &tally.held)?;
    }
    tally.result(arguments.contracts)
}

impl RenderArguments {
    fn layout(&self, views: usize) -> Layout {
        match (self.json, self.compact, views) {
            (true, ..) => Layout::Json,
            (_, true, _) => Layout::Compact,
            (.., 1) => Layout::Alone,
            _ => Layout::Together,
        }
    }
}

impl Scene {
    fn new(arguments: &RenderArguments) -> Result<Self, Failure> {
        let Some(file) = &arguments.config else {
            return Ok(Self {
                sources: vec![unconfigured(arguments.preset.unwrap_or(Preset::Generic))],
                destinations: Vec::new(),
                contracts: Vec::new(),
                body_bytes_max: BODY_BYTES_MAX,
            });
        };
        let loaded = config::load_without_secrets(file, environment())
            .map_err(|problems| Failure::new(CONFIG_INVALID, problems))?;
        for warning in &loaded.warnings {
            report::aside(&format!("warning: {warning}"));
        }
        let Settings {
            server,
            sources,
            destinations,
            contracts,
            ..
        } = loaded.settings;
        Ok(Self {
            sources,
            destinations,
            contracts,
            body_bytes_max: server.max_body_bytes,
        })
    }

    fn views(&self, arguments: &RenderArguments) -> Result<Vec<View<'_>>, Failure> {
        let view = |name: &String| {
            let mut all = self.destinations.iter();
            let Some(found) = all.find(|destination| destination.name == *name) else {
                let names = self.destinations.iter().map(|one| one.name.as_str());
                return Err(unknown("destination", "--destination", names));
            };
            Ok(View::of_destination(found, &self.sources))
        };
        if !arguments.destination.is_empty() {
            return arguments.destination.iter().map(view).collect();
        }
        let formats = match arguments.format.as_slice() {
            [] if arguments.contracts => &[],
            [] => Format::ALL.as_slice(),
            chosen => chosen,
        };
        let view = |format: &Format| View::of_format(*format, &self.sources);
        Ok(formats.iter().map(view).collect())
    }

    /// Where events come from, by what the input says or the arguments do.
    fn origin(&self, arguments: &RenderArguments) -> Result<Origin<'_>, Failure> {
        let form = match arguments.input {
            InputArgument::Body => Form::Body,
            InputArgument::Lines => Form::Lines,
            InputArgument::Export => {
                let usage = |text| Err(Failure::new(USAGE_WRONG, text));
                return match arguments {
                    RenderArguments { config: None, .. } => {
                        usage("--input export needs --config, which says what its sources are")
                    }
                    RenderArguments {
                        source: None,
                        received: None,
                        ..
                    } => Ok(Origin::Stated),
                    _ => usage("the lines of an export state source and time themselves"),
                };
            }
        };
        let source = match (&arguments.source, self.sources.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(name), all) => all.iter().find(|source| source.name == *name),
        };
        let names = self.sources.iter().map(|source| source.name.as_str());
        let received = arguments.received.unwrap_or_else(Timestamp::now);
        Ok(Origin::Given {
            form,
            source: source.ok_or_else(|| unknown("source", "--source", names))?,
            received_ms: u64::try_from(received.as_millisecond()).unwrap_or(0),
        })
    }

    /// How events of its source are read.
    fn preset_of(&self, event: &Event) -> Preset {
        let mut all = self.sources.iter();
        let source = all.find(|source| source.name == event.provenance.source);
        source.map_or(Preset::Generic, |source| source.preset)
    }
}

impl Tally {
    /// Holds an event against the contracts that are about it.
    fn hold<'c>(&mut self, contracts: &'c [Contract], event: &Event) -> Option<Held<'c>> {
        let held = drift::hold(contracts, event);
        self.too_large += u64::from(held.is_none());
        for (contract, breach) in held.iter().flatten() {
            let (events, broken) = self.held.entry(contract.name.clone()).or_default();
            *events += 1;
            *broken += u64::from(breach.is_some());
        }
        held
    }

    fn result(&self, contracts: bool) -> Result<(), Failure> {
        let mut text = Vec::new();
        let mut tell = |number: u64, what: &str| {
            if number > 0 {
                text.push(format!("{number} {what}"));
            }
        };
        tell(self.unread, "place(s) of the input hold no event");
        tell(self.failed, "event(s) would become dead letters");
        let mut code = RUNTIME_FAILED;
        if contracts {
            let events: u64 = self.held.values().map(|(events, _)| events).sum();
            let broken = self.held.values().map(|(_, broken)| broken).sum();
            if self.unread + self.failed == 0 {
                code = CONTRACT_BROKEN;
            }
            tell(broken, "time(s) a contract is broken");
            let too_large = "event(s) are too large to be held against contracts";
            tell(self.too_large, too_large);
            if events + self.unread + self.too_large == 0 {
                text.push("no contract is about any of these events".to_owned());
            }
        }
        match text.is_empty() {
            true => Ok(()),
            false => Err(Failure::new(code, text.join("\n"))),
        }
    }
}

/// A source that only its preset is known of.
fn unconfigured(preset: Preset) -> Source {
    Source {
        name: preset.as_str().to_owned(),
        preset,
        auth: SourceAuth::None,
        allow_addresses: Vec::new(),
        keep_headers: Vec::new(),
        delivery_id_header: None,
        rules: Vec::new(),
        severities: Vec::new(),
    }
}

fn unknown<'n>(what: &str, option: &str, names: impl Iterator<Item = &'n str>) -> Failure {
    let names: Vec<_> = names.collect();
    let text = format!(
        "no such {what}; name one with {option}: {}",
        names.join(", ")
    );
    Failure::new(USAGE_WRONG, text)
}

fn preset(text: &str) -> Result<Preset, String> {
    word(text, Preset::ALL)
}

fn format(text: &str) -> Result<Format, String> {
    word(text, Format::ALL.map(|format| (format.as_str(), format)))
}

fn word<T, const MANY: usize>(text: &str, all: [(&str, T); MANY]) -> Result<T, String> {
    let words = all.each_ref().map(|(word, _)| *word).join(", ");
    let found = all.into_iter().find(|(word, _)| *word == text);
    let found = found.ok_or_else(|| format!("write one of {words}"))?;
    Ok(found.1)
}
