//! Proves the rules of contracts: what is understood, and each mistake that is refused.

use super::*;

fn contract(lines: &str) -> String {
    format!("{SOURCE}{DESTINATION}[contracts.severity]\n{lines}\n")
}

#[test]
fn a_contract_is_understood_with_its_default() {
    let lines = "source = \"a\"\nrequires = [\"/a~1b\"]\nused_by = \"rule 7\"\n\
                 values = { \"/severity\" = [\"HIGH\", \"LOW\"] }";
    let read = &accepted(&contract(lines)).contracts[0];
    assert_eq!(
        (read.name.as_str(), read.source.as_str(), read.kind.as_str()),
        ("severity", "a", "*")
    );
    assert_eq!(
        (read.used_by.as_str(), &read.requires[..]),
        ("rule 7", &["/a~1b".to_owned()][..])
    );
    let values = (
        "/severity".to_owned(),
        vec!["HIGH".to_owned(), "LOW".to_owned()],
    );
    assert_eq!(read.values, [values]);
}

#[test]
fn a_contract_that_cannot_hold_is_refused() {
    let good = "source = \"a\"\nused_by = \"r\"\n";
    let long = "x".repeat(300);
    for (lines, expected) in [
        (
            "used_by = \"r\"\nrequires = [\"/x\"]",
            "contracts.severity.source: missing",
        ),
        (
            "source = \"a\"\nrequires = [\"/x\"]",
            "contracts.severity.used_by: missing",
        ),
        (
            "source = \"b\"\nused_by = \"r\"\nrequires = [\"/x\"]",
            "contracts.severity.source: is not the name of a configured source",
        ),
        (
            good,
            "contracts.severity: requires nothing and names no values",
        ),
        (
            &format!("{good}requires = []"),
            "contracts.severity: requires nothing and names no values",
        ),
        (
            &format!("{good}requires = [\"x\"]"),
            "contracts.severity.requires: entry 1 is not a JSON pointer",
        ),
        (
            &format!("{good}requires = [\"/x\", \"/~2\"]"),
            "contracts.severity.requires: entry 2 is not a JSON pointer",
        ),
        (
            &format!("{good}values = {{ \"/x\" = [] }}"),
            "contracts.severity.values: has a place with 0 texts",
        ),
        (
            &format!("{good}values = {{ \"x~\" = [\"1\"] }}"),
            "contracts.severity.values: entry 1 is not a JSON pointer",
        ),
        (
            &format!("{good}requires = [\"/x\"]\nvalues = {{ \"/x\" = \"1\" }}"),
            "contracts.severity.values./x: must be a list of strings",
        ),
        (
            &format!("{good}requires = [\"/x\"]\ntype = \"{long}\""),
            "contracts.severity.type: is longer than 256 bytes",
        ),
        (
            &format!("{good}requires = [\"/x\"]\ntypes = \"y\""),
            "contracts.severity.types: unknown key",
        ),
    ] {
        refused(&contract(lines), expected);
    }
}

#[test]
fn there_are_at_most_64_contracts() {
    let one = |n: usize| {
        format!("[contracts.c{n}]\nsource = \"a\"\nused_by = \"r\"\nrequires = [\"/x\"]\n")
    };
    let all = |count| (0..count).map(one).collect::<String>();
    assert_eq!(accepted(&beside_good(&all(64))).contracts.len(), 64);
    refused(&beside_good(&all(65)), "contracts: there are 65");
}
