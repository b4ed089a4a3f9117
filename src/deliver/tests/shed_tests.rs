//! Proves: where the log gives up events, the worker follows at once, whatever it does; what it
//! had settled is counted as what it became; and nothing else is lost or sent twice.

use std::time::Duration;

use super::memory::MemoryLog;
use super::scripted::{Rig, Script, destination};
use crate::deliver::Snapshot;
use crate::event::EventId;
use crate::settings::{BatchLimits, Destination};
use crate::sink::{HoldCause, Note, Outcome, Pace, RejectCause, RetryCause, Scope, Sent, Verdict};
use crate::spool::CursorError;

fn busy() -> Verdict {
    Verdict::Retry {
        after: Some(Duration::from_secs(200)),
        sent: Sent::No,
        cause: RetryCause::ServerError,
        detail: "503 busy".into(),
    }
}

fn held() -> Verdict {
    Verdict::Hold {
        cause: HoldCause::Auth,
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

fn taken() -> Verdict {
    Verdict::Delivered { note: Note::Plain }
}

/// A worker with six events before it, five to a batch, whose attempts take a second.
async fn rig(script: &Script, dead_bytes: u64) -> (Rig, Vec<EventId>) {
    let log = MemoryLog::new(&["splunk"]);
    let ids = (0..6).map(|n| log.push("s", &n.to_string())).collect();
    *script.takes.lock().unwrap() = Duration::from_secs(1);
    let batch = BatchLimits {
        max_events: 5,
        max_bytes: 1000,
    };
    let settings = Destination {
        batch,
        ..destination()
    };
    let rig = Rig::start(log, script.clone(), settings, dead_bytes).await;
    (rig, ids)
}

/// Answers with these verdicts once.
fn answer(script: &Script, verdicts: Vec<Verdict>) {
    script.then(move |_| Outcome {
        verdicts,
        pace: Pace::Steady,
        status: Some(200),
        wire_bytes: 1,
    });
}

async fn sending(rig: &Rig, attempts: usize) {
    rig.until("sending", |_| rig.attempts().len() == attempts)
        .await;
}

/// Delivered, dead-lettered, discarded; the same in the log, and the last also as a metric.
fn settled(rig: &Rig, snapshot: &Snapshot) -> (u64, u64, u64) {
    let totals = snapshot.totals;
    assert_eq!(rig.log.cursor("splunk").totals, totals);
    let text = rig.metrics.render().unwrap();
    let shed = format!(
        "siem_relay_discarded_events_total{{destination=\"splunk\",reason=\"shed\"}} {}\n",
        totals.discarded
    );
    assert!(text.contains(&shed), "{shed} in {text}");
    (totals.delivered, totals.dead_lettered, totals.discarded)
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_waits_follows_at_once_and_goes_on_waiting() {
    for (verdict, state) in [(held(), "held"), (busy(), "backing_off")] {
        let script = Script::default();
        script.times(1, &verdict);
        let (rig, ids) = rig(&script, 1 << 20).await;
        let waiting = rig.until(state, |snapshot| snapshot.state == state).await;
        rig.log.shed("splunk", 3);
        let snapshot = rig
            .until("followed", |snapshot| snapshot.backlog == 3)
            .await;
        assert_eq!(
            (snapshot.state, snapshot.since),
            (state, waiting.since),
            "it waits as before"
        );
        assert_eq!(rig.attempts().len(), 1, "not only after an attempt");
        assert_eq!(settled(&rig, &snapshot), (0, 0, 3));
        let snapshot = rig.drained().await;
        assert_eq!(settled(&rig, &snapshot), (3, 0, 3));
        let attempts = rig.attempts();
        let later = attempts[1..].iter().flat_map(|attempt| &attempt.ids);
        assert!(later.eq(&ids[3..]), "{attempts:?}");
        let waited = (attempts[1].at - attempts[0].at).as_secs();
        assert_eq!(waited, if state == "held" { 61 } else { 201 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_moved_beyond_what_it_has_read_and_reads_on_there() {
    let script = Script::default();
    script.times(1, &held());
    let (rig, ids) = rig(&script, 1 << 20).await;
    rig.until("held", |snapshot| snapshot.state == "held").await;
    for n in 6..10 {
        rig.log.push("s", &n.to_string());
    }
    rig.log.shed("splunk", 8);
    let snapshot = rig
        .until("followed", |snapshot| snapshot.backlog == 2)
        .await;
    assert_eq!(settled(&rig, &snapshot), (0, 0, 8));
    let snapshot = rig.drained().await;
    assert_eq!(settled(&rig, &snapshot), (2, 0, 8));
    let sent: usize = rig.attempts()[1..].iter().map(|one| one.ids.len()).sum();
    assert_eq!(sent, 2);
    assert!(!rig.attempts()[1].ids.contains(&ids[5]));
}

#[tokio::test(start_paused = true)]
async fn what_an_attempt_delivers_that_is_under_way_is_delivered_and_not_discarded() {
    let script = Script::default();
    answer(&script, vec![taken(), busy(), taken(), busy(), taken()]);
    let (rig, ids) = rig(&script, 1 << 20).await;
    sending(&rig, 1).await;
    rig.log.shed("splunk", 3);
    assert_eq!(rig.log.cursor("splunk").totals.discarded, 3);
    let snapshot = rig
        .until("followed", |snapshot| snapshot.totals.delivered == 3)
        .await;
    // Of the first three one was neither delivered nor may it be sent again.
    assert_eq!((snapshot.totals.discarded, snapshot.backlog), (1, 2));
    let snapshot = rig.drained().await;
    assert_eq!(settled(&rig, &snapshot), (5, 0, 1));
    assert_eq!(rig.attempts()[1].ids, [ids[3], ids[5]]);
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_by_then_is_a_dead_letter_or_discarded_where_that_cannot_be_kept() {
    for (dead_bytes, expected) in [(1 << 20, (3, 2, 1)), (10, (3, 0, 3))] {
        let script = Script::default();
        answer(&script, vec![reject(), reject(), busy(), taken(), taken()]);
        let (rig, _) = rig(&script, dead_bytes).await;
        sending(&rig, 1).await;
        rig.log.shed("splunk", 3);
        let snapshot = rig.drained().await;
        assert_eq!(settled(&rig, &snapshot), expected);
        assert_eq!(rig.dead_letters().len() as u64, expected.1);
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_given_up_twice_during_one_attempt_and_counted_once() {
    let script = Script::default();
    answer(&script, vec![taken(), busy(), busy(), busy(), taken()]);
    let (rig, _) = rig(&script, 1 << 20).await;
    sending(&rig, 1).await;
    rig.log.shed("splunk", 2);
    rig.log.shed("splunk", 4);
    let snapshot = rig.drained().await;
    assert_eq!(settled(&rig, &snapshot), (3, 0, 3));
}

#[tokio::test(start_paused = true)]
async fn a_restart_between_giving_up_and_following_finds_exact_accounts() {
    let script = Script::default();
    answer(&script, vec![busy(), taken(), busy(), taken(), busy()]);
    let (rig, ids) = rig(&script, 1 << 20).await;
    rig.until("waiting", |snapshot| snapshot.state == "backing_off")
        .await;
    let log = rig.log.clone();
    rig.task.abort();
    log.shed("splunk", 3);
    let rig = Rig::start(log, Script::default(), destination(), 1 << 20).await;
    let snapshot = rig.drained().await;
    let totals = snapshot.totals;
    assert_eq!((totals.delivered, totals.discarded), (4, 2));
    assert_eq!(rig.attempts()[0].ids, [ids[4], ids[5]]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_passes_over_what_is_gone_in_the_middle_of_a_read_begins_anew() {
    let script = Script::default();
    answer(&script, vec![busy(), taken(), busy(), taken(), busy()]);
    let (rig, ids) = rig(&script, 1 << 20).await;
    rig.until("waiting", |snapshot| snapshot.state == "backing_off")
        .await;
    let log = rig.end().await;
    // Of the events it passes over, one was settled before the restart.
    log.shed_at_read("splunk", 3);
    let rig = Rig::start(log, Script::default(), destination(), 1 << 20).await;
    let snapshot = rig.drained().await;
    assert_eq!(settled(&rig, &snapshot), (4, 0, 2));
    assert_eq!(rig.attempts()[0].ids, [ids[4], ids[5]]);
    assert_eq!(rig.log.cursor("splunk").done_events, 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_too_late_is_made_again_behind_what_was_given_up() {
    let script = Script::default();
    answer(&script, vec![taken(), busy(), taken(), busy(), taken()]);
    let (rig, _) = rig(&script, 1 << 20).await;
    sending(&rig, 1).await;
    rig.log.shed_at_store("splunk", 3);
    let snapshot = rig.drained().await;
    assert_eq!(settled(&rig, &snapshot), (5, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_somebody_else_moved_ends_the_worker() {
    let script = Script::default();
    let (rig, _) = rig(&script, 1 << 20).await;
    sending(&rig, 1).await;
    rig.log.touch("splunk");
    let error = rig.task.await.unwrap().unwrap_err().to_string();
    let conflict = CursorError::Conflict("splunk".to_owned()).to_string();
    assert!(error.ends_with(&conflict), "{error}");
}
