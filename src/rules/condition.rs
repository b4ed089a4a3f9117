//! Whether a condition holds of an event. Total: any value of any type has an answer.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

use ipnet::IpNet;

use super::decimal;
use super::json;
use crate::settings::{Condition, Pointer, Scalar, Test};

/// Whether the condition holds of a JSON text. Of text that is no JSON, as of a value that is not
/// there, no test holds but that it does not exist.
pub fn holds(condition: &Condition, text: &str) -> bool {
    holds_of(condition, &|pointer| json::at(text, pointer))
}

/// The same where `find` says what a pointer leads to. An object or array may be any text that
/// begins like one: nothing looks into it.
pub(super) fn holds_of<'t>(
    condition: &Condition,
    find: &dyn Fn(&Pointer) -> Option<&'t str>,
) -> bool {
    match condition {
        Condition::All(all) => all.iter().all(|one| holds_of(one, find)),
        Condition::Any(any) => any.iter().any(|one| holds_of(one, find)),
        Condition::Not(condition) => !holds_of(condition, find),
        Condition::Field { at, test } => passes(test, find(at)),
    }
}

fn passes(test: &Test, value: Option<&str>) -> bool {
    let there = value.filter(|text| *text != "null");
    let Some(value) = there else {
        return *test == Test::Exists(false);
    };
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
