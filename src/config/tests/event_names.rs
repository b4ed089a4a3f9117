//! Proves which names of indices, data streams and HEC metadata may follow the event, and how.

use super::http_destinations::{elastic, loaded_elastic};
use super::*;
use crate::settings::{BulkTarget, Kind, NamePart, Pointer};

#[test]
fn a_name_can_follow_source_and_values_which_keep_to_their_place() {
    let value = |step: &str, otherwise: &str| NamePart::Value {
        at: Pointer(vec!["event".to_owned(), step.to_owned()]),
        otherwise: otherwise.to_owned(),
    };
    let text = |text: &str| NamePart::Text(text.to_owned());
    let target =
        |key: &str, name: &str| loaded_elastic(&elastic(&format!("{key} = \"{name}\""))).target;
    let parts = vec![
        text("f-"),
        NamePart::Source,
        text("-"),
        value("kind", "none"),
        text("-"),
        NamePart::Year,
    ];
    let name = "f-{source}-{/event/kind}-{yyyy}";
    assert_eq!(target("index", name), BulkTarget::Index(parts));
    let parts = vec![text("logs-a."), value("k", "other"), text("-prod")];
    let name = "logs-a.{/event/k|other}-prod";
    assert_eq!(target("data_stream", name), BulkTarget::DataStreams(parts));
    for (key, bad, expected) in [
        ("index", "f-{yyyy.MM", "has a { without its }"),
        ("index", "f-yyyy}", "has a } without its {"),
        ("index", "f-{yyyy}-{MM}", "has two dates"),
        ("index", "{/a}-f", "begins with what an event says"),
        ("index", "{/a}", "begins with what an event says"),
        ("index", "f-{/a|B}", "has a fallback that is not"),
        ("index", "f-{/a|}", "has a fallback that is not"),
        ("index", "f-{/a~2}", "\"/a~2\" has a ~ that is neither"),
        ("index", "f{/a}{/b}{/c}{/d}{/e}", "has more than 4 values"),
        (
            "index",
            "fffffffffffffffffffffffffffffffff{/a}{/b}{/c}{source}",
            "is not the name of an index",
        ),
        (
            "data_stream",
            "logs-{/a}",
            "is not the name of a data stream",
        ),
        (
            "data_stream",
            "logs-{/a}{/b}-x",
            "is not the name of a data stream",
        ),
        ("data_stream", "logs-a-{", "has a { without its }"),
    ] {
        let text = elastic(&format!("{key} = \"{bad}\""));
        refused(&text, &format!("destinations.d.{key}: {expected}"));
    }
}

#[test]
fn metadata_of_hec_follows_the_event_where_it_has_braces() {
    let of = |lines: &str| {
        let url = "url = \"https://s:8088\"\ntoken_file = \"token\"";
        destination(&format!("kind = \"splunk_hec\"\n{url}\n{lines}"))
    };
    let lines = "index = \"sec_{source}\"\nsource = \"hook\"\nsourcetype = \"a:{/k|x}\"";
    let Kind::SplunkHec(splunk) = accepted(&of(lines)).destinations.remove(0).kind else {
        panic!("not HEC");
    };
    let text = |text: &str| NamePart::Text(text.to_owned());
    let value = NamePart::Value {
        at: Pointer(vec!["k".to_owned()]),
        otherwise: "x".to_owned(),
    };
    assert_eq!(
        splunk.names.index,
        Some(vec![text("sec_"), NamePart::Source])
    );
    assert_eq!(splunk.names.sourcetype, Some(vec![text("a:"), value]));
    assert_eq!(
        (splunk.names.source, splunk.index, splunk.sourcetype),
        (None, None, None)
    );
    assert_eq!(splunk.source.as_deref(), Some("hook"));
    for (line, expected) in [
        (
            "index = \"sec_{yyyy.MM}\"",
            "index: is not the name of an index",
        ),
        (
            "index = \"aaaaaaaaaaaaaaaaa{/a}\"",
            "index: is not the name of an index",
        ),
        ("index = \"{/a}\"", "index: begins with what an event says"),
        ("source = \"{x}\"", "source: has a date that cannot be read"),
        ("sourcetype = \"a}\"", "sourcetype: has a } without its {"),
    ] {
        refused(&of(line), &format!("destinations.d.{expected}"));
    }
}
