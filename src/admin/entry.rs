//! One command's record: a line in the log and a count, exactly once, whatever becomes of it.
//!
//! A line names the peer, the command, the result and what it was about; never a token or a
//! header. Lines about refusals are bounded, since anybody can cause one; counts are complete.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Command;
use crate::listener::LogLimit;
use crate::telemetry::metrics::AdminMetrics;

/// A command between its head and its result.
pub(super) struct Entry {
    command: &'static str,
    peer: SocketAddr,
    metrics: AdminMetrics,
    lines: Arc<LogLimit>,
    finished: bool,
}

impl Entry {
    pub(super) fn begin(
        command: Command,
        peer: SocketAddr,
        metrics: AdminMetrics,
        lines: &Arc<LogLimit>,
    ) -> Self {
        Self {
            command: command.as_str(),
            peer,
            metrics,
            lines: Arc::clone(lines),
            finished: false,
        }
    }

    /// Ends with a command that was carried out; `what` says on what.
    pub(super) fn obeyed(mut self, result: &'static str, what: &str) {
        self.finished = true;
        let (command, peer) = (self.command, self.peer);
        self.metrics.command(command, result);
        tracing::warn!(command, %peer, result, what, "command carried out");
    }

    /// Ends with a refusal.
    pub(super) fn refuse(mut self, result: &'static str, reason: &str) {
        self.turned_down(result, reason);
    }

    fn turned_down(&mut self, result: &'static str, reason: &str) {
        self.finished = true;
        let (command, peer) = (self.command, self.peer);
        self.metrics.command(command, result);
        if let Some(suppressed) = self.lines.admit() {
            tracing::warn!(command, %peer, result, reason, suppressed, "command refused");
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        match (self.finished, std::thread::panicking()) {
            (true, _) => {}
            (false, true) => {
                self.turned_down("internal", "a fault of the relay, see the panic in the log");
            }
            (false, false) => {
                self.turned_down("aborted", "the client left, or the relay stopped");
            }
        }
    }
}
