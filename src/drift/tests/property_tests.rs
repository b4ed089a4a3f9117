//! Proves of any JSON: the sketch stays within its limits, is the same for the same events, and is
//! the same after it was written and read.

use proptest::prelude::*;

use super::super::{file, sketch};
use super::*;

/// Any JSON, with keys and texts that often meet.
fn json() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["[a-c]{0,2}", "[A-Z]{1,6}", "[ -~]{0,70}", ".{0,5}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        let key = prop_oneof!["[a-e]", "[ -~]{0,20}", ".{0,70}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_events_give_a_sketch_within_limits_that_survives_its_file(
        events in prop::collection::vec(json(), 0..40),
        cut in 0usize..40,
    ) {
        let whole = shown(&events);
        prop_assert!(whole.bytes().iter().all(|bytes| *bytes <= sketch::SOURCE_BYTES_MAX));
        let bytes = file::encode(&whole).unwrap();
        prop_assert_eq!(&bytes, &file::encode(&shown(&events)).unwrap());

        // Written, read and shown the rest, it is the one that saw all at once.
        let cut = cut.min(events.len());
        let directory = tempfile::tempdir().unwrap();
        let first = shown(&events[..cut]);
        file::save(directory.path(), &file::encode(&first).unwrap()).unwrap();
        let mut second = file::load(directory.path()).unwrap().unwrap();
        prop_assert_eq!(&second, &first);
        for (number, value) in (1..).zip(&events).skip(cut) {
            second.add("appsec", type_of(value), Shape::of(value), id(number));
        }
        prop_assert_eq!(&second, &whole);
        prop_assert_eq!(second.report(), whole.report());
    }
}

#[test]
fn what_strangers_send_fills_one_sources_room_and_no_more() {
    let mut sketch = Sketch::default();
    for number in 0..6000_u64 {
        // New types, new keys, new words, all the time.
        let letters = |n: u64| {
            let digit = |shift: u64| char::from(b'a' + u8::try_from((n >> shift) % 16).unwrap());
            [12, 8, 4, 0].map(digit).iter().collect::<String>()
        };
        let fields = (0..40).map(|n| (letters(number * 40 + n), json!(letters(number))));
        let mut value = Value::Object(fields.collect());
        value["type"] = json!(format!("T{}", letters(number % 100)));
        let source = format!("s{}", number % 40);
        sketch.add(&source, type_of(&value), Shape::of(&value), id(number));
    }
    assert_eq!(sketch.sources.len(), sketch::SOURCES_MAX);
    assert_eq!(sketch.untracked, 6000 / 40 * 8);
    let all = sketch.bytes();
    let (total, sources) = all.split_last().unwrap();
    assert!(
        *total <= sketch::TOTAL_BYTES_MAX && *total > sketch::TOTAL_BYTES_MAX / 2,
        "{total}"
    );
    assert_eq!(sources.iter().sum::<usize>(), *total);
    assert!(
        sources
            .iter()
            .all(|bytes| *bytes <= sketch::SOURCE_BYTES_MAX)
    );
    for source in sketch.sources.values() {
        assert!(source.types.len() <= sketch::TYPES_MAX && source.untracked > 0);
    }
    // What the costs reckon is no less than what the file takes.
    assert!(file::encode(&sketch).unwrap().len() <= *total);
    let report = serde_json::to_string(&sketch.report()).unwrap();
    assert!(report.len() < 1024 * 1024, "{}", report.len());
}

#[test]
fn one_type_has_at_most_512_fields_and_one_field_32_words() {
    let mut sketch = Sketch::default();
    for number in 0..40_u64 {
        let fields = (0..20).map(|n| (format!("k{}x{}", number, n), json!(1)));
        let mut value = Value::Object(fields.collect());
        value["word"] = json!(format!("w{number}"));
        sketch.add("appsec", "", Shape::of(&value), id(number));
        let words = &sketch.sources["appsec"].types["-"].root.fields["/word"].words;
        assert_eq!(
            words.as_ref().map(|words| words.len() as u64),
            match number {
                0..32 => Some(number + 1),
                _ => None,
            }
        );
    }
    let root = &sketch.sources["appsec"].types["-"].root;
    assert_eq!(root.fields.len(), sketch::FIELDS_MAX);
    assert_eq!(sketch.sources["appsec"].untracked, 40 * 20 + 1 - 512);
}
