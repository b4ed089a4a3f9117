//! One attempt of a replay on the wire: sent, and asked about until it is confirmed.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use tokio::time::{Instant, sleep};

use super::{PANICKED, Replay};
use crate::sink::{
    HoldCause, Note, Outcome, Rendered, RetryCause, Scope, Sent, Sink, Ticket, Verdict,
};

impl<S: Sink> Replay<S> {
    /// Sends, and asks for confirmation where that is left open; none when it was ended.
    pub(super) async fn send(&self, batch: &[Rendered]) -> Option<Outcome> {
        let mut sending = pin!(self.sink.send(batch));
        // As in the worker: a panic over what strangers wrote must not end the lane.
        let sending = poll_fn(|context| {
            let polled = catch_unwind(AssertUnwindSafe(|| sending.as_mut().poll(context)));
            polled.unwrap_or_else(|_| {
                let verdict = Verdict::Hold {
                    cause: HoldCause::Unexpected,
                    detail: PANICKED.into(),
                    scope: Scope::Destination,
                };
                Poll::Ready(Outcome::all(batch.len(), verdict, None, 0))
            })
        });
        tokio::select! {
            outcome = sending => self.confirm(outcome).await,
            () = self.force.cancelled() => None,
        }
    }

    /// Waits until every ticket is confirmed, lost, or too old; none when the lane is stopped
    /// meanwhile: the letters are then known to have been sent.
    async fn confirm(&self, mut outcome: Outcome) -> Option<Outcome> {
        let mut open: Vec<(usize, Ticket)> = Vec::new();
        for (index, verdict) in outcome.verdicts.iter().enumerate() {
            if let Verdict::Pending { ticket } = verdict {
                open.push((index, ticket.clone()));
            }
        }
        let mut settle = |index: usize, verdict: Verdict| {
            if let Some(place) = outcome.verdicts.get_mut(index) {
                *place = verdict;
            }
        };
        if let Some(confirming) = self.sink.confirming() {
            let deadline = Instant::now() + confirming.timeout;
            while !open.is_empty() && Instant::now() < deadline {
                let mut tickets: Vec<_> = open.iter().map(|(_, ticket)| ticket.clone()).collect();
                tickets.dedup();
                let answer = tokio::select! {
                    answer = async {
                        sleep(confirming.interval).await;
                        self.sink.confirm(&tickets).await
                    } => answer,
                    () = self.stop.cancelled() => return None,
                };
                open.retain(|(index, ticket)| {
                    if answer.confirmed.contains(ticket) {
                        settle(*index, Verdict::Delivered { note: Note::Plain });
                        false
                    } else if answer.lost.contains(ticket) {
                        settle(*index, unconfirmed());
                        false
                    } else {
                        true
                    }
                });
            }
        }
        for (index, _) in open {
            settle(index, unconfirmed());
        }
        Some(outcome)
    }
}

fn unconfirmed() -> Verdict {
    Verdict::Retry {
        after: None,
        sent: Sent::Unknown,
        cause: RetryCause::AckTimeout,
        detail: "the destination has not confirmed".into(),
    }
}
