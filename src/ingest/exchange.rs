//! One request's result: counted once, whatever becomes of the request.
//!
//! An exchange that is dropped without a result belongs to a sender who left (or to a relay that
//! stops): it is counted as `aborted`. Log lines name source, client and reason; never the path,
//! which may hold a capability, nor headers or body.

use std::net::IpAddr;
use std::time::Instant;

use super::reply::Refused;
use super::source::Tally;
use crate::listener::LogLimit;

const ABORTED: &str = "aborted";
const ABORTED_REASON: &str = "the sender left, or the relay stopped, before the answer";

/// A request between its head and its answer.
pub(super) struct Exchange<'a> {
    tally: &'a Tally,
    client: IpAddr,
    lines: &'a LogLimit,
    began: Instant,
    finished: bool,
}

impl<'a> Exchange<'a> {
    pub(super) fn begin(tally: &'a Tally, client: IpAddr, lines: &'a LogLimit) -> Self {
        Self {
            tally,
            client,
            lines,
            began: Instant::now(),
            finished: false,
        }
    }

    /// Ends with an answer that took the event, or that was all that was asked for.
    pub(super) fn finish(mut self, result: &'static str) {
        self.finished = true;
        self.tally.ended(result, self.began.elapsed());
    }

    /// Ends with a refusal.
    pub(super) fn refuse(mut self, refused: Refused) {
        self.turned_down(refused.result(), refused.detail());
    }

    fn turned_down(&mut self, result: &'static str, reason: &'static str) {
        self.finished = true;
        self.tally.ended(result, self.began.elapsed());
        self.tally.refused(result, self.client);
        if let Some(suppressed) = self.lines.admit() {
            let (source, client) = (self.tally.name(), self.client);
            tracing::warn!(source, %client, result, reason, suppressed, "request refused");
        }
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.turned_down(ABORTED, ABORTED_REASON);
        }
    }
}
