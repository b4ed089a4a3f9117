//! Proves: where a destination knows repeats by the whole request, an attempt of unknown outcome is
//! repeated with the same events and no others; and what a held destination asks for is kept to.

use std::time::Duration;

use super::memory::MemoryLog;
use super::scripted::{Rig, Script, destination};
use crate::event::EventId;
use crate::settings::{BatchLimits, Destination};
use crate::sink::{HoldCause, Outcome, Pace, RetryCause, Scope, Sent, Verdict};

fn retry(sent: Sent) -> Verdict {
    Verdict::Retry {
        after: None,
        sent,
        cause: RetryCause::Timeout,
        detail: "no answer".into(),
    }
}

async fn rig(repeats_whole: bool) -> Rig {
    let script = Script {
        repeats_whole,
        ..Script::default()
    };
    let plain = destination();
    let settings = Destination {
        batch: BatchLimits {
            max_events: 3,
            max_bytes: 1000,
        },
        ..plain
    };
    Rig::start(MemoryLog::new(&["splunk"]), script, settings, 1 << 20).await
}

/// The events of each attempt, where `answers` were the first ones and more events came meanwhile.
async fn attempts(rig: &Rig, answers: &[Sent]) -> Vec<Vec<EventId>> {
    for sent in answers {
        rig.script.times(1, &retry(*sent));
    }
    *rig.script.takes.lock().unwrap() = Duration::from_millis(500);
    rig.log.push("s", "1");
    rig.until("sent", |_| rig.attempts().len() == 1).await;
    rig.log.push("s", "2");
    rig.log.push("s", "3");
    assert_eq!(rig.drained().await.totals.delivered, 3);
    rig.attempts().into_iter().map(|one| one.ids).collect()
}

fn sizes(attempts: &[Vec<EventId>]) -> Vec<usize> {
    attempts.iter().map(Vec::len).collect()
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_repeated_with_the_same_events_and_no_others() {
    let rig = rig(true).await;
    let sent = attempts(&rig, &[Sent::Unknown, Sent::Unknown]).await;
    assert_eq!(sizes(&sent), [1, 1, 1, 2]);
    assert!(sent[0] == sent[1] && sent[1] == sent[2]);
}

#[tokio::test(start_paused = true)]
async fn what_certainly_did_not_arrive_goes_with_whatever_came_since() {
    let sent = attempts(&rig(true).await, &[Sent::No]).await;
    assert_eq!(sizes(&sent), [1, 3]);
    // Also behind an unknown outcome: its repeat was refused whole.
    let sent = attempts(&rig(true).await, &[Sent::Unknown, Sent::No]).await;
    assert_eq!(sizes(&sent), [1, 1, 3]);
}

#[tokio::test(start_paused = true)]
async fn where_events_are_known_one_by_one_a_repeat_takes_more_along() {
    let sent = attempts(&rig(false).await, &[Sent::Unknown]).await;
    assert_eq!(sizes(&sent), [1, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_held_destination_is_probed_no_sooner_than_it_asks_for() {
    for (asked, expected) in [(1, 60), (200, 200), (100_000, 300)] {
        let rig = rig(true).await;
        rig.script.then(move |events| {
            let held = Verdict::Hold {
                cause: HoldCause::Url,
                detail: "HTTP 302".into(),
                scope: Scope::Destination,
            };
            let mut outcome = Outcome::all(events, held, Some(302), 0);
            outcome.pace = Pace::Slower {
                after: Some(Duration::from_secs(asked)),
            };
            outcome
        });
        rig.log.push("s", "1");
        rig.drained().await;
        let [first, second] = rig.attempts().try_into().expect("an attempt and a probe");
        let waited = (second.at - first.at).as_secs();
        assert!(
            (expected..expected + 3).contains(&waited),
            "{asked}: {waited}"
        );
    }
}
