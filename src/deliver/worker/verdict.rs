//! Applies one verdict per event, and lets the worst of them say how the worker goes on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Worker;
use super::attempt::Flight;
use super::state::{State, now_ms};
use crate::deliver::awaited::Unconfirmed;
use crate::deliver::outbox::Item;
use crate::deliver::parked::{HELD_MAX, Held, Mark};
use crate::deliver::suspects::{REFUSED_IN_A_ROW_MAX, Suspicion};
use crate::deliver::verdicts::{Next, Review};
use crate::deliver::window::Settled;
use crate::sink::{HoldCause, Note, Pace, RejectCause, RetryCause, Scope, Sent, Sink, Ticket};
use crate::spool::Log;

impl<L: Log, S: Sink> Worker<L, S> {
    pub(super) fn apply(&mut self, flight: Flight, reviewed: Review) {
        let Flight {
            epoch, took, busy, ..
        } = flight;
        let items = flight.into_items();
        let sent = items.len();
        let partition = items.first().and_then(|item| item.tag.partition.clone());
        let first = items.first().map(Item::position);
        let lonely_error = sent == 1 && reviewed.is_server_error();
        if epoch == self.epoch {
            self.failures.note(&reviewed);
        }
        let taken = reviewed.delivered.iter().map(|(index, _)| *index);
        let taken = taken.chain(reviewed.pending.iter().map(|(index, _)| *index));
        let last_taken = taken.max();
        let mut items: Vec<Option<Item>> = items.into_iter().map(Some).collect();
        let mut take = |index: usize| items.get_mut(index).and_then(Option::take);
        let delivered = reviewed.delivered.into_iter();
        let delivered: Vec<_> = delivered.filter_map(|(i, n)| Some((take(i)?, n))).collect();
        let pending = reviewed.pending.into_iter();
        let pending: Vec<_> = pending.filter_map(|(i, t)| Some((take(i)?, t))).collect();
        let took_some = !delivered.is_empty() || !pending.is_empty();
        if took_some {
            self.takes_events();
            self.passed(took, busy);
        }
        self.taken(delivered);
        self.accepted(pending);
        for (index, cause, detail) in reviewed.rejected {
            if let Some(item) = take(index) {
                self.rejected(item, cause, detail, took_some);
            }
        }
        let mut kept = Vec::new();
        // A server error over an event, while others behind it in the request were taken, tells as
        // much as one over an event alone.
        let mut singled_out = Vec::new();
        for (index, why) in reviewed.kept {
            if let Some(mut item) = take(index) {
                item.tag.together = None;
                if let Some((cause, sent)) = why {
                    self.metrics.retry(cause.as_str(), 1);
                    item.tag.sent = sent;
                    if sent == Sent::Unknown && self.sink.repeats_whole() {
                        // The same request once more: whoever has seen it knows it again.
                        item.tag.together = first;
                    }
                }
                match why {
                    Some((RetryCause::ServerError, _)) if last_taken > Some(index) => {
                        singled_out.push(item);
                    }
                    _ => kept.push(item),
                }
            }
        }
        let lonely = lonely_error && self.failures.are_server_errors();
        self.keep(kept, lonely);
        self.keep(singled_out, true);
        self.go_on(reviewed.next, sent, epoch, partition.as_ref());
        if let Pace::Slower { after: Some(asked) } = reviewed.pace
            && matches!(self.state, State::Held { .. })
        {
            // A held destination may say how long it needs, too (`Retry-After` of a redirect).
            self.prolong(asked.min(self.destination.retry.max));
        }
    }

    /// Something got through.
    fn passed(&mut self, took: Duration, busy: bool) {
        self.schedule.reset();
        self.concurrency.passed(took, busy);
    }

    /// Settles what the destination has.
    fn taken(&mut self, items: Vec<(Item, Note)>) {
        let mut diverted = Vec::new();
        for (item, note) in &items {
            match note {
                Note::Plain => {}
                Note::Duplicate => self.metrics.receiver_conflict.inc(),
                Note::Diverted => diverted.push(item.rendered.event.id),
            }
            self.opened(item);
        }
        if let Some(id) = diverted.first() {
            let (destination, events) = (&self.name, diverted.len());
            self.metrics.diverted.inc_by(events as u64);
            tracing::warn!(destination, events, first = %id, "events put aside by the destination");
        }
        let event = |item: &Item| (item.position(), item.rendered.event.received_ms);
        let events: Vec<_> = items.iter().map(|(item, _)| event(item)).collect();
        self.delivered(&events);
    }

    /// Settles events, given as position and received time.
    pub(super) fn delivered(&mut self, events: &[(u64, u64)]) {
        if events.is_empty() {
            return;
        }
        let now = now_ms();
        self.window.delivered_at(now);
        self.status.delivered(events.len() as u64);
        for (position, received_ms) in events {
            self.window.settle(*position, Settled::Delivered);
            let lag = Duration::from_millis(now.saturating_sub(*received_ms));
            self.metrics.lag.observe(lag.as_secs_f64());
        }
        self.metrics.delivered_events.inc_by(events.len() as u64);
        let positions = events.iter().map(|(position, _)| *position);
        self.suspects.delivered(positions);
        self.bring_forward();
    }

    /// Something was taken: refusals before it were the events' fault, or their reason is gone.
    fn takes_events(&mut self) {
        let refused = self.suspects.take_refused();
        if std::mem::take(&mut self.refusing) {
            let destination = &self.name;
            tracing::info!(
                destination,
                "events are no longer refused one after the other"
            );
            // It was not these events: those that became dead letters are sent again.
            self.replays = refused;
            self.bring_forward();
        }
    }

    /// Lets those try again that let others go first.
    pub(super) fn bring_forward(&mut self) {
        self.outbox.put_back(std::mem::take(&mut self.aside));
    }

    /// Notes accepted events until the destination confirms them.
    fn accepted(&mut self, items: Vec<(Item, Ticket)>) {
        let Some(confirming) = self.sink.confirming().filter(|_| !items.is_empty()) else {
            // A sink that leaves events open and cannot be asked: they are sent again.
            let kept = items.into_iter().map(|(item, _)| item).collect();
            return self.keep(kept, false);
        };
        let now = Instant::now();
        if self.awaited.is_empty() {
            self.ask_at = now + confirming.interval;
        }
        let mut batches: HashMap<Ticket, Vec<Unconfirmed>> = HashMap::new();
        for (item, ticket) in items {
            self.opened(&item);
            batches.entry(ticket).or_default().push(Unconfirmed {
                position: item.position(),
                received_ms: item.rendered.event.received_ms,
                attempts: item.tag.attempts,
            });
        }
        for (ticket, events) in batches {
            let older = self.awaited.add(ticket, events, now + confirming.timeout);
            self.send_again(
                &older,
                "the destination gave its acknowledgement id to another batch",
            );
        }
    }

    /// An event's partition takes events.
    fn opened(&mut self, item: &Item) {
        if item.tag.partition.is_some() && self.parked.open(&item.tag.partition) {
            let (destination, partition) = (&self.name, item.tag.partition.as_deref());
            tracing::info!(destination, partition, "partition takes events again");
        }
    }

    /// An event that is refused for ever, maybe beside others that were taken.
    fn rejected(&mut self, item: Item, cause: RejectCause, detail: Arc<str>, took_some: bool) {
        let id = item.rendered.event.id;
        self.opened(&item);
        let too_many = !took_some && self.suspects.refused(id, cause);
        let refusing = self.refusing && !took_some;
        if cause.may_be_everyones() && (refusing || too_many) {
            self.refusing = true;
            let what = format!(
                "{REFUSED_IN_A_ROW_MAX} different events in a row were refused and none was taken, \
                 so it is not the events: {detail}"
            );
            // The next probe is made with another event.
            self.aside.push(item);
            return self.hold(HoldCause::Rejections, what.into());
        }
        self.refuse_sent(item, cause, detail);
    }

    /// Puts events back that are to be sent again; those of a server error that is `theirs` may be
    /// why.
    fn keep(&mut self, items: Vec<Item>, theirs: bool) {
        let (now, now_ms) = (Instant::now(), now_ms());
        let mut again = Vec::new();
        for item in items {
            let position = item.position();
            let received_ms = item.rendered.event.received_ms;
            if self.age.is_over(received_ms, now_ms, now) {
                self.parked.settled(position);
                let detail = "older than max_event_age, and no attempt succeeded".into();
                self.refuse_sent(item, RejectCause::Expired, detail);
            } else if self.parked.is_closed(&item.tag.partition) {
                self.park(item);
            } else if theirs {
                self.suspect(item);
            } else {
                again.push(item);
            }
        }
        self.outbox.put_back(again);
    }

    /// An event that was alone when the destination failed.
    fn suspect(&mut self, item: Item) {
        if self.destination.pace.max_in_flight == 1 {
            // The order is strict: none goes before it, so nothing can be told of it.
            return self.outbox.push(item);
        }
        match self.suspects.failed(item.position()) {
            Suspicion::None => self.outbox.push(item),
            Suspicion::Aside => self.aside.push(item),
            Suspicion::Poison => {
                let detail = "a server error each time it was tried, while others were taken";
                self.refuse_sent(item, RejectCause::Poison, detail.into());
            }
        }
    }

    /// Goes on as the worst verdict asks.
    fn go_on(&mut self, next: Next, sent: usize, epoch: u64, of: Option<&Arc<str>>) {
        // What an attempt says that began before the last failure is known already.
        let news = epoch == self.epoch;
        match next {
            Next::Go => {
                self.outbox.grow(sent);
                self.answers_again();
            }
            Next::Ease { asked } => {
                self.answers_again();
                if news && (!self.concurrency.slower() || asked.is_some()) {
                    let until = Instant::now() + self.schedule.next(asked);
                    self.back_off(until, "the destination asks for a slower pace".into(), true);
                }
            }
            Next::Split { detail } => {
                let destination = &self.name;
                tracing::info!(destination, events = sent, %detail, "batch split");
                self.outbox.halve(sent);
                self.answers_again();
            }
            Next::Wait { asked, detail } => {
                if self.failures.are_many() {
                    // A server that resets while it is being sent too much cannot answer 413, one
                    // short of memory says 429 for ever to a request larger than its share, and
                    // one that fails over a single event does not say over which.
                    self.outbox.narrow(sent);
                }
                self.concurrency.failed();
                if news {
                    let until = Instant::now() + self.schedule.next(asked);
                    self.back_off(until, detail, false);
                } else if let Some(asked) = asked {
                    self.prolong(asked.min(self.destination.retry.max));
                }
            }
            Next::Hold {
                cause,
                detail,
                scope: Scope::Partition(partition),
            } if of == Some(&partition) => self.hold_one(&partition, cause, detail),
            Next::Hold { cause, detail, .. } => self.hold_all(cause, detail),
        }
    }

    fn hold_all(&mut self, cause: HoldCause, detail: Arc<str>) {
        self.concurrency.failed();
        self.hold(cause, detail);
    }

    /// Holds a partition, or all of the destination where so many wait that it is not they.
    fn hold_one(&mut self, name: &Arc<str>, cause: HoldCause, detail: Arc<str>) {
        let known = self.parked.is_closed(&Some(Arc::clone(name)));
        if !known && !self.parked.has_room() {
            let what = format!("{HELD_MAX} parts of it wait already, and now {name}: {detail}");
            return self.hold_all(cause, what.into());
        }
        if !known {
            let (destination, cause) = (&self.name, cause.as_str());
            tracing::error!(destination, partition = %name, cause, %detail, "partition held");
        }
        self.hold_partition(name, cause, detail);
        self.answers_again();
    }

    /// The destination as such answers as it should.
    fn answers_again(&mut self) {
        if matches!(self.state, State::Probing) {
            self.enter(State::Delivering);
        }
        if matches!(self.state, State::Delivering) && self.trouble.take().is_some() {
            tracing::info!(destination = self.name, "delivering again");
        }
    }

    fn back_off(&mut self, until: Instant, detail: Arc<str>, easing: bool) {
        if matches!(self.state, State::Delivering | State::Probing) {
            self.epoch += 1;
            self.enter(State::BackingOff {
                until,
                detail,
                easing,
            });
        }
    }

    /// Closes a partition and parks what waits for it.
    fn hold_partition(&mut self, name: &Arc<str>, cause: HoldCause, detail: Arc<str>) {
        let mut waiting = self.outbox.take_partition(name);
        let of_it = |item: &mut Item| item.tag.partition.as_ref() == Some(name);
        waiting.extend(self.aside.extract_if(.., of_it));
        self.status.failed(Arc::clone(&detail));
        let held = Held {
            cause,
            detail,
            since_ms: now_ms(),
            probe_at: Instant::now() + self.destination.probe_interval,
        };
        self.parked.hold(name, held);
        for item in waiting {
            self.park(item);
        }
        // All of its events may have expired meanwhile.
        self.parked.drop_empty();
    }

    /// Lets an event wait for its partition.
    fn park(&mut self, item: Item) {
        let position = item.position();
        let mark = Mark {
            attempts: item.tag.attempts,
            sent: item.tag.sent,
        };
        self.parked.park(item.tag.partition, position, mark);
    }
}
