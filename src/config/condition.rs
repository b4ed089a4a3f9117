//! `when = { ... }`: a condition on events, read from nested tables.
//!
//! The keys inside are no settings of their own, but a small language: so all of a condition is
//! one value, and what is wrong inside of it is told with the way to it, such as `all[2].not`.
//! Bounds depth, number and length, so that asking an event takes bounded time.

use std::net::IpAddr;

use figment::value::{Dict, Num, Value};
use ipnet::IpNet;

use crate::settings::{Condition, ModelPart, Pointer, Scalar, Test};

use super::names::closest;
use super::problems::shown;
use super::table::{Fault, Raw, Table};
use super::values::type_name;

mod part;

/// Tables inside of one another.
const DEPTH_MAX: usize = 8;
/// Tests in one condition; entries of one list.
const TESTS_MAX: usize = 64;
const ENTRIES_MAX: usize = 256;
/// Bytes of a text to compare with, of a pointer; steps of a pointer.
const TEXT_MAX: usize = 1024;
const POINTER_MAX: usize = 512;
const STEPS_MAX: usize = 16;
/// The tests, and the ways to join them.
const TESTS: [&str; 9] = [
    "equals", "in", "prefix", "suffix", "glob", "exists", "cidr", "greater", "at_least",
];
const JOINTS: [&str; 3] = ["all", "any", "not"];
/// What a test is about: a value of the vendor's JSON, or a part of the model.
const SUBJECTS: [&str; 2] = ["field", "model"];
const REMEDY: &str = "write such as { field = \"/event/type\", prefix = \"API_\" }, with one of \
                      equals, in, prefix, suffix, glob, exists, cidr, greater; or all = [...], \
                      any = [...], not = { ... }";

/// Of what a condition is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Of an event as it came: its JSON, and what its vendor's reader makes of it.
    Event,
    /// Of what rules left of the JSON, which no reader has seen.
    Json,
}

/// The condition under a key; none if absent, or wrong and so reported.
pub(super) fn condition(table: &Table<'_>, key: &str, of: Of) -> Option<Condition> {
    table.parsed(key, None, |raw: Raw<'_>| {
        let mut reading = Reading {
            faults: Vec::new(),
            tests: 0,
            of,
        };
        let condition = reading.condition(raw.value, "", 1);
        if reading.tests > TESTS_MAX {
            let what = format!("has {} tests, at most {TESTS_MAX} are taken", reading.tests);
            reading.faults.push(what);
        }
        match condition {
            Some(condition) if reading.faults.is_empty() => Ok(condition),
            _ => Err(Fault::new(reading.faults.join("; "), REMEDY)),
        }
    })
}

/// The pointer in a text; or what is wrong with it.
pub(super) fn pointer(text: &str) -> Result<Pointer, String> {
    let Some(path) = text.strip_prefix('/') else {
        return Err(format!(
            "\"{}\" is not a JSON pointer, which begins with /",
            shown(text)
        ));
    };
    let mut steps = Vec::new();
    for step in path.split('/') {
        // RFC 6901: ~1 is a slash, ~0 a tilde, and no other ~ is allowed.
        if step.replace("~0", "").replace("~1", "").contains('~') {
            return Err(format!(
                "\"{}\" has a ~ that is neither ~0 nor ~1",
                shown(text)
            ));
        }
        steps.push(step.replace("~1", "/").replace("~0", "~"));
    }
    if text.len() > POINTER_MAX || steps.len() > STEPS_MAX {
        return Err(format!(
            "a JSON pointer has more than {STEPS_MAX} steps or {POINTER_MAX} bytes"
        ));
    }
    Ok(Pointer(steps))
}

struct Reading {
    /// What is wrong, each with the way to it.
    faults: Vec<String>,
    tests: usize,
    of: Of,
}

impl Reading {
    fn fault<T>(&mut self, path: &str, what: &str) -> Option<T> {
        let way = if path.is_empty() { "" } else { ": " };
        self.faults.push(format!("{path}{way}{what}"));
        None
    }

    fn condition(&mut self, value: &Value, path: &str, depth: usize) -> Option<Condition> {
        let Some(dict) = value.as_dict().filter(|dict| !super::values::is_date(dict)) else {
            let what = format!("must be a table, is {}", type_name(value));
            return self.fault(path, &what);
        };
        if depth > DEPTH_MAX {
            return self.fault(path, &format!("lies more than {DEPTH_MAX} tables deep"));
        }
        let is_subject = |key: &str| SUBJECTS.contains(&key);
        let known = |key: &str| is_subject(key) || TESTS.contains(&key) || JOINTS.contains(&key);
        for key in dict.keys().filter(|key| !known(key)) {
            let all = TESTS.iter().chain(&JOINTS).chain(&SUBJECTS);
            let near = closest(key, all.copied()).map(|near| format!(", did you mean {near}?"));
            let what = format!("\"{}\" is unknown{}", shown(key), near.unwrap_or_default());
            self.fault::<()>(path, &what);
        }
        let mut said = dict
            .iter()
            .filter(|(key, _)| !is_subject(key) && known(key));
        match (said.next(), said.next()) {
            (Some((key, value)), None) => self.one(dict, key, value, path, depth),
            (None, _) => self.fault(path, "says nothing that can hold"),
            _ => self.fault(path, "says more than one thing: join them with all or any"),
        }
    }

    fn one(
        &mut self,
        dict: &Dict,
        key: &str,
        value: &Value,
        path: &str,
        depth: usize,
    ) -> Option<Condition> {
        let inner = join(path, key);
        let subject = SUBJECTS.iter().find(|subject| dict.contains_key(**subject));
        if let (true, Some(subject)) = (JOINTS.contains(&key), subject) {
            let what = format!("stands beside {subject}, which belongs inside of it");
            return self.fault(&inner, &what);
        }
        match key {
            "all" => self.list(value, &inner, depth).map(Condition::All),
            "any" => self.list(value, &inner, depth).map(Condition::Any),
            "not" => {
                let inside = self.condition(value, &inner, depth + 1);
                inside.map(|inside| Condition::Not(Box::new(inside)))
            }
            _ => {
                self.tests += 1;
                match (dict.get("field"), dict.get("model")) {
                    (Some(field), None) => self.field(field, key, value, path),
                    (None, Some(model)) => self.model(model, key, value, path),
                    (Some(_), Some(_)) => {
                        self.fault(&inner, "stands beside both field and model: keep one")
                    }
                    (None, None) => {
                        let what = "stands without field or model, the value it is about";
                        self.fault(&inner, what)
                    }
                }
            }
        }
    }

    /// A test of a value of the vendor's JSON.
    fn field(&mut self, field: &Value, key: &str, value: &Value, path: &str) -> Option<Condition> {
        let test = match key {
            "at_least" => self.fault(&join(path, key), "is for model = \"severity\" only"),
            _ => test(key, value).map_or_else(|what| self.fault(&join(path, key), &what), Some),
        };
        let at = match field.as_str().map(pointer) {
            Some(Ok(at)) => Some(at),
            Some(Err(what)) => self.fault(&join(path, "field"), &what),
            None => self.fault(&join(path, "field"), "must be a string"),
        };
        let (at, test) = (at?, test?);
        Some(Condition::Field { at, test })
    }

    /// A test of a part of the model.
    fn model(&mut self, model: &Value, key: &str, value: &Value, path: &str) -> Option<Condition> {
        let at = join(path, "model");
        if self.of == Of::Json {
            let what = "has no meaning in a rule, which changes what no reader has seen yet: use \
                        field";
            return self.fault(&at, what);
        }
        let Some(name) = model.as_str() else {
            return self.fault(&at, "must be a string");
        };
        let known = ModelPart::ALL.iter().find(|(word, _)| *word == name);
        let Some((_, part)) = known else {
            let words = || ModelPart::ALL.iter().map(|(word, _)| *word);
            let near = closest(name, words()).map(|near| format!(", did you mean {near}?"));
            let near = near.unwrap_or_else(|| {
                format!(": write one of {}", words().collect::<Vec<_>>().join(", "))
            });
            let what = format!("\"{}\" is no part of the model{near}", shown(name));
            return self.fault(&at, &what);
        };
        match part::test(*part, key, value) {
            Ok(test) => Some(Condition::Model { part: *part, test }),
            Err(what) => self.fault(&join(path, key), &what),
        }
    }

    fn list(&mut self, value: &Value, path: &str, depth: usize) -> Option<Vec<Condition>> {
        let Value::Array(_, items) = value else {
            return self.fault(path, "must be a list of tables");
        };
        if items.is_empty() || items.len() > TESTS_MAX {
            let what = format!("must have 1 to {TESTS_MAX} entries");
            return self.fault(path, &what);
        }
        let read = items.iter().enumerate().map(|(index, item)| {
            self.condition(item, &format!("{path}[{}]", index + 1), depth + 1)
        });
        // All of them, so that all problems are found.
        let read: Vec<_> = read.collect();
        read.into_iter().collect()
    }
}

fn join(path: &str, key: &str) -> String {
    let dot = if path.is_empty() { "" } else { "." };
    format!("{path}{dot}{key}")
}

fn test(key: &str, value: &Value) -> Result<Test, String> {
    Ok(match key {
        "equals" => Test::In(vec![scalar(value)?]),
        "in" => Test::In(entries(value, scalar)?),
        "prefix" => Test::Prefix(text(value)?),
        "suffix" => Test::Suffix(text(value)?),
        "glob" => Test::Glob(pieces(&text(value)?)),
        "exists" => Test::Exists(value.to_bool().ok_or("must be true or false")?),
        "cidr" if value.as_str().is_some() => Test::Cidr(vec![network(value)?]),
        "cidr" => Test::Cidr(entries(value, network)?),
        _ => match scalar(value)? {
            Scalar::Number(number) => Test::Greater(number),
            _ => return Err("must be a number".to_owned()),
        },
    })
}

fn entries<T>(value: &Value, read: impl Fn(&Value) -> Result<T, String>) -> Result<Vec<T>, String> {
    match value {
        Value::Array(_, items) if (1..=ENTRIES_MAX).contains(&items.len()) => {
            items.iter().map(read).collect()
        }
        _ => Err(format!("must be a list of 1 to {ENTRIES_MAX} entries")),
    }
}

/// A string, a number or a boolean.
pub(super) fn scalar(value: &Value) -> Result<Scalar, String> {
    match value {
        Value::String(..) => text(value).map(Scalar::Text),
        Value::Bool(_, flag) => Ok(Scalar::Flag(*flag)),
        Value::Num(_, Num::F32(_) | Num::F64(_)) => match value.to_f64() {
            // The shortest text that is this float, as its author wrote it.
            Some(number) if number.is_finite() => Ok(Scalar::Number(number.to_string())),
            _ => Err("must be a finite number".to_owned()),
        },
        Value::Num(..) => match value.to_i128() {
            Some(number) => Ok(Scalar::Number(number.to_string())),
            None => Err("must be a smaller number".to_owned()),
        },
        _ => Err(format!(
            "must be a string, a number or a boolean, is {}",
            type_name(value)
        )),
    }
}

fn text(value: &Value) -> Result<String, String> {
    match value.as_str() {
        Some(text) if text.len() <= TEXT_MAX => Ok(text.to_owned()),
        Some(_) => Err(format!("is longer than {TEXT_MAX} bytes")),
        None => Err(format!("must be a string, is {}", type_name(value))),
    }
}

/// What stands between the stars; several stars in a row are one.
fn pieces(glob: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let all: Vec<_> = glob.split('*').collect();
    let last = all.len() - 1;
    for (index, piece) in all.into_iter().enumerate() {
        if index == 0 || index == last || !piece.is_empty() {
            pieces.push(piece.to_owned());
        }
    }
    pieces
}

fn network(value: &Value) -> Result<IpNet, String> {
    let text = text(value)?;
    let address = text.parse::<IpAddr>().map(IpNet::from);
    match address.or_else(|_| text.parse::<IpNet>()) {
        Ok(network) if network == network.trunc() => Ok(network),
        Ok(network) => Err(format!(
            "\"{}\" has bits beyond its prefix: write {}",
            shown(&text),
            network.trunc()
        )),
        Err(_) => Err(format!(
            "\"{}\" is neither an address nor a network",
            shown(&text)
        )),
    }
}
