//! Proves that the follower sees each event once, goes on where it was, and counts what it misses.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::journal::{DiskFiles, Journal, Options};
use crate::spool::{Head, LocalLog, Log, NewEvent};

fn log(directory: &Path, metrics: &Metrics) -> LocalLog {
    let options = Options {
        directory: directory.to_owned(),
        max_size_bytes: 64 << 20,
        segment_bytes: 1 << 20,
        reserve_bytes: 0,
        retain_delivered: Duration::ZERO,
        resend_window: 0,
        scrub_interval: Duration::ZERO,
        allow_ephemeral: true,
    };
    let storage = metrics.storage.clone();
    LocalLog::new(Journal::open(options, Arc::new(DiskFiles), storage).unwrap())
}

async fn append(log: &LocalLog, numbers: std::ops::Range<u64>) {
    let events = numbers.map(|number| {
        let event = event(number, &json!({ "n": number }));
        NewEvent {
            id: event.id,
            received_ms: event.id.received_ms(),
            provenance: (*event.provenance).clone(),
            payload: event.payload,
            resend: None,
        }
    });
    log.append(events.collect()).await.unwrap();
}

/// Appends while the paused clock stands still: it does as long as something blocks.
async fn append_at_once(log: &LocalLog, numbers: std::ops::Range<u64>) {
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let blocks = tokio::task::spawn_blocking(move || is_done.recv());
    append(log, numbers).await;
    drop(done);
    assert!(blocks.await.unwrap().is_err());
}

/// Follows until so many events are known, looked at or missed.
async fn follow(drift: &Drift, log: &LocalLog, until: u64) {
    let stop = CancellationToken::new();
    let task = tokio::spawn(drift.clone().follow(log.clone(), stop.clone()));
    let deadline = Instant::now() + Duration::from_secs(60);
    while drift.report().events + drift.report().missed < until {
        assert!(Instant::now() < deadline, "{:?}", drift.report());
        tokio::time::sleep(Duration::from_millis(5)).await; // poll
    }
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_restart_goes_on_from_the_kept_place_and_counts_each_event_once() {
    let directory = tempfile::tempdir().unwrap();
    let metrics = Metrics::new().unwrap();
    let log = log(directory.path(), &metrics);
    append(&log, 1..31).await;
    let open = || {
        let sketch = file::load(directory.path()).unwrap().unwrap_or_default();
        Drift::new(directory.path().to_owned(), sketch, &[], &metrics)
    };
    let first = open();
    follow(&first, &log, 30).await;
    assert_eq!((first.report().events, first.report().missed), (30, 0));
    append(&log, 31..51).await;
    let second = open();
    follow(&second, &log, 50).await;
    assert_eq!((second.report().events, second.report().missed), (50, 0));
    assert_eq!(metrics.drift.observed.get(), 50);
    // A place behind the head is one of another journal.
    second.state().sketch.position = 1 << 40;
    assert_eq!(
        second.begin(Head {
            position: 51,
            events: 50
        }),
        0
    );
}

#[tokio::test]
async fn where_it_is_too_far_behind_it_goes_on_at_the_head_and_counts() {
    let directory = tempfile::tempdir().unwrap();
    let metrics = Metrics::new().unwrap();
    let log = log(directory.path(), &metrics);
    append(&log, 1..11).await;
    let drift = Drift::new(
        directory.path().to_owned(),
        Sketch::default(),
        &[],
        &metrics,
    );
    follow(&drift, &log, 10).await;
    for thousand in 0..11 {
        append(&log, 1000 * thousand + 11..1000 * thousand + 1011).await;
    }
    follow(&drift, &log, 11_010).await;
    let report = drift.report();
    assert_eq!((report.events, report.missed), (10, 11_000));
    assert_eq!(metrics.drift.missed.get(), 11_000);
    append(&log, 11_011..11_016).await;
    follow(&drift, &log, 11_015).await;
    assert_eq!(drift.report().events, 15);
}

#[tokio::test(start_paused = true)]
async fn where_it_cannot_see_all_it_looks_at_a_sample_for_a_while() {
    let directory = tempfile::tempdir().unwrap();
    let metrics = Metrics::new().unwrap();
    let log = log(directory.path(), &metrics);
    let mut sketch = Sketch::default();
    sketch.ordinal = Some(0);
    let drift = Drift::new(directory.path().to_owned(), sketch, &[], &metrics);
    for thousand in 0..11 {
        append(&log, 1000 * thousand..1000 * (thousand + 1)).await;
    }
    let stop = CancellationToken::new();
    let task = tokio::spawn(drift.clone().follow(log.clone(), stop.clone()));
    let until = async |events: u64| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while drift.report().events + drift.report().missed < events {
            assert!(Instant::now() < deadline, "{:?}", drift.report());
            tokio::time::sleep(Duration::from_millis(5)).await; // poll
        }
    };
    until(11_000).await;
    for thousand in 11..22 {
        append_at_once(&log, 1000 * thousand..1000 * (thousand + 1)).await;
    }
    until(22_000).await;
    append_at_once(&log, 22_000..22_060).await;
    let started = tokio::time::Instant::now();
    until(22_060).await;
    // Three passes with a rest behind the first two, where one would do.
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert!(drift.report().missed > 20_000, "{:?}", drift.report());
    tokio::time::advance(Duration::from_secs(10)).await;
    append_at_once(&log, 22_060..22_150).await;
    let started = tokio::time::Instant::now();
    until(22_150).await;
    assert!(started.elapsed() < Duration::from_millis(200));
    stop.cancel();
    task.await.unwrap();
}
