//! Kinds of destination that are presets: SIEMs whose protocol is known.
//!
//! Each asks for a place (a site or region where the vendor has a list, else a URL), a key, and
//! constant labels by the intake's own rules. Reads every key before it gives up, so that one
//! mistake does not make others look unknown. The rules for names are in `names`.

use secrecy::ExposeSecret;

use crate::secret::Secret;
use crate::settings::{
    Auth, Datadog, Endpoint, Graylog, Intake, IntakePreset, Logscale, LogscaleInput, Loki,
    NewRelic, SumoLogic,
};

use super::endpoint::{Shape, endpoint, reached};
use super::login;
use super::secrets::{self, Rule};
use super::table::Table;

mod cloud;
mod names;

/// The kinds, before their keys are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Sentinel,
    GoogleSecops,
    Datadog,
    SumoLogic,
    Logscale,
    Panther,
    Loki,
    NewRelic,
    Graylog,
    ElasticAgent,
}

/// And how they are written.
pub(super) const WORDS: [(&str, Word); 10] = [
    ("sentinel", Word::Sentinel),
    ("google_secops", Word::GoogleSecops),
    ("datadog", Word::Datadog),
    ("sumo_logic", Word::SumoLogic),
    ("logscale", Word::Logscale),
    ("panther", Word::Panther),
    ("loki", Word::Loki),
    ("new_relic", Word::NewRelic),
    ("graylog", Word::Graylog),
    ("elastic_agent", Word::ElasticAgent),
];

/// Datadog's sites ("Getting started with Datadog sites").
const DATADOG_SITES: [&str; 7] = [
    "datadoghq.com",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "datadoghq.eu",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "ddog-gov.com",
];
/// New Relic's regions and the hosts of its log API.
const NEW_RELIC_REGIONS: [(&str, &str); 2] = [
    ("us", "https://log-api.newrelic.com"),
    ("eu", "https://log-api.eu.newrelic.com"),
];
/// Syslog's `informational`.
const LEVEL: usize = 6;

/// Reads one preset; none if it cannot be built, which is then reported.
pub(super) fn intake(table: &Table<'_>, word: Word) -> Option<Intake> {
    match word {
        Word::Sentinel => cloud::sentinel(table),
        Word::GoogleSecops => cloud::google_secops(table),
        Word::Datadog => datadog(table),
        Word::SumoLogic => sumo_logic(table),
        Word::Logscale => logscale(table),
        Word::Panther => any_login(table, &full("https://logs.example.com/http/SOURCE", false))
            .map(|(endpoint, auth)| preset(endpoint, auth, IntakePreset::Panther)),
        Word::Loki => loki(table),
        Word::NewRelic => new_relic(table),
        Word::Graylog => graylog(table),
        Word::ElasticAgent => any_login(table, &full("https://agent.example.com:8443/in", true))
            .map(|(endpoint, auth)| preset(endpoint, auth, IntakePreset::ElasticAgent)),
    }
}

fn datadog(table: &Table<'_>) -> Option<Intake> {
    let shape = based("https://http-intake.logs.datadoghq.com", "/api/v2/logs");
    let sites = DATADOG_SITES.map(|site| (site, site));
    let site = table.one_of("site", None, &sites);
    let url = site.map(|site| format!("https://http-intake.logs.{site}"));
    let endpoint = located(table, "site", url, &shape);
    let key = key(table, "api_key", "an API key");
    let settings = Datadog {
        ddsource: table.string("ddsource", None),
        service: table
            .string("service", Some("siem-relay"))
            .unwrap_or_default(),
        hostname: table.string("hostname", None),
        tags: names::datadog_tags(table),
    };
    let auth = header("dd-api-key", key?);
    Some(preset(endpoint?, auth, IntakePreset::Datadog(settings)))
}

/// The URL is the secret: it comes from where secrets come from, and no message repeats it.
fn sumo_logic(table: &Table<'_>) -> Option<Intake> {
    let shape = full(
        "https://endpoint.collection.sumologic.com/receiver/v1/http/KEY",
        true,
    );
    let secret = secrets::one(table, "url", Rule::PASSWORD);
    if !secrets::named(table, "url") {
        let remedy = "set it to a file with the URL of the HTTP source, or set url_env";
        table.problem("url_file", "missing", remedy);
    }
    let key = if table.has("url_env") {
        "url_env"
    } else {
        "url_file"
    };
    let url = secret.as_ref().map(|secret| match table.reads_secrets() {
        true => secret.value().expose_secret().to_owned(),
        // Nothing is sent there.
        false => shape.example.to_owned(),
    });
    let endpoints = reached(table, true, &shape, key, url.as_slice());
    let settings = SumoLogic {
        category: names::header_text(table, "category"),
        host: names::header_text(table, "host"),
        name: names::header_text(table, "name"),
        fields: names::sumo_fields(table),
    };
    // A changed one may be no less safe than the one that was checked here.
    let plain = url.is_some_and(|url| url.starts_with("http://"));
    let secret = secret?.guarded(move |text| {
        match text.starts_with("https://") || (plain && text.starts_with("http://")) {
            true => Ok(()),
            false => Err("it is no https URL; put the URL of the HTTP source there".to_owned()),
        }
    });
    let endpoint = endpoints?.into_iter().next()?;
    Some(Intake {
        secret_url: Some(secret),
        ..preset(endpoint, Auth::None, IntakePreset::SumoLogic(settings))
    })
}

fn logscale(table: &Table<'_>) -> Option<Intake> {
    let inputs = [
        ("structured", LogscaleInput::Structured),
        ("connector", LogscaleInput::Connector),
    ];
    let input = table.one_of("input", Some("structured"), &inputs);
    let input = input.unwrap_or(LogscaleInput::Structured);
    let shape = match input {
        LogscaleInput::Structured => based("https://cloud.humio.com", "/api/v1/ingest"),
        LogscaleInput::Connector => full(
            "https://ID.ingest.us-1.crowdstrike.com/services/collector",
            true,
        ),
    };
    let endpoint = endpoint(table, true, &shape);
    let token = secrets::one(table, "token", Rule::BEARER_OUT);
    if !secrets::named(table, "token") {
        let remedy = "set it to a file with the ingest token or the connector's key, or set \
                      token_env";
        table.problem("token_file", "missing", remedy);
    }
    let tags = names::logscale_tags(table);
    if input == LogscaleInput::Connector && !tags.is_empty() {
        let what = "is set although input is connector, which has no tags";
        table.problem(
            "tags",
            what,
            "remove it, and set tags in the connector's parser",
        );
    }
    let settings = IntakePreset::Logscale(Logscale { input, tags });
    Some(preset(endpoint?, Auth::Bearer(token?), settings))
}

fn loki(table: &Table<'_>) -> Option<Intake> {
    let found = any_login(table, &based("https://loki.example.com", "/loki/api/v1"));
    let settings = Loki {
        labels: names::loki_labels(table),
        tenant: names::header_text(table, "tenant"),
    };
    let (endpoint, auth) = found?;
    Some(preset(endpoint, auth, IntakePreset::Loki(settings)))
}

fn new_relic(table: &Table<'_>) -> Option<Intake> {
    let shape = based("https://log-api.newrelic.com", "/log/v1");
    let url = table.one_of("region", None, &NEW_RELIC_REGIONS);
    let endpoint = located(table, "region", url.map(str::to_owned), &shape);
    let key = key(table, "api_key", "a license key");
    let settings = NewRelic {
        attributes: names::new_relic_attributes(table),
    };
    let auth = header("api-key", key?);
    Some(preset(endpoint?, auth, IntakePreset::NewRelic(settings)))
}

fn graylog(table: &Table<'_>) -> Option<Intake> {
    let found = any_login(
        table,
        &Shape {
            gzip: false,
            ..based("https://graylog.example.com:12201", "/gelf")
        },
    );
    let settings = Graylog {
        host: table.string("host", None),
        level: u8::try_from(table.count("level", LEVEL, 0..=7)).unwrap_or(7),
        fields: names::gelf_fields(table),
        bulk: table.flag("bulk", false),
    };
    let (endpoint, auth) = found?;
    Some(preset(endpoint, auth, IntakePreset::Graylog(settings)))
}

/// A URL and one of the logins of any HTTP endpoint, or none.
fn any_login(table: &Table<'_>, shape: &Shape) -> Option<(Endpoint, Auth)> {
    let auth = login::http(table);
    let login = !matches!(auth, Some(Auth::None));
    let endpoint = endpoint(table, login, shape);
    Some((endpoint?, auth?))
}

/// A place by its name in the vendor's list, or a URL for one that the list does not have.
fn located(
    table: &Table<'_>,
    key: &str,
    listed: Option<String>,
    shape: &Shape,
) -> Option<Endpoint> {
    let url = table.string("url", None);
    match (table.has(key), table.has("url")) {
        (true, true) => table.problem("url", format!("stands beside {key}"), "keep one of them"),
        (false, false) => table.problem(key, "missing", "set it, or set url"),
        _ => {}
    }
    let url = url.or(listed);
    let endpoints = reached(table, true, shape, "url", url.as_slice());
    endpoints?.into_iter().next()
}

fn key(table: &Table<'_>, name: &str, what: &str) -> Option<Secret> {
    let secret = secrets::one(table, name, Rule::HEADER_OUT);
    if !secrets::named(table, name) {
        let remedy = format!("set it to a file with {what}, or set {name}_env");
        table.problem(&format!("{name}_file"), "missing", remedy);
    }
    secret
}

fn header(name: &str, value: Secret) -> Auth {
    Auth::Header {
        name: name.to_owned(),
        value,
    }
}

fn preset(endpoint: Endpoint, auth: Auth, preset: IntakePreset) -> Intake {
    Intake {
        endpoint,
        secret_url: None,
        auth,
        preset,
    }
}

/// A URL to which the relay adds a path.
fn based(example: &'static str, added: &'static str) -> Shape {
    Shape {
        base: true,
        added,
        gzip: true,
        example,
    }
}

/// A URL that is taken as it is.
fn full(example: &'static str, gzip: bool) -> Shape {
    Shape {
        base: false,
        added: "",
        gzip,
        example,
    }
}
