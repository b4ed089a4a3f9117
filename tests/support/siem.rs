//! Fakes of the SIEMs that the relay delivers to: they take what they are sent, remember which
//! event ids they have, and can be told to refuse.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::fake_http::{FakeHttp, Received, Reply};
use crate::relay::Setup;

/// What a fake answers instead of taking the events, for as long as it says so.
type Refusal = dyn Fn(&Received) -> Option<Reply> + Send + Sync;

/// A fake SIEM.
pub(crate) struct Siem {
    pub(crate) server: FakeHttp,
    taken: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Siem {
    /// Splunk HEC: takes concatenated envelopes, with the relay's id in `fields`.
    pub(crate) async fn hec(
        refusal: impl Fn(&Received) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self::start(Box::new(refusal), |request| {
            let envelopes = serde_json::Deserializer::from_slice(&request.body).into_iter();
            let ids = envelopes.map(|envelope: Result<Value, _>| {
                text(&envelope.expect("envelopes are JSON")["fields"]["siem_relay_id"])
            });
            (
                ids.collect(),
                Reply::status(200, r#"{"text":"Success","code":0}"#),
            )
        })
        .await
    }

    /// Elasticsearch: takes `create` actions and refuses an `_id` that it has with 409.
    pub(crate) async fn elastic(
        refusal: impl Fn(&Received) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let known = Mutex::new(std::collections::BTreeSet::new());
        Self::start(Box::new(refusal), move |request| {
            if request.method == "GET" {
                // It may not be asked what it is.
                return (Vec::new(), Reply::status(403, ""));
            }
            let text_body = request.text();
            assert!(text_body.ends_with('\n'), "a bulk ends with a newline");
            let lines: Vec<Value> = text_body
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            let ids: Vec<_> = lines
                .chunks(2)
                .map(|pair| text(&pair[0]["create"]["_id"]))
                .collect();
            let mut known = known.lock().unwrap();
            let items: Vec<_> = ids
                .iter()
                .map(|id| {
                    let status = if known.insert(id.clone()) { 201 } else { 409 };
                    json!({"create": {"_index": "i", "status": status}})
                })
                .collect();
            let answer = json!({"took": 1, "errors": false, "items": items});
            (ids, Reply::status(200, answer.to_string()))
        })
        .await
    }

    /// Any HTTP endpoint that takes arrays of `{"id", ...}` envelopes.
    pub(crate) async fn http(
        refusal: impl Fn(&Received) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self::start(Box::new(refusal), |request| {
            let events: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
            (
                events.iter().map(|event| text(&event["id"])).collect(),
                Reply::status(204, ""),
            )
        })
        .await
    }

    async fn start(
        refusal: Box<Refusal>,
        take: impl Fn(&Received) -> (Vec<String>, Reply) + Send + Sync + 'static,
    ) -> Self {
        let taken = Arc::new(Mutex::new(BTreeMap::new()));
        let shared = Arc::clone(&taken);
        let server = FakeHttp::start(move |request| {
            if let Some(refused) = refusal(request) {
                return refused;
            }
            let (ids, reply) = take(request);
            let mut taken = shared.lock().unwrap();
            for id in ids {
                *taken.entry(id).or_insert(0) += 1;
            }
            reply
        })
        .await;
        Self { server, taken }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Ids taken, with how often each came.
    pub(crate) fn taken(&self) -> BTreeMap<String, usize> {
        self.taken.lock().unwrap().clone()
    }
}

/// The lines of a file destination with envelopes: ids with how often each is there.
pub(crate) fn file_ids(lines: &str) -> BTreeMap<String, usize> {
    let mut ids = BTreeMap::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).expect("whole lines of JSON");
        *ids.entry(text(&line["id"])).or_insert(0) += 1;
    }
    ids
}

/// A refusal that never happens.
pub(crate) fn never(_: &Received) -> Option<Reply> {
    None
}

/// Configuration of the four kinds of destination; secrets are in `HEC_TOKEN`.
pub(crate) fn four(hec: &str, elastic: &str, http: &str) -> String {
    format!(
        r#"
[destinations.splunk]
kind = "splunk_hec"
url = "{hec}"
token_env = "HEC_TOKEN"
index = "appsec"
sourcetype = "datatheorem:webhook"
retry_initial = "20ms"
probe_interval = "200ms"
[destinations.elastic]
kind = "elasticsearch"
url = "{elastic}"
data_stream = "logs-datatheorem.webhook-default"
format = "ecs"
retry_initial = "20ms"
probe_interval = "200ms"
[destinations.soar]
kind = "http"
url = "{http}/events?tenant=a"
envelope = true
bearer_token_env = "SOAR_TOKEN"
retry_initial = "20ms"
probe_interval = "200ms"
[destinations.archive]
kind = "file"
path = "archive/events.jsonl"
envelope = true
"#
    )
}

/// The three SIEMs that speak HTTP, and a relay's set-up that delivers to them and to a file.
pub(crate) struct Four {
    pub(crate) hec: Siem,
    pub(crate) elastic: Siem,
    pub(crate) http: Siem,
    pub(crate) setup: Setup,
}

/// Names of the destinations in [`four`].
pub(crate) const NAMES: [&str; 4] = ["splunk", "elastic", "soar", "archive"];

impl Four {
    /// SIEMs that take everything.
    pub(crate) async fn willing() -> Self {
        Self::of(
            "",
            Siem::hec(never).await,
            Siem::elastic(never).await,
            Siem::http(never).await,
        )
    }

    /// These SIEMs; `extra` is more configuration.
    pub(crate) fn of(extra: &str, hec: Siem, elastic: Siem, http: Siem) -> Self {
        let destinations = four(&hec.url(), &elastic.url(), &http.url());
        let setup = with_secrets(Setup::new(extra, &destinations));
        Self {
            hec,
            elastic,
            http,
            setup,
        }
    }
}

/// Adds the secrets that [`four`] names.
pub(crate) fn with_secrets(setup: Setup) -> Setup {
    SECRETS
        .iter()
        .fold(setup, |setup, (name, value)| setup.env(name, value))
}

/// The secrets that [`four`] names.
pub(crate) const SECRETS: [(&str, &str); 2] = [
    ("HEC_TOKEN", "11111111-2222-3333-4444-555555555555"),
    ("SOAR_TOKEN", "soar-token-of-24-bytes!!"),
];

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no id: {value}"))
        .to_owned()
}
