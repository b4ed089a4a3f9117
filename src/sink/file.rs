//! Local files of JSON lines: one line per event, one write and one sync per batch.
//!
//! An event counts as delivered when `fdatasync` returned. The work is done on the runtime's
//! blocking threads, one batch at a time. Every failure of the disk is a retry; what a failed
//! attempt wrote is cut off again before the next one. Rotated files are compressed beside that.
//! Where the path follows from the event, a batch holds events of one file, and what is wrong with
//! one path holds its events only.

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::SystemTime;

use rustix::io::Errno;

use super::status;
use super::{
    HoldCause, Note, Outcome, Part, Preview, Rendered, RetryCause, Scope, Sent, Shape, Sink,
    Verdict, name, payload,
};
use crate::settings::{self, Letters};

mod files;
mod packer;
mod rotation;
mod writer;

pub use files::FILES_OPEN_MAX;
pub use rotation::PathError;

use files::Files;
use writer::Fault;

/// What a file wants rendered.
pub(super) const SHAPE: Shape = Shape::Payload;

/// Delivers to one file, or to several whose paths follow from the events.
pub struct FileSink {
    settings: settings::File,
    /// Used by one blocking task at a time.
    files: Arc<Mutex<Files>>,
    /// Set by a refresh that met a batch being written: the next one opens the files anew.
    reopen: Arc<AtomicBool>,
    /// Ends compressions.
    stopped: Arc<AtomicBool>,
}

impl FileSink {
    /// Makes the sink; a file is opened by its first batch.
    pub fn new(settings: &settings::File) -> Result<Self, PathError> {
        let stopped = Arc::new(AtomicBool::new(false));
        let files = Files::new(settings, Arc::clone(&stopped))?;
        Ok(Self {
            settings: settings.clone(),
            files: Arc::new(Mutex::new(files)),
            reopen: Arc::default(),
            stopped,
        })
    }

    /// How many events at the batch's beginning go to one file.
    fn fitting(&self, batch: &[Rendered]) -> usize {
        let Some(first) = batch.first().filter(|_| self.settings.names.is_some()) else {
            return batch.len();
        };
        let path = destined(&self.settings, first);
        let alike = |event: &&Rendered| destined(&self.settings, event) == path;
        batch.iter().take_while(alike).count()
    }

    async fn append(&self, batch: &[Rendered]) -> Outcome {
        let mut lines = Vec::new();
        for event in batch {
            payload::write_line(&mut lines, event, self.settings.envelope);
        }
        let bytes = lines.len();
        let path = batch
            .first()
            .map(|event| destined(&self.settings, event).into_owned());
        let path = path.unwrap_or_else(|| self.settings.path.clone());
        let (files, reopen) = (Arc::clone(&self.files), Arc::clone(&self.reopen));
        let writing = tokio::task::spawn_blocking(move || {
            // A writer that panicked has no open file and starts over.
            let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
            if reopen.swap(false, Ordering::AcqRel) {
                files.close();
            }
            let file = match files.get(&path) {
                Ok(file) => file,
                Err(fault) => return (Err(fault), None),
            };
            let appended = file.writer.append(&lines, SystemTime::now());
            (appended, file.writer.closed().zip(file.packer.clone()))
        });
        let written = writing.await;
        if let Ok((_, Some((lock, packer)))) = &written {
            packer.start(Arc::clone(lock));
        }
        let verdict = match written {
            Ok((Ok(()), _)) => status::delivered(Note::Plain),
            Ok((Err(fault), _)) => verdict(&fault, self.settings.names.is_some()),
            Err(stopped) => retry(Sent::Unknown, format!("the write was given up: {stopped}")),
        };
        Outcome::all(batch.len(), verdict, None, bytes)
    }
}

impl Sink for FileSink {
    fn shape(&self) -> Shape {
        SHAPE
    }

    fn encoded_bytes(&self, event: &Rendered) -> usize {
        payload::line_bytes(event, self.settings.envelope)
    }

    async fn send(&self, batch: &[Rendered]) -> Outcome {
        let (alike, rest) = batch.split_at(self.fitting(batch));
        let mut outcome = self.append(alike).await;
        if let Some(part) = alike.first().and_then(|event| self.partition(event)) {
            for verdict in &mut outcome.verdicts {
                // One file that cannot be written does not stop the others.
                if let Verdict::Hold { scope, .. } = verdict {
                    *scope = Scope::Partition(Arc::clone(&part));
                }
            }
        }
        let unsent = rest.iter().map(|_| status::unsent());
        outcome.verdicts.extend(unsent);
        outcome
    }

    fn partition(&self, event: &Rendered) -> Option<Arc<str>> {
        self.settings.names.as_ref()?;
        Some(destined(&self.settings, event).to_string_lossy().into())
    }

    /// Closes the files, so that the next batch opens what has its name by then. Waits for nobody:
    /// a disk may hang.
    fn refresh(&self) {
        match self.files.try_lock() {
            Ok(mut files) => files.close(),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().close(),
            Err(TryLockError::WouldBlock) => self.reopen.store(true, Ordering::Release),
        }
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
    }
}

/// The file that an event goes to. What of its path follows from the event are names that lead
/// nowhere else.
fn destined<'s>(settings: &'s settings::File, event: &Rendered) -> Cow<'s, Path> {
    let Some(names) = &settings.names else {
        return Cow::Borrowed(&settings.path);
    };
    let mut path = names.directory.clone();
    for parts in &names.below {
        path.push(name::fill(parts, Letters::Plain, event, event.id()));
    }
    Cow::Owned(path)
}

/// The line of an event.
pub(super) fn preview(settings: &settings::File, event: &Rendered) -> Preview {
    let mut line = Vec::new();
    payload::write_line(&mut line, event, settings.envelope);
    let part = |path: Cow<'_, Path>| Part {
        place: "path",
        name: "file".to_owned(),
        value: path.display().to_string(),
    };
    let follows = settings.names.is_some();
    Preview {
        parts: follows
            .then(|| part(destined(settings, event)))
            .into_iter()
            .collect(),
        body: line.into(),
    }
}

/// Where the path `follows` the event, what only this path has stops no other one.
fn verdict(fault: &Fault, follows: bool) -> Verdict {
    match fault {
        Fault::Storage {
            sent: Sent::No,
            source,
            ..
        } if follows && is_of_the_path(source) => {
            status::hold(HoldCause::Url, fault.to_string().into())
        }
        Fault::Locked { .. } | Fault::NotAFile { .. } => {
            status::hold(HoldCause::Url, fault.to_string().into())
        }
        Fault::Reserved { .. } | Fault::Busy { .. } => retry(Sent::No, fault.to_string()),
        Fault::Storage { sent, .. } => retry(*sent, fault.to_string()),
    }
}

/// Whether an error is about what lies at a path or on the way to it, and not about the disk or
/// the process, which all paths have in common.
fn is_of_the_path(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        // NOENT although directories were just made: of a link that leads nowhere.
        Some(
            Errno::NOENT
                | Errno::NOTDIR
                | Errno::ISDIR
                | Errno::ACCESS
                | Errno::PERM
                | Errno::ROFS
                | Errno::LOOP
                | Errno::NAMETOOLONG
        )
    )
}

fn retry(sent: Sent, detail: String) -> Verdict {
    Verdict::Retry {
        after: None,
        sent,
        cause: RetryCause::Storage,
        detail: detail.into(),
    }
}

#[cfg(test)]
mod tests;
