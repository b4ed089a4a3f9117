//! Which segments may go, and letting them go.
//!
//! A segment goes when every cursor passed it, no key in the resend window can be in it, and the
//! time for replay is over; the last two give way when space is short. The one being written
//! never goes. A journal without cursors keeps everything for the time for replay. Cursors that
//! may be moved past a segment are [`shedding`]'s matter.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::segment::{Segment, now_ms};
use super::{Shared, shedding, spare};

/// Whether space is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pressure {
    /// It is not.
    None,
    /// It is: what is only kept for replay goes, and if there is nothing such, one segment of what
    /// optional destinations have not taken.
    SpaceShort,
}

/// While this is held no segment goes: for who adds a cursor, or may have to put one back.
pub(super) fn pause(shared: &Shared) -> MutexGuard<'_, ()> {
    shared
        .removal
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// Unlinks what may go; whether anything went.
pub(super) fn run(shared: &Arc<Shared>, pressure: Pressure) -> bool {
    let _one = pause(shared);
    let mut count = removable(shared, pressure);
    let mut moved = false;
    if count == 0 || pressure == Pressure::None {
        // Nothing is given up for space as long as there is something that nobody needs.
        moved = shedding::shed(shared, pressure);
        count = removable(shared, pressure);
    }
    if count == 0 && !moved {
        return false;
    }
    // The cursors that passed these segments are durable before the segments go: otherwise a
    // power cut could bring back a cursor that still needs them. Moved ones are stored also where
    // nothing goes yet, since people were told.
    if let Err(error) = shared.sync_cursors() {
        tracing::warn!(%error, "segments kept: the cursors that passed them cannot be stored");
        return false;
    }
    unlink(shared, count) > 0
}

/// Gives the oldest segment the spare's name, if it may go, which saves filling one with zeros.
/// There is no spare at the moment that anybody has, and nobody else makes one.
///
/// The new name is not durable yet. While what is returned is held, no other segment goes: a power
/// cut that brings the old name back must not find a hole behind it.
///
/// What the file holds is no record of the segment that it becomes: that one has another salt.
pub(super) fn recycle(shared: &Arc<Shared>, pressure: Pressure) -> Option<MutexGuard<'_, ()>> {
    let one = pause(shared);
    if removable(shared, pressure) == 0 {
        // As in `run`: nothing is given up as long as there is something that nobody needs.
        let short = pressure == Pressure::SpaceShort;
        if !short || !shedding::shed(shared, pressure) {
            return None;
        }
    }
    // As before an unlink, cursors are durable first. Who then unlinks instead says what failed.
    if shared.sync_cursors().is_err() || removable(shared, pressure) == 0 {
        return None;
    }
    rename_oldest(shared).then_some(one)
}

/// Takes the oldest segment from the list and gives its file the spare's name; whether it did. The
/// caller lets no other segment go, nor a cursor be added.
fn rename_oldest(shared: &Shared) -> bool {
    let Some(oldest) = take_oldest(shared) else {
        return false;
    };
    // With no lock that anybody waits for: the disk may take long.
    let spare = shared.directory.join(spare::FILE_NAME);
    let file = oldest.name();
    if let Err(error) = shared.files.rename(&oldest.path, &spare) {
        shared.segments().insert(0, oldest);
        shared.metrics.error("remove");
        tracing::warn!(%error, file, "segment not made the next one");
        return false;
    }
    tracing::debug!(file, "segment becomes the spare");
    true
}

/// Takes the oldest segment from the list, if another one may be written into its file.
fn take_oldest(shared: &Shared) -> Option<Segment> {
    let (damage, skips) = (shared.damage(), shared.skips());
    let mut segments = shared.segments();
    let [oldest, next, ..] = segments.as_mut_slice() else {
        return None;
    };
    let file = oldest.name();
    // Where the disk lost something once, filling shows whether it takes what is written.
    let damaged = oldest.header.is_none()
        || damage.iter().any(|damage| damage.file == file)
        || skips.iter().any(|skip| skip.after < next.base);
    // Who reads it just now would take what is written next for what was there. Nobody begins to:
    // readers take a file from the list, which is locked.
    let read = Arc::get_mut(&mut oldest.file).is_none();
    let usable = !damaged && !read && oldest.file_bytes == shared.options.segment_bytes;
    usable.then(|| segments.remove(0))
}

/// Unlinks the oldest segments, which every stored cursor passed; how many went.
///
/// Each is gone for sure before the next is touched: otherwise a power cut could leave a hole
/// between those that are left, and that looks like damage.
fn unlink(shared: &Shared, count: usize) -> usize {
    for gone in 0..count {
        let Some(segment) = shared.segments().first().cloned() else {
            return gone;
        };
        let file = segment.name();
        if let Err(error) = shared.files.remove(&segment.path) {
            shared.metrics.error("remove");
            tracing::warn!(%error, file, "segment not removed; it is tried again");
            return gone;
        }
        shared.segments().remove(0);
        tracing::debug!(file, "segment removed");
        if let Err(error) = shared.files.sync_directory(&shared.directory) {
            // A name that comes back after a power cut holds only what every cursor passed.
            shared.metrics.error("remove");
            tracing::warn!(%error, "directory not synced after removing a segment");
            return gone + 1;
        }
    }
    count
}

/// Index of the first segment that a reader behind `low_water` needs.
pub(super) fn first_needed(segments: &[Segment], low_water: u64) -> usize {
    let passed = |pair: &[Segment]| match pair {
        // All positions below the next segment's base are settled.
        [_, next] => low_water + 1 >= next.base,
        _ => false,
    };
    segments.windows(2).take_while(|pair| passed(pair)).count()
}

/// Who keeps the journal from shrinking, in words.
pub(super) fn blocker(shared: &Shared) -> String {
    let limits = shared.shedding.limits();
    let table = shared.cursors();
    // One that may shed gives way as soon as those that may not have passed.
    let slowest = table
        .cursors
        .iter()
        .min_by_key(|(name, cursor)| (limits.contains_key(*name), cursor.low_water));
    slowest.map_or_else(
        || "no destination is registered, so nothing may go".to_owned(),
        |(name, cursor)| {
            format!(
                "destination {name} has taken all up to position {} only; repair it, remove it \
                 or raise journal.max_size",
                cursor.low_water
            )
        },
    )
}

fn removable(shared: &Shared, pressure: Pressure) -> usize {
    let low_water = {
        let table = shared.cursors();
        table.cursors.values().map(|cursor| cursor.low_water).min()
    };
    let head = *shared.head.borrow();
    let segments = shared.segments();
    let passed = low_water.map_or(segments.len().saturating_sub(1), |low_water| {
        first_needed(&segments, low_water)
    });
    if pressure == Pressure::SpaceShort {
        // Without a cursor nothing was delivered: space does not make it go.
        return if low_water.is_some() { passed } else { 0 };
    }
    let keep_ms = u64::try_from(shared.options.retain_delivered.as_millis()).unwrap_or(u64::MAX);
    let oldest_kept_ms = now_ms().saturating_sub(keep_ms);
    let window = shared.options.resend_window as u64;
    let expired = |next: &Segment| {
        // A segment's events are older than the next segment, and all counted in its header.
        next.header.is_some_and(|header| {
            header.created_ms < oldest_kept_ms && header.events_before + window <= head.events
        })
    };
    segments
        .iter()
        .skip(1)
        .take(passed)
        .take_while(|next| expired(next))
        .count()
}
