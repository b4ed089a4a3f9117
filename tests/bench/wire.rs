//! The least of HTTP/1 that a load generator and a fake destination need: where a head ends, how
//! long its body is, and one blocking exchange.
//!
//! It trusts the peer, which is the relay or a floor on this machine: no chunked coding, no
//! trailers, but a limit on what it will buffer.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest message that is taken.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest wait for a peer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Length of the first message's head, and of its head and body together, once the head is there.
pub(crate) fn measure(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = end + 4;
    let body = content_length(bytes.get(..end).unwrap_or_default())?;
    match head.checked_add(body) {
        Some(whole) if whole <= MESSAGE_BYTES_MAX => Ok(Some((head, whole))),
        _ => Err(broken("a message is too large")),
    }
}

/// Whether an answer begins with status 200.
pub(crate) fn is_ok(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.1 200")
}

/// Reads one message; `buffer` keeps nothing of the next one, since nobody pipelines. `None` when
/// the peer closed before it.
pub(crate) fn read_message(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<usize>> {
    buffer.clear();
    let mut piece = [0; 64 * 1024];
    let mut wanted = None;
    loop {
        if wanted.is_none() {
            wanted = measure(buffer)?;
        }
        match wanted {
            Some((head, whole)) if buffer.len() >= whole => return Ok(Some(head)),
            None if buffer.len() > MESSAGE_BYTES_MAX => return Err(broken("a head has no end")),
            _ => {}
        }
        match stream.read(&mut piece)? {
            0 if buffer.is_empty() => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => buffer.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
    }
}

/// Gets a path; the body of its 200.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = connect(address)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let head = read_message(&mut stream, &mut answer)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    if !is_ok(&answer) {
        return Err(refused(&answer));
    }
    Ok(answer.split_off(head))
}

/// A connection without delays and with deadlines.
pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The error for an answer that is not 200.
pub(crate) fn refused(answer: &[u8]) -> io::Error {
    let start = answer.get(..answer.len().min(300)).unwrap_or_default();
    io::Error::other(format!("not 200: {}", String::from_utf8_lossy(start)))
}

fn content_length(head: &[u8]) -> io::Result<usize> {
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"content-length") {
            let value = std::str::from_utf8(value).unwrap_or_default();
            let value = value.trim_start_matches(':').trim();
            return value
                .parse()
                .map_err(|_| broken("content-length is no number"));
        }
    }
    Ok(0)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
