//! One connection, from accept to close: handshake, requests one after the other, end.
//!
//! `http1::Builder` is used directly. hyper-util's version sniffing has no deadline while it
//! waits for the first bytes, and hyper's header timeout does nothing without a timer.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::deadlines::HeadTimer;
use super::on_call::OnCall;
use super::sender::Sender;
use super::socket::{Progress, Socket};
use super::{Limits, Peer, Refusal};

/// hyper panics below this.
const BUFFER_BYTES_MIN: usize = 8192;
/// How long a connection over the limit may take to read its 503.
const TURN_AWAY_TIMEOUT: Duration = Duration::from_secs(1);
/// What a connection over the limit is told.
const TURN_AWAY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Retry-After: 1\r\n\
    Connection: close\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 38\r\n\r\n\
    too many connections, try again later\n";

/// All that one connection needs.
pub(super) struct Connection<S> {
    pub(super) peer: Peer,
    pub(super) limits: Limits,
    /// With the certificate of this moment.
    pub(super) acceptor: Option<TlsAcceptor>,
    pub(super) service: S,
    pub(super) stop: CancellationToken,
    pub(super) force: CancellationToken,
}

impl<S, F> Connection<S>
where
    S: Fn(http::Request<Incoming>, Peer) -> F + Send + Sync + 'static,
    F: Future<Output = http::Response<Full<Bytes>>> + Send + 'static,
{
    /// Serves the connection to its end. Reports how it ended, and why, if no request tells.
    pub(super) async fn run(mut self, stream: TcpStream) -> Option<(Refusal, String)> {
        let Some(acceptor) = self.acceptor.take() else {
            return self.serve(stream).await;
        };
        let stop = self.stop.clone();
        let shaken = tokio::select! {
            shaken = timeout(self.limits.header_timeout, shake_hands(stream, &acceptor)) => shaken,
            // Nothing was asked yet, so nothing is owed.
            () = stop.cancelled() => return None,
        };
        match shaken {
            Ok(Ok(Some(stream))) => self.serve(stream).await,
            Ok(Ok(None)) => None,
            Ok(Err(error)) => Some((Refusal::Handshake, error.to_string())),
            Err(_) => Some((Refusal::Handshake, "not done in time".to_owned())),
        }
    }

    async fn serve<IO>(self, io: IO) -> Option<(Refusal, String)>
    where
        IO: AsyncRead + AsyncWrite + Sender + Unpin + Send + 'static,
    {
        let progress = Arc::new(Progress::default());
        let socket = Socket::new(io, Arc::clone(&progress), self.limits.header_timeout);
        let (service, peer, calls) = (self.service, self.peer, Arc::clone(&progress));
        let call = service_fn(move |request| {
            let answer = service(request, peer);
            let progress = Arc::clone(&calls);
            progress.asked();
            async move {
                let response = answer.await;
                progress.answered();
                Ok::<_, Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            .timer(HeadTimer::default())
            .header_read_timeout(self.limits.header_timeout)
            .max_headers(self.limits.max_headers)
            .max_header_size(self.limits.max_header_bytes)
            .max_buf_size(self.limits.max_header_bytes.max(BUFFER_BYTES_MIN))
            .keep_alive(true)
            // Answers are short: head and body in one piece take less time than two would.
            .writev(false)
            // The socket itself looks for senders who left.
            .half_close(true)
            .serve_connection(TokioIo::new(socket), call);
        tokio::pin!(connection);
        let mut stop = OnCall::new(self.stop.cancelled_owned());
        let mut force = OnCall::new(self.force.cancelled_owned());
        let mut stopping = false;
        let ended = loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => break ended,
                () = &mut stop, if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = &mut force => {
                    let cut = progress.is_unanswered() && !progress.is_in_service();
                    return cut.then(|| (Refusal::Aborted, "the relay stops".to_owned()));
                }
            }
        };
        let error = ended.err()?;
        judge(&error, &progress).map(|refusal| (refusal, error.to_string()))
    }
}

/// Tells a connection over the limit to come again, for a bounded time.
pub(super) async fn turn_away(stream: TcpStream) {
    let mut socket = Socket::new(stream, Arc::default(), TURN_AWAY_TIMEOUT);
    let told = timeout(TURN_AWAY_TIMEOUT, async {
        socket.write_all(TURN_AWAY).await?;
        socket.shutdown().await
    });
    if let Ok(Err(error)) = told.await {
        tracing::debug!(%error, "cannot tell a client that there are too many connections");
    }
}

/// `None` for a client that closed before it sent anything, as health checks do.
async fn shake_hands(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
) -> std::io::Result<Option<TlsStream<TcpStream>>> {
    if stream.peek(&mut [0]).await? == 0 {
        return Ok(None);
    }
    acceptor.accept(stream).await.map(Some)
}

/// Tells a refusal from an end that a request already accounts for.
fn judge(error: &hyper::Error, progress: &Progress) -> Option<Refusal> {
    if error.is_parse() {
        return Some(Refusal::Malformed);
    }
    if progress.is_in_service() || error.is_shutdown() {
        return None;
    }
    if error.is_timeout() {
        // The same timeout ends a connection that idles after its last answer.
        let waited_for = progress.is_unanswered() || !progress.has_answered();
        return waited_for.then_some(Refusal::Timeout);
    }
    progress.is_unanswered().then_some(Refusal::Aborted)
}
