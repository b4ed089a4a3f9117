//! Events to bulk lines: an action line and a document line each, the last one ended as well.

use super::target::Targets;
use crate::settings::{ElasticFlavour, Elasticsearch};
use crate::sink::Rendered;
use crate::sink::payload::{compact_lines, write_string};

/// Bytes of an action line with neither index nor id: `{"create":{}}` and its end.
const ACTION_BYTES: usize = 14;
/// Bytes of `"_id":"` to the closing quote, with an id in its hyphenated form.
const ID_BYTES: usize = 44;

/// What an action line states besides the document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Action {
    /// The index; not where it is in the path.
    pub(super) index: bool,
    /// The id; not where the service makes its own.
    pub(super) id: bool,
}

impl Action {
    pub(super) fn new(settings: &Elasticsearch) -> Self {
        Self {
            // Amazon OpenSearch Serverless knows the request by its path only.
            index: settings.flavour != ElasticFlavour::OpenSearchServerless,
            id: settings.ids,
        }
    }

    /// The whole body.
    pub(super) fn encode(self, targets: &Targets, batch: &[Rendered]) -> Vec<u8> {
        let bytes = batch.iter().map(|event| self.bytes(targets, event)).sum();
        let mut body = Vec::with_capacity(bytes);
        for event in batch {
            body.extend_from_slice(b"{\"create\":{");
            if self.index {
                body.extend_from_slice(b"\"_index\":");
                write_string(&mut body, &targets.name(event));
            }
            if self.index && self.id {
                body.push(b',');
            }
            if self.id {
                body.extend_from_slice(b"\"_id\":\"");
                body.extend_from_slice(targets.id(event).to_string().as_bytes());
                body.push(b'"');
            }
            body.extend_from_slice(b"}}\n");
            body.extend_from_slice(&compact_lines(&event.body));
            body.push(b'\n');
        }
        body
    }

    /// Bytes of one event, before line ends inside it are removed.
    pub(super) fn bytes(self, targets: &Targets, event: &Rendered) -> usize {
        let index = match self.index {
            // `"_index":`, two quotes, and a comma where an id follows.
            true => 11 + targets.name(event).len() + usize::from(self.id),
            false => 0,
        };
        let id = if self.id { ID_BYTES } else { 0 };
        ACTION_BYTES + index + id + event.body.len() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::super::target::tests::{BEFORE_MIDNIGHT, daily, received, settings};
    use super::*;
    use crate::settings::BulkTarget;
    use crate::sink::payload::tests::rendered;

    const WHOLE: Action = Action {
        index: true,
        id: true,
    };

    fn targets() -> Targets {
        let stream = "logs-acme.webhook-default".to_owned();
        Targets::new(&settings(BulkTarget::DataStream(stream)))
    }

    fn text(action: Action, batch: &[Rendered]) -> String {
        let (targets, bytes) = (targets(), action.encode(&targets(), batch));
        let counted: usize = batch.iter().map(|one| action.bytes(&targets, one)).sum();
        assert_eq!(counted, bytes.len());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn each_event_is_a_create_with_its_id_and_a_document_on_one_line() {
        assert_eq!(
            text(WHOLE, &[rendered(1, "{\"a\":1}"), rendered(2, "{}")]),
            "{\"create\":{\"_index\":\"logs-acme.webhook-default\",\
             \"_id\":\"01010101-0101-0101-0101-010101010101\"}}\n{\"a\":1}\n\
             {\"create\":{\"_index\":\"logs-acme.webhook-default\",\
             \"_id\":\"02020202-0202-0202-0202-020202020202\"}}\n{}\n"
        );
        let body = WHOLE.encode(&targets(), &[rendered(1, "{\"a\":\r\n1}")]);
        assert!(body.ends_with(b"}}\n{\"a\":1}\n"));
    }

    #[test]
    fn index_and_id_can_be_left_out() {
        let of = |index, id| text(Action { index, id }, &[rendered(1, "{}")]);
        assert_eq!(
            of(true, false),
            "{\"create\":{\"_index\":\"logs-acme.webhook-default\"}}\n{}\n"
        );
        assert_eq!(
            of(false, true),
            "{\"create\":{\"_id\":\"01010101-0101-0101-0101-010101010101\"}}\n{}\n"
        );
        assert_eq!(of(false, false), "{\"create\":{}}\n{}\n");
    }

    #[test]
    fn each_event_of_a_batch_has_its_own_index() {
        let batch = [0, 1].map(|after| received(BEFORE_MIDNIGHT + after, None));
        let body = WHOLE.encode(&Targets::new(&settings(daily())), &batch);
        let body = String::from_utf8(body).unwrap();
        let names = ["f-2026.11-23", "f-2026.11-24"].map(|name| body.matches(name).count());
        assert_eq!(names, [1, 1], "{body}");
    }
}
