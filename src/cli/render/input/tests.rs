//! Proves how an input becomes events, and what is told of places that hold none.

use std::io::Cursor;

use super::*;
use crate::cli::render::unconfigured;
use crate::settings::Preset;

fn read(origin: Origin<'_>, text: &str, most: usize) -> Vec<Result<Entry, String>> {
    let reader = Box::new(Cursor::new(text.to_owned()));
    let mut input = Input::new(reader, "in".to_owned(), origin, most);
    std::iter::from_fn(|| input.next()).collect()
}

/// Number, line and payload of an event.
type Told = (u64, Option<u64>, String);

fn events(form: Form, text: &str, most: usize) -> Vec<Result<Told, String>> {
    let source = unconfigured(Preset::DataTheorem);
    let origin = Origin::Given {
        form,
        source: &source,
        received_ms: 1_795_444_925_123,
    };
    let told = |entry: Entry| {
        let payload = String::from_utf8(entry.event.payload.to_vec()).unwrap();
        (entry.number, entry.line, payload)
    };
    let read = read(origin, text, most).into_iter();
    read.map(|one| one.map(told)).collect()
}

fn event(number: u64, line: Option<u64>, payload: &str) -> Result<Told, String> {
    Ok((number, line, payload.to_owned()))
}

#[test]
fn a_body_is_all_there_is_and_a_line_is_one_event() {
    assert_eq!(
        events(Form::Body, "[1,\n2]\n", 7),
        [event(1, None, "[1,\n2]\n")]
    );
    assert_eq!(
        events(Form::Lines, "\n[1]\r\n \n[2]", 4),
        [event(1, Some(2), "[1]\r"), event(2, Some(4), "[2]")]
    );
    assert_eq!(events(Form::Lines, "", 9), []);
}

#[test]
fn what_is_too_large_is_told_and_passed() {
    let too_large = |place: &str| {
        let text = "larger than 4 bytes, the most that is taken (server.max_body)";
        Err(format!("in: {place}{text}"))
    };
    assert_eq!(events(Form::Body, "12345", 4), [too_large("")]);
    assert_eq!(
        events(Form::Lines, "1234\n12345\n123456789\n7", 4),
        [
            event(1, Some(1), "1234"),
            too_large("line 2: "),
            too_large("line 3: "),
            event(4, Some(4), "7"),
        ]
    );
}

#[test]
fn a_connectivity_test_is_known_as_ingest_knows_it() {
    let source = unconfigured(Preset::DataTheorem);
    let origin = Origin::Given {
        form: Form::Body,
        source: &source,
        received_ms: 7,
    };
    let read = read(origin, r#"{"event":"Hello, world!"}"#, 99);
    let entry = read.into_iter().next().unwrap().unwrap();
    assert!(entry.event.provenance.test);
    assert_eq!(
        (entry.event.received_ms, entry.event.id.received_ms()),
        (7, 7)
    );
}

#[test]
fn a_line_of_an_export_is_the_event_with_its_provenance() {
    let id = "019ab136-1b03-7000-8000-000000000001";
    let line = format!(
        r#"{{"auth":"bearer","client":"192.0.2.7","duplicate_of":"{id}","id":"{id}",
        "original":"{{\"a\":1}}","position":9,"received":"2026-11-23T14:42:05.123Z",
        "source":"appsec","test":true,"later":1}}"#
    );
    let read = read(Origin::Stated, &line.replace('\n', ""), 99);
    let event = read.into_iter().next().unwrap().unwrap().event;
    let provenance = &event.provenance;
    assert_eq!((event.position, event.received_ms), (9, 1_795_444_925_123));
    assert_eq!(event.duplicate_of, Some(event.id));
    assert_eq!(
        (event.id.to_string().as_str(), &event.payload[..]),
        (id, &b"{\"a\":1}"[..])
    );
    assert_eq!(
        (provenance.source.as_str(), provenance.auth),
        ("appsec", AuthMethod::Bearer)
    );
    assert_eq!(
        (provenance.test, provenance.client),
        (true, "192.0.2.7".parse().ok())
    );
}
