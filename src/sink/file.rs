//! A local file of JSON lines: one line per event, one write and one sync per batch.
//!
//! An event counts as delivered when `fdatasync` returned. The work is done on the runtime's
//! blocking threads, one batch at a time. Every failure of the disk is a retry; what a failed
//! attempt wrote is cut off again before the next one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::status;
use super::{HoldCause, Note, Outcome, Rendered, RetryCause, Sent, Shape, Sink, Verdict, payload};
use crate::settings;

mod rotation;
mod writer;

pub use rotation::PathError;

use writer::{Fault, Writer};

/// Delivers to one file.
pub struct FileSink {
    /// Used by one blocking task at a time.
    writer: Arc<Mutex<Writer>>,
    envelope: bool,
}

impl FileSink {
    /// Makes the sink; the file is opened by the first batch.
    pub fn new(settings: &settings::File) -> Result<Self, PathError> {
        Ok(Self {
            writer: Arc::new(Mutex::new(Writer::new(settings)?)),
            envelope: settings.envelope,
        })
    }
}

impl Sink for FileSink {
    fn shape(&self) -> Shape {
        Shape::Payload
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
        let writer = Arc::clone(&self.writer);
        let writing = tokio::task::spawn_blocking(move || {
            // A writer that panicked has no open file and starts over.
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.append(&lines, SystemTime::now())
        });
        let verdict = match writing.await {
            Ok(Ok(())) => status::delivered(Note::Plain),
            Ok(Err(fault)) => verdict(&fault),
            Err(stopped) => retry(Sent::Unknown, format!("the write was given up: {stopped}")),
        };
        Outcome::all(batch.len(), verdict, None, bytes)
    }

    fn refresh(&self) {}
}

fn verdict(fault: &Fault) -> Verdict {
    match fault {
        Fault::Locked { .. } | Fault::NotAFile { .. } => {
            status::hold(HoldCause::Url, fault.to_string().into())
        }
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
