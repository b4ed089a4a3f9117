//! Proves: accepted is not delivered; what is not confirmed is sent again from the log, whoever
//! forgot it, and what is confirmed is settled once.

use std::sync::Arc;
use std::time::Duration;

use super::memory::MemoryLog;
use super::scripted::{Rig, Script, destination};
use crate::sink::{Confirmation, Confirming, Outcome, Ticket, Verdict};

fn asking() -> Script {
    Script {
        confirming: Some(Confirming {
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(300),
            max_batches: 3,
        }),
        ..Script::default()
    }
}

fn ticket(id: u64) -> Ticket {
    Ticket {
        channel: Arc::from("c"),
        id,
    }
}

fn accept(script: &Script, id: u64) {
    let ticket = ticket(id);
    script.then(move |events| Outcome::all(events, Verdict::Pending { ticket }, Some(200), 1));
}

fn all(tickets: &[Ticket]) -> Confirmation {
    Confirmation {
        confirmed: tickets.to_vec(),
        lost: Vec::new(),
    }
}

async fn rig(script: &Script, events: usize) -> Rig {
    let log = MemoryLog::new(&["splunk"]);
    for number in 0..events {
        log.push("s", &number.to_string());
    }
    Rig::start(log, script.clone(), destination(), 1 << 20).await
}

#[tokio::test(start_paused = true)]
async fn events_are_delivered_when_they_are_confirmed_and_not_before() {
    let script = asking();
    accept(&script, 0);
    script.then_confirm(|_| Confirmation::default());
    script.then_confirm(all);
    let rig = rig(&script, 5).await;
    let snapshot = rig.until("accepted", |s| s.batches.2 == 1).await;
    assert_eq!((snapshot.totals.delivered, snapshot.backlog), (0, 5));
    assert_eq!(rig.log.cursor("splunk").low_water, 2);
    let snapshot = rig.drained().await;
    assert_eq!((snapshot.totals.delivered, snapshot.batches.2), (5, 0));
    assert_eq!(rig.attempts().len(), 1);
    assert_eq!(*script.asked.lock().unwrap(), [[ticket(0)], [ticket(0)]]);
}

#[tokio::test(start_paused = true)]
async fn what_is_never_confirmed_is_read_and_sent_again_and_counted() {
    let script = asking();
    accept(&script, 0);
    let rig = rig(&script, 5).await;
    rig.until("accepted", |s| s.batches.2 == 1).await;
    let later = rig.log.push("s", "later");
    let snapshot = rig.drained().await;
    assert_eq!(snapshot.totals.delivered, 6);
    let attempts = rig.attempts();
    assert_eq!(attempts.len(), 3);
    assert_eq!(attempts[1].ids, [later], "others go on meanwhile");
    assert_eq!(attempts[2].ids, attempts[0].ids);
    assert_eq!((attempts[2].at - attempts[0].at).as_secs(), 300);
    let text = rig.metrics.render().unwrap();
    for line in [
        "siem_relay_delivery_retries_total{destination=\"splunk\",reason=\"ack_timeout\"} 5\n",
        "siem_relay_duplicate_events_total{destination=\"splunk\",kind=\"possible_resend\"} 5\n",
    ] {
        assert!(text.contains(line), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_destination_cannot_confirm_any_more_goes_again_at_once() {
    let script = asking();
    accept(&script, 0);
    script.then_confirm(|tickets| Confirmation {
        confirmed: Vec::new(),
        lost: tickets.to_vec(),
    });
    let rig = rig(&script, 2).await;
    rig.drained().await;
    let attempts = rig.attempts();
    assert_eq!(attempts.len(), 2);
    assert_eq!((attempts[1].at - attempts[0].at).as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_number_that_is_given_twice_stands_for_the_later_batch() {
    let script = asking();
    accept(&script, 0);
    accept(&script, 0);
    let rig = rig(&script, 1).await;
    rig.until("accepted", |s| s.batches.2 == 1).await;
    let first = rig.attempts()[0].ids.clone();
    rig.log.push("s", "2");
    // The first batch is sent again: the destination restarted, and counts anew.
    rig.until("again", |_| rig.attempts().len() == 3).await;
    assert_eq!(rig.attempts()[2].ids, first);
    script.then_confirm(all);
    let snapshot = rig.drained().await;
    assert_eq!(snapshot.totals.delivered, 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_does_not_speak_of_a_batch_that_took_the_number_meanwhile() {
    let script = asking();
    accept(&script, 0);
    let rig = rig(&script, 1).await;
    rig.until("accepted", |s| s.batches.2 == 1).await;
    // The second batch is on its way when the question is answered, and gets the same number.
    *script.takes.lock().unwrap() = Duration::from_secs(20);
    accept(&script, 0);
    script.then_confirm(all);
    rig.log.push("s", "2");
    rig.until("asked", |_| script.asked.lock().unwrap().len() == 1)
        .await;
    assert_eq!(
        rig.snapshot().totals.delivered,
        0,
        "nobody can say which one it was"
    );
    *script.takes.lock().unwrap() = Duration::ZERO;
    rig.until("the first is sent again", |_| rig.attempts().len() == 3)
        .await;
    assert_eq!(rig.attempts()[2].ids, rig.attempts()[0].ids);
    script.then_confirm(all);
    let snapshot = rig.drained().await;
    assert_eq!(snapshot.totals.delivered, 2);
}

#[tokio::test(start_paused = true)]
async fn no_more_batches_wait_for_confirmation_than_configured() {
    let script = asking();
    for id in 0..4 {
        accept(&script, id);
    }
    let rig = rig(&script, 400).await;
    rig.until("three wait", |s| s.batches.2 == 3).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.attempts().len(), 3);
    script.then_confirm(all);
    rig.until("the fourth goes", |_| rig.attempts().len() == 4)
        .await;
    script.then_confirm(all);
    assert_eq!(rig.drained().await.totals.delivered, 400);
}

#[tokio::test(start_paused = true)]
async fn a_restart_sends_again_what_was_not_confirmed_and_asks_once_before_it() {
    let script = asking();
    accept(&script, 0);
    accept(&script, 1);
    let rig = rig(&script, 1).await;
    rig.until("accepted", |s| s.batches.2 == 1).await;
    rig.log.push("s", "2");
    rig.until("accepted", |s| s.batches.2 == 2).await;
    script.then_confirm(|tickets| Confirmation {
        confirmed: tickets.iter().filter(|t| t.id == 0).cloned().collect(),
        lost: Vec::new(),
    });
    let second = rig.attempts()[1].ids.clone();
    let log = rig.end().await;
    assert_eq!(log.cursor("splunk").totals.delivered, 1);
    let again = Rig::start(log, Script::default(), destination(), 1 << 20).await;
    again.drained().await;
    assert_eq!(again.attempts()[0].ids, second);
}
