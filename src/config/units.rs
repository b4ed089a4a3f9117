//! Sizes and durations as text: read from the configuration, and shown in messages.
//!
//! Pure, and exact both ways: what is shown is what an operator would write.

use std::time::Duration;

/// Units of sizes. For showing, the first that divides a size is taken.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];
/// Units of durations, in milliseconds.
const DURATION_UNITS: [(&str, u128); 4] =
    [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads `64MiB`, `1 MB` or plain bytes.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let number: u64 = number.parse().ok()?;
    let unit = unit.trim();
    if unit.is_empty() {
        return Some(number);
    }
    let mut units = SIZE_UNITS.iter();
    let (_, factor) = units.find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.checked_mul(*factor)
}

/// The size with the largest unit that leaves no rest.
pub(super) fn shown_size(bytes: u64) -> String {
    let mut units = SIZE_UNITS.iter();
    match units.find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

/// The duration with the largest unit that leaves no rest.
pub(super) fn shown_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let mut units = DURATION_UNITS.iter();
    match units.find(|(_, factor)| millis > 0 && millis.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", millis / factor),
        None => "0s".to_owned(),
    }
}
