//! Proves: a partition that waits for a person holds only its own events, in order, whatever their
//! number, and goes on by itself.

use std::sync::Arc;
use std::time::Duration;

use super::memory::MemoryLog;
use super::scripted::{Rig, Script, destination};
use crate::event::EventId;
use crate::sink::{HoldCause, RetryCause, Scope, Sent, Verdict};

fn parted() -> Script {
    Script {
        partitions: true,
        ..Script::default()
    }
}

fn held(partition: &str) -> Verdict {
    Verdict::Hold {
        cause: HoldCause::Index,
        detail: "incorrect index".into(),
        scope: Scope::Partition(Arc::from(partition)),
    }
}

fn refuse_bad(script: &Script) {
    script.rule(|batch| {
        let bad = batch[0].event.provenance.source == "bad";
        bad.then(|| held("bad"))
    });
}

/// Ids in the order in which they were sent last.
fn sent(rig: &Rig) -> Vec<EventId> {
    rig.attempts().into_iter().flat_map(|one| one.ids).collect()
}

#[tokio::test(start_paused = true)]
async fn a_batch_holds_events_of_one_partition() {
    let log = MemoryLog::new(&["splunk"]);
    let ids: Vec<_> = (0..9)
        .map(|n| log.push(["a", "b", "c"][n % 3], "1"))
        .collect();
    let rig = Rig::start(log, parted(), destination(), 1 << 20).await;
    rig.drained().await;
    let attempts = rig.attempts();
    assert_eq!(attempts.len(), 3, "{attempts:?}");
    assert_eq!(attempts[0].ids, [ids[0], ids[3], ids[6]]);
    assert_eq!(attempts[2].ids, [ids[2], ids[5], ids[8]]);
}

#[tokio::test(start_paused = true)]
async fn a_held_partition_waits_for_a_day_while_others_flow_and_then_goes_in_order() {
    let log = MemoryLog::new(&["splunk"]);
    let script = parted();
    let mut bad: Vec<_> = (0..3).map(|_| log.push("bad", "1")).collect();
    refuse_bad(&script);
    let rig = Rig::start(log, script.clone(), destination(), 1 << 20).await;
    let snapshot = rig.until("held", |s| !s.partitions.is_empty()).await;
    assert_eq!(snapshot.state, "delivering");
    assert_eq!(
        (&*snapshot.partitions[0].name, snapshot.partitions[0].events),
        ("bad", 3)
    );
    for hour in 0..23 {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        bad.push(rig.log.push("bad", &hour.to_string()));
        rig.log.push("good", "2");
        rig.until("the other one flows", |s| s.totals.delivered == hour + 1)
            .await;
    }
    let waiting = rig.snapshot();
    assert_eq!(waiting.partitions[0].events, 26);
    assert_eq!((waiting.state, waiting.backlog), ("delivering", 26));
    let probes = rig.attempts().len();
    assert!(probes > 23 * 60, "probed once a minute: {probes}");
    script.no_rule();
    let snapshot = rig.drained().await;
    assert_eq!(snapshot.totals.delivered, 26 + 23);
    assert!(snapshot.partitions.is_empty());
    let sent = sent(&rig);
    let last: Vec<_> = sent[sent.len() - 26..].to_vec();
    assert_eq!(last, bad, "in order, the one that probed first");
}

#[tokio::test(start_paused = true)]
async fn a_bad_event_in_a_partition_that_was_held_does_not_block_it_for_ever() {
    let log = MemoryLog::new(&["splunk"]);
    let script = parted();
    script.rule(|batch| {
        let bad = batch[0].event.provenance.source == "bad";
        bad.then(|| held("bad"))
    });
    for number in 0..30 {
        log.push("bad", &number.to_string());
    }
    let mut settings = destination();
    settings.pace.max_in_flight = 2;
    settings.retry.max = Duration::from_secs(2);
    let rig = Rig::start(log, script.clone(), settings, 1 << 20).await;
    rig.until("held", |s| !s.partitions.is_empty()).await;
    // Its index is there now, but the server fails over one of the events.
    script.rule(|batch| {
        let bad = batch.iter().any(|event| event.body == "7");
        bad.then(|| Verdict::Retry {
            after: None,
            sent: Sent::No,
            cause: RetryCause::ServerError,
            detail: "500".into(),
        })
    });
    rig.until("the others are taken", |s| s.totals.delivered == 29)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_held_partition_survives_a_restart_and_repeats_nothing_that_others_took() {
    let log = MemoryLog::new(&["splunk"]);
    let script = parted();
    for n in 0..10 {
        log.push(["bad", "good"][n % 2], "1");
    }
    script.times(1, &held("bad"));
    let rig = Rig::start(log, script, destination(), 1 << 20).await;
    rig.until("others flow", |s| s.totals.delivered == 5).await;
    let log = rig.end().await;
    assert_eq!(
        log.cursor("splunk").done.len(),
        5,
        "five ranges are settled"
    );
    let rig = Rig::start(log, parted(), destination(), 1 << 20).await;
    let snapshot = rig.drained().await;
    assert_eq!(snapshot.totals.delivered, 10);
    assert_eq!(sent(&rig).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_fills_the_window_holds_the_destination_and_is_named() {
    let log = MemoryLog::new(&["splunk"]);
    let script = parted();
    for _ in 0..6000 {
        log.push("bad", "1");
        log.push("good", "1");
    }
    script.times(1, &held("bad"));
    let rig = Rig::start(log, script, destination(), 1 << 20).await;
    let snapshot = rig.until("held", |s| s.state == "held").await;
    let reason = snapshot.reason.unwrap();
    assert!(reason.contains("wait for bad"), "{reason}");
    let ranges = rig.log.cursor("splunk").done.len();
    assert!((4096..4500).contains(&ranges), "{ranges}");
    let sent_before = sent(&rig).len();
    // Also after a restart, which finds these ranges and nothing that waits.
    let rig = Rig::start(rig.end().await, parted(), destination(), 1 << 20).await;
    let snapshot = rig.drained().await;
    assert_eq!(snapshot.totals.delivered, 12_000);
    assert_eq!(
        sent_before + sent(&rig).len(),
        12_000 + 50,
        "only what was held went twice"
    );
}

#[tokio::test(start_paused = true)]
async fn more_partitions_than_can_be_a_matter_of_one_hold_the_destination() {
    let log = MemoryLog::new(&["splunk"]);
    let script = parted();
    script.rule(|batch| Some(held(&batch[0].event.provenance.source)));
    for number in 0..200 {
        log.push(&format!("p{number}"), "1");
    }
    let rig = Rig::start(log, script.clone(), destination(), 1 << 20).await;
    let snapshot = rig.until("held", |s| s.state == "held").await;
    let reason = snapshot.reason.unwrap();
    assert!(
        reason.contains("64 parts of it wait already, and now p64: "),
        "{reason}"
    );
    assert_eq!(snapshot.partitions.len(), 64);
    assert_eq!(rig.attempts().len(), 65);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let attempts = rig.attempts().len();
    assert!(attempts <= 65 * 11, "each once in a minute: {attempts}");
    assert_eq!(rig.snapshot().partitions.len(), 64);
    script.no_rule();
    let snapshot = rig.drained().await;
    assert_eq!(
        (snapshot.totals.delivered, snapshot.state),
        (200, "delivering")
    );
    assert!(snapshot.partitions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_partition_for_which_nothing_waits_any_more_is_not_held() {
    let log = MemoryLog::new(&["splunk"]);
    let script = parted();
    script.rule(|batch| Some(held(&batch[0].event.provenance.source)));
    for number in 0..100 {
        log.push(&format!("p{number}"), "1");
    }
    let mut settings = destination();
    settings.pace.max_event_age = Some(Duration::from_secs(3600));
    let rig = Rig::start(log, script, settings, 1 << 20).await;
    let snapshot = rig.drained().await;
    assert_eq!(snapshot.totals.dead_lettered, 100);
    let snapshot = rig.until("open", |s| s.partitions.is_empty()).await;
    assert_eq!(snapshot.state, "delivering");
}

#[tokio::test(start_paused = true)]
async fn credentials_are_read_again_before_a_partition_is_tried_that_waits_for_them() {
    for (cause, minutes, expected) in [
        (HoldCause::Auth, 10, 9..=11),
        // A person who asks for a try has mended them.
        (HoldCause::Auth, 0, 2..=2),
        (HoldCause::Index, 10, 0..=0),
    ] {
        let log = MemoryLog::new(&["splunk"]);
        let script = parted();
        script.rule(move |batch| {
            let partition = batch[0].event.provenance.source.as_str();
            Some(Verdict::Hold {
                cause,
                detail: "grant it".into(),
                scope: Scope::Partition(partition.into()),
            })
        });
        for source in ["a", "b", "c"] {
            log.push(source, "1");
        }
        let rig = Rig::start(log, script.clone(), destination(), 1 << 20).await;
        rig.until("held", |s| s.partitions.len() == 3).await;
        tokio::time::sleep(Duration::from_secs(60 * minutes)).await;
        if minutes == 0 {
            for _ in 0..2 {
                rig.controls.try_now();
                let tried = rig.attempts().len() + 3;
                rig.until("tried", |_| rig.attempts().len() == tried).await;
            }
        }
        let refreshed = *script.refreshed.lock().unwrap();
        assert!(expected.contains(&refreshed), "{cause:?}: {refreshed}");
    }
}
