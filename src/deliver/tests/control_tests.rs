//! Proves: a pause sends nothing and loses nothing, a resume goes on, and waits can be ended.

use std::time::Duration;

use super::memory::MemoryLog;
use super::scripted::{Rig, Script, destination};
use crate::sink::{HoldCause, Scope, Verdict};

async fn rig(script: &Script) -> Rig {
    let log = MemoryLog::new(&["splunk"]);
    Rig::start(log, script.clone(), destination(), 1 << 20).await
}

#[tokio::test(start_paused = true)]
async fn a_paused_destination_gets_nothing_until_it_is_resumed() {
    let script = Script::default();
    let rig = rig(&script).await;
    rig.controls.pause();
    rig.until("paused", |s| s.state == "paused").await;
    rig.log.push("s", "1");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(rig.attempts().is_empty());
    assert_eq!(rig.snapshot().backlog, 1);
    rig.controls.resume();
    let snapshot = rig.drained().await;
    assert_eq!(
        (snapshot.state, snapshot.totals.delivered),
        ("delivering", 1)
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_when_it_is_paused_is_settled() {
    let script = Script::default();
    *script.takes.lock().unwrap() = Duration::from_secs(5);
    let rig = rig(&script).await;
    rig.log.push("s", "1");
    rig.until("sending", |_| rig.attempts().len() == 1).await;
    rig.controls.pause();
    let snapshot = rig.drained().await;
    assert_eq!((snapshot.state, snapshot.totals.delivered), ("paused", 1));
}

#[tokio::test(start_paused = true)]
async fn a_held_destination_is_tried_at_once_when_somebody_wants_it() {
    let script = Script::default();
    let held = Verdict::Hold {
        cause: HoldCause::Auth,
        detail: "401".into(),
        scope: Scope::Destination,
    };
    script.times(1, &held);
    let rig = rig(&script).await;
    rig.log.push("s", "1");
    rig.until("held", |s| s.state == "held").await;
    rig.controls.try_now();
    rig.drained().await;
    let attempts = rig.attempts();
    assert!((attempts[1].at - attempts[0].at).as_secs() < 60);
}
