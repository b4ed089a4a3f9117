//! The configuration: one TOML file and the environment, checked into `Settings`.
//!
//! `tree` merges both and keeps every value's origin; `table` and `values` read typed keys and
//! collect what is wrong; `sections`, `source`, `destination`, `contract`, `kinds` and others say
//! which keys there are and which rules hold between them. Nothing stops at the first mistake,
//! and no message repeats a secret, the place of one, a URL or a line of the file.

use std::path::Path;

use crate::settings::{Settings, Source};

mod condition;
mod contract;
mod destination;
mod elastic;
mod endpoint;
mod file_path;
mod http;
mod http_names;
mod intake;
mod kinds;
mod login;
mod name;
mod names;
mod overlap;
mod problems;
mod rules;
mod secrets;
mod sections;
mod source;
mod splunk;
mod table;
#[cfg(test)]
mod tests;
mod transport;
mod tree;
mod units;
mod values;

pub use problems::{Problem, Problems};

use names::{NAME_MAX, is_name};
use table::{Findings, Secrets, Table, Walk};
use tree::Tree;

/// Most sources, and most destinations: each has a worker, a log and a set of metrics.
const ENTRIES_MAX: usize = 32;
/// Most contracts: each is held against every event of its source, and has two metrics.
const CONTRACTS_MAX: usize = 64;
/// No source may be called that: metrics would take it for requests that reach no source.
const UNCLAIMED: &str = "none";

/// A configuration without problems.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the relay runs with.
    pub settings: Settings,
    /// What is allowed but should be known, one line each, with place and key.
    pub warnings: Vec<String>,
}

/// Reads the file, lays the environment over it and checks everything, secrets included. Reports
/// all problems at once; only a file that cannot be read or parsed hides the others.
pub fn load(file: &Path, env: impl Iterator<Item = (String, String)>) -> Result<Loaded, Problems> {
    load_with(file, env, Secrets::Read)
}

/// The same for a command that only renders events: something stands in for every secret, and no
/// certificate is looked for, so that the configuration can be used where neither is. Only the keys
/// of hashes shape what goes out: one that is there is read, and one that is not is warned of.
/// There are no other warnings about keys.
pub fn load_without_secrets(
    file: &Path,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, Problems> {
    load_with(file, env, Secrets::StandIns)
}

fn load_with(
    file: &Path,
    env: impl Iterator<Item = (String, String)>,
    secrets: Secrets,
) -> Result<Loaded, Problems> {
    let tree = Tree::read(file, env)?;
    let (settings, findings) = examine(&tree, file, secrets);
    match settings {
        Some(settings) if findings.problems.is_empty() => Ok(Loaded {
            settings,
            warnings: findings.warnings,
        }),
        _ => Err(Problems::new(findings.problems)),
    }
}

/// Walks the whole tree. Without settings there is at least one problem.
fn examine(tree: &Tree, file: &Path, secrets: Secrets) -> (Option<Settings>, Findings) {
    let walk = Walk::new(tree, file, secrets);
    let settings = walk.read(settings);
    (settings, walk.finish())
}

fn settings(root: &Table<'_>) -> Option<Settings> {
    let server = root.section("server", sections::server);
    let admin = root.section("admin", |table| sections::admin(table, &server));
    let journal = root.section("journal", |table| sections::journal(table, &server));
    let dead_letters = root.section("dead_letters", |table| {
        sections::dead_letters(table, &journal)
    });
    let log = root.section("log", sections::log);

    let mut names = Vec::new();
    let sources = root.entries("sources", |name, table| {
        check_name(name, table);
        if name == UNCLAIMED {
            let what = "the name is the metric label of requests without a source";
            table.problem("", what, "rename the table");
        }
        names.push(name.to_owned());
        source::source(name, table, &server)
    });
    check_number(root, "sources", sources.len());
    let mut destinations = Vec::new();
    let read = root.entries("destinations", |name, table| {
        check_name(name, table);
        let destination = destination::destination(name, table, &names, &journal)?;
        destination::check_path(
            table,
            &destination,
            &names,
            &destinations,
            &journal,
            &dead_letters,
        );
        destinations.push(destination);
        Some(())
    });
    check_number(root, "destinations", read.len());
    let contracts = root.entries("contracts", |name, table| {
        check_name(name, table);
        contract::contract(name, table, &names)
    });
    if contracts.len() > CONTRACTS_MAX {
        let what = format!("there are {}", contracts.len());
        root.problem("contracts", what, format!("keep at most {CONTRACTS_MAX}"));
    }
    check_presence(root, sources.len(), read.len(), journal.collect_only);
    if !destinations.is_empty() && destinations.iter().all(|d| d.max_backlog_bytes.is_some()) {
        let text = "no destination is required: events can be given up that none has taken";
        root.warning("destinations", text);
    }
    Some(Settings {
        server,
        admin,
        journal,
        dead_letters,
        log,
        sources: sources.into_iter().collect::<Option<Vec<Source>>>()?,
        destinations: read.iter().all(Option::is_some).then_some(destinations)?,
        contracts: contracts.into_iter().collect::<Option<Vec<_>>>()?,
    })
}

fn check_name(name: &str, table: &Table<'_>) {
    if !is_name(name) {
        let what = format!(
            "the name is not a lower-case letter and then at most {} of a-z, 0-9 and _, without __",
            NAME_MAX - 1
        );
        table.problem("", what, "rename the table");
    }
}

fn check_number(root: &Table<'_>, key: &str, number: usize) {
    if number > ENTRIES_MAX {
        let what = format!("there are {number}");
        root.problem(key, what, format!("keep at most {ENTRIES_MAX}"));
    }
}

fn check_presence(root: &Table<'_>, sources: usize, destinations: usize, collect_only: bool) {
    if sources == 0 {
        let remedy = "add [sources.NAME], as in config.toml.example";
        root.problem("sources", "no source is configured", remedy);
    }
    if destinations == 0 && !collect_only {
        root.problem(
            "destinations",
            "no destination is configured",
            "add [destinations.NAME], or set journal.collect_only = true to store events only",
        );
    }
    if destinations > 0 && collect_only {
        let text = "journal.collect_only has no effect while there are destinations";
        root.warning("destinations", text);
    }
}
