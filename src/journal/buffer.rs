//! The memory of one group: its records as they will stand in the file, ready to be written past
//! the page cache.
//!
//! Such a write begins and ends at a page, in memory as in the file. So a group that begins within
//! a page has what is durable of that page in front of it, and writes it once more as it is: on
//! disk a sector of it is either rewritten with the same bytes or left alone. The page cache would
//! do the same. It knows nothing of records and files.

use super::files::DIRECT_ALIGNMENT;

/// Memory taken at first; more as groups need it.
pub(super) const CAPACITY_MIN: usize = 32 * 1024;

/// Bytes of a file from the beginning of a page on.
#[derive(Debug, Default)]
pub(super) struct GroupBuffer {
    memory: Vec<u8>,
    /// Where in `memory` the first page begins; what is before it only aligns it.
    start: usize,
    /// How many bytes from `start` on were durable before this group.
    durable: usize,
}

impl GroupBuffer {
    /// Forgets what was held, and begins a group behind these bytes of its first page.
    pub(super) fn begin(&mut self, durable: &[u8]) {
        self.memory.truncate(self.start);
        self.reserve(durable.len());
        self.memory.extend_from_slice(durable);
        self.durable = durable.len();
    }

    /// Begins the group behind the present one, which is durable.
    pub(super) fn go_on(&mut self) {
        let (end, page) = (self.memory.len(), self.last_page().len());
        self.memory.copy_within(end - page.., self.start);
        self.durable = page;
        self.clear();
    }

    /// Forgets the group's records.
    pub(super) fn clear(&mut self) {
        self.memory.truncate(self.start + self.durable);
    }

    /// Bytes of the group's records.
    pub(super) fn len(&self) -> usize {
        self.memory.len() - self.start - self.durable
    }

    /// How many bytes of the first page were durable before.
    pub(super) fn durable(&self) -> usize {
        self.durable
    }

    /// Bytes of memory taken.
    pub(super) fn capacity(&self) -> usize {
        self.memory.capacity()
    }

    /// All bytes, those that were durable before included.
    pub(super) fn bytes(&self) -> &[u8] {
        self.memory.get(self.start..).unwrap_or_default()
    }

    /// The bytes in the last page, if that is not full.
    pub(super) fn last_page(&self) -> &[u8] {
        let bytes = self.bytes();
        let full = bytes.len() - bytes.len() % DIRECT_ALIGNMENT;
        bytes.get(full..).unwrap_or_default()
    }

    /// Where so many bytes of records may be appended.
    pub(super) fn room_for(&mut self, bytes: usize) -> &mut Vec<u8> {
        self.reserve(bytes);
        &mut self.memory
    }

    /// Zeros behind the records up to the end of the page, but not beyond so many bytes in all.
    pub(super) fn pad(&mut self, bytes_max: usize) {
        let length = self.bytes().len();
        let padded = length.next_multiple_of(DIRECT_ALIGNMENT).min(bytes_max);
        self.memory.resize(self.start + padded.max(length), 0);
    }

    /// Takes away what is behind so many bytes of records.
    pub(super) fn truncate(&mut self, length: usize) {
        self.memory.truncate(self.start + self.durable + length);
    }

    /// Makes room for more bytes and a padding, aligned.
    fn reserve(&mut self, bytes: usize) {
        let needed = self.bytes().len() + bytes + DIRECT_ALIGNMENT;
        if self.start + needed <= self.memory.capacity() {
            return;
        }
        let mut capacity = needed.max(CAPACITY_MIN);
        if !self.memory.is_empty() {
            capacity = capacity.max(2 * self.memory.capacity());
        }
        let mut memory: Vec<u8> = Vec::with_capacity(capacity + DIRECT_ALIGNMENT);
        let start = memory.as_ptr().align_offset(DIRECT_ALIGNMENT);
        // Where that cannot be told, writes go through the page cache.
        let start = start.min(DIRECT_ALIGNMENT);
        memory.resize(start, 0);
        memory.extend_from_slice(self.bytes());
        self.memory = memory;
        self.start = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = DIRECT_ALIGNMENT;

    fn append(buffer: &mut GroupBuffer, bytes: &[u8]) {
        buffer.room_for(bytes.len()).extend_from_slice(bytes);
    }

    fn is_aligned(buffer: &GroupBuffer) -> bool {
        buffer.bytes().as_ptr().align_offset(PAGE) == 0
    }

    #[test]
    fn it_begins_with_its_page_and_stays_aligned_however_it_grows() {
        let mut buffer = GroupBuffer::default();
        buffer.begin(b"old");
        let mut expected = b"old".to_vec();
        for number in 0..200 {
            let bytes = vec![number; 997];
            append(&mut buffer, &bytes);
            expected.extend_from_slice(&bytes);
            assert!(is_aligned(&buffer), "{number}");
        }
        assert_eq!(buffer.bytes(), expected);
        assert_eq!((buffer.durable(), buffer.len()), (3, 200 * 997));
        buffer.clear();
        assert_eq!((buffer.bytes(), buffer.len()), (&b"old"[..], 0));
    }

    #[test]
    fn the_next_group_begins_with_what_is_durable_of_its_page() {
        for length in [1, PAGE - 3, PAGE - 2, 3 * PAGE] {
            let mut buffer = GroupBuffer::default();
            buffer.begin(b"old");
            append(&mut buffer, &vec![7; length]);
            let whole = buffer.bytes().to_vec();
            let page = &whole[whole.len() / PAGE * PAGE..];
            assert_eq!(buffer.last_page(), page);
            buffer.go_on();
            assert_eq!((buffer.bytes(), buffer.durable()), (page, page.len()));
            assert_eq!(buffer.len(), 0);
        }
    }

    #[test]
    fn padding_ends_with_the_page_or_the_file_and_goes_again() {
        let mut buffer = GroupBuffer::default();
        for (bytes_max, padded) in [(usize::MAX, PAGE), (100, 100), (2, 10)] {
            buffer.begin(b"old");
            append(&mut buffer, b"records");
            buffer.pad(bytes_max);
            assert_eq!(buffer.bytes().len(), padded);
            assert!(buffer.bytes().starts_with(b"oldrecords"));
            assert!(buffer.bytes()[10..].iter().all(|byte| *byte == 0));
            buffer.truncate(7);
            assert_eq!(buffer.bytes(), b"oldrecords");
        }
    }
}
