//! Proves what each intake's answers mean, row by row of the generic HTTP reference: what all
//! share, and what each says differently.

use std::sync::Mutex;

use siem_relay::settings::{Auth, IntakePreset};
use siem_relay::sink::{Outcome, Pace, Rendered, Sent, Sink, Verdict};

use crate::fake_http::{FakeHttp, Reply};
use crate::setup::*;

/// A verdict in short: what it is, and its closed word where it has one.
fn words(outcome: &Outcome) -> Vec<String> {
    let word = |verdict: &Verdict| match verdict {
        Verdict::Delivered { .. } => "delivered".to_owned(),
        Verdict::Retry {
            cause,
            sent: Sent::No,
            ..
        } => format!("retry {} not sent", cause.as_str()),
        Verdict::Retry { cause, .. } => format!("retry {}", cause.as_str()),
        Verdict::Hold { cause, .. } => format!("hold {}", cause.as_str()),
        Verdict::Split { .. } => "split".to_owned(),
        Verdict::Reject { cause, .. } => format!("reject {}", cause.as_str()),
        Verdict::Pending { .. } => "pending".to_owned(),
    };
    outcome.verdicts.iter().map(word).collect()
}

/// Sends `events` events once per status and gives the first verdict of each.
async fn verdicts(preset: &IntakePreset, statuses: &[u16], events: u8) -> Vec<String> {
    let answers: Vec<u16> = statuses.to_vec();
    let left = Mutex::new(answers.into_iter());
    let server = FakeHttp::start(move |_| {
        let status = left.lock().unwrap().next().unwrap_or(500);
        Reply::status(status, "why")
    })
    .await;
    let sink = intake(&server.url(), Auth::None, preset.clone());
    let batch: Vec<Rendered> = (1..=events).map(|n| fresh(n, "{}", now_ms())).collect();
    let mut found = Vec::new();
    for status in statuses {
        let outcome = sink.send(&batch).await;
        assert_eq!(outcome.status, Some(*status));
        found.push(words(&outcome).remove(0));
    }
    found
}

/// Checks rows of statuses and what one event, or several, get for each.
async fn rows(preset: &IntakePreset, events: u8, rows: &[(&[u16], &str)]) {
    for (statuses, expected) in rows {
        let found = verdicts(preset, statuses, events).await;
        for (status, found) in statuses.iter().zip(found) {
            assert_eq!(found, *expected, "{} {status} of {events}", preset.as_str());
        }
    }
}

fn preset(kind: &str) -> IntakePreset {
    let mut all = presets().into_iter();
    all.find(|preset| preset.as_str() == kind).unwrap()
}

#[tokio::test]
async fn statuses_that_mean_the_same_everywhere() {
    for preset in presets() {
        rows(
            &preset,
            1,
            &[
                (&[301, 302, 307, 308], "hold url"),
                (&[403, 407], "hold auth"),
                (&[404, 405, 410], "hold url"),
                (&[406, 414, 415, 426, 431], "hold request"),
                (&[408], "retry timeout"),
                (&[409], "retry blocked"),
                (&[413], "reject too_large"),
                (&[421, 425], "retry server_error not sent"),
                (&[429], "retry rate_limited not sent"),
                (&[500, 502, 503, 504, 507, 520], "retry server_error"),
                (&[501, 505], "hold request"),
                (&[402, 411, 418, 451], "hold unexpected"),
                (&[400], "reject rejected"),
            ],
        )
        .await;
        if preset.as_str() != "sumo_logic" {
            rows(&preset, 1, &[(&[401], "hold auth")]).await;
        }
    }
}

#[tokio::test]
async fn each_intake_takes_events_with_its_own_2xx_only() {
    for (kind, taken, other) in [
        ("sentinel", &[204][..], &[200, 202][..]),
        ("google_secops", &[200], &[]),
        ("datadog", &[202], &[200, 204]),
        ("sumo_logic", &[200], &[202, 204]),
        ("logscale", &[200, 201, 204], &[]),
        ("panther", &[200, 201, 202, 204], &[]),
        ("new_relic", &[202], &[200, 204]),
        ("graylog", &[202], &[200, 204]),
        ("elastic_agent", &[200, 202], &[]),
        ("loki", &[204], &[200, 202]),
    ] {
        let expected: [(&[u16], &str); 2] = [(taken, "delivered"), (other, "retry bad_answer")];
        rows(&preset(kind), 1, &expected).await;
    }
}

#[tokio::test]
async fn loki_under_a_block_has_not_taken_events_and_a_400_is_never_sent_again() {
    let loki = preset("loki");
    rows(&loki, 2, &[(&[260], "retry blocked not sent")]).await;
    rows(&loki, 3, &[(&[400], "reject rejected"), (&[413], "split")]).await;
}

#[tokio::test]
async fn a_sumo_url_that_is_unknown_is_no_matter_of_credentials() {
    let sumo = preset("sumo_logic");
    let sumo_rows: [(&[u16], &str); 3] = [
        (&[401], "hold url"),
        (&[408], "retry timeout"),
        (&[429], "retry rate_limited not sent"),
    ];
    rows(&sumo, 2, &sumo_rows).await;
}

#[tokio::test]
async fn bad_content_and_too_much_of_it_are_halved() {
    for preset in presets() {
        let one_a_request = preset.limits().events_max == 1;
        if preset.as_str() != "loki" && !one_a_request {
            rows(&preset, 3, &[(&[400, 413, 422], "split")]).await;
        }
    }
}

#[tokio::test]
async fn a_429_says_for_how_long() {
    for preset in presets() {
        let server = FakeHttp::start(|_| Reply::status(429, "").header("retry-after", "7")).await;
        let sink = intake(&server.url(), Auth::None, preset);
        let outcome = sink.send(&[fresh(1, "{}", now_ms())]).await;
        let after = Some(std::time::Duration::from_secs(7));
        assert_eq!(outcome.pace, Pace::Slower { after });
        let Verdict::Retry { after: asked, .. } = &outcome.verdicts[0] else {
            panic!("{outcome:?}")
        };
        assert_eq!(*asked, after);
    }
}

#[tokio::test]
async fn one_event_a_request_goes_on_behind_a_refused_one_and_stops_at_a_busy_input() {
    let graylog = preset("graylog");
    assert_eq!(graylog.limits().events_max, 1);
    let server = FakeHttp::start(|request| {
        let status = [202, 400, 413, 503, 202][request.number];
        Reply::status(status, "")
    })
    .await;
    let sink = intake(&server.url(), Auth::None, graylog);
    let batch: Vec<Rendered> = (1..=5).map(|n| fresh(n, "{}", now_ms())).collect();
    let outcome = sink.send(&batch).await;
    let expected = [
        "delivered",
        "reject rejected",
        "reject too_large",
        "retry server_error",
        "retry blocked not sent",
    ];
    assert_eq!(words(&outcome), expected);
    assert_eq!(server.received().len(), 4);
}
