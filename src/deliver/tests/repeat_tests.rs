//! Proves: where a destination knows repeats by the whole request, an attempt of unknown outcome is
//! repeated with the same events and no others; and what a held destination asks for is kept to.

use std::time::Duration;

use super::memory::MemoryLog;
use super::scripted::{Rig, Script, destination};
use crate::event::EventId;
use crate::settings::{BatchLimits, Destination, SendingPace};
use crate::sink::{HoldCause, Outcome, Pace, RetryCause, Scope, Sent, Verdict};

fn retry(sent: Sent) -> Verdict {
    Verdict::Retry {
        after: None,
        sent,
        cause: RetryCause::Timeout,
        detail: "no answer".into(),
    }
}

async fn rig(repeats_whole: bool, max_in_flight: usize) -> Rig {
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
        pace: SendingPace {
            max_in_flight,
            ..plain.pace
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
    let rig = rig(true, 1).await;
    let sent = attempts(&rig, &[Sent::Unknown, Sent::Unknown]).await;
    assert_eq!(sizes(&sent), [1, 1, 1, 2]);
    assert!(sent[0] == sent[1] && sent[1] == sent[2]);
}

#[tokio::test(start_paused = true)]
async fn what_certainly_did_not_arrive_goes_with_whatever_came_since() {
    let sent = attempts(&rig(true, 1).await, &[Sent::No]).await;
    assert_eq!(sizes(&sent), [1, 3]);
    // Also behind an unknown outcome: its repeat was refused whole.
    let sent = attempts(&rig(true, 1).await, &[Sent::Unknown, Sent::No]).await;
    assert_eq!(sizes(&sent), [1, 1, 3]);
}

#[tokio::test(start_paused = true)]
async fn where_events_are_known_one_by_one_a_repeat_takes_more_along() {
    let sent = attempts(&rig(false, 1).await, &[Sent::Unknown]).await;
    assert_eq!(sizes(&sent), [1, 3]);
}

#[tokio::test(start_paused = true)]
async fn of_batches_side_by_side_each_is_repeated_by_itself() {
    let rig = rig(true, 4).await;
    *rig.script.takes.lock().unwrap() = Duration::from_secs(1);
    // Enough that the worker sends several at once, then an outage of unknown outcome.
    for number in 0..60 {
        rig.log.push("s", &number.to_string());
    }
    rig.until("several at once", |_| rig.attempts().len() >= 10)
        .await;
    let before = rig.attempts().len();
    rig.script.times(4, &retry(Sent::Unknown));
    assert_eq!(rig.drained().await.totals.delivered, 60);
    let sent: Vec<_> = rig.attempts().into_iter().map(|one| one.ids).collect();
    let repeated = |ids: &&Vec<EventId>| sent.iter().filter(|other| other == ids).count() == 2;
    assert_eq!(
        sent.iter().filter(repeated).count(),
        8,
        "{before}: {:?}",
        sizes(&sent)
    );
}

#[tokio::test(start_paused = true)]
async fn a_split_batch_is_not_held_together() {
    let rig = rig(true, 1).await;
    rig.script.times(1, &retry(Sent::Unknown));
    rig.script.times(
        1,
        &Verdict::Split {
            detail: "413".into(),
        },
    );
    for number in 0..3 {
        rig.log.push("s", &number.to_string());
    }
    assert_eq!(rig.drained().await.totals.delivered, 3);
    let sent: Vec<_> = rig.attempts().into_iter().map(|one| one.ids).collect();
    let first = sent[0].len();
    assert_eq!(sent[0], sent[1]);
    assert!(sent[2].len() <= (first / 2).max(1), "{:?}", sizes(&sent));
}

#[tokio::test(start_paused = true)]
async fn a_held_destination_is_probed_no_sooner_than_it_asks_for() {
    for (asked, expected) in [(1, 60), (200, 200), (100_000, 300)] {
        let rig = rig(true, 1).await;
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
