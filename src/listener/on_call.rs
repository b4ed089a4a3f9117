//! A wait that is looked at only when something happened to it.
//!
//! A connection's task is woken several times in each request. Whoever waits for a stop beside it
//! would each time ask the stop's token, under locks that all connections share. Here the wait has
//! a waker of its own, which leaves a mark, and what bears no mark is not asked.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Waits as its inner future does, and asks that one first and after each of its calls.
pub(super) struct OnCall<F> {
    inner: Pin<Box<F>>,
    bell: Arc<Bell>,
    /// The bell in the form that `inner` takes.
    waker: Waker,
    /// The task that the bell knows, to tell without its lock whether that is still the right one.
    task: Option<Waker>,
}

/// What the inner future rings.
struct Bell {
    rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl<F> OnCall<F> {
    pub(super) fn new(inner: F) -> Self {
        let bell = Arc::new(Bell {
            rung: AtomicBool::new(true),
            task: Mutex::default(),
        });
        Self {
            inner: Box::pin(inner),
            waker: Arc::clone(&bell).into(),
            bell,
            task: None,
        }
    }
}

impl<F: Future> Future for OnCall<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let known = this.task.as_ref();
        if !known.is_some_and(|task| task.will_wake(cx.waker())) {
            this.task = Some(cx.waker().clone());
            *this.bell.task() = Some(cx.waker().clone());
        }
        // Looked at after the task is known to the bell. One that rang before the task was noted
        // has left its mark before that; one that rings after it wakes the right task.
        if !this.bell.rung.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        this.bell.rung.swap(false, Ordering::AcqRel);
        this.inner
            .as_mut()
            .poll(&mut Context::from_waker(&this.waker))
    }
}

impl Bell {
    fn task(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        let task = self.task().clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn it_is_asked_once_and_then_only_when_it_called() {
        let (asked, notify) = (AtomicUsize::new(0), Notify::new());
        let mut notified = Box::pin(notify.notified());
        let mut wait = OnCall::new(poll_fn(|cx| {
            asked.fetch_add(1, Ordering::Relaxed);
            notified.as_mut().poll(cx)
        }));
        for _ in 0..3 {
            assert!(ask(&mut wait).await.is_pending());
            assert_eq!(asked.load(Ordering::Relaxed), 1);
        }
        notify.notify_one();
        assert!(ask(&mut wait).await.is_ready());
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn it_wakes_the_task_that_asked_last() {
        let notify = Arc::new(Notify::new());
        let inner = Arc::clone(&notify);
        let mut wait = OnCall::new(async move { inner.notified().await });
        assert!(ask(&mut wait).await.is_pending());
        let moved = tokio::spawn(wait);
        tokio::task::yield_now().await;
        notify.notify_one();
        moved.await.unwrap();
    }

    /// Asks once.
    async fn ask<F: Future + Unpin>(wait: &mut F) -> Poll<F::Output> {
        poll_fn(|cx| Poll::Ready(Pin::new(&mut *wait).poll(cx))).await
    }
}
