//! One segment file: its name, its first block, and what the journal remembers of it.
//!
//! The first 4,096 bytes hold the segment's header and are never written again, so that no later
//! write shares a block with it. Records follow, and at the end of a complete segment a [`seal`].
//! The header counts the events stored before the segment, which gives every event an ordinal and
//! shows a reader that an end is the true end.
//!
//! [`seal`]: super::seal
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | magic `SIEMRSEG` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 4 | CRC-32 of bytes 16..64 |
//! | 16 | 16 | journal id |
//! | 32 | 8 | base: the first position it may hold |
//! | 40 | 8 | events stored before it |
//! | 48 | 8 | created, Unix milliseconds |
//! | 56 | 4 | salt, random |
//! | 60 | 4 | zero |

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::files::{JournalFile, read_full};
use super::record::Fields;
use super::seal::{IndexEntry, Summary};

/// Bytes before the first record.
pub(super) const HEADER_BYTES: u64 = 4096;
/// Format version written and read.
pub(super) const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"SIEMRSEG";
const USED_BYTES: usize = 64;

/// What a segment's first block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) journal_id: [u8; 16],
    pub(super) base: u64,
    pub(super) events_before: u64,
    pub(super) created_ms: u64,
    pub(super) salt: u32,
}

/// A segment that holds or may hold records.
#[derive(Clone)]
pub(super) struct Segment {
    /// The first position it may hold; also its name.
    pub(super) base: u64,
    /// None when its first block cannot be read: whoever needs it is held.
    pub(super) header: Option<SegmentHeader>,
    /// Open for as long as anybody may read it.
    pub(super) file: Arc<dyn JournalFile>,
    /// Its name in messages.
    pub(super) path: PathBuf,
    /// Bytes that are durable; the file's length where that is not known.
    pub(super) end: u64,
    /// File length.
    pub(super) file_bytes: u64,
    /// Where reading can begin, while it is written to; its seal says so afterwards.
    pub(super) index: Vec<IndexEntry>,
}

/// Why a first block cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderFault {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("has no valid first block")]
    Invalid,
    #[error("has format version {0}, which this version of the relay does not know")]
    Version(u32),
}

impl SegmentHeader {
    /// The first block.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut checked = Vec::with_capacity(USED_BYTES);
        checked.extend_from_slice(&self.journal_id);
        checked.extend_from_slice(&self.base.to_le_bytes());
        checked.extend_from_slice(&self.events_before.to_le_bytes());
        checked.extend_from_slice(&self.created_ms.to_le_bytes());
        checked.extend_from_slice(&self.salt.to_le_bytes());
        checked.extend_from_slice(&[0; 4]);
        let mut block = Vec::with_capacity(USED_BYTES);
        block.extend_from_slice(&MAGIC);
        block.extend_from_slice(&VERSION.to_le_bytes());
        block.extend_from_slice(&crc32fast::hash(&checked).to_le_bytes());
        block.extend_from_slice(&checked);
        block.resize(usize::try_from(HEADER_BYTES).unwrap_or(USED_BYTES), 0);
        block
    }

    /// Reads a file's first block.
    pub(super) fn read(file: &dyn JournalFile) -> Result<Self, HeaderFault> {
        let mut block = [0; USED_BYTES];
        if read_full(file, &mut block, 0)? < USED_BYTES || !block.starts_with(&MAGIC) {
            return Err(HeaderFault::Invalid);
        }
        let mut fields = Fields(block.get(8..).unwrap_or_default());
        let version = u32::from_le_bytes(fields.take());
        if version != VERSION {
            return Err(HeaderFault::Version(version));
        }
        let checksum = u32::from_le_bytes(fields.take());
        if crc32fast::hash(fields.0) != checksum {
            return Err(HeaderFault::Invalid);
        }
        Ok(Self {
            journal_id: fields.take(),
            base: u64::from_le_bytes(fields.take()),
            events_before: u64::from_le_bytes(fields.take()),
            created_ms: u64::from_le_bytes(fields.take()),
            salt: u32::from_le_bytes(fields.take()),
        })
    }
}

impl Segment {
    /// Where reading can begin, as far as memory or the seal tells.
    pub(super) fn read_index(&self) -> Vec<IndexEntry> {
        let Some(header) = self.header.filter(|_| self.index.is_empty()) else {
            return self.index.clone();
        };
        let (file, bytes) = (&*self.file, self.file_bytes);
        // What cannot be read here is reported when the records are.
        let seal = Summary::read(file, bytes, header.salt).ok().flatten();
        let index = seal.and_then(|seal| seal.index(file, bytes, header.salt).ok()?);
        index.unwrap_or_default()
    }

    /// Events stored up to its end, as far as its seal tells.
    pub(super) fn events_through(&self) -> Option<u64> {
        let header = self.header?;
        let seal = Summary::read(&*self.file, self.file_bytes, header.salt).ok()??;
        header.events_before.checked_add(seal.events)
    }

    /// The file name for messages.
    pub(super) fn name(&self) -> String {
        self.path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }
}

/// `00000000000000000001.seg`
pub(super) fn path(directory: &Path, base: u64) -> PathBuf {
    directory.join(format!("{base:020}.seg"))
}

/// The base in a segment's file name; none for other files.
pub(super) fn base_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    let base = (digits.len() == 20).then(|| digits.parse().ok())?;
    base.filter(|base| *base > 0)
}

/// The time for a segment's header; a clock before 1970 counts as 1970.
pub(super) fn now_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.map_or(0, |elapsed| {
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    })
}

/// A new segment's salt.
pub(super) fn salt() -> u32 {
    let random = uuid::Uuid::new_v4().into_bytes();
    crc32fast::hash(&random)
}
