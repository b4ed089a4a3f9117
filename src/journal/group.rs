//! What waits for one commit: calls of `append`, and what each will be told.
//!
//! A call's records go back to the caller with the answer. Memory that one thread takes and
//! another gives back makes allocators lock, and the writer is the thread that all wait for.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::Stored;
use super::error::AppendError;
use super::record::NewRecord;
use super::seal::Noted;

/// One call of `append`.
pub(super) struct Request {
    pub(super) records: Vec<NewRecord>,
    /// Filled by the writer; has room for one entry per record.
    stored: Vec<Stored>,
    reply: oneshot::Sender<Answer>,
}

/// What a caller gets back.
struct Answer {
    stored: Result<Vec<Stored>, AppendError>,
    /// Only so that the caller's thread is the one that drops them.
    _records: Vec<NewRecord>,
}

/// The answer to one call of `append`: one entry per record, once they are durable.
pub struct Appending(oneshot::Receiver<Answer>);

/// Requests whose records are in the buffer. Kept and reused by the writer.
#[derive(Default)]
pub(super) struct Group {
    pub(super) waiting: Vec<Request>,
    /// The records that will be stored.
    pub(super) noted: Vec<Noted>,
    pub(super) events: u64,
}

impl Request {
    pub(super) fn new(records: Vec<NewRecord>) -> (Self, Appending) {
        let (reply, answer) = oneshot::channel();
        let request = Self {
            stored: Vec::with_capacity(records.len()),
            records,
            reply,
        };
        (request, Appending(answer))
    }

    /// Tells what becomes of the next record once the group is durable.
    pub(super) fn will_be(&mut self, stored: Stored) {
        self.stored.push(stored);
    }

    pub(super) fn succeed(self) {
        self.answer(Ok(()));
    }

    pub(super) fn fail(self, error: AppendError) {
        self.answer(Err(error));
    }

    fn answer(self, result: Result<(), AppendError>) {
        let answer = Answer {
            stored: result.map(|()| self.stored),
            _records: self.records,
        };
        // A caller that went away has no use for the answer.
        let _gone = self.reply.send(answer);
    }
}

impl Group {
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.noted.clear();
        self.events = 0;
    }

    pub(super) fn fail(&mut self, error: &AppendError) {
        for request in self.waiting.drain(..) {
            request.fail(error.clone());
        }
    }
}

impl Appending {
    /// Waits in a thread that serves nothing else meanwhile.
    pub fn wait(self) -> Result<Vec<Stored>, AppendError> {
        taken(self.0.blocking_recv())
    }
}

impl Future for Appending {
    type Output = Result<Vec<Stored>, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        pin!(&mut self.0).poll(context).map(taken)
    }
}

/// A writer that ended without an answer is a journal that was closed.
fn taken(answer: Result<Answer, oneshot::error::RecvError>) -> Result<Vec<Stored>, AppendError> {
    answer.map_err(|_| AppendError::Closed)?.stored
}
