//! Proves: one event that a destination fails over is found and put aside, an outage costs no
//! event, a stream of refusals holds, and age counts only after an attempt.

use std::time::Duration;

use super::memory::MemoryLog;
use super::scripted::{Rig, Script, destination};
use crate::settings::Destination;
use crate::sink::{Outcome, RejectCause, RetryCause, Sent, Verdict};

fn failed() -> Verdict {
    Verdict::Retry {
        after: None,
        sent: Sent::Unknown,
        cause: RetryCause::ServerError,
        detail: "500".into(),
    }
}

fn refused() -> Verdict {
    Verdict::Reject {
        cause: RejectCause::Rejected,
        detail: "mapping".into(),
    }
}

fn quick() -> Destination {
    let mut settings = destination();
    settings.pace.max_in_flight = 2;
    settings.retry.max = Duration::from_secs(2);
    settings
}

async fn rig(script: &Script, settings: Destination, events: usize) -> Rig {
    let log = MemoryLog::new(&["splunk"]);
    for number in 0..events {
        log.push("s", &number.to_string());
    }
    Rig::start(log, script.clone(), settings, 1 << 20).await
}

#[tokio::test(start_paused = true)]
async fn one_event_that_the_server_fails_over_becomes_a_dead_letter_and_the_others_arrive() {
    let script = Script::default();
    script.rule(|batch| {
        let bad = batch.iter().any(|event| event.body == "13");
        bad.then(failed)
    });
    let rig = rig(&script, quick(), 40).await;
    // Others have to be taken between its lonely attempts.
    for number in 100..110 {
        let delivered = rig.snapshot().totals.delivered;
        rig.log.push("s", &number.to_string());
        rig.until("taken", |s| {
            s.totals.delivered > delivered || s.backlog == 0
        })
        .await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    let snapshot = rig.drained().await;
    assert_eq!(
        (snapshot.totals.delivered, snapshot.totals.dead_lettered),
        (49, 1)
    );
    let letters = rig.dead_letters();
    assert_eq!(
        (
            letters[0]["reason"].as_str(),
            letters[0]["original"].as_str()
        ),
        (Some("poison"), Some("13"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_nobodys_fault_and_portions_are_whole_again_after_it() {
    let script = Script::default();
    script.times(60, &failed());
    let rig = rig(&script, quick(), 200).await;
    let snapshot = rig.drained().await;
    assert_eq!(
        (snapshot.totals.delivered, snapshot.totals.dead_lettered),
        (200, 0)
    );
    for number in 0..200 {
        rig.log.push("s", &number.to_string());
    }
    rig.drained().await;
    assert_eq!(rig.attempts().last().unwrap().ids.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn twenty_refusals_in_a_row_hold_the_destination_instead_of_emptying_the_log() {
    let script = Script::default();
    script.times(10, &refused());
    let rig = rig(&script, destination(), 90).await;
    let snapshot = rig.until("held", |s| s.state == "held").await;
    assert_eq!((snapshot.totals.dead_lettered, snapshot.backlog), (19, 71));
    let reason = snapshot.reason.unwrap();
    assert!(
        reason.contains("rejections") && reason.contains("mapping"),
        "{reason}"
    );
    // More probes are refused as well, each with another event; then somebody repairs it.
    let snapshot = rig.drained().await;
    for pair in rig.attempts()[1..10].windows(2) {
        assert_eq!((pair[0].ids.len(), pair[1].ids.len()), (1, 1));
        assert_ne!(pair[0].ids, pair[1].ids, "the next event in turn");
        assert_eq!((pair[1].at - pair[0].at).as_secs(), 60, "slowly");
    }
    let attempts = rig.attempts();
    assert_eq!(attempts[1].ids.len(), 1);
    rig.until("to be sent again", |_| {
        let lines = rig.dead_letters();
        let replay = lines.iter().find(|line| line["kind"] == "replay");
        replay.is_some_and(|line| line["ids"].as_array().unwrap().len() == 19)
    })
    .await;
    assert_eq!(
        (snapshot.totals.dead_lettered, snapshot.totals.delivered),
        (19, 71)
    );
}

#[tokio::test(start_paused = true)]
async fn one_refused_kind_among_others_is_dead_lettered_and_holds_nothing() {
    let script = Script::default();
    for _ in 0..10 {
        script.then(|events| {
            let note = crate::sink::Note::Plain;
            let verdict = |at: usize| match at % 2 {
                0 => refused(),
                _ => Verdict::Delivered { note },
            };
            let mut outcome = Outcome::all(events, refused(), Some(200), 1);
            outcome.verdicts = (0..events).map(verdict).collect();
            outcome
        });
    }
    let rig = rig(&script, destination(), 100).await;
    let snapshot = rig.drained().await;
    assert_eq!(
        (snapshot.totals.delivered, snapshot.totals.dead_lettered),
        (50, 50)
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_beyond_its_age_becomes_a_dead_letter_after_an_attempt_and_not_before() {
    let script = Script::default();
    script.times(1, &failed());
    let mut settings = destination();
    settings.pace.max_event_age = Some(Duration::from_secs(3600));
    // These were received long ago.
    let rig = rig(&script, settings, 3).await;
    let snapshot = rig.until("settled", |s| s.backlog == 0).await;
    assert_eq!(
        (snapshot.totals.delivered, snapshot.totals.dead_lettered),
        (0, 3)
    );
    assert_eq!(rig.dead_letters()[0]["reason"], "expired");
    rig.log.push("s", "old, but taken at once");
    let snapshot = rig.drained().await;
    assert_eq!(snapshot.totals.delivered, 1);
}

#[tokio::test(start_paused = true)]
async fn more_bad_events_in_a_row_than_may_be_suspect_do_not_block_the_others() {
    let script = Script::default();
    script.rule(|batch| {
        let bad = batch.iter().any(|event| event.body.starts_with(b"\"bad"));
        bad.then(failed)
    });
    let log = MemoryLog::new(&["splunk"]);
    for number in 0..14 {
        log.push("s", &format!("\"bad {number}\""));
    }
    for number in 0..200 {
        log.push("s", &number.to_string());
    }
    let rig = Rig::start(log, script.clone(), quick(), 1 << 20).await;
    let snapshot = rig
        .until("all others are taken", |s| s.totals.delivered == 200)
        .await;
    assert_eq!(snapshot.backlog + snapshot.totals.dead_lettered, 14);
}
