//! Bodies: what the head declares, reading within limits, decoding within limits.
//!
//! Nothing here trusts a declared length: it only chooses how much to reserve. A compressed body
//! is decoded in bounded pieces and given up at the first byte over the limit, so a bomb costs as
//! much memory as the largest body that is allowed.

use std::error::Error as _;
use std::io::{self, Read};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::bufread::MultiGzDecoder;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming, SizeHint};
use tokio::time::timeout;

use super::reply::{Refused, Rest};

/// Bytes decoded before other requests get their turn.
const DECODE_BYTES: usize = 64 * 1024;
/// Bytes of a refused request's body that are read and thrown away before it is answered.
const DISCARD_BYTES_MAX: usize = 256 * 1024;
/// How long that may take.
const DISCARD_TIMEOUT: Duration = Duration::from_millis(500);

/// The type of JSON and of everything that is JSON in another name.
const APPLICATION: &[u8] = b"application/";

/// What a request's head says of its body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declared {
    /// None for a chunked body.
    length: Option<usize>,
    gzip: bool,
}

impl Declared {
    /// Refuses what the head alone shows to be too large or of the wrong kind.
    pub(super) fn check(headers: &HeaderMap, hint: SizeHint, max: usize) -> Result<Self, Refused> {
        let length = match hint.exact().map(usize::try_from) {
            None => None,
            Some(Ok(length)) if length <= max => Some(length),
            Some(_) => return Err(Refused::BodyTooLarge),
        };
        let gzip = is_gzip(headers)?;
        if is_json(headers) {
            Ok(Self { length, gzip })
        } else {
            Err(Refused::ContentType)
        }
    }

    /// Bytes that the request can hold at once: a gzip body beside what it decodes to.
    pub(super) fn held_bytes(self, max: usize) -> usize {
        let decoded = if self.gzip { max } else { 0 };
        self.length.unwrap_or(max).saturating_add(decoded)
    }
}

/// Reads the body as sent, whatever was declared.
pub(super) async fn read(
    body: &mut Incoming,
    declared: Declared,
    max: usize,
) -> Result<Bytes, Refused> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        let Ok(data) = frame.into_data() else {
            // Trailers say nothing that the relay asks for.
            continue;
        };
        if bytes.len().saturating_add(data.len()) > max {
            return Err(Refused::BodyTooLarge);
        }
        if bytes.is_empty() {
            bytes.reserve(declared.length.unwrap_or(data.len()));
        }
        // A copy also of what came in one piece: while the event is stored that piece would keep
        // the connection's whole read buffer, which is several times as large as most events.
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// Undoes the content encoding. Bytes after the last gzip member are an error.
pub(super) async fn decode(wire: Bytes, declared: Declared, max: usize) -> Result<Bytes, Refused> {
    if !declared.gzip || wire.is_empty() {
        return Ok(wire);
    }
    let mut decoder = MultiGzDecoder::new(wire.as_ref());
    let mut piece = vec![0; DECODE_BYTES.min(max.saturating_add(1))];
    let mut decoded = Vec::new();
    loop {
        let count = decoder.read(&mut piece).map_err(|_| Refused::Gzip)?;
        if count == 0 {
            return Ok(Bytes::from(decoded));
        }
        if decoded.len().saturating_add(count) > max {
            return Err(Refused::BodyTooLarge);
        }
        decoded.extend_from_slice(piece.get(..count).unwrap_or_default());
        tokio::task::yield_now().await;
    }
}

/// Reads on a little before a refusal is answered: a client that is still sending often looks for
/// the answer only when it is done. One that waits to send (for `100 Continue`) needs no such
/// patience.
pub(super) async fn discard(waits_to_send: bool, body: &mut Incoming) -> Rest {
    if body.is_end_stream() {
        return Rest::None;
    }
    if waits_to_send {
        return Rest::Unread;
    }
    let drain = async {
        let mut left = DISCARD_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let count = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(count) {
                Some(rest) => left = rest,
                None => return Rest::Unread,
            }
        }
        Rest::None
    };
    timeout(DISCARD_TIMEOUT, drain)
        .await
        .unwrap_or(Rest::Unread)
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Refused> {
    let mut gzip = false;
    for value in headers.get_all(CONTENT_ENCODING) {
        let value = value.as_bytes().trim_ascii();
        if value.eq_ignore_ascii_case(b"gzip") && !gzip {
            gzip = true;
        } else if !value.is_empty() && !value.eq_ignore_ascii_case(b"identity") {
            return Err(Refused::ContentEncoding);
        }
    }
    Ok(gzip)
}

/// `application/json`, `application/*+json`, or nothing said.
fn is_json(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_TYPE).iter().all(|value| {
        let essence = value.as_bytes().split(|byte| *byte == b';').next();
        let essence = essence.unwrap_or_default().trim_ascii();
        let Some((kind, subtype)) = essence.split_at_checked(APPLICATION.len()) else {
            return false;
        };
        let suffix = subtype.last_chunk::<5>();
        kind.eq_ignore_ascii_case(APPLICATION)
            && (subtype.eq_ignore_ascii_case(b"json")
                || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json")))
    })
}

/// Tells a sender that broke the chunked coding from one that left.
fn broken(error: &hyper::Error) -> Refused {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    match cause.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => Refused::BrokenBody,
        _ => Refused::BodyCutOff,
    }
}
