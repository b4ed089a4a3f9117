//! The groups that were synced last, in memory: what readers at the tail read.
//!
//! Groups are written past the page cache, so what was just written would have to come from the
//! disk. It comes from here for as long as it is among the last few megabytes, and only while
//! there are readers. What is kept was synced before: nobody reads here what is not durable.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::buffer::{CAPACITY_MIN, GroupBuffer};

/// Bytes of memory kept: some 40 ms at 200 MB/s, in which a reader that keeps up comes by.
const KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Memory for a group that is so many times its bytes is too much to keep.
const SPACIOUS: usize = 4;

/// The last groups, oldest first.
#[derive(Default)]
pub(super) struct Recent {
    groups: Mutex<Groups>,
    /// Readers that there are; without any, nothing is kept.
    readers: AtomicUsize,
}

#[derive(Default)]
struct Groups {
    kept: VecDeque<Kept>,
    /// Memory of them all.
    bytes: usize,
}

/// A group that somebody reads.
struct Piece(Arc<GroupBuffer>);

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

/// A group in its segment.
struct Kept {
    /// The segment.
    base: u64,
    /// Where in the file its first page begins.
    at: u64,
    group: Arc<GroupBuffer>,
}

impl Recent {
    pub(super) fn add_reader(&self) {
        self.readers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_reader(&self) {
        self.readers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Keeps a group that is durable, where anybody reads; `at` is where in segment `base` it
    /// begins. Leaves a buffer for the group behind it.
    pub(super) fn keep(&self, base: u64, at: u64, buffer: &mut GroupBuffer) {
        let limit = match self.readers.load(Ordering::Relaxed) {
            0 => 0,
            _ => KEPT_BYTES_MAX,
        };
        let mut groups = self.groups();
        let mut next: Option<GroupBuffer> = None;
        // After a burst of large groups the memory is too large for what is in it now: a copy of
        // its own size is kept, or a few small groups would push all others out.
        let fits = SPACIOUS * buffer.bytes().len().max(CAPACITY_MIN);
        let copied = limit > 0 && buffer.capacity() > fits;
        let mut copy = GroupBuffer::default();
        if copied {
            let bytes = buffer.bytes();
            copy.room_for(bytes.len()).extend_from_slice(bytes);
        }
        let wanted = match copied {
            true => copy.capacity(),
            false => buffer.capacity(),
        };
        while groups.bytes + wanted > limit
            && let Some(oldest) = groups.kept.pop_front()
        {
            groups.bytes -= oldest.group.capacity();
            // One that is being read goes when its reader is done with it.
            let memory = Arc::into_inner(oldest.group);
            next = memory.filter(|memory| memory.capacity() <= fits).or(next);
        }
        if wanted > limit {
            buffer.go_on();
            return;
        }
        let group = if copied {
            buffer.go_on();
            Arc::new(copy)
        } else {
            let mut next = next.unwrap_or_default();
            next.begin(buffer.last_page());
            Arc::new(std::mem::replace(buffer, next))
        };
        groups.bytes += wanted;
        groups.kept.push_back(Kept { base, at, group });
    }

    /// What a segment has from a place on (its base, and the offset), up to `end`: a piece of
    /// each group that begins within the next `wanted` bytes, one behind the other. Nothing where
    /// the first byte is not kept. A piece keeps its group in memory.
    pub(super) fn read(&self, (base, offset): (u64, u64), end: u64, wanted: usize) -> Vec<Bytes> {
        let until = end.min(offset.saturating_add(wanted as u64));
        let groups = self.groups();
        let first = groups.kept.partition_point(|kept| {
            (kept.base, kept.at + kept.group.bytes().len() as u64) <= (base, offset)
        });
        let mut offset = offset;
        let mut pieces = Vec::new();
        for kept in groups.kept.iter().skip(first) {
            // A group that was too large to be kept leaves a gap.
            if kept.base != base || offset < kept.at || offset >= until {
                break;
            }
            let piece = Bytes::from_owner(Piece(Arc::clone(&kept.group)));
            let at = |offset: u64| usize::try_from(offset - kept.at).unwrap_or(usize::MAX);
            let piece = piece.slice(at(offset).min(piece.len())..at(end).min(piece.len()));
            offset += piece.len() as u64;
            pieces.push(piece);
        }
        pieces
    }

    fn groups(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps groups of so many bytes in segment 1, each filled with its number.
    fn filled(recent: &Recent, sizes: &[usize]) -> (GroupBuffer, Vec<u8>) {
        let (mut buffer, mut file) = (GroupBuffer::default(), Vec::new());
        for (number, size) in sizes.iter().enumerate() {
            let records = vec![u8::try_from(number % 251).unwrap(); *size];
            buffer.room_for(*size).extend_from_slice(&records);
            let at = file.len() - buffer.durable();
            file.extend_from_slice(&records);
            recent.keep(1, at as u64, &mut buffer);
        }
        (buffer, file)
    }

    /// What is kept of a segment from an offset on, where anything is.
    fn read(recent: &Recent, base: u64, offset: u64, wanted: usize) -> Option<Vec<u8>> {
        let pieces = recent.read((base, offset), u64::MAX, wanted);
        (!pieces.is_empty()).then(|| pieces.concat())
    }

    #[test]
    fn what_is_read_is_what_stands_in_the_file_across_groups_of_any_size() {
        let recent = Recent::default();
        recent.add_reader();
        let (_, file) = filled(&recent, &[100, 5000, 1, 8191, 4096, 30_000, 7]);
        for offset in (0..file.len()).step_by(61) {
            for wanted in [1, 100, 4096, 1 << 20] {
                let read = read(&recent, 1, offset as u64, wanted).unwrap();
                let end = offset + read.len();
                assert!(read == file[offset..end], "{offset} {wanted}");
                assert!(end >= file.len().min(offset + wanted), "{offset} {wanted}");
            }
            for end in [offset, offset + 1, offset + 5000] {
                let pieces = recent.read((1, offset as u64), end as u64, 1 << 20);
                let end = end.min(file.len());
                assert!(pieces.concat() == file[offset..end], "{offset} {end}");
            }
        }
        assert_eq!(read(&recent, 1, file.len() as u64, 1), None);
        assert_eq!(read(&recent, 2, 0, 1), None);
        assert_eq!(read(&recent, 0, 0, 1), None);
    }

    #[test]
    fn memory_is_bounded_and_used_again_and_the_latest_groups_stay() {
        let recent = Recent::default();
        recent.add_reader();
        let (_, file) = filled(&recent, &[10_000; 2000]);
        let groups = recent.groups();
        assert!(groups.bytes <= KEPT_BYTES_MAX && groups.bytes > KEPT_BYTES_MAX / 2);
        let kept = groups.kept.len();
        assert_eq!(
            groups.bytes,
            groups
                .kept
                .iter()
                .map(|k| k.group.capacity())
                .sum::<usize>()
        );
        drop(groups);
        let latest = file.len() - 10_000 * (kept - 1);
        assert!(read(&recent, 1, latest as u64, 1 << 30).unwrap() == file[latest..]);
        assert_eq!(read(&recent, 1, 0, 1), None);
    }

    #[test]
    fn small_groups_after_a_burst_of_large_ones_are_kept_as_before() {
        let sizes = |large: usize| [vec![1_000_000; large], vec![6_000; 2000]].concat();
        let kept = |sizes: &[usize]| {
            let recent = Recent::default();
            recent.add_reader();
            let (_, file) = filled(&recent, sizes);
            let count = recent.groups().kept.len();
            let latest = file.len() - 6_000 * (count - 1);
            assert!(read(&recent, 1, latest as u64, 1 << 30).unwrap() == file[latest..]);
            count
        };
        let (after, without) = (kept(&sizes(12)), kept(&sizes(0)));
        assert!(
            after * 10 > without * 9,
            "{after} groups, {without} without the burst"
        );
    }

    #[test]
    fn a_group_that_is_not_kept_ends_what_is_read() {
        let recent = Recent::default();
        recent.add_reader();
        let (mut buffer, file) = filled(&recent, &[100, 9000]);
        buffer.room_for(50_000).resize(90_000, 1);
        buffer.go_on();
        recent.keep(1, 200_000, &mut buffer);
        assert_eq!(read(&recent, 1, 0, 1 << 20).unwrap(), file);
        assert_eq!(read(&recent, 1, 9100, 1 << 20), None);
    }

    #[test]
    fn without_readers_nothing_is_kept() {
        let recent = Recent::default();
        let (buffer, file) = filled(&recent, &[100, 5000]);
        assert_eq!(read(&recent, 1, 0, 1), None);
        assert_eq!(buffer.bytes(), &file[4096..]);
        recent.add_reader();
        filled(&recent, &[100]);
        assert!(read(&recent, 1, 0, 1).is_some());
        recent.remove_reader();
        filled(&recent, &[100]);
        assert_eq!(read(&recent, 1, 0, 1), None);
    }
}
