//! Proves what a worker promises, with a scripted sink, a log with gaps, and paused time.

use std::time::Duration;

use super::memory::MemoryLog;
use super::scripted::{POISON, Rig, Script, destination};
use crate::settings::{BatchLimits, Destination};
use crate::sink::{HoldCause, Note, Outcome, Pace, RejectCause, RetryCause, Scope, Sent, Verdict};

fn retry(after: Option<Duration>, sent: Sent) -> Verdict {
    Verdict::Retry {
        after,
        sent,
        cause: RetryCause::ServerError,
        detail: "503 busy".into(),
    }
}

fn hold(cause: HoldCause) -> Verdict {
    Verdict::Hold {
        cause,
        detail: "401 wrong token".into(),
        scope: Scope::Destination,
    }
}

fn reject() -> Verdict {
    Verdict::Reject {
        cause: RejectCause::Rejected,
        detail: "400 mapping conflict".into(),
    }
}

fn mixed(verdicts: Vec<Verdict>) -> Outcome {
    Outcome {
        verdicts,
        pace: Pace::Steady,
        status: Some(200),
        wire_bytes: 1,
    }
}

async fn rig(events: usize) -> Rig {
    let log = MemoryLog::new(&["splunk"]);
    let script = Script::default();
    for number in 0..events {
        log.push("datatheorem", &format!("{{\"n\":{number}}}"));
    }
    Rig::start(log, script, destination(), 1 << 20).await
}

#[tokio::test(start_paused = true)]
async fn an_idle_destination_gets_an_event_at_once_and_a_busy_one_gets_what_gathered() {
    let rig = rig(1).await;
    rig.drained().await;
    for number in 0..30 {
        rig.log
            .push("datatheorem", &format!("{{\"later\":{number}}}"));
    }
    rig.drained().await;
    let sizes: Vec<_> = rig
        .attempts()
        .iter()
        .map(|attempt| attempt.ids.len())
        .collect();
    assert_eq!(sizes, [1, 30]);
}

#[tokio::test(start_paused = true)]
async fn batches_keep_the_limits_of_count_and_bytes_and_the_order() {
    let log = MemoryLog::new(&["splunk"]);
    let ids: Vec<_> = (0..25).map(|_| log.push("s", &"7".repeat(100))).collect();
    let batch = BatchLimits {
        max_events: 10,
        max_bytes: 450,
    };
    let settings = Destination {
        batch,
        ..destination()
    };
    let rig = Rig::start(log, Script::default(), settings, 1 << 20).await;
    rig.drained().await;
    assert!(rig.attempts().iter().all(|attempt| attempt.ids.len() <= 4));
    let sent: Vec<_> = rig
        .attempts()
        .into_iter()
        .flat_map(|attempt| attempt.ids)
        .collect();
    assert_eq!(sent, ids);
}

#[tokio::test(start_paused = true)]
async fn retries_back_off_and_the_same_events_go_again() {
    let rig = rig(0).await;
    rig.script.times(4, &retry(None, Sent::No));
    rig.log.push("s", "1");
    let snapshot = rig.drained().await;
    let attempts = rig.attempts();
    let waits: Vec<_> = attempts
        .windows(2)
        .map(|pair| (pair[1].at - pair[0].at).as_secs())
        .collect();
    assert_eq!(waits, [1, 2, 4, 8]);
    assert!(
        attempts
            .iter()
            .all(|attempt| attempt.ids == attempts[0].ids)
    );
    assert_eq!(snapshot.totals.delivered, 1);
    assert_eq!(&*snapshot.last_error.unwrap().text, "503 busy");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_and_bounded() {
    let rig = rig(0).await;
    rig.script
        .times(1, &retry(Some(Duration::from_secs(40)), Sent::No));
    rig.script
        .times(1, &retry(Some(Duration::from_secs(9000)), Sent::No));
    rig.log.push("s", "1");
    rig.drained().await;
    let attempts = rig.attempts();
    let waits: Vec<_> = attempts
        .windows(2)
        .map(|pair| (pair[1].at - pair[0].at).as_secs())
        .collect();
    assert_eq!(waits, [40, 300]);
}

#[tokio::test(start_paused = true)]
async fn a_hold_drops_nothing_probes_with_one_event_and_recovers_by_itself() {
    let rig = rig(0).await;
    rig.script.times(4, &hold(HoldCause::Auth));
    for number in 0..10 {
        rig.log.push("s", &number.to_string());
    }
    let held = rig.until("held", |snapshot| snapshot.state == "held").await;
    assert_eq!(held.reason.as_deref(), Some("auth: 401 wrong token"));
    assert_eq!(held.backlog, 10);
    assert!(held.oldest_ms.is_some() && held.next_attempt.is_some());
    let snapshot = rig.drained().await;
    assert_eq!(snapshot.totals.delivered, 10);
    assert_eq!(snapshot.state, "delivering");
    let attempts = rig.attempts();
    let sizes: Vec<_> = attempts.iter().map(|attempt| attempt.ids.len()).collect();
    assert_eq!(sizes, [10, 1, 1, 1, 1, 9]);
    assert_eq!((attempts[1].at - attempts[0].at).as_secs(), 60);
    assert_eq!(
        *rig.script.refreshed.lock().unwrap(),
        4,
        "secrets are read before each probe"
    );
    assert!(rig.dead_letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_refused_event_is_dead_lettered_and_the_others_are_delivered() {
    let rig = rig(0).await;
    let plain = || Verdict::Delivered { note: Note::Plain };
    rig.script
        .then(move |_| mixed(vec![plain(), reject(), plain()]));
    let ids: Vec<_> = (0..3).map(|n| rig.log.push("s", &n.to_string())).collect();
    let snapshot = rig.drained().await;
    assert_eq!(
        (snapshot.totals.delivered, snapshot.totals.dead_lettered),
        (2, 1)
    );
    let letters = rig.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["id"], ids[1].to_string());
    assert_eq!(letters[0]["detail"], "400 mapping conflict");
    assert_eq!(letters[0]["attempts"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_dead_letter_log_holds_the_destination_and_drops_nothing() {
    let log = MemoryLog::new(&["splunk"]);
    let script = Script::default();
    script.times(1, &reject());
    log.push("s", "1");
    log.push("s", "2");
    let rig = Rig::start(log, script, destination(), 10).await;
    let held = rig.until("held", |snapshot| snapshot.state == "held").await;
    assert!(held.reason.unwrap().starts_with("dead_letters: "));
    assert_eq!((held.backlog, held.totals.dead_lettered), (2, 0));
    assert_eq!(rig.log.cursor("splunk").low_water, 2);
}

#[tokio::test(start_paused = true)]
async fn a_split_halves_until_it_passes_and_grows_again() {
    let rig = rig(0).await;
    let split = Verdict::Split {
        detail: "413".into(),
    };
    rig.script.times(2, &split);
    for number in 0..16 {
        rig.log.push("s", &number.to_string());
    }
    let snapshot = rig.drained().await;
    let sizes: Vec<_> = rig
        .attempts()
        .iter()
        .map(|attempt| attempt.ids.len())
        .collect();
    assert_eq!(sizes, [16, 8, 4, 7, 5]);
    assert_eq!(snapshot.totals.delivered, 16);
}

#[tokio::test(start_paused = true)]
async fn a_resend_of_an_unknown_outcome_is_counted_as_a_possible_duplicate() {
    let rig = rig(0).await;
    rig.script
        .times(1, &retry(None, Sent::Unknown))
        .times(1, &retry(None, Sent::No));
    rig.log.push("s", "1");
    rig.drained().await;
    let metrics = rig.metrics.destination("splunk", false);
    assert_eq!(metrics.possible_resend.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unwanted_source_is_filtered_and_counted() {
    let log = MemoryLog::new(&["splunk"]);
    let wanted = log.push("github", "1");
    log.push("okta", "2");
    let settings = Destination {
        sources: Some(vec!["github".to_owned()]),
        ..destination()
    };
    let rig = Rig::start(log, Script::default(), settings, 1 << 20).await;
    let snapshot = rig.drained().await;
    assert_eq!(
        (snapshot.totals.delivered, snapshot.totals.filtered),
        (1, 1)
    );
    assert_eq!(rig.attempts()[0].ids, [wanted]);
}

#[tokio::test(start_paused = true)]
async fn damage_in_the_log_holds_the_destination_until_it_is_passed() {
    let rig = rig(0).await;
    rig.log.damage_after(Some(3));
    rig.log.push("s", "1");
    rig.log.push("s", "2");
    let held = rig.until("held", |snapshot| snapshot.state == "held").await;
    assert!(held.reason.unwrap().starts_with("damage: "));
    assert_eq!((held.totals.delivered, held.backlog), (1, 1));
    assert!(held.oldest_ms.is_some());
    rig.log.damage_after(None);
    assert_eq!(rig.drained().await.totals.delivered, 2);
}

#[tokio::test(start_paused = true)]
async fn damaged_events_that_were_given_up_are_discarded_and_the_rest_is_delivered() {
    let rig = rig(0).await;
    rig.log.damage_after(Some(3));
    let ids: Vec<_> = (0..5).map(|n| rig.log.push("s", &n.to_string())).collect();
    rig.until("held", |snapshot| snapshot.state == "held").await;
    rig.log.lose(2, 4);
    let snapshot = rig.drained().await;
    assert_eq!(
        (snapshot.totals.delivered, snapshot.totals.discarded),
        (2, 3)
    );
    assert_eq!((snapshot.accepted, snapshot.mismatch), (5, 0));
    let sent: Vec<_> = rig.attempts().iter().flat_map(|a| a.ids.clone()).collect();
    assert_eq!(sent, [ids[0], ids[4]]);
    // A restart reads nothing of it again.
    let log = rig.end().await;
    let cursor = log.cursor("splunk");
    assert_eq!((cursor.low_water, cursor.done_events), (15, 0));
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_where_the_cursor_is_and_repeats_nothing_that_it_names() {
    let rig = rig(0).await;
    let plain = || Verdict::Delivered { note: Note::Plain };
    let wait = || retry(None, Sent::No);
    rig.script
        .then(move |_| mixed(vec![plain(), wait(), plain(), wait()]));
    rig.script.times(1, &hold(HoldCause::Auth));
    let ids: Vec<_> = (0..4).map(|n| rig.log.push("s", &n.to_string())).collect();
    rig.until("held", |snapshot| snapshot.state == "held").await;
    let log = rig.end().await;
    assert_eq!(log.cursor("splunk").done_events, 1);
    let rig = Rig::start(log, Script::default(), destination(), 1 << 20).await;
    let snapshot = rig.drained().await;
    assert_eq!(snapshot.totals.delivered, 4);
    assert_eq!(rig.attempts()[0].ids, [ids[1], ids[3]]);
}

#[tokio::test(start_paused = true)]
async fn a_long_attempt_gives_signs_of_life() {
    let rig = rig(0).await;
    *rig.script.takes.lock().unwrap() = Duration::from_secs(600);
    rig.log.push("s", "1");
    rig.until("sending", |_| !rig.attempts().is_empty()).await;
    let heartbeat = rig.metrics.destination("splunk", false).heartbeat;
    for _ in 0..9 {
        heartbeat.set(0.0);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(heartbeat.get() > 0.0, "a minute without a heartbeat");
    }
    assert_eq!(rig.drained().await.totals.delivered, 1);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_event_is_told_while_an_attempt_is_under_way_and_between_two() {
    let log = MemoryLog::new(&["splunk"]);
    let first = log.push("s", "1").received_ms();
    for number in 0..300 {
        log.push("s", &number.to_string());
    }
    let script = Script::default();
    *script.takes.lock().unwrap() = Duration::from_secs(1);
    let rig = Rig::start(log, script, destination(), 1 << 20).await;
    // The log's events are from 2025: one that looks as if it had just arrived is a lie.
    let snapshot = rig.until("sending", |_| !rig.attempts().is_empty()).await;
    assert_eq!(snapshot.oldest_ms, Some(first));
    let last = first + 300;
    rig.until("drained", |snapshot| {
        assert!(snapshot.oldest_ms.is_none_or(|oldest| oldest <= last));
        snapshot.backlog == 0
    })
    .await;
    assert_eq!(rig.snapshot().oldest_ms, None);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_turns_large_requests_away_gets_smaller_ones() {
    let broken_off = (Sent::Unknown, RetryCause::Connect);
    for (sent, cause) in [broken_off, (Sent::No, RetryCause::RateLimited)] {
        let rig = rig(0).await;
        let refused = move || Verdict::Retry {
            after: None,
            sent,
            cause,
            detail: "too large".into(),
        };
        for _ in 0..20 {
            rig.script.then(move |events| match events > 4 {
                true => Outcome::all(events, refused(), None, 0),
                false => Outcome::all(events, Verdict::Delivered { note: Note::Plain }, None, 0),
            });
        }
        for number in 0..16 {
            rig.log.push("s", &number.to_string());
        }
        rig.until("taken", |snapshot| snapshot.totals.delivered > 0)
            .await;
        let sizes: Vec<_> = rig.attempts().iter().map(|a| a.ids.len()).collect();
        assert_eq!(sizes[..5], [16, 16, 16, 8, 4], "{cause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_over_one_event_costs_that_event_a_dead_letter_and_nothing_else() {
    let rig = rig(0).await;
    let poison = rig.log.push("s", POISON);
    rig.log.push("s", "1");
    let snapshot = rig.drained().await;
    assert_eq!(snapshot.totals.delivered, 1);
    let letters = rig.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["id"], poison.to_string());
    assert_eq!(letters[0]["original"], POISON);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_an_attempt_holds_the_destination_and_drops_nothing() {
    let rig = rig(0).await;
    rig.script.then(|_| panic!("a fault of the relay"));
    rig.log.push("s", "1");
    let held = rig.until("held", |snapshot| snapshot.state == "held").await;
    assert!(held.reason.unwrap().starts_with("unexpected: "));
    assert_eq!(held.backlog, 1);
    assert_eq!(rig.drained().await.totals.delivered, 1);
}

#[tokio::test(start_paused = true)]
async fn a_slower_pace_is_waited_for_and_told_as_no_error() {
    let rig = rig(0).await;
    let slower = |events| Outcome {
        pace: Pace::Slower { after: None },
        ..Outcome::all(
            events,
            Verdict::Delivered { note: Note::Plain },
            Some(200),
            0,
        )
    };
    rig.script.then(slower);
    rig.log.push("s", "1");
    let snapshot = rig
        .until("slower", |snapshot| snapshot.state == "backing_off")
        .await;
    assert!(snapshot.reason.unwrap().contains("slower"));
    assert_eq!(snapshot.totals.delivered, 1);
    assert!(snapshot.last_error.is_none(), "nothing failed");
}
