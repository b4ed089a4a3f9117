//! Sinks, events and secrets as the tests of this folder need them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use siem_relay::event::{Event, EventId, Provenance};
use siem_relay::secret::{Secret, SecretPlace};
use siem_relay::settings::{
    self, Acknowledgement, Auth, BulkTarget, ElasticFlavour, Elasticsearch, Endpoint, EndpointTls,
    Framing, HecInput, HttpTerms, IntakePreset, LogscaleInput, PartialBatches, SecopsApi,
    SentinelColumn, SplunkHec,
};
use siem_relay::sink::elastic::Elastic;
use siem_relay::sink::http::Http;
use siem_relay::sink::intake::Intake;
use siem_relay::sink::splunk::Splunk;
use siem_relay::sink::{Note, Outcome, Rendered, RetryCause, Sent, Verdict};

pub(crate) const TOKEN: &str = "11112222-3333-4444-5555-666677778888";
pub(crate) const SUCCESS: &str = r#"{"text":"Success","code":0}"#;

/// Keeps a secret's file for as long as the test.
pub(crate) struct Token {
    directory: tempfile::TempDir,
    pub(crate) secret: Secret,
}

impl Token {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, TOKEN).unwrap();
        let secret = Secret::load(SecretPlace::File(path)).unwrap();
        Self { directory, secret }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("token")
    }
}

pub(crate) fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        url: url.to_owned(),
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(10),
        ca_file: None,
        tls: EndpointTls::default(),
        proxy: None,
        gzip: false,
    }
}

/// A HEC destination with nothing but what it needs.
pub(crate) fn hec_settings(endpoint: Endpoint, token: &Token) -> SplunkHec {
    SplunkHec {
        endpoints: vec![endpoint],
        token: token.secret.clone(),
        input: HecInput::Event,
        index: None,
        indexes: Vec::new(),
        source: None,
        sourcetype: None,
        host: None,
        names: Default::default(),
        fields: Vec::new(),
        partial_batches: PartialBatches::PrefixAccepted,
        acknowledgement: Acknowledgement {
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(300),
            max_batches: 1000,
        },
    }
}

pub(crate) fn hec(endpoint: Endpoint, token: &Token) -> Splunk {
    let settings = SplunkHec {
        index: Some("sec".to_owned()),
        ..hec_settings(endpoint, token)
    };
    Splunk::new(&settings, "splunk").unwrap()
}

pub(crate) fn elastic(endpoint: Endpoint, auth: Auth, pipeline: Option<&str>) -> Elastic {
    let settings = Elasticsearch {
        auth,
        pipeline: pipeline.map(str::to_owned),
        ..elastic_settings(vec![endpoint])
    };
    Elastic::new(&settings).unwrap()
}

/// A bulk destination with nothing but what it needs.
pub(crate) fn elastic_settings(endpoints: Vec<Endpoint>) -> Elasticsearch {
    Elasticsearch {
        endpoints,
        flavour: ElasticFlavour::Auto,
        target: BulkTarget::DataStream("logs-acme".to_owned()),
        require_alias: false,
        ids: true,
        collapse_resends: Vec::new(),
        auth: Auth::None,
        pipeline: None,
    }
}

pub(crate) fn http(endpoint: Endpoint, framing: Framing, envelope: bool, auth: Auth) -> Http {
    let settings = settings::Http {
        endpoint,
        framing,
        auth,
        envelope,
        headers: vec![("x-tenant".to_owned(), "blue".to_owned())],
        names: Default::default(),
        terms: HttpTerms::default(),
    };
    Http::new(&settings).unwrap()
}

pub(crate) fn event(n: u8, body: &str) -> Rendered {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let provenance = Provenance {
        source: "acme".to_owned(),
        ..Provenance::unknown()
    };
    Rendered {
        event: Arc::new(Event {
            position: u64::from(n),
            id: EventId::from_bytes([n; 16]),
            received_ms: 1_795_444_925_123,
            duplicate_of: None,
            replay_id: None,
            provenance: Arc::new(provenance),
            payload: body.clone(),
        }),
        payload: body.clone(),
        body,
        time: None,
        host: None,
        sourcetype: None,
    }
}

pub(crate) fn batch() -> [Rendered; 2] {
    [event(1, r#"{"a":1}"#), event(2, r#"{"b":2}"#)]
}

pub(crate) fn retry(verdict: &Verdict) -> (Sent, RetryCause) {
    match verdict {
        Verdict::Retry { sent, cause, .. } => (*sent, *cause),
        other => panic!("not a retry: {other:?}"),
    }
}

pub(crate) fn is_delivered(outcome: &Outcome) -> bool {
    let plain = Verdict::Delivered { note: Note::Plain };
    outcome.verdicts.iter().all(|verdict| *verdict == plain)
}

pub(crate) fn detail(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Retry { detail, .. }
        | Verdict::Hold { detail, .. }
        | Verdict::Split { detail }
        | Verdict::Reject { detail, .. } => detail,
        other => panic!("nothing to say: {other:?}"),
    }
}

/// An intake with nothing but what it needs.
pub(crate) fn intake(url: &str, auth: Auth, preset: IntakePreset) -> Intake {
    intake_with(endpoint(url), auth, preset)
}

pub(crate) fn intake_with(endpoint: Endpoint, auth: Auth, preset: IntakePreset) -> Intake {
    let settings = settings::Intake {
        endpoint,
        secret_url: None,
        auth,
        preset,
    };
    Intake::new(&settings).unwrap()
}

/// Every preset in its plainest form.
pub(crate) fn presets() -> Vec<IntakePreset> {
    let logscale = |input| {
        IntakePreset::Logscale(settings::Logscale {
            input,
            tags: Vec::new(),
        })
    };
    let graylog = |bulk| {
        IntakePreset::Graylog(settings::Graylog {
            host: None,
            level: 6,
            fields: Vec::new(),
            bulk,
        })
    };
    let google = |api| {
        IntakePreset::GoogleSecops(settings::GoogleSecops {
            log_type: "ACME_CUSTOM".to_owned(),
            instance: "c0ffee".to_owned(),
            api,
        })
    };
    let import = SecopsApi::Import {
        version: "v1alpha".to_owned(),
        project: "acme".to_owned(),
        region: "eu".to_owned(),
        forwarder: None,
    };
    vec![
        IntakePreset::Sentinel(settings::Sentinel {
            rule_id: "dcr-00000000000000000000000000000000".to_owned(),
            stream: "Custom-SiemRelay_CL".to_owned(),
            column: SentinelColumn::RawData,
        }),
        google(import),
        google(SecopsApi::Legacy),
        IntakePreset::Datadog(settings::Datadog::default()),
        IntakePreset::SumoLogic(settings::SumoLogic::default()),
        logscale(LogscaleInput::Structured),
        logscale(LogscaleInput::Connector),
        IntakePreset::Panther,
        IntakePreset::Loki(settings::Loki::default()),
        IntakePreset::NewRelic(settings::NewRelic::default()),
        graylog(false),
        graylog(true),
        IntakePreset::ElasticAgent,
    ]
}

/// An event received just now, as intakes with an age window want them.
pub(crate) fn fresh(n: u8, body: &str, received_ms: u64) -> Rendered {
    let mut event = event(n, body);
    Arc::get_mut(&mut event.event).unwrap().received_ms = received_ms;
    event
}

pub(crate) fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap()
}
