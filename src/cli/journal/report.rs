//! `journal verify` and `journal inspect`: what is in the journal, and what is wrong with it.

use jiff::Timestamp;

use super::super::{Failure, say};
use super::{JOURNAL_UNUSABLE, survey};
use crate::journal::SegmentSurvey;
use crate::settings::Settings;

/// Reads everything; a problem is an error with all of them in its text.
pub(super) fn verify(settings: &Settings) -> Result<(), Failure> {
    let survey = survey(settings, |_| true, |_| {})?;
    let events: u64 = survey.segments.iter().map(|segment| segment.events).sum();
    say(format_args!(
        "{} segment(s), {events} event(s), {} problem(s)",
        survey.segments.len(),
        survey.problems.len()
    ))?;
    if survey.problems.is_empty() {
        return Ok(());
    }
    Err(Failure::new(JOURNAL_UNUSABLE, survey.problems.join("\n")))
}

/// Shows segments and cursors; of complete segments, what their seals say.
pub(super) fn inspect(settings: &Settings) -> Result<(), Failure> {
    let survey = survey(settings, |_| false, |_| {})?;
    say(format_args!(
        "durable up to position {}, {} event(s) ever stored (as last noted)",
        survey.head.position, survey.head.events
    ))?;
    for segment in &survey.segments {
        say(describe(segment))?;
    }
    for (name, cursor) in &survey.cursors {
        let totals = cursor.totals;
        say(format_args!(
            "destination {name}: settled up to {}, {} range(s) above; {} delivered, {} \
             dead-lettered, {} filtered, {} discarded; last success {}",
            cursor.low_water,
            cursor.done.len(),
            totals.delivered,
            totals.dead_lettered,
            totals.filtered,
            totals.discarded,
            time(cursor.last_success_ms)
        ))?;
    }
    survey
        .problems
        .iter()
        .try_for_each(|problem| say(format_args!("problem: {problem}")))
}

fn describe(segment: &SegmentSurvey) -> String {
    let place = format!(
        "{}: {} of {} bytes{}",
        segment.file,
        segment.end,
        segment.bytes,
        if segment.sealed { ", sealed" } else { "" }
    );
    if segment.events == 0 {
        return format!("{place}, no event");
    }
    format!(
        "{place}, {} event(s), positions {} to {}, received {} to {}",
        segment.events,
        segment.positions.0,
        segment.positions.1,
        time(segment.received_ms.0),
        time(segment.received_ms.1)
    )
}

fn time(unix_ms: u64) -> String {
    let known = i64::try_from(unix_ms).ok().filter(|ms| *ms > 0);
    let at = known.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| "never".to_owned(), |at| format!("{at:.3}"))
}
