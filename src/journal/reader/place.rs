//! Where in which segment a reader is, and how it gets there without reading all before it.

use bytes::{Bytes, BytesMut};

use crate::journal::Shared;
use crate::journal::error::ReadError;
use crate::journal::files::read_salvaged;
use crate::journal::record::FIXED_BYTES;
use crate::journal::segment::{HEADER_BYTES, Segment, SegmentHeader};
use crate::journal::skip::{Obstacle, Skip};

/// Where in which segment the next record is.
pub(super) struct Place {
    pub(super) segment: Segment,
    pub(super) salt: u32,
    pub(super) offset: u64,
    /// Ordinal of the last event passed.
    pub(super) ordinal: u64,
    /// Position of the last record passed in the segment.
    pub(super) last: u64,
}

impl Place {
    pub(super) fn at_start(segment: Segment, header: SegmentHeader) -> Self {
        Self {
            salt: header.salt,
            offset: HEADER_BYTES,
            ordinal: header.events_before,
            last: segment.base - 1,
            segment,
        }
    }

    /// Near the record after `after`, as far as the segment's index tells; else at its start.
    pub(super) fn before(mut segment: Segment, header: SegmentHeader, after: u64) -> Self {
        let index = match after >= segment.base {
            true => segment.read_index(),
            false => Vec::new(),
        };
        segment.index = Vec::new();
        let mut place = Self::at_start(segment, header);
        let passed = index.partition_point(|entry| entry.position <= after + 1);
        if let Some(entry) = index.get(passed.wrapping_sub(1)) {
            place.offset = entry.offset;
            place.ordinal += entry.events;
            place.last = entry.position - 1;
        }
        place
    }

    /// Behind a damaged place; none if the segment there went meanwhile.
    pub(super) fn behind(shared: &Shared, skip: &Skip) -> Option<Self> {
        let segments = shared.segments();
        let segment = segments.iter().find(|s| s.base == skip.base).cloned()?;
        let header = segment.header?;
        Some(Self {
            offset: skip.offset,
            ordinal: skip.ordinal,
            last: skip.through,
            ..Self::at_start(segment, header)
        })
    }

    pub(super) fn obstacle(&self) -> Obstacle {
        Obstacle {
            segment: self.segment.clone(),
            offset: self.offset,
            after: self.last,
            ordinal: self.ordinal,
            missing: false,
        }
    }

    /// The segment may have grown, if it is the one being written.
    pub(super) fn refresh_end(&mut self, segments: &[Segment]) {
        if let Some(segment) = segments.iter().rev().find(|s| s.base == self.segment.base) {
            self.segment.end = segment.end;
        }
    }

    pub(super) fn remaining(&self) -> u64 {
        self.segment.end.saturating_sub(self.offset)
    }

    /// What lies in memory from the place on, as far as it is durable, in pieces of whole records
    /// that begin within the next `wanted` bytes. Nothing where the next record is not there.
    pub(super) fn at_hand(&self, shared: &Shared, wanted: usize) -> Vec<Bytes> {
        let place = (self.segment.base, self.offset);
        shared.recent.read(place, self.segment.end, wanted)
    }

    /// Up to `wanted` durable bytes from the place on.
    pub(super) fn fetch(&self, wanted: usize) -> Result<Bytes, ReadError> {
        let remaining = usize::try_from(self.remaining()).unwrap_or(usize::MAX);
        let wanted = wanted.max(FIXED_BYTES).min(remaining);
        let mut buffer = BytesMut::zeroed(wanted);
        let count =
            read_salvaged(&*self.segment.file, &mut buffer, self.offset).map_err(|error| {
                ReadError::Io {
                    file: self.segment.name(),
                    message: error.to_string(),
                }
            })?;
        buffer.truncate(count);
        Ok(buffer.freeze())
    }
}
