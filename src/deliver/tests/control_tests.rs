//! Proves: a pause sends nothing and loses nothing, a resume goes on, and waits can be ended.

use std::sync::{Arc, mpsc};
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
    let rig = held().await;
    rig.controls.try_now();
    rig.drained().await;
    let attempts = rig.attempts();
    assert!((attempts[1].at - attempts[0].at).as_secs() < 60);
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_secrets_are_read_again_waits_for_no_file_and_sends_nothing() {
    let rig = held().await;
    let script = rig.script.clone();
    let refreshed = Arc::clone(&script.refreshed);
    let (locked, is_locked) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    // Reads nothing for as long, as a disk that hangs.
    let disk = std::thread::spawn(move || {
        let _hangs = refreshed.lock().unwrap();
        locked.send(()).unwrap();
        released.recv_timeout(Duration::from_secs(10))
    });
    is_locked.recv().unwrap();
    rig.controls.try_now();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    rig.end().await;
    assert_eq!(script.attempts.lock().unwrap().len(), 1);
    release.send(()).expect("the worker waited for the disk");
    disk.join().unwrap().unwrap();
}

/// A destination held by its first answer.
async fn held() -> Rig {
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
    rig
}
