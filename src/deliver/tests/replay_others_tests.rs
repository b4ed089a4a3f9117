//! Proves that no letter keeps a replay from the others, and that a person's wishes reach it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::replay_tests::{Lane, destination, letter};
use super::scripted::Script;
use crate::dead_letters::{DeadLetter, DeadLetterLog, Filter, read};
use crate::event::{EventId, Provenance};
use crate::sink::{HoldCause, Rendered, RetryCause, Scope, Sent, Verdict};

fn server_error() -> Verdict {
    Verdict::Retry {
        after: None,
        sent: Sent::Unknown,
        cause: RetryCause::ServerError,
        detail: "500".into(),
    }
}

/// A lane over these letters, all of which are to be sent.
fn lane(script: Script, letters: &[DeadLetter]) -> Lane {
    let directory = tempfile::tempdir().unwrap();
    let log = DeadLetterLog::open(directory.path(), "splunk", 1 << 20).unwrap();
    log.append(letters).unwrap();
    log.request_replay(&Filter::default(), false).unwrap();
    drop(log);
    Lane::over(directory, script, destination())
}

fn reasons(lane: &Lane) -> Vec<(EventId, String)> {
    let mut kept = Vec::new();
    let note = |letter: crate::dead_letters::Letter| {
        kept.push((letter.id, letter.text("reason").to_owned()));
        true
    };
    read(lane.directory.path(), "splunk", &Filter::default(), note).unwrap();
    kept
}

/// Of a source, to which a part of the destination belongs.
fn of(source: &str, mut letter: DeadLetter) -> DeadLetter {
    let provenance = Provenance {
        source: source.to_owned(),
        ..Provenance::unknown()
    };
    Arc::make_mut(&mut letter.event).provenance = Arc::new(provenance);
    letter
}

#[tokio::test(start_paused = true)]
async fn a_letter_over_which_the_server_fails_is_refused_again_and_the_others_are_taken() {
    let letters: Vec<_> = (0..60).map(|number| letter(number, "1")).collect();
    let bad = letters[7].event.id;
    let script = Script::default();
    let has_it = move |batch: &[Rendered]| batch.iter().any(|event| event.id() == bad);
    script.rule(move |batch| has_it(batch).then(server_error));
    let lane = lane(script, &letters);
    lane.done().await;
    assert_eq!(reasons(&lane), [(bad, "poison".to_owned())]);
    // Halved from 50 to 1 after the third, and some more until it was seen alone five times.
    let attempts = lane.batches();
    let whole = attempts.iter().filter(|letters| **letters > 25).count();
    assert!(whole <= 4 && attempts.len() < 60, "{attempts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_letter_singled_out_by_the_answer_lets_the_others_go_first() {
    let letters: Vec<_> = (0..60).map(|number| letter(number, "1")).collect();
    let bad = letters[0].event.id;
    let script = Script::default();
    for _ in 0..200 {
        script.then(|events| {
            let mut outcome =
                crate::sink::Outcome::all(events, super::verdict_tests::delivered(), Some(200), 9);
            if events == 50 {
                outcome.verdicts[0] = server_error();
            }
            outcome
        });
    }
    let lane = lane(script, &letters);
    lane.done().await;
    let attempts = lane.script.attempts.lock().unwrap().clone();
    assert!(attempts[0].ids.contains(&bad));
    assert!(!attempts[1].ids.contains(&bad), "{:?}", lane.batches());
    assert_eq!(attempts.last().unwrap().ids, [bad], "alone");
}

#[tokio::test(start_paused = true)]
async fn an_outage_refuses_nothing_however_long_it_lasts() {
    let letters = [letter(0, "1"), letter(1, "1")];
    let script = Script::default();
    script.times(15, &server_error());
    let lane = lane(script, &letters);
    lane.done().await;
    assert_eq!(lane.letters.summary().letters, 0);
}

/// So many letters, for a part of the destination that is held or for another one.
fn of_two_parts(letters: u64, is_closed: impl Fn(u64) -> bool) -> (Script, Vec<DeadLetter>) {
    let part = |number| if is_closed(number) { "closed" } else { "open" };
    let letters = (0..letters).map(|number| of(part(number), letter(number, "1")));
    let script = Script {
        partitions: true,
        ..Script::default()
    };
    script.rule(|batch| {
        let part = batch[0].event.provenance.source.as_str();
        (part == "closed").then(|| Verdict::Hold {
            cause: HoldCause::Index,
            detail: "index closed".into(),
            scope: Scope::Partition(part.into()),
        })
    });
    (script, letters.collect())
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_held_is_tried_with_one_letter_while_those_of_others_go() {
    let (script, letters) = of_two_parts(300, |number| number / 2 % 2 == 0);
    // Several intervals of probes.
    *script.takes.lock().unwrap() = destination().probe_interval / 2;
    let lane = lane(script, &letters);
    lane.until("the open ones gone", |lane| {
        lane.letters.summary().letters == 150
    })
    .await;
    let closed = letters.chunks(4).flat_map(|four| &four[..2]);
    let closed: BTreeSet<_> = closed.map(|letter| letter.event.id).collect();
    let attempts = lane.script.attempts.lock().unwrap().clone();
    let of_closed = attempts.iter().filter(|one| closed.contains(&one.ids[0]));
    let of_closed: Vec<_> = of_closed.map(|one| one.ids.len()).collect();
    assert!(of_closed.len() >= 3, "{of_closed:?}");
    assert!(of_closed[1..].iter().all(|letters| *letters == 1));
}

#[tokio::test(start_paused = true)]
async fn letters_of_a_part_that_is_held_wait_and_those_of_others_go() {
    let (script, letters) = of_two_parts(100, |number| number < 90);
    let lane = lane(script, &letters);
    let interval = destination().probe_interval;
    let started = tokio::time::Instant::now();
    lane.until("held", |lane| lane.status.snapshot().state == "held")
        .await;
    assert!(started.elapsed() < interval);
    assert_eq!(lane.letters.summary().letters, 90, "the open ones went");
    assert_eq!(lane.batches().len(), 2);
    let reason = lane.status.snapshot().reason.unwrap();
    assert_eq!(&*reason, "index: index closed");
    lane.until("probed", |lane| lane.batches().len() > 4).await;
    assert_eq!(lane.batches()[2..5], [1, 1, 1], "one letter a probe");
    assert!(started.elapsed() >= interval * 3);
    lane.script.no_rule();
    lane.done().await;
    assert_eq!(lane.letters.summary().letters, 0);
}

#[tokio::test(start_paused = true)]
async fn a_paused_destination_gets_no_letter_and_a_wish_to_try_ends_a_wait() {
    let script = Script::default();
    script.times(1, &server_error());
    let letters: Vec<_> = (0..3).map(|number| letter(number, "1")).collect();
    let lane = lane(script, &letters);
    lane.controls.pause();
    lane.until("paused", |lane| lane.status.snapshot().state == "paused")
        .await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(lane.batches().is_empty());
    lane.controls.resume();
    lane.until("backing off", |lane| {
        lane.status.snapshot().state == "backing_off"
    })
    .await;
    let failed = tokio::time::Instant::now();
    lane.controls.try_now();
    lane.until("tried", |lane| lane.batches().len() == 2).await;
    assert!(failed.elapsed() < Duration::from_millis(500));
    lane.done().await;
    let ids = |ids: &[EventId]| ids.iter().copied().collect::<BTreeSet<_>>();
    let attempts = lane.script.attempts.lock().unwrap().clone();
    assert_eq!(ids(&attempts[0].ids), ids(&attempts[1].ids));
}
