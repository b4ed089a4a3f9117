//! Dead letters: events that a destination refused for ever, kept for a person.
//!
//! One log of JSON lines per destination, `NAME.jsonl`. A letter holds all that is needed to
//! understand and repeat the delivery: the record header, the reason, the answer's excerpt, what
//! was sent, and the original. It is durable before the destination's cursor moves past the
//! event. A full log is an error, on which the destination holds: nothing is dropped.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::event::Event;

#[cfg(test)]
mod tests;

/// Version of a line's form, in its `v` key.
const VERSION: u32 = 0;
/// Mode of a new log: it holds events, and people who are let in read it.
const FILE_MODE: u32 = 0o640;
/// Mode of a new directory.
const DIRECTORY_MODE: u32 = 0o750;
/// Bytes looked at once for the end of the last whole line.
const TAIL_BYTES: u64 = 64 * 1024;

/// An event that a destination refused.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The event.
    pub event: Arc<Event>,
    /// Why, as a closed word.
    pub reason: &'static str,
    /// Why, for people: an excerpt of the answer.
    pub detail: Arc<str>,
    /// Attempts made, the refused one included.
    pub attempts: u32,
    /// What was sent, where it could be rendered.
    pub rendered: Option<Bytes>,
}

/// The log of one destination.
#[derive(Debug)]
pub struct DeadLetterLog {
    path: PathBuf,
    bytes_max: u64,
    file: File,
    /// End of the last whole line; what lies behind it is cut before the next write.
    length: u64,
}

/// Why letters cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// A file operation failed.
    #[error("cannot {action} dead-letter log {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The log is at its limit.
    #[error(
        "dead-letter log {path} is at its limit of {limit} bytes; look into it, move it away or \
         raise dead_letters.max_size"
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// `dead_letters.max_size`.
        limit: u64,
    },
}

impl DeadLetterLog {
    /// Opens or creates the log of a destination; a torn last line is cut.
    pub fn open(
        directory: &Path,
        destination: &str,
        bytes_max: u64,
    ) -> Result<Self, DeadLetterError> {
        Self::open_path(directory.join(format!("{destination}.jsonl")), bytes_max)
    }

    fn open_path(path: PathBuf, bytes_max: u64) -> Result<Self, DeadLetterError> {
        let directory = path.parent().unwrap_or(Path::new("."));
        let failed = |action, source| DeadLetterError::Io {
            action,
            path: path.clone(),
            source,
        };
        create_directory(directory).map_err(|error| failed("create", error))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.mode(FILE_MODE);
        let mut file = options.open(&path).map_err(|error| failed("open", error))?;
        let length = whole_lines(&mut file).map_err(|error| failed("read", error))?;
        let cut = file.set_len(length).and_then(|()| file.sync_all());
        cut.map_err(|error| failed("cut", error))?;
        // The name must be there after a power cut, or the letters are not.
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| failed("create", error))?;
        Ok(Self {
            path,
            bytes_max,
            file,
            length,
        })
    }

    /// Appends all letters, or none; they are durable when this returns.
    pub fn append(&mut self, letters: &[DeadLetter]) -> Result<(), DeadLetterError> {
        let mut lines = Vec::new();
        for letter in letters {
            let line = letter.to_json();
            lines.extend_from_slice(line.to_string().as_bytes());
            lines.push(b'\n');
        }
        if self.was_replaced() {
            // A letter must not go into a file that a person has taken away, perhaps for good.
            let path = self.path.display();
            tracing::info!(%path, "dead-letter log was moved or emptied, beginning again");
            *self = Self::open_path(self.path.clone(), self.bytes_max)?;
        }
        if self.length + lines.len() as u64 > self.bytes_max {
            let path = self.path.clone();
            return Err(DeadLetterError::Full {
                path,
                limit: self.bytes_max,
            });
        }
        match self.write(&lines) {
            Ok(()) => {
                self.length += lines.len() as u64;
                Ok(())
            }
            Err(source) => {
                // Half a line must not precede the next letter. If cutting fails as well, the
                // next write or the next open cuts.
                if let Err(error) = self.file.set_len(self.length) {
                    tracing::warn!(%error, path = %self.path.display(), "dead letters not cut");
                }
                Err(DeadLetterError::Io {
                    action: "write",
                    path: self.path.clone(),
                    source,
                })
            }
        }
    }

    /// Whether the name stands for another file than the open one, or that one lost lines.
    fn was_replaced(&self) -> bool {
        let (Ok(open), Ok(named)) = (self.file.metadata(), std::fs::metadata(&self.path)) else {
            return true;
        };
        (open.dev(), open.ino()) != (named.dev(), named.ino()) || named.len() < self.length
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.file.metadata()?.len() != self.length {
            self.file.set_len(self.length)?;
        }
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(lines)?;
        // The cursor moves past these events once this returned.
        self.file.sync_data()
    }
}

impl DeadLetter {
    fn to_json(&self) -> Value {
        let event = &self.event;
        let provenance = &event.provenance;
        json!({
            "v": VERSION,
            "kind": "dead",
            "id": event.id.to_string(),
            "position": event.position,
            "received": timestamp(event.received_ms),
            "died": Timestamp::now().to_string(),
            "reason": self.reason,
            "detail": &*self.detail,
            "attempts": self.attempts,
            "source": provenance.source,
            "peer": provenance.peer.map(|peer| peer.to_string()),
            "client": provenance.client.map(|client| client.to_string()),
            "auth": provenance.auth.as_str(),
            "secret_slot": provenance.secret_slot,
            "test": provenance.test,
            "duplicate_of": event.duplicate_of.map(|id| id.to_string()),
            "content_type": provenance.content_type,
            "content_encoding": provenance.content_encoding,
            "headers": provenance.headers,
            // Ingest takes only UTF-8, and renderers make only UTF-8.
            "rendered": self.rendered.as_ref().map(|body| String::from_utf8_lossy(body)),
            "original": String::from_utf8_lossy(&event.payload),
        })
    }
}

fn timestamp(ms: u64) -> Option<String> {
    let ms = i64::try_from(ms).ok()?;
    Some(Timestamp::from_millisecond(ms).ok()?.to_string())
}

/// Creates a directory and those missing above it, durably.
fn create_directory(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let missing = path.ancestors().take_while(|path| !path.exists());
    let parents: Vec<_> = missing.filter_map(Path::parent).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(DIRECTORY_MODE).create(&path)?;
    parents
        .iter()
        .try_for_each(|parent| File::open(parent)?.sync_all())
}

/// The length of the whole lines at the front of a file.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(TAIL_BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        Read::by_ref(file)
            .take(end - start)
            .read_to_end(&mut tail)?;
        if let Some(newline) = memchr::memrchr(b'\n', &tail) {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
