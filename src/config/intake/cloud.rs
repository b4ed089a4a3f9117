//! Intakes that want a token fetched: Microsoft Sentinel and Google SecOps.
//!
//! What an operator copies from the vendor's console (tenant, rule, project, key file) becomes the
//! URL, the token endpoint and the scope here.

use crate::config::endpoint::{Shape, endpoint, reached};
use crate::config::secrets::{self, Rule};
use crate::config::table::Table;
use crate::secret::{Secret, SecretPlace};
use crate::settings::{
    Auth, GoogleSecops, GoogleServiceAccount, Intake, IntakePreset, OAuth2, SecopsApi, Sentinel,
    SentinelColumn, TokenStyle,
};

use super::{based, preset};

/// Bytes of any name that becomes a part of a URL.
const PART_BYTES_MAX: usize = 128;
/// How a data collection rule's immutable id begins, and the hexadecimal digits behind it.
const RULE: &str = "dcr-";
const RULE_DIGITS: usize = 32;
/// How the streams of one's own tables begin.
const STREAM: &str = "Custom-";

/// An Azure cloud: where it gives tokens, and what for.
#[derive(Clone, Copy)]
struct Cloud {
    login: &'static str,
    scope: &'static str,
}

const PUBLIC: Cloud = Cloud {
    login: "login.microsoftonline.com",
    scope: "https://monitor.azure.com/.default",
};
const US_GOVERNMENT: Cloud = Cloud {
    login: "login.microsoftonline.us",
    scope: "https://monitor.azure.us/.default",
};
const CHINA: Cloud = Cloud {
    login: "login.chinacloudapi.cn",
    scope: "https://monitor.azure.cn/.default",
};

/// `kind = "sentinel"`.
pub(super) fn sentinel(table: &Table<'_>) -> Option<Intake> {
    let shape = based(
        "https://my-dce-5kyl.westeurope-1.ingest.monitor.azure.com",
        "/dataCollectionRules",
    );
    let endpoint = endpoint(table, true, &shape);
    let clouds = [
        ("public", PUBLIC),
        ("us_government", US_GOVERNMENT),
        ("china", CHINA),
    ];
    let cloud = table.one_of("cloud", Some("public"), &clouds);
    let cloud = cloud.unwrap_or(PUBLIC);
    let tenant = part(table, "tenant_id", "the directory (tenant) id");
    let client_id = table.required("client_id", "write the application (client) id");
    let client_secret = secrets::one(table, "client_secret", Rule::PASSWORD);
    if !secrets::named(table, "client_secret") {
        let remedy = "set it to a file with the application's secret, or set client_secret_env";
        table.problem("client_secret_file", "missing", remedy);
    }
    let rule_id = rule_id(table);
    let stream = stream(table);
    let columns = [
        ("RawData", SentinelColumn::RawData),
        ("Event", SentinelColumn::Event),
    ];
    let column = table.one_of("column", Some("RawData"), &columns);
    let auth = Auth::OAuth2(OAuth2 {
        token_url: format!("https://{}/{}/oauth2/v2.0/token", cloud.login, tenant?),
        client_id: client_id?,
        client_secret: client_secret?,
        scope: Some(cloud.scope.to_owned()),
        audience: None,
        style: TokenStyle::Body,
        ca_file: None,
    });
    let settings = Sentinel {
        rule_id: rule_id?,
        stream: stream?,
        column: column.unwrap_or(SentinelColumn::RawData),
    };
    Some(preset(endpoint?, auth, IntakePreset::Sentinel(settings)))
}

fn rule_id(table: &Table<'_>) -> Option<String> {
    let remedy = "write the rule's immutable id, dcr- and 32 hexadecimal digits";
    let id = table.required("rule_id", remedy)?;
    let digits = id.strip_prefix(RULE).unwrap_or_default();
    if digits.len() != RULE_DIGITS || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        table.problem("rule_id", "is not the immutable id of a rule", remedy);
    }
    Some(id)
}

fn stream(table: &Table<'_>) -> Option<String> {
    let remedy = "write the stream that the rule declares, such as Custom-SiemRelay_CL";
    let stream = table.required("stream", remedy)?;
    let name = stream.strip_prefix(STREAM).unwrap_or_default();
    if !is_part(name) || name.contains('.') {
        table.problem("stream", "is not the name of a custom stream", remedy);
    }
    Some(stream)
}

/// `kind = "google_secops"`.
pub(super) fn google_secops(table: &Table<'_>) -> Option<Intake> {
    let legacy = table.one_of(
        "api",
        Some("import"),
        &[("import", false), ("legacy", true)],
    );
    let legacy = legacy.unwrap_or(false);
    let versions = ["v1alpha", "v1beta", "v1"].map(|version| (version, version));
    let version = table.one_of("api_version", Some("v1alpha"), &versions);
    let region = optional_part(table, "region");
    let project = optional_part(table, "project");
    let forwarder = optional_part(table, "forwarder");
    let instance = part(table, "instance", "the instance's (customer's) id");
    let log_type = log_type(table);
    let key = service_account(table);
    for name in ["project", "region"] {
        if !legacy && !table.has(name) {
            let remedy = format!("write the instance's {name}");
            table.problem(name, "missing", remedy);
        }
    }
    for name in ["project", "forwarder", "api_version"] {
        if legacy && table.has(name) {
            let what = "is set although api is legacy, which has none";
            table.problem(name, what, "remove it, or use api = \"import\"");
        }
    }
    let endpoint = place(table, legacy, region.as_deref());
    let (scope, api) = if legacy {
        let scope = "https://www.googleapis.com/auth/malachite-ingestion";
        (scope, Some(SecopsApi::Legacy))
    } else {
        let api = project
            .zip(region)
            .map(|(project, region)| SecopsApi::Import {
                version: version.unwrap_or("v1alpha").to_owned(),
                project,
                region,
                forwarder,
            });
        ("https://www.googleapis.com/auth/cloud-platform", api)
    };
    let auth = Auth::GoogleServiceAccount(GoogleServiceAccount {
        key: key?,
        scope: scope.to_owned(),
    });
    let settings = GoogleSecops {
        log_type: log_type?,
        instance: instance?,
        api: api?,
    };
    Some(preset(
        endpoint?,
        auth,
        IntakePreset::GoogleSecops(settings),
    ))
}

/// The host by region, or one that is written.
fn place(
    table: &Table<'_>,
    legacy: bool,
    region: Option<&str>,
) -> Option<crate::settings::Endpoint> {
    let shape = Shape {
        gzip: false,
        ..based("https://eu-chronicle.googleapis.com", "/projects/")
    };
    let listed = match (legacy, region) {
        (false, Some(region)) => Some(format!("https://{region}-chronicle.googleapis.com")),
        (false, None) => None,
        (true, Some(region)) => Some(format!(
            "https://{region}-malachiteingestion-pa.googleapis.com"
        )),
        (true, None) => Some("https://malachiteingestion-pa.googleapis.com".to_owned()),
    };
    let url = table.string("url", None).or(listed);
    reached(table, true, &shape, "url", url.as_slice())?
        .into_iter()
        .next()
}

/// A log type as Google writes it.
fn log_type(table: &Table<'_>) -> Option<String> {
    let remedy = "write the log type whose parser fits, such as DATATHEOREM_CUSTOM";
    let log_type = table.required("log_type", remedy)?;
    let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if log_type.len() > PART_BYTES_MAX || !log_type.chars().all(allowed) {
        table.problem("log_type", "is not upper case, digits and _", remedy);
    }
    Some(log_type)
}

/// The key file has many lines, unlike any other secret here. What is in it, its user will say.
fn service_account(table: &Table<'_>) -> Option<Secret> {
    let file = table.string("service_account_file", None);
    let env = table.string("service_account_env", None);
    let (key, place) = match (file, env) {
        (Some(_), Some(_)) => {
            let what = "stands beside service_account_file";
            table.problem("service_account_env", what, "keep one of them");
            return None;
        }
        (Some(path), None) => {
            let place = SecretPlace::File(table.base().join(path));
            ("service_account_file", place)
        }
        (None, Some(name)) => ("service_account_env", SecretPlace::Env(name)),
        (None, None) => {
            if !secrets::named(table, "service_account") {
                let remedy = "set it to the service account's key file, or set \
                              service_account_env";
                table.problem("service_account_file", "missing", remedy);
            }
            return None;
        }
    };
    match secrets::load_document(table, place) {
        Ok(secret) => Some(secret),
        Err(error) => {
            let (what, remedy) = secrets::unloaded(&error);
            table.problem(key, what, remedy);
            None
        }
    }
}

fn part(table: &Table<'_>, key: &str, what: &str) -> Option<String> {
    let text = optional_part(table, key);
    if !table.has(key) {
        table.problem(key, "missing", format!("write {what}"));
    }
    text
}

/// A text that becomes a part of a URL as it is.
fn optional_part(table: &Table<'_>, key: &str) -> Option<String> {
    let text = table.string(key, None)?;
    if !is_part(&text) {
        let remedy = format!("use at most {PART_BYTES_MAX} letters, digits and ._-");
        table.problem(key, "has characters that it cannot have", remedy);
    }
    Some(text)
}

fn is_part(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=PART_BYTES_MAX).contains(&text.len())
        && !text.starts_with('.')
        && text.chars().all(allowed)
}
