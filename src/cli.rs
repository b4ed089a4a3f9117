//! The command line: parses it, runs one command, maps its result to an exit code.
//!
//! Exit codes: 0 done; 1 failed while running; 2 wrong usage; 3 the configuration has problems;
//! 4 the journal or dead letters cannot be used; 5 an address cannot be listened on; 6 an event
//! breaks a contract.

use std::fmt::Display;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Loaded};
use crate::sink::AnySink;

mod dead_letters;
mod destination;
mod drift;
mod journal;
mod open_files;
mod render;
mod run;
pub mod sample;
mod send_sample;

const RUNTIME_FAILED: u8 = 1;
/// As the parser of the command line has it.
const USAGE_WRONG: u8 = 2;
const CONFIG_INVALID: u8 = 3;

/// Durable webhook relay for SIEMs.
///
/// Answers a webhook 2xx only when the event is safely on disk, then delivers it to Splunk HEC,
/// Elasticsearch or OpenSearch, HTTP endpoints and files for as long as that takes.
#[derive(Parser)]
#[command(name = "siem-relay", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the relay until SIGTERM or SIGINT
    Run(ConfigArguments),
    /// Check a configuration, secrets included, and report all problems at once
    Check(ConfigArguments),
    /// Post a bundled vendor event to a running relay
    Sample(send_sample::SampleArguments),
    /// Show what events become: as each format, or as a destination is sent them; hold them against
    /// contracts. Reaches nobody and needs no secret
    Render(render::RenderArguments),
    /// Work on the journal of a relay that is stopped; skip and forget also through a running one
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    /// Look at events that destinations refused for ever, send them again, or give them up
    #[command(subcommand)]
    DeadLetters(dead_letters::LettersCommand),
    /// Pause, resume or try a destination of the running relay
    #[command(subcommand)]
    Destination(destination::DestinationCommand),
    /// Tell what vendors changed in their events: new, missing and retyped fields, new types and
    /// values
    Drift(drift::DriftArguments),
}

#[derive(Args)]
struct ConfigArguments {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Why a command failed: what to print, and the exit code.
struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    fn new(code: u8, error: impl Display) -> Self {
        Self {
            code,
            text: error.to_string(),
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Run(arguments) => run::run(&arguments.config),
        Command::Check(arguments) => check(&arguments.config),
        Command::Sample(arguments) => send_sample::send(&arguments),
        Command::Render(arguments) => render::run(&arguments),
        Command::Journal(command) => journal::run(&command),
        Command::DeadLetters(command) => dead_letters::run(&command),
        Command::Destination(command) => destination::run(&command),
        Command::Drift(arguments) => drift::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Without a stderr there is nobody to tell; the exit code still does.
            let _lost = writeln!(std::io::stderr(), "{}", failure.text);
            ExitCode::from(failure.code)
        }
    }
}

fn load(file: &Path) -> Result<Loaded, Failure> {
    config::load(file, environment()).map_err(|problems| Failure::new(CONFIG_INVALID, problems))
}

/// The environment's readable part: a variable that is not UTF-8 is none of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn check(file: &Path) -> Result<(), Failure> {
    let Loaded { settings, warnings } = load(file)?;
    for warning in warnings {
        say(format_args!("warning: {warning}"))?;
    }
    // Certificates and keys are judged where they are used; nothing is connected or opened.
    let unusable: Vec<_> = settings
        .destinations
        .iter()
        .filter_map(|destination| Some(AnySink::build(destination).err()?.to_string()))
        .collect();
    if !unusable.is_empty() {
        return Err(Failure::new(CONFIG_INVALID, unusable.join("\n")));
    }
    say(format_args!(
        "{}: no problems; {} source(s), {} destination(s)",
        file.display(),
        settings.sources.len(),
        settings.destinations.len()
    ))
}

/// Prints a line to stdout.
fn say(line: impl Display) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{line}").map_err(|error| Failure::new(RUNTIME_FAILED, error))
}

/// Where this machine reaches a listener of its own.
fn from_here(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// A runtime for a command that does one thing.
fn small_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(RUNTIME_FAILED, error))
}
