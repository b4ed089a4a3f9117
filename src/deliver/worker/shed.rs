//! Following the log where it gave up events that the destination had not taken.
//!
//! The log moves the stored cursor and counts; here what the worker still held of these events is
//! dropped, and what it settled meanwhile is counted as what it became. Knows no limits.

use tokio::sync::watch;

use super::{Worker, WorkerError};
use crate::sink::Sink;
use crate::spool::{Log, Shed};

impl<L: Log, S: Sink> Worker<L, S> {
    /// Takes over the stored cursor if the log moved it; false if it did not.
    pub(super) async fn follow_log(&mut self) -> Result<bool, WorkerError> {
        // Refused events that are not yet kept would be lost twice over, at the destination and
        // here: they are kept now, if that is possible at all.
        let _held = self.save_dead_letters().await;
        // Marked as seen before the cursor is loaded: what comes later is noticed later.
        self.sheds.mark_unchanged();
        let loaded = self.log.load_cursor(&self.name).await;
        let cursor = loaded.map_err(|source| self.failed(source))?;
        let followed = self.window.follow(&cursor);
        // Also where nothing moved: whoever saw the change let go of what was just read.
        self.reader = self.log.reader(self.window.read_to());
        self.again = None;
        let Some(discarded) = followed else {
            return Ok(false);
        };
        let low_water = cursor.low_water;
        self.outbox.drop_through(low_water);
        self.parked.drop_through(low_water);
        self.awaited.drop_through(low_water);
        self.suspects.drop_through(low_water);
        self.aside.retain(|item| item.position() > low_water);
        self.unsaved
            .retain(|(letter, _)| letter.event.position > low_water);
        self.metrics.discard("shed", discarded);
        let destination = &self.name;
        tracing::info!(
            destination,
            discarded,
            low_water,
            "goes on behind events given up"
        );
        self.show();
        Ok(true)
    }
}

/// Waits until the log gives up events; for ever where it never does.
pub(super) async fn shed(sheds: &mut watch::Receiver<Option<Shed>>) {
    if sheds.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
