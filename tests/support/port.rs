//! Ports that stay a test's own while nobody listens on them.
//!
//! A port of the kernel's choice goes to the next who asks as soon as its listener is closed: to a
//! relay that starts, or to the server of another test. So these lie below the range that Linux
//! chooses from by default, and each is held by a UDP socket of the same number, by which other
//! tests, also of other processes, see that it is taken. Where an administrator has the range begin
//! lower, they are as good as any other port.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// The default of `net.ipv4.ip_local_port_range` begins at its end.
const PORTS: Range<u16> = 20_000..32_768;

/// How long a port that is the test's own may be in use nevertheless.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the next search in this process begins.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A TCP port of 127.0.0.1. Dropping it gives it to other tests.
#[derive(Debug)]
pub(crate) struct OwnPort {
    address: SocketAddr,
    _held: UdpSocket,
}

impl OwnPort {
    /// One that nobody has.
    pub(crate) fn take() -> Self {
        // Processes begin far from each other, and so seldom meet.
        let first = std::process::id().wrapping_mul(7919);
        let count = u32::from(PORTS.end - PORTS.start);
        let free = (0..count).find_map(|_| {
            let number = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed).into());
            let port = PORTS.start + u16::try_from(number % count).unwrap();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let held = UdpSocket::bind(address).ok()?;
            TcpListener::bind(address).ok()?;
            Some((address, held))
        });
        let (address, _held) = free.expect("a port is free");
        Self { address, _held }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens on it. Needs a runtime.
    pub(crate) fn listener(&self) -> tokio::net::TcpListener {
        // A process that another thread begins has copies of all sockets for a moment, also of one
        // that was just closed.
        let deadline = Instant::now() + PATIENCE;
        let listener = loop {
            match TcpListener::bind(self.address) {
                Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                    std::thread::yield_now();
                }
                bound => break bound.expect("the port is the test's own"),
            }
        };
        listener.set_nonblocking(true).unwrap();
        tokio::net::TcpListener::from_std(listener).unwrap()
    }

    /// `http://127.0.0.1:port`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
