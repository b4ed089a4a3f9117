//! Sockets: accept, TLS, HTTP/1 limits, graceful close. Both listeners of the relay use it.
//!
//! It hands complete request heads to a service and writes the service's answers. It knows
//! neither paths nor events. Every wait has a deadline: a silent or slow client costs one of
//! `Limits::max_connections` slots for a bounded time, and what never became a request is
//! reported as a [`Refusal`], so that nothing is turned away unseen.

use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::settings;

mod connection;
mod deadlines;
mod error;
mod log_limit;
mod on_call;
mod sender;
mod socket;
#[cfg(test)]
mod tests;
mod tls;

pub use deadlines::Deadlines;
pub use error::ListenError;
pub use log_limit::LogLimit;

use connection::Connection;
use tls::Tls;

/// Connections over the limit that are told so at once; more are closed without a word.
const TURNED_AWAY_AT_ONCE_MAX: usize = 64;
/// First and longest wait after `accept` failed, for example for lack of file descriptors.
const ACCEPT_RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Lines per second about connections that were refused or could not be accepted.
const LOG_LINES_PER_SECOND: u32 = 5;

/// What one listener takes at most.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections open at once; more get 503 (plain) or are closed (TLS).
    pub max_connections: usize,
    /// Headers of one request; more get 431.
    pub max_headers: usize,
    /// Bytes of one request's head; more get 431.
    pub max_header_bytes: usize,
    /// From connect, or from the last answer, to the end of the next head. Also bounds the TLS
    /// handshake and a client that does not read its answer.
    pub header_timeout: Duration,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether TLS protects the connection.
    pub tls: bool,
}

/// Why a connection ended without the service having been asked. A request that reached the
/// service is the service's to count, also when its future is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many connections.
    Overloaded,
    /// TLS could not be set up, or not in time.
    Handshake,
    /// Not HTTP/1, or more head than the limits allow.
    Malformed,
    /// No complete head in time.
    Timeout,
    /// Closed by the client inside a head.
    Aborted,
}

/// A bound socket that does not accept yet.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    limits: Limits,
    /// Owned by the accept loop, which looks for changed files before a handshake.
    tls: Option<Tls>,
}

impl Listener {
    /// Binds the socket and loads certificate and key.
    pub async fn bind(
        address: SocketAddr,
        limits: Limits,
        tls: Option<&settings::ServerTls>,
    ) -> Result<Self, ListenError> {
        let tls = tls.map(Tls::load).transpose()?;
        let failed = |source| ListenError::Bind { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self {
            socket,
            address,
            limits,
            tls,
        })
    }

    /// The bound address, with the port that the system chose for port 0.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is cancelled, then stops accepting, lets requests in flight finish
    /// until `force` is cancelled, then drops them. Returns when no connection is left.
    pub async fn serve<S, F>(
        self,
        service: S,
        refused: impl Fn(Refusal) + Clone + Send + 'static,
        stop: CancellationToken,
        force: CancellationToken,
    ) where
        S: Fn(http::Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = http::Response<Full<Bytes>>> + Send + 'static,
    {
        let Self {
            socket,
            limits,
            tls,
            ..
        } = self;
        let log = Arc::new(LogLimit::new(LOG_LINES_PER_SECOND));
        let slots = limits.max_connections.min(Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(slots));
        let doorstep = Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE_MAX));
        let connections = TaskTracker::new();
        loop {
            let (stream, address) = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = accept(&socket, &log) => accepted,
            };
            let peer = Peer {
                address,
                tls: tls.is_some(),
            };
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                log_refusal(
                    &log,
                    address,
                    Refusal::Overloaded,
                    "all connection slots are taken",
                );
                refused(Refusal::Overloaded);
                if let (false, Ok(step)) = (peer.tls, Arc::clone(&doorstep).try_acquire_owned()) {
                    connections.spawn(async move {
                        connection::turn_away(stream).await;
                        drop(step);
                    });
                }
                continue;
            };
            let connection = Connection {
                peer,
                limits: limits.clone(),
                acceptor: tls.as_ref().map(Tls::acceptor),
                service: service.clone(),
                stop: stop.clone(),
                force: force.clone(),
            };
            let (refused, log) = (refused.clone(), Arc::clone(&log));
            connections.spawn(async move {
                if let Some((refusal, reason)) = connection.run(stream).await {
                    log_refusal(&log, address, refusal, &reason);
                    refused(refusal);
                }
                drop(slot);
            });
        }
        drop(socket);
        connections.close();
        connections.wait().await;
    }
}

impl Refusal {
    /// The word used in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::Handshake => "handshake",
            Self::Malformed => "malformed",
            Self::Timeout => "timeout",
            Self::Aborted => "aborted",
        }
    }
}

/// The next connection. Errors of the listening socket itself are waited out: without a pause,
/// a process that is out of file descriptors would spin here.
async fn accept(socket: &TcpListener, log: &LogLimit) -> (TcpStream, SocketAddr) {
    let (mut wait, longest) = ACCEPT_RETRY;
    loop {
        match socket.accept().await {
            Ok((stream, address)) => {
                // Answers are one small write each; delaying them helps nobody.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "cannot set TCP_NODELAY");
                }
                return (stream, address);
            }
            Err(error) if is_of_one_connection(error.kind()) => {}
            Err(error) => {
                if let Some(suppressed) = log.admit() {
                    tracing::error!(%error, suppressed, "cannot accept connections, trying again");
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(longest);
            }
        }
    }
}

/// Whether the error belongs to a connection that was gone before it was accepted.
fn is_of_one_connection(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}

/// Scanners and health checks leave silent and cut connections behind all day, so those two are
/// only counted; the others mean that somebody's set-up is wrong.
fn log_refusal(log: &LogLimit, client: SocketAddr, refusal: Refusal, reason: &str) {
    let result = refusal.as_str();
    if matches!(refusal, Refusal::Timeout | Refusal::Aborted) {
        tracing::debug!(%client, result, reason, "connection ended without a request");
    } else if let Some(suppressed) = log.admit() {
        tracing::warn!(%client, result, reason, suppressed, "connection refused");
    }
}
