//! What is posted: a Data Theorem finding of 1.5 kB as a whole prebuilt request.

use std::error::Error;

use serde_json::Value;

use crate::relay::{PATH, TOKEN};

const FIXTURE: &str = include_str!("../fixtures/datatheorem/policy-violation-resolved.json");
/// Bytes of one event.
pub(crate) const EVENT_BYTES: usize = 1500;
/// Repeated as the event's description.
const PROSE: &str = "The certificate expires soon. ";
/// Stands in the prebuilt request where the fresh uuid goes.
const MARK: &str = "00000000-0000-4000-8000-000000000000";
/// Digits of the uuid that change.
const DIGITS: usize = 12;

/// A request with its head; [`Request::renew`] gives it a fresh uuid in place.
#[derive(Clone)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    /// Where the changing digits are.
    digits: usize,
}

impl Request {
    /// The fixture on one line, its prose cut so that the event has [`EVENT_BYTES`].
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let mut event: Value = serde_json::from_str(FIXTURE)?;
        let data = event
            .pointer_mut("/event/data")
            .ok_or("the fixture has no data")?;
        let data = data
            .as_object_mut()
            .ok_or("the fixture's data is no object")?;
        data.insert("uuid".to_owned(), MARK.into());
        data.insert("description".to_owned(), "".into());
        let prose = EVENT_BYTES.saturating_sub(event.to_string().len());
        if let Some(description) = event.pointer_mut("/event/data/description") {
            let prose: String = PROSE.chars().cycle().take(prose).collect();
            *description = prose.into();
        }
        let body = event.to_string();
        let length = body.len();
        let text = format!(
            "POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: siem-relay-bench\r\n\
             Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        let mark = text.find(MARK).ok_or("the event has no uuid")?;
        Ok(Self {
            bytes: text.into_bytes(),
            digits: mark + MARK.len() - DIGITS,
        })
    }

    pub(crate) fn renew(&mut self, number: u64) {
        let digits = self.digits..self.digits + DIGITS;
        let mut rest = number;
        for digit in self
            .bytes
            .get_mut(digits)
            .unwrap_or_default()
            .iter_mut()
            .rev()
        {
            *digit = *b"0123456789abcdef"
                .get((rest & 15) as usize)
                .unwrap_or(&b'0');
            rest >>= 4;
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
