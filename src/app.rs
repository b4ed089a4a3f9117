//! Builds the stages in order, runs them, and stops them in reverse: the only place that sees all.
//!
//! Order of the start: journal (opened, recovered, proven writable), registration of every
//! destination (durable before the first 2xx that it must see), sinks, listeners bound, and only
//! then workers and listeners run. Order of the stop: not ready, ingest, workers, cursors, admin,
//! journal.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin};
use crate::dead_letters::DeadLetterLog;
use crate::deliver::{
    self, Controls, DestinationStatus, Replay, ReplayOptions, ReplayStatus, Worker, WorkerError,
};
use crate::ingest::Ingest;
use crate::journal::{self, DiskFiles, Journal};
use crate::listener::{Limits, Listener};
use crate::normalize::Renderer;
use crate::settings::{self, Settings};
use crate::sink::{self, AnySink, Sink};
use crate::spool::{LocalLog, Log, StartAt};
use crate::telemetry::metrics::Metrics;

mod commands;
mod error;
mod restore;
mod unrouted;
mod view;

pub use error::RunError;

use commands::RelayCommands;
use view::{DestinationView, RelayView};

/// Time that a forced end of requests and deliveries may take.
const FORCE_TIMEOUT: Duration = Duration::from_secs(2);

/// What the outside asks of a running relay.
#[derive(Clone, Default)]
pub struct Signals {
    /// Ends it gracefully.
    pub stop: CancellationToken,
    /// Has destinations open their files anew and read secrets and certificates again. Asked for
    /// several times before it is seen, it is done once.
    pub refresh: Arc<Notify>,
}

/// Runs the relay until it is asked to stop or a stage fails.
pub async fn run(
    settings: Settings,
    warnings: Vec<String>,
    metrics: Arc<Metrics>,
    signals: Signals,
) -> Result<(), RunError> {
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let relay = Relay::start(settings, warnings, metrics).await?;
    relay.serve(signals).await
}

/// The stages of a running relay.
struct Relay {
    settings: Settings,
    log: LocalLog,
    view: Arc<RelayView>,
    /// The workers' sinks, to have them refreshed.
    sinks: Vec<AnySink>,
    workers: JoinSet<Result<(), WorkerError>>,
    /// The replays of dead letters, and the follower of the log; they end with the workers.
    replays: JoinSet<()>,
    ingest: JoinSet<()>,
    admin: JoinSet<()>,
    tokens: Tokens,
}

/// What ends which stage.
#[derive(Clone, Default)]
struct Tokens {
    ingest: CancellationToken,
    workers: CancellationToken,
    admin: CancellationToken,
    /// Ends what is in flight.
    force: CancellationToken,
}

impl Relay {
    async fn start(
        settings: Settings,
        mut warnings: Vec<String>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, RunError> {
        let log = open_log(&settings.journal, &metrics).await?;
        let configured = settings.destinations.iter();
        let configured: Vec<_> = configured.map(|known| known.name.clone()).collect();
        let is_configured = |name: &str| configured.iter().any(|known| known == name);
        for warning in view::left_behind(&log, is_configured) {
            tracing::warn!("{warning}");
        }
        if !settings.journal.allow_ephemeral {
            DeadLetterLog::refuse_ephemeral(&settings.dead_letters.directory)?;
        }
        let tokens = Tokens::default();
        let mut workers = Vec::new();
        let mut replays = Vec::new();
        let mut destinations = Vec::new();
        let mut sinks = Vec::new();
        for destination in &settings.destinations {
            let sink = AnySink::build(destination)?;
            sinks.push(sink.clone());
            let (worker, replay, view) =
                make_worker(destination, sink, &settings, &log, &metrics, &tokens).await?;
            workers.push(worker);
            replays.push(replay);
            destinations.push(view);
        }
        let drift = restore::drift(&settings, &metrics).await?;
        let server = &settings.server;
        let ingest = Ingest::new(server, &settings.sources, Arc::new(log.clone()), &metrics);
        restore::last_events(&log, &ingest).await;
        unrouted::tell(&settings, &ingest, &mut warnings);
        let limits = Limits {
            max_connections: server.max_connections,
            max_headers: server.max_headers,
            max_header_bytes: server.max_header_bytes,
            header_timeout: server.header_timeout,
        };
        let listener = Listener::bind(server.listen, limits, server.tls.as_ref()).await?;
        let admin_listener = Listener::bind(settings.admin.listen, admin::limits(), None).await?;
        let address = listener.local_address();
        let admin_address = admin_listener.local_address();
        let letters = destinations.iter();
        let letters = letters.map(|view| (view.settings.name.clone(), view.letters.clone()));
        let letters = letters.collect();
        let controls = destinations.iter();
        let controls = controls.map(|view| (view.settings.name.clone(), view.controls.clone()));
        let controls = controls.collect();
        let view = Arc::new(RelayView {
            log: log.clone(),
            ingest: Arc::clone(&ingest),
            destinations,
            metrics: Arc::clone(&metrics),
            started: Instant::now(),
            started_at: jiff::Timestamp::now(),
            max_bytes: settings.journal.max_size_bytes,
            stopping: AtomicBool::new(false),
            warnings,
            drift: drift.clone(),
        });
        let admin = Arc::new(Admin {
            metrics,
            view: Arc::clone(&view) as Arc<dyn admin::View>,
            commands: Arc::new(RelayCommands::new(
                log.clone(),
                configured,
                letters,
                controls,
            )),
            read_token: settings.admin.read_token.clone(),
            write_token: settings.admin.write_token.clone(),
            loopback_only: admin_address.ip().is_loopback(),
            refusals: admin::refusal_lines(),
        });
        let mut relay = Self {
            log,
            view,
            sinks,
            workers: JoinSet::new(),
            replays: JoinSet::new(),
            ingest: JoinSet::new(),
            admin: JoinSet::new(),
            tokens,
            settings,
        };
        let Tokens {
            ingest: ingest_stop,
            admin: admin_stop,
            force,
            ..
        } = relay.tokens.clone();
        // Nothing can fail any more: a start that does must not break a delivery off, since a
        // supervisor repeats it for ever.
        for worker in workers {
            relay.workers.spawn(worker.run());
        }
        for replay in replays {
            relay.replays.spawn(replay.run());
        }
        let follower = drift.follow(relay.log.clone(), relay.tokens.workers.clone());
        relay.replays.spawn(follower);
        relay
            .ingest
            .spawn(ingest.serve(listener, ingest_stop, force.clone()));
        relay
            .admin
            .spawn(admin.serve(admin_listener, admin_stop, force));
        let tls = relay.settings.server.tls.is_some();
        tracing::info!(%address, tls, admin = %admin_address, "relay ready");
        Ok(relay)
    }

    /// Waits for the stop, or for a stage that ends by itself, and stops all.
    async fn serve(mut self, signals: Signals) -> Result<(), RunError> {
        let outcome = tokio::select! {
            () = signals.stop.cancelled() => Ok(()),
            never = refresh_on(&signals.refresh, &self.sinks) => match never {},
            ended = self.workers.join_next(), if !self.workers.is_empty() => match ended {
                Some(Ok(Err(error))) => Err(RunError::Worker(error)),
                Some(Err(error)) => Err(RunError::Task(error.to_string())),
                Some(Ok(Ok(()))) | None => Err(RunError::Task("a worker ended".to_owned())),
            },
            _ = self.ingest.join_next() => Err(RunError::Task("ingest ended".to_owned())),
            _ = self.admin.join_next() => Err(RunError::Task("admin ended".to_owned())),
        };
        if let Err(error) = &outcome {
            tracing::error!(%error, "the relay stops");
        }
        let stopped = self.stop().await;
        outcome.and(stopped)
    }

    /// Settles what is in flight within the deadline, then ends what is left.
    async fn stop(mut self) -> Result<(), RunError> {
        let server = &self.settings.server;
        self.view
            .stopping
            .store(true, std::sync::atomic::Ordering::Release);
        let drain_ms = u64::try_from(server.drain_delay.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(drain_ms, "stopping: not ready, still accepting");
        sleep(server.drain_delay).await;
        let deadline = Instant::now() + server.stop_timeout;
        self.tokens.ingest.cancel();
        let drained = timeout_at(deadline, drain(&mut self.ingest)).await;
        if drained.is_err() {
            tracing::warn!("requests in flight did not end in time");
        }
        self.tokens.workers.cancel();
        let drained = timeout_at(deadline, drain(&mut self.workers)).await;
        let replayed = timeout_at(deadline, drain(&mut self.replays)).await;
        if drained.or(replayed).is_err() {
            tracing::warn!("deliveries in flight did not end in time: they may be repeated");
        }
        self.tokens.force.cancel();
        let forced = Instant::now() + FORCE_TIMEOUT;
        let _late = timeout_at(forced, drain(&mut self.ingest)).await;
        let _late = timeout_at(forced, drain(&mut self.workers)).await;
        let _late = timeout_at(forced, drain(&mut self.replays)).await;
        let synced = self.log.sync_cursors().await;
        self.tokens.admin.cancel();
        let _late = timeout_at(forced, drain(&mut self.admin)).await;
        self.ingest.shutdown().await;
        self.workers.shutdown().await;
        self.replays.shutdown().await;
        self.admin.shutdown().await;
        tracing::info!("stopped");
        synced.map_err(RunError::Cursors)
    }
}

/// Refreshes the sinks each time it is asked for. Reading their files may take long on a disk that
/// hangs, so it holds nothing up.
async fn refresh_on(asked: &Notify, sinks: &[AnySink]) -> Infallible {
    let (ask, _) = watch::channel(());
    // Each in a task of its own: one that hangs neither delays the others nor piles up.
    let mut refreshing = JoinSet::new();
    for sink in sinks {
        let (sink, mut asked) = (Arc::new(sink.clone()), ask.subscribe());
        refreshing.spawn(async move {
            while asked.changed().await.is_ok() {
                sink::refresh(&sink).await;
            }
        });
    }
    loop {
        asked.notified().await;
        tracing::info!("destinations open files anew and read secrets and certificates again");
        ask.send_replace(());
    }
}

async fn drain<T: 'static>(tasks: &mut JoinSet<T>) {
    while tasks.join_next().await.is_some() {}
}

async fn open_log(
    settings: &settings::Journal,
    metrics: &Arc<Metrics>,
) -> Result<LocalLog, RunError> {
    let options = journal_options(settings);
    let storage = metrics.storage.clone();
    let opened =
        tokio::task::spawn_blocking(move || Journal::open(options, Arc::new(DiskFiles), storage));
    let journal = opened
        .await
        .map_err(|error| RunError::Task(error.to_string()))??;
    Ok(LocalLog::new(journal))
}

/// The journal's options from its settings.
pub fn journal_options(settings: &settings::Journal) -> journal::Options {
    journal::Options {
        directory: settings.directory.clone(),
        max_size_bytes: settings.max_size_bytes,
        segment_bytes: settings.segment_bytes,
        reserve_bytes: settings.reserve_bytes,
        retain_delivered: settings.retain_delivered,
        resend_window: settings.resend_window,
        scrub_interval: settings.scrub_interval,
        allow_ephemeral: settings.allow_ephemeral,
    }
}

/// A destination's worker, the replay of its dead letters, and what people see of both. Registers
/// the destination once nothing of its own can fail: the journal keeps events for a registered one
/// until it is forgotten.
async fn make_worker(
    destination: &settings::Destination,
    sink: AnySink,
    settings: &Settings,
    log: &LocalLog,
    metrics: &Arc<Metrics>,
    tokens: &Tokens,
) -> Result<(Worker<LocalLog, AnySink>, Replay<AnySink>, DestinationView), RunError> {
    let start = match destination.start {
        settings::Start::Earliest => StartAt::Earliest,
        settings::Start::Latest => StartAt::Latest,
    };
    let sink = Arc::new(sink);
    let letters = &settings.dead_letters;
    let dead_letters = DeadLetterLog::open(
        &letters.directory,
        &destination.name,
        letters.max_size_bytes,
    )?;
    log.register(&destination.name, start)
        .await
        .map_err(RunError::Cursors)?;
    if let Some(max_bytes) = destination.max_backlog_bytes {
        log.limit_backlog(&destination.name, max_bytes);
    }
    let endpoint = destination.kind.endpoint();
    let plaintext = endpoint.is_some_and(|endpoint| endpoint.url.starts_with("http://"));
    let handles = metrics.destination(&destination.name, plaintext);
    handles.limit(destination.max_backlog_bytes);
    let dead_letters = dead_letters
        .with_reserve(letters.reserve_bytes)
        .with_metrics(handles.clone());
    let unverified = endpoint.is_some_and(|endpoint| endpoint.tls.skip_verify);
    handles.unverified.set(i64::from(unverified));
    let status = DestinationStatus::new(handles.clone());
    let controls = Controls::new();
    let renderer = Renderer::new(&settings.sources, destination.format, sink.shape())
        .with_original(destination.keep_original)
        .with_rules(&destination.rules);
    let replay_options = ReplayOptions {
        destination: destination.clone(),
        renderer: renderer.clone(),
        dead_letters: dead_letters.clone(),
        status: ReplayStatus::new(),
        metrics: handles.clone(),
        controls: controls.clone(),
        stop: tokens.workers.clone(),
        force: tokens.force.clone(),
    };
    let options = deliver::Options {
        destination: destination.clone(),
        renderer,
        dead_letters: dead_letters.clone(),
        status: status.clone(),
        metrics: handles,
        controls: controls.clone(),
        stop: tokens.workers.clone(),
        force: tokens.force.clone(),
    };
    let view = DestinationView {
        settings: destination.clone(),
        status,
        controls,
        letters: dead_letters,
        letters_bytes_max: letters.max_size_bytes,
        replay: replay_options.status.clone(),
    };
    let replay = Replay::new(Arc::clone(&sink), replay_options);
    let worker = Worker::start(Arc::new(log.clone()), sink, options).await?;
    Ok((worker, replay, view))
}
