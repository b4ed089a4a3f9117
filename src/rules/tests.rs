//! Proves that conditions say what `docs/configuration.md` says of them, and that nothing that a
//! vendor sends makes them fail.

use proptest::prelude::*;

use super::*;
use crate::settings::{Condition, Pointer, Scalar, Test};

mod changes;
mod elements;

fn at(pointer: &str) -> Pointer {
    Pointer(pointer.split('/').skip(1).map(str::to_owned).collect())
}

fn field(pointer: &str, test: Test) -> Condition {
    let at = at(pointer);
    Condition::Field { at, test }
}

fn text(value: &str) -> Scalar {
    Scalar::Text(value.to_owned())
}

fn glob(text: &str) -> Test {
    Test::Glob(text.split('*').map(str::to_owned).collect())
}

const EVENT: &str = r#" {"a":{"t":"API_SECURE__X","n":12345678901234567890123456789,"f":1.50,
    "yes":true,"no":null,"blank":"","ip":"10.1.2.3","six":"::ffff:10.1.2.3","list":["x",{"y":1}],
    "esc\u0061pe":"\u0041b","lone":"\ud800z","":"empty","a/b":"slash","m~n":"tilde"},
    "twice":1,"twice":2}"#;

/// Whether a condition holds of an event of which nobody made a model.
fn holds(condition: &Condition, text: &str) -> bool {
    super::holds(condition, text, &|_| None)
}

#[test]
fn every_test_holds_of_its_own_values_and_of_no_others() {
    let number = |text: &str| Test::In(vec![Scalar::Number(text.to_owned())]);
    let network = |text: &str| Test::Cidr(vec![text.parse().unwrap()]);
    for (pointer, test, holds_there) in [
        ("/a/t", Test::In(vec![text("API_SECURE__X")]), true),
        (
            "/a/t",
            Test::In(vec![text("y"), text("API_SECURE__X")]),
            true,
        ),
        ("/a/t", Test::In(vec![text("api_secure__x")]), false),
        ("/a/yes", Test::In(vec![Scalar::Flag(true)]), true),
        ("/a/yes", Test::In(vec![Scalar::Flag(false)]), false),
        ("/a/yes", Test::In(vec![text("true")]), false),
        ("/a/f", number("1.5"), true),
        ("/a/f", number("15e-1"), true),
        ("/a/f", Test::In(vec![text("1.50")]), false),
        ("/a/n", number("12345678901234567890123456789"), true),
        ("/a/n", number("12345678901234567890123456788"), false),
        (
            "/a/n",
            Test::Greater("12345678901234567890123456788".to_owned()),
            true,
        ),
        (
            "/a/n",
            Test::Greater("12345678901234567890123456789".to_owned()),
            false,
        ),
        ("/a/t", Test::Greater("0".to_owned()), false),
        ("/a/t", Test::Prefix("API_".to_owned()), true),
        ("/a/t", Test::Prefix("PI_".to_owned()), false),
        ("/a/t", Test::Suffix("__X".to_owned()), true),
        ("/a/t", Test::Suffix("__".to_owned()), false),
        ("/a/n", Test::Prefix("123".to_owned()), false),
        ("/a/t", glob("API*_X"), true),
        ("/a/t", glob("*SEC*RE*"), true),
        ("/a/t", glob("API_SECURE__X*__X"), false),
        ("/a/t", glob("API_SECURE__X"), true),
        ("/a/t", glob("API_SECURE"), false),
        ("/a/ip", network("10.0.0.0/8"), true),
        ("/a/ip", network("10.2.0.0/16"), false),
        ("/a/six", network("10.1.2.3/32"), true),
        ("/a/t", network("0.0.0.0/0"), false),
        ("/a/t", Test::Exists(true), true),
        ("/a/blank", Test::Exists(true), true),
        ("/a/no", Test::Exists(true), false),
        ("/a/no", Test::Exists(false), true),
        ("/a/list", Test::Exists(true), true),
        ("/a/list/2", Test::Exists(false), true),
        ("/a/list/0", Test::In(vec![text("x")]), true),
        ("/a/list/00", Test::Exists(true), false),
        ("/a/list/1/y", number("1"), true),
        ("/a/t/x", Test::Exists(true), false),
        ("/a/escape", Test::In(vec![text("Ab")]), true),
        ("/a/lone", Test::Suffix("z".to_owned()), true),
        ("/a/", Test::In(vec![text("empty")]), true),
        ("/twice", number("2"), true),
        ("/none", Test::Exists(false), true),
        ("/none", Test::In(vec![text("")]), false),
    ] {
        let condition = field(pointer, test);
        assert_eq!(holds(&condition, EVENT), holds_there, "{condition:?}");
        let not = Condition::Not(Box::new(condition));
        assert_eq!(holds(&not, EVENT), !holds_there, "{not:?}");
    }
}

#[test]
fn all_any_and_not_join_conditions() {
    let (yes, no) = (
        field("/a", Test::Exists(true)),
        field("/b", Test::Exists(true)),
    );
    let of = |joint: fn(Vec<Condition>) -> Condition, parts: &[&Condition]| {
        holds(
            &joint(parts.iter().map(|&part| part.clone()).collect()),
            EVENT,
        )
    };
    assert!(of(Condition::All, &[&yes, &yes]) && !of(Condition::All, &[&yes, &no]));
    assert!(of(Condition::Any, &[&no, &yes]) && !of(Condition::Any, &[&no, &no]));
}

#[test]
fn text_that_is_no_json_has_no_values() {
    for odd in ["", "{", "{\"a\":", "[1", "\u{feff}{}", "{\"a\" 1}"] {
        assert!(!holds(&field("/a", Test::Exists(true)), odd), "{odd}");
        assert!(holds(&field("/a", Test::Exists(false)), odd), "{odd}");
    }
}

#[test]
fn depth_and_length_cost_neither_stack_nor_patience() {
    let deep = format!(
        "{{\"a\":{}1{},\"b\":2}}",
        "[".repeat(500_000),
        "]".repeat(500_000)
    );
    assert!(holds(&field("/b", Test::Exists(true)), &deep));
    assert!(holds(&field("/a/0/0/0", Test::Exists(true)), &deep));
    let long = format!("{{\"a\":\"{}\"}}", "ab".repeat(500_000));
    assert!(!holds(&field("/a", glob("a*ab*ab*abc*a")), &long));
}

/// Any JSON, as text with its oddities.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,25})?",
        "[a-c/~*]{0,4}".prop_map(|text| format!("\"{text}\"")),
        Just(r#""\ud800\n\"\\""#.to_owned()),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let member = ("[a-c/~*]{0,2}", inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(|all| format!("[{}]", all.join(" , "))),
            prop::collection::vec(member, 0..5).prop_map(|all| {
                let all = all
                    .into_iter()
                    .map(|(key, value)| format!("\"{key}\" :{value}"));
                format!("{{{}}}", all.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

fn pointers() -> impl Strategy<Value = Pointer> {
    prop::collection::vec("[a-c0-2/~*]{0,2}", 1..5).prop_map(Pointer)
}

fn conditions() -> impl Strategy<Value = Condition> {
    let word = || "[a-c]{0,2}";
    let number = "-?[0-9]{1,20}(\\.[0-9]{1,4})?(e-?[0-9]{1,3})?";
    let test = prop_oneof![
        word().prop_map(|word| Test::In(vec![Scalar::Text(word)])),
        number.prop_map(|number| Test::In(vec![Scalar::Number(number)])),
        word().prop_map(Test::Prefix),
        word().prop_map(Test::Suffix),
        prop::collection::vec(word(), 0..4).prop_map(Test::Glob),
        any::<bool>().prop_map(Test::Exists),
        number.prop_map(Test::Greater),
        Just(Test::Cidr(vec!["::/0".parse().unwrap()])),
    ];
    let leaf = (pointers(), test).prop_map(|(at, test)| Condition::Field { at, test });
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Condition::All),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Condition::Any),
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn every_condition_has_an_answer_for_every_text(
        condition in conditions(), json in json(), noise in ".{0,40}", cut in 0..60usize,
    ) {
        let answer = holds(&condition, &json);
        prop_assert_eq!(holds(&Condition::Not(Box::new(condition.clone())), &json), !answer);
        holds(&condition, &noise);
        holds(&condition, json.get(..cut.min(json.len())).unwrap_or_default());
    }

    #[test]
    fn numbers_compare_as_integers_do(one: i64, other: i64, zeros in 0..4usize) {
        let shown = format!("{other}.{}", "0".repeat(zeros + 1));
        prop_assert_eq!(decimal::compare(&one.to_string(), &shown), Some(one.cmp(&other)));
        let scaled = format!("{one}e{zeros}");
        let written = format!("{one}{}", if one == 0 { String::new() } else { "0".repeat(zeros) });
        prop_assert_eq!(decimal::compare(&scaled, &written), Some(std::cmp::Ordering::Equal));
    }

    #[test]
    fn a_value_is_found_where_a_parser_finds_it(json in json(), pointer in pointers()) {
        // Lone surrogates and huge exponents are what the parser does not take.
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(&json) {
            let escaped = |step: &String| step.replace('~', "~0").replace('/', "~1");
            let path: Vec<_> = pointer.0.iter().map(escaped).collect();
            let expected = value.pointer(&format!("/{}", path.join("/")));
            let found = json::at(&json, &pointer);
            let found = found.map(|text| serde_json::from_str(text).unwrap());
            prop_assert_eq!(found.as_ref(), expected);
        }
    }
}
