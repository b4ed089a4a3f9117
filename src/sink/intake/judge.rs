//! Answers of intakes to one verdict for the events of a request (generic HTTP reference, status
//! to action, and its tables of intakes).
//!
//! What an intake says differently is in its own file. A 2xx counts only if it is the one that the
//! intake's documents name: another one comes from something else on the way, or means another
//! thing, as Loki's 260.

use crate::sink::client::Answer;
use crate::sink::status;
use crate::sink::{Note, RetryCause, Sent, Verdict};

/// Which 2xx says that the events were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// All of them.
    Any,
    /// One.
    By(u16),
}

/// What the answer means for each of the request's `events`.
pub(super) fn judge(answer: &Answer, events: usize, taken: Taken) -> Verdict {
    match answer.status {
        status if answer.is_success() => match taken {
            Taken::By(expected) if status != expected => {
                let what = format!("this intake says {expected} for events it took; check url");
                status::bad_answer(answer, &what)
            }
            Taken::By(_) | Taken::Any => status::delivered(Note::Plain),
        },
        409 => status::retry(
            answer,
            answer.retry_after,
            Sent::Unknown,
            RetryCause::Blocked,
        ),
        _ => status::judge_post(answer, events),
    }
}
