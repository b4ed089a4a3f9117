//! The sketch's file: `drift` in the journal's directory, one line of header and one of JSON.
//!
//! `siem-relay drift VERSION CRC32 LENGTH`, the checksum (of the JSON, eight hexadecimal digits)
//! and the length in bytes. It is replaced as a whole, so that there is always an old or a new one;
//! the journal's own files are not touched. A file that cannot be read is nobody's loss but its
//! own: the sketch starts anew. Format version 1; `tests/fixtures/drift-v1` is opened by a test for
//! ever.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::sketch::{Sketch, TOTAL_BYTES_MAX};
use crate::directory;

/// The file, in the journal's directory.
pub const FILE_NAME: &str = "drift";
/// What it is written as before it takes the other's place.
const NEW_NAME: &str = "drift.new";
const VERSION: u32 = 1;
const MAGIC: &str = "siem-relay drift";
/// Largest file that is read, in bytes: a little more than all sources may take in memory.
const FILE_BYTES_MAX: usize = TOTAL_BYTES_MAX + 1024 * 1024;
/// Bytes of the file system that are left free: cursors and dead letters come first.
const FREE_BYTES_MIN: u64 = 32 * 1024 * 1024;
/// It tells what vendors sent.
const FILE_MODE: u32 = 0o600;

/// Why a sketch cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum SketchError {
    /// A file operation failed.
    #[error("{path} cannot be {what}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Its bytes are not what was written.
    #[error("{path} is damaged ({what}); remove it, what it held is only learned again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that shows.
        what: &'static str,
    },
    /// Another version of the relay wrote it.
    #[error("{path} has format version {version}, this is for version {VERSION}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The sketch has grown beyond what would be read again.
    #[error("the sketch takes {0} bytes, more than {FILE_BYTES_MAX}")]
    TooLarge(usize),
    /// It cannot be written as JSON.
    #[error("the sketch cannot be encoded")]
    Encode(#[from] serde_json::Error),
    /// The file system is nearly full.
    #[error("{path}: only {free} bytes are free, {FREE_BYTES_MIN} are left to others")]
    Space {
        /// The directory.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
    },
}

impl SketchError {
    fn io(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, what, source }
    }
}

/// The file's bytes.
pub(super) fn encode(sketch: &Sketch) -> Result<Vec<u8>, SketchError> {
    let body = serde_json::to_vec(sketch)?;
    let (checksum, length) = (crc32fast::hash(&body), body.len());
    let mut bytes = format!("{MAGIC} {VERSION} {checksum:08x} {length}\n").into_bytes();
    bytes.extend_from_slice(&body);
    bytes.push(b'\n');
    if bytes.len() > FILE_BYTES_MAX {
        return Err(SketchError::TooLarge(bytes.len()));
    }
    Ok(bytes)
}

/// Puts the bytes in the place of the file, durably.
pub(super) fn save(directory: &Path, bytes: &[u8]) -> Result<(), SketchError> {
    let free = directory::free_bytes(directory).map_err(SketchError::io(directory, "looked at"))?;
    if free < FREE_BYTES_MIN.saturating_add(bytes.len() as u64) {
        let path = directory.to_owned();
        return Err(SketchError::Space { path, free });
    }
    let (new, path) = (directory.join(NEW_NAME), directory.join(FILE_NAME));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    let mut file = options
        .mode(FILE_MODE)
        .open(&new)
        .map_err(SketchError::io(&new, "created"))?;
    // Synced before the rename, so that the name never stands for bytes that are not there.
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(SketchError::io(&new, "written"))?;
    std::fs::rename(&new, &path).map_err(SketchError::io(&path, "replaced"))?;
    // Else a power cut could bring the old one back, with a place that the log may have left.
    directory::sync(directory).map_err(SketchError::io(directory, "synced"))
}

/// Reads the file; none where there is none.
pub(super) fn load(directory: &Path) -> Result<Option<Sketch>, SketchError> {
    let path = directory.join(FILE_NAME);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SketchError::io(&path, "opened")(error)),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(SketchError::io(&path, "read"))?;
    decode(&path, &bytes).map(Some)
}

fn decode(path: &Path, bytes: &[u8]) -> Result<Sketch, SketchError> {
    let damaged = |what| SketchError::Damaged {
        path: path.to_owned(),
        what,
    };
    if bytes.len() > FILE_BYTES_MAX {
        return Err(damaged("too long"));
    }
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (header, body) = bytes.split_at(end.ok_or_else(|| damaged("no header"))?);
    let header = std::str::from_utf8(header).ok();
    let fields = header.and_then(|header| header.strip_prefix(MAGIC)?.strip_prefix(' '));
    let mut fields = fields.ok_or_else(|| damaged("no header"))?.split(' ');
    let mut field = || fields.next().ok_or_else(|| damaged("header too short"));
    let version = field()?.parse().map_err(|_| damaged("no version"))?;
    if version != VERSION {
        let path = path.to_owned();
        return Err(SketchError::Version { path, version });
    }
    let checksum = u32::from_str_radix(field()?, 16).map_err(|_| damaged("no checksum"))?;
    let length: usize = field()?.parse().map_err(|_| damaged("no length"))?;
    let body = body
        .strip_prefix(b"\n")
        .and_then(|body| body.strip_suffix(b"\n"));
    let body = body.filter(|body| body.len() == length);
    let body = body.ok_or_else(|| damaged("other length"))?;
    if crc32fast::hash(body) != checksum {
        return Err(damaged("other checksum"));
    }
    let mut sketch: Sketch =
        serde_json::from_slice(body).map_err(|_| damaged("not the JSON of a sketch"))?;
    sketch.reckon();
    Ok(sketch)
}
