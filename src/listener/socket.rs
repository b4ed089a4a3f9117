//! A socket that cannot be held for ever: it gives up writing to a client that does not read,
//! and closes so that the last answer arrives.
//!
//! Closing a socket that still has unread bytes makes the kernel send a reset, which can
//! overtake an answer that was just written ("413" to somebody still sending). So a close first
//! ends our direction, then reads and discards for a bounded time and amount.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::sender::{Sender, Watch};

/// How long a closing socket goes on reading.
const LINGER: Duration = Duration::from_millis(500);
/// How many bytes a closing socket discards.
const LINGER_BYTES_MAX: usize = 256 * 1024;
/// Bytes discarded per read.
const LINGER_READ_BYTES: usize = 4096;

/// Where a connection is between two heads; shared by its socket and its service calls, which
/// run in one task.
#[derive(Debug, Default)]
pub(super) struct Progress {
    unanswered: AtomicBool,
    in_service: AtomicBool,
    answered: AtomicBool,
    /// Requests that the service was called for, and pieces of them that arrived.
    steps: AtomicU64,
}

/// A connection's byte stream, plain or TLS.
pub(super) struct Socket<IO> {
    io: IO,
    progress: Arc<Progress>,
    /// How long a write may make no progress.
    write_timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    watch: Watch,
    lingering: Option<Linger>,
}

struct Linger {
    deadline: Pin<Box<Sleep>>,
    bytes_left: usize,
}

impl Progress {
    /// The service was called.
    pub(super) fn asked(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
        self.in_service.store(true, Ordering::Relaxed);
    }

    /// The service answered.
    pub(super) fn answered(&self) {
        self.in_service.store(false, Ordering::Relaxed);
        self.unanswered.store(false, Ordering::Relaxed);
        self.answered.store(true, Ordering::Relaxed);
    }

    /// Whether a request is with the service.
    pub(super) fn is_in_service(&self) -> bool {
        self.in_service.load(Ordering::Relaxed)
    }

    /// Whether bytes arrived that no answer belongs to yet.
    pub(super) fn is_unanswered(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// Whether the service ever answered here.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }
}

impl<IO: AsyncRead + AsyncWrite + Sender + Unpin> Socket<IO> {
    pub(super) fn new(io: IO, progress: Arc<Progress>, write_timeout: Duration) -> Self {
        Self {
            io,
            progress,
            write_timeout,
            stalled: None,
            watch: Watch::default(),
            lingering: None,
        }
    }

    /// Passes a write's result on, and bounds how long it may be pending.
    fn bound<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timeout = self.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// An error when a request is in service whose sender left.
    fn look(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let step = self.progress.steps.load(Ordering::Relaxed);
        let left =
            self.progress.is_in_service() && self.watch.is_due(step, cx) && self.io.has_ended(cx);
        if left {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// Reads and discards until the client closes, too. Errors end it: the answer is out.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self.lingering.get_or_insert_with(|| Linger {
            deadline: Box::pin(sleep(LINGER)),
            bytes_left: LINGER_BYTES_MAX,
        });
        let mut discarded = [0; LINGER_READ_BYTES];
        while linger.bytes_left > 0 && linger.deadline.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut discarded);
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
            linger.bytes_left = linger.bytes_left.saturating_sub(buffer.filled().len());
        }
        Poll::Ready(())
    }
}

impl<IO: AsyncRead + AsyncWrite + Sender + Unpin> AsyncRead for Socket<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, buffer));
        if buffer.filled().len() > before {
            self.progress.unanswered.store(true, Ordering::Relaxed);
            self.progress.steps.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(read)
    }
}

impl<IO: AsyncRead + AsyncWrite + Sender + Unpin> AsyncWrite for Socket<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.bound(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.bound(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// hyper flushes each time that it looks at the connection, with nothing to flush while a
    /// request is in service.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.look(cx)?;
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.bound(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let ended = Pin::new(&mut self.io).poll_shutdown(cx);
            ready!(self.bound(cx, ended))?;
        }
        self.poll_linger(cx).map(Ok)
    }
}
