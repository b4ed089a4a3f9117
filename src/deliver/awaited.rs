//! Batches that a destination accepted and has not confirmed. Pure.
//!
//! Only positions are kept: what is not confirmed in time is read from the log again. A
//! destination that restarted may give a number a second time, so a ticket stands for the batch
//! that got it last, and a confirmation only counts for the batch that was asked about.

use std::collections::HashMap;

use tokio::time::Instant;

use crate::sink::Ticket;

/// An event of an unconfirmed batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unconfirmed {
    pub(super) position: u64,
    pub(super) received_ms: u64,
    pub(super) attempts: u32,
}

#[derive(Debug)]
struct Batch {
    events: Vec<Unconfirmed>,
    /// When it is sent again.
    until: Instant,
    /// Tells it from others with the same ticket.
    serial: u64,
}

/// A ticket as it was asked about.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) ticket: Ticket,
    serial: u64,
}

/// All unconfirmed batches.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    batches: HashMap<Ticket, Batch>,
    serial: u64,
}

impl Awaited {
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Batches that wait.
    pub(super) fn len(&self) -> usize {
        self.batches.len()
    }

    /// Notes an accepted batch; the events of an older one that had the same ticket, which nobody
    /// can confirm any more.
    pub(super) fn add(
        &mut self,
        ticket: Ticket,
        events: Vec<Unconfirmed>,
        until: Instant,
    ) -> Vec<Unconfirmed> {
        self.serial += 1;
        let batch = Batch {
            events,
            until,
            serial: self.serial,
        };
        let older = self.batches.insert(ticket, batch);
        older.map(|older| older.events).unwrap_or_default()
    }

    /// What is to be asked about now.
    pub(super) fn asked(&self) -> Vec<Asked> {
        let asked = self.batches.iter().map(|(ticket, batch)| Asked {
            ticket: ticket.clone(),
            serial: batch.serial,
        });
        asked.collect()
    }

    /// Takes the batch out that was asked about, if it still has its ticket.
    pub(super) fn take(&mut self, asked: &Asked) -> Option<Vec<Unconfirmed>> {
        let batch = self.batches.get(&asked.ticket)?;
        if batch.serial != asked.serial {
            return None;
        }
        Some(self.batches.remove(&asked.ticket)?.events)
    }

    /// Takes out what was not confirmed in time.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<Unconfirmed> {
        let late = |_: &Ticket, batch: &mut Batch| batch.until <= now;
        let late: Vec<_> = self.batches.extract_if(late).collect();
        late.into_iter().flat_map(|(_, b)| b.events).collect()
    }

    /// When the next batch is overdue.
    pub(super) fn next_overdue(&self) -> Option<Instant> {
        self.batches.values().map(|batch| batch.until).min()
    }

    /// Forgets events that the log gave up.
    pub(super) fn drop_through(&mut self, position: u64) {
        for batch in self.batches.values_mut() {
            batch.events.retain(|event| event.position > position);
        }
        self.batches.retain(|_, batch| !batch.events.is_empty());
    }
}
