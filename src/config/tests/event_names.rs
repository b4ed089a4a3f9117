//! Proves which names of indices, data streams, HEC metadata, requests and files may follow the
//! event, and how.

use super::http_destinations::{elastic, http, loaded_elastic, loaded_http};
use super::*;
use crate::settings::{BulkTarget, FileNames, Kind, NamePart, Pointer};

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
        ("index", "f-{/a/*/b}", "has a *, which is several values"),
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

fn text(text: &str) -> NamePart {
    NamePart::Text(text.to_owned())
}

fn value(step: &str, otherwise: &str) -> NamePart {
    NamePart::Value {
        at: Pointer(vec![step.to_owned()]),
        otherwise: otherwise.to_owned(),
    }
}

#[test]
fn a_host_of_hec_is_a_constant_or_follows_the_event() {
    let of = |line: &str| {
        let url = "url = \"https://s:8088\"\ntoken_file = \"token\"";
        destination(&format!("kind = \"splunk_hec\"\n{url}\n{line}"))
    };
    let splunk = |line: &str| match accepted(&of(line)).destinations.remove(0).kind {
        Kind::SplunkHec(splunk) => splunk,
        other => panic!("{other:?}"),
    };
    let constant = splunk("host = \"relay-1\"");
    assert_eq!(
        (constant.host.as_deref(), constant.names.host),
        (Some("relay-1"), None)
    );
    let following = splunk("host = \"{/h|Un-known.example.com}\"");
    let parts = vec![value("h", "Un-known.example.com")];
    assert_eq!((following.host, following.names.host), (None, Some(parts)));
    for (line, expected) in [
        (
            "host = \"{/h|a b}\"",
            "host: has a fallback that is not 1 to 255 letters",
        ),
        ("host = \"{/h\"", "host: has a { without its }"),
    ] {
        refused(&of(line), &format!("destinations.d.{expected}"));
    }
}

#[test]
fn the_path_and_headers_of_requests_follow_the_event_but_not_what_proves_or_frames_them() {
    let with = |lines: &str| http(&format!("url = \"https://h/x?a=1\"\n{lines}"));
    let loaded = loaded_http(&with(
        "path = \"v1/{source}-{/a/b|x}/{yyyy-MM}\"\n\
         headers = { X-Kind = \"t {/k|No:ne}\", X-Fixed = \"c\", X-Json = \"{{1}}\" }",
    ));
    let nested = NamePart::Value {
        at: Pointer(vec!["a".to_owned(), "b".to_owned()]),
        otherwise: "x".to_owned(),
    };
    let path = vec![
        vec![text("v1")],
        vec![NamePart::Source, text("-"), nested],
        vec![NamePart::Year, text("-"), NamePart::Month],
    ];
    assert_eq!(loaded.names.path, path);
    let kind = vec![text("t "), value("k", "No:ne")];
    assert!(loaded.names.headers.contains(&("x-kind".to_owned(), kind)));
    let braces = ("x-json".to_owned(), vec![text("{1}")]);
    assert!(loaded.names.headers.contains(&braces));
    assert_eq!(loaded.headers, [("x-fixed".to_owned(), "c".to_owned())]);
    for (line, expected) in [
        ("path = \"\"", "path: is empty"),
        (
            "path = \"/a\"",
            "path: has a segment that is empty, . or ..",
        ),
        ("path = \"a//b\"", "path: has a segment that is empty"),
        (
            "path = \"a/../{source}\"",
            "path: has a segment that is empty",
        ),
        ("path = \"./a\"", "path: has a segment that is empty"),
        (
            "path = \"a?b={/c}\"",
            "path: has a character that no segment",
        ),
        ("path = \"a#b\"", "path: has a character that no segment"),
        ("path = \"a%2fb\"", "path: has a character that no segment"),
        (
            "path = \"{/a}{/b}/{/c}{/d}{/e}\"",
            "path: has more than 4 values",
        ),
        ("path = \"{/a\"", "path: has a { without its }"),
        (
            "path = \"1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1\"",
            "path: can have more than 16 segments",
        ),
        (
            "headers = { Authorization = \"{/a}\" }",
            "headers.Authorization: sounds like a credential",
        ),
        (
            "headers = { X-Api-Key = \"{/a}\" }",
            "headers.X-Api-Key: sounds like a credential",
        ),
        (
            "headers = { Content-Type = \"{/a}\" }",
            "headers.Content-Type: is a header that the relay",
        ),
        (
            "headers = { Host = \"{/a}\" }",
            "headers.Host: is a header that the relay",
        ),
        (
            "headers = { X-A = \"{/a|b, c}\" }",
            "headers.X-A: has a fallback that is not 1 to 256 letters",
        ),
        (
            "headers = { X-A = \"{x}\" }",
            "headers.X-A: has a date that cannot be read",
        ),
        (
            "headers = { X-A = \"a\", x-a = \"{/a}\" }",
            "headers.x-a: is there twice",
        ),
        (
            "headers = { Idempotency-Key = \"{/a}\" }",
            "idempotency_header: is also one of headers",
        ),
        (
            "cloudevents = \"binary\"\nheaders = { ce-kind = \"{/a}\" }",
            "headers.ce-kind: is an attribute of a CloudEvent",
        ),
    ] {
        let found = problems(&with(line));
        let expected = format!("destinations.d.{expected}");
        assert!(
            found.len() == 1 && found[0].contains(&expected),
            "{line}: {found:?}"
        );
    }
    let long = format!("headers = {{ X-A = \"{}{{/a}}\" }}", "x".repeat(1800));
    refused(
        &with(&long),
        "destinations.d.headers.X-A: can be longer than 2048 bytes",
    );
}

#[test]
fn no_header_is_set_twice_by_login_relay_and_configuration() {
    let with = |lines: &str| http(&format!("url = \"https://h/x\"\n{lines}"));
    let login = "header = \"X-Tenant\"\nvalue_file = \"token\"";
    let signed = format!("{login}\nsigning = {{ secret_file = \"lines\" }}");
    let twice = "headers.x-tenant: is also the header of the login";
    for (lines, expected) in [
        (
            format!("{login}\nheaders = {{ x-tenant = \"{{/k}}\" }}"),
            twice,
        ),
        (format!("{login}\nheaders = {{ x-tenant = \"a\" }}"), twice),
        (format!("{signed}\nheaders = {{ x-tenant = \"a\" }}"), twice),
        (
            "framing = \"single\"\nheaders = { X-Siem-Relay-Id = \"{/k}\" }".to_owned(),
            "headers.X-Siem-Relay-Id: is a header that the relay itself sets",
        ),
        (
            "framing = \"single\"\nheaders = { X-Siem-Relay-Received = \"a\" }".to_owned(),
            "headers.X-Siem-Relay-Received: is a header that the relay",
        ),
        (
            "framing = \"single\"\nheader = \"X-Siem-Relay-Replay-Id\"\nvalue_file = \"token\""
                .to_owned(),
            "header: is a header that the relay itself sets",
        ),
    ] {
        refused(&with(&lines), &format!("destinations.d.{expected}"));
    }
    let own = "headers = { X-Siem-Relay-Id = \"{/k}\" }";
    for form in [
        "framing = \"single\"\nenvelope = true",
        "framing = \"ndjson\"",
    ] {
        let loaded = loaded_http(&with(&format!("{form}\n{own}")));
        assert_eq!(loaded.names.headers.len(), 1);
    }
}

#[test]
fn a_files_path_follows_the_event_below_a_directory_of_its_own() {
    let file = |path: &str| destination(&format!("kind = \"file\"\npath = \"{path}\""));
    let names = |path: &str| match accepted(&file(path)).destinations.remove(0).kind {
        Kind::File(file) => file.names,
        other => panic!("{other:?}"),
    };
    let FileNames { directory, below } = names("out/x/{source}/a/e-{/k|no}.jsonl").unwrap();
    assert!(
        directory.is_absolute() && directory.ends_with("out/x"),
        "{directory:?}"
    );
    let last = vec![text("e-"), value("k", "no"), text(".jsonl")];
    assert_eq!(below, [vec![NamePart::Source], vec![text("a")], last]);
    let absolute = names("/var/siem//{yyyy-MM-dd}").unwrap();
    assert_eq!(absolute.directory, Path::new("/var/siem"));
    assert_eq!(names("out/plain.jsonl"), None);
    let long = format!("out/{}{{/a}}.jsonl", "x".repeat(160));
    for (path, expected) in [
        (
            "/{/a}/x.jsonl",
            "follows the event from its first directory on",
        ),
        (
            "/x/../{/a}.jsonl",
            "follows the event from its first directory on",
        ),
        ("/{source}", "follows the event from its first directory on"),
        ("out/{/a}/../x", "has a name that is empty, . or .."),
        ("out/{/a}/", "has a name that is empty, . or .."),
        ("out/{/a}//x", "has a name that is empty, . or .."),
        ("out/{/a", "has a { without its }"),
        (
            "out/{/a|..}",
            "has a fallback that is not 1 to 64 small letters",
        ),
        (
            &*long,
            "can have a name longer than 255 bytes, with what rotation adds",
        ),
        ("journal/{/a}", "lies inside journal.directory"),
        ("{/a}/x.jsonl", "can lead into journal.directory"),
        ("./x/../{/a}/x.jsonl", "can lead into journal.directory"),
    ] {
        let text = format!(
            "{}[journal]\ndirectory = \"journal\"\n[dead_letters]\ndirectory = \"/else/where\"\n",
            file(path)
        );
        refused(&text, &format!("destinations.d.path: {expected}"));
    }
}

#[test]
fn two_destinations_have_no_file_in_common_whatever_the_events() {
    let sources = "[sources.b]\nauth = { bearer_token_file = \"token2\" }\n";
    let file =
        |name: &str, line: &str| format!("[destinations.{name}]\nkind = \"file\"\npath = {line}\n");
    let found = |one: &str, other: &str| {
        let text = format!("{SOURCE}{sources}{}{}", file("d", one), file("e", other));
        problems(&text)
    };
    for (one, other) in [
        (r#""/x/{/k}.jsonl""#, r#""/x/a.jsonl""#),
        (r#""/x/a.jsonl""#, r#""/x/y/../{/k}.jsonl""#),
        (r#""/x/{/k}.jsonl""#, r#""/x/{/other|z}.jsonl""#),
        (r#""/x/{/k}-{/l}.jsonl""#, r#""/x/a-{/m}.jsonl""#),
        (r#""/x/{/k}/y/e.jsonl""#, r#""/x/a/{/k}/e.jsonl""#),
        (r#""/x/{yyyy-MM}.jsonl""#, r#""/x/2026-{/k}.jsonl""#),
        (r#""/x/{source}.jsonl""#, r#""/x/b.jsonl""#),
        (
            "\"/x/{source}.jsonl\"\nsources = [\"a\"]",
            r#""/x/{source}.jsonl""#,
        ),
    ] {
        let found = found(one, other);
        let expected = "destinations.e.path: can be the file of destinations.d";
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "{one} and {other}: {found:?}"
        );
    }
    for (one, other) in [
        (r#""/x/{/k}.jsonl""#, r#""/x/a.json""#),
        (r#""/x/{/k}.jsonl""#, r#""/x/a.b.jsonl""#),
        (r#""/x/{/k}.jsonl""#, r#""/x/A.jsonl""#),
        (r#""/x/{/k}.jsonl""#, r#""/x/{/k}/e.jsonl""#),
        (r#""/x/d-{/k}.jsonl""#, r#""/x/e-{/k}.jsonl""#),
        (r#""/x/{yyyy}.jsonl""#, r#""/x/20260.jsonl""#),
        (r#""/x/{source}.jsonl""#, r#""/x/c.jsonl""#),
        (
            "\"/x/{source}/{/k}\"\nsources = [\"a\"]",
            "\"/x/{source}/{/k}\"\nsources = [\"b\"]",
        ),
    ] {
        assert_eq!(
            found(one, other),
            <[&str; 0]>::default(),
            "{one} and {other}"
        );
    }
}
