//! Open files: the limit is raised to what the settings may need, and connections get what others
//! leave.
//!
//! Anybody who reaches the listener can open connections. If these took the last descriptor, the
//! journal could not begin a segment, which poisons it until a restart. So everything that
//! is not a connection is reckoned first. Knows what the stages open, but none of them.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::settings::{Destination, Kind, Settings};
use crate::sink::file::FILES_OPEN_MAX;

/// Runtime, signals, logs, listeners, lock, cursors, spare, and files that are open for a moment.
const PROCESS_FILES: u64 = 51;
/// The connections of the admin listener.
const ADMIN_FILES: u64 = 64;
/// Connections over the limit that are being told so; 64 of each listener.
const TURNED_AWAY_FILES: u64 = 128;
/// Per destination: a connection that ends, or its file and lock; its dead letters; what is being
/// read.
const DESTINATION_FILES: u64 = 8;
/// Segments beyond `journal.max_size`: the one that is written and the one that is prepared.
const SEGMENTS_BEYOND: u64 = 2;
/// The part of the limit that connections get where the others could need all of it.
const CONNECTIONS_SHARE: u64 = 8;

/// Raises the process's limit as far as it is needed and allowed, and lowers
/// `server.max_connections` where that is not enough, with a warning.
pub(super) fn fit(settings: &mut Settings, warnings: &mut Vec<String>) {
    let others = others(settings);
    let connections = u64::try_from(settings.server.max_connections).unwrap_or(u64::MAX);
    let needed = others.saturating_add(connections);
    let limit = raise(needed);
    let room = room(limit, others);
    if connections > room {
        settings.server.max_connections = usize::try_from(room).unwrap_or(usize::MAX);
        warnings.push(format!(
            "the process may open {limit} files but may need {needed}: server.max_connections is \
             {room} instead of {connections}; raise the limit (LimitNOFILE, ulimit -n)"
        ));
    }
}

/// Files that may be open beside the connections of vendors. The journal keeps its segments open.
fn others(settings: &Settings) -> u64 {
    let segments = settings.journal.max_size_bytes / settings.journal.segment_bytes.max(1);
    // Beside the batches on their way there may be as many connections that are idle.
    let batches = settings
        .destinations
        .iter()
        .map(|d| 2 * d.pace.max_in_flight);
    let batches = u64::try_from(batches.sum::<usize>()).unwrap_or(u64::MAX);
    let destinations = u64::try_from(settings.destinations.len()).unwrap_or(u64::MAX);
    // Each with its lock.
    let following = settings.destinations.iter().filter(|d| follows(d)).count();
    let following = u64::try_from(following * FILES_OPEN_MAX * 2).unwrap_or(u64::MAX);
    (PROCESS_FILES + ADMIN_FILES + TURNED_AWAY_FILES + SEGMENTS_BEYOND)
        .saturating_add(segments)
        .saturating_add(destinations.saturating_mul(DESTINATION_FILES))
        .saturating_add(batches)
        .saturating_add(following)
}

/// Whether it writes to several files.
fn follows(destination: &Destination) -> bool {
    matches!(&destination.kind, Kind::File(file) if file.names.is_some())
}

/// Connections that a limit leaves room for; never none, since the relay is there to take events.
fn room(limit: u64, others: u64) -> u64 {
    let share = (limit / CONNECTIONS_SHARE).max(1);
    limit.saturating_sub(others).max(share)
}

/// The limit afterwards. Where it cannot be raised, the present one is reckoned with.
fn raise(needed: u64) -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let present = limit.current.unwrap_or(u64::MAX);
    let possible = needed.min(limit.maximum.unwrap_or(u64::MAX));
    if present >= possible {
        return present;
    }
    limit.current = Some(possible);
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => possible,
        Err(_) => present,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_get_what_the_others_leave_and_at_least_their_share() {
        assert_eq!(room(65_536, 300), 65_236);
        assert_eq!(room(1024, 300), 724);
        assert_eq!(room(1024, 1000), 128);
        assert_eq!(room(64, u64::MAX), 8);
        assert_eq!(room(1, 300), 1);
    }

    #[test]
    fn the_limit_is_raised_when_more_is_needed_and_never_lowered() {
        let before = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert_eq!(raise(1), before);
        assert!(raise(before.saturating_add(1)) >= before);
    }
}
