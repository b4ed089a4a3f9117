//! Instants: read from what vendors write and from the relay's clock, and written as epoch seconds.
//!
//! An instant before 1980 or after 9999 is a unit mistake or a default value, not a time; such
//! a value is treated as unknown.

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::json;

/// 1980-01-01T00:00:00Z in epoch seconds.
const EARLIEST_SECONDS: i64 = 315_532_800;
/// Longest text tried as a date, in bytes; the longest sane one has 35.
const DATE_BYTES_MAX: usize = 64;

/// The received time of an event. Its clock is the relay's own, so it has no earliest.
pub(super) fn from_epoch_ms(ms: u64) -> Timestamp {
    let instant = i64::try_from(ms).ok();
    let instant = instant.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    instant.unwrap_or(Timestamp::MAX)
}

/// Epoch seconds in digits with at most one dot, cut to milliseconds.
pub(super) fn from_epoch_digits(digits: &str) -> Option<Timestamp> {
    let (seconds, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let seconds: i64 = seconds.parse().ok()?;
    let mut ms = 0;
    for digit in fraction.chars().chain("000".chars()).take(3) {
        ms = ms * 10 + i64::from(digit.to_digit(10)?);
    }
    let instant = Timestamp::from_millisecond(seconds.checked_mul(1000)?.checked_add(ms)?);
    instant.ok().filter(is_sane)
}

/// The instant as epoch seconds with milliseconds.
pub(super) fn epoch_seconds(instant: Timestamp) -> String {
    let ms = instant.as_millisecond();
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}

/// Epoch milliseconds as a JSON number, or text of such digits.
pub(super) fn from_epoch_ms_value(value: &RawValue) -> Option<Timestamp> {
    let ms: i64 = json::scalar(value)?.parse().ok()?;
    let instant = Timestamp::from_millisecond(ms).ok()?;
    is_sane(&instant).then_some(instant)
}

/// A date and time with offset in a JSON string, with the fraction it has.
pub(super) fn from_rfc3339(value: &RawValue) -> Option<Timestamp> {
    from_text(&json::string(value)?)
}

/// The same in plain text.
pub(super) fn from_text(text: &str) -> Option<Timestamp> {
    let text = Some(text).filter(|text| text.len() <= DATE_BYTES_MAX)?;
    let instant: Timestamp = text.parse().ok()?;
    is_sane(&instant).then_some(instant)
}

fn is_sane(instant: &Timestamp) -> bool {
    instant.as_second() >= EARLIEST_SECONDS
}
