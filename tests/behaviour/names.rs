//! Proves over real sockets and files that hosts, paths and headers follow the event, that no value
//! leaves its place, and that a place that refuses holds its own events and no others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::fake_http::{Received, Reply};
use crate::relay::{Relay, Setup, eventually};
use crate::siem::Siem;

/// Values that would lead elsewhere, and what becomes of them where small letters and digits may
/// stand.
const HOSTILE: [(&str, &str); 6] = [
    ("\"../../etc/passwd\"", "______etc_passwd"),
    ("\"a/b?c=d#e\"", "a_b_c_d_e"),
    ("\"..\"", "__"),
    ("\"x\\r\\nHost: evil\"", "x__host__evil"),
    ("\"\"", "none"),
    ("{\"a\":1}", "none"),
];

async fn is_balanced(relay: &Relay, name: &str) {
    let sample = format!("siem_relay_accounting_mismatch_events{{destination=\"{name}\"}}");
    assert_eq!(relay.metric(&sample).await, 0.0);
}

/// An HTTP destination with these keys, whose requests hold several events.
fn http(siem: &Siem, lines: &str) -> Setup {
    let url = format!("{}/in?tenant=1", siem.url());
    Setup::new(
        "",
        &format!(
            "[destinations.soar]\nkind = \"http\"\nurl = \"{url}\"\nenvelope = true\n\
             retry_initial = \"20ms\"\nprobe_interval = \"100ms\"\n{lines}\n"
        ),
    )
}

#[tokio::test]
async fn each_request_goes_to_the_path_and_has_the_headers_of_all_its_events() {
    let siem = Siem::http(|_| None).await;
    let setup = http(
        &siem,
        "path = \"{source}/k-{/kind}\"\nheaders = { X-Kind = \"{/kind|-}\", X-T = \"t\" }",
    );
    let relay = setup.start();
    let mut expected: BTreeMap<String, String> = BTreeMap::new();
    for round in 0..3 {
        for (value, clean) in HOSTILE {
            let id = relay.accepted(format!("{{\"kind\":{value},\"n\":{round}}}"));
            expected.insert(id.await, format!("/in/datatheorem/k-{clean}?tenant=1"));
        }
    }
    relay.drained("soar").await;
    assert!(siem.taken().values().all(|times| *times == 1));
    let mut found = BTreeMap::new();
    for request in siem.server.received() {
        assert_eq!(request.header("x-t"), Some("t"));
        let events: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
        for event in &events {
            let kind = event["event"]["kind"].as_str().unwrap_or_default().trim();
            let kind = if kind.is_empty() { "-" } else { kind };
            let header = kind.replace(
                |c: char| !c.is_ascii_alphanumeric() && !"./:".contains(c),
                "_",
            );
            let header = if kind == "-" { kind.to_owned() } else { header };
            assert_eq!(request.header("x-kind"), Some(&*header), "{event}");
            let id = event["id"].as_str().unwrap().to_owned();
            found.insert(id, request.path.clone());
        }
    }
    assert_eq!(found, expected);
    is_balanced(&relay, "soar").await;
    assert!(relay.stop().await.success());
}

#[tokio::test]
async fn a_path_that_is_refused_holds_its_own_events_until_it_is_there() {
    let refuses = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let shared = std::sync::Arc::clone(&refuses);
    let siem = Siem::http(move |request: &Received| {
        let refused = shared.load(std::sync::atomic::Ordering::Acquire);
        (refused && request.path.starts_with("/in/bad?")).then(|| Reply::status(404, ""))
    })
    .await;
    let setup = http(&siem, "path = \"{/kind}\"");
    let relay = setup.start();
    let mut ids: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for round in 0..5 {
        for kind in ["bad", "good"] {
            let id = relay
                .accepted(format!("{{\"kind\":\"{kind}\",\"n\":{round}}}"))
                .await;
            ids.entry(kind).or_default().insert(id);
        }
    }
    eventually("the good path has all of its events", || {
        let taken = siem.taken();
        ids["good"].iter().all(|id| taken.contains_key(id))
    })
    .await;
    let held = |it: &Value| {
        let parts = it["held_partitions"].as_array();
        parts.is_some_and(|parts| parts.len() == 1 && parts[0]["name"] == "bad")
    };
    let status = relay.until("soar", held).await;
    assert_eq!(status["state"], "delivering", "{status}");
    assert!(ids["bad"].iter().all(|id| !siem.taken().contains_key(id)));
    refuses.store(false, std::sync::atomic::Ordering::Release);
    relay.drained("soar").await;
    let taken = siem.taken();
    assert_eq!(taken.len(), 10);
    assert!(taken.values().all(|times| *times == 1), "{taken:?}");
    is_balanced(&relay, "soar").await;
    assert!(relay.stop().await.success());
}

#[tokio::test]
async fn files_follow_the_event_below_their_directory_and_survive_a_kill() {
    let setup = Setup::new(
        "",
        "[destinations.archive]\nkind = \"file\"\n\
         path = \"archive/{source}/{/kind|none}.jsonl\"\n",
    );
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for round in 0..2 {
        let relay = setup.start();
        for (value, clean) in HOSTILE {
            relay
                .accepted(format!("{{\"kind\":{value},\"n\":{round}}}"))
                .await;
            *expected.entry(format!("{clean}.jsonl")).or_default() += 1;
        }
        relay.drained("archive").await;
        is_balanced(&relay, "archive").await;
        relay.kill();
    }
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(setup.path("archive/datatheorem")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.starts_with('.') {
            let lines = setup
                .text(&format!("archive/datatheorem/{name}"))
                .lines()
                .count();
            found.insert(name, lines);
        }
    }
    // An event may come twice after a kill.
    assert!(expected.keys().eq(found.keys()), "{found:?}");
    assert!(
        expected.iter().all(|(name, lines)| found[name] >= *lines),
        "{found:?}"
    );
    let archive: Vec<_> = std::fs::read_dir(setup.path("archive")).unwrap().collect();
    assert_eq!(archive.len(), 1, "nothing lies elsewhere: {archive:?}");
}

#[tokio::test]
async fn the_host_of_hec_follows_the_event() {
    let siem = Siem::hec(|_| None).await;
    let setup = Setup::new(
        "",
        &format!(
            "[destinations.splunk]\nkind = \"splunk_hec\"\nurl = \"{}\"\n\
             token_env = \"HEC\"\ngzip = false\nhost = \"{{/event/host|no-host.example}}\"\n",
            siem.url()
        ),
    )
    .env("HEC", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0");
    let relay = setup.start();
    let hosts = [
        (json!("Web-1.example.com"), "Web-1.example.com"),
        (json!("a\" , \"index\":\"x"), "a_____index_:_x"),
        (Value::Null, "no-host.example"),
    ];
    for (value, _) in &hosts {
        let event = json!({"event": {"host": value}, "host": "vendor.example"});
        relay.accepted(event.to_string()).await;
    }
    relay.drained("splunk").await;
    let mut found = Vec::new();
    for request in siem.server.received() {
        let envelopes = serde_json::Deserializer::from_slice(&request.body).into_iter();
        for envelope in envelopes {
            let envelope: Value = envelope.unwrap();
            found.push(envelope["host"].as_str().unwrap().to_owned());
        }
    }
    found.sort();
    let mut expected = hosts.map(|(_, host)| host.to_owned());
    expected.sort();
    assert_eq!(found, expected);
    assert!(relay.stop().await.success());
}

#[tokio::test]
async fn a_destination_gets_what_the_model_says_and_the_others_are_counted() {
    let file = |name: &str, when: &str| {
        format!("[destinations.{name}]\nkind = \"file\"\npath = \"{name}.jsonl\"\nwhen = {when}\n")
    };
    let setup = Setup::new(
        "",
        &format!(
            "{}{}",
            file("severe", "{ model = \"severity\", at_least = \"high\" }"),
            file(
                "tagged",
                "{ field = \"/event/data/tags/*\", equals = \"pci\" }"
            ),
        ),
    );
    let relay = setup.start();
    let event = |severity: &str, tags: Value| {
        json!({"event": {
            "type": "MOBILE_SECURE__MOBILE_FINDING_CREATED",
            "data": {"severity": severity, "tags": tags},
        }})
        .to_string()
    };
    let events = [
        event("CRITICAL", json!([])),
        event("LOW", json!(["hr", "pci"])),
        event("HIGH", json!(["pci"])),
        event("LOW", json!("pci")),
    ];
    for event in &events {
        relay.accepted(event.clone()).await;
    }
    for (name, expected) in [("severe", [0, 2]), ("tagged", [1, 2])] {
        relay.drained(name).await;
        let text = setup.text(&format!("{name}.jsonl"));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines, expected.map(|at| events[at].as_str()), "{name}");
        is_balanced(&relay, name).await;
    }
    let unrouted = "siem_relay_unrouted_events_total{source=\"datatheorem\"}";
    assert_eq!(relay.metric(unrouted).await, 1.0, "the last one");
    assert!(relay.stop().await.success());
}
