//! The record header's bytes: a list of (tag u8, length u16 LE, value). Unknown tags are skipped.
//!
//! A value longer than 65,535 bytes cannot be stored; encoding cuts text values to
//! `TEXT_BYTES_MAX` at a character boundary and leaves out request headers that find no room,
//! since provenance must never refuse an event.

use std::fmt;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use super::{AuthMethod, Provenance};

/// Longest text value kept, in bytes; more is cut. Ingest's own limits are far below.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Longest stored form, in bytes: what the length field of a record holds.
const BYTES_MAX: usize = 65_535;

const SOURCE: u8 = 1;
const PEER: u8 = 2;
const CLIENT: u8 = 3;
const AUTH: u8 = 4;
const SECRET_SLOT: u8 = 5;
const TEST: u8 = 6;
const CONTENT_TYPE: u8 = 7;
const CONTENT_ENCODING: u8 = 8;
const HEADER: u8 = 9;

/// Why a stored header cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HeaderError {
    /// The bytes end inside an entry.
    #[error("record header ends inside tag {0}")]
    Truncated(u8),
    /// A known tag holds a value of the wrong form.
    #[error("record header tag {0} is malformed")]
    Malformed(u8),
    /// No source: every record has one.
    #[error("record header names no source")]
    NoSource,
}

impl Provenance {
    /// Appends the stored form to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        put_text(out, SOURCE, &self.source);
        if let Some(peer) = self.peer {
            put_written(out, PEER, |out| write_socket_address(out, peer));
        }
        if let Some(client) = self.client {
            put_written(out, CLIENT, |out| write_ip(out, client));
        }
        put(out, AUTH, &[self.auth.code()]);
        if let Some(slot) = self.secret_slot {
            put(out, SECRET_SLOT, &[slot]);
        }
        if self.test {
            put(out, TEST, &[1]);
        }
        if let Some(content_type) = &self.content_type {
            put_text(out, CONTENT_TYPE, content_type);
        }
        if let Some(encoding) = &self.content_encoding {
            put_text(out, CONTENT_ENCODING, encoding);
        }
        for (name, value) in &self.headers {
            let before = out.len();
            // A header name holds no NUL, so the first one ends it.
            put_text(out, HEADER, &format!("{name}\0{value}"));
            if out.len() - start > BYTES_MAX {
                // Better without the last headers than refused.
                out.truncate(before);
                break;
            }
        }
    }

    /// Stands in for a header that cannot be read.
    pub fn unknown() -> Self {
        Self {
            source: "unknown".to_owned(),
            peer: None,
            client: None,
            auth: AuthMethod::None,
            secret_slot: None,
            test: false,
            content_type: None,
            content_encoding: None,
            headers: Vec::new(),
        }
    }

    /// Reads the stored form; unknown tags are skipped.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut source = None;
        let mut provenance = Self::unknown();
        while let Some((&tag, rest)) = bytes.split_first() {
            let (length, rest) = rest
                .split_first_chunk::<2>()
                .ok_or(HeaderError::Truncated(tag))?;
            let length = usize::from(u16::from_le_bytes(*length));
            let (value, rest) = rest
                .split_at_checked(length)
                .ok_or(HeaderError::Truncated(tag))?;
            bytes = rest;
            match tag {
                SOURCE => source = Some(text(tag, value)?),
                PEER => provenance.peer = Some(parse::<SocketAddr>(tag, value)?),
                CLIENT => provenance.client = Some(parse::<IpAddr>(tag, value)?),
                AUTH => provenance.auth = AuthMethod::from_code(byte(tag, value)?)?,
                SECRET_SLOT => provenance.secret_slot = Some(byte(tag, value)?),
                TEST => provenance.test = byte(tag, value)? != 0,
                CONTENT_TYPE => provenance.content_type = Some(text(tag, value)?),
                CONTENT_ENCODING => provenance.content_encoding = Some(text(tag, value)?),
                HEADER => {
                    let text = text(tag, value)?;
                    let (name, value) = text.split_once('\0').ok_or(HeaderError::Malformed(tag))?;
                    provenance.headers.push((name.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        provenance.source = source.ok_or(HeaderError::NoSource)?;
        Ok(provenance)
    }
}

impl AuthMethod {
    fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Bearer => 1,
            Self::Capability => 2,
            Self::Header => 3,
        }
    }

    fn from_code(code: u8) -> Result<Self, HeaderError> {
        match code {
            0 => Ok(Self::None),
            1 => Ok(Self::Bearer),
            2 => Ok(Self::Capability),
            3 => Ok(Self::Header),
            _ => Err(HeaderError::Malformed(AUTH)),
        }
    }
}

fn put_text(out: &mut Vec<u8>, tag: u8, text: &str) {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    put(out, tag, text.as_bytes().get(..end).unwrap_or_default());
}

/// Appends an entry whose value is written where it is stored.
fn put_written(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    put(out, tag, &[]);
    let text = out.len();
    write(out);
    let length = u16::try_from(out.len() - text);
    match (length, out.get_mut(start + 1..text)) {
        (Ok(length), Some(place)) => place.copy_from_slice(&length.to_le_bytes()),
        // Neither happens: an address is short.
        _ => out.truncate(start),
    }
}

/// An address in text. Those of version 4, which are most, without the detour of formatting.
fn write_ip(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                write_number(out, octet.into());
            }
        }
        IpAddr::V6(address) => write_text(out, address),
    }
}

fn write_socket_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(address) => {
            write_ip(out, (*address.ip()).into());
            out.push(b':');
            write_number(out, address.port());
        }
        SocketAddr::V6(address) => write_text(out, address),
    }
}

fn write_number(out: &mut Vec<u8>, number: u16) {
    if number > 9 {
        write_number(out, number / 10);
    }
    out.extend(u8::try_from(number % 10).map(|digit| b'0' + digit));
}

fn write_text(out: &mut Vec<u8>, value: impl fmt::Display) {
    // A vector takes everything.
    let _written = write!(out, "{value}");
}

fn put(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    let Ok(length) = u16::try_from(value.len()) else {
        return;
    };
    out.push(tag);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(value);
}

fn text(tag: u8, value: &[u8]) -> Result<String, HeaderError> {
    String::from_utf8(value.to_vec()).map_err(|_| HeaderError::Malformed(tag))
}

fn parse<T: std::str::FromStr>(tag: u8, value: &[u8]) -> Result<T, HeaderError> {
    let text = std::str::from_utf8(value).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or(HeaderError::Malformed(tag))
}

fn byte(tag: u8, value: &[u8]) -> Result<u8, HeaderError> {
    match value {
        [byte] => Ok(*byte),
        _ => Err(HeaderError::Malformed(tag)),
    }
}
