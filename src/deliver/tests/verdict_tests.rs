//! Proves: the worst verdict decides what is done, and every event is settled or kept.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::verdicts::{Next, review};
use crate::sink::{
    HoldCause, Note, Outcome, Pace, RejectCause, RetryCause, Scope, Sent, Ticket, Verdict,
};

fn outcome(verdicts: Vec<Verdict>) -> Outcome {
    Outcome {
        verdicts,
        pace: Pace::Steady,
        status: Some(200),
        wire_bytes: 1,
    }
}

pub(super) fn delivered() -> Verdict {
    Verdict::Delivered { note: Note::Plain }
}

fn retry(after: Option<u64>) -> Verdict {
    Verdict::Retry {
        after: after.map(Duration::from_millis),
        sent: Sent::Unknown,
        cause: RetryCause::ServerError,
        detail: "503".into(),
    }
}

fn hold() -> Verdict {
    let detail = "401".into();
    Verdict::Hold {
        cause: HoldCause::Auth,
        detail,
        scope: Scope::Destination,
    }
}

fn split() -> Verdict {
    Verdict::Split {
        detail: "413".into(),
    }
}

fn reject() -> Verdict {
    Verdict::Reject {
        cause: RejectCause::Rejected,
        detail: "400".into(),
    }
}

#[test]
fn a_hold_outweighs_a_split_and_a_split_a_retry() {
    let mixed = outcome(vec![delivered(), retry(None), split(), hold(), reject()]);
    let reviewed = review(5, &mixed);
    assert!(matches!(
        reviewed.next,
        Next::Hold {
            cause: HoldCause::Auth,
            ..
        }
    ));
    assert_eq!(reviewed.delivered, [(0, Note::Plain)]);
    assert_eq!(reviewed.rejected.len(), 1);
    assert_eq!(
        reviewed
            .kept
            .iter()
            .map(|(index, _)| *index)
            .collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(reviewed.result, "partial");
    assert!(matches!(
        review(2, &outcome(vec![retry(None), split()])).next,
        Next::Split { .. }
    ));
}

#[test]
fn the_longest_wish_to_wait_counts() {
    let reviewed = review(
        3,
        &outcome(vec![retry(Some(50)), retry(Some(900)), retry(None)]),
    );
    let wish = Some(Duration::from_millis(900));
    assert!(matches!(reviewed.next, Next::Wait { asked, .. } if asked == wish));
    assert_eq!(reviewed.result, "retry");
}

#[test]
fn a_split_of_a_single_event_is_too_large_for_ever() {
    let reviewed = review(1, &outcome(vec![split()]));
    assert!(matches!(
        reviewed.rejected[..],
        [(0, RejectCause::TooLarge, _)]
    ));
    assert_eq!((reviewed.next, reviewed.result), (Next::Go, "permanent"));
}

#[test]
fn an_unexamined_tail_goes_out_at_once_only_behind_progress() {
    let tail = || retry(Some(0));
    assert_eq!(review(2, &outcome(vec![reject(), tail()])).next, Next::Go);
    let stuck = review(2, &outcome(vec![tail(), tail()]));
    assert!(matches!(stuck.next, Next::Wait { asked: None, .. }));
}

#[test]
fn a_slower_pace_waits_though_all_was_delivered() {
    let after = Some(Duration::from_secs(3));
    let slower = Outcome {
        pace: Pace::Slower { after },
        ..outcome(vec![delivered()])
    };
    let reviewed = review(1, &slower);
    assert!(matches!(reviewed.next, Next::Ease { asked } if asked == after));
    assert_eq!(reviewed.result, "success");
}

#[test]
fn events_without_a_verdict_are_sent_again() {
    let reviewed = review(3, &outcome(vec![delivered()]));
    assert_eq!(reviewed.kept.len(), 2);
    assert!(matches!(
        reviewed.kept[0].1,
        Some((RetryCause::BadAnswer, Sent::Unknown))
    ));
}

proptest! {
    #[test]
    fn every_event_is_settled_or_kept_exactly_once(
        kinds in prop::collection::vec(0..6_u8, 1..40),
        given in 0..40_usize,
    ) {
        let ticket = || Ticket { channel: Arc::from("c"), id: 1 };
        let verdicts: Vec<_> = kinds.iter().take(given).map(|kind| match kind {
            0 => delivered(),
            1 => retry(None),
            2 => hold(),
            3 => split(),
            4 => reject(),
            _ => Verdict::Pending { ticket: ticket() },
        }).collect();
        let reviewed = review(kinds.len(), &outcome(verdicts));
        let mut seen: Vec<_> = reviewed.delivered.iter().map(|(index, _)| *index)
            .chain(reviewed.rejected.iter().map(|(index, _, _)| *index))
            .chain(reviewed.pending.iter().map(|(index, _)| *index))
            .chain(reviewed.kept.iter().map(|(index, _)| *index))
            .collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..kinds.len()).collect::<Vec<_>>());
        prop_assert_eq!(reviewed.kept.is_empty(), reviewed.next == Next::Go);
    }
}
