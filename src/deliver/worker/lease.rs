//! Losing the right to a destination to another worker, and getting it back.

use super::state::State;
use super::{Worker, WorkerError};
use crate::deliver::awaited::Awaited;
use crate::deliver::outbox::Outbox;
use crate::deliver::parked::Parked;
use crate::deliver::suspects::Suspects;
use crate::deliver::window::Window;
use crate::sink::Sink;
use crate::spool::Log;

impl<L: Log, S: Sink> Worker<L, S> {
    /// Begins anew, as another worker did meanwhile: what is on its way may go twice, and nothing
    /// that this one knows counts any more.
    pub(super) async fn take_over(&mut self) -> Result<(), WorkerError> {
        let destination = &self.name;
        tracing::warn!(
            destination,
            "another worker has taken over; waiting for its end"
        );
        self.flights.shutdown().await;
        self.flying.clear();
        self.asking.shutdown().await;
        let lease = tokio::select! {
            lease = self.log.lease(&self.name) => lease,
            () = self.stop.cancelled() => {
                // Nothing that this one knows may be stored any more.
                let cursor = self.log.load_cursor(&self.name).await;
                self.window = Window::new(cursor.map_err(|source| self.failed(source))?);
                self.forget();
                self.asked_last = true;
                self.enter(State::Stopping);
                return Ok(());
            }
        };
        self.lease = lease.map_err(|source| self.failed(source))?;
        self.sheds = self.log.sheds(&self.name);
        let cursor = self.log.load_cursor(&self.name).await;
        let cursor = cursor.map_err(|source| self.failed(source))?;
        self.reader = self.log.reader(cursor.low_water);
        self.window = Window::new(cursor);
        self.forget();
        self.enter(State::Delivering);
        Ok(())
    }

    /// Lets go of all that was read.
    fn forget(&mut self) {
        self.outbox = Outbox::new(self.destination.batch);
        self.again = None;
        self.parked = Parked::default();
        self.awaited = Awaited::default();
        self.unsure = None;
        self.suspects = Suspects::default();
        self.aside.clear();
        self.unsaved.clear();
        self.refusing = false;
    }
}
