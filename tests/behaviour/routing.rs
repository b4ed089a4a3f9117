//! Proves that each destination gets the events it wants and no others, and that every event that
//! it does not get is counted: as filtered by it, and as unrouted where nobody wants it.

use std::collections::BTreeSet;

use crate::relay::{Relay, Setup};
use crate::siem::Siem;

fn file(name: &str, lines: &str) -> String {
    format!("[destinations.{name}]\nkind = \"file\"\npath = \"out/{name}.jsonl\"\n{lines}\n")
}

fn lines(setup: &Setup, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(setup.path(&format!("out/{name}.jsonl")));
    text.unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect()
}

async fn count(relay: &Relay, metric: &str, destination: &str) -> f64 {
    let sample = format!("siem_relay_{metric}{{destination=\"{destination}\"}}");
    relay.metric(&sample).await
}

#[tokio::test]
async fn each_event_goes_where_its_values_say_and_every_other_place_counts_it_as_filtered() {
    let high = "when = { field = \"/event/severity\", in = [\"HIGH\", \"URGENT\"] }";
    let inside = "when = { all = [{ field = \"/event/ip\", cidr = \"10.0.0.0/8\" }, \
                  { not = { field = \"/event/score\", greater = 12345678901234567890 } }] }";
    let big = inside.replace("12345678901234567890", "9007199254740992");
    let setup = Setup::new(
        "",
        &format!("{}{}", file("high", high), file("inside", &big)),
    );
    let relay = setup.start();
    let events = [
        r#"{"event":{"severity":"HIGH","ip":"10.1.1.1","score":9007199254740992}}"#,
        r#"{"event":{"severity":"LOW","ip":"10.1.1.1","score":9007199254740993}}"#,
        r#"{"event":{"severity":"URGENT","ip":"192.0.2.1"}}"#,
        r#"{"event":"Hello, world!"}"#,
    ];
    for event in events {
        relay.accepted(event).await;
    }
    for name in ["high", "inside"] {
        relay.drained(name).await;
    }
    assert_eq!(lines(&setup, "high"), [events[0], events[2]]);
    assert_eq!(lines(&setup, "inside"), [events[0]]);
    for (name, filtered) in [("high", 2.0), ("inside", 3.0)] {
        assert_eq!(count(&relay, "filtered_events_total", name).await, filtered);
        let mismatch = count(&relay, "accounting_mismatch_events", name).await;
        assert_eq!(mismatch, 0.0, "accepted = delivered + filtered");
    }
    let unrouted = "siem_relay_unrouted_events_total{source=\"datatheorem\"}";
    assert_eq!(relay.metric(unrouted).await, 2.0, "the second and the last");
    assert!(relay.stop().await.success());
}

#[tokio::test]
async fn what_was_filtered_stays_so_and_what_comes_after_a_change_follows_the_new_condition() {
    let of = |kind: &str| format!("when = {{ field = \"/kind\", equals = \"{kind}\" }}");
    let setup = Setup::new("", &file("some", &of("one")));
    let relay = setup.start();
    for kind in ["one", "two"] {
        relay
            .accepted(format!("{{\"kind\":\"{kind}\",\"n\":1}}"))
            .await;
    }
    relay.drained("some").await;
    assert!(relay.stop().await.success());
    setup.edit(&of("one"), &of("two"));
    let relay = setup.start();
    for kind in ["one", "two"] {
        relay
            .accepted(format!("{{\"kind\":\"{kind}\",\"n\":2}}"))
            .await;
    }
    relay.drained("some").await;
    let expected = ["{\"kind\":\"one\",\"n\":1}", "{\"kind\":\"two\",\"n\":2}"];
    assert_eq!(lines(&setup, "some"), expected);
    assert_eq!(
        count(&relay, "accounting_mismatch_events", "some").await,
        0.0
    );
    assert!(relay.stop().await.success());
}

#[tokio::test]
async fn what_waits_of_a_source_that_is_gone_passes_a_condition_on_the_model() {
    let when = "when = { all = [{ model = \"severity\", at_least = \"high\" }, \
                { field = \"/mine\", equals = true }] }";
    let setup = Setup::new("", &file("severe", when));
    // Nothing can be written there yet.
    std::fs::write(setup.path("out"), "").unwrap();
    let relay = setup.start();
    let event = |severity: &str, mine: bool| {
        format!(
            "{{\"event\":{{\"type\":\"MOBILE_SECURE__MOBILE_FINDING_CREATED\",\
             \"data\":{{\"severity\":\"{severity}\"}}}},\"mine\":{mine}}}"
        )
    };
    let (high, other) = (event("HIGH", true), event("HIGH", false));
    for event in [&high, &high, &other] {
        relay.accepted(event.clone()).await;
    }
    assert!(relay.stop().await.success());
    std::fs::remove_file(setup.path("out")).unwrap();
    setup.edit("[sources.datatheorem]", "[sources.renamed]");
    let relay = setup.start();
    relay.drained("severe").await;
    assert_eq!(lines(&setup, "severe"), [&*high, &*high]);
    let mismatch = count(&relay, "accounting_mismatch_events", "severe").await;
    assert_eq!(mismatch, 0.0);
    let log = relay.log_text();
    assert_eq!(log.matches("the source is not configured").count(), 1);
    assert!(relay.stop().await.success());
}

#[tokio::test]
async fn a_destination_without_condition_leaves_nothing_unrouted() {
    let none = "when = { field = \"/never\", exists = true }";
    let setup = Setup::new("", &format!("{}{}", file("none", none), file("every", "")));
    let relay = setup.start();
    relay.accepted("{}").await;
    relay.drained("none").await;
    relay.drained("every").await;
    assert_eq!(lines(&setup, "every"), ["{}"]);
    let unrouted = "siem_relay_unrouted_events_total{source=\"datatheorem\"}";
    assert_eq!(relay.metric(unrouted).await, 0.0);
    assert_eq!(count(&relay, "filtered_events_total", "none").await, 1.0);
    assert!(relay.stop().await.success());
}

#[tokio::test]
async fn an_index_follows_what_the_rules_left_and_no_value_leaves_its_place() {
    let siem = Siem::elastic(|_| None).await;
    let setup = Setup::new(
        "",
        &format!(
            "[destinations.es]\nkind = \"elasticsearch\"\nurl = \"{}\"\nformat = \"ecs\"\n\
             index = \"f-{{source}}-{{/kind|other}}\"\nrules = [{{ redact = \"/kind\", \
             mask = \"m\", \
             when = {{ field = \"/kind\", prefix = \"user \" }} }}]\n",
            siem.url()
        ),
    );
    let relay = setup.start();
    let kinds = [
        "\"Login\"",
        "\"../_all/*,x\"",
        "null",
        "\"user jane\"",
        "{\"a\":1}",
    ];
    for kind in kinds {
        relay.accepted(format!("{{\"kind\":{kind}}}")).await;
    }
    relay.drained("es").await;
    let mut indices = BTreeSet::new();
    for request in siem.server.received() {
        for line in request.text().lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(index) = value["create"]["_index"].as_str() {
                indices.insert(index.to_owned());
            }
        }
    }
    let expected = ["login", "____all___x", "other", "m"];
    let expected = expected.map(|kind| format!("f-datatheorem-{kind}"));
    assert_eq!(indices, BTreeSet::from(expected));
    assert_eq!(count(&relay, "accounting_mismatch_events", "es").await, 0.0);
    assert!(relay.stop().await.success());
}
