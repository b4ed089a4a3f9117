//! Why the relay cannot start or go on, and the exit code that says so.

use crate::dead_letters::DeadLetterError;
use crate::deliver::WorkerError;
use crate::journal::{CursorError, OpenError};
use crate::listener::ListenError;
use crate::sink::SinkError;

/// Why the relay cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// Cursors cannot be read or written.
    #[error(transparent)]
    Cursors(CursorError),
    /// A dead-letter log cannot be opened.
    #[error(transparent)]
    DeadLetters(#[from] DeadLetterError),
    /// A destination cannot be set up.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A destination's worker cannot begin or go on.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A stage ended by itself.
    #[error("{0}; this is a fault of the relay, please report it with the log")]
    Task(String),
}

impl RunError {
    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Sink(_) => 3,
            Self::Journal(_) | Self::Cursors(_) | Self::DeadLetters(_) => 4,
            Self::Listen(ListenError::Bind { .. }) => 5,
            // Certificate and key, which the configuration names.
            Self::Listen(_) => 3,
            Self::Worker(_) | Self::Task(_) => 1,
        }
    }
}
