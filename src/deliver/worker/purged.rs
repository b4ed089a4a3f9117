//! Moving purged dead letters in the totals: from dead-lettered to discarded, exactly once.
//!
//! The log of letters notes what is about to be moved, from totals that are on disk, and notes it
//! again once the moved ones are. A kill in between is made up for by the next run, which compares
//! the totals with the first note.

use super::{Worker, WorkerError};
use crate::dead_letters::{DeadLetterError, DeadLetterLog};
use crate::sink::Sink;
use crate::spool::Log;

impl<L: Log, S: Sink> Worker<L, S> {
    /// Takes purged letters into account, where there are any. What fails is tried again with
    /// the next store.
    pub(super) async fn count_purged(&mut self) -> Result<(), WorkerError> {
        // What is settled and not stored is counted with the next store: the note is about totals
        // that are on disk.
        if !self.dead_letters.has_uncounted() || self.window.moved().is_some() {
            return Ok(());
        }
        let destination = self.name.clone();
        // First what was settled before.
        if let Err(error) = self.log.sync_cursors().await {
            tracing::warn!(destination, %error, "purged dead letters not counted yet");
            return Ok(());
        }
        let dead_lettered = self.window.totals().dead_lettered;
        let begun = in_pool(&self.dead_letters, move |log| {
            log.begin_count(dead_lettered)
        });
        match begun.await {
            Ok(events) => {
                self.window.purged(events);
                self.metrics.discard("purged", events);
                self.store_window().await?;
                if self.window.moved().is_some() {
                    // The log moved the cursor meanwhile; the count is ended when it is followed.
                    return Ok(());
                }
            }
            Err(error) => {
                tracing::warn!(destination, error, "purged dead letters not counted yet");
                return Ok(());
            }
        }
        if let Err(error) = self.log.sync_cursors().await {
            tracing::warn!(destination, %error, "purged dead letters not counted yet");
            return Ok(());
        }
        if let Err(error) = in_pool(&self.dead_letters, DeadLetterLog::end_count).await {
            tracing::warn!(
                destination,
                error,
                "purged dead letters counted, and not noted so"
            );
        }
        Ok(())
    }
}

async fn in_pool<T: Send + 'static>(
    log: &DeadLetterLog,
    work: impl FnOnce(&DeadLetterLog) -> Result<T, DeadLetterError> + Send + 'static,
) -> Result<T, String> {
    let log = log.clone();
    match tokio::task::spawn_blocking(move || work(&log)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
