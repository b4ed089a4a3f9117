//! The TOML file and the environment merged into one tree, where every value knows its origin.
//!
//! The only user of figment, which merges and remembers origins. Its typed extraction is not
//! used: it stops at the first error and prints values. Knows sections by name, but no keys.
//! Syntax errors are told by line, column and reason; the line itself may hold a secret.

use std::io::Read;
use std::path::Path;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};

use super::problems::{Problem, shown};

/// Largest configuration file, in bytes: the limit of sources and destinations fits in easily.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Most parts of an overriding variable's name: `destinations`, its name, a table, a key.
const NAME_PARTS_MAX: usize = 4;
/// Characters of a syntax error's reason.
const REASON_CHARS_MAX: usize = 200;
/// What an overriding variable begins with.
const PREFIX: &str = "SIEM_RELAY_";
/// What separates the parts of its name.
const SEPARATOR: &str = "__";
/// The sections a variable may override.
const SECTIONS: [&str; 8] = [
    "server",
    "admin",
    "journal",
    "dead_letters",
    "log",
    "sources",
    "destinations",
    "contracts",
];

/// The merged tree.
pub(super) struct Tree {
    figment: Figment,
    root: Value,
    /// What is wrong with the environment; the values follow when the tree is walked.
    pub(super) problems: Vec<Problem>,
    /// What an operator may want to know about it.
    pub(super) warnings: Vec<String>,
}

/// One origin's values: a file, or one environment variable.
struct Layer {
    source: Source,
    values: Dict,
}

impl Tree {
    /// Reads the file and lays the environment over it.
    pub(super) fn read(
        file: &Path,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Problem> {
        let values = parse(file, &text(file)?)?;
        let mut figment = Figment::from(Layer {
            source: Source::File(file.to_owned()),
            values,
        });
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        // Sorted, so that two spellings of one key give the same result at every start.
        let mut variables: Vec<_> = env.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        variables.sort();
        for (name, value) in variables {
            match overridden(&name) {
                Ok(Some(path)) => {
                    figment = figment.merge(Layer {
                        source: Source::Custom(name),
                        values: nested(path, value),
                    });
                }
                Ok(None) => warnings.extend(unused(&name)),
                Err(problem) => problems.push(problem),
            }
        }
        // Neither layer can fail, and figment's own text could repeat a value.
        let root = figment.find_value("").map_err(|_| Problem {
            place: file.display().to_string(),
            key: String::new(),
            what: "cannot be merged with the environment".to_owned(),
            remedy: "unset the variables that begin with SIEM_RELAY_ and try again".to_owned(),
        })?;
        Ok(Self {
            figment,
            root,
            problems,
            warnings,
        })
    }

    /// The whole tree.
    pub(super) fn root(&self) -> Option<&Dict> {
        self.root.as_dict()
    }

    /// The environment variable that a value came from; none for the file. A table comes from
    /// a variable only if all that is in it does.
    pub(super) fn variable(&self, value: &Value) -> Option<&str> {
        if let Some(dict) = value.as_dict().filter(|dict| !dict.is_empty()) {
            let mut inner = dict.values().map(|value| self.variable(value));
            let first = inner.next()??;
            return inner.all(|other| other == Some(first)).then_some(first);
        }
        let metadata = self.figment.get_metadata(value.tag())?;
        metadata.source.as_ref().and_then(Source::custom)
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::from("configuration", self.source.clone())
    }

    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

fn text(file: &Path) -> Result<String, Problem> {
    let problem = |what: String, remedy: &str| Problem {
        place: file.display().to_string(),
        key: String::new(),
        what,
        remedy: remedy.to_owned(),
    };
    let unreadable = |error: std::io::Error| {
        problem(
            format!("cannot be read: {error}"),
            "name a file that the relay's user can read, starting from config.toml.example",
        )
    };
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    let mut limited = opened.take(FILE_BYTES_MAX + 1);
    limited.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let what = format!("is larger than {FILE_BYTES_MAX} bytes");
        return Err(problem(what, "name the relay's TOML file"));
    }
    let invalid = |_| problem("is not UTF-8 text".to_owned(), "save the file as UTF-8");
    String::from_utf8(bytes).map_err(invalid)
}

fn parse(file: &Path, text: &str) -> Result<Dict, Problem> {
    Toml::from_str::<Dict>(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let place = before.map_or_else(String::new, |before| {
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
            format!("line {line}, column {column}: ")
        });
        let reason: String = error.message().chars().take(REASON_CHARS_MAX).collect();
        let reason = reason.lines().collect::<Vec<_>>().join(", ");
        Problem {
            place: file.display().to_string(),
            key: String::new(),
            what: format!("{place}not valid TOML: {reason}"),
            remedy: "correct it, then the rest is checked".to_owned(),
        }
    })
}

/// The key path that a variable overrides; none where its name is not of that form, as with
/// the names that Kubernetes injects for a Service (`SIEM_RELAY_PORT_8080_TCP_ADDR`).
fn overridden(name: &str) -> Result<Option<Vec<String>>, Problem> {
    let path = name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase();
    let mut parts = path.split(SEPARATOR);
    let section = parts.next().unwrap_or_default();
    if !SECTIONS.contains(&section) || !path.contains(SEPARATOR) {
        return Ok(None);
    }
    let parts: Vec<String> = path.split(SEPARATOR).map(str::to_owned).collect();
    if parts.len() > NAME_PARTS_MAX || parts.iter().any(String::is_empty) {
        return Err(Problem {
            place: format!("environment variable {}", shown(name)),
            key: shown(&parts.join(".")),
            what: format!("is not the name of a key: {NAME_PARTS_MAX} parts at most, none empty"),
            remedy: format!("write {PREFIX}SECTION__KEY, or unset it"),
        });
    }
    Ok(Some(parts))
}

/// A hint for names that look as if an override was meant.
fn unused(name: &str) -> Option<String> {
    name.contains(SEPARATOR).then(|| {
        format!(
            "environment variable {}: ignored, it names none of the sections {}",
            shown(name),
            SECTIONS.join(", ")
        )
    })
}

/// The value under its path. It stays text: its key decides what type it must have.
fn nested(path: Vec<String>, value: String) -> Dict {
    let mut inner = Value::from(value);
    let mut dict = Dict::new();
    for part in path.into_iter().rev() {
        dict = Dict::from([(part, inner)]);
        inner = Value::from(dict.clone());
    }
    dict
}
