//! Intakes that take any JSON object: each event in the relay's envelope, which has its id.
//!
//! Panther's HTTP source takes them one a line; the `http_endpoint` input of Elastic Agent takes an
//! array, whose items must be objects, as an envelope is whatever the event is.

use super::Preset;
use super::json::{self, Out};
use super::judge::{self, Taken};
use crate::sink::client::Answer;
use crate::sink::{Rendered, Verdict, payload};

/// One a line.
pub(super) struct Lines;

/// In an array.
pub(super) struct Array;

/// Writes envelopes one a line.
pub(super) fn lines(out: &mut dyn Out, batch: &[&Rendered]) {
    for event in batch {
        let mut line = Vec::with_capacity(event.body.len() + 256);
        payload::write_line(&mut line, event, true);
        out.put(&line);
    }
}

impl Preset for Lines {
    fn encode(&self, out: &mut dyn Out, batch: &[&Rendered], _now_ms: u64) {
        lines(out, batch);
    }

    fn judge(&self, answer: &Answer, events: usize) -> Verdict {
        judge::judge(answer, events, Taken::Any)
    }
}

impl Preset for Array {
    fn encode(&self, out: &mut dyn Out, batch: &[&Rendered], _now_ms: u64) {
        json::array(out, batch, |out, event| {
            let mut item = Vec::with_capacity(event.body.len() + 256);
            payload::write(&mut item, event, true);
            out.put(&item);
        });
    }

    /// 200 unless the input's `response_code` says otherwise.
    fn judge(&self, answer: &Answer, events: usize) -> Verdict {
        judge::judge(answer, events, Taken::Any)
    }
}
