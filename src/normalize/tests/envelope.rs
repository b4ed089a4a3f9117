//! Proves that an event that is opened in one go has the same members as one that is opened level
//! by level.

use proptest::prelude::*;

use super::hostile::any_json;
use super::json::Object;
use super::*;
use crate::normalize::envelope::Content;

type Members = Vec<(String, String)>;

fn members(object: Object<'_>) -> Members {
    let rest = object.into_rest();
    let mut members: Members = rest
        .map(|(key, value)| (key.into_owned(), value.get().to_owned()))
        .collect();
    members.sort();
    members
}

/// Of the event and of what is in `data`, where the event is an object.
fn opened(payload: &str) -> Option<(Members, Members)> {
    match Envelope::open(payload).take_event() {
        Content::Opened(opened) => Some((members(opened.event), members(opened.data))),
        Content::Closed(_) | Content::Nothing => None,
    }
}

fn level_by_level(payload: &str) -> Option<(Members, Members)> {
    let event = Envelope::read(payload).event()?;
    let mut event = json::object(event)?;
    let data = event.take("data", json::object).unwrap_or_default();
    Some((members(event), members(data)))
}

fn check(payload: &str) {
    assert_eq!(opened(payload), level_by_level(payload), "{payload}");
    let (mut one, mut next) = (Envelope::open(payload), Envelope::read(payload));
    let text = |envelope: &Envelope<'_>| envelope.event().map(|value| value.get().to_owned());
    if opened(payload).is_none() {
        assert_eq!(text(&one), text(&next), "{payload}");
    } else {
        assert_eq!(text(&one), None, "{payload}");
    }
    assert_eq!(
        (one.time(), one.host(), members(one.take_rest())),
        (next.time(), next.host(), members(next.take_rest())),
        "{payload}"
    );
}

#[test]
fn what_is_no_object_or_is_there_twice_is_read_as_it_always_is() {
    let texts = [
        "7",
        "[]",
        "{",
        "{} x",
        "{}",
        r#"{"event":null,"a":1}"#,
        r#"{"event":"text","time":7}"#,
        r#"{"event":{},"host":"h"}"#,
        r#"{"event":{"data":[1],"b":2},"time":7,"x":1}"#,
        r#"{"event":{"data":{"c":3},"b":2},"time":7,"x":1}"#,
        r#"{"event":{"data":{"c":3}},"event":{"b":2}}"#,
        r#"{"event":{"data":{"c":3}},"event":7}"#,
        r#"{"event":7,"event":{"data":{"c":3}}}"#,
        r#"{"event":{"data":{"c":3},"data":{"d":4}}}"#,
        r#"{"event":{"data":{"c":3},"data":4}}"#,
        r#"{"e\u0076ent":{"d\u0061ta":{"\ud800":3,"event":{"data":1}}},"data":{"event":5}}"#,
    ];
    texts.into_iter().for_each(check);
    let along = |text| Object::parse_along(text, &["event", "data"]).map(|all| all.len());
    let lengths: Vec<_> = texts.into_iter().map(along).collect();
    let nones = lengths.iter().filter(|length| length.is_none()).count();
    assert_eq!(
        (nones, lengths[8], lengths[9]),
        (10, None, Some(3)),
        "{lengths:?}"
    );
    let (event, data) = opened(texts[9]).unwrap();
    assert_eq!(event, [("b".to_owned(), "2".to_owned())]);
    assert_eq!(data, [("c".to_owned(), "3".to_owned())]);
}

proptest! {
    #[test]
    fn any_event_has_the_same_members_either_way(
        data in any_json(),
        event in any_json(),
        again in prop::option::of(any_json()),
    ) {
        check(&format!(r#"{{"event":{event},"time":1.5}}"#));
        let again = again.map(|json| format!(r#","event":{{"data":{json}}}"#));
        let again = again.unwrap_or_default();
        check(&format!(r#"{{"event":{{"a":{event},"data":{data}}}{again},"host":"h"}}"#));
    }
}
