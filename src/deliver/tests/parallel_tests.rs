//! Proves: batches go side by side while that helps, alone after a failure, and as fast as
//! configured; a second log with a lease that can be lost changes nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::memory::MemoryLog;
use super::scripted::{Rig, Script, destination};
use crate::settings::{BatchLimits, Destination, SendingPace};
use crate::sink::{Outcome, RetryCause, Sent, Verdict};

const TAKES: Duration = Duration::from_secs(1);

fn wide(max_in_flight: usize) -> Destination {
    let plain = destination();
    Destination {
        batch: BatchLimits {
            max_events: 10,
            max_bytes: 1000,
        },
        pace: SendingPace {
            max_in_flight,
            ..plain.pace
        },
        ..plain
    }
}

async fn rig(script: &Script, settings: Destination, events: usize) -> Rig {
    let log = MemoryLog::new(&["splunk"]);
    for number in 0..events {
        log.push("s", &number.to_string());
    }
    Rig::start(log, script.clone(), settings, 1 << 20).await
}

/// Most attempts that overlapped, each of which took so long.
fn most_at_once(rig: &Rig, took: Duration) -> usize {
    let attempts = rig.attempts();
    let at_once = |now: Instant| {
        let running = attempts
            .iter()
            .filter(|one| one.at <= now && now < one.at + took);
        running.count()
    };
    attempts.iter().map(|one| at_once(one.at)).max().unwrap()
}

#[tokio::test(start_paused = true)]
async fn batches_go_side_by_side_up_to_the_limit_and_each_event_once() {
    let script = Script::default();
    *script.takes.lock().unwrap() = TAKES;
    let rig = rig(&script, wide(4), 300).await;
    let snapshot = rig.drained().await;
    assert_eq!(snapshot.totals.delivered, 300);
    assert_eq!(most_at_once(&rig, TAKES), 4);
    let mut ids: Vec<_> = rig.attempts().into_iter().flat_map(|one| one.ids).collect();
    let sent = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((sent, ids.len()), (300, 300));
}

#[tokio::test(start_paused = true)]
async fn with_one_in_flight_the_order_is_strict() {
    let script = Script::default();
    *script.takes.lock().unwrap() = TAKES;
    let busy = Verdict::Retry {
        after: None,
        sent: Sent::No,
        cause: RetryCause::RateLimited,
        detail: "429".into(),
    };
    script.times(1, &busy);
    let rig = rig(&script, wide(1), 60).await;
    rig.drained().await;
    assert_eq!(most_at_once(&rig, TAKES), 1);
    let attempts = rig.attempts();
    let ids: Vec<_> = attempts[1..].iter().flat_map(|one| &one.ids).collect();
    assert!(ids.is_sorted() && ids.len() == 60);
}

#[tokio::test(start_paused = true)]
async fn a_failure_lets_one_batch_go_alone_and_many_failures_at_once_wait_once() {
    let script = Script::default();
    *script.takes.lock().unwrap() = TAKES;
    // Enough to have four on their way, then all of them fail.
    for _ in 0..10 {
        let taken = |events| {
            let note = crate::sink::Note::Plain;
            Outcome::all(events, Verdict::Delivered { note }, Some(200), 1)
        };
        script.then(taken);
    }
    let busy = Verdict::Retry {
        after: None,
        sent: Sent::No,
        cause: RetryCause::ServerError,
        detail: "503".into(),
    };
    script.times(4, &busy);
    let rig = rig(&script, wide(4), 300).await;
    let snapshot = rig.until("backing off", |s| s.state == "backing_off").await;
    let failed_at = Instant::now();
    assert!(snapshot.last_error.is_some());
    rig.drained().await;
    let attempts = rig.attempts();
    let later: Vec<_> = attempts.iter().filter(|one| one.at > failed_at).collect();
    // One second of backoff, although four failed; then one alone until it is back.
    assert!(later[0].at - failed_at <= Duration::from_millis(1100));
    assert!(later[1].at - later[0].at >= TAKES);
    assert_eq!(later[0].ids.len(), 10, "whole portions still");
    let ids = attempts.iter().flat_map(|one| &one.ids).count();
    assert_eq!(ids, 300 + 40, "what failed went once more");
}

/// Pushes events, and waits until an attempt more was made; how long that took.
async fn pushed(rig: &Rig, events: usize) -> Duration {
    let (began, before) = (Instant::now(), rig.attempts().len());
    for number in 0..events {
        rig.log.push("s", &number.to_string());
    }
    for _ in 0..10_000 {
        if let Some(attempt) = rig.attempts().get(before) {
            assert_eq!(attempt.ids.len(), events);
            return attempt.at - began;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{events} events are not sent");
}

#[tokio::test(start_paused = true)]
async fn events_gather_for_a_moment_behind_a_batch_of_many_and_behind_no_other() {
    let mut settings = wide(1);
    settings.batch.max_events = 40;
    let rig = rig(&Script::default(), settings, 0).await;
    let moment = Duration::from_millis(3);
    assert!(pushed(&rig, 16).await < moment);
    let behind_many = pushed(&rig, 3).await;
    assert!(
        (moment..3 * moment).contains(&behind_many),
        "{behind_many:?}"
    );
    assert!(pushed(&rig, 3).await < moment);
    // Nothing is gained by waiting with a whole portion.
    assert!(pushed(&rig, 40).await < moment);
    assert!(pushed(&rig, 40).await < moment);
    rig.drained().await;
}

#[tokio::test(start_paused = true)]
async fn the_rate_limit_is_kept_over_time() {
    let script = Script::default();
    let mut settings = wide(4);
    settings.pace.rate_limit = Some(5);
    let start = Instant::now();
    let rig = rig(&script, settings, 50).await;
    rig.drained().await;
    let took = start.elapsed().as_secs_f64();
    // The first second's worth goes at once.
    assert!((9.0..9.5).contains(&took), "{took}");
    let first: usize = (rig.attempts().iter())
        .filter(|one| one.at < start + Duration::from_millis(500))
        .map(|one| one.ids.len())
        .sum();
    assert!(first <= 8, "{first}");
}

#[tokio::test(start_paused = true)]
async fn whoever_loses_the_lease_stores_nothing_more_and_goes_on_when_it_gets_it_again() {
    let script = Script::default();
    *script.takes.lock().unwrap() = TAKES;
    let first = rig(&script, wide(1), 40).await;
    first
        .until("sending", |_| first.attempts().len() == 2)
        .await;
    let log = first.log.clone();
    // The second one waits in its start until the first one's lease is gone.
    let other = Script::default();
    let second = tokio::spawn(Rig::start(log.clone(), other.clone(), wide(1), 1 << 20));
    tokio::task::yield_now().await;
    assert!(other.attempts.lock().unwrap().is_empty());
    log.revoke();
    let second = second.await.unwrap();
    let snapshot = second.drained().await;
    assert_eq!(snapshot.totals.delivered, 40);
    assert!(!other.attempts.lock().unwrap().is_empty());
    // The other way round: the second ends, the first takes over where it ended.
    let log = second.end().await;
    let id = log.push("s", "later");
    let snapshot = first
        .until("taken over", |s| s.totals.delivered == 41)
        .await;
    assert_eq!(snapshot.backlog, 0);
    assert_eq!(first.attempts().last().unwrap().ids, [id]);
}

#[tokio::test(start_paused = true)]
async fn an_hour_down_costs_few_attempts_and_no_herd_when_it_is_back() {
    let script = Script::default();
    script.rule(|_| {
        Some(Verdict::Retry {
            after: None,
            sent: Sent::No,
            cause: RetryCause::Connect,
            detail: "refused".into(),
        })
    });
    let rig = rig(&script, wide(8), 10).await;
    for number in 0..60 {
        for event in 0..100 {
            rig.log.push("s", &format!("{number}.{event}"));
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let down = rig.attempts();
    assert!(
        (12..30).contains(&down.len()),
        "{} attempts in an hour",
        down.len()
    );
    assert!(
        down.iter().all(|one| one.ids.len() <= 10),
        "no more than a portion each"
    );
    *script.takes.lock().unwrap() = TAKES;
    script.no_rule();
    let back = Instant::now();
    let snapshot = rig.drained().await;
    assert_eq!(snapshot.totals.delivered, 6010);
    let attempts = rig.attempts();
    let after: Vec<_> = attempts.iter().filter(|one| one.at > back).collect();
    assert!(after[1].at >= after[0].at + TAKES, "one goes alone first");
    assert!(most_at_once(&rig, TAKES) <= 8);
}
