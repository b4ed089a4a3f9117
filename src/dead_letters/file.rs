//! The file of one destination's letters: opened, appended to, and cut where a line is torn.
//!
//! One process writes it, the one that has the journal's lock; others may read it meanwhile. What
//! was written and synced is applied to the index, so memory never says more than the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::index::{Entry, Index, Span};
use super::line::{self, Line, Unread};
use super::{DeadLetter, DeadLetterError, Letter, LetterState};
use crate::directory;
use crate::event::EventId;

/// Mode of a new log: it holds events, and people who are let in read it.
const FILE_MODE: u32 = 0o640;
/// Bytes looked at once for the end of the last whole line.
const TAIL_BYTES: u64 = 64 * 1024;

/// The file, and what its lines come to.
#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) path: PathBuf,
    /// `dead_letters.max_size`: with more, no letter is taken; settling one is always allowed.
    pub(super) bytes_max: u64,
    /// `dead_letters.reserve`: with less than this free, no letter is taken.
    pub(super) reserve_bytes: u64,
    pub(super) file: File,
    /// End of the last whole line.
    pub(super) length: u64,
    /// A write failed, and what it may have left behind that end is still to be cut. Nothing else
    /// ever is: it would be another process's.
    pub(super) torn: bool,
    pub(super) index: Index,
    /// The name is known to stand for this file after a power cut.
    pub(super) name_synced: bool,
    /// Letters of an attempt under way: they are not purged.
    pub(super) in_flight: Vec<EventId>,
    /// The present count of purged events is in the totals on disk, and its `counted` line is
    /// still to be written.
    pub(super) counted_due: Option<u64>,
}

impl LogFile {
    /// Opens or creates the log; a torn last line is cut.
    pub(super) fn open(path: PathBuf, bytes_max: u64) -> Result<Self, DeadLetterError> {
        let parent = parent(&path);
        let failed = |action, source| DeadLetterError::io(action, &path, source);
        directory::create(parent).map_err(|error| failed("create", error))?;
        // A rewrite that was broken off: the log itself is whole.
        match std::fs::remove_file(new_path(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("clean up", error));
            }
            _ => {}
        }
        let mut file = create(&path, false).map_err(|error| failed("open", error))?;
        let length = whole_lines(&mut file).map_err(|error| failed("read", error))?;
        // Before anything is changed: a log of a later version is left as it is.
        let index = read_index(&mut file, length, &path)?;
        let cut = file.set_len(length).and_then(|()| file.sync_all());
        cut.map_err(|error| failed("cut", error))?;
        // The name must be there after a power cut, or the letters are not.
        directory::sync(parent).map_err(|error| failed("create", error))?;
        let unreadable = index.unreadable.len();
        if unreadable > 0 {
            let path = path.display();
            tracing::warn!(%path, unreadable, "dead-letter log has lines that are not understood");
        }
        Ok(Self {
            path,
            bytes_max,
            reserve_bytes: 0,
            file,
            length,
            torn: false,
            index,
            name_synced: true,
            in_flight: Vec::new(),
            counted_due: None,
        })
    }

    /// Appends all letters, or none; they are durable when this returns.
    pub(super) fn append(&mut self, letters: &[DeadLetter]) -> Result<(), DeadLetterError> {
        self.reopen_if_replaced()?;
        if self.index.counting.is_some() && self.counted_due.is_none() {
            // Whether the totals on disk are those before or after the move is told by their
            // number of dead-lettered events alone, which a letter would change.
            return Err(DeadLetterError::Counting {
                path: self.path.clone(),
            });
        }
        let now = Timestamp::now();
        let mut lines = Vec::new();
        for letter in letters {
            line::put(&mut lines, &line::dead(letter, now));
        }
        let bytes = lines.len() as u64;
        if self.length + bytes > self.bytes_max && self.fits_rewritten(bytes) {
            // What is settled makes room before anybody is held.
            self.compact_or_warn();
        }
        if self.length + bytes > self.bytes_max {
            return Err(DeadLetterError::Full {
                path: self.path.clone(),
                limit: self.bytes_max,
            });
        }
        if self.reserve_bytes > 0 {
            self.check_room(bytes, self.reserve_bytes)?;
        }
        self.put(&lines)
    }

    /// An error where so many bytes would leave less than the reserve of the file system free.
    pub(super) fn check_room(&self, bytes: u64, reserve: u64) -> Result<(), DeadLetterError> {
        let free =
            directory::free_bytes(&self.path).map_err(|error| self.failed("measure", error))?;
        if free < bytes.saturating_add(reserve) {
            return Err(DeadLetterError::Short {
                path: self.path.clone(),
                free,
                reserve,
            });
        }
        Ok(())
    }

    /// Appends lines that settle letters or say what becomes of them. They are taken by a full
    /// log, too: without them it would stay full.
    pub(super) fn put(&mut self, lines: &[u8]) -> Result<(), DeadLetterError> {
        self.sync_name()?;
        let mut all = Vec::new();
        if let Some(events) = self.counted_due {
            // Nothing may come between a count and the word that it is done.
            line::put(&mut all, &line::counted(events));
        }
        all.extend_from_slice(lines);
        if let Err(source) = self.write(&all) {
            // Half a line must not precede the next letter. If cutting fails as well, the
            // next write or the next open cuts.
            if let Err(error) = self.cut() {
                tracing::warn!(%error, path = %self.path.display(), "dead letters not cut");
            }
            return Err(self.failed("write", source));
        }
        self.counted_due = None;
        for line in all.split_inclusive(|byte| *byte == b'\n') {
            let span = Span {
                offset: self.length,
                bytes: line.len() as u64,
            };
            self.length += span.bytes;
            match Line::parse(line) {
                Ok(parsed) => self.index.apply(parsed, span),
                // Never: it was made a moment ago.
                Err(_) => self.index.keep_unreadable(span),
            }
        }
        Ok(())
    }

    /// Makes the file's name durable where a rewrite has just given it.
    pub(super) fn sync_name(&mut self) -> Result<(), DeadLetterError> {
        if !self.name_synced {
            directory::sync(parent(&self.path)).map_err(|error| self.failed("sync", error))?;
            self.name_synced = true;
        }
        Ok(())
    }

    /// A letter that is present; none where its line is damaged.
    pub(super) fn letter(&self, entry: &Entry) -> Result<Option<Letter>, DeadLetterError> {
        let letter = read_letter(&self.file, &self.index, entry);
        letter.map_err(|error| self.failed("read", error))
    }

    /// Letters behind an offset that are to be sent again, oldest first, with where they are: at
    /// most so many, and no more after so many bytes.
    pub(super) fn waiting(
        &self,
        after: Option<u64>,
        letters_max: usize,
        bytes_max: u64,
    ) -> Result<Vec<(u64, Letter)>, DeadLetterError> {
        let mut letters = Vec::new();
        let mut bytes = 0;
        for entry in self.index.entries_after(after) {
            if letters.len() >= letters_max || bytes >= bytes_max {
                break;
            }
            if entry.state == LetterState::Dead {
                continue;
            }
            bytes += entry.line.bytes;
            let offset = entry.line.offset;
            let letter = self.letter(entry)?.unwrap_or_else(|| {
                // One that is damaged must not keep the others: whoever sends refuses it alone.
                let path = self.path.display();
                tracing::warn!(%path, id = %entry.id, offset, "dead letter is damaged");
                Letter::damaged(entry)
            });
            letters.push((offset, letter));
        }
        Ok(letters)
    }

    /// A letter must not go into a file that a person has taken away, perhaps for good.
    pub(super) fn reopen_if_replaced(&mut self) -> Result<(), DeadLetterError> {
        if !self.was_replaced() {
            return Ok(());
        }
        let path = self.path.display();
        tracing::info!(%path, "dead-letter log was moved or emptied, beginning again");
        let reserve_bytes = self.reserve_bytes;
        *self = Self::open(self.path.clone(), self.bytes_max)?;
        self.reserve_bytes = reserve_bytes;
        Ok(())
    }

    /// Whether the name stands for another file than the open one, or that one lost lines.
    fn was_replaced(&self) -> bool {
        let (Ok(open), Ok(named)) = (self.file.metadata(), std::fs::metadata(&self.path)) else {
            return true;
        };
        (open.dev(), open.ino()) != (named.dev(), named.ino()) || named.len() < self.length
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.cut()?;
        self.check_sole_writer()?;
        self.torn = true;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(lines)?;
        // The cursor moves past these events once this returned.
        self.file.sync_data()?;
        self.torn = false;
        Ok(())
    }

    /// Cuts what a failed write left.
    fn cut(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        Ok(())
    }

    /// Letters that another process wrote are synced, and its cursor may have passed their events:
    /// they are neither cut nor written over.
    pub(super) fn check_sole_writer(&self) -> io::Result<()> {
        if !self.torn && self.file.metadata()?.len() > self.length {
            return Err(io::Error::other(
                "another process has written to it, and nothing of that is cut; end that one, \
                 then start this one again",
            ));
        }
        Ok(())
    }

    pub(super) fn failed(&self, action: &'static str, source: io::Error) -> DeadLetterError {
        DeadLetterError::io(action, &self.path, source)
    }
}

/// Applies every whole line of a file.
pub(super) fn read_index(
    file: &mut File,
    length: u64,
    path: &Path,
) -> Result<Index, DeadLetterError> {
    let failed = |error| DeadLetterError::io("read", path, error);
    let mut index = Index::default();
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut reader = BufReader::new(file.take(length));
    let (mut bytes, mut span) = (
        Vec::new(),
        Span {
            offset: 0,
            bytes: 0,
        },
    );
    let mut number = 0_u64;
    loop {
        bytes.clear();
        span.offset += span.bytes;
        span.bytes = reader.read_until(b'\n', &mut bytes).map_err(failed)? as u64;
        number += 1;
        if span.bytes == 0 {
            return Ok(index);
        }
        match Line::parse(&bytes) {
            Ok(line) => index.apply(line, span),
            Err(Unread::Newer(version)) => {
                return Err(DeadLetterError::Version {
                    path: path.to_owned(),
                    line: number,
                    version,
                });
            }
            Err(Unread::Unreadable) => index.keep_unreadable(span),
        }
    }
}

/// The letter of an entry; none where its line is damaged.
pub(super) fn read_letter(file: &File, index: &Index, entry: &Entry) -> io::Result<Option<Letter>> {
    let dead = read_span(file, entry.line)?;
    let refused = index.refusal(entry.id);
    let refused = refused.map(|span| read_span(file, span)).transpose()?;
    Ok(Letter::of(entry, &dead, refused.as_deref()))
}

pub(super) fn read_span(file: &File, span: Span) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(span.bytes).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, span.offset)?;
    Ok(bytes)
}

/// Opens a log to write; one that is there already is emptied only if that is asked for.
pub(super) fn create(path: &Path, empty: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(empty);
    options.mode(FILE_MODE).open(path)
}

/// The directory that a log is in.
fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// Where a log is rewritten to before it takes the log's name.
pub(super) fn new_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// The length of the whole lines at the front of a file.
pub(super) fn whole_lines(file: &mut File) -> io::Result<u64> {
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
