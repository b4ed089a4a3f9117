//! Proves that a worker takes purged dead letters into account, idle or held, once.

use std::time::Duration;

use tokio::time::Instant;

use super::memory::MemoryLog;
use super::scripted::{Rig, Script, destination};
use crate::dead_letters::{DeadLetterLog, Filter};
use crate::sink::{HoldCause, RejectCause, Scope, Verdict};

/// A worker that has dead-lettered so many events and is idle.
async fn rig(events: usize) -> Rig {
    let log = MemoryLog::new(&["splunk"]);
    for _ in 0..events {
        log.push("s", "1");
    }
    let script = Script::default();
    script.times(
        1,
        &Verdict::Reject {
            cause: RejectCause::Rejected,
            detail: "400".into(),
        },
    );
    let rig = Rig::start(log, script, destination(), 1 << 20).await;
    rig.drained().await;
    rig
}

#[tokio::test(start_paused = true)]
async fn a_purge_is_counted_by_an_idle_worker_and_by_a_held_one() {
    let rig = rig(5).await;
    assert_eq!(rig.snapshot().totals.dead_lettered, 5);
    let one = Filter {
        limit: Some(1),
        ..Filter::default()
    };
    let letters = rig.letters.clone();
    // Sooner than a heartbeat or a probe would have it.
    let soon = Duration::from_secs(5);
    let asked = Instant::now();
    letters.purge(&one, false).unwrap();
    let counted = |discarded: u64| {
        move |s: &crate::deliver::Snapshot| {
            (s.totals.dead_lettered, s.totals.discarded) == (5 - discarded, discarded)
        }
    };
    rig.until("counted", counted(1)).await;
    assert!(asked.elapsed() < soon);
    rig.script.times(
        1000,
        &Verdict::Hold {
            cause: HoldCause::Auth,
            detail: "401".into(),
            scope: Scope::Destination,
        },
    );
    rig.log.push("s", "2");
    rig.until("held", |snapshot| snapshot.state == "held").await;
    let asked = Instant::now();
    letters.purge(&one, false).unwrap();
    rig.until("counted", counted(2)).await;
    assert!(asked.elapsed() < soon);
    rig.until("noted", |_| !letters.has_uncounted()).await;
    let directory = rig.directory.path().to_owned();
    let cursor = rig.log.cursor("splunk");
    assert_eq!(cursor.totals.discarded, 2, "and stored");
    // Which the end of this process would give back.
    std::fs::remove_file(directory.join(".splunk.jsonl.lock")).unwrap();
    assert!(
        !DeadLetterLog::open(&directory, "splunk", 1 << 20)
            .unwrap()
            .has_uncounted()
    );
    rig.end().await;
}
