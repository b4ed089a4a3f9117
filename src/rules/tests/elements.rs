//! Proves what a condition says of the elements of arrays, and of the parts of a model.

use bytes::Bytes;

use super::*;
use crate::rules;
use crate::settings::{Action, ModelPart, Rule};

fn number(value: &str) -> Test {
    Test::In(vec![Scalar::Number(value.to_owned())])
}

#[test]
fn a_star_is_each_element_of_an_array_one_of_which_must_pass() {
    let json = r#"{"l":[{"id":1,"t":["a","b"]},{"id":2,"t":["c"]},7,null],"e":[],"o":{"*":1,"x":2},
        "n":[null,null]}"#;
    let of = |texts: &[&str]| Test::In(texts.iter().map(|one| text(one)).collect());
    for (pointer, test, holds_there) in [
        ("/l/*/id", number("2"), true),
        ("/l/*/id", number("3"), false),
        ("/l/*", number("7"), true),
        ("/l/*/t/*", of(&["c"]), true),
        ("/l/*/t/0", of(&["b"]), false),
        ("/l/*/t/1", of(&["b"]), true),
        ("/l/*/t", of(&["c"]), false),
        ("/l/*/id", Test::Exists(true), true),
        ("/l/*/no", Test::Exists(false), true),
        ("/l/*/id", Test::Exists(false), false),
        ("/n/*", Test::Exists(false), true),
        ("/e/*", Test::Exists(true), false),
        ("/e/*", Test::Exists(false), true),
        ("/o/*", number("1"), true),
        ("/o/*", number("2"), false),
    ] {
        let condition = field(pointer, test);
        assert_eq!(holds(&condition, json), holds_there, "{condition:?}");
        let not = Condition::Not(Box::new(condition.clone()));
        assert_eq!(holds(&not, json), !holds_there, "{not:?}");
        let rule = Rule {
            action: Action::Set {
                to: Pointer(vec!["met".to_owned()]),
                value: "1".to_owned(),
            },
            when: Some(condition.clone()),
        };
        // The second time it is asked of an array that is opened.
        let opened = Rule {
            action: Action::Lower(vec![Pointer(vec!["l".to_owned(), "*".to_owned()])]),
            when: None,
        };
        for rules in [vec![&rule], vec![&opened, &rule]] {
            let out = apply(rules, &Bytes::from(json)).unwrap();
            assert_eq!(out.ends_with(b"\"met\":1}"), holds_there, "{condition:?}");
        }
    }
}

#[test]
fn arrays_in_arrays_take_no_longer_than_their_bytes() {
    let row = format!("[{}1]", "1,".repeat(999));
    let wide = format!("[{}{row}]", format!("{row},").repeat(499));
    assert!(!holds(&field("/*/*", number("2")), &wide));
    assert!(holds(&field("/*/*/*", Test::Exists(false)), &wide));
    let deep = format!("{}1{}", "[".repeat(500_000), "]".repeat(500_000));
    let sixteen = "/*".repeat(16);
    assert!(holds(&field(&sixteen, Test::Exists(true)), &deep));
}

#[test]
fn a_part_of_the_model_is_asked_like_a_value() {
    let of = |part, test| Condition::Model { part, test };
    let model = |part| match part {
        ModelPart::Severity => Some("\"high\"".into()),
        ModelPart::Test => Some("true".into()),
        _ => None,
    };
    let holds = |condition: &Condition| rules::holds(condition, "{}", &model);
    let severe = Test::In(vec![text("high"), text("critical")]);
    assert!(holds(&of(ModelPart::Severity, severe.clone())));
    assert!(!holds(&of(ModelPart::Vendor, severe)));
    assert!(holds(&of(ModelPart::Vendor, Test::Exists(false))));
    assert!(holds(&of(
        ModelPart::Test,
        Test::In(vec![Scalar::Flag(true)])
    )));
}
