//! Whether a condition holds of an event. Total: any value of any type has an answer.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

use ipnet::IpNet;

use super::decimal;
use super::json;
use crate::settings::{Condition, ModelPart, Pointer, Scalar, Test};

/// Says of a value, as JSON text, whether it will do.
type Passes<'p> = dyn FnMut(&str) -> bool + 'p;

/// What a condition is asked of.
pub(super) trait Asked {
    /// Whether `passes` says so of a value that the pointer leads to. An object or array may be
    /// any text that begins like one: nothing looks into it.
    fn any(&self, at: &Pointer, passes: &mut dyn FnMut(&str) -> bool) -> bool;

    /// A part of the model as JSON text.
    fn model(&self, part: ModelPart) -> Option<Cow<'_, str>>;
}

/// Parts of the model as JSON text, none where an event has them not.
pub type Parts<'m> = dyn Fn(ModelPart) -> Option<Cow<'m, str>> + 'm;

/// A JSON text and what was made of it.
struct Whole<'a> {
    text: &'a str,
    model: &'a Parts<'a>,
}

impl Asked for Whole<'_> {
    fn any(&self, at: &Pointer, passes: &mut dyn FnMut(&str) -> bool) -> bool {
        json::any(self.text, &at.0, passes)
    }

    fn model(&self, part: ModelPart) -> Option<Cow<'_, str>> {
        (self.model)(part)
    }
}

/// Whether the condition holds of a JSON text and its model. Of text that is no JSON, as of a
/// value that is not there, no test holds but that it does not exist.
pub fn holds<'a>(condition: &Condition, text: &'a str, model: &'a Parts<'a>) -> bool {
    holds_of(condition, &Whole { text, model })
}

/// Whether the condition may hold of a JSON text whose model nobody can read: whether it does with
/// some answers of a model, each by itself.
pub fn may_hold(condition: &Condition, text: &str) -> bool {
    let model = |_| None;
    let whole = Whole {
        text,
        model: &model,
    };
    may_be(condition, true, &whole)
}

/// Whether its answer may be `wanted`, whatever the model.
fn may_be(condition: &Condition, wanted: bool, asked: &dyn Asked) -> bool {
    match (condition, wanted) {
        (Condition::All(each), true) | (Condition::Any(each), false) => {
            each.iter().all(|one| may_be(one, wanted, asked))
        }
        (Condition::All(some), false) | (Condition::Any(some), true) => {
            some.iter().any(|one| may_be(one, wanted, asked))
        }
        (Condition::Not(condition), _) => may_be(condition, !wanted, asked),
        (Condition::Model { .. }, _) => true,
        (Condition::Field { .. }, _) => holds_of(condition, asked) == wanted,
    }
}

/// The same as [`holds`] of anything.
pub(super) fn holds_of(condition: &Condition, asked: &dyn Asked) -> bool {
    match condition {
        Condition::All(all) => all.iter().all(|one| holds_of(one, asked)),
        Condition::Any(any) => any.iter().any(|one| holds_of(one, asked)),
        Condition::Not(condition) => !holds_of(condition, asked),
        Condition::Field { at, test } => one_passes(test, &|passes| asked.any(at, passes)),
        Condition::Model { part, test } => one_passes(test, &|passes| {
            asked.model(*part).is_some_and(|value| passes(&value))
        }),
    }
}

/// Whether one of the values passes that `any` shows, each of which may be null.
fn one_passes(test: &Test, any: &dyn Fn(&mut Passes<'_>) -> bool) -> bool {
    let is_there = |value: &str| value != "null";
    match test {
        Test::Exists(wanted) => any(&mut |value| is_there(value)) == *wanted,
        test => any(&mut |value| is_there(value) && passes(test, value)),
    }
}

fn passes(test: &Test, value: &str) -> bool {
    match test {
        Test::Exists(wanted) => *wanted,
        Test::In(scalars) => scalars.iter().any(|scalar| equals(scalar, value)),
        Test::Prefix(prefix) => text(value).is_some_and(|text| text.starts_with(prefix.as_str())),
        Test::Suffix(suffix) => text(value).is_some_and(|text| text.ends_with(suffix.as_str())),
        Test::Glob(pieces) => text(value).is_some_and(|text| matches(pieces, &text)),
        Test::Cidr(networks) => text(value).is_some_and(|text| is_inside(networks, &text)),
        Test::Greater(least) => decimal::compare(value, least) == Some(Ordering::Greater),
    }
}

fn text(value: &str) -> Option<Cow<'_, str>> {
    json::string(value)
}

fn equals(scalar: &Scalar, value: &str) -> bool {
    match scalar {
        Scalar::Text(wanted) => text(value).is_some_and(|text| text == wanted.as_str()),
        Scalar::Number(wanted) => decimal::compare(value, wanted) == Some(Ordering::Equal),
        Scalar::Flag(wanted) => value == if *wanted { "true" } else { "false" },
    }
}

/// Takes each piece at its first place behind the one before: if any choice fits, that one does.
/// So no choice is ever taken back, and the time is linear in the text for each piece.
fn matches(pieces: &[String], text: &str) -> bool {
    let Some((first, rest)) = pieces.split_first() else {
        return false;
    };
    let Some((last, between)) = rest.split_last() else {
        return text == first;
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else {
        return false;
    };
    for piece in between {
        match rest.split_once(piece.as_str()) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}

/// An IPv4 address in its IPv6 form is the IPv4 address: an operator's list means both.
fn is_inside(networks: &[IpNet], text: &str) -> bool {
    let Ok(address) = text.trim().parse::<IpAddr>() else {
        return false;
    };
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}
