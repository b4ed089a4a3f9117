//! Proves what each intake is sent, byte by byte: path, headers that matter, and the body.

use siem_relay::settings::{
    Auth, Datadog, Graylog, IntakePreset, Logscale, LogscaleInput, Loki, NewRelic, SumoLogic,
};
use siem_relay::sink::{Rendered, Sink};

use crate::fake_http::{FakeHttp, Received, Reply};
use crate::setup::*;

/// Two events that differ in all that an intake has use for, and their received time.
fn events() -> (Vec<Rendered>, u64) {
    let received_ms = now_ms();
    let first = fresh(1, "{\"a\":\n\"\\u0007 \u{e9}\"}", received_ms);
    let mut second = fresh(2, "[2]", received_ms);
    second.time = Some(format!("{}.5", received_ms / 1000 - 60));
    second.host = Some("scanner.example.com".to_owned());
    (vec![first, second], received_ms)
}

/// What stands for times in the expected bodies.
pub(crate) fn timed(text: &str, received_ms: u64) -> String {
    let rfc3339 = |ms: u64| {
        let ms = i64::try_from(ms).unwrap();
        format!("{:.3}", jiff::Timestamp::from_millisecond(ms).unwrap())
    };
    let seconds = |ms: u64| format!("{}.{:03}", ms / 1000, ms % 1000);
    let vendor_ms = (received_ms / 1000 - 60) * 1000 + 500;
    text.replace("<ID1>", "01010101-0101-0101-0101-010101010101")
        .replace("<ID2>", "02020202-0202-0202-0202-020202020202")
        .replace("<RECEIVED>", &rfc3339(received_ms))
        .replace("<VENDOR>", &rfc3339(vendor_ms))
        .replace("<RECEIVED_MS>", &received_ms.to_string())
        .replace("<VENDOR_MS>", &vendor_ms.to_string())
        .replace("<RECEIVED_S>", &seconds(received_ms))
        .replace("<VENDOR_S>", &seconds(vendor_ms))
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

/// Sends both events and gives what came.
pub(crate) async fn sent(
    status: u16,
    path: &str,
    auth: Auth,
    preset: IntakePreset,
) -> (Vec<Received>, u64) {
    let server = FakeHttp::start(move |_| Reply::status(status, "")).await;
    let sink = intake(&format!("{}{path}", server.url()), auth, preset);
    let (events, received_ms) = events();
    let outcome = sink.send(&events).await;
    assert!(is_delivered(&outcome), "{outcome:?}");
    assert_eq!(outcome.status, Some(status));
    let received = server.received();
    for one in &received {
        assert_eq!(one.method, "POST");
        assert_eq!(one.header("idempotency-key"), None);
    }
    (received, received_ms)
}

pub(crate) fn check(received: &Received, path: &str, headers: &[(&str, &str)], body: &str) {
    assert_eq!(received.path, path);
    for (name, value) in headers {
        assert_eq!(received.header(name), Some(*value), "{name}");
    }
    assert_eq!(received.text(), body);
}

fn key(name: &str, token: &Token) -> Auth {
    Auth::Header {
        name: name.to_owned(),
        value: token.secret.clone(),
    }
}

#[tokio::test]
async fn datadog() {
    let token = Token::new();
    let preset = IntakePreset::Datadog(Datadog {
        ddsource: None,
        service: "siem-relay".to_owned(),
        hostname: None,
        tags: vec!["env:prod".to_owned(), "team:appsec".to_owned()],
    });
    let (received, ms) = sent(202, "", key("dd-api-key", &token), preset).await;
    let body = timed(
        r#"[{"ddsource":"acme","ddtags":"env:prod,team:appsec","service":"siem-relay",
"timestamp":<RECEIVED_MS>,"message":"{\"a\":\n\"\\u0007 é\"}",
"siem_relay":{"id":"<ID1>","received":"<RECEIVED>","source":"acme"}},
{"ddsource":"acme","ddtags":"env:prod,team:appsec","hostname":"scanner.example.com",
"service":"siem-relay","timestamp":<VENDOR_MS>,"message":"[2]",
"siem_relay":{"id":"<ID2>","received":"<RECEIVED>","source":"acme"}}]"#,
        ms,
    );
    let headers = [("dd-api-key", TOKEN), ("content-type", "application/json")];
    check(
        &received[0],
        "/api/v2/logs",
        &headers,
        &body.replace('\n', ""),
    );
    assert_eq!(received.len(), 1);
}

#[tokio::test]
async fn sumo_logic() {
    let preset = IntakePreset::SumoLogic(SumoLogic {
        category: Some("appsec/mobile".to_owned()),
        host: Some("relay".to_owned()),
        name: Some("findings".to_owned()),
        fields: pairs(&[("env", "prod"), ("team", "appsec")]),
    });
    let path = "/receiver/v1/http/ZaVnC4dhaV3-Zbn8Kq==";
    let (received, ms) = sent(200, path, Auth::None, preset).await;
    let body = timed(
        "{\"id\":\"<ID1>\",\"received\":\"<RECEIVED>\",\"source\":\"acme\",\
         \"event\":{\"a\":\"\\u0007 \u{e9}\"}}\n\
         {\"id\":\"<ID2>\",\"received\":\"<RECEIVED>\",\"source\":\"acme\",\"event\":[2]}\n",
        ms,
    );
    let headers = [
        ("x-sumo-category", "appsec/mobile"),
        ("x-sumo-host", "relay"),
        ("x-sumo-name", "findings"),
        ("x-sumo-fields", "env=prod,team=appsec"),
        ("content-type", "application/x-ndjson"),
    ];
    check(&received[0], path, &headers, &body);
    assert_eq!(received[0].header("authorization"), None);
}

#[tokio::test]
async fn logscale_structured_and_connector() {
    let token = Token::new();
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let preset = |input, tags| IntakePreset::Logscale(Logscale { input, tags });
    let auth = Auth::Bearer(token.secret.clone());
    let structured = preset(LogscaleInput::Structured, pairs(&[("env", "prod")]));
    let (received, ms) = sent(200, "/", auth.clone(), structured).await;
    let body = timed(
        r#"[{"tags":{"source":"acme","env":"prod"},"events":[
{"timestamp":"<RECEIVED>","attributes":{"siem_relay_id":"<ID1>",
"siem_relay_received":"<RECEIVED>","siem_relay_source":"acme"},
"rawstring":"{\"a\":\n\"\\u0007 é\"}"},
{"timestamp":"<VENDOR>","attributes":{"siem_relay_id":"<ID2>",
"siem_relay_received":"<RECEIVED>","siem_relay_source":"acme"},"rawstring":"[2]"}]}]"#,
        ms,
    );
    let path = "/api/v1/ingest/humio-structured";
    check(&received[0], path, &headers, &body.replace('\n', ""));

    let path = "/7f2a/v1/services/collector";
    let connector = preset(LogscaleInput::Connector, Vec::new());
    let (received, ms) = sent(200, path, auth, connector).await;
    let lines = [
        r#"{"time":<RECEIVED_S>,"source":"acme","event":{"a":"\u0007 é"},"fields":
{"siem_relay_id":"<ID1>","siem_relay_received":"<RECEIVED>","siem_relay_source":"acme"}}"#,
        r#"{"time":<VENDOR_S>,"host":"scanner.example.com","source":"acme","event":[2],"fields":
{"siem_relay_id":"<ID2>","siem_relay_received":"<RECEIVED>","siem_relay_source":"acme"}}"#,
    ];
    let lines = lines.map(|line| timed(line, ms).replace('\n', "") + "\n");
    check(&received[0], path, &headers, &lines.concat());
}

#[tokio::test]
async fn panther_and_elastic_agent_get_envelopes() {
    let token = Token::new();
    let envelopes = [
        "{\"id\":\"<ID1>\",\"received\":\"<RECEIVED>\",\"source\":\"acme\",\
         \"event\":{\"a\":NL\"\\u0007 \u{e9}\"}}",
        "{\"id\":\"<ID2>\",\"received\":\"<RECEIVED>\",\"source\":\"acme\",\"event\":[2]}",
    ];
    let path = "/http/1a2b3c";
    let auth = key("x-panther-secret", &token);
    let (received, ms) = sent(200, path, auth, IntakePreset::Panther).await;
    let body = timed(&(envelopes.join("\n").replace("NL", "") + "\n"), ms);
    let headers = [
        ("x-panther-secret", TOKEN),
        ("content-type", "application/x-ndjson"),
    ];
    check(&received[0], path, &headers, &body);

    let auth = Auth::Basic {
        user: "relay".to_owned(),
        password: token.secret.clone(),
    };
    let (received, ms) = sent(200, "/in", auth, IntakePreset::ElasticAgent).await;
    let body = timed(
        &format!("[{}]", envelopes.join(",").replace("NL", "\n")),
        ms,
    );
    let headers = [("content-type", "application/json")];
    check(&received[0], "/in", &headers, &body);
    let login = received[0].header("authorization").unwrap();
    assert!(login.starts_with("Basic "));
}

#[tokio::test]
async fn loki() {
    let token = Token::new();
    let preset = IntakePreset::Loki(Loki {
        labels: pairs(&[("env", "prod"), ("job", "siem-relay")]),
        tenant: Some("appsec".to_owned()),
    });
    let auth = Auth::Bearer(token.secret.clone());
    let (received, ms) = sent(204, "", auth, preset).await;
    let body = timed(
        r#"{"streams":[{"stream":{"source":"acme","env":"prod","job":"siem-relay"},"values":[
["<RECEIVED_MS>000001","{\"a\":\n\"\\u0007 é\"}",{"siem_relay_id":"<ID1>",
"siem_relay_received":"<RECEIVED>","siem_relay_source":"acme"}],
["<RECEIVED_MS>000002","[2]",{"siem_relay_id":"<ID2>",
"siem_relay_received":"<RECEIVED>","siem_relay_source":"acme"}]]}]}"#,
        ms,
    );
    let bearer = format!("Bearer {TOKEN}");
    let headers = [
        ("x-scope-orgid", "appsec"),
        ("content-type", "application/json"),
        ("authorization", bearer.as_str()),
    ];
    check(
        &received[0],
        "/loki/api/v1/push",
        &headers,
        &body.replace('\n', ""),
    );
}

#[tokio::test]
async fn loki_has_a_stream_per_source_and_keeps_the_order_in_each() {
    let server = FakeHttp::start(|_| Reply::status(204, "")).await;
    let preset = IntakePreset::Loki(Loki::default());
    let sink = intake(&server.url(), Auth::None, preset);
    let mut events: Vec<_> = (1..=4).map(|n| fresh(n, "1", now_ms())).collect();
    for event in events.iter_mut().skip(1).step_by(2) {
        let inner = std::sync::Arc::get_mut(&mut event.event).unwrap();
        std::sync::Arc::get_mut(&mut inner.provenance)
            .unwrap()
            .source = "other".to_owned();
    }
    assert!(is_delivered(&sink.send(&events).await));
    let body: serde_json::Value = serde_json::from_str(&server.received()[0].text()).unwrap();
    let streams = body["streams"].as_array().unwrap();
    let sources: Vec<_> = streams.iter().map(|one| &one["stream"]["source"]).collect();
    assert_eq!(sources, ["acme", "other"]);
    for stream in streams {
        let times = stream["values"].as_array().unwrap().iter();
        let times: Vec<u64> = times
            .map(|v| v[0].as_str().unwrap().parse().unwrap())
            .collect();
        assert!(times.len() == 2 && times.is_sorted(), "{times:?}");
    }
}

#[tokio::test]
async fn new_relic() {
    let token = Token::new();
    let preset = IntakePreset::NewRelic(NewRelic {
        attributes: pairs(&[("env", "prod")]),
    });
    let (received, ms) = sent(202, "", key("api-key", &token), preset).await;
    let body = timed(
        r#"[{"common":{"attributes":{"env":"prod"}},"logs":[
{"timestamp":<RECEIVED_MS>,"message":"{\"a\":\n\"\\u0007 é\"}","attributes":
{"siem_relay_id":"<ID1>","siem_relay_received":"<RECEIVED>","siem_relay_source":"acme"}},
{"timestamp":<VENDOR_MS>,"message":"[2]","attributes":{"siem_relay_id":"<ID2>",
"siem_relay_received":"<RECEIVED>","siem_relay_source":"acme","host":"scanner.example.com"}}]}]"#,
        ms,
    );
    let headers = [("api-key", TOKEN), ("content-type", "application/json")];
    check(&received[0], "/log/v1", &headers, &body.replace('\n', ""));
}

#[tokio::test]
async fn graylog_one_a_request_and_in_bulk() {
    let token = Token::new();
    for bulk in [false, true] {
        let preset = IntakePreset::Graylog(Graylog {
            host: None,
            level: 5,
            fields: pairs(&[("env", "prod")]),
            bulk,
        });
        let (received, ms) = sent(202, "", key("x-graylog", &token), preset).await;
        let messages = [
            r#"{"version":"1.1","host":"siem-relay","short_message":"event from acme",
"full_message":"{\"a\":\n\"\\u0007 é\"}","timestamp":<RECEIVED_S>,"level":5,
"_siem_relay_id":"<ID1>","_siem_relay_received":"<RECEIVED>","_siem_relay_source":"acme",
"_env":"prod"}"#,
            r#"{"version":"1.1","host":"scanner.example.com","short_message":"event from acme",
"full_message":"[2]","timestamp":<VENDOR_S>,"level":5,"_siem_relay_id":"<ID2>",
"_siem_relay_received":"<RECEIVED>","_siem_relay_source":"acme","_env":"prod"}"#,
        ];
        let messages = messages.map(|message| timed(message, ms).replace('\n', ""));
        let headers = [("x-graylog", TOKEN), ("content-type", "application/json")];
        if bulk {
            let lines = messages.map(|message| message + "\n").concat();
            check(&received[0], "/gelf", &headers, &lines);
        } else {
            assert_eq!(received.len(), 2);
            for (one, message) in received.iter().zip(&messages) {
                check(one, "/gelf", &headers, message);
            }
        }
    }
}

#[tokio::test]
async fn a_url_that_is_the_secret_is_followed_and_never_shown() {
    let server = FakeHttp::start(|request| match request.path.as_str() {
        "/receiver/v1/http/N3wK3yN3wK3yN3wK3y" => Reply::status(200, ""),
        path => Reply::status(401, format!("no source at {path}")),
    })
    .await;
    let token = Token::new();
    let old = format!("{}/receiver/v1/http/0ldK3y0ldK3y0ldK3y", server.url());
    std::fs::write(token.path(), &old).unwrap();
    token.secret.reread();
    let settings = siem_relay::settings::Intake {
        endpoint: endpoint(&old),
        secret_url: Some(token.secret.clone()),
        auth: Auth::None,
        preset: IntakePreset::SumoLogic(SumoLogic::default()),
    };
    let shown = format!("{settings:?}");
    assert!(!shown.contains("0ldK3y"), "{shown}");
    let sink = siem_relay::sink::intake::Intake::new(&settings).unwrap();
    let held = sink.send(&events().0).await;
    let detail = detail(&held.verdicts[0]);
    assert!(
        detail.contains("/receiver/v1/http/***") && !detail.contains("0ldK3y"),
        "{detail}"
    );
    let new = format!("{}/receiver/v1/http/N3wK3yN3wK3yN3wK3y", server.url());
    std::fs::write(token.path(), new).unwrap();
    sink.refresh();
    assert!(is_delivered(&sink.send(&events().0).await));
}
