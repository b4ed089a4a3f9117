//! Compares JSON numbers by value, whatever their length: 1e400 and 30 digits are no different
//! from 7. A binary float would take neighbours for equals.

use std::cmp::Ordering;

/// Exponents beyond it are taken for it: no number that anybody means has one.
const EXPONENT_MAX: i64 = 1_000_000_000_000;

/// Sign, digits and place of the point: 0.DIGITS times ten to the exponent.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    /// Neither begin nor end with a zero; empty for zero.
    digits: Vec<u8>,
    exponent: i64,
}

/// Which of two JSON numbers is larger; none where one of them is not a number.
pub(super) fn compare(one: &str, other: &str) -> Option<Ordering> {
    let (one, other) = (Decimal::parse(one)?, Decimal::parse(other)?);
    Some(one.signed().cmp(&other.signed()).then_with(|| {
        let larger =
            (one.exponent.cmp(&other.exponent)).then_with(|| one.digits.cmp(&other.digits));
        if one.negative {
            larger.reverse()
        } else {
            larger
        }
    }))
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return None;
        }
        let mut all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let zeros = all.iter().take_while(|digit| **digit == b'0').count();
        all.drain(..zeros);
        while all.last() == Some(&b'0') {
            all.pop();
        }
        if all.is_empty() {
            let (negative, exponent) = (false, 0);
            return Some(Self {
                negative,
                digits: all,
                exponent,
            });
        }
        let length = |text: &str| i64::try_from(text.len()).unwrap_or(EXPONENT_MAX);
        let zeros = i64::try_from(zeros).unwrap_or(EXPONENT_MAX);
        let exponent = stated(exponent)?
            .saturating_add(length(whole))
            .saturating_sub(zeros);
        Some(Self {
            negative,
            digits: all,
            exponent,
        })
    }

    fn signed(&self) -> i8 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }
}

/// The number after the letter e.
fn stated(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Digits alone fail to parse only where they are too many.
    let size = digits.parse().unwrap_or(EXPONENT_MAX).min(EXPONENT_MAX);
    Some(if negative { -size } else { size })
}
