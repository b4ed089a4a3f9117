//! A local file of JSON lines: one line per event, one write and one sync per batch.
//!
//! An event counts as delivered when `fdatasync` returned. The work is done on the runtime's
//! blocking threads, one batch at a time. Every failure of the disk is a retry; what a failed
//! attempt wrote is cut off again before the next one. Rotated files are compressed beside that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::SystemTime;

use super::status;
use super::{
    HoldCause, Note, Outcome, Preview, Rendered, RetryCause, Sent, Shape, Sink, Verdict, payload,
};
use crate::settings::{self, Compress};

mod directory;
mod packer;
mod rotation;
mod writer;

pub use rotation::PathError;

use packer::Packer;
use writer::{Fault, Writer};

/// What a file wants rendered.
pub(super) const SHAPE: Shape = Shape::Payload;

/// Delivers to one file.
pub struct FileSink {
    /// Used by one blocking task at a time.
    writer: Arc<Mutex<Writer>>,
    /// Set by a refresh that met a batch being written: the next one opens the file anew.
    reopen: Arc<AtomicBool>,
    /// None where rotated files stay as they are.
    packer: Option<Arc<Packer>>,
    envelope: bool,
}

impl FileSink {
    /// Makes the sink; the file is opened by the first batch.
    pub fn new(settings: &settings::File) -> Result<Self, PathError> {
        let writer = Writer::new(settings)?;
        let packer = || Arc::new(Packer::new(writer.names(), settings.min_free_bytes));
        let packer = (settings.compress == Compress::Gzip).then(packer);
        Ok(Self {
            writer: Arc::new(Mutex::new(writer)),
            reopen: Arc::default(),
            packer,
            envelope: settings.envelope,
        })
    }
}

impl Sink for FileSink {
    fn shape(&self) -> Shape {
        SHAPE
    }

    fn encoded_bytes(&self, event: &Rendered) -> usize {
        payload::line_bytes(event, self.envelope)
    }

    async fn send(&self, batch: &[Rendered]) -> Outcome {
        let mut lines = Vec::new();
        for event in batch {
            payload::write_line(&mut lines, event, self.envelope);
        }
        let bytes = lines.len();
        let (writer, reopen) = (Arc::clone(&self.writer), Arc::clone(&self.reopen));
        let writing = tokio::task::spawn_blocking(move || {
            // A writer that panicked has no open file and starts over.
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            if reopen.swap(false, Ordering::AcqRel) {
                writer.close();
            }
            let appended = writer.append(&lines, SystemTime::now());
            (appended, writer.closed())
        });
        let written = writing.await;
        if let (Ok((_, Some(lock))), Some(packer)) = (&written, &self.packer) {
            packer.start(Arc::clone(lock));
        }
        let verdict = match written {
            Ok((Ok(()), _)) => status::delivered(Note::Plain),
            Ok((Err(fault), _)) => verdict(&fault),
            Err(stopped) => retry(Sent::Unknown, format!("the write was given up: {stopped}")),
        };
        Outcome::all(batch.len(), verdict, None, bytes)
    }

    /// Closes the file, so that the next batch opens what has its name by then. Waits for nobody:
    /// a disk may hang.
    fn refresh(&self) {
        match self.writer.try_lock() {
            Ok(mut writer) => writer.close(),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().close(),
            Err(TryLockError::WouldBlock) => self.reopen.store(true, Ordering::Release),
        }
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        if let Some(packer) = &self.packer {
            packer.stop();
        }
    }
}

/// The line of an event.
pub(super) fn preview(settings: &settings::File, event: &Rendered) -> Preview {
    let mut line = Vec::new();
    payload::write_line(&mut line, event, settings.envelope);
    Preview {
        parts: Vec::new(),
        body: line.into(),
    }
}

fn verdict(fault: &Fault) -> Verdict {
    match fault {
        Fault::Locked { .. } | Fault::NotAFile { .. } => {
            status::hold(HoldCause::Url, fault.to_string().into())
        }
        Fault::Reserved { .. } => retry(Sent::No, fault.to_string()),
        Fault::Storage { sent, .. } => retry(*sent, fault.to_string()),
    }
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
