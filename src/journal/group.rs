//! What waits for one commit: calls of `append`, and what each will be told.

use std::collections::HashMap;

use tokio::sync::oneshot;

use super::Stored;
use super::error::AppendError;
use super::record::NewRecord;

/// Tells a caller what became of its records.
type Reply = oneshot::Sender<Result<Vec<Stored>, AppendError>>;

/// One call of `append`.
pub(super) struct Request {
    pub(super) records: Vec<NewRecord>,
    pub(super) reply: Reply,
}

/// Requests whose records are in the buffer, and what they will be told.
#[derive(Default)]
pub(super) struct Group {
    pub(super) waiting: Vec<(Reply, Vec<Stored>)>,
    /// Keys of this group's records, not yet in the window.
    pub(super) keys: HashMap<[u8; 16], [u8; 16]>,
    pub(super) events: u64,
}

impl Request {
    pub(super) fn answer(self, result: Result<Vec<Stored>, AppendError>) {
        // A caller that went away has no use for the answer.
        let _gone = self.reply.send(result);
    }
}

impl Group {
    pub(super) fn fail(self, error: &AppendError) {
        for (reply, _) in self.waiting {
            // A caller that went away has no use for the answer.
            let _gone = reply.send(Err(error.clone()));
        }
    }
}
