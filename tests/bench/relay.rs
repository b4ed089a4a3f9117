//! The real binary under load: ingest against the floors, delivery to one destination of each
//! protocol, and how soon a single event arrives at a Splunk HEC.
//!
//! Every measurement has a relay of its own with an empty journal on a real disk.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::child::{self, Served};
use crate::floors::Server;
use crate::histogram::Histogram;
use crate::load::{self, Bound};
use crate::payload::Request;
use crate::receiver::{self, Receiver};
use crate::report::{Goal, Line};
use crate::wire::{self, PATIENCE};
use crate::{Plan, journal};

/// Where the requests go, and what lets them in.
pub(crate) const PATH: &str = "/hooks/datatheorem";
pub(crate) const TOKEN: &str = "a-token-of-the-bench-of-32-bytes";
/// Connections of the load, and the goals for events/s against the bare and the dressed floor.
const LOADS: [(usize, Option<[f64; 2]>); 2] = [(64, Some([0.6, 0.8])), (256, None)];
/// Sent before each measurement.
const WARM_UP_EVENTS: u64 = 2000;
/// Single events of one round, in full and with `--quick`.
const SINGLES: (usize, usize) = (300, 50);
/// Between two single events, so that each one meets an idle destination.
const IDLE_PAUSE: Duration = Duration::from_millis(5);
/// Between two looks at the backlog: rare enough to cost the relay nothing.
const BACKLOG_PAUSE: Duration = Duration::from_millis(50);

/// Events/s, CPU time per event and memory against both floors, at each load.
pub(crate) fn ingest(plan: &Plan) -> Result<Vec<Line>, Box<dyn Error>> {
    let request = Request::new()?;
    let mut lines = Vec::new();
    for (connections, goals) in LOADS {
        let [mut bare, mut dressed, mut relay]: [Samples; 3] = Default::default();
        for round in 0..plan.rounds {
            // Each other round in reverse: no side always comes first.
            let mut order = [0, 1, 2];
            if round % 2 == 1 {
                order.reverse();
            }
            for side in order {
                match side {
                    0 => bare.push(measure_floor(Server::Bare, plan, &request, connections)?),
                    1 => dressed.push(measure_floor(Server::Dressed, plan, &request, connections)?),
                    _ => relay.push(measure_ingest(plan, &request, connections)?),
                }
            }
        }
        lines.extend(ingest_lines(connections, goals, &bare, &dressed, &relay));
    }
    Ok(lines)
}

fn ingest_lines(
    connections: usize,
    goals: Option<[f64; 2]>,
    bare: &Samples,
    dressed: &Samples,
    relay: &Samples,
) -> Vec<Line> {
    let line = |what: &str, unit, value: fn(&Sample) -> f64, floor: Option<&Samples>| Line {
        what: format!("ingest, {connections} connections: {what}"),
        unit,
        baseline: floor.map(|floor| floor.each(value)).unwrap_or_default(),
        measured: relay.each(value),
        goal: None,
    };
    let rate: fn(&Sample) -> f64 = |sample| sample.events_per_s;
    let cpu: fn(&Sample) -> f64 = |sample| sample.cpu_us;
    let mut lines = vec![
        line("rate, bare floor", "events/s", rate, Some(bare)),
        line("rate, dressed floor", "events/s", rate, Some(dressed)),
        line("CPU, bare floor", "µs/event", cpu, Some(bare)),
        line("CPU, dressed floor", "µs/event", cpu, Some(dressed)),
        line("p50, bare floor", "ms", |sample| sample.p50_ms, Some(bare)),
        line("p99, bare floor", "ms", |sample| sample.p99_ms, Some(bare)),
        line(
            "memory, bare floor",
            "MB",
            |sample| sample.resident_mb,
            Some(bare),
        ),
        line(
            "generator busy, bare floor",
            "%",
            |sample| sample.busy_percent,
            Some(bare),
        ),
        line("mean group", "events", |sample| sample.group_events, None),
    ];
    // The first two lines are the rates.
    for (line, goal) in lines.iter_mut().zip(goals.into_iter().flatten()) {
        line.goal = Some(Goal::AtLeast(goal));
    }
    lines
}

/// CPU time per event from the request to the destination's answer, against the bare floor.
pub(crate) fn delivery(plan: &Plan) -> Result<Vec<Line>, Box<dyn Error>> {
    let request = Request::new()?;
    let mut floor = Samples::default();
    let mut relays: [Samples; Receiver::ALL.len()] = Default::default();
    for round in 0..plan.rounds {
        if round % 2 == 0 {
            floor.push(measure_floor(Server::Bare, plan, &request, 64)?);
        }
        for (receiver, relay) in Receiver::ALL.into_iter().zip(&mut relays) {
            relay.push(measure_delivery(plan, &request, receiver)?);
        }
        if round % 2 == 1 {
            floor.push(measure_floor(Server::Bare, plan, &request, 64)?);
        }
    }
    let mut lines = Vec::new();
    for (receiver, relay) in Receiver::ALL.into_iter().zip(&relays) {
        let against = |what: &str, unit, goal, value: fn(&Sample) -> f64| Line {
            what: format!(
                "one {} destination, 64 connections: {what}",
                receiver.title()
            ),
            unit,
            baseline: floor.each(value),
            measured: relay.each(value),
            goal,
        };
        let goal = (receiver == Receiver::Hec).then_some(Goal::AtMost(2.0));
        lines.push(against(
            "CPU until drained, bare floor",
            "µs/event",
            goal,
            |sample| sample.cpu_us,
        ));
        lines.push(against(
            "rate until drained, bare floor",
            "events/s",
            None,
            |sample| sample.events_per_s,
        ));
    }
    Ok(lines)
}

/// How long after its 2xx a single event arrives at an idle destination.
pub(crate) fn arrival(plan: &Plan) -> Result<Vec<Line>, Box<dyn Error>> {
    let singles = if plan.quick { SINGLES.1 } else { SINGLES.0 };
    let mut values: [Vec<f64>; 4] = Default::default();
    for _ in 0..plan.rounds {
        let (answered, arrived) = post_singles(plan, singles)?;
        for (into, (histogram, percent)) in values.iter_mut().zip([
            (&answered, 50),
            (&answered, 99),
            (&arrived, 50),
            (&arrived, 99),
        ]) {
            into.push(histogram.percentile_ms(percent));
        }
    }
    let names = [
        ("request to 2xx p50", None),
        ("request to 2xx p99", None),
        ("2xx to arrival p50", Some(Goal::AtMost(3.0))),
        ("2xx to arrival p99", None),
    ];
    let lines = names
        .into_iter()
        .zip(values)
        .map(|((name, goal), measured)| Line {
            what: format!("single events, idle HEC destination: {name}"),
            unit: "ms",
            baseline: Vec::new(),
            measured,
            goal,
        });
    Ok(lines.collect())
}

/// What one side of one round showed.
struct Sample {
    events_per_s: f64,
    cpu_us: f64,
    p50_ms: f64,
    p99_ms: f64,
    resident_mb: f64,
    busy_percent: f64,
    /// Mean events per sync; 0 for a floor, which syncs nothing.
    group_events: f64,
}

#[derive(Default)]
struct Samples(Vec<Sample>);

impl Samples {
    fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    fn each(&self, value: fn(&Sample) -> f64) -> Vec<f64> {
        self.0.iter().map(value).collect()
    }
}

fn measure_floor(
    floor: Server,
    plan: &Plan,
    request: &Request,
    connections: usize,
) -> Result<Sample, Box<dyn Error>> {
    let (served, address) = floor.start()?;
    measure(&served, address, plan, request, connections, || Ok(()))
}

fn measure_ingest(
    plan: &Plan,
    request: &Request,
    connections: usize,
) -> Result<Sample, Box<dyn Error>> {
    let scratch = plan.scratch("relay")?;
    let (served, addresses) = start_prepared(plan, &scratch.directory, None)?;
    let sample = measure(
        &served,
        addresses.ingest,
        plan,
        request,
        connections,
        || Ok(()),
    )?;
    Ok(Sample {
        group_events: mean_group(addresses.admin)?,
        ..sample
    })
}

fn measure_delivery(
    plan: &Plan,
    request: &Request,
    receiver: Receiver,
) -> Result<Sample, Box<dyn Error>> {
    let server = match receiver {
        Receiver::Hec => Server::Hec,
        Receiver::Bulk => Server::Bulk,
        Receiver::Http => Server::Http,
    };
    let (_receives, address) = server.start()?;
    let scratch = plan.scratch("relay")?;
    let destination = receiver.destination(address);
    let (served, addresses) = start_prepared(plan, &scratch.directory, Some(&destination))?;
    let drained = || wait_until_drained(addresses.admin);
    measure(&served, addresses.ingest, plan, request, 64, drained)
}

/// Loads a server and waits until it has `settled`; what that takes counts.
fn measure(
    served: &Served,
    address: SocketAddr,
    plan: &Plan,
    request: &Request,
    connections: usize,
    settled: impl Fn() -> Result<(), Box<dyn Error>>,
) -> Result<Sample, Box<dyn Error>> {
    load::run(address, request, connections, Bound::Events(WARM_UP_EVENTS))?;
    settled()?;
    let (cpu, started) = (served.cpu()?, Instant::now());
    let outcome = load::run(address, request, connections, Bound::For(plan.duration))?;
    settled()?;
    let elapsed = started.elapsed();
    let cpu = served.cpu()?.saturating_sub(cpu);
    let events = outcome.events as f64;
    Ok(Sample {
        events_per_s: events / elapsed.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / events,
        p50_ms: outcome.latency.percentile_ms(50),
        p99_ms: outcome.latency.percentile_ms(99),
        resident_mb: served.resident_bytes()? as f64 / 1e6,
        busy_percent: outcome.busy * 100.0,
        group_events: 0.0,
    })
}

/// Posts one event at a time; from request to answer, and from answer to arrival.
fn post_singles(plan: &Plan, singles: usize) -> Result<(Histogram, Histogram), Box<dyn Error>> {
    let (listener, address) = receiver::bind()?;
    let (arrived, arrivals) = mpsc::channel();
    std::thread::spawn(move || {
        Receiver::Hec.serve(&listener, move |at| {
            // At the end nobody waits for the last one any more.
            let _late = arrived.send(at);
        })
    });
    let scratch = plan.scratch("relay")?;
    let destination = Receiver::Hec.destination(address);
    let (_served, addresses) = start_prepared(plan, &scratch.directory, Some(&destination))?;
    let mut stream = wire::connect(addresses.ingest)?;
    let mut request = Request::new()?;
    let (mut to_answer, mut to_arrival) = (Histogram::new(), Histogram::new());
    let mut answer = Vec::new();
    for number in 0..singles {
        std::thread::sleep(IDLE_PAUSE);
        request.renew(number as u64);
        let sent = Instant::now();
        stream.write_all(request.bytes())?;
        wire::read_message(&mut stream, &mut answer)?;
        let answered = Instant::now();
        if !wire::is_ok(&answer) {
            return Err(wire::refused(&answer).into());
        }
        let arrived: Instant = arrivals.recv_timeout(PATIENCE)?;
        to_answer.add(answered - sent);
        // An event may arrive before its answer does; that counts as no time.
        to_arrival.add(arrived.saturating_duration_since(answered));
    }
    Ok((to_answer, to_arrival))
}

/// Where a relay listens.
pub(crate) struct Addresses {
    ingest: SocketAddr,
    admin: SocketAddr,
}

/// Starts a relay, and waits until its journal has the next segment ready.
fn start_prepared(
    plan: &Plan,
    directory: &Path,
    destination: Option<&str>,
) -> Result<(Served, Addresses), Box<dyn Error>> {
    let started = start(plan, directory, destination)?;
    journal::wait_for_spare(&directory.join("journal"))?;
    Ok(started)
}

/// Starts a relay that only stores, or delivers to one destination; it is ready when this returns.
pub(crate) fn start(
    plan: &Plan,
    directory: &Path,
    destination: Option<&str>,
) -> Result<(Served, Addresses), Box<dyn Error>> {
    let collect_only = destination.is_none();
    let destination = destination.unwrap_or_default();
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [journal]\ndirectory = \"journal\"\ncollect_only = {collect_only}\n\
         [dead_letters]\ndirectory = \"dead-letters\"\n\
         [sources.datatheorem]\npreset = \"datatheorem\"\n\
         auth = {{ bearer_token_env = \"BENCH_TOKEN\" }}\n{destination}"
    );
    std::fs::write(directory.join("config.toml"), text)?;
    let mut command = child::command(&plan.binary)?;
    command
        .args(["run", "--config", "config.toml"])
        .current_dir(directory)
        .env_clear()
        .env("BENCH_TOKEN", TOKEN);
    let started = Served::start(&mut command, |line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let address = |key| line.get(key)?.as_str()?.parse().ok();
        let ready = line.get("message")? == "relay ready";
        ready.then_some(Addresses {
            ingest: address("address")?,
            admin: address("admin")?,
        })
    })?;
    Ok(started)
}

/// Mean events per sync since the relay's start.
fn mean_group(admin: SocketAddr) -> Result<f64, Box<dyn Error>> {
    let metrics = String::from_utf8(wire::get(admin, "/metrics")?)?;
    let value = |name: &str| -> Result<f64, Box<dyn Error>> {
        let name = format!("siem_relay_storage_commit_events_{name} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
        Ok(value
            .ok_or("no storage_commit_events in /metrics")?
            .parse()?)
    };
    Ok(value("sum")? / value("count")?)
}

fn wait_until_drained(admin: SocketAddr) -> Result<(), Box<dyn Error>> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let status: Value = serde_json::from_slice(&wire::get(admin, "/api/v1/status")?)?;
        if status.pointer("/destinations/0/backlog_events") == Some(&Value::from(0)) {
            return Ok(());
        }
        std::thread::sleep(BACKLOG_PAUSE);
    }
    Err("the relay does not deliver in time".into())
}
