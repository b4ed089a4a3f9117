//! `siem-relay run`: sets up logs and signals, then runs the app.

use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::{CONFIG_INVALID, Failure, RUNTIME_FAILED, load, open_files};
use crate::app::{self, Signals};
use crate::config::Loaded;
use crate::telemetry::{logs, metrics::Metrics};

/// Most threads that run requests and deliveries, one a core; the journal has its own. One
/// request's work is a few microseconds.
const WORKER_THREADS_MAX: usize = 4;
/// Threads for file operations of destinations and readers.
const BLOCKING_THREADS_MAX: usize = 40;
/// Time that file operations may take after everything else has stopped.
const FILES_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs until a signal asks to stop, or a stage fails.
pub(super) fn run(file: &Path) -> Result<(), Failure> {
    let Loaded {
        mut settings,
        mut warnings,
    } = load(file)?;
    open_files::fit(&mut settings, &mut warnings);
    let metrics = Metrics::new().map_err(|error| Failure::new(RUNTIME_FAILED, error))?;
    logs::init(settings.log.json, &settings.log.level, &metrics)
        .map_err(|error| Failure::new(CONFIG_INVALID, error))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(WORKER_THREADS_MAX))
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(RUNTIME_FAILED, error))?;
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, config = %file.display(), "relay starts");
    let ended = runtime.block_on(async {
        let signals = Signals::default();
        watch_signals(signals.clone()).map_err(|error| Failure::new(RUNTIME_FAILED, error))?;
        app::run(settings, warnings, metrics, signals)
            .await
            .map_err(|error| {
                tracing::error!(%error, "relay failed");
                Failure::new(error.exit_code(), error)
            })
    });
    // Dropping the runtime would wait for a file operation that never ends, deaf to signals.
    runtime.shutdown_timeout(FILES_TIMEOUT);
    ended
}

/// The first SIGTERM or SIGINT stops gracefully; a second one ends the process at once. SIGHUP has
/// files and secrets opened and read anew, and never ends it.
fn watch_signals(signals: Signals) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                _ = hangup.recv() => {
                    tracing::info!(signal = "SIGHUP", "refresh asked for");
                    signals.refresh.notify_one();
                    continue;
                }
            };
            if signals.stop.is_cancelled() {
                tracing::warn!(signal = name, "second signal: ending at once");
                std::process::exit(i32::from(RUNTIME_FAILED));
            }
            tracing::info!(signal = name, "stop asked for");
            signals.stop.cancel();
        }
    });
    Ok(())
}
