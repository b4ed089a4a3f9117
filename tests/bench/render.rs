//! Rendering alone: what one event of a vendor costs for each kind of destination, beside reading
//! the same event into a tree of values.
//!
//! The tree is what a program that maps JSON would begin with; it is measured right before each
//! rendering, since a busy machine slows down both.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use siem_relay::event::{AuthMethod, Event, EventId, Provenance};
use siem_relay::normalize::Renderer;
use siem_relay::settings::{Format, Preset, Source, SourceAuth};
use siem_relay::sink::Shape;

use crate::Plan;
use crate::report::{Goal, Line};

/// The event that is measured alone.
const VIOLATION: &str = "policy-violation-resolved";
const SAMPLES: &str = "tests/fixtures/datatheorem";
/// Committed documents beside the samples.
const DOCUMENT: &str = ".ecs";
const SOURCE: &str = "datatheorem";
/// Received about a minute after the violation's own time.
const RECEIVED_MS: u64 = 1_611_733_110_123;
/// Calls between two looks at the clock.
const BATCH: u32 = 64;
/// Of a side's time in a round: there are many sides, and each call takes microseconds.
const SHARE: u32 = 20;

/// What kinds of destinations ask for, and the goal in µs.
const CASES: [(&str, Format, Shape, f64); 9] = [
    ("original, HTTP", Format::Original, Shape::Payload, 2.0),
    (
        "original, Splunk HEC",
        Format::Original,
        Shape::HecEvent,
        2.0,
    ),
    ("original, intake", Format::Original, Shape::Entry, 2.0),
    (
        "original, Elasticsearch",
        Format::Original,
        Shape::Document,
        2.0,
    ),
    ("ECS, Elasticsearch", Format::Ecs, Shape::Document, 15.0),
    ("ECS, Splunk HEC", Format::Ecs, Shape::HecEvent, 15.0),
    ("OCSF, HTTP", Format::Ocsf, Shape::Payload, 15.0),
    ("OCSF, Elasticsearch", Format::Ocsf, Shape::Document, 15.0),
    ("CIM, Splunk HEC", Format::Cim, Shape::HecEvent, 15.0),
];

/// µs per event, of the violation and of all samples on the mean.
pub(crate) fn render(plan: &Plan) -> Result<Vec<Line>, Box<dyn Error>> {
    let samples = samples()?;
    let (violation, _) = samples.split_first().ok_or("no samples")?;
    let all = format!("mean of {} samples", samples.len());
    let mut lines = Vec::new();
    for (name, format, shape, goal) in CASES {
        let renderer = Renderer::new(&[source()], format, shape);
        let titles = ["policy violation", &all];
        for (title, events) in titles
            .into_iter()
            .zip([std::slice::from_ref(violation), &samples])
        {
            let (mut baseline, mut measured) = (Vec::new(), Vec::new());
            for _ in 0..plan.rounds {
                let [parsed, rendered] = round(plan, &renderer, events)?;
                baseline.push(parsed);
                measured.push(rendered);
            }
            lines.push(Line {
                what: format!("render, {title}: {name}, parsing it"),
                unit: "µs/event",
                baseline,
                measured,
                goal: Some(Goal::MeasuredAtMost(goal)),
            });
        }
    }
    Ok(lines)
}

/// Means over the events: parsing, rendering.
fn round(
    plan: &Plan,
    renderer: &Renderer,
    events: &[Arc<Event>],
) -> Result<[f64; 2], Box<dyn Error>> {
    let share = plan.duration / SHARE / u32::try_from(events.len())?;
    let [mut parsed, mut rendered] = [0.0; 2];
    for event in events {
        // Both must work before their failure would be measured.
        serde_json::from_slice::<Value>(&event.payload)?;
        renderer.render(event)?;
        parsed += time_us(share, || serde_json::from_slice::<Value>(&event.payload));
        rendered += time_us(share, || renderer.render(event));
    }
    let count = events.len() as f64;
    Ok([parsed / count, rendered / count])
}

/// Of one call, what it gives dropped: the median of batches.
fn time_us<T>(lasts: Duration, work: impl Fn() -> T) -> f64 {
    let end = Instant::now() + lasts;
    let mut batches = Vec::new();
    loop {
        let started = Instant::now();
        for _ in 0..BATCH {
            black_box(work());
        }
        let ended = Instant::now();
        batches.push((ended - started) / BATCH);
        if ended >= end {
            break;
        }
    }
    batches.sort();
    let median = batches.get(batches.len() / 2).copied().unwrap_or_default();
    median.as_secs_f64() * 1e6
}

fn source() -> Source {
    Source {
        name: SOURCE.to_owned(),
        preset: Preset::DataTheorem,
        auth: SourceAuth::None,
        allow_addresses: Vec::new(),
        keep_headers: Vec::new(),
        delivery_id_header: None,
        rules: Vec::new(),
        severities: Vec::new(),
    }
}

/// Every sample on one line, as vendors send them; the violation first.
fn samples() -> Result<Vec<Arc<Event>>, Box<dyn Error>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLES);
    let mut samples = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if name.ends_with(DOCUMENT) || path.extension().is_none_or(|end| end != "json") {
            continue;
        }
        let value: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        samples.push((name != VIOLATION, name.into_owned(), event(&value)));
    }
    samples.sort_by(|one, next| (one.0, &one.1).cmp(&(next.0, &next.1)));
    Ok(samples.into_iter().map(|(_, _, event)| event).collect())
}

fn event(payload: &Value) -> Arc<Event> {
    let provenance = Provenance {
        source: SOURCE.to_owned(),
        peer: None,
        client: Some([192, 0, 2, 7].into()),
        auth: AuthMethod::Bearer,
        secret_slot: Some(1),
        test: false,
        content_type: None,
        content_encoding: None,
        headers: Vec::new(),
    };
    Arc::new(Event {
        position: 1,
        id: EventId::new(RECEIVED_MS),
        received_ms: RECEIVED_MS,
        duplicate_of: None,
        replay_id: None,
        provenance: Arc::new(provenance),
        payload: Bytes::from(payload.to_string()),
    })
}
