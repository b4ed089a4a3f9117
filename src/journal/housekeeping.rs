//! The keeper thread: syncs cursors soon after they moved, and lets go of what nobody needs.
//!
//! A cursor that moves wakes the thread, which syncs it at once, but not sooner than 10 ms after
//! the last time: under load one sync covers what else moves meanwhile. So a kill repeats at most
//! what was delivered in that time, and what was on its way. The durable head goes to the cursor
//! file once a second while it moves, which keeps the rule that tells a tear from damage sharp.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Health, Shared, retention};

/// Reason of the health state that a closing journal is in.
pub(super) const CLOSED: &str = "the journal is closed";

/// How often moved cursors are synced at most.
const CURSORS_EVERY: Duration = Duration::from_millis(10);
/// How often segments are looked at, and a moved head is stored.
const SEGMENTS_EVERY: Duration = Duration::from_secs(1);

/// The body of the thread; ends when the journal closes.
pub(super) fn run(shared: &Arc<Shared>) {
    let mut segments_at = Instant::now();
    let mut stored_head = *shared.head.borrow();
    let mut failing = false;
    let mut synced_at: Option<Instant> = None;
    while !is_closed(shared) {
        std::thread::park_timeout(SEGMENTS_EVERY);
        if let Some(at) = synced_at.filter(|_| shared.cursors().dirty) {
            std::thread::sleep(CURSORS_EVERY.saturating_sub(at.elapsed()));
        }
        let second_passed = segments_at.elapsed() >= SEGMENTS_EVERY;
        let head = *shared.head.borrow();
        let due = shared.cursors().dirty || (second_passed && head != stored_head);
        if due {
            synced_at = Some(Instant::now());
            match shared.sync_cursors() {
                Ok(()) => {
                    stored_head = head;
                    if std::mem::take(&mut failing) {
                        tracing::info!("cursors are stored again");
                    }
                }
                Err(error) if !failing => {
                    failing = true;
                    tracing::error!(%error, "cursors not stored: a restart repeats deliveries");
                }
                // Said once; the counter goes on.
                Err(_) => {}
            }
        }
        if second_passed {
            segments_at = Instant::now();
            retention::run(shared, retention::Pressure::None);
        }
    }
}

/// Whether the journal was dropped.
pub(super) fn is_closed(shared: &Shared) -> bool {
    matches!(&*shared.health.borrow(), Health::Poisoned(reason) if reason == CLOSED)
}
