//! A fake Splunk HEC that costs as little as possible: it reads a request and says `Success`.
//!
//! It runs as a child process where the relay's share of the machine matters, and on a thread
//! where the moment of arrival does. It does not look into bodies: `tests/sinks` does that.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use crate::wire;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
    Content-Length: 27\r\n\r\n{\"text\":\"Success\",\"code\":0}";
/// Connections at once; one worker delivers, so more would be a fault.
const CONNECTIONS_MAX: usize = 64;

/// Serves until the process ends; `arrived` is told when a request is complete.
pub(crate) fn serve(
    listener: &TcpListener,
    arrived: impl Fn(Instant) + Clone + Send + 'static,
) -> io::Result<()> {
    for stream in listener.incoming().take(CONNECTIONS_MAX) {
        let (stream, arrived) = (stream?, arrived.clone());
        // A connection that fails is the relay's to open again.
        std::thread::spawn(move || answer(stream, &arrived));
    }
    Err(io::Error::other("the relay opened too many connections"))
}

/// A listener on a free port, and its address.
pub(crate) fn bind() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn answer(mut stream: TcpStream, arrived: &impl Fn(Instant)) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut request = Vec::new();
    while wire::read_message(&mut stream, &mut request)?.is_some() {
        arrived(Instant::now());
        stream.write_all(ANSWER)?;
    }
    Ok(())
}
