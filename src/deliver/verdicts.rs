//! From one verdict per event to what the worker does next. Pure.
//!
//! The worst verdict decides: a hold before a split, a split before a retry. Events that the
//! destination took are settled whatever became of the others.

use std::sync::Arc;
use std::time::Duration;

use crate::sink::{
    HoldCause, Note, Outcome, Pace, RejectCause, RetryCause, Scope, Sent, Ticket, Verdict,
};

/// Attempts in a row that failed as a whole, from which on each one halves the portion.
const FAILED_WHOLE_MAX: u32 = 3;

/// Attempts in a row that failed as a whole.
#[derive(Debug, Default)]
pub(super) struct WholeFailures {
    /// That met "too much", or whose transfer broke.
    turned_away: u32,
    /// That met a server error.
    pub(super) server_errors: u32,
}

impl WholeFailures {
    /// Counts an attempt, or begins anew with it.
    pub(super) fn note(&mut self, reviewed: &Review) {
        let count = |was: u32, failed: bool| if failed { was.saturating_add(1) } else { 0 };
        self.turned_away = count(self.turned_away, reviewed.is_turned_away());
        self.server_errors = count(self.server_errors, reviewed.is_server_error());
    }

    /// Whether less should be sent at once.
    pub(super) fn are_many(&self) -> bool {
        self.turned_away.max(self.server_errors) >= FAILED_WHOLE_MAX
    }

    /// Whether so many were server errors that the next one, over an event alone, counts.
    pub(super) fn are_server_errors(&self) -> bool {
        self.server_errors >= FAILED_WHOLE_MAX
    }
}

/// What became of a portion.
#[derive(Debug, PartialEq)]
pub(super) struct Review {
    /// Indexes of events that the destination has.
    pub(super) delivered: Vec<(usize, Note)>,
    /// Indexes of events that it accepted and has yet to confirm.
    pub(super) pending: Vec<(usize, Ticket)>,
    /// Indexes of events that it will never take.
    pub(super) rejected: Vec<(usize, RejectCause, Arc<str>)>,
    /// Indexes of events to be sent again, and whether the destination may have them.
    pub(super) kept: Vec<(usize, Option<(RetryCause, Sent)>)>,
    /// What to do now.
    pub(super) next: Next,
    /// Whether the destination asks for less, whatever became of the events.
    pub(super) pace: Pace,
    /// The attempt's result, for metrics.
    pub(super) result: &'static str,
}

/// What the worker does after an attempt.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// Go on with what is left or new.
    Go,
    /// Send what is left in smaller portions.
    Split { detail: Arc<str> },
    /// Wait, at least as long as the destination asked.
    Wait {
        asked: Option<Duration>,
        detail: Arc<str>,
    },
    /// Nothing failed; wait because the destination asks for a slower pace.
    Ease { asked: Option<Duration> },
    /// Wait for a person.
    Hold {
        cause: HoldCause,
        detail: Arc<str>,
        scope: Scope,
    },
}

/// Sorts the verdicts of an attempt with `sent` events.
pub(super) fn review(sent: usize, outcome: &Outcome) -> Review {
    let mut review = Review {
        delivered: Vec::new(),
        pending: Vec::new(),
        rejected: Vec::new(),
        kept: Vec::new(),
        next: Next::Go,
        pace: outcome.pace,
        result: "success",
    };
    for index in 0..sent {
        let verdict = outcome.verdicts.get(index).cloned().unwrap_or_else(missing);
        review.take(index, verdict, sent);
    }
    review.result = review.result(sent);
    // A tail that was not looked at goes out at once, but only behind some progress: otherwise
    // the same answer would come back in a loop.
    let progress = review.delivered.len() + review.pending.len() + review.rejected.len() > 0;
    if let Next::Wait {
        asked: Some(Duration::ZERO),
        detail,
    } = &review.next
    {
        review.next = if progress {
            Next::Go
        } else {
            Next::Wait {
                asked: None,
                detail: Arc::clone(detail),
            }
        };
    }
    if let (Next::Go, Pace::Slower { after }) = (&review.next, outcome.pace) {
        review.next = Next::Ease { asked: after };
    }
    review
}

impl Review {
    fn take(&mut self, index: usize, verdict: Verdict, sent: usize) {
        match verdict {
            Verdict::Delivered { note } => self.delivered.push((index, note)),
            Verdict::Reject { cause, detail } => self.rejected.push((index, cause, detail)),
            Verdict::Split { detail } if sent == 1 => {
                self.rejected.push((index, RejectCause::TooLarge, detail));
            }
            Verdict::Split { detail } => {
                self.kept.push((index, None));
                self.escalate(Next::Split { detail });
            }
            Verdict::Retry {
                after,
                sent,
                cause,
                detail,
            } => {
                self.kept.push((index, Some((cause, sent))));
                self.escalate(Next::Wait {
                    asked: after,
                    detail,
                });
            }
            Verdict::Hold {
                cause,
                detail,
                scope,
            } => {
                self.kept.push((index, None));
                self.escalate(Next::Hold {
                    cause,
                    detail,
                    scope,
                });
            }
            Verdict::Pending { ticket } => self.pending.push((index, ticket)),
        }
    }

    /// Whether every event met a server error, as an outage or one bad event among them brings.
    pub(super) fn is_server_error(&self) -> bool {
        let server_error =
            |why: &Option<(RetryCause, Sent)>| matches!(why, Some((RetryCause::ServerError, _)));
        self.nothing_taken() && self.kept.iter().all(|(_, why)| server_error(why))
    }

    fn nothing_taken(&self) -> bool {
        self.delivered.is_empty() && self.pending.is_empty() && self.rejected.is_empty()
    }

    /// Whether the transfer broke for every event, or all of it met "too much": as it does where
    /// the request alone is more than the destination ever has room for. One that says when to
    /// come again counts requests, and more of them would not help.
    fn is_turned_away(&self) -> bool {
        let says_when = matches!(self.pace, Pace::Slower { after: Some(_) });
        let turned_away = |why: &Option<(RetryCause, Sent)>| match why {
            Some((RetryCause::Connect | RetryCause::Timeout, sent)) => *sent == Sent::Unknown,
            Some((RetryCause::RateLimited, _)) => !says_when,
            _ => false,
        };
        self.nothing_taken() && self.kept.iter().all(|(_, why)| turned_away(why))
    }

    fn escalate(&mut self, next: Next) {
        let rank = |next: &Next| match next {
            Next::Go | Next::Ease { .. } => (0, Duration::ZERO),
            Next::Wait { asked, .. } => (1, asked.unwrap_or(Duration::from_nanos(1))),
            Next::Split { .. } => (2, Duration::ZERO),
            Next::Hold {
                scope: Scope::Partition(_),
                ..
            } => (3, Duration::ZERO),
            Next::Hold { .. } => (4, Duration::ZERO),
        };
        if rank(&next) > rank(&self.next) || self.next == Next::Go {
            self.next = next;
        }
    }

    fn result(&self, sent: usize) -> &'static str {
        let taken = self.delivered.len() + self.pending.len();
        if taken == sent {
            return "success";
        }
        if taken > 0 {
            return "partial";
        }
        match self.next {
            Next::Hold { .. } => "hold",
            Next::Split { .. } => "split",
            Next::Wait { .. } => "retry",
            Next::Go | Next::Ease { .. } => "permanent",
        }
    }
}

/// A sink that gives too few verdicts leaves the rest unknown.
fn missing() -> Verdict {
    Verdict::Retry {
        after: None,
        sent: Sent::Unknown,
        cause: RetryCause::BadAnswer,
        detail: "the answer does not cover this event".into(),
    }
}
