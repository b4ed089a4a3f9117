//! Whether the sender of a request that takes long is still there.
//!
//! hyper would read the socket beside each request to see that, with a fresh buffer each time, and
//! would take a sender that closed only its own direction behind the request for one that left.
//! Here nobody looks while answers come within a second; after that, an ended direction counts as
//! a sender that gave up, and its connection goes to somebody else.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::server::TlsStream;

/// How long a request is served since it came whole before its sender is looked for, and between
/// two looks.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A stream whose other end can be asked for without reading.
pub(super) trait Sender {
    /// Whether the other side closed its direction, or the connection as a whole.
    fn has_ended(&self, cx: &mut Context<'_>) -> bool;
}

/// Says when to look. Its timer is set at most once in `LOOK_EVERY`, not for each request.
#[derive(Default)]
pub(super) struct Watch {
    timer: Option<Pin<Box<Sleep>>>,
    /// How far the requests were when the timer was last set.
    since: Option<u64>,
}

impl Watch {
    /// Whether a request is in service for at least `LOOK_EVERY` since the last look, with nothing
    /// of it or of another one arriving, which would have made `step` another. Wakes the task of
    /// `cx`, which must stay the same, when it is time to ask again.
    pub(super) fn is_due(&mut self, step: u64, cx: &mut Context<'_>) -> bool {
        let set = self.since.is_some();
        if set && !self.timer.as_ref().is_some_and(|timer| timer.is_elapsed()) {
            return false;
        }
        let is_due = self.since.replace(step) == Some(step);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep(LOOK_EVERY)));
        timer.as_mut().reset(Instant::now() + LOOK_EVERY);
        // Only to be woken. Without a budget, whose end would pass for that.
        if pin!(unconstrained(timer.as_mut())).poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        is_due
    }
}

impl Sender for TcpStream {
    fn has_ended(&self, cx: &mut Context<'_>) -> bool {
        let ready = pin!(self.ready(Interest::READABLE));
        matches!(ready.poll(cx), Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }
}

impl Sender for TlsStream<TcpStream> {
    fn has_ended(&self, cx: &mut Context<'_>) -> bool {
        self.get_ref().0.has_ended(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// How long it takes until it is time to look, from now on.
    async fn due(watch: &mut Watch, request: u64) -> Duration {
        let began = Instant::now();
        poll_fn(|cx| match watch.is_due(request, cx) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_looked_at_again_and_again_and_the_next_one_not_too_soon() {
        let mut watch = Watch::default();
        assert_eq!(due(&mut watch, 1).await.as_secs(), 1);
        assert_eq!(due(&mut watch, 1).await.as_secs(), 1);
        // The timer of the first one goes off for nobody, and is set anew.
        assert_eq!(due(&mut watch, 2).await.as_secs(), 2);
        tokio::time::advance(LOOK_EVERY * 5).await;
        assert_eq!(due(&mut watch, 3).await.as_secs(), 1);
    }
}
