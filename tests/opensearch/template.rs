//! Proves that the index template that the project ships takes every sample of every vendor without
//! a conflict, and that each field is indexed with the type that the template says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::node::Node;
use crate::relay::{Relay, Setup, TOKEN, answer};
use crate::samples::{CONNECTIVITY_TEST, Sample, presets, samples};
use crate::support::{mapped, steps};

const FILES: &str = "deploy/elasticsearch";
const README: &str = include_str!("../../deploy/elasticsearch/README.md");
/// The names in the README, one for each template.
const STREAM: &str = "logs-siem_relay.appsec-default";
const INDEX: &str = "siem-relay-original";
/// More than a term of an index can have.
const LONG_BYTES: usize = 40_000;

fn file(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILES).join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A source for each preset; ECS into a data stream, the events as they came into an index.
fn setup(presets: &[String], url: &str) -> Setup {
    let others = presets.iter().filter(|preset| *preset != "datatheorem");
    let sources = others.map(|name| {
        let auth = "auth = { bearer_token_env = \"TEST_TOKEN\" }";
        format!("[sources.{name}]\npreset = \"{name}\"\n{auth}\n")
    });
    let destination = |name: &str, keys: &str| {
        format!(
            "[destinations.{name}]\nkind = \"elasticsearch\"\nurl = \"{url}\"\n\
             retry_initial = \"20ms\"\nretry_max = \"300ms\"\nprobe_interval = \"200ms\"\n{keys}\n"
        )
    };
    let destinations = [
        destination(
            "ecs",
            &format!("data_stream = \"{STREAM}\"\nformat = \"ecs\""),
        ),
        destination(
            "original",
            &format!("index = \"{INDEX}\"\nformat = \"original\""),
        ),
    ];
    Setup::new(&sources.collect::<String>(), &destinations.concat())
}

/// The event's id.
async fn post(relay: &Relay, sample: &Sample) -> String {
    let url = format!("http://{}/hooks/{}", relay.address, sample.preset);
    let request = relay.client.post(url).bearer_auth(TOKEN);
    let request = request.header("content-type", "application/json");
    let (status, told) = answer(request.body(sample.payload.clone()).send().await.unwrap()).await;
    assert_eq!(status, 200, "{}: {told}", sample.name);
    told["id"].as_str().unwrap().to_owned()
}

/// Waits until both have everything, and checks that nothing was refused or sent twice.
async fn all_arrived(node: &Node, relay: &Relay, ids: &BTreeSet<String>) {
    for (destination, index) in [("ecs", STREAM), ("original", INDEX)] {
        let status = relay.drained(destination).await;
        assert_eq!(status["delivered"], ids.len(), "{status:#}");
        assert_eq!(status["dead_lettered"], 0, "{status:#}");
        let documents = node.documents(index).await;
        let found = documents.into_iter().map(|document| document.id);
        assert_eq!(&found.collect::<BTreeSet<_>>(), ids, "{index}");
    }
}

/// The mapping that an index has now, its only one.
async fn live(node: &Node, index: &str) -> BTreeMap<String, Value> {
    let (status, told) = node
        .call("GET", &format!("/{index}/_mapping"), Value::Null)
        .await;
    assert_eq!(status, 200, "{told}");
    let indices = told.as_object().unwrap();
    assert_eq!(indices.len(), 1, "{told}");
    mapped(&indices.values().next().unwrap()["mappings"])
}

async fn count(node: &Node, index: &str, query: Value) -> usize {
    let path = format!("/{index}/_count");
    let (status, told) = node.call("POST", &path, json!({ "query": query })).await;
    assert_eq!(status, 200, "{told}");
    usize::try_from(told["count"].as_u64().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_template_takes_every_sample_and_gives_each_field_its_type() {
    let Some(node) = Node::start(&[]).await else {
        return;
    };
    for (path, name) in steps(README) {
        node.put(&format!("/{path}"), file(name)).await;
    }
    let mut samples = samples();
    samples.push(Sample {
        preset: "datatheorem".to_owned(),
        name: "long".to_owned(),
        payload: json!({"event": {"type": "X__Y", "data": {"long": "x ".repeat(LONG_BYTES / 2)}}})
            .to_string(),
    });
    // What is indexed first decides on types that no template decides on.
    samples.sort_by_key(|sample| sample.name != CONNECTIVITY_TEST);
    let setup = setup(&presets(&samples), &node.url());
    let relay = setup.start();
    let mut ids = BTreeSet::new();
    for sample in &samples {
        ids.insert(post(&relay, sample).await);
        if sample.name == CONNECTIVITY_TEST {
            all_arrived(&node, &relay, &ids).await;
        }
    }
    all_arrived(&node, &relay, &ids).await;

    let shipped = mapped(&file("component-mappings.json")["template"]["mappings"]);
    for index in [STREAM, INDEX] {
        for (field, found) in live(&node, index).await {
            let expected = shipped.get(&field);
            let expected = expected.unwrap_or_else(|| panic!("{field} was guessed: {found}"));
            assert_eq!(found["type"], expected["type"], "{field}");
        }
        let late = json!({"range": {"@timestamp": {"gte": "2000-01-01"}}});
        assert_eq!(count(&node, index, late).await, samples.len());
        let sender = json!({"prefix": {"siem_relay.client_address": "127."}});
        assert_eq!(count(&node, index, sender).await, samples.len());
    }
    let violations = json!({"term": {"event.category": "vulnerability"}});
    assert!(count(&node, STREAM, violations).await >= 3);
    let long = json!({"bool": {"must": [{"term": {"event.code": "X__Y"}}]}});
    assert_eq!(count(&node, STREAM, long).await, 1);
}
