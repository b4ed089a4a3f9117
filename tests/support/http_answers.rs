//! What each answer of an HTTP destination leads to: the rows of the generic HTTP reference, first
//! as verdicts, then as what becomes of the events.

#![allow(dead_code)]

use crate::fake_http::Reply;

/// What becomes of three events, of which the second is poison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Delivered with that very answer.
    Delivered,
    /// Sent again after one such answer, and delivered; whether that may be a duplicate.
    Again { unknown: bool },
    /// Held for this cause, and delivered when the answer is another.
    Held(&'static str),
    /// Where requests with the poison are answered so, it alone becomes a dead letter.
    DeadLetter(&'static str),
    /// Where requests with several events are answered so, they go one by one.
    Apart,
}

/// A row: its name, the answers, and what they lead to.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) replies: Vec<Reply>,
    /// The verdict on each of three events of one request.
    pub(crate) several: &'static str,
    /// The verdict on an event that is alone in its request.
    pub(crate) alone: &'static str,
    pub(crate) fate: Fate,
}

const AGAIN: Fate = Fate::Again { unknown: true };
const NOT_SENT: Fate = Fate::Again { unknown: false };

fn row(name: &'static str, statuses: &[u16], verdict: &'static str, fate: Fate) -> Row {
    Row {
        name,
        replies: statuses
            .iter()
            .map(|status| Reply::status(*status, ""))
            .collect(),
        several: verdict,
        alone: verdict,
        fate,
    }
}

fn other(name: &'static str, reply: Reply, verdict: &'static str, fate: Fate) -> Row {
    Row {
        replies: vec![reply],
        ..row(name, &[], verdict, fate)
    }
}

/// The whole table.
pub(crate) fn rows() -> Vec<Row> {
    let moved = |status| Reply::status(status, "").header("location", "/login?session=s3cret");
    let mut rows = vec![
        row(
            "2xx",
            &[200, 201, 202, 204, 260],
            "delivered",
            Fate::Delivered,
        ),
        Row {
            replies: [301, 302, 303, 307, 308].map(moved).into(),
            ..row("3xx", &[], "hold url", Fate::Held("url"))
        },
        Row {
            alone: "reject",
            ..row(
                "400, 422",
                &[400, 422],
                "split",
                Fate::DeadLetter("rejected"),
            )
        },
        row(
            "401, 403, 407",
            &[401, 403, 407],
            "hold auth",
            Fate::Held("auth"),
        ),
        row("404, 405", &[404, 405], "hold url", Fate::Held("url")),
        row(
            "406, 415, 426",
            &[406, 415, 426],
            "hold request",
            Fate::Held("request"),
        ),
        row("408", &[408], "retry timeout Unknown", AGAIN),
        row("409 with a key", &[409], "retry blocked Unknown", AGAIN),
        row("410", &[410], "hold url", Fate::Held("url")),
        row("413 of several events", &[413], "split", Fate::Apart),
        row(
            "413 of one event",
            &[413],
            "split",
            Fate::DeadLetter("too_large"),
        ),
        other(
            "413 with Retry-After",
            Reply::status(413, "").header("retry-after", "1"),
            "retry blocked No",
            NOT_SENT,
        ),
        row(
            "414, 431",
            &[414, 431],
            "hold request",
            Fate::Held("request"),
        ),
        row("421, 425", &[421, 425], "retry server_error No", NOT_SENT),
        row("429", &[429], "retry rate_limited No", NOT_SENT),
        row(
            "500, 502-504, 507-511, 520-530",
            &[500, 502, 503, 504, 507, 508, 511, 520, 527, 530],
            "retry server_error Unknown",
            AGAIN,
        ),
        row(
            "501, 505",
            &[501, 505],
            "hold request",
            Fate::Held("request"),
        ),
        row(
            "other 4xx",
            &[402, 411, 418, 451],
            "hold unexpected",
            Fate::Held("unexpected"),
        ),
    ];
    rows.extend(faults());
    rows
}

/// Answers that are none, or not whole.
fn faults() -> Vec<Row> {
    let broken = "retry connect Unknown";
    vec![
        other("no answer", Reply::CloseWithoutAnswer, broken, AGAIN),
        other("silence", Reply::Stall, "retry timeout Unknown", AGAIN),
        other(
            "an acceptance breaks off",
            Reply::Reset { status: 200 },
            broken,
            AGAIN,
        ),
        other(
            "a refusal breaks off",
            Reply::Reset { status: 404 },
            "hold url",
            Fate::Held("url"),
        ),
        // No HTTP status has one digit.
        other("garbage", Reply::status(7, "?"), broken, AGAIN),
        other(
            "an answer in drops",
            Reply::Drip {
                status: 200,
                body: b"ok".to_vec(),
            },
            "delivered",
            Fate::Delivered,
        ),
    ]
}
