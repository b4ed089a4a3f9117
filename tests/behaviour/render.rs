//! Proves that `render` shows what destinations are really sent, needs neither relay nor secret for
//! it, and holds events against contracts.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::fake_http::{FakeHttp, Reply};
use crate::relay::{Setup, binary};
use crate::siem::Siem;

const VIOLATION: &str = include_str!("../fixtures/datatheorem/policy-violation-resolved.json");
pub(crate) const ARCHIVE: &str =
    "[destinations.archive]\nkind = \"file\"\npath = \"out/archive.jsonl\"\n";
const TIME: [&str; 2] = ["--received", "2026-11-23T14:42:05.123Z"];
const CONTRACTS: &str = r#"
[contracts.resolved]
source = "datatheorem"
type = "*_RESOLVED"
requires = ["/event/data/uuid"]
used_by = "appsec: closing tickets"
[contracts.severity]
source = "datatheorem"
requires = ["/event/data/owner"]
values = { "/event/data/severity" = ["LOW"] }
used_by = "appsec: high finding"
"#;

/// A run of the command: exit code, standard output and standard error.
pub(crate) struct Run(pub(crate) i32, pub(crate) String, pub(crate) String);

/// Renders what standard input holds, with none of the secrets.
pub(crate) fn render(setup: &Setup, input: impl AsRef<[u8]>, arguments: &[&str]) -> Run {
    let arguments = [&["render"], arguments].concat();
    let mut command = setup.command(&binary(), &arguments);
    for secret in ["TEST_TOKEN", "HEC_TOKEN", "API_KEY"] {
        command.env_remove(secret);
    }
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.stderr(Stdio::piped()).spawn().unwrap();
    // A command that refuses its arguments reads nothing.
    let _unread = child.stdin.take().unwrap().write_all(input.as_ref());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    Run(code, text(output.stdout), text(output.stderr))
}

pub(crate) fn configured(setup: &Setup, input: impl AsRef<[u8]>, arguments: &[&str]) -> Run {
    let arguments = [&["--config", "config.toml"], &TIME[..], arguments].concat();
    render(setup, input, &arguments)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn what_is_shown_of_an_exported_event_is_what_each_destination_got() {
    let hec = Siem::hec(|_| None).await;
    let bulk = Siem::elastic(|_| None).await;
    let hook = FakeHttp::start(|_| Reply::status(204, "")).await;
    let loki = FakeHttp::start(|_| Reply::status(204, "")).await;
    let destinations = format!(
        "{ARCHIVE}envelope = true\n\
         [destinations.hec]\nkind = \"splunk_hec\"\nurl = \"{}\"\ntoken_env = \"HEC_TOKEN\"\n\
         format = \"cim\"\nindex = \"sec_{{/event/type|none}}\"\n\
         rules = [{{ redact = \"/event/data/portal_url\" }}]\n\
         [destinations.bulk]\nkind = \"elasticsearch\"\nurl = \"{}\"\nformat = \"ecs\"\n\
         data_stream = \"logs-a.b-c\"\napi_key_env = \"API_KEY\"\n\
         [destinations.hook]\nkind = \"http\"\nurl = \"{}/a-capability\"\nframing = \"single\"\n\
         bearer_token_env = \"API_KEY\"\nheaders = {{ X-Team = \"blue\" }}\n\
         [destinations.loki]\nkind = \"loki\"\nurl = \"{}\"\nformat = \"ocsf\"\n\
         labels = {{ env = \"prod\" }}\n",
        hec.url(),
        bulk.url(),
        hook.url(),
        loki.url()
    );
    let setup = Setup::new("", &destinations)
        .env("HEC_TOKEN", "hec-token-of-this-test")
        .env("API_KEY", "api-key-of-this-test");
    let relay = setup.start();
    let id = relay.accepted(VIOLATION).await;
    for name in ["archive", "hec", "bulk", "hook", "loki"] {
        relay.drained(name).await;
    }
    assert!(relay.stop().await.success());
    let export = ["journal", "export", "--config", "config.toml"];
    let (code, exported, err) = setup.output(&export);
    assert_eq!(code, 0, "{err}");
    let shown = |name: &str| {
        let from = ["--config", "config.toml", "--input", "export", "--compact"];
        let run = render(
            &setup,
            &exported,
            &[&from, &["--destination", name][..]].concat(),
        );
        assert_eq!(run.0, 0, "{}", run.2);
        assert!(
            !run.2.contains("of-this-test") && !run.2.contains("capability"),
            "{}",
            run.2
        );
        assert!(run.2.contains(&id), "{}", run.2);
        run
    };
    assert_eq!(shown("archive").1, setup.text("out/archive.jsonl"));
    for (name, server) in [
        ("hec", &hec.server),
        ("bulk", &bulk.server),
        ("loki", &loki),
    ] {
        let all = server.received();
        let sent = all.iter().find(|request| request.method == "POST").unwrap();
        assert_eq!(shown(name).1, with_end(sent.text()), "{name}");
    }
    let Run(_, body, about) = shown("hook");
    let sent = &hook.received()[0];
    assert_eq!(body, with_end(sent.text()));
    for (name, value) in &sent.headers {
        if name.starts_with("x-") || name == "idempotency-key" || name == "content-type" {
            let line = format!("# header {name}: {value}");
            assert!(about.contains(&line), "{line} is not in {about}");
        }
    }
}

/// A body alone on standard output ends its line.
fn with_end(body: String) -> String {
    match body.ends_with('\n') {
        true => body,
        false => format!("{body}\n"),
    }
}

#[test]
fn an_event_is_shown_in_every_format_with_what_none_of_them_knows() {
    let setup = Setup::new("", ARCHIVE);
    let event = VIOLATION.replacen("\"data\": {", "\"data\": { \"lately\": [1e400], ", 1);
    std::fs::write(setup.path("event.json"), &event).unwrap();
    let arguments = [&["event.json", "--preset", "datatheorem"], &TIME[..]].concat();
    let Run(code, out, err) = render(&setup, "", &arguments);
    assert_eq!((code, err.as_str()), (0, ""));
    let headings: Vec<_> = out.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(
        headings,
        [
            "# event 1: 01a208db-62c3-7000-8000-000000000001, source datatheorem, \
             preset datatheorem",
            "# original",
            "# ecs",
            "# ocsf",
            "# cim",
            "# unmapped: event.data.lately (array)",
            "# unknown: member 1",
        ]
    );
    assert!(out.contains("1e400"), "numbers stay as they are");
    assert_eq!(
        render(&setup, "", &arguments).1,
        out,
        "it is always the same"
    );

    // One format alone can be piped on; compact is what goes out.
    let one = |more: &[&str]| render(&setup, &event, &[&arguments[1..], more].concat());
    let Run(_, ecs, err) = one(&["--format", "ecs"]);
    assert_eq!(json(&ecs)["event"]["action"], "policy-violation-resolved");
    assert!(
        err.contains("# unmapped: event.data.lately (array)"),
        "{err}"
    );
    let compact = one(&["--format", "ecs", "--compact"]).1;
    assert_eq!((compact.lines().count(), json(&compact)), (1, json(&ecs)));
    assert_eq!(one(&["--format", "original", "--compact"]).1, event);

    let Run(code, lines, err) = one(&["--json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let line = json(&lines);
    assert_eq!(line["documents"][1]["body"], compact.trim_end());
    assert_eq!(line["documents"][3]["format"], "cim");
    assert_eq!(
        line["documents"][3]["unmapped"][0]["path"],
        "event.data.lately"
    );
    assert_eq!(line["documents"][2]["unknown"]["member"], 1);
}

#[test]
fn what_a_destination_does_not_take_is_called_filtered_or_a_dead_letter() {
    let setup = Setup::new(
        "[sources.other]\nauth = { bearer_token_env = \"TEST_TOKEN\" }\n",
        &format!(
            "{ARCHIVE}when = {{ field = \"/event/type\", equals = \"X\" }}\n\
             sources = [\"datatheorem\"]\n\
             [destinations.hec]\nkind = \"splunk_hec\"\nurl = \"http://127.0.0.1:1\"\n\
             token_file = \"nowhere\"\nca_file = \"nowhere.pem\"\n"
        ),
    );
    let of = |source: &str, body: &str, destination: &str| {
        let arguments = ["--source", source, "--destination", destination];
        configured(&setup, body, &arguments)
    };
    let Run(code, out, err) = of("other", "{}", "archive");
    assert_eq!((code, out.as_str()), (0, ""));
    assert!(
        err.contains("filtered: the destination takes no events of this source"),
        "{err}"
    );
    let Run(code, out, err) = of("datatheorem", "{}", "archive");
    assert_eq!((code, out.as_str()), (0, ""));
    assert!(
        err.contains("filtered: the destination's condition does not fit (when)"),
        "{err}"
    );
    let Run(code, out, _) = of("datatheorem", "{\"event\":{\"type\":\"X\"}}", "archive");
    assert_eq!((code, json(&out)["event"]["type"].as_str()), (0, Some("X")));
    let Run(code, out, err) = of("other", "null", "hec");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("a dead letter: the payload is null"), "{err}");
    assert!(
        err.contains("1 event(s) would become dead letters"),
        "{err}"
    );
}

#[test]
fn what_says_something_of_an_event_outside_of_its_body_is_shown_beside_it() {
    let at = "url = \"https://siem.invalid\"\n";
    let setup = Setup::new(
        "",
        &format!(
            "[destinations.raw]\nkind = \"splunk_hec\"\n{at}token_file = \"none\"\n\
             endpoint = \"raw\"\nindex = \"sec_{{/kind|none}}\"\nsourcetype = \"acme\"\n\
             [destinations.path]\nkind = \"elasticsearch\"\n{at}\
             flavour = \"opensearch_serverless\"\nindex = \"f-{{yyyy.MM}}\"\n\
             format = \"original\"\nids = false\n\
             aws = {{ service = \"aoss\", region = \"eu-west-1\", access_key_id = \"AKIA\", \
             secret_access_key_file = \"none\" }}\n\
             [destinations.binary]\nkind = \"http\"\n{at}cloudevents = \"binary\"\n\
             [destinations.loki]\nkind = \"loki\"\n{at}tenant = \"blue\"\nformat = \"ecs\"\n"
        ),
    );
    let shown = |name: &str, event: &str| configured(&setup, event, &["--destination", name]);
    let event = r#"{"kind":"High"}"#;
    let Run(code, out, err) = shown("raw", event);
    assert_eq!(
        (code, out.as_str()),
        (0, "{\n  \"kind\": \"High\"\n}\n"),
        "{err}"
    );
    for line in [
        "# query index: sec_high",
        "# query source: siem-relay:datatheorem",
        "# query sourcetype: acme",
    ] {
        assert!(err.contains(line), "{line} is not in {err}");
    }
    let Run(code, out, err) = shown("path", event);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("{\n  \"create\": {}\n}\n{\n"), "{out}");
    assert!(err.contains("# path index: f-2026.11"), "{err}");
    let Run(_, _, err) = shown("binary", event);
    assert!(
        err.contains("# header ce-time: 2026-11-23T14:42:05.123Z"),
        "{err}"
    );
    let Run(_, _, err) = shown("loki", event);
    assert!(err.contains("# header x-scope-orgid: blue"), "{err}");
    // What it would cut short or drop under a 2xx is never sent.
    let long = format!("\"{}\"", "x".repeat(262_000));
    let Run(code, out, err) = shown("loki", &long);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("a dead letter: not sent: it has 26"), "{err}");
}

#[test]
fn a_broken_contract_is_named_with_the_detection_and_has_an_exit_code_of_its_own() {
    let setup = Setup::new("", &format!("{CONTRACTS}{ARCHIVE}"));
    let Run(code, out, err) = configured(&setup, VIOLATION, &["--contracts"]);
    assert_eq!(code, 6, "{out}{err}");
    assert!(out.contains("# contract resolved: kept\n"), "{out}");
    let broken = "# contract severity: broken: missing at /event/data/owner; \
                  used by appsec: high finding\n";
    assert!(out.contains(broken), "{out}");
    assert_eq!(err, "1 time(s) a contract is broken\n");

    let both = format!(
        "{}\n\n{}\n",
        r#"{"event":{"type":"A_RESOLVED","data":{"uuid":"u","owner":"o","severity":"LOW"}}}"#,
        r#"{"event":{"type":"B","data":{"owner":"o","severity":"URGENT"}}}"#
    );
    let lines = ["--contracts", "--input", "lines"];
    let Run(code, out, _) = configured(&setup, &both, &lines);
    assert_eq!(code, 6, "{out}");
    assert!(out.contains("# event 2 (line 3): "), "{out}");
    assert!(
        out.contains("contract severity: held against 2 event(s), broken by 1\n"),
        "{out}"
    );
    let Run(_, out, _) = configured(&setup, &both, &[&lines[..], &["--json"]].concat());
    let second = json(out.lines().nth(1).unwrap());
    assert_eq!(second["contracts"][0]["problem"], "unknown_value");
    assert_eq!(second["contracts"][0]["pointer"], "/event/data/severity");

    let good = both.lines().next().unwrap();
    let with_format = ["--contracts", "--format", "ecs"];
    let Run(code, out, err) = configured(&setup, good, &with_format);
    assert_eq!(code, 0, "{err}");
    assert_eq!(json(&out)["event"]["code"], "A_RESOLVED");
    // Nobody may take silence for health.
    let hello = r#"{"event":"Hello, world!"}"#;
    let Run(code, _, err) = configured(&setup, hello, &["--contracts"]);
    assert_eq!(
        (code, err.as_str()),
        (6, "no contract is about any of these events\n")
    );
    let wide = format!("[{}0]", "0,".repeat(20_000));
    let Run(code, out, err) = configured(&setup, wide, &["--contracts"]);
    assert_eq!(code, 6, "{err}");
    assert!(
        out.contains("not held against it, since it is too large"),
        "{out}"
    );
}
