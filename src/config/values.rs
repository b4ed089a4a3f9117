//! Types of values: what a key's text, number or list must look like, and its range.
//!
//! Each reader takes the default and the range, so that they stand beside the key that has them,
//! and reports with unit and range. A value from the environment is text and is read as the type
//! its key has. No message repeats a value except numbers, sizes, durations and chosen words.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use figment::value::{Dict, Value};
use ipnet::IpNet;

use super::problems::shown;
use super::table::{Fault, Raw, Table};
use super::units::{parse_size, shown_duration, shown_size};

/// Bytes of any text in the configuration.
const TEXT_MAX: usize = 2048;
/// Entries of any list.
const LIST_MAX: usize = 256;
/// The key under which the TOML reader hides a date.
const DATE_KEY: &str = "$__toml_private_datetime";

impl Table<'_> {
    /// A text, neither empty nor with control characters.
    pub(super) fn string(&self, key: &str, default: Option<&str>) -> Option<String> {
        self.parsed(key, default.map(str::to_owned), text)
            .or_else(|| default.map(str::to_owned))
    }

    /// The same for a key that operators name themselves.
    pub(super) fn string_unlisted(&self, key: &str) -> Option<String> {
        self.parsed_unlisted(key, text)
    }

    /// A text that must be there.
    pub(super) fn required(&self, key: &str, remedy: &str) -> Option<String> {
        let value = self.string(key, None);
        if !self.has(key) {
            self.problem(key, "missing", remedy);
        }
        value
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        let parse = |raw: Raw<'_>| {
            let word = raw.env_text().map(str::to_ascii_lowercase);
            match (raw.value, word.as_deref()) {
                (Value::Bool(_, flag), _) => Ok(*flag),
                (_, Some("true")) => Ok(true),
                (_, Some("false")) => Ok(false),
                _ => Err(raw.mistyped("true or false", "write true or false, without quotes")),
            }
        };
        self.parsed(key, Some(default.to_string()), parse)
            .unwrap_or(default)
    }

    /// A whole number.
    pub(super) fn count(&self, key: &str, default: usize, range: RangeInclusive<usize>) -> usize {
        self.parsed(key, Some(default.to_string()), |raw| counted(&raw, &range))
            .unwrap_or(default)
    }

    /// A whole number that may be absent.
    pub(super) fn optional_count(&self, key: &str, range: RangeInclusive<usize>) -> Option<usize> {
        self.parsed(key, None, |raw| counted(&raw, &range))
    }

    /// A number with a fraction.
    pub(super) fn ratio(&self, key: &str, default: f64, range: RangeInclusive<f64>) -> f64 {
        let parse = |raw: Raw<'_>| {
            let number = match raw.env_text() {
                Some(text) => text.parse().ok(),
                None => raw.value.to_i128().map(|n| n as f64).or(raw.value.to_f64()),
            };
            let remedy = format!("write a number from {} to {}", range.start(), range.end());
            let number = number.ok_or_else(|| raw.mistyped("a number", &remedy))?;
            // An endless number or none at all is in no range.
            if range.contains(&number) {
                return Ok(number);
            }
            Err(Fault::new(format!("{number} is out of range"), remedy))
        };
        self.parsed(key, Some(default.to_string()), parse)
            .unwrap_or(default)
    }

    /// A size in bytes: `"64MiB"`, or a whole number of bytes.
    pub(super) fn size(&self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let (from, to) = (shown_size(*range.start()), shown_size(*range.end()));
        let remedy = format!("write a size from {from} to {to}");
        let parse = |raw: Raw<'_>| {
            let size = match raw.value {
                Value::String(_, text) => parse_size(text),
                Value::Num(..) => raw.value.to_i128().and_then(|n| u64::try_from(n).ok()),
                _ => return Err(raw.mistyped("a size", &remedy)),
            };
            let Some(size) = size else {
                let what = "is not a size: a whole number and one of B, KiB, MiB, GiB, TiB, KB, \
                            MB, GB, TB";
                return Err(Fault::new(what, &remedy));
            };
            if range.contains(&size) {
                return Ok(size);
            }
            let what = format!("{} is out of range", shown_size(size));
            Err(Fault::new(what, &remedy))
        };
        self.parsed(key, Some(shown_size(default)), parse)
            .unwrap_or(default)
    }

    /// The same as a size in memory.
    pub(super) fn memory(&self, key: &str, default: usize, range: RangeInclusive<u64>) -> usize {
        let default = u64::try_from(default).unwrap_or(u64::MAX);
        usize::try_from(self.size(key, default, range)).unwrap_or(usize::MAX)
    }

    /// A duration such as `"30s"`.
    pub(super) fn duration(
        &self,
        key: &str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let parse = |raw: Raw<'_>| timed(&raw, &range);
        self.parsed(key, Some(shown_duration(default)), parse)
            .unwrap_or(default)
    }

    /// A duration that may be absent.
    pub(super) fn optional_duration(
        &self,
        key: &str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        self.parsed(key, None, |raw| timed(&raw, &range))
    }

    /// One of some words.
    pub(super) fn one_of<T: Copy>(
        &self,
        key: &str,
        default: Option<&str>,
        words: &[(&str, T)],
    ) -> Option<T> {
        let list: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let parse = |raw: Raw<'_>| {
            let remedy = format!("write one of {}", list.join(", "));
            let Value::String(_, text) = raw.value else {
                return Err(raw.mistyped("a string", &remedy));
            };
            let found = words.iter().find(|(word, _)| word == text);
            let unknown = || Fault::new(format!("\"{}\" is unknown", shown(text)), &remedy);
            found.map(|(_, value)| *value).ok_or_else(unknown)
        };
        let found = self.parsed(key, default.map(str::to_owned), parse);
        let otherwise = words.iter().find(|(word, _)| Some(*word) == default);
        found.or(otherwise.map(|(_, value)| *value))
    }

    /// A path; a relative one starts at the configuration file's directory.
    pub(super) fn path(&self, key: &str, default: Option<&str>) -> Option<PathBuf> {
        let text = self.string(key, default)?;
        Some(self.base().join(text))
    }

    /// The path of a file that can be opened now. What is in it, its user will say.
    pub(super) fn readable(&self, key: &str) -> Option<PathBuf> {
        let path = self.path(key, None)?;
        if !self.reads_secrets() {
            return Some(path);
        }
        let opened = std::fs::File::open(&path).and_then(|file| file.metadata());
        let fault = match opened {
            Ok(metadata) if metadata.is_dir() => "it is a directory".to_owned(),
            Ok(_) => return Some(path),
            Err(error) => error.to_string(),
        };
        let what = format!("the file cannot be read: {fault}");
        self.problem(key, what, "name a file that the relay's user can read");
        Some(path)
    }

    /// A list of different texts; from the environment, separated by commas.
    pub(super) fn list(&self, key: &str, default: Option<&str>) -> Option<Vec<String>> {
        self.parsed(key, default.map(str::to_owned), |raw| {
            if let Some(text) = raw.env_text() {
                let parts = text
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty());
                return different(parts.map(str::to_owned).collect());
            }
            listed(&raw)
        })
    }

    /// A list in the file of different texts, for a key that operators name themselves.
    pub(super) fn list_unlisted(&self, key: &str) -> Option<Vec<String>> {
        self.parsed_unlisted(key, |raw| listed(&raw))
    }

    /// One text or a list of them.
    pub(super) fn one_or_more(&self, key: &str) -> Vec<String> {
        let parse = |raw: Raw<'_>| match raw.value {
            Value::String(..) => Ok(vec![text(raw)?]),
            _ => match listed(&raw)? {
                items if items.is_empty() => Err(Fault::new("is empty", "name one or more")),
                items => Ok(items),
            },
        };
        self.parsed(key, None, parse).unwrap_or_default()
    }

    /// A list of addresses and networks.
    pub(super) fn networks(&self, key: &str) -> Vec<IpNet> {
        let texts = self.list(key, Some("[]")).unwrap_or_default();
        let mut networks = Vec::new();
        for text in &texts {
            let address = text.parse::<IpAddr>().map(IpNet::from);
            match address.or_else(|_| text.parse::<IpNet>()) {
                Ok(network) if network == network.trunc() => networks.push(network),
                Ok(network) => {
                    let (network, text) = (network.trunc(), shown(text));
                    let what = format!("\"{text}\" has bits beyond its prefix");
                    self.problem(key, what, format!("write {network}, or an address alone"));
                }
                Err(_) => {
                    let what = format!("\"{}\" is neither an address nor a network", shown(text));
                    self.problem(key, what, "write such as 192.0.2.7 or 10.0.0.0/8");
                }
            }
        }
        networks
    }
}

impl Fault {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

impl Raw<'_> {
    fn env_text(&self) -> Option<&str> {
        self.value.as_str().filter(|_| self.from_env)
    }

    fn mistyped(&self, wanted: &str, remedy: &str) -> Fault {
        let typed = type_name(self.value);
        let found = self.env_text().map_or(typed, |_| "other text");
        Fault::new(format!("must be {wanted}, is {found}"), remedy)
    }
}

/// The type of a value, in words.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(..) | Value::Char(..) => "a string",
        Value::Bool(..) => "a boolean",
        Value::Num(..) => "a number",
        Value::Dict(_, dict) if is_date(dict) => "a date",
        Value::Dict(..) => "a table",
        Value::Array(..) => "a list",
        Value::Empty(..) => "empty",
    }
}

/// Whether the table is a date in disguise.
pub(super) fn is_date(dict: &Dict) -> bool {
    dict.contains_key(DATE_KEY)
}

fn text(raw: Raw<'_>) -> Result<String, Fault> {
    let Value::String(_, text) = raw.value else {
        return Err(raw.mistyped("a string", "write it in quotes"));
    };
    bounded(text)
}

fn bounded(text: &str) -> Result<String, Fault> {
    if text.trim().is_empty() {
        let remedy = "write a value, or remove the key";
        return Err(Fault::new("is empty", remedy));
    }
    if text.len() > TEXT_MAX || text.contains(char::is_control) {
        let what = format!("is longer than {TEXT_MAX} bytes or has control characters");
        return Err(Fault::new(what, "write one shorter line"));
    }
    Ok(text.to_owned())
}

fn listed(raw: &Raw<'_>) -> Result<Vec<String>, Fault> {
    let remedy = "write [\"...\", \"...\"]";
    let Value::Array(_, items) = raw.value else {
        return Err(raw.mistyped("a list of strings", remedy));
    };
    let text = |item: &Value| {
        let text = item.as_str();
        let mistyped = || Fault::new(format!("has {} in its list", type_name(item)), remedy);
        bounded(text.ok_or_else(mistyped)?)
    };
    different(items.iter().map(text).collect::<Result<_, _>>()?)
}

fn different(items: Vec<String>) -> Result<Vec<String>, Fault> {
    if items.len() > LIST_MAX {
        let what = format!("has {} entries", items.len());
        return Err(Fault::new(what, format!("keep at most {LIST_MAX}")));
    }
    let distinct: BTreeSet<_> = items.iter().collect();
    if distinct.len() < items.len() {
        return Err(Fault::new("has an entry twice", "remove one of them"));
    }
    Ok(items)
}

fn counted(raw: &Raw<'_>, range: &RangeInclusive<usize>) -> Result<usize, Fault> {
    let remedy = format!(
        "write a whole number from {} to {}",
        range.start(),
        range.end()
    );
    let number = match raw.env_text() {
        Some(text) => text.trim().parse::<i128>().ok(),
        None => raw.value.to_i128(),
    };
    let number = number.ok_or_else(|| raw.mistyped("a whole number", &remedy))?;
    let count = usize::try_from(number).ok();
    let out = || Fault::new(format!("{number} is out of range"), &remedy);
    count.filter(|count| range.contains(count)).ok_or_else(out)
}

fn timed(raw: &Raw<'_>, range: &RangeInclusive<Duration>) -> Result<Duration, Fault> {
    let (from, to) = (shown_duration(*range.start()), shown_duration(*range.end()));
    let remedy = format!("write a duration from {from} to {to}");
    let Value::String(_, text) = raw.value else {
        return Err(raw.mistyped("a duration", &remedy));
    };
    let Ok(duration) = humantime::parse_duration(text) else {
        let what = "is not a duration: whole numbers, each with ms, s, m, h or d";
        return Err(Fault::new(what, remedy));
    };
    if range.contains(&duration) {
        return Ok(duration);
    }
    let what = format!("{} is out of range", shown_duration(duration));
    Err(Fault::new(what, remedy))
}
