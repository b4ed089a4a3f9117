//! Proves that no event is lost between files: when somebody moves the file away and sends SIGHUP,
//! and when the relay is killed in the middle of rotation and compression.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::relay::{PATIENCE, Relay, Setup, eventually};
use crate::siem::file_ids;

const FILE: &str = "[destinations.archive]\nkind = \"file\"\npath = \"archive/events.jsonl\"\n\
                    envelope = true\n";
/// Kills of [`a_kill_while_files_are_rotated_and_compressed_loses_nothing`].
const KILLS: usize = 4;
/// Bytes of an event there; so many that compression takes a while.
const EVENT_BYTES: usize = 60_000;
const EVENTS: usize = 24;

async fn accept(relay: &Relay, numbers: std::ops::Range<usize>) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for number in numbers {
        ids.insert(relay.accepted(format!("{{\"n\":{number}}}")).await);
    }
    ids
}

#[tokio::test]
async fn a_file_that_is_moved_away_gets_nothing_after_sighup_and_no_event_is_lost() {
    let setup = Setup::new("", FILE);
    let relay = setup.start();
    let first = accept(&relay, 0..20).await;
    relay.drained("archive").await;
    let (path, moved) = (
        setup.path("archive/events.jsonl"),
        setup.path("archive/old"),
    );
    std::fs::rename(&path, &moved).unwrap();
    let descriptors = format!("/proc/{}/fd", relay.pid());
    let holds_moved = || {
        let entries = std::fs::read_dir(&descriptors).unwrap();
        let mut targets =
            entries.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        targets.any(|target| target == moved)
    };
    assert!(holds_moved());
    relay.signal("HUP");
    eventually("the moved file is let go", || !holds_moved()).await;
    assert!(!path.exists(), "there is nothing to write yet");

    let second = accept(&relay, 20..40).await;
    relay.drained("archive").await;
    let ids = |name: &str| file_ids(&setup.text(name));
    assert_eq!(
        ids("archive/old").into_keys().collect::<BTreeSet<_>>(),
        first
    );
    let fresh = ids("archive/events.jsonl");
    assert_eq!(fresh.clone().into_keys().collect::<BTreeSet<_>>(), second);
    assert!(fresh.values().all(|count| *count == 1), "{fresh:?}");

    for _ in 0..3 {
        relay.signal("HUP");
    }
    assert_eq!(relay.destination("archive").await["state"], "delivering");
    assert!(relay.stop().await.success(), "SIGHUP ends no relay");
}

/// The rotated files, and what is made of them.
fn files(setup: &Setup) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(setup.path("archive"))
        .into_iter()
        .flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_string_lossy().contains("events"))
        .collect()
}

fn ends(path: &Path, suffix: &str) -> bool {
    path.to_string_lossy().ends_with(suffix)
}

/// A JSON object that hardly gets smaller.
fn event(number: usize) -> String {
    let mut state = u64::try_from(number).unwrap() + 1;
    let mut noise = String::with_capacity(EVENT_BYTES);
    while noise.len() < EVENT_BYTES {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        noise.push_str(&format!("{:08x}", state >> 32));
    }
    format!("{{\"n\":{number},\"noise\":\"{noise}\"}}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_files_are_rotated_and_compressed_loses_nothing() {
    let lines = "compress = \"gzip\"\nrotate_size = \"512KiB\"\nbatch_max_events = 2\n";
    let setup = Setup::new("", &format!("{FILE}{lines}"));
    let mut answered = BTreeSet::new();
    for round in 0..KILLS {
        let relay = setup.start();
        for number in 0..EVENTS {
            answered.insert(relay.accepted(event(round * EVENTS + number)).await);
        }
        // Every other time in the middle of a compression, else between two of them.
        let wanted = if round % 2 == 0 { ".gz.tmp" } else { ".gz" };
        let deadline = std::time::Instant::now() + PATIENCE;
        while !files(&setup).iter().any(|path| ends(path, wanted)) {
            assert!(
                std::time::Instant::now() < deadline,
                "no {wanted}: {:?}",
                files(&setup)
            );
            tokio::task::yield_now().await;
        }
        relay.kill();
    }

    let relay = setup.start();
    answered.insert(relay.accepted(event(0)).await);
    relay.drained("archive").await;
    eventually("all that is rotated is compressed", || {
        let files = files(&setup);
        let plain = files.iter().filter(|path| !ends(path, ".gz"));
        // The file being written, and its lock.
        plain.count() == 2
    })
    .await;
    let mut texts = setup.text("archive/events.jsonl");
    let packed = files(&setup).into_iter().filter(|path| ends(path, ".gz"));
    for path in packed {
        let file = std::fs::File::open(path).unwrap();
        flate2::read::GzDecoder::new(file)
            .read_to_string(&mut texts)
            .unwrap();
    }
    let there = file_ids(&texts);
    let lost: Vec<_> = answered
        .iter()
        .filter(|id| !there.contains_key(*id))
        .collect();
    assert!(
        lost.is_empty(),
        "lost {} of {}: {lost:?}",
        lost.len(),
        answered.len()
    );
}
