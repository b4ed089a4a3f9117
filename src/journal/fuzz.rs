//! What decoding must hold for any bytes: entry points of the fuzz targets and of property tests.
//!
//! Each takes bytes from nowhere, and makes their checksums right where it can, so that what lies
//! behind a checksum is reached. It panics if a promise is broken. Compiled for tests and fuzzing
//! alone.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::cursor_file::{decode_slot, encode_slot};
use super::files::JournalFile;
use super::record::{self, FIXED_BYTES, MAGIC, NewRecord, Placement, Record};
use super::scan::scan;
use super::seal::Summary;
use super::segment::{HEADER_BYTES, Segment, SegmentHeader};

const SALT: u32 = 0x5a17;
/// Of the segments that are made up here.
const BASE: u64 = 7;

/// A file that only exists here.
struct Memory(Vec<u8>);

impl JournalFile for Memory {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..));
        let mut rest = rest.unwrap_or_default();
        io::Read::read(&mut rest, buffer)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

/// A record: refused, or exactly what stands there.
pub fn record(bytes: &[u8]) {
    let plain = Bytes::copy_from_slice(bytes);
    assert!(record::decode(&plain, SALT).is_err() || bytes.len() >= FIXED_BYTES);
    let mut signed = bytes.to_vec();
    sign(&mut signed);
    let signed = Bytes::from(signed);
    if let Ok((record, stored)) = record::decode(&signed, SALT) {
        assert!(stored >= FIXED_BYTES && stored.is_multiple_of(8));
        let known_flags = signed.get(13).is_some_and(|flags| *flags < 8);
        if !record.gap && known_flags {
            assert_eq!(record::decode(&again(&record), SALT), Ok((record, stored)));
        }
    }
}

/// A segment: every record above the one before it, nothing beyond the file.
pub fn segment(bytes: &[u8]) {
    let header = SegmentHeader {
        journal_id: [1; 16],
        base: BASE,
        events_before: 0,
        created_ms: 0,
        salt: SALT,
    };
    let mut file = header.encode();
    file.extend_from_slice(bytes);
    let start = usize::try_from(HEADER_BYTES).unwrap_or(0);
    let mut offset = start;
    // Each place that says how long it is gets a right checksum, one behind the other.
    while let Some(length) = file.get_mut(offset..).and_then(sign) {
        offset += length.next_multiple_of(8);
    }
    let file_bytes = file.len() as u64;
    let segment = Segment {
        base: BASE,
        header: Some(header),
        file: Arc::new(Memory(file)),
        path: PathBuf::new(),
        end: file_bytes,
        file_bytes,
        index: Vec::new(),
    };
    let scanned = scan(&segment, header, 10);
    assert!(scanned.is_ok(), "memory can be read");
    let scan = scanned.unwrap_or_default();
    assert!(scan.end <= file_bytes.next_multiple_of(8));
    assert!(scan.contents.keys.len() <= 10);
    let rising = |pair: &[super::seal::IndexEntry]| match pair {
        [a, b] => a.offset < b.offset && a.position < b.position,
        _ => true,
    };
    assert!(scan.contents.index.windows(2).all(rising));
    let tail_rises = |pair: &[(u64, u64)]| match pair {
        [a, b] => a.0 < b.0 && a.1 < b.1,
        _ => true,
    };
    assert!(scan.tail.windows(2).all(tail_rises));
}

/// The end of a file as a seal: refused, or with parts that lie within the file.
pub fn seal(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    if let Some(at) = bytes.len().checked_sub(72) {
        let summary = bytes.get_mut(at..).unwrap_or_default();
        if let Some((magic, rest)) = summary.split_at_mut_checked(8)
            && let Some((stored, checked)) = rest.split_at_mut_checked(4)
        {
            magic.copy_from_slice(b"SIEMREND");
            stored.copy_from_slice(&record::checksum(SALT, checked).to_le_bytes());
        }
    }
    let length = bytes.len() as u64;
    let file = Memory(bytes);
    if let Ok(Some(summary)) = Summary::read(&file, length, SALT) {
        assert!(summary.end <= length);
        let index = summary.index(&file, length, SALT);
        let keys = summary.keys(&file, length, SALT);
        assert!(index.is_ok() && keys.is_ok());
    }
}

/// A slot of the cursor file: refused, or the same again when it is stored.
pub fn cursors(bytes: &[u8]) {
    if let Some((sequence, stored)) = decode_slot(bytes) {
        let mut slot = Vec::new();
        encode_slot(sequence, &stored, &mut slot);
        let again = decode_slot(slot.get(8..).unwrap_or_default());
        assert_eq!(again, Some((sequence, stored)));
    }
}

/// Gives a record at the start of `bytes` its magic and checksum; its length, if it is all there.
fn sign(bytes: &mut [u8]) -> Option<usize> {
    let length = u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?);
    let length = usize::try_from(length).ok()?;
    let checksum = record::checksum(SALT, bytes.get(8..length)?);
    bytes.get_mut(..4)?.copy_from_slice(&MAGIC);
    bytes
        .get_mut(4..8)?
        .copy_from_slice(&checksum.to_le_bytes());
    Some(length)
}

fn again(record: &Record) -> Bytes {
    let new = NewRecord {
        id: record.id,
        received_ms: record.received_ms,
        resend: record.resend,
        header: record.header.to_vec(),
        payload: record.payload.clone(),
    };
    let place = Placement {
        position: record.position,
        synced_through: record.synced_through,
        duplicate_of: record.duplicate_of,
        set: record.set,
        salt: SALT,
    };
    let mut bytes = Vec::new();
    new.encode(&place, &mut bytes);
    Bytes::from(bytes)
}
