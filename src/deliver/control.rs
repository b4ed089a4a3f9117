//! What a person may want of a running worker: to pause, to go on, to try at once.
//!
//! Wishes are a state and not a queue: the worker sees the last one. They end with the process;
//! a restart delivers.

use std::sync::Arc;

use tokio::sync::watch;

/// Reaches one destination's worker. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Controls(Arc<watch::Sender<Wanted>>);

/// What is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) paused: bool,
    /// Grows with each wish to try at once.
    pub(super) tries: u64,
}

impl Controls {
    /// Nothing is wanted yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::channel(Wanted::default()).0))
    }

    /// Sends nothing more; what is on its way is settled.
    pub fn pause(&self) {
        self.0.send_modify(|wanted| wanted.paused = true);
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.0.send_modify(|wanted| wanted.paused = false);
    }

    /// Ends waits: a destination that backs off, is held or holds a partition is tried at once.
    pub fn try_now(&self) {
        self.0.send_modify(|wanted| wanted.tries += 1);
    }

    pub(super) fn wanted(&self) -> watch::Receiver<Wanted> {
        self.0.subscribe()
    }
}

impl Default for Controls {
    fn default() -> Self {
        Self::new()
    }
}
