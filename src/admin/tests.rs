//! Proves what is answered: routes, methods, gzip, the report's form. `access` proves to whom,
//! `write` what becomes of commands.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::report::{
    Breach, Contract, DamagedPlace, DeadLetters, Destination, Incident, Journal, Source, Time,
    url_host,
};
use super::*;
use crate::secret::SecretPlace;

mod access;
mod letters;
mod wishes;
mod write;

const TOKEN: &str = "correct-horse-battery-staple";

#[derive(Default)]
struct Fake {
    refreshed: AtomicUsize,
    full: AtomicBool,
    /// What was commanded, in words.
    obeyed: Mutex<Vec<String>>,
}

impl View for Fake {
    fn refresh(&self) {
        self.refreshed.fetch_add(1, Ordering::Relaxed);
    }

    fn ready(&self) -> Readiness {
        Readiness {
            ready: !self.full.load(Ordering::Relaxed),
            reason: "the log is full: no space left on device".to_owned(),
        }
    }

    fn status(&self) -> Report {
        report()
    }

    fn drift(&self) -> Result<Value, serde_json::Error> {
        Ok(json!({ "findings": [] }))
    }
}

fn report() -> Report {
    let incident = |text: &str| {
        let time = Time::from_unix_ms(1_700_000_000_250);
        let text = text.to_owned();
        Some(Incident { time, text })
    };
    Report {
        version: "0.1.0",
        started: Time::from_unix_ms(1_700_000_000_000),
        uptime_seconds: 5,
        warnings: vec!["source open takes events from anybody".to_owned()],
        journal: Journal {
            state: "accepting",
            reason: None,
            head: 7,
            events: 6,
            used_bytes: 1,
            max_bytes: 2,
            segments: 1,
            damaged: vec![DamagedPlace {
                file: "00000000000000000001.seg".to_owned(),
                offset: 4096,
                after: 6,
            }],
        },
        sources: vec![Source {
            name: "open".to_owned(),
            auth: "none",
            unauthenticated: true,
            rate_per_second: 0.5,
            accepted: 6,
            rejected: BTreeMap::from([("malformed", 1)]),
            last_event: None,
            last_refusal: incident("malformed"),
        }],
        destinations: vec![Destination {
            name: "splunk".to_owned(),
            kind: "splunk_hec",
            host: url_host("https://user:hunter2@splunk.example.com:8088/path?key=hunter3"),
            format: "original",
            state: "held",
            reason: Some("403: invalid token".to_owned()),
            since: Time::from_unix_ms(1_700_000_000_001),
            rate_per_second: 0.0,
            backlog_events: 6,
            oldest_event: Time::from_unix_ms(0),
            oldest_age_seconds: 0,
            retained_bytes: 1,
            required: true,
            max_backlog_bytes: None,
            last_shed: None,
            accepted: 6,
            delivered: 0,
            dead_lettered: 0,
            dead_letters: DeadLetters {
                present: 2,
                oldest: None,
                bytes: 1,
                max_bytes: 2,
                replaying: 1,
                replay_state: "held",
                replay_reason: Some("auth: 401".to_owned()),
            },
            filtered: 0,
            discarded: 0,
            accounting_mismatch: -1,
            last_success: None,
            last_attempt: None,
            last_error: incident("403: invalid token"),
            next_attempt: None,
            concurrency_limit: 4,
            in_flight_batches: 0,
            unconfirmed_batches: 0,
            held_partitions: Vec::new(),
        }],
        contracts: vec![Contract {
            name: "severity".to_owned(),
            source: "open".to_owned(),
            r#type: "*".to_owned(),
            used_by: "rule 7".to_owned(),
            checked: 6,
            breaches: 1,
            last_breach: Some(Breach {
                time: Time::from_unix_ms(1_700_000_000_000),
                event: "0197".to_owned(),
                pointer: "/severity".to_owned(),
                problem: "missing",
            }),
        }],
    }
}

fn secret(name: &str, text: &str) -> Secret {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    Secret::load(SecretPlace::File(path)).unwrap()
}

fn token() -> Secret {
    secret("read-token", TOKEN)
}

fn admin(loopback_only: bool, read_token: Option<Secret>) -> (Arc<Fake>, Admin) {
    let view = Arc::new(Fake::default());
    let admin = Admin {
        metrics: Metrics::new().unwrap(),
        view: view.clone(),
        commands: view.clone(),
        read_token,
        write_token: None,
        loopback_only,
        refusals: refusal_lines(),
    };
    (view, admin)
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn get(admin: &Admin, path: &str, pairs: &[(&str, &str)]) -> Response<Full<Bytes>> {
    admin.answer(&Method::GET, path, &headers(pairs))
}

fn body(response: Response<Full<Bytes>>) -> Bytes {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let collected = runtime.block_on(response.into_body().collect());
    collected.unwrap().to_bytes()
}

fn header<'a>(response: &'a Response<Full<Bytes>>, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[test]
fn metrics_and_health_are_open_on_every_address() {
    for loopback_only in [true, false] {
        let (_, admin) = admin(loopback_only, Some(token()));
        for (path, kind) in [
            ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
            ("/healthz", "text/plain; charset=utf-8"),
            ("/readyz", "text/plain; charset=utf-8"),
        ] {
            let response = get(&admin, path, &[("host", "relay.example.com")]);
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(header(&response, "content-type"), kind);
            assert_eq!(header(&response, "x-content-type-options"), "nosniff");
            assert_eq!(header(&response, "cache-control"), "no-store");
        }
        assert_eq!(body(get(&admin, "/healthz", &[])), "ok");
        assert_eq!(body(get(&admin, "/readyz", &[])), "ready");
    }
}

#[test]
fn gauges_are_refreshed_before_each_scrape_and_for_nothing_else() {
    let (view, admin) = admin(true, None);
    get(&admin, "/healthz", &[]);
    assert_eq!(view.refreshed.load(Ordering::Relaxed), 0);
    let text = body(get(&admin, "/metrics", &[]));
    assert!(text.starts_with(b"# HELP "), "{text:?}");
    assert_eq!(view.refreshed.load(Ordering::Relaxed), 1);
}

#[test]
fn a_relay_that_cannot_accept_is_alive_but_not_ready_and_says_why() {
    let (view, admin) = admin(false, None);
    view.full.store(true, Ordering::Relaxed);
    let response = get(&admin, "/readyz", &[]);
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body(response), "the log is full: no space left on device");
    assert_eq!(get(&admin, "/healthz", &[]).status(), StatusCode::OK);
}

#[test]
fn head_has_the_head_of_get_and_no_body() {
    let (_, admin) = admin(true, None);
    for path in ["/healthz", "/api/v1/status", "/nowhere"] {
        let host = headers(&[("host", "localhost")]);
        let get = admin.answer(&Method::GET, path, &host);
        let head = admin.answer(&Method::HEAD, path, &host);
        assert_eq!(get.status(), head.status());
        assert_eq!(get.headers(), head.headers());
        let length = header(&get, "content-length").to_owned();
        assert_eq!(body(get).len().to_string(), length, "{path}");
        assert!(body(head).is_empty(), "{path}");
    }
}

#[test]
fn other_methods_are_told_what_is_allowed() {
    let (_, admin) = admin(true, None);
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let response = admin.answer(&method, "/metrics", &HeaderMap::new());
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(header(&response, "allow"), "GET, HEAD");
        let error: Value = serde_json::from_slice(&body(response)).unwrap();
        assert_eq!(error["error"], "method_not_allowed");
    }
}

#[test]
fn unknown_paths_are_told_the_known_ones() {
    let (_, admin) = admin(true, None);
    for path in [
        "/",
        "/metrics/",
        "/Metrics",
        "/api/v1/statuses",
        "//healthz",
        "/healthz/..",
    ] {
        let response = get(&admin, path, &[("host", "localhost")]);
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(header(&response, "content-type"), "application/json");
        let error: Value = serde_json::from_slice(&body(response)).unwrap();
        assert_eq!(error["error"], "not_found");
        assert!(error["detail"].as_str().unwrap().contains("/api/v1/status"));
    }
}

#[test]
fn metrics_are_compressed_for_who_takes_it() {
    let (_, admin) = admin(true, None);
    for (accept, packed) in [
        ("gzip", true),
        ("deflate, GZIP;q=0.5", true),
        ("*", true),
        ("br, *;q=0.1", true),
        ("", false),
        ("identity", false),
        ("gzip;q=0", false),
        ("gzip; q=0.000, *", false),
        ("*;q=0", false),
        ("gzip;q=x", false),
    ] {
        let response = get(&admin, "/metrics", &[("accept-encoding", accept)]);
        assert_eq!(header(&response, "vary"), "accept-encoding");
        let coding = header(&response, "content-encoding").to_owned();
        assert_eq!(coding == "gzip", packed, "{accept}");
        let length = header(&response, "content-length").to_owned();
        let bytes = body(response);
        assert_eq!(bytes.len().to_string(), length);
        let mut text = String::new();
        if packed {
            flate2::read::GzDecoder::new(&bytes[..])
                .read_to_string(&mut text)
                .unwrap();
        } else {
            text = String::from_utf8(bytes.to_vec()).unwrap();
        }
        assert!(text.contains("siem_relay_build_info{"), "{text}");
    }
}

#[test]
fn the_status_has_times_in_utc_null_for_unknown_ones_and_no_credentials_of_urls() {
    let (_, admin) = admin(true, None);
    let response = get(&admin, "/api/v1/status", &[("host", "localhost")]);
    assert_eq!(header(&response, "content-type"), "application/json");
    let text = body(response);
    assert!(!String::from_utf8_lossy(&text).contains("hunter"));
    let status: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(status["started"], "2023-11-14T22:13:20.000Z");
    assert_eq!(status["journal"]["head"], 7);
    let place = json!({"file": "00000000000000000001.seg", "offset": 4096, "after": 6});
    assert_eq!(status["journal"]["damaged"], json!([place]));
    let source = &status["sources"][0];
    assert_eq!(source["rejected"], json!({"malformed": 1}));
    assert_eq!(source["last_event"], Value::Null);
    let refusal = json!({"time": "2023-11-14T22:13:20.250Z", "text": "malformed"});
    assert_eq!(source["last_refusal"], refusal);
    let destination = &status["destinations"][0];
    assert_eq!(destination["host"], "splunk.example.com:8088");
    assert_eq!(destination["oldest_event"], Value::Null);
    assert_eq!(destination["accounting_mismatch"], -1);
}

#[test]
fn of_a_url_only_host_and_port_are_told() {
    for (url, host) in [
        ("https://es.example.com", Some("es.example.com")),
        ("http://a:b@[::1]:9200/x?y=z", Some("[::1]:9200")),
        ("/only/a/path", None),
        ("not a url", None),
        ("", None),
    ] {
        assert_eq!(url_host(url).as_deref(), host, "{url}");
    }
}

#[tokio::test]
async fn a_socket_is_answered_until_stop() {
    let (_, admin) = admin(true, None);
    let address = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind(address, limits(), None).await.unwrap();
    let address = listener.local_address();
    let (stop, force) = (CancellationToken::new(), CancellationToken::new());
    let serving = tokio::spawn(Arc::new(admin).serve(listener, stop.clone(), force));
    for method in ["GET", "HEAD"] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("{method} /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("content-length: 5\r\n"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, if method == "GET" { "ready" } else { "" });
    }
    stop.cancel();
    serving.await.unwrap();
}
