//! The load generator: keep-alive connections in a closed loop, all from one thread.
//!
//! Each connection sends a prebuilt request with a fresh uuid patched in, waits for the answer,
//! and sends the next. One thread, pinned to the last core, so that the load takes the same share
//! of the machine from every server that is compared. It says how busy that thread was: near 100 %
//! the rate is the generator's limit, and only the server's CPU time tells servers apart.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

use crate::histogram::Histogram;
use crate::payload::Request;
use crate::usage;
use crate::wire::{self, PATIENCE};

/// Events sent so far by this process: makes each uuid a fresh one.
static SENT: AtomicU64 = AtomicU64::new(0);
/// Room for an answer; the relay's has about 200 bytes.
const ANSWER_BYTES_MAX: usize = 4096;

/// When the load ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    For(Duration),
    Events(u64),
}

/// What the load saw.
pub(crate) struct Outcome {
    /// Requests answered 200; any other answer ends the run with an error.
    pub(crate) events: u64,
    /// From the first byte written to the whole answer read.
    pub(crate) latency: Histogram,
    /// Share of the time that the generator's thread was on a core.
    pub(crate) busy: f64,
}

/// Runs the load on a thread of its own, whose pinning ends with it.
pub(crate) fn run(
    address: SocketAddr,
    request: &Request,
    connections: usize,
    bound: Bound,
) -> io::Result<Outcome> {
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            // Where pinning is not allowed the load runs unpinned; `is_pinnable` says so.
            let _unpinned = pin();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            LocalSet::new().block_on(&runtime, drive(address, request, connections, bound))
        });
        load.join()
            .map_err(|_| io::Error::other("the load panicked"))?
    })
}

/// Whether this system lets a thread be pinned.
pub(crate) fn is_pinnable() -> bool {
    std::thread::spawn(|| pin().is_ok()).join().unwrap_or(false)
}

fn pin() -> io::Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    let mut last = CpuSet::new();
    last.set(cores - 1);
    sched_setaffinity(None, &last).map_err(io::Error::from)
}

async fn drive(
    address: SocketAddr,
    request: &Request,
    connections: usize,
    bound: Bound,
) -> io::Result<Outcome> {
    let mut streams = Vec::with_capacity(connections);
    for _ in 0..connections {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let started = Instant::now();
    let busy_before = usage::of_this_thread()?;
    let (until, limit, patience) = match bound {
        Bound::For(duration) => (started + duration, u64::MAX, duration + PATIENCE),
        Bound::Events(count) => (started + PATIENCE, count, PATIENCE * 2),
    };
    let left = Rc::new(Cell::new(limit));
    let mut clients = JoinSet::new();
    for stream in streams {
        let client = Client {
            stream,
            request: request.clone(),
            latency: Histogram::new(),
        };
        clients.spawn_local(client.run(until, Rc::clone(&left)));
    }
    let mut latency = Histogram::new();
    let all = async {
        while let Some(ended) = clients.join_next().await {
            latency.merge(&ended.map_err(io::Error::other)??);
        }
        Ok::<_, io::Error>(())
    };
    tokio::time::timeout(patience, all).await??;
    let elapsed = started.elapsed();
    let busy = usage::of_this_thread()?.saturating_sub(busy_before);
    Ok(Outcome {
        events: latency.count(),
        busy: busy.as_secs_f64() / elapsed.as_secs_f64(),
        latency,
    })
}

/// One connection.
struct Client {
    stream: TcpStream,
    request: Request,
    latency: Histogram,
}

impl Client {
    async fn run(mut self, until: Instant, left: Rc<Cell<u64>>) -> io::Result<Histogram> {
        let mut answer = [0; ANSWER_BYTES_MAX];
        let mut sent = Instant::now();
        while sent < until && left.get() > 0 {
            left.set(left.get() - 1);
            self.request.renew(SENT.fetch_add(1, Ordering::Relaxed));
            self.stream.write_all(self.request.bytes()).await?;
            read_answer(&mut self.stream, &mut answer).await?;
            let answered = Instant::now();
            self.latency.add(answered - sent);
            sent = answered;
        }
        Ok(self.latency)
    }
}

/// Reads one whole answer, which must be a 200.
async fn read_answer(stream: &mut TcpStream, answer: &mut [u8]) -> io::Result<()> {
    let mut length = 0;
    loop {
        let room = answer.get_mut(length..).unwrap_or_default();
        let count = stream.read(room).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        length += count;
        let bytes = answer.get(..length).unwrap_or_default();
        match wire::measure(bytes)? {
            Some((_, whole)) if length >= whole => {
                return if wire::is_ok(bytes) {
                    Ok(())
                } else {
                    Err(wire::refused(bytes))
                };
            }
            _ => {}
        }
    }
}
