//! Events to bulk lines: an action line and a document line each, the last one ended as well.

use crate::sink::Rendered;
use crate::sink::payload::{compact_lines, write_string};

/// Bytes of an id in its hyphenated form.
const ID_BYTES: usize = 36;

/// The action line of one target, but for the id.
pub(super) struct Action {
    target: String,
    /// `{"create":{"_index":"<target>","_id":"`
    head: Vec<u8>,
}

const TAIL: &[u8] = b"\"}}\n";

impl Action {
    pub(super) fn new(target: &str) -> Self {
        let mut head = b"{\"create\":{\"_index\":".to_vec();
        write_string(&mut head, target);
        head.extend_from_slice(b",\"_id\":\"");
        Self {
            target: target.to_owned(),
            head,
        }
    }

    /// Index or data stream.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// The whole body.
    pub(super) fn encode(&self, batch: &[Rendered]) -> Vec<u8> {
        let mut body = Vec::with_capacity(batch.iter().map(|event| self.bytes(event)).sum());
        for event in batch {
            body.extend_from_slice(&self.head);
            body.extend_from_slice(event.id().to_string().as_bytes());
            body.extend_from_slice(TAIL);
            body.extend_from_slice(&compact_lines(&event.body));
            body.push(b'\n');
        }
        body
    }

    /// Bytes of one event, before line ends inside it are removed.
    pub(super) fn bytes(&self, event: &Rendered) -> usize {
        self.head.len() + ID_BYTES + TAIL.len() + event.body.len() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::payload::tests::rendered;

    #[test]
    fn each_event_is_a_create_with_its_id_and_a_document_on_one_line() {
        let action = Action::new("logs-acme.webhook-default");
        let batch = [rendered(1, "{\"a\":\n1}"), rendered(2, "{}")];
        let body = action.encode(&batch);
        assert_eq!(
            String::from_utf8(body.clone()).unwrap(),
            "{\"create\":{\"_index\":\"logs-acme.webhook-default\",\
             \"_id\":\"01010101-0101-0101-0101-010101010101\"}}\n{\"a\":1}\n\
             {\"create\":{\"_index\":\"logs-acme.webhook-default\",\
             \"_id\":\"02020202-0202-0202-0202-020202020202\"}}\n{}\n"
        );
        let bytes: usize = batch.iter().map(|event| action.bytes(event)).sum();
        assert_eq!(bytes, body.len() + 1, "one line end was removed");
    }

    #[test]
    fn a_target_cannot_break_out_of_its_line() {
        let body = Action::new("a\"},\n\"x").encode(&[rendered(1, "{}")]);
        assert_eq!(body.iter().filter(|byte| **byte == b'\n').count(), 2);
    }
}
