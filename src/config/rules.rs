//! `[[sources.NAME.rules]]` and `[[destinations.NAME.rules]]`: changes of events on the way out.

use figment::value::Value;

use crate::settings::{Action, Pointer, Rule, Scalar};

use super::condition::{Of, condition, pointer, scalar};
use super::secrets::{self, Rule as SecretRule};
use super::table::{Fault, Raw, Table};
use super::values::type_name;

/// Rules of one source or destination; pointers of one rule.
const RULES_MAX: usize = 64;
const POINTERS_MAX: usize = 64;
/// What stands in for a redacted value.
const MASK: &str = "[redacted]";
const ACTIONS: [&str; 8] = [
    "rename",
    "copy",
    "set",
    "drop",
    "keep",
    "redact",
    "parse_time",
    "lower",
];

/// Reads the rules of a source or destination; those that are wrong are reported and left out.
pub(super) fn rules(table: &Table<'_>) -> Vec<Rule> {
    let rules = table.tables("rules", rule);
    if rules.len() > RULES_MAX {
        let what = format!("there are {}", rules.len());
        table.problem("rules", what, format!("keep at most {RULES_MAX}"));
    }
    rules.into_iter().flatten().collect()
}

fn rule(table: &Table<'_>) -> Option<Rule> {
    let rename = one(table, "rename");
    let copy = one(table, "copy");
    let set = one(table, "set");
    let to = one(table, "to");
    let value = table.parsed("value", None, value);
    let drop = several(table, "drop");
    let keep = several(table, "keep");
    let redact = several(table, "redact");
    let mask = table.string("mask", Some(MASK));
    let key = secrets::one(table, "key", SecretRule::HASH_KEY);
    let parse_time = several(table, "parse_time");
    let lower = several(table, "lower");
    let when = condition(table, "when", Of::Json);

    let said: Vec<_> = ACTIONS.iter().filter(|key| table.has(key)).collect();
    let [action] = said.as_slice() else {
        let what = match said.len() {
            0 => "says nothing to do",
            _ => "says more than one thing to do",
        };
        let remedy = format!("write one of {}", ACTIONS.join(", "));
        table.problem("", what, remedy);
        return None;
    };
    let belongs = |key: &str, to: &[&str]| {
        if table.has(key) && !to.contains(*action) {
            let what = format!("has no meaning beside {action}");
            table.problem(key, what, format!("it belongs to {}", to.join(" and ")));
        }
    };
    belongs("to", &["rename", "copy"]);
    belongs("value", &["set"]);
    for key in ["mask", "key_file", "key_env"] {
        belongs(key, &["redact"]);
    }
    let hashed = secrets::named(table, "key");
    if hashed && table.has("mask") {
        let what = "stands beside the key of a hash, which stands in for the value";
        table.problem("mask", what, "keep one of them");
    }
    let lacks = |key: &str, remedy: &str| {
        if !table.has(key) {
            table.problem(key, "missing", remedy);
        }
    };
    let action = match **action {
        "rename" | "copy" => {
            lacks("to", "write where the value goes, such as \"/user/name\"");
            let (from, to) = (rename.or(copy), to?);
            match **action {
                "rename" => Action::Rename { from: from?, to },
                _ => Action::Copy { from: from?, to },
            }
        }
        "set" => {
            lacks("value", "write a string, a number, or true or false");
            Action::Set {
                to: set?,
                value: value?,
            }
        }
        "drop" => Action::Drop(drop?),
        "keep" => Action::Keep(keep?),
        "redact" => Action::Redact {
            at: redact?,
            // A hash whose key cannot be had is reported; it must not become a mask.
            key: if hashed { Some(key?) } else { None },
            mask: mask?,
        },
        "parse_time" => Action::ParseTime(parse_time?),
        _ => Action::Lower(lower?),
    };
    Some(Rule { action, when })
}

/// One place, which must be a single one.
fn one(table: &Table<'_>, key: &str) -> Option<Pointer> {
    let remedy = "write one JSON pointer, such as \"/event/type\"";
    table.parsed(key, None, |raw: Raw<'_>| {
        let at = read(raw.value).map_err(|what| Fault::new(what, remedy))?;
        if at.0.iter().any(|step| step == "*") {
            return Err(Fault::new("names many places with *", remedy));
        }
        Ok(at)
    })
}

/// One place or a list of them.
fn several(table: &Table<'_>, key: &str) -> Option<Vec<Pointer>> {
    let remedy = "write a JSON pointer such as \"/user/email\" or \"/users/*/email\", or a list";
    table.parsed(key, None, |raw: Raw<'_>| {
        let read = match raw.value {
            Value::Array(_, items) if (1..=POINTERS_MAX).contains(&items.len()) => {
                items.iter().map(read).collect()
            }
            Value::Array(..) => Err(format!("must have 1 to {POINTERS_MAX} entries")),
            value => read(value).map(|at| vec![at]),
        };
        read.map_err(|what| Fault::new(what, remedy))
    })
}

fn read(value: &Value) -> Result<Pointer, String> {
    let text = value.as_str();
    let mistyped = || format!("must be a string, is {}", type_name(value));
    pointer(text.ok_or_else(mistyped)?)
}

/// A scalar as JSON text.
fn value(raw: Raw<'_>) -> Result<String, Fault> {
    let remedy = "write a string, a number, or true or false";
    match scalar(raw.value) {
        Ok(Scalar::Text(text)) => Ok(serde_json::Value::from(text).to_string()),
        Ok(Scalar::Number(text)) => Ok(text),
        Ok(Scalar::Flag(flag)) => Ok(flag.to_string()),
        Err(what) => Err(Fault::new(what, remedy)),
    }
}
