//! Proves when a node is asked what it is, and what it is then sent.

use super::*;
use crate::settings::EndpointTls;
use crate::sink::elastic::target::tests::settings;
use crate::sink::status::tests::answer;

const STREAM: &str = "require_data_stream";
const SOURCE: &str = "include_source_on_error";

fn node(flavour: ElasticFlavour) -> Node {
    let mut settings = settings(BulkTarget::DataStream("logs-a-b".to_owned()));
    settings.flavour = flavour;
    let endpoint = Endpoint {
        url: "http://127.0.0.1:9200".to_owned(),
        connect_timeout: Duration::from_secs(10),
        request_timeout: Duration::from_secs(30),
        ca_file: None,
        tls: EndpointTls::default(),
        proxy: None,
        gzip: false,
    };
    Node::new(&settings, &endpoint, 1).unwrap()
}

fn sent(node: &Node) -> Vec<&'static str> {
    node.parameters().iter().map(|(name, _)| *name).collect()
}

fn root(version: &str) -> Flavour {
    Flavour::of_root(&answer(200, &format!("{{\"version\":{version}}}")))
}

fn release(number: &str) -> Option<Flavour> {
    Some(root(&format!(
        "{{\"number\":\"{number}\",\"build_flavor\":\"default\"}}"
    )))
}

async fn after(wait: Duration) {
    tokio::time::advance(wait).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_said_what_it_is_is_asked_again_after_an_hour() {
    let node = node(ElasticFlavour::Auto);
    assert!(sent(&node).is_empty());
    assert!(node.is_to_be_asked());
    after(Duration::from_secs(1)).await;
    assert!(!node.is_to_be_asked(), "one question at a time");
    node.told(release("8.17.3"));
    assert_eq!(sent(&node), [STREAM]);
    after(ASK_PAUSE_MAX - Duration::from_secs(1)).await;
    assert!(!node.is_to_be_asked());
    after(Duration::from_secs(1)).await;
    assert!(node.is_to_be_asked());
    node.told(release("9.0.0"));
    assert_eq!(sent(&node), [STREAM, SOURCE]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_say_is_asked_less_and_less_often() {
    let node = node(ElasticFlavour::Auto);
    let mut pauses = Vec::new();
    for nothing in [Some(Flavour::Unknown), None].into_iter().cycle().take(8) {
        let begun = Instant::now();
        while !node.is_to_be_asked() {
            after(Duration::from_secs(1)).await;
        }
        node.told(nothing);
        pauses.push(begun.elapsed().as_secs());
    }
    assert_eq!(pauses, [0, 60, 120, 240, 480, 960, 1920, 3600]);
    assert!(sent(&node).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_may_have_restarted_is_asked_soon_and_not_each_time() {
    let node = node(ElasticFlavour::Auto);
    assert!(node.is_to_be_asked());
    node.told(release("8.18.0"));
    after(Duration::from_secs(30)).await;
    node.answered(&answer(503, ""));
    assert!(!node.is_to_be_asked());
    after(Duration::from_secs(30)).await;
    assert!(node.is_to_be_asked());
    node.told(Some(root(r#"{"distribution":"opensearch"}"#)));
    assert!(sent(&node).is_empty());
    node.may_have_restarted();
    after(Duration::from_secs(59)).await;
    assert!(!node.is_to_be_asked());
}

#[tokio::test(start_paused = true)]
async fn a_refused_parameter_is_left_out_until_the_node_says_again_what_it_is() {
    let node = node(ElasticFlavour::Auto);
    assert!(node.is_to_be_asked());
    node.told(release("8.18.0"));
    node.refused_a_parameter();
    assert!(sent(&node).is_empty());
    after(ASK_PAUSE_MIN).await;
    assert!(node.is_to_be_asked());
    node.told(release("8.13.0"));
    assert_eq!(sent(&node), [STREAM]);
    node.refused_a_parameter();
    after(ASK_PAUSE_MIN).await;
    assert!(!node.is_to_be_asked(), "the wait doubles");
}

#[tokio::test(start_paused = true)]
async fn a_header_tells_elasticsearch_at_once_and_a_stated_product_stands() {
    let auto = node(ElasticFlavour::Auto);
    let mut by_header = answer(200, "");
    auto.answered(&by_header);
    assert!(sent(&auto).is_empty());
    by_header.elastic = true;
    auto.answered(&by_header);
    assert_eq!(sent(&auto), [STREAM]);
    for (stated, asked, expected) in [
        (ElasticFlavour::Elasticsearch, true, vec![STREAM]),
        (
            ElasticFlavour::ElasticServerless,
            false,
            vec![STREAM, SOURCE],
        ),
        (ElasticFlavour::OpenSearch, false, vec![]),
        (ElasticFlavour::OpenSearchServerless, false, vec![]),
    ] {
        let node = node(stated);
        assert_eq!(sent(&node), expected, "{stated:?}");
        assert_eq!(node.is_to_be_asked(), asked, "{stated:?}");
        node.told(Some(root(r#"{"distribution":"opensearch"}"#)));
        assert_eq!(sent(&node), expected, "{stated:?}");
    }
}
