//! Deadlines for the many short waits of requests, almost all of which end long before.
//!
//! A timer that is made for one wait is put into the runtime's wheel and taken out again, under a
//! lock that all workers share. One that stays in the wheel and is only moved further into the
//! future is a single atomic operation, so timers are kept and used again. A timer that is not in
//! use may still go off; it then wakes the task of its last wait once, which finds nothing to do.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt;
use tokio::time::{Instant, Sleep, sleep_until};

/// Timers that wait for their next use; as many as were ever needed at once.
#[derive(Default)]
pub struct Deadlines {
    idle: Mutex<Vec<Pin<Box<Sleep>>>>,
}

/// A timer in use.
struct Timer<'a> {
    pool: &'a Deadlines,
    /// None only while it is dropped.
    sleep: Option<Pin<Box<Sleep>>>,
}

/// Gives hyper its timers, of one connection.
#[derive(Clone, Default)]
pub(super) struct HeadTimer {
    pool: Arc<Deadlines>,
}

/// A timer that hyper waits for.
struct HeadSleep {
    pool: Arc<Deadlines>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadlines {
    /// The outcome, or `None` when the wait took longer than `limit`. What is ready at once costs
    /// no timer.
    pub async fn within<F: Future>(&self, limit: Duration, wait: F) -> Option<F::Output> {
        let mut wait = pin!(wait);
        let mut timer = None;
        poll_fn(|cx| {
            if let Poll::Ready(outcome) = wait.as_mut().poll(cx) {
                return Poll::Ready(Some(outcome));
            }
            let timer = timer.get_or_insert_with(|| Timer {
                pool: self,
                sleep: Some(self.take(Instant::now() + limit)),
            });
            poll_sleep(&mut timer.sleep, cx).map(|()| None)
        })
        .await
    }

    fn take(&self, deadline: Instant) -> Pin<Box<Sleep>> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match idle {
            Some(mut sleep) => {
                sleep.as_mut().reset(deadline);
                sleep
            }
            None => Box::pin(sleep_until(deadline)),
        }
    }

    fn put_back(&self, sleep: Option<Pin<Box<Sleep>>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.extend(sleep);
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.pool.put_back(self.sleep.take());
    }
}

impl rt::Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(HeadSleep {
            pool: Arc::clone(&self.pool),
            sleep: Some(self.pool.take(deadline.into())),
        })
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into()
    }
}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        poll_sleep(&mut self.sleep, cx)
    }
}

impl rt::Sleep for HeadSleep {}

impl Drop for HeadSleep {
    fn drop(&mut self) {
        self.pool.put_back(self.sleep.take());
    }
}

fn poll_sleep(sleep: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<()> {
    match sleep {
        Some(sleep) => sleep.as_mut().poll(cx),
        None => Poll::Ready(()),
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use hyper::rt::Timer as _;
    use tokio::time::sleep;

    use super::*;

    const SHORT: Duration = Duration::from_secs(1);
    const LONG: Duration = Duration::from_secs(60);

    fn idle(deadlines: &Deadlines) -> usize {
        deadlines.idle.lock().unwrap().len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_used_again_keeps_each_deadline_whether_sooner_or_later() {
        let deadlines = Deadlines::default();
        for limit in [LONG, SHORT, LONG, LONG, SHORT] {
            let began = Instant::now();
            assert_eq!(deadlines.within(limit, pending::<()>()).await, None);
            assert_eq!(began.elapsed().as_secs(), limit.as_secs());
            assert_eq!(idle(&deadlines), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_in_time_is_returned_and_gives_its_timer_back() {
        let deadlines = Deadlines::default();
        assert_eq!(deadlines.within(SHORT, ready(1)).await, Some(1));
        assert_eq!(idle(&deadlines), 0);
        for _ in 0..3 {
            assert_eq!(deadlines.within(LONG, sleep(SHORT)).await, Some(()));
            assert_eq!(idle(&deadlines), 1);
        }
        let two = async {
            tokio::join!(
                deadlines.within(LONG, sleep(SHORT)),
                deadlines.within(SHORT, pending::<()>()),
            )
        };
        assert_eq!(two.await, (Some(()), None));
        assert_eq!(idle(&deadlines), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn hyper_gets_one_timer_again_and_again() {
        let timer = HeadTimer::default();
        drop(timer.sleep(LONG));
        let began = Instant::now();
        timer.sleep(SHORT).await;
        assert_eq!(began.elapsed().as_secs(), 1);
        let mut sleep = timer.sleep(SHORT);
        timer.reset(&mut sleep, timer.now() + LONG);
        sleep.await;
        assert_eq!(began.elapsed().as_secs(), 61);
        assert!((1..=2).contains(&idle(&timer.pool)));
    }
}
