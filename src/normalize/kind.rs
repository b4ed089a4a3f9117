//! A vendor's `type`, taken apart: `PRODUCT__FAMILY_WHAT_HAPPENED`.
//!
//! The list of types is open, so nothing here is a closed list: families are matched by their
//! first words and unknown words are carried along.

use std::borrow::Cow;

use super::model::Change;

/// Longest `type` taken, in bytes; a longer one is not a type.
const TYPE_BYTES_MAX: usize = 256;
/// First words of the family that has its own mapping.
const POLICY_VIOLATION: &str = "policy-violation";

/// A type such as `API_SECURE__POLICY_VIOLATION_RESOLVED`.
#[derive(Debug)]
pub(super) struct Kind<'a> {
    /// As the vendor wrote it.
    pub(super) code: Cow<'a, str>,
    /// Before the double underscore: `API_SECURE`.
    pub(super) product: Option<String>,
    /// After it, in lower case with dashes: `policy-violation-resolved`.
    pub(super) words: String,
}

/// False of a type whose last word says that it was not done; none of any other.
pub(super) fn success(code: &str) -> Option<bool> {
    let last = code.rsplit(['-', '_', '.']).next();
    matches!(last, Some("failed" | "failure")).then_some(false)
}

/// Families of types that have a mapping of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// `POLICY_VIOLATION_...`
    Violation,
    /// `MOBILE_FINDING_...`, `FINDING_TARGET_...` and the like.
    MobileFinding,
    /// `..._FINDING_NOTE_...`
    Note,
    /// `..._DISCOVERED`
    Asset,
    /// `USER_LOGIN_...`
    Login,
    /// `USER_...`
    Account,
    /// Anything else of `MOBILE_PROTECT` and `API_PROTECT`.
    Protection,
}

impl<'a> Kind<'a> {
    /// Takes a type apart; none for blank or oversized ones.
    pub(super) fn parse(code: Cow<'a, str>) -> Option<Self> {
        if code.len() > TYPE_BYTES_MAX {
            return None;
        }
        let (product, name) = match code.split_once("__") {
            Some((product, name)) if !product.is_empty() => (Some(product.to_owned()), name),
            _ => (None, code.as_ref()),
        };
        let words = words(name);
        Some(Self {
            code,
            product,
            words,
        })
    }

    /// The family, told by words at the type's beginning or end; none for any other type.
    pub(super) fn family(&self) -> Option<Family> {
        let words: Vec<&str> = self.words.split('-').collect();
        let follows = |one: &str, next: &[&str]| {
            let pair = |pair: &[&str]| match pair {
                [a, b] => *a == one && next.contains(b),
                _ => false,
            };
            words.windows(2).any(pair)
        };
        let product = self.product.as_deref().unwrap_or_default();
        if after_violation(&self.words).is_some() {
            return Some(Family::Violation);
        }
        match words.as_slice() {
            ["user", "login", ..] => Some(Family::Login),
            ["user", ..] => Some(Family::Account),
            [.., "discovered"] => Some(Family::Asset),
            _ if follows("finding", &["note", "notes"]) => Some(Family::Note),
            ["finding" | "target", ..] => Some(Family::MobileFinding),
            ["mobile" | "security", "finding", ..] => Some(Family::MobileFinding),
            _ if product.ends_with("PROTECT") => Some(Family::Protection),
            _ => None,
        }
    }

    /// The product's name as people write it: `API Secure`.
    pub(super) fn product_name(&self) -> Option<String> {
        let tokens = self.product.as_deref()?.split('_');
        let names = tokens
            .filter(|token| !token.is_empty())
            .map(|token| match token {
                "API" => token.to_owned(),
                _ => capitalised(token),
            });
        let name = names.collect::<Vec<_>>().join(" ");
        (!name.is_empty()).then_some(name)
    }
}

/// What follows the words of a policy violation (maybe nothing); none for another type.
pub(super) fn after_violation(words: &str) -> Option<&str> {
    let rest = words.strip_prefix(POLICY_VIOLATION)?;
    match rest.strip_prefix('-') {
        Some(happened) => Some(happened),
        None => rest.is_empty().then_some(""),
    }
}

/// What became of a finding by the end of its type's words.
pub(super) fn change(words: &str) -> Option<Change> {
    if let Some(happened) = after_violation(words) {
        return Change::from_words(happened);
    }
    Change::from_words(words).or_else(|| Change::from_words(words.rsplit('-').next()?))
}

/// Lower-case ASCII words joined by dashes: `WONT_FIX` and `Won't fix` are `wont-fix`.
pub(super) fn words(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\'' | '\u{2019}' => {}
            _ if letter.is_ascii_alphanumeric() => words.push(letter.to_ascii_lowercase()),
            _ if words.is_empty() || words.ends_with('-') => {}
            _ => words.push('-'),
        }
    }
    if words.ends_with('-') {
        words.pop();
    }
    words
}

fn capitalised(token: &str) -> String {
    let mut letters = token.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let rest = letters.map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(rest).collect()
}
