//! The bulk destination over real sockets: what a product is sent, several nodes, faults of the
//! connection, dated indices. What each answer means is in the table of `tests/behaviour/bulk.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use siem_relay::event::{Event, EventId};
use siem_relay::settings::{
    BulkTarget, ClientCertificate, ElasticFlavour, Elasticsearch, Endpoint, EndpointTls, NamePart,
};
use siem_relay::sink::elastic::Elastic;
use siem_relay::sink::{Rendered, Sink, Verdict};

use crate::authority::{Authority, Leaf};
use crate::fake_bulk::{FakeBulk, Turn};
use crate::fake_http::{FakeHttp, Reply};
use crate::hec::words;
use crate::setup::*;

/// How long a test waits for what happens aside.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// A sink for these servers with changed settings.
fn sink(servers: &[&FakeBulk], change: impl FnOnce(&mut Elasticsearch)) -> Elastic {
    let endpoints = servers.iter().map(|server| endpoint(&server.url()));
    let mut settings = elastic_settings(endpoints.collect());
    change(&mut settings);
    Elastic::new(&settings).unwrap()
}

fn monthly() -> BulkTarget {
    let text = NamePart::Text("f-".to_owned());
    BulkTarget::Index(vec![text, NamePart::Year, NamePart::Month])
}

/// An event of a day in 2026, counted from the first of November.
fn of_day(day: u64, first: Option<EventId>) -> Rendered {
    let mut rendered = event(1, "{}");
    let received_ms = 1_793_491_200_000 + day * 86_400_000;
    rendered.event = Arc::new(Event {
        id: EventId::new(received_ms),
        received_ms,
        duplicate_of: first,
        ..Event::clone(&rendered.event)
    });
    rendered
}

/// Sends until a request has the parameter, or fails.
async fn until_sent(server: &FakeBulk, sink: &Elastic, parameter: &str) {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < WAIT_MAX, "{parameter} is not sent");
        let outcome = sink.send(&[of_day(1, None)]).await;
        assert_eq!(words(&outcome.verdicts), ["delivered"]);
        if server.bulks().last().unwrap().path.contains(parameter) {
            return;
        }
    }
}

#[tokio::test]
async fn a_product_is_found_out_aside_and_then_sent_what_it_takes() {
    let server = FakeBulk::start().await;
    server.product(true);
    server.root(
        200,
        r#"{"version":{"number":"8.18.1","build_flavor":"default"}}"#,
    );
    let sink = sink(&[&server], |_| {});
    assert!(is_delivered(&sink.send(&batch()).await));
    let first = server.bulks().remove(0).path;
    assert!(!first.contains("require_data_stream"), "{first}");
    until_sent(&server, &sink, "require_data_stream=true").await;
    until_sent(&server, &sink, "include_source_on_error=false").await;
    assert_eq!(server.roots_asked(), 1);
}

#[tokio::test]
async fn a_product_that_takes_nothing_special_or_does_not_say_is_sent_nothing_special() {
    let opensearch = r#"{"version":{"number":"2.19.5","distribution":"opensearch"}}"#;
    for (status, root) in [
        (200, opensearch),
        (403, "{}"),
        (404, ""),
        (200, "<html>"),
        (500, ""),
    ] {
        let server = FakeBulk::start().await;
        server.takes_only(&[]);
        server.root(status, root);
        let sink = sink(&[&server], |_| {});
        let begun = Instant::now();
        let mut n = 0;
        while server.roots_asked() == 0 || n < 5 {
            assert!(begun.elapsed() < WAIT_MAX, "nobody asks");
            n += 1;
            assert!(is_delivered(&sink.send(&[of_day(n, None)]).await), "{root}");
        }
        assert_eq!(server.roots_asked(), 1, "once, whatever the answer");
    }
}

#[tokio::test]
async fn a_root_that_never_answers_delays_nothing() {
    let server = FakeHttp::start(|request| match request.method.as_str() {
        "GET" => Reply::Stall,
        _ => Reply::status(200, r#"{"items":[{"create":{"status":201}}]}"#),
    })
    .await;
    let sink = Elastic::new(&elastic_settings(vec![endpoint(&server.url())])).unwrap();
    let begun = Instant::now();
    for day in 0..20 {
        assert!(is_delivered(&sink.send(&[of_day(day, None)]).await));
    }
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_refused_parameter_is_left_out_and_the_batch_goes_again_at_once() {
    let server = FakeBulk::start().await;
    server.takes_only(&[]);
    let sink = sink(&[&server], |settings| {
        settings.flavour = ElasticFlavour::ElasticServerless;
    });
    assert!(is_delivered(&sink.send(&batch()).await));
    assert!(is_delivered(&sink.send(&[of_day(1, None)]).await));
    let paths: Vec<_> = server.bulks().into_iter().map(|bulk| bulk.path).collect();
    let special: Vec<_> = paths
        .iter()
        .map(|path| path.contains("require_data_stream"))
        .collect();
    assert_eq!(special, [true, false, false]);
    assert_eq!(server.stored().len(), 3);
}

#[tokio::test]
async fn a_setting_that_the_release_does_not_know_holds_and_is_no_events_fault() {
    let server = FakeBulk::start().await;
    server.takes_only(&[]);
    let sink = sink(&[&server], |settings| settings.require_alias = true);
    let outcome = sink.send(&batch()).await;
    assert_eq!(words(&outcome.verdicts), ["hold request"; 2]);
    assert!(detail(&outcome.verdicts[0]).contains("[require_alias]"));
}

#[tokio::test]
async fn opensearch_serverless_gets_the_index_in_the_path_and_is_asked_nothing() {
    let server = FakeBulk::start().await;
    let sink = sink(&[&server], |settings| {
        settings.flavour = ElasticFlavour::OpenSearchServerless;
        settings.target = monthly();
        settings.ids = false;
    });
    let batch = [of_day(1, None), of_day(2, None), of_day(31, None)];
    let outcome = sink.send(&batch).await;
    assert_eq!(
        words(&outcome.verdicts),
        ["delivered", "delivered", "at once"]
    );
    let first = server.bulks().remove(0);
    assert!(
        first.path.starts_with("/f-202611/_bulk?filter_path="),
        "{}",
        first.path
    );
    assert_eq!(first.text(), "{\"create\":{}}\n{}\n".repeat(2));
    assert!(is_delivered(&sink.send(&batch[2..]).await));
    assert!(server.bulks()[1].path.starts_with("/f-202612/_bulk?"));
    assert_eq!((server.nameless(), server.roots_asked()), (3, 0));
}

#[tokio::test]
async fn a_resend_meets_the_first_copy_also_in_another_month() {
    let server = FakeBulk::start().await;
    let sink = sink(&[&server], |settings| {
        settings.target = monthly();
        settings.collapse_resends = vec!["acme".to_owned()];
    });
    let first = of_day(29, None);
    let resend = of_day(31, Some(first.id()));
    assert_eq!(sink.partition(&first).as_deref(), Some("f-202611"));
    assert_eq!(sink.partition(&resend), sink.partition(&first));
    for (event, conflicts) in [(&first, 0), (&first, 1), (&resend, 2)] {
        assert_eq!(
            words(&sink.send(std::slice::from_ref(event)).await.verdicts),
            ["delivered"]
        );
        assert_eq!(server.conflicts(), conflicts);
    }
    assert_eq!(server.stored_in("f-202611"), 1);
}

#[tokio::test]
async fn nodes_take_turns_and_one_that_is_gone_or_starting_costs_no_event_a_wait() {
    let (mut gone, starting, well) = (
        FakeBulk::start().await,
        FakeBulk::start().await,
        FakeBulk::start().await,
    );
    let sink = sink(&[&gone, &starting, &well], |_| {});
    for day in 0..3 {
        assert!(is_delivered(&sink.send(&[of_day(day, None)]).await));
    }
    assert_eq!(
        [&gone, &starting, &well].map(|node| node.stored().len()),
        [1, 1, 1]
    );
    gone.server.stop().await;
    starting.every(Turn::Refuse(Reply::status(503, "")));
    starting.root(503, "");
    for day in 3..9 {
        assert!(
            is_delivered(&sink.send(&[of_day(day, None)]).await),
            "{day}"
        );
    }
    assert_eq!(well.stored().len(), 7);
    // Once it is back it is asked aside, and used again; the other one is not.
    gone.server.restart().await;
    let begun = Instant::now();
    while gone.stored().len() == 1 {
        assert!(begun.elapsed() < WAIT_MAX, "the node is not used again");
        assert!(is_delivered(&sink.send(&[of_day(9, None)]).await));
    }
    assert_eq!(starting.stored().len(), 1);
}

#[tokio::test]
async fn what_a_node_may_have_taken_goes_to_another_at_once_only_with_ids() {
    for ids in [true, false] {
        let nodes = [FakeBulk::start().await, FakeBulk::start().await];
        let sink = sink(&[&nodes[0], &nodes[1]], |settings| settings.ids = ids);
        nodes[0].next([Turn::ServeThen(Reply::CloseWithoutAnswer)]);
        let outcome = sink.send(&batch()).await;
        match ids {
            true => assert!(is_delivered(&outcome), "{outcome:?}"),
            false => assert_eq!(words(&outcome.verdicts), ["retry connect Unknown"; 2]),
        }
    }
}

#[tokio::test]
async fn with_no_node_left_what_one_may_have_taken_stays_unknown() {
    let mut nodes = [FakeBulk::start().await, FakeBulk::start().await];
    let sink = sink(&[&nodes[0], &nodes[1]], |_| {});
    nodes[1].server.stop().await;
    nodes[0].next([Turn::ServeThen(Reply::CloseWithoutAnswer)]);
    let outcome = sink.send(&batch()).await;
    assert_eq!(words(&outcome.verdicts), ["retry connect Unknown"; 2]);
}

#[tokio::test]
async fn answers_that_say_nothing_or_break_leave_the_outcome_unknown() {
    let item = r#"{"create":{"status":201}}"#;
    let drip = format!(r#"{{"items":[{item},{item}]}}"#);
    for (reply, expected) in [
        (Reply::status(200, "garbage"), "retry bad_answer Unknown"),
        (
            Reply::status(200, format!(r#"{{"items":[{item}]}}"#)),
            "retry bad_answer Unknown",
        ),
        (
            Reply::status(200, format!(r#"{{"items":[{item},{item},{item}]}}"#)),
            "retry bad_answer Unknown",
        ),
        (Reply::Reset { status: 200 }, "retry connect Unknown"),
        (Reply::CloseWithoutAnswer, "retry connect Unknown"),
        (Reply::Stall, "retry timeout Unknown"),
        (
            Reply::Drip {
                status: 200,
                body: drip.clone().into_bytes(),
            },
            "retry timeout Unknown",
        ),
        (Reply::Reset { status: 413 }, "split"),
        (Reply::status(200, drip), "delivered"),
    ] {
        let server = FakeBulk::start().await;
        server.next([Turn::ServeThen(reply.clone())]);
        let sink = sink(&[&server], |settings| {
            settings.endpoints[0].request_timeout = Duration::from_millis(300);
        });
        let outcome = sink.send(&batch()).await;
        assert_eq!(words(&outcome.verdicts), [expected; 2], "{reply:?}");
        // And a repeat of it finds them there.
        let again = sink.send(&batch()).await;
        let there = |verdict: &Verdict| matches!(verdict, Verdict::Delivered { .. });
        assert!(again.verdicts.iter().all(there), "{reply:?}: {again:?}");
        assert_eq!(
            (server.conflicts(), server.stored().len()),
            (2, 2),
            "{reply:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_it() {
    let (ca, directory) = (Authority::new(), tempfile::tempdir().unwrap());
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("ca.pem"), &ca.ca_pem).unwrap();
    let pair = ca.sign(&Leaf::named("relay"));
    pair.write(&path("client.pem"), &path("client.key"));
    let tls = ca.demanding_server(&[&rustls::version::TLS13]);
    let stored = r#"{"items":[{"create":{"status":201}},{"create":{"status":201}}]}"#;
    let server = FakeHttp::start_tls(move |_| Reply::status(200, stored), tls).await;
    let with = Endpoint {
        ca_file: Some(path("ca.pem")),
        tls: EndpointTls {
            client: Some(ClientCertificate {
                certificate_file: path("client.pem"),
                key_file: path("client.key"),
            }),
            ..EndpointTls::default()
        },
        ..endpoint(&server.url())
    };
    let without = Endpoint {
        tls: EndpointTls::default(),
        ..with.clone()
    };
    let sink = Elastic::new(&elastic_settings(vec![with])).unwrap();
    assert!(is_delivered(&sink.send(&batch()).await));
    let received = server.received().remove(0);
    assert_eq!(received.client_certificate, Some(pair.certificate_der()));
    let sink = Elastic::new(&elastic_settings(vec![without])).unwrap();
    let refused = sink.send(&batch()).await;
    assert_eq!(words(&refused.verdicts), ["retry tls No"; 2]);
}
