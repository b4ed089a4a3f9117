//! Follows the log's tail, at its own pace: nobody waits for it, and it holds nothing back.
//!
//! It has no cursor, so segments go whether it has read them or not. Its place is kept in the
//! sketch's file, so that a restart goes on from what was learned, and each event counts once. It
//! rests after each pass; where it is too far behind, it goes on at the head. What lies between
//! is counted as missed, by the ordinals that the log gives its events.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Drift, file};
use crate::spool::{Head, Log, LogReader, Read, ReadEvent};

/// Events and payload bytes of one pass.
const PASS_EVENTS: usize = 100;
const PASS_BYTES: usize = 512 * 1024;
/// Rest after each pass.
const PAUSE: Duration = Duration::from_millis(100);
/// Events of one pass for a while after it went on at the head twice within that time: it cannot
/// see half of them anyway, and a relay under such load has better use for its time.
const SAMPLE_EVENTS: usize = 25;
const SAMPLE_TIME: Duration = Duration::from_secs(10);
/// Events that it may be behind before it goes on at the head.
const LAG_EVENTS_MAX: u64 = 10_000;
/// Positions before the head where it begins without a place of its own.
const START_POSITIONS: u64 = 10_000;
/// Between two saves of the sketch, while it changes.
const SAVE_INTERVAL: Duration = Duration::from_secs(30);

impl Drift {
    /// Follows the log until `stop`, and then keeps what it learned.
    pub async fn follow<L: Log>(self, log: L, stop: CancellationToken) {
        let mut head = log.head();
        let place = self.begin(*head.borrow());
        let mut reader = log.reader(place);
        let mut save_at = Instant::now() + SAVE_INTERVAL;
        let mut skipped_at: Option<Instant> = None;
        let mut sample_until = Instant::now();
        loop {
            let end = *head.borrow_and_update();
            if self.skip_to(end, LAG_EVENTS_MAX) {
                reader = log.reader(end.position);
                let now = Instant::now();
                if skipped_at.is_some_and(|at| now - at < SAMPLE_TIME) {
                    sample_until = now + SAMPLE_TIME;
                }
                skipped_at = Some(now);
            }
            let events_max = match Instant::now() < sample_until {
                true => SAMPLE_EVENTS,
                false => PASS_EVENTS,
            };
            match reader.read(events_max, PASS_BYTES).await {
                Ok(Read::Events(events)) if events.is_empty() => {
                    tokio::select! {
                        changed = head.changed() => if changed.is_err() { break },
                        () = sleep_until(save_at), if self.state().unsaved => {}
                        () = stop.cancelled() => break,
                    }
                }
                Ok(Read::Events(events)) => self.observe_all(events).await,
                Ok(Read::Lost(lost)) => self.pass(lost.through, lost.ordinal),
                Err(error) => {
                    // Destinations that need the place report it; here events are only missed.
                    tracing::debug!(%error, "events not looked at");
                    self.skip_to(end, 0);
                    reader = log.reader(end.position);
                }
            }
            if Instant::now() >= save_at {
                self.save().await;
                save_at = Instant::now() + SAVE_INTERVAL;
            }
            tokio::select! {
                () = sleep(PAUSE) => {}
                () = stop.cancelled() => break,
            }
        }
        self.save().await;
    }

    /// Where to begin. A place behind the head is one of another journal.
    pub(super) fn begin(&self, head: Head) -> u64 {
        let mut state = self.state();
        let sketch = &mut state.sketch;
        if sketch.ordinal.is_none() || sketch.position > head.position {
            sketch.position = head.position.saturating_sub(START_POSITIONS);
            sketch.ordinal = None;
        }
        sketch.position
    }

    /// Moves to the head if that is more than so many events away.
    fn skip_to(&self, head: Head, lag_max: u64) -> bool {
        let behind = {
            let state = self.state();
            let ordinal = state.sketch.ordinal.unwrap_or(head.events);
            head.events.saturating_sub(ordinal)
        };
        let skips = behind > lag_max;
        if skips {
            self.pass(head.position, head.events);
        }
        skips
    }

    /// Leaves out the events up to a place, and counts them.
    fn pass(&self, position: u64, ordinal: u64) {
        let mut state = self.state();
        let sketch = &mut state.sketch;
        let known = sketch.ordinal.unwrap_or(ordinal);
        let missed = ordinal.saturating_sub(known);
        sketch.missed = sketch.missed.saturating_add(missed);
        sketch.position = sketch.position.max(position);
        sketch.ordinal = Some(known.max(ordinal));
        state.unsaved = true;
        self.metrics.missed.inc_by(missed);
    }

    /// Off the runtime's threads, since taking large events apart takes its time.
    async fn observe_all(&self, events: Vec<ReadEvent>) {
        let drift = self.clone();
        let observed = spawn_blocking(move || {
            for read in events {
                // Those between the last one and this one are not there any more.
                drift.pass(read.event.position, read.ordinal.saturating_sub(1));
                drift.observe(&read.event);
                drift.state().sketch.ordinal = Some(read.ordinal);
            }
        });
        if let Err(error) = observed.await {
            tracing::error!(%error, "events not looked at");
        }
    }

    async fn save(&self) {
        let drift = self.clone();
        let saved = spawn_blocking(move || {
            let bytes = {
                let mut state = drift.state();
                if !std::mem::take(&mut state.unsaved) {
                    return;
                }
                file::encode(&state.sketch)
            };
            let saved = bytes.and_then(|bytes| file::save(&drift.directory, &bytes));
            match saved {
                Ok(()) => drift.metrics.saved.inc(),
                Err(error) => {
                    drift.state().unsaved = true;
                    drift.metrics.failed.inc();
                    tracing::warn!(%error, "the sketch of events is not saved");
                }
            }
        });
        if let Err(error) = saved.await {
            tracing::error!(%error, "the sketch of events is not saved");
        }
    }
}
