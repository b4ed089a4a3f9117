//! Compression of request bodies, off the async threads where it takes long.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Webhook JSON shrinks well at once; higher levels cost more time than they save bytes.
const LEVEL: u32 = 3;
/// Smaller bodies take less time than a hand-over to another thread.
const INLINE_BYTES_MAX: usize = 64 * 1024;

/// The gzip form of `body`, the same bytes every time, since the header has no time in it; none
/// if it cannot be made, and the body goes out as it is.
pub(super) async fn compress(body: &Bytes) -> Option<Bytes> {
    if body.len() <= INLINE_BYTES_MAX {
        return encode(body);
    }
    let shared = body.clone();
    let compressing = tokio::task::spawn_blocking(move || encode(&shared));
    compressing.await.ok().flatten()
}

fn encode(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::new(LEVEL));
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}
