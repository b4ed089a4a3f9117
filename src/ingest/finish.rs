//! A future that is carried to its end, also when nobody waits for it any more.
//!
//! It runs in the task that waits for it, which costs no task of its own. Only if that task gives
//! up before the end does the rest become one. It knows nothing of what it carries.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Ends in its own time; dropping it cancels the waiting, not the work.
pub(super) struct Finish<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    /// None once it has ended. Boxed, since it is moved to a new task after it was polled.
    rest: Option<Pin<Box<F>>>,
}

impl<F> Finish<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    pub(super) fn new(work: F) -> Self {
        let rest = Some(Box::pin(work));
        Self { rest }
    }
}

impl<F> Future for Finish<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Taken out while it runs: what panics must not be polled again by a task of its own.
        let Some(mut rest) = self.rest.take() else {
            return Poll::Pending;
        };
        let polled = rest.as_mut().poll(cx);
        if polled.is_pending() {
            self.rest = Some(rest);
        }
        polled
    }
}

impl<F> Drop for Finish<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn drop(&mut self) {
        // Without a runtime the process is ending, and nothing could carry the rest.
        if let (Some(rest), Ok(runtime)) = (self.rest.take(), Handle::try_current()) {
            runtime.spawn(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tokio::time::{Duration, timeout};

    use super::*;

    /// Work that waits for a word and passes it on.
    fn relay() -> (
        oneshot::Sender<u8>,
        oneshot::Receiver<u8>,
        Finish<impl Future<Output = ()> + Send>,
    ) {
        let (word, heard) = oneshot::channel();
        let (told, passed_on) = oneshot::channel();
        let work = Finish::new(async move {
            let _gone = told.send(heard.await.unwrap());
        });
        (word, passed_on, work)
    }

    #[tokio::test]
    async fn what_is_dropped_before_its_end_goes_on_whether_it_had_begun_or_not() {
        for polls in [0, 1, 2] {
            let (word, passed_on, mut work) = relay();
            for _ in 0..polls {
                assert!(timeout(Duration::ZERO, &mut work).await.is_err());
            }
            drop(work);
            word.send(7).unwrap();
            assert_eq!(passed_on.await, Ok(7), "{polls}");
        }
    }

    #[tokio::test]
    async fn what_has_ended_leaves_no_task_behind() {
        let (word, passed_on, mut work) = relay();
        word.send(7).unwrap();
        (&mut work).await;
        drop(work);
        assert_eq!(passed_on.await, Ok(7));
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    }

    #[test]
    fn without_a_runtime_it_is_dropped_quietly() {
        let (_word, mut passed_on, work) = relay();
        drop(work);
        assert!(passed_on.try_recv().is_err());
    }
}
