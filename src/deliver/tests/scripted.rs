//! A sink that answers by script, and a worker around it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::memory::MemoryLog;
use crate::dead_letters::DeadLetterLog;
use crate::deliver::{Controls, DestinationStatus, Options, Snapshot, Worker, WorkerError};
use crate::event::EventId;
use crate::normalize::Renderer;
use crate::settings::{BatchLimits, Destination, File, Format, Kind, Retry, SendingPace, Start};
use crate::sink::{
    Confirmation, Confirming, Note, Outcome, Rendered, Shape, Sink, Ticket, Verdict,
};
use crate::spool::Log;
use crate::telemetry::metrics::Metrics;

/// What the sink answers to one attempt; given the ids sent.
pub(super) type Answer = Box<dyn FnOnce(usize) -> Outcome + Send>;

/// What it answers to a batch, if to this one.
pub(super) type Rule = Box<dyn Fn(&[Rendered]) -> Option<Verdict> + Send>;
/// What it answers to a question for confirmation.
pub(super) type Answers = Box<dyn FnOnce(&[Ticket]) -> Confirmation + Send>;

/// An event that no sink survives.
pub(super) const POISON: &str = "\"poison\"";

/// One attempt as the sink saw it.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) at: Instant,
    pub(super) ids: Vec<EventId>,
}

#[derive(Clone, Default)]
pub(super) struct Script {
    pub(super) answers: Arc<Mutex<VecDeque<Answer>>>,
    pub(super) attempts: Arc<Mutex<Vec<Attempt>>>,
    pub(super) refreshed: Arc<Mutex<usize>>,
    /// How long each attempt takes.
    pub(super) takes: Arc<Mutex<Duration>>,
    /// Events of each source go to a partition of that name.
    pub(super) partitions: bool,
    pub(super) confirming: Option<Confirming>,
    /// Whether it knows repeats by the whole request.
    pub(super) repeats_whole: bool,
    /// Answers whatever it has an answer for, before the script.
    pub(super) rule: Arc<Mutex<Option<Rule>>>,
    pub(super) confirmations: Arc<Mutex<VecDeque<Answers>>>,
    /// Tickets asked about, question by question.
    pub(super) asked: Arc<Mutex<Vec<Vec<Ticket>>>>,
    /// A ticket that is always confirmed, and one that is always lost.
    pub(super) tickets: Arc<Mutex<Option<(u64, u64)>>>,
}

/// A running worker.
pub(super) struct Rig {
    pub(super) log: MemoryLog,
    pub(super) script: Script,
    pub(super) status: DestinationStatus,
    pub(super) metrics: Arc<Metrics>,
    pub(super) directory: tempfile::TempDir,
    pub(super) controls: Controls,
    pub(super) letters: DeadLetterLog,
    pub(super) stop: CancellationToken,
    pub(super) task: JoinHandle<Result<(), WorkerError>>,
}

impl Script {
    /// The next attempt gets this answer; attempts behind the script are all delivered.
    pub(super) fn then(&self, answer: impl FnOnce(usize) -> Outcome + Send + 'static) -> &Self {
        self.answers.lock().unwrap().push_back(Box::new(answer));
        self
    }

    /// From now on batches get what the rule says, where it says anything.
    pub(super) fn rule(&self, rule: impl Fn(&[Rendered]) -> Option<Verdict> + Send + 'static) {
        *self.rule.lock().unwrap() = Some(Box::new(rule));
    }

    pub(super) fn no_rule(&self) {
        *self.rule.lock().unwrap() = None;
    }

    /// The next question for confirmation gets this answer; those behind the script get none.
    pub(super) fn then_confirm(
        &self,
        answer: impl FnOnce(&[Ticket]) -> Confirmation + Send + 'static,
    ) {
        let answer = Box::new(answer);
        self.confirmations.lock().unwrap().push_back(answer);
    }

    /// The sink confirms this ticket and loses that one.
    pub(super) fn confirms(&self, confirmed: u64, lost: u64) -> &Self {
        *self.tickets.lock().unwrap() = Some((confirmed, lost));
        self
    }

    /// The next attempts get this verdict for each event.
    pub(super) fn times(&self, count: usize, verdict: &Verdict) -> &Self {
        for _ in 0..count {
            let verdict = verdict.clone();
            self.then(move |events| Outcome::all(events, verdict, Some(500), 0));
        }
        self
    }
}

impl Sink for Script {
    fn shape(&self) -> Shape {
        Shape::Payload
    }

    fn encoded_bytes(&self, event: &Rendered) -> usize {
        assert_ne!(event.body, POISON, "a fault of the relay");
        event.body.len()
    }

    fn repeats_whole(&self) -> bool {
        self.repeats_whole
    }

    async fn send(&self, batch: &[Rendered]) -> Outcome {
        let ids = batch.iter().map(Rendered::id).collect();
        self.attempts.lock().unwrap().push(Attempt {
            at: Instant::now(),
            ids,
        });
        let takes = *self.takes.lock().unwrap();
        tokio::time::sleep(takes).await;
        let ruled = self
            .rule
            .lock()
            .unwrap()
            .as_ref()
            .and_then(|rule| rule(batch));
        if let Some(verdict) = ruled {
            return Outcome::all(batch.len(), verdict, Some(500), 1);
        }
        let answer = self.answers.lock().unwrap().pop_front();
        match answer {
            Some(answer) => answer(batch.len()),
            None => Outcome::all(
                batch.len(),
                Verdict::Delivered { note: Note::Plain },
                Some(200),
                9,
            ),
        }
    }

    fn partition(&self, event: &Rendered) -> Option<Arc<str>> {
        let source = event.event.provenance.source.as_str();
        self.partitions.then(|| Arc::from(source))
    }

    fn confirming(&self) -> Option<Confirming> {
        let always = self.tickets.lock().unwrap().map(|_| Confirming {
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(30),
            max_batches: 1,
        });
        always.or(self.confirming)
    }

    async fn confirm(&self, tickets: &[Ticket]) -> Confirmation {
        self.asked.lock().unwrap().push(tickets.to_vec());
        if let Some((confirmed, lost)) = *self.tickets.lock().unwrap() {
            let of = |id: u64| tickets.iter().filter(|t| t.id == id).cloned().collect();
            return Confirmation {
                confirmed: of(confirmed),
                lost: of(lost),
            };
        }
        let answer = self.confirmations.lock().unwrap().pop_front();
        answer.map(|answer| answer(tickets)).unwrap_or_default()
    }

    fn refresh(&self) {
        *self.refreshed.lock().unwrap() += 1;
    }
}

pub(super) fn destination() -> Destination {
    Destination {
        when: None,
        rules: Vec::new(),
        name: "splunk".to_owned(),
        sources: None,
        format: Format::Original,
        keep_original: true,
        start: Start::Earliest,
        batch: BatchLimits {
            max_events: 100,
            max_bytes: 1000,
        },
        retry: Retry {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(300),
            multiplier: 2.0,
            jitter: 0.0,
        },
        probe_interval: Duration::from_secs(60),
        pace: SendingPace {
            max_in_flight: 1,
            rate_limit: None,
            max_event_age: None,
        },
        max_backlog_bytes: None,
        kind: Kind::File(File {
            path: "unused".into(),
            names: None,
            rotate_bytes: 1,
            rotate_age: None,
            keep_files: None,
            compress: crate::settings::Compress::None,
            min_free_bytes: 0,
            envelope: false,
        }),
    }
}

impl Rig {
    /// A worker over `log`, with a dead-letter log of `dead_bytes` at most.
    pub(super) async fn start(
        log: MemoryLog,
        script: Script,
        destination: Destination,
        dead_bytes: u64,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let metrics = Metrics::new().unwrap();
        let handles = metrics.destination(&destination.name, false);
        let status = DestinationStatus::new(handles.clone());
        let stop = CancellationToken::new();
        let controls = Controls::new();
        let letters = DeadLetterLog::open(directory.path(), "splunk", dead_bytes).unwrap();
        let options = Options {
            renderer: Renderer::new(&[], destination.format, Shape::Payload),
            dead_letters: letters.clone(),
            status: status.clone(),
            metrics: handles,
            controls: controls.clone(),
            stop: stop.clone(),
            force: CancellationToken::new(),
            destination,
        };
        let worker = Worker::start(Arc::new(log.clone()), Arc::new(script.clone()), options)
            .await
            .unwrap();
        let task = tokio::spawn(worker.run());
        Self {
            log,
            script,
            status,
            metrics,
            directory,
            controls,
            letters,
            stop,
            task,
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.status.snapshot(*self.log.head().borrow())
    }

    /// Waits, in paused time, until the worker is where it should be. File operations run on
    /// real threads, so time is stepped only while they are not awaited.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&Snapshot) -> bool) -> Snapshot {
        for _ in 0..200_000 {
            let snapshot = self.snapshot();
            assert_eq!(snapshot.mismatch, 0, "accounting: {snapshot:?}");
            if holds(&snapshot) {
                return snapshot;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never {what}: {:?}", self.snapshot());
    }

    pub(super) async fn drained(&self) -> Snapshot {
        self.until("drained", |snapshot| snapshot.backlog == 0)
            .await
    }

    pub(super) fn attempts(&self) -> Vec<Attempt> {
        self.script.attempts.lock().unwrap().clone()
    }

    pub(super) fn dead_letters(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.directory.path().join("splunk.jsonl")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Ends the worker and returns the log, as a restart would find it.
    pub(super) async fn end(self) -> MemoryLog {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
        self.log
    }
}
