//! Proves what becomes of each event with every answer of the generic HTTP reference, through the
//! real relay; and that seconds of refusals under load lose nothing and repeat nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::answers::{Fate, rows};
use crate::fake_http::{FakeHttp, Received, Reply};
use crate::hec::{OUTAGE, all_there, load};
use crate::relay::{Relay, Setup};
use crate::siem::Siem;

/// Destinations of one relay.
const DESTINATIONS_MAX: usize = 30;

/// One answer, and the receiver that gives it.
struct Case {
    /// The destination's name.
    name: String,
    what: String,
    fate: Fate,
    /// More keys of the destination.
    keys: &'static str,
    receiver: Receiver,
}

/// A receiver that gives the answer for as long as the fate wants it, then takes everything.
struct Receiver {
    server: FakeHttp,
    healed: Arc<AtomicBool>,
    taken: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Receiver {
    /// Until `open` it only says that there is too much, so that events gather for one request.
    async fn start(reply: Reply, fate: Fate, open: &Arc<AtomicBool>) -> Self {
        let healed = Arc::new(AtomicBool::new(false));
        let taken = Arc::new(Mutex::new(BTreeMap::new()));
        let (open, seen, noted) = (Arc::clone(open), Arc::clone(&healed), Arc::clone(&taken));
        let server = FakeHttp::start(move |request: &Received| {
            if !open.load(Ordering::SeqCst) {
                // It says when to come again: without that, smaller requests would follow.
                return Reply::status(429, "").header("retry-after", "1");
            }
            let events: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
            let answers_so = match fate {
                Fate::Delivered => true,
                Fate::Again { .. } => !seen.swap(true, Ordering::SeqCst),
                Fate::Held(_) => !seen.load(Ordering::SeqCst),
                Fate::DeadLetter(_) => request.text().contains("poison"),
                Fate::Apart => events.len() > 1,
            };
            if answers_so && fate != Fate::Delivered {
                return reply.clone();
            }
            let mut taken = noted.lock().unwrap();
            for event in &events {
                let id = event["id"].as_str().unwrap().to_owned();
                *taken.entry(id).or_insert(0) += 1;
            }
            if answers_so { reply.clone() } else { healthy() }
        })
        .await;
        Self {
            server,
            healed,
            taken,
        }
    }
}

/// An answer that every destination here takes for success.
fn healthy() -> Reply {
    Reply::status(200, r#"{"status":"ok"}"#)
}

async fn cases(open: &Arc<AtomicBool>) -> Vec<Case> {
    const SUCCESS: &str = "success_pointer = \"/status\"\nsuccess_equals = \"ok\"";
    let mut all = Vec::new();
    for row in rows() {
        for reply in row.replies {
            all.push((row.name, reply, row.fate, ""));
        }
    }
    let again = Fate::Again { unknown: true };
    let failed = Reply::status(200, r#"{"status":"failed"}"#);
    all.extend([
        ("2xx, says success", healthy(), Fate::Delivered, SUCCESS),
        ("2xx, says failure", failed, again, SUCCESS),
        (
            "2xx, says nothing",
            Reply::status(200, "<html>"),
            again,
            SUCCESS,
        ),
        (
            "409, is there",
            Reply::status(409, ""),
            Fate::Delivered,
            "success_statuses = [409]",
        ),
        (
            "409, no key",
            Reply::status(409, ""),
            Fate::Held("unexpected"),
            "idempotency_key = false",
        ),
    ]);
    let mut cases = Vec::new();
    for (number, (name, reply, fate, keys)) in all.into_iter().enumerate() {
        cases.push(Case {
            name: format!("d{number}"),
            what: format!("{name}: {reply:?}"),
            fate,
            keys,
            receiver: Receiver::start(reply, fate, open).await,
        });
    }
    cases
}

fn destination(case: &Case) -> String {
    format!(
        "[destinations.{}]\nkind = \"http\"\nurl = \"{}\"\nenvelope = true\n\
         retry_initial = \"20ms\"\nretry_max = \"200ms\"\nprobe_interval = \"200ms\"\n\
         request_timeout = \"3s\"\n{}\n",
        case.name,
        case.receiver.server.url(),
        case.keys
    )
}

/// Follows the events to their end.
async fn check(relay: &Relay, case: &Case, ids: &[String; 3]) {
    let (name, what) = (&case.name, &case.what);
    if let Fate::Held(cause) = case.fate {
        let held = |status: &Value| {
            let reason = status["reason"].as_str();
            status["state"] == "held" && reason.is_some_and(|reason| reason.starts_with(cause))
        };
        let status = relay.until(name, held).await;
        assert_eq!(status["delivered"], 0, "{what}");
        case.receiver.healed.store(true, Ordering::SeqCst);
    }
    let status = relay.drained(name).await;
    let lost = usize::from(matches!(case.fate, Fate::DeadLetter(_)));
    let counts = (&status["delivered"], &status["dead_lettered"]);
    assert_eq!(counts, (&json!(3 - lost), &json!(lost)), "{what}: {status}");
    let expected = ids.iter().enumerate();
    let expected = expected.filter(|(at, _)| lost == 0 || *at != 1);
    let expected: BTreeMap<_, _> = expected.map(|(_, id)| (id.clone(), 1)).collect();
    assert_eq!(*case.receiver.taken.lock().unwrap(), expected, "{what}");
    let resends = format!(
        "siem_relay_duplicate_events_total{{destination=\"{name}\",kind=\"possible_resend\"}}"
    );
    let unknown = case.fate == Fate::Again { unknown: true };
    let counted = relay.metric(&resends).await;
    assert_eq!(counted, if unknown { 3.0 } else { 0.0 }, "{what}");
    if let Fate::DeadLetter(reason) = case.fate {
        let dead = format!(
            "siem_relay_dead_letter_events_total{{destination=\"{name}\",reason=\"{reason}\"}}"
        );
        assert_eq!(relay.metric(&dead).await, 1.0, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_leaves_each_event_where_the_reference_wants_it() {
    let open = Arc::new(AtomicBool::new(false));
    let cases = cases(&open).await;
    for part in cases.chunks(DESTINATIONS_MAX) {
        open.store(false, Ordering::SeqCst);
        let destinations: String = part.iter().map(destination).collect();
        let setup = Setup::new("", &destinations);
        let relay = setup.start();
        let ids = [
            relay.accepted("{\"n\":1}").await,
            relay.accepted("{\"n\":\"poison\"}").await,
            relay.accepted("{\"n\":3}").await,
        ];
        // Each destination has met all three of them before it answers as its row says.
        for case in part {
            gathered(case).await;
        }
        open.store(true, Ordering::SeqCst);
        for case in part {
            check(&relay, case, &ids).await;
        }
    }
}

/// Waits until one request has held all three events.
async fn gathered(case: &Case) {
    let all = || {
        let received = case.receiver.server.received();
        let last = received.last().map(Received::text).unwrap_or_default();
        last.matches("\"received\"").count() == 3
    };
    crate::relay::eventually(&case.what, all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_seconds_of_refusals_under_load_lose_nothing_and_repeat_nothing() {
    for reply in [
        Reply::status(401, ""),
        Reply::status(404, ""),
        Reply::status(503, "").header("retry-after", "1"),
        Reply::status(429, "").header("retry-after", "1"),
    ] {
        let what = format!("{reply:?}");
        let refusing = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&refusing);
        let siem = Siem::http(move |_| seen.load(Ordering::SeqCst).then(|| reply.clone())).await;
        let destination = format!(
            "[destinations.soar]\nkind = \"http\"\nurl = \"{}\"\nenvelope = true\n\
             probe_interval = \"200ms\"\nretry_initial = \"50ms\"\nretry_max = \"1s\"\n",
            siem.url()
        );
        let setup = Setup::new("", &destination);
        setup.edit(
            "max_body = \"256KiB\"",
            "max_body = \"256KiB\"\nmax_connections = 64",
        );
        let relay = setup.start();
        let ids = load(&relay).await;
        assert!(ids.len() > 100, "{what}: only {} in {OUTAGE:?}", ids.len());
        refusing.store(false, Ordering::SeqCst);
        let status = relay.drained("soar").await;
        let counts = (&status["delivered"], &status["dead_lettered"]);
        assert_eq!(counts, (&json!(ids.len()), &json!(0)), "{what}");
        assert_eq!(all_there(&ids, &siem.taken()), 0, "{what}");
    }
}
