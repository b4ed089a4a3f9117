//! Several addresses of one destination: which one takes the next request.
//!
//! They take turns. One that could not be reached or answered 503, as in a rolling restart, is
//! passed over while another is used; with none left, the one whose pause ends first is tried,
//! since a real event is the best probe there is. When a pause is over the address is asked,
//! aside, whether it takes requests again, and no event waits for that. What is asked, and what
//! the answer means, is the protocol's business. Logs name addresses by their number.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

/// First and longest time for which an address is passed over; in between it doubles.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The addresses, at least one, numbered from 1 in the order of the configuration.
pub struct Rota {
    places: Vec<Arc<Place>>,
    /// Counts requests; whose turn it is.
    turn: AtomicUsize,
    /// What is asked aside, one question at a time per address; ends with the sink.
    asking: Mutex<JoinSet<()>>,
}

/// One address.
struct Place {
    number: usize,
    standing: Mutex<Standing>,
}

/// Whether it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Used,
    /// Passed over until then, after waiting so long.
    PassedOver {
        until: Instant,
        pause: Duration,
    },
    /// Passed over, and its health is being asked for.
    Asked {
        pause: Duration,
    },
}

impl Rota {
    /// All of them are used.
    pub fn new(addresses: usize) -> Self {
        let place = |number| {
            Arc::new(Place {
                number,
                standing: Mutex::new(Standing::Used),
            })
        };
        Self {
            places: (1..=addresses).map(place).collect(),
            turn: AtomicUsize::new(0),
            asking: Mutex::new(JoinSet::new()),
        }
    }

    /// The number of the address for the next request. None if those that were `tried` in vain for
    /// it are all that are used; the first request finds one even if none is. `ask` asks an
    /// address whose pause is over whether it takes requests; it is not waited for.
    pub fn choose<A>(&self, tried: &[usize], ask: impl Fn(usize) -> A) -> Option<usize>
    where
        A: Future<Output = bool> + Send + 'static,
    {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.places.len().max(1);
        let (before, after) = self.places.split_at_checked(turn)?;
        let mut order: Vec<_> = after.iter().chain(before).collect();
        for place in &order {
            if place.is_to_be_asked() {
                let (place, healthy) = (Arc::clone(place), ask(place.number));
                self.aside(async move {
                    match healthy.await {
                        true => place.use_again(),
                        false => place.pass_over(None),
                    }
                });
            }
        }
        order.retain(|place| !tried.contains(&place.number));
        let used = order.iter().find(|place| place.is_used());
        let chosen = match used {
            Some(place) => Some(*place),
            None if tried.is_empty() => {
                let pauses = order.into_iter();
                pauses.min_by_key(|place| place.passed_over_until())
            }
            None => None,
        };
        chosen.map(|place| place.number)
    }

    /// Passes an address over, if there is another: for a while, longer each time, or as long as
    /// it wishes within the same limits.
    pub fn pass_over(&self, number: usize, wish: Option<Duration>) {
        if self.places.len() > 1
            && let Some(place) = self.place(number)
        {
            place.pass_over(wish);
        }
    }

    /// Uses an address from now on.
    pub fn use_again(&self, number: usize) {
        if let Some(place) = self.place(number) {
            place.use_again();
        }
    }

    /// Does something for which no event waits. It ends with the sink.
    pub fn aside(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        while asking.try_join_next().is_some() {}
        asking.spawn(work);
    }

    fn place(&self, number: usize) -> Option<&Arc<Place>> {
        self.places.get(number.checked_sub(1)?)
    }
}

impl Place {
    fn is_used(&self) -> bool {
        *self.standing() == Standing::Used
    }

    /// When its pause ends; now, where there is none.
    fn passed_over_until(&self) -> Instant {
        match *self.standing() {
            Standing::PassedOver { until, .. } => until,
            Standing::Used | Standing::Asked { .. } => Instant::now(),
        }
    }

    /// Whether its pause is over and nobody asks for its health. Then the caller does.
    fn is_to_be_asked(&self) -> bool {
        let mut standing = self.standing();
        match *standing {
            Standing::PassedOver { until, pause } if until <= Instant::now() => {
                *standing = Standing::Asked { pause };
                true
            }
            _ => false,
        }
    }

    fn use_again(&self) {
        let mut standing = self.standing();
        if *standing != Standing::Used {
            *standing = Standing::Used;
            tracing::info!(endpoint = self.number, "the endpoint is used again");
        }
    }

    fn pass_over(&self, wish: Option<Duration>) {
        let mut standing = self.standing();
        let now = Instant::now();
        let before = match *standing {
            Standing::Used => None,
            // Requests that were under way together fail together: that is one failure.
            Standing::PassedOver { until, .. } if until > now => return,
            Standing::PassedOver { pause, .. } | Standing::Asked { pause } => Some(pause),
        };
        let longer = before.map_or(PAUSE_MIN, |pause| pause.saturating_mul(2));
        let pause = wish.unwrap_or(longer).clamp(PAUSE_MIN, PAUSE_MAX);
        if before.is_none() {
            tracing::warn!(
                endpoint = self.number,
                "the endpoint is passed over until it answers again"
            );
        }
        *standing = Standing::PassedOver {
            until: now + pause,
            pause,
        };
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        // One value is stored whole, so a panic leaves nothing half done.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(rota: &Rota, requests: usize) -> Vec<usize> {
        let choose = |_| rota.choose(&[], |_| async { true }).unwrap();
        (0..requests).map(choose).collect()
    }

    #[test]
    fn addresses_take_turns() {
        assert_eq!(chosen(&Rota::new(3), 6), [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn one_that_is_passed_over_is_left_out_and_the_last_one_never_is() {
        let three = Rota::new(3);
        three.pass_over(2, None);
        assert_eq!(chosen(&three, 6), [1, 3, 3, 1, 3, 3]);
        assert_eq!(three.choose(&[1, 3], |_| async { true }), None);
        let one = Rota::new(1);
        one.pass_over(1, None);
        assert!(one.places[0].is_used());
    }

    #[tokio::test(start_paused = true)]
    async fn with_all_passed_over_the_one_whose_pause_ends_first_is_tried() {
        let two = Rota::new(2);
        two.pass_over(1, Some(Duration::from_secs(9)));
        two.pass_over(2, Some(Duration::from_secs(5)));
        assert_eq!(chosen(&two, 3), [2, 2, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn after_its_pause_an_address_is_asked_aside_and_used_if_it_is_well() {
        let two = Rota::new(2);
        for (well, used) in [(false, false), (true, true)] {
            two.pass_over(1, None);
            tokio::time::advance(PAUSE_MAX).await;
            assert_eq!(two.choose(&[], |_| async move { well }), Some(2));
            tokio::time::advance(Duration::from_millis(1)).await;
            assert_eq!(two.places[0].is_used(), used);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_their_limit_and_begin_anew_after_use() {
        let two = Rota::new(2);
        let place = &two.places[0];
        let mut pauses = Vec::new();
        for _ in 0..7 {
            two.pass_over(1, None);
            // A second failure of the same moment changes nothing.
            two.pass_over(1, None);
            let pause = place.passed_over_until() - Instant::now();
            pauses.push(pause.as_secs());
            tokio::time::advance(pause).await;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        two.use_again(1);
        two.pass_over(1, Some(Duration::from_secs(3600)));
        let pause = place.passed_over_until() - Instant::now();
        assert_eq!(pause, Duration::from_secs(30));
    }
}
