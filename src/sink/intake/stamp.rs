//! The time that an intake files an event under, and the relay's own facts beside it.
//!
//! Intakes drop, or file under another time, what is older than their window; some say so in no
//! answer. So the vendor's time is taken only where it lies inside the window, then the received
//! time, and for an event that waited longer the time of sending: an event filed late is found by
//! its received time, which it always carries, and one that was dropped is not found at all.

use std::time::Duration;

use jiff::Timestamp;

use super::json::Object;
use crate::sink::{Rendered, payload};

/// Kept free at the old end of a window: clocks differ, and the request takes its time.
const MARGIN: Duration = Duration::from_secs(15 * 60);
const NANOS_PER_MS: u64 = 1_000_000;

/// Nanoseconds since the Unix epoch to file the event under.
pub(super) fn happened(event: &Rendered, now_ms: u64, window: Option<Duration>) -> u64 {
    let received = event.event.received_ms.saturating_mul(NANOS_PER_MS);
    let vendor = event.time.as_deref().and_then(from_digits);
    // What lies in the future is a wrong clock there.
    let vendor = vendor.filter(|time| *time <= received);
    let oldest = oldest(now_ms, window);
    let times = [vendor, Some(received)].into_iter().flatten();
    let fresh = times.into_iter().find(|time| *time >= oldest);
    fresh.unwrap_or(now_ms.saturating_mul(NANOS_PER_MS))
}

/// The same by the received time alone, with the event's position in place of what is finer than
/// a millisecond: two events never look alike, and one that is sent again looks as it did.
pub(super) fn received(event: &Rendered, now_ms: u64, window: Option<Duration>) -> u64 {
    let received = event.event.received_ms.saturating_mul(NANOS_PER_MS);
    let whole = match received >= oldest(now_ms, window) {
        true => received,
        false => now_ms.saturating_mul(NANOS_PER_MS),
    };
    whole.saturating_add(event.event.position % NANOS_PER_MS)
}

/// RFC 3339 with milliseconds, in UTC.
pub(super) fn rfc3339(nanos: u64) -> String {
    // 64 bits of nanoseconds end in the year 2554, which has such a form.
    let timestamp = Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::MAX);
    format!("{timestamp:.3}")
}

/// Milliseconds in digits.
pub(super) fn milliseconds(nanos: u64) -> String {
    (nanos / NANOS_PER_MS).to_string()
}

/// Seconds with three digits behind the dot.
pub(super) fn seconds(nanos: u64) -> String {
    let ms = nanos / NANOS_PER_MS;
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// Writes the relay's id, the received time, the source, the first event of a repeated one and the
/// replay of one that is sent again, each under its name with `prefix` before it.
pub(super) fn identity(object: &mut Object<'_>, event: &Rendered, prefix: &str) {
    for (name, value) in facts(event) {
        object.text(&format!("{prefix}{name}"), &value);
    }
}

/// The same as names and values.
pub(super) fn facts(event: &Rendered) -> impl Iterator<Item = (&'static str, String)> {
    let first = event.event.duplicate_of.map(|id| id.to_string());
    let facts = [
        ("id", Some(event.id().to_string())),
        ("received", Some(payload::received(&event.event))),
        ("source", Some(event.event.provenance.source.clone())),
        ("duplicate_of", first),
        ("replay_id", event.event.replay_id.map(|id| id.to_string())),
    ];
    facts
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
}

fn oldest(now_ms: u64, window: Option<Duration>) -> u64 {
    let Some(window) = window else {
        return 0;
    };
    let window = window.saturating_sub(MARGIN).as_nanos();
    let now = now_ms.saturating_mul(NANOS_PER_MS);
    now.saturating_sub(u64::try_from(window).unwrap_or(u64::MAX))
}

/// Epoch seconds in digits with at most one dot; finer than nanoseconds is cut.
fn from_digits(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: u64 = whole.parse().ok()?;
    let nanos: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanos: u64 = nanos.parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::payload::tests::rendered;

    const RECEIVED_MS: u64 = 1_795_444_925_123;
    const HOUR_MS: u64 = 3_600_000;
    const DAY: Option<Duration> = Some(Duration::from_secs(24 * 3600));

    fn at(time: Option<&str>, waited_hours: u64, window: Option<Duration>) -> String {
        let mut event = rendered(1, "{}");
        event.time = time.map(str::to_owned);
        seconds(happened(
            &event,
            RECEIVED_MS + waited_hours * HOUR_MS,
            window,
        ))
    }

    #[test]
    fn the_vendors_time_counts_inside_the_window_and_never_from_the_future() {
        let received = "1795444925.123";
        for (time, waited, window, expected) in [
            (None, 0, None, received),
            (Some("1795444900"), 0, DAY, "1795444900.000"),
            (Some("1795444900.25"), 1, DAY, "1795444900.250"),
            (Some("1795444926"), 0, DAY, received),
            (Some("1795344900"), 0, DAY, received),
            (Some("1"), 0, None, "1.000"),
            (Some("x"), 0, None, received),
            (None, 23, DAY, received),
            // Too late for both: the time of sending.
            (Some("1795444900"), 24, DAY, "1795531325.123"),
            (None, 1_000_000, None, received),
        ] {
            assert_eq!(at(time, waited, window), expected, "{time:?} {waited}");
        }
    }

    #[test]
    fn events_of_one_millisecond_keep_their_order_and_never_look_alike() {
        let stamp = |n| received(&rendered(n, "{}"), RECEIVED_MS, DAY);
        assert_eq!(stamp(1), 1_795_444_925_123_000_001);
        assert_eq!(stamp(2), 1_795_444_925_123_000_002);
        let late = RECEIVED_MS + 24 * HOUR_MS;
        let stamp = received(&rendered(1, "{}"), late, DAY);
        assert_eq!(stamp, late * 1_000_000 + 1);
    }

    #[test]
    fn forms_of_a_time() {
        let nanos = 1_795_444_925_123_456_789;
        assert_eq!(rfc3339(nanos), "2026-11-23T14:42:05.123Z");
        assert_eq!(milliseconds(nanos), "1795444925123");
        assert_eq!(seconds(nanos), "1795444925.123");
        assert_eq!(seconds(1_002_000_000), "1.002");
    }
}
