//! Proves that conditions are read as written, and that each mistake is told with the way to it.

use crate::settings::{Condition, ModelPart, Pointer, Scalar, Test};

use super::*;

fn when(condition: &str) -> String {
    format!("{SOURCE}{DESTINATION}when = {condition}\n")
}

fn read(condition: &str) -> Condition {
    let settings = accepted(&when(condition));
    settings.destinations[0].when.clone().unwrap()
}

fn field(steps: &[&str], test: Test) -> Condition {
    let at = Pointer(steps.iter().map(|&step| step.to_owned()).collect());
    Condition::Field { at, test }
}

#[test]
fn every_test_arrives() {
    let texts = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    for (written, test) in [
        (
            "equals = \"x\"",
            Test::In(vec![Scalar::Text("x".to_owned())]),
        ),
        (
            "equals = 1.5",
            Test::In(vec![Scalar::Number("1.5".to_owned())]),
        ),
        (
            "in = [7, true]",
            Test::In(vec![Scalar::Number("7".to_owned()), Scalar::Flag(true)]),
        ),
        ("prefix = \"p\"", Test::Prefix("p".to_owned())),
        ("suffix = \"s\"", Test::Suffix("s".to_owned())),
        ("glob = \"a**b*\"", Test::Glob(texts(&["a", "b", ""]))),
        ("glob = \"ab\"", Test::Glob(texts(&["ab"]))),
        ("exists = false", Test::Exists(false)),
        (
            "cidr = \"10.0.0.0/8\"",
            Test::Cidr(vec!["10.0.0.0/8".parse().unwrap()]),
        ),
        (
            "cidr = [\"::1\"]",
            Test::Cidr(vec!["::1/128".parse().unwrap()]),
        ),
        ("greater = -3", Test::Greater("-3".to_owned())),
    ] {
        let written = format!("{{ field = \"/a/0\", {written} }}");
        assert_eq!(read(&written), field(&["a", "0"], test), "{written}");
    }
}

#[test]
fn pointers_are_decoded_and_conditions_nest() {
    let there = |step: &str| field(&[step], Test::Exists(true));
    assert_eq!(
        read(
            "{ all = [{ field = \"/a~1b\", exists = true }, { not = { any = [ \
             { field = \"/m~0n\", exists = true }, { field = \"/\", exists = true }] } }] }"
        ),
        Condition::All(vec![
            there("a/b"),
            Condition::Not(Box::new(Condition::Any(vec![there("m~n"), there("")]))),
        ])
    );
}

#[test]
fn each_mistake_is_told_with_the_way_to_it() {
    for (condition, expected) in [
        ("\"x\"", "must be a table, is a string"),
        ("{}", "says nothing that can hold"),
        ("{ field = \"/a\" }", "says nothing that can hold"),
        ("{ equals = 1 }", "equals: stands without field or model"),
        (
            "{ field = \"a\", equals = 1 }",
            "field: \"a\" is not a JSON pointer",
        ),
        ("{ field = \"/~2\", equals = 1 }", "a ~ that is neither"),
        ("{ field = 1, equals = 1 }", "field: must be a string"),
        (
            "{ field = \"/a\", equals = [] }",
            "equals: must be a string, a number or a boolean",
        ),
        (
            "{ field = \"/a\", equals = nan }",
            "equals: must be a finite number",
        ),
        (
            "{ field = \"/a\", in = [] }",
            "in: must be a list of 1 to 256",
        ),
        (
            "{ field = \"/a\", exists = \"yes\" }",
            "exists: must be true or false",
        ),
        (
            "{ field = \"/a\", cidr = \"10.0.0.1/8\" }",
            "has bits beyond its prefix",
        ),
        (
            "{ field = \"/a\", cidr = [\"x\"] }",
            "\"x\" is neither an address nor a network",
        ),
        (
            "{ field = \"/a\", greater = \"1\" }",
            "greater: must be a number",
        ),
        (
            "{ field = \"/a\", equals = 1, in = [1] }",
            "says more than one thing",
        ),
        (
            "{ field = \"/a\", equal = 1 }",
            "\"equal\" is unknown, did you mean equals?",
        ),
        ("{ field = \"/a\", all = [{}] }", "all: stands beside field"),
        ("{ all = [] }", "all: must have 1 to 64 entries"),
        (
            "{ not = { any = [{ field = \"/a\", prefix = 1 }] } }",
            "not.any[1].prefix: must be a",
        ),
    ] {
        let found = problems(&when(condition));
        assert_eq!(found.len(), 1, "{condition}: {found:?}");
        assert!(found[0].contains("destinations.d.when: "), "{found:?}");
        assert!(found[0].contains(expected), "{condition}: {found:?}");
    }
}

#[test]
fn parts_of_the_model_take_the_tests_that_an_event_can_pass() {
    let texts = |all: &[&str]| {
        let all = all.iter().map(|&text| Scalar::Text(text.to_owned()));
        Test::In(all.collect())
    };
    for (written, part, test) in [
        (
            "model = \"severity\", at_least = \"high\"",
            ModelPart::Severity,
            texts(&["high", "critical"]),
        ),
        (
            "model = \"family\", in = [\"login\", \"account\"]",
            ModelPart::Family,
            texts(&["login", "account"]),
        ),
        (
            "model = \"test\", equals = true",
            ModelPart::Test,
            Test::In(vec![Scalar::Flag(true)]),
        ),
        (
            "model = \"asset_host\", suffix = \".example.com\"",
            ModelPart::AssetHost,
            Test::Suffix(".example.com".to_owned()),
        ),
        (
            "model = \"address\", cidr = \"10.0.0.0/8\"",
            ModelPart::Address,
            Test::Cidr(vec!["10.0.0.0/8".parse().unwrap()]),
        ),
    ] {
        let expected = Condition::Model { part, test };
        assert_eq!(read(&format!("{{ {written} }}")), expected, "{written}");
    }
    for (condition, expected) in [
        (
            "{ model = \"sevrity\", exists = true }",
            "model: \"sevrity\" is no part of the model, did you mean severity?",
        ),
        (
            "{ model = \"x\", exists = true }",
            "write one of vendor, product",
        ),
        ("{ model = 1, exists = true }", "model: must be a string"),
        (
            "{ model = \"severity\", equals = \"HIGH\" }",
            "equals: can never hold: there it is one of informational, low",
        ),
        (
            "{ model = \"severity\", at_least = \"urgent\" }",
            "at_least: must be one of informational, low, medium, high, critical",
        ),
        (
            "{ model = \"user\", at_least = \"high\" }",
            "at_least: is for model = \"severity\" only",
        ),
        (
            "{ field = \"/a\", at_least = \"high\" }",
            "at_least: is for model = \"severity\" only",
        ),
        (
            "{ model = \"severity\", greater = 3 }",
            "greater: is about numbers",
        ),
        (
            "{ model = \"user\", cidr = \"::/0\" }",
            "cidr: is for model = \"address\" only",
        ),
        (
            "{ model = \"test\", equals = \"yes\" }",
            "one of true and false",
        ),
        (
            "{ model = \"test\", prefix = \"t\" }",
            "prefix: is about texts",
        ),
        ("{ model = \"user\", in = [1] }", "in: can never hold"),
        (
            "{ model = \"user\", field = \"/a\", exists = true }",
            "exists: stands beside both field and model",
        ),
        (
            "{ model = \"user\", all = [{}] }",
            "all: stands beside model",
        ),
    ] {
        let found = problems(&when(condition));
        assert_eq!(found.len(), 1, "{condition}: {found:?}");
        assert!(found[0].contains(expected), "{condition}: {found:?}");
    }
    let rule = "rules = [{ drop = \"/a\", when = { model = \"user\", exists = true } }]";
    let found = problems(&format!("{SOURCE}{DESTINATION}{rule}\n"));
    assert!(
        found[0].contains("model: has no meaning in a rule"),
        "{found:?}"
    );
}

#[test]
fn depth_and_number_are_bounded() {
    let nested = |depth: usize| {
        let (open, close) = ("{ not = ".repeat(depth - 1), " }".repeat(depth - 1));
        when(&format!("{open}{{ field = \"/a\", exists = true }}{close}"))
    };
    accepted(&nested(8));
    assert!(problems(&nested(9))[0].contains("lies more than 8 tables deep"));
    let wide = |tests: usize| {
        let one = "{ field = \"/a\", exists = true }";
        let half = vec![one; tests / 2].join(", ");
        when(&format!(
            "{{ all = [{{ any = [{half}] }}, {{ any = [{half}] }}] }}"
        ))
    };
    accepted(&wide(64));
    assert!(problems(&wide(66))[0].contains("has 66 tests, at most 64 are taken"));
    let long = format!("{{ field = \"{}\", exists = true }}", "/a".repeat(17));
    assert!(problems(&when(&long))[0].contains("more than 16 steps"));
}
