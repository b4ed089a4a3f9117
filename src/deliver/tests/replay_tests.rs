//! Proves what a replay of dead letters promises: each letter once, in small batches, judged as
//! events are, over a kill, and without a touch of the worker's lane.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::scripted::{Script, destination as small};
use crate::dead_letters::{DeadLetter, DeadLetterLog, Filter, LetterState, read};
use crate::deliver::{Controls, Replay, ReplayOptions, ReplayStatus};
use crate::event::{Event, EventId, Provenance};
use crate::normalize::Renderer;
use crate::settings::Destination;
use crate::sink::{
    HoldCause, Outcome, RejectCause, RetryCause, Scope, Sent, Shape, Ticket, Verdict,
};
use crate::telemetry::metrics::Metrics;

const SECOND: Duration = Duration::from_secs(1);

/// Letters and the lane that sends them.
pub(super) struct Lane {
    pub(super) directory: tempfile::TempDir,
    pub(super) letters: DeadLetterLog,
    pub(super) script: Script,
    pub(super) status: ReplayStatus,
    pub(super) controls: Controls,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    force: CancellationToken,
    task: JoinHandle<()>,
}

/// A destination whose batches take more bytes than a few letters have.
pub(super) fn destination() -> Destination {
    let mut destination = small();
    destination.batch.max_bytes = 1 << 20;
    destination
}

pub(super) fn letter(number: u64, payload: &'static str) -> DeadLetter {
    let event = Event {
        position: number + 1,
        id: EventId::new(1_763_900_000_000 + number),
        received_ms: 1_763_900_000_000 + number,
        duplicate_of: None,
        replay_id: None,
        provenance: Arc::new(Provenance::unknown()),
        payload: Bytes::from_static(payload.as_bytes()),
    };
    DeadLetter {
        event: Arc::new(event),
        reason: "rejected",
        detail: "400".into(),
        attempts: 1,
        rendered: None,
    }
}

impl Lane {
    /// A lane over so many letters of which all are to be sent.
    pub(super) fn start(script: Script, letters: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = DeadLetterLog::open(directory.path(), "splunk", 1 << 20).unwrap();
        let all: Vec<_> = (0..letters).map(|number| letter(number, "1")).collect();
        log.append(&all).unwrap();
        log.request_replay(&Filter::default(), false).unwrap();
        drop(log);
        Self::over(directory, script, destination())
    }

    /// A lane over the letters in a directory, as a start of the relay makes it.
    pub(super) fn over(
        directory: tempfile::TempDir,
        script: Script,
        destination: Destination,
    ) -> Self {
        let letters = DeadLetterLog::open(directory.path(), "splunk", 1 << 20).unwrap();
        let metrics = Metrics::new().unwrap();
        let handles = metrics.destination(&destination.name, false);
        let (stop, force) = (CancellationToken::new(), CancellationToken::new());
        let controls = Controls::new();
        let options = ReplayOptions {
            renderer: Renderer::new(&[], destination.format, Shape::Payload),
            dead_letters: letters.clone().with_metrics(handles.clone()),
            status: ReplayStatus::new(),
            metrics: handles,
            controls: controls.clone(),
            stop: stop.clone(),
            force: force.clone(),
            destination,
        };
        let status = options.status.clone();
        let task = tokio::spawn(Replay::new(Arc::new(script.clone()), options).run());
        Self {
            directory,
            letters,
            script,
            status,
            controls,
            metrics,
            stop,
            force,
            task,
        }
    }

    /// Waits, in paused time, until something holds.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..100_000 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!(
            "never {what}: {:?} {:?}",
            self.letters.summary(),
            self.status.snapshot()
        );
    }

    pub(super) async fn done(&self) {
        self.until("done", |lane| {
            lane.letters.summary().waiting == 0 && lane.status.snapshot().state == "idle"
        })
        .await;
    }

    pub(super) fn batches(&self) -> Vec<usize> {
        let attempts = self.script.attempts.lock().unwrap();
        attempts.iter().map(|attempt| attempt.ids.len()).collect()
    }

    pub(super) fn counted(&self, sample: &str) -> f64 {
        let text = self.metrics.render().unwrap();
        let line = text.lines().find(|line| line.starts_with(sample));
        let line = line.unwrap_or_else(|| panic!("no {sample}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Ends the lane as a kill would: at once, wherever it is.
    async fn kill(self) -> tempfile::TempDir {
        self.task.abort();
        self.task.await.unwrap_err();
        self.directory
    }
}

fn retry() -> Verdict {
    Verdict::Retry {
        after: None,
        sent: Sent::No,
        cause: RetryCause::ServerError,
        detail: "503 busy".into(),
    }
}

fn reject() -> Verdict {
    Verdict::Reject {
        cause: RejectCause::TooLarge,
        detail: "413 still".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn letters_go_in_small_batches_with_a_pause_each_once_and_a_repeat_sends_nothing() {
    let lane = Lane::start(Script::default(), 120);
    lane.done().await;
    assert_eq!(lane.batches(), [50, 50, 20]);
    let attempts = lane.script.attempts.lock().unwrap().clone();
    assert!(attempts[1].at - attempts[0].at >= Duration::from_millis(100));
    assert_eq!(lane.letters.summary().letters, 0);
    assert_eq!(
        lane.counted("siem_relay_dead_letters_replayed_total"),
        120.0
    );
    let again = lane.letters.request_replay(&Filter::default(), false);
    assert_eq!(again.unwrap(), 0);
    lane.letters.append(&[letter(500, "1")]).unwrap();
    lane.letters
        .request_replay(&Filter::default(), false)
        .unwrap();
    lane.done().await;
    assert_eq!(
        lane.batches(),
        [50, 50, 20, 1],
        "asked for again, one was new"
    );
    lane.stop.cancel();
    lane.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_again_stays_dead_with_the_new_reason_and_all_attempts() {
    let script = Script::default();
    script.times(2, &retry()).times(1, &reject());
    let lane = Lane::start(script, 1);
    lane.done().await;
    let mut kept = Vec::new();
    read(
        lane.directory.path(),
        "splunk",
        &Filter::default(),
        |letter| {
            kept.push(letter);
            true
        },
    )
    .unwrap();
    assert_eq!(kept[0].text("reason"), "too_large");
    assert_eq!(kept[0].text("detail"), "413 still");
    assert_eq!((kept[0].attempts(), kept[0].state), (4, LetterState::Dead));
    let attempts = lane.script.attempts.lock().unwrap().clone();
    let waits: Vec<_> = attempts
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .collect();
    assert!(waits[0] >= SECOND && waits[1] >= 2 * SECOND, "{waits:?}");
    assert_eq!(lane.counted("siem_relay_dead_letters_replayed_total"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_cannot_be_rendered_is_refused_again_and_the_others_go() {
    let directory = tempfile::tempdir().unwrap();
    let log = DeadLetterLog::open(directory.path(), "splunk", 1 << 20).unwrap();
    let letters = [
        letter(0, "1"),
        letter(1, super::scripted::POISON),
        letter(2, "2"),
    ];
    log.append(&letters).unwrap();
    log.request_replay(&Filter::default(), false).unwrap();
    drop(log);
    let lane = Lane::over(directory, Script::default(), destination());
    lane.done().await;
    assert_eq!(lane.batches(), [2]);
    let summary = lane.letters.summary();
    assert_eq!((summary.letters, summary.waiting), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_hold_says_why_probes_with_the_next_letter_and_goes_on_by_itself() {
    let script = Script::default();
    let hold = Verdict::Hold {
        cause: HoldCause::Index,
        detail: "index closed".into(),
        scope: Scope::Partition("a".into()),
    };
    script.times(2, &hold);
    let lane = Lane::start(script, 3);
    lane.until("held", |lane| lane.status.snapshot().state == "held")
        .await;
    let reason = lane.status.snapshot().reason.unwrap();
    assert_eq!(&*reason, "index: index closed");
    lane.done().await;
    assert_eq!(lane.letters.summary().letters, 0);
    assert_eq!(lane.batches()[..3], [3, 1, 1]);
    let attempts = lane.script.attempts.lock().unwrap().clone();
    assert_ne!(attempts[1].ids, attempts[2].ids, "the next one in turn");
    assert_eq!(*lane.script.refreshed.lock().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn too_much_at_once_is_halved_and_a_single_letter_too_much_is_refused() {
    let script = Script::default();
    let split = Verdict::Split {
        detail: "413".into(),
    };
    script.times(3, &split);
    let lane = Lane::start(script, 4);
    lane.done().await;
    assert_eq!(lane.batches()[..3], [4, 2, 1]);
    assert_eq!(lane.letters.summary().letters, 1);
}

#[tokio::test(start_paused = true)]
async fn a_kill_within_an_attempt_is_made_up_for_and_counted_as_a_possible_duplicate() {
    let script = Script::default();
    *script.takes.lock().unwrap() = 1000 * SECOND;
    let lane = Lane::start(script, 3);
    lane.until("sending", |lane| lane.batches() == [3]).await;
    let directory = lane.kill().await;
    let lane = Lane::over(directory, Script::default(), destination());
    lane.done().await;
    assert_eq!(lane.batches(), [3]);
    assert_eq!(lane.letters.summary().letters, 0);
    let sample =
        "siem_relay_duplicate_events_total{destination=\"splunk\",kind=\"possible_resend\"}";
    assert_eq!(lane.counted(sample), 3.0);
}

#[tokio::test(start_paused = true)]
async fn letters_purged_while_they_wait_are_not_sent() {
    let script = Script::default();
    script.times(1, &retry());
    let lane = Lane::start(script, 2);
    lane.until("backing off", |lane| {
        lane.status.snapshot().state == "backing_off"
    })
    .await;
    assert_eq!(lane.letters.purge(&Filter::default(), false).unwrap(), 2);
    lane.done().await;
    assert_eq!(lane.batches(), [2], "the attempt before the purge");
}

#[tokio::test(start_paused = true)]
async fn letters_are_settled_when_their_tickets_are_confirmed_and_go_again_when_they_are_lost() {
    let script = Script::default();
    let pending = |id| Verdict::Pending {
        ticket: Ticket {
            channel: "c".into(),
            id,
        },
    };
    script.then(move |_| Outcome {
        verdicts: vec![pending(1), pending(2), pending(3)],
        ..Outcome::all(3, pending(0), Some(200), 1)
    });
    script.confirms(1, 2);
    let lane = Lane::start(script, 3);
    lane.until("asked", |lane| lane.letters.summary().letters == 2)
        .await;
    lane.done().await;
    assert_eq!(
        lane.batches(),
        [3, 2],
        "one was confirmed, one lost, one too old"
    );
    let attempts = lane.script.attempts.lock().unwrap().clone();
    assert!(
        attempts[1].at - attempts[0].at >= 30 * SECOND,
        "the time-out"
    );
    let sample =
        "siem_relay_duplicate_events_total{destination=\"splunk\",kind=\"possible_resend\"}";
    assert_eq!(lane.counted(sample), 2.0);
    lane.force.cancel();
}
