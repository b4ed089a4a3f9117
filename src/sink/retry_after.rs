//! `Retry-After`: seconds, or one of the three HTTP dates of RFC 9110 section 5.6.7.
//!
//! A date is measured against the answer's own `Date` where it has one, so that the relay's
//! clock does not matter. What cannot be understood, and what lies in the past, is no wish.

use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Longest wish kept; a year stands for "never", and sums with a clock stay in range.
const WISH_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The preferred form first, then RFC 850 and asctime.
const FORMATS: [&str; 3] = [
    "%a, %d %b %Y %H:%M:%S GMT",
    "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %e %H:%M:%S %Y",
];

/// The delay that the answer asks for, counted from its receipt at `now`.
pub(super) fn parse(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = text(headers, RETRY_AFTER)?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a longer delay than any.
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(WISH_MAX));
    }
    let until = date(text)?;
    let from = self::text(headers, DATE).and_then(date).unwrap_or(now);
    let delay = Duration::try_from(until.duration_since(from)).ok()?;
    Some(delay.min(WISH_MAX))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn date(text: &str) -> Option<Timestamp> {
    FORMATS.iter().find_map(|format| {
        let date = DateTime::strptime(format, text).ok()?;
        date.to_zoned(TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn delay(value: &'static str, date: Option<&'static str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_static(date));
        }
        // Sun, 06 Nov 1994 08:49:37 GMT
        parse(&headers, Timestamp::from_second(784_111_777).unwrap())
    }

    #[test]
    fn seconds_and_all_three_dates_are_understood() {
        for (value, seconds) in [
            ("0", 0),
            ("120", 120),
            (" 7 ", 7),
            ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
            ("Sunday, 06-Nov-94 08:50:37 GMT", 60),
            ("Sun Nov  6 08:50:37 1994", 60),
        ] {
            assert_eq!(
                delay(value, None),
                Some(Duration::from_secs(seconds)),
                "{value}"
            );
        }
    }

    #[test]
    fn a_date_is_measured_against_the_answers_own_clock() {
        let skewed = Some("Sun, 06 Nov 1994 08:00:00 GMT");
        assert_eq!(
            delay("Sun, 06 Nov 1994 08:00:30 GMT", skewed),
            Some(Duration::from_secs(30))
        );
    }

    #[test]
    fn negatives_the_past_and_garbage_are_no_wish() {
        for value in [
            "-1",
            "1.5",
            "",
            "soon",
            "+3",
            "Sun, 06 Nov 1994 08:48:37 GMT",
            "Mon, 99 Nov 1994 08:49:37 GMT",
            "1994-11-06T08:50:37Z",
        ] {
            assert_eq!(delay(value, None), None, "{value}");
        }
    }

    #[test]
    fn an_endless_wish_is_cut_to_a_year() {
        for value in [
            "99999999999999999999999999",
            "31536001",
            "Thu, 01 Jan 9998 00:00:00 GMT",
        ] {
            assert_eq!(delay(value, None), Some(WISH_MAX), "{value}");
        }
    }
}
