//! Proves that no request is larger than its intake takes, whatever the batch, and that an event
//! which an intake would cut short under 2xx is refused before it is sent.

use siem_relay::settings::{Auth, IntakePreset};
use siem_relay::sink::{RejectCause, Rendered, Sink, Verdict};

use crate::fake_http::{FakeHttp, Reply};
use crate::setup::*;

/// The 2xx by which a preset takes events.
fn taken(preset: &IntakePreset) -> u16 {
    match preset.as_str() {
        "datadog" | "new_relic" | "graylog" => 202,
        "loki" | "sentinel" => 204,
        _ => 200,
    }
}

fn is_too_large(verdict: &Verdict) -> bool {
    let too_large = RejectCause::TooLarge;
    matches!(verdict, Verdict::Reject { cause, .. } if *cause == too_large)
}

/// A JSON string whose bytes are escaped again where it is put in a string.
fn text(bytes: usize) -> String {
    format!("\"{}\"", "\\n".repeat(bytes / 2))
}

#[tokio::test]
async fn a_request_is_never_over_the_limits_whatever_the_batch() {
    for preset in presets() {
        let status = taken(&preset);
        let limits = preset.limits();
        let server = FakeHttp::start(move |_| Reply::status(status, "")).await;
        let sink = intake(&server.url(), Auth::None, preset.clone());
        // More than fits by size, then more than fits by number.
        let large: Vec<Rendered> = (1..=120)
            .map(|n| fresh(n, &text(60_000), now_ms()))
            .collect();
        let small: Vec<Rendered> = (0..2500).map(|_| fresh(7, "1", now_ms())).collect();
        for batch in [large, small] {
            let before = server.received().len();
            let outcome = sink.send(&batch).await;
            assert!(is_delivered(&outcome), "{}", preset.as_str());
            let received = server.received();
            let bytes = received[before..].iter().map(|one| one.body.len());
            let most = bytes.clone().max().unwrap();
            assert!(most <= limits.bytes_max, "{} {most}", preset.as_str());
            assert!(received.len() - before >= batch.len() / limits.events_max);
            // What the batch was counted as is what was sent, or more.
            let counted: usize = batch.iter().map(|event| sink.encoded_bytes(event)).sum();
            assert!(counted >= bytes.sum::<usize>());
        }
    }
}

#[tokio::test]
async fn an_event_alone_is_counted_to_the_byte() {
    for preset in presets() {
        let status = taken(&preset);
        let server = FakeHttp::start(move |_| Reply::status(status, "")).await;
        let sink = intake(&server.url(), Auth::None, preset.clone());
        let event = fresh(1, "{\"a\":\"\\\"\u{e9}\"}", now_ms());
        assert!(is_delivered(&sink.send(std::slice::from_ref(&event)).await));
        let sent = server.received()[0].body.len();
        assert_eq!(sink.encoded_bytes(&event), sent, "{}", preset.as_str());
    }
}

#[tokio::test]
async fn what_an_intake_would_cut_short_is_never_sent_and_stands_in_nobodys_way() {
    for (kind, kept) in [
        ("loki", 256 * 1024),
        ("sentinel", 64_000),
        // Its own bytes around the event are told apart below.
        ("datadog", 1_000_000 - 400),
        ("sumo_logic", 1_000_000 - 400),
        ("new_relic", 1_000_000 - 400),
        ("panther", 5_000_000 - 400),
    ] {
        let mut all = presets().into_iter();
        let preset = all.find(|preset| preset.as_str() == kind).unwrap();
        let status = taken(&preset);
        let server = FakeHttp::start(move |_| Reply::status(status, "")).await;
        let sink = intake(&server.url(), Auth::None, preset);
        let digits = |bytes: usize| "1".repeat(bytes);
        let fits = fresh(1, &digits(kept), now_ms());
        let by_event = ["loki", "sentinel"].contains(&kind);
        let slack = if by_event { 1 } else { 401 };
        let over = fresh(2, &digits(kept + slack), now_ms());
        let last = fresh(3, "3", now_ms());
        let outcome = sink.send(&[over.clone(), fits, last]).await;
        assert!(is_too_large(&outcome.verdicts[0]), "{kind}");
        for verdict in &outcome.verdicts[1..] {
            assert!(
                matches!(verdict, Verdict::Delivered { .. }),
                "{kind} {verdict:?}"
            );
        }
        let requests = server.received().len();
        let outcome = sink.send(&[over]).await;
        assert!(is_too_large(&outcome.verdicts[0]));
        assert_eq!((outcome.status, outcome.wire_bytes), (None, 0));
        assert_eq!(
            server.received().len(),
            requests,
            "{kind}: nothing was sent"
        );
    }
}

#[tokio::test]
async fn compressed_bodies_are_held_against_the_limit_as_they_are() {
    let mut all = presets().into_iter();
    let preset = all.find(|preset| preset.as_str() == "datadog").unwrap();
    let server = FakeHttp::start(|_| Reply::status(202, "")).await;
    let mut endpoint = endpoint(&server.url());
    endpoint.gzip = true;
    let sink = intake_with(endpoint, Auth::None, preset);
    let events = [
        fresh(1, &"1".repeat(1_000_001), now_ms()),
        fresh(2, "2", now_ms()),
    ];
    let outcome = sink.send(&events).await;
    assert!(is_too_large(&outcome.verdicts[0]));
    assert_eq!(server.received().len(), 1);
    assert_eq!(
        server.received()[0].header("content-encoding"),
        Some("gzip")
    );
}
