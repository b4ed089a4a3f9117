//! Proves that constant labels and names follow the intake's own rules.

use super::intakes::{plain, read};
use super::*;
use crate::settings::IntakePreset;

#[test]
fn labels_follow_the_intakes_own_rules() {
    let fifteen: Vec<_> = (0..15).map(|n| format!("l{n} = \"x\"")).collect();
    let fifteen = format!("labels = {{ {} }}", fifteen.join(", "));
    for (word, lines, expected) in [
        (
            "datadog",
            "ddtags = [\"1env:prod\"]",
            "ddtags: has a tag that Datadog would change",
        ),
        (
            "datadog",
            "ddtags = [\"env prod\"]",
            "ddtags: has a tag that Datadog would change",
        ),
        (
            "datadog",
            "ddtags = [\"env:\"]",
            "ddtags: has a tag that Datadog would change",
        ),
        (
            "sumo_logic",
            "fields = { env = \"a,b\" }",
            "fields.env: has a value",
        ),
        (
            "sumo_logic",
            "fields = { \"e-v\" = \"a\" }",
            "fields.e-v: is not the name",
        ),
        (
            "sumo_logic",
            "category = \"\u{e9}\"",
            "category: has characters",
        ),
        (
            "logscale",
            "tags = { source = \"a\" }",
            "tags.source: is the relay's own tag",
        ),
        (
            "logscale",
            "tags = { \"#a\" = \"a\" }",
            "tags.#a: is not the name of a tag",
        ),
        (
            "loki",
            "labels = { source = \"a\" }",
            "labels.source: is the relay's own label",
        ),
        (
            "loki",
            "labels = { __a = \"a\" }",
            "labels.__a: begins with __",
        ),
        (
            "loki",
            "labels = { 1a = \"a\" }",
            "labels.1a: begins with a digit",
        ),
        (
            "loki",
            "labels = { a-b = \"a\" }",
            "labels.a-b: is not the name of a label",
        ),
        (
            "loki",
            &fifteen,
            "labels: has 15 entries, and Loki takes 15; keep at most 14",
        ),
        (
            "new_relic",
            "attributes = { message = \"a\" }",
            "attributes.message: is set by",
        ),
        (
            "new_relic",
            "attributes = { siem_relay_id = \"a\" }",
            "attributes.siem_relay_id: is",
        ),
        (
            "new_relic",
            "attributes = { a = [\"b\"] }",
            "attributes.a: must be a string",
        ),
        (
            "graylog",
            "fields = { id = \"a\" }",
            "fields.id: is a name that GELF reserves",
        ),
        (
            "graylog",
            "fields = { _id = \"a\" }",
            "fields._id: is a name that GELF reserves",
        ),
        (
            "graylog",
            "fields = { _a = \"a\" }",
            "fields._a: begins with an underscore",
        ),
        (
            "graylog",
            "level = 8",
            "level: 8 is out of range; write a whole number from 0 to 7",
        ),
    ] {
        refused(&plain(word, lines), &format!("destinations.d.{expected}"));
    }
    let fourteen = fifteen.replace(", l14 = \"x\"", "");
    let (_, intake) = read(&plain("loki", &fourteen));
    let IntakePreset::Loki(loki) = intake.preset else {
        panic!("{:?}", intake.preset);
    };
    assert_eq!(loki.labels.len(), 14);
}

#[test]
fn a_connector_has_no_tags() {
    let lines = "input = \"connector\"\ntags = { env = \"prod\" }";
    refused(
        &plain("logscale", lines),
        "destinations.d.tags: is set although input is connector",
    );
}

#[test]
fn names_of_rules_streams_and_log_types_are_checked() {
    for (word, from, to, expected) in [
        (
            "sentinel",
            "dcr-000a",
            "dcr-",
            "rule_id: is not the immutable id of a rule",
        ),
        (
            "sentinel",
            "dcr-",
            "my-rule-",
            "rule_id: is not the immutable id of a rule",
        ),
        (
            "sentinel",
            "Custom-SiemRelay_CL",
            "SiemRelay_CL",
            "stream: is not the name",
        ),
        (
            "sentinel",
            "Custom-SiemRelay_CL",
            "Microsoft-Syslog",
            "stream: is not the name",
        ),
        (
            "sentinel",
            "acme.com",
            "acme.com/x",
            "tenant_id: has characters",
        ),
        (
            "google_secops",
            "ACME_CUSTOM",
            "acme",
            "log_type: is not upper case",
        ),
        ("google_secops", "region = \"eu\"\n", "", "region: missing"),
        (
            "google_secops",
            "project = \"acme\"\n",
            "",
            "project: missing",
        ),
        (
            "google_secops",
            "\"google\"",
            "\"absent\"",
            "service_account_file: the file that",
        ),
    ] {
        let text = plain(word, "").replace(from, to);
        refused(&text, &format!("destinations.d.{expected}"));
    }
}
