//! Proves: the cursor never passes what is pending, restored ranges are not sent twice, and the
//! accounting holds at every step.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::window::{Settled, Window};
use super::memory::shed;
use crate::spool::{Cursor, Head, Lost};

/// Passes the damaged events around `next`; the next one behind them.
fn lose(window: &mut Window, damaged: &BTreeSet<u64>, next: u64) -> u64 {
    let first = (1..=next).rev().take_while(|n| damaged.contains(n)).last();
    let last = (next..).take_while(|n| damaged.contains(n)).last();
    let (first, last) = (first.unwrap(), last.unwrap());
    window.lose(&Lost {
        after: first * 3 - 1,
        through: last * 3,
        before: first - 1,
        ordinal: last,
    });
    last + 1
}

fn head(events: u64) -> Head {
    Head {
        position: events * 3,
        events,
    }
}

#[test]
fn the_cursor_stays_below_the_first_pending_event_and_names_what_is_settled_above() {
    let mut window = Window::new(Cursor::default());
    for (position, ordinal) in [(2, 1), (5, 2), (6, 3), (9, 4)] {
        assert!(window.read(position, ordinal, position * 10));
    }
    window.settle(6, Settled::Delivered);
    window.settle(9, Settled::DeadLettered);
    let cursor = window.moved().unwrap().clone();
    assert_eq!(cursor.low_water, 1);
    assert_eq!(cursor.done, [(6, 9)]);
    assert_eq!(cursor.done_events, 2);
    assert_eq!(window.oldest_ms(), Some(20));
    window.settle(2, Settled::Delivered);
    window.settle(5, Settled::Filtered);
    let cursor = window.moved().unwrap().clone();
    assert_eq!(
        (cursor.low_water, cursor.done.len(), cursor.done_events),
        (9, 0, 0)
    );
}

#[test]
fn purged_letters_move_to_the_discarded_ones_also_where_the_log_moves_the_cursor_meanwhile() {
    let mut window = Window::new(Cursor::default());
    for ordinal in 1..=6 {
        window.read(ordinal * 3, ordinal, 1);
    }
    for ordinal in 1..=3 {
        window.settle(ordinal * 3, Settled::DeadLettered);
    }
    let stored = window.moved().unwrap().clone();
    window.stored(1);
    window.purged(2);
    assert_eq!(window.moved().unwrap().totals.dead_lettered, 1);
    // The log gave up one more event before that was stored.
    let mut moved = stored;
    moved.low_water = 12;
    moved.totals.discarded = 1;
    assert_eq!(window.follow(&moved), Some(1));
    assert_eq!(
        (window.totals().dead_lettered, window.totals().discarded),
        (1, 3)
    );
    assert_eq!(window.mismatch(head(6)), 0);
    window.stored(2);
    window.purged(7);
    assert_eq!(
        (window.totals().dead_lettered, window.totals().discarded),
        (0, 4)
    );
    assert_eq!(window.mismatch(head(6)), 0, "never more than there are");
}

#[test]
fn an_event_settled_before_a_restart_is_not_sent_again() {
    let cursor = Cursor {
        low_water: 1,
        done: vec![(3, 4), (6, 9)],
        done_events: 2,
        ..Cursor::default()
    };
    let mut window = Window::new(cursor);
    assert!(window.read(2, 1, 0));
    assert!(window.read(5, 2, 0));
    assert!(!window.read(6, 3, 0));
    assert!(!window.read(9, 4, 0));
    assert!(window.read(10, 5, 0));
}

proptest! {
    #[test]
    fn accounting_holds_at_every_step_and_across_restarts(
        steps in prop::collection::vec((0..5_u8, any::<prop::sample::Index>()), 1..200),
    ) {
        let total = 60;
        let mut window = Window::new(Cursor::default());
        let mut next = 1;
        let mut pending = Vec::new();
        let mut sent = BTreeMap::new();
        let mut damaged = BTreeSet::new();
        for (step, index) in steps {
            match step {
                0 | 1 if next <= total && damaged.contains(&next) => {
                    next = lose(&mut window, &damaged, next);
                }
                0 | 1 if next <= total => {
                    if window.read(next * 3, next, next) {
                        pending.push(next * 3);
                    }
                    next += 1;
                }
                2 if !pending.is_empty() => {
                    let position = pending.swap_remove(index.index(pending.len()));
                    *sent.entry(position).or_insert(0) += 1;
                    window.settle(position, Settled::Delivered);
                }
                3 | 4 => {
                    if step == 4 && damaged.len() < 10 {
                        // Of these events an earlier run may have settled some.
                        damaged.insert(index.index(60) as u64 + 1);
                    }
                    // A restart reads again from the low water.
                    let stored = window.moved().cloned();
                    if let Some(cursor) = stored {
                        next = cursor.low_water / 3 + 1;
                        pending.clear();
                        window = Window::new(cursor);
                    }
                }
                _ => {}
            }
            let mismatch = window.mismatch(head(total));
            // How many of the damaged events had been settled shows only when the others are read.
            prop_assert!(mismatch == 0 || mismatch > 0 && !damaged.is_empty(), "{}", mismatch);
            if let Some(cursor) = window.moved() {
                let apart = cursor.done.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0)
                    && cursor.done.first().is_none_or(|(start, _)| *start > cursor.low_water);
                prop_assert!(apart, "ranges touch or overlap: {:?}", cursor);
            }
        }
        while next <= total {
            if damaged.contains(&next) {
                next = lose(&mut window, &damaged, next);
                continue;
            }
            if window.read(next * 3, next, next) {
                pending.push(next * 3);
            }
            next += 1;
        }
        for position in pending {
            *sent.entry(position).or_insert(0) += 1;
            window.settle(position, Settled::Delivered);
        }
        prop_assert_eq!(window.mismatch(head(total)), 0);
        prop_assert_eq!(window.totals().settled(), total);
        prop_assert_eq!(window.totals().delivered, sent.len() as u64);
        let cursor = window.moved().unwrap();
        prop_assert_eq!((cursor.low_water, cursor.done_events), (total * 3, 0));
        prop_assert!(sent.values().all(|count| *count == 1), "sent twice: {:?}", sent);
    }
}

/// Positions of the events that the log of the test below ever has.
fn positions() -> impl Iterator<Item = u64> {
    (1..=60).map(|ordinal| ordinal * 3)
}

proptest! {
    #[test]
    fn a_window_that_follows_the_log_counts_each_event_once_and_as_what_it_became(
        steps in prop::collection::vec((0..8_u8, any::<prop::sample::Index>()), 1..200),
    ) {
        let total = 60;
        // As the log has it, which alone survives a restart, and what it knows as delivered.
        let mut stored = Cursor::default();
        let mut stored_delivered = BTreeSet::new();
        let mut window = Window::new(stored.clone());
        let mut next = 1;
        let mut pending = Vec::new();
        let mut delivered = BTreeSet::new();
        for (step, index) in steps {
            match step {
                0..=2 if next <= total => {
                    if window.read(next * 3, next, next) {
                        pending.push(next * 3);
                    }
                    next += 1;
                }
                3 | 4 if !pending.is_empty() => {
                    let position = pending.swap_remove(index.index(pending.len()));
                    delivered.insert(position);
                    window.settle(position, Settled::Delivered);
                }
                5 => {
                    if let Some(cursor) = window.moved().cloned() {
                        if cursor.revision != stored.revision {
                            let before = window.totals().discarded;
                            let cost = window.follow(&stored).unwrap();
                            prop_assert_eq!(window.totals().discarded, before + cost);
                            pending.retain(|position| *position > stored.low_water);
                            next = window.read_to() / 3 + 1;
                            prop_assert_eq!(window.follow(&stored), None);
                        } else {
                            stored = Cursor { revision: cursor.revision + 1, ..cursor };
                            stored_delivered.clone_from(&delivered);
                            window.stored(stored.revision);
                        }
                    }
                }
                6 => {
                    let through = 3 * (index.index(20) as u64 + stored.low_water / 3);
                    if through > stored.low_water && through <= total * 3 {
                        stored = shed(&stored, through, positions());
                    }
                }
                7 => {
                    window = Window::new(stored.clone());
                    delivered.clone_from(&stored_delivered);
                    next = stored.low_water / 3 + 1;
                    pending.clear();
                }
                _ => {}
            }
            prop_assert_eq!(window.mismatch(head(total)), 0);
            let totals = window.totals();
            prop_assert_eq!(totals.delivered, delivered.len() as u64);
            let queued = window.backlog(head(total));
            prop_assert_eq!(totals.delivered + totals.discarded + queued, total);
        }
    }
}
