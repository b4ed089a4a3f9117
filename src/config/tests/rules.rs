//! Proves that rules are read as written, and that each mistake is told with the rule it is in.

use crate::settings::{Action, Pointer};

use super::*;

fn text(rules: &str) -> String {
    format!("{SOURCE}{DESTINATION}rules = [{rules}]\n")
}

fn found(rules: &str) -> String {
    problems(&text(rules)).join("\n")
}

fn at(pointer: &str) -> Pointer {
    Pointer(pointer.split('/').skip(1).map(str::to_owned).collect())
}

#[test]
fn every_action_arrives_in_its_order_with_its_condition() {
    let settings = accepted(&text(
        "{ rename = \"/a\", to = \"/b\" }, { copy = \"/a\", to = \"/b\" }, \
         { set = \"/a\", value = 1.5 }, { drop = \"/a\" }, { keep = [\"/a\", \"/b/*\"] }, \
         { redact = \"/a\" }, { redact = \"/a\", key_file = \"token\" }, { parse_time = \"/a\" }, \
         { lower = \"/a\", when = { field = \"/b\", exists = true } }",
    ));
    let rules = &settings.destinations[0].rules;
    let (a, b) = (at("/a"), at("/b"));
    let actions: Vec<_> = rules.iter().map(|rule| &rule.action).collect();
    assert!(matches!(actions[0], Action::Rename { from, to } if (from, to) == (&a, &b)));
    assert!(matches!(actions[1], Action::Copy { from, to } if (from, to) == (&a, &b)));
    assert!(matches!(actions[2], Action::Set { to, value } if *to == a && value == "1.5"));
    assert!(matches!(actions[3], Action::Drop(all) if *all == [a.clone()]));
    assert!(matches!(actions[4], Action::Keep(all) if *all == [a.clone(), at("/b/*")]));
    let Action::Redact {
        key: None, mask, ..
    } = actions[5]
    else {
        panic!("{:?}", actions[5]);
    };
    assert_eq!(mask, "[redacted]");
    assert!(matches!(actions[6], Action::Redact { key: Some(_), .. }));
    assert!(matches!(actions[7], Action::ParseTime(all) if *all == [a.clone()]));
    assert!(matches!(actions[8], Action::Lower(all) if *all == [a]));
    let conditions = rules.iter().filter(|rule| rule.when.is_some()).count();
    assert_eq!((conditions, rules.len()), (1, 9));
}

#[test]
fn lists_of_tables_and_sources_have_rules_too() {
    let written = format!(
        "{SOURCE}[[sources.a.rules]]\ndrop = \"/a\"\n[[sources.a.rules]]\nlower = \"/b\"\n\
         {DESTINATION}"
    );
    let settings = accepted(&written);
    assert_eq!(settings.sources[0].rules.len(), 2);
    assert!(settings.destinations[0].rules.is_empty());
}

#[test]
fn each_mistake_is_told_with_the_rule_it_is_in() {
    for (rules, expected) in [
        (
            "{ drop = \"/a\" }, {}",
            "destinations.d.rules[2]: says nothing to do",
        ),
        (
            "{ drop = \"/a\", lower = \"/a\" }",
            "rules[1]: says more than one thing to do",
        ),
        (
            "{ drop = \"a\" }",
            "rules[1].drop: \"a\" is not a JSON pointer",
        ),
        ("{ drop = [] }", "rules[1].drop: must have 1 to 64 entries"),
        (
            "{ drop = [1] }",
            "rules[1].drop: must be a string, is a number",
        ),
        ("{ rename = \"/a\" }", "rules[1].to: missing"),
        (
            "{ rename = \"/a/*\", to = \"/b\" }",
            "rules[1].rename: names many places",
        ),
        (
            "{ copy = \"/a\", to = \"/*\" }",
            "rules[1].to: names many places",
        ),
        ("{ set = \"/a\" }", "rules[1].value: missing"),
        (
            "{ set = \"/a\", value = [1] }",
            "rules[1].value: must be a string, a number",
        ),
        (
            "{ drop = \"/a\", to = \"/b\" }",
            "rules[1].to: has no meaning beside drop",
        ),
        (
            "{ lower = \"/a\", key_file = \"token\" }",
            "rules[1].key_file: has no meaning",
        ),
        (
            "{ redact = \"/a\", key_file = \"short\" }",
            "rules[1].key_file: the secret is shorter",
        ),
        (
            "{ redact = \"/a\", key_file = \"none\" }",
            "rules[1].key_file: the file that it names",
        ),
        (
            "{ redact = \"/a\", key_file = \"token\", mask = \"x\" }",
            "rules[1].mask: stands beside",
        ),
        (
            "{ redact = \"/a\", key = \"x\" }",
            "rules[1].key: unknown key; a secret is not written",
        ),
        (
            "{ drp = \"/a\", drop = \"/a\" }",
            "rules[1].drp: unknown key; did you mean drop?",
        ),
        (
            "{ drop = \"/a\", when = {} }",
            "rules[1].when: says nothing",
        ),
        ("1", "destinations.d.rules: has a number in its list"),
    ] {
        let found = found(rules);
        assert!(found.contains(expected), "{rules}: {found}");
        assert!(!found.contains("correct-horse"), "{found}");
    }
    let list = problems(&format!("{SOURCE}{DESTINATION}rules = 1\n"));
    assert!(
        list[0].contains("rules: must be a list of tables, is a number"),
        "{list:?}"
    );
}

#[test]
fn the_number_of_rules_is_bounded() {
    let many = |count: usize| vec!["{ drop = \"/a\" }"; count].join(", ");
    accepted(&text(&many(64)));
    assert!(found(&many(65)).contains("rules: there are 65"));
}
