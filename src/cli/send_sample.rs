//! `siem-relay sample`: posts a bundled vendor event to a running relay, as the vendor would.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::HeaderName;
use secrecy::ExposeSecret;

use super::sample::{SampleEvent, body};
use super::{
    CONFIG_INVALID, Failure, RUNTIME_FAILED, USAGE_WRONG, from_here, load, say, small_runtime,
};
use crate::settings::{Preset, Server, Settings, Source, SourceAuth};
use crate::sink::client::{Login, post_once};

#[derive(Args)]
pub(super) struct SampleArguments {
    /// The running relay's configuration file: tells address, path and credential
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The source to post to; the first Data Theorem source by default
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// The vendor event to post
    #[arg(long, value_enum, default_value = "policy-violation")]
    event: EventArgument,
    /// Post the event as published, without a fresh time and uuid
    #[arg(long)]
    verbatim: bool,
    /// Where to post, if not to the address in the configuration (behind a proxy, for example)
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Certificates to trust instead of the system's (PEM)
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum EventArgument {
    /// A policy violation that was resolved
    PolicyViolation,
    /// The vendor's connectivity test
    ConnectivityTest,
}

/// Posts one event and prints the relay's answer.
pub(super) fn send(arguments: &SampleArguments) -> Result<(), Failure> {
    let settings = load(&arguments.config)?.settings;
    let source = choose(&settings, arguments.source.as_deref())?;
    let mut url = match &arguments.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => url(&settings.server, &source.name),
    };
    let login = login(source, &mut url)?;
    let event = match arguments.event {
        EventArgument::PolicyViolation => SampleEvent::PolicyViolation,
        EventArgument::ConnectivityTest => SampleEvent::ConnectivityTest,
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(0);
    let body = Bytes::from(body(event, now_ms, arguments.verbatim));
    let ca_file = arguments.ca_file.as_deref();
    let answer = small_runtime()?
        .block_on(post_once(&url, &login, ca_file, body))
        .map_err(|error| Failure::new(RUNTIME_FAILED, format!("no answer: {error}")))?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.is_success() {
        return say(format_args!("{} {text}", answer.status));
    }
    Err(Failure::new(
        RUNTIME_FAILED,
        format!("refused: {} {text}", answer.status),
    ))
}

fn choose<'a>(settings: &'a Settings, name: Option<&str>) -> Result<&'a Source, Failure> {
    let found = match name {
        Some(name) => settings.sources.iter().find(|source| source.name == name),
        None => settings
            .sources
            .iter()
            .find(|source| source.preset == Preset::DataTheorem),
    };
    let known: Vec<_> = settings
        .sources
        .iter()
        .map(|source| source.name.as_str())
        .collect();
    found.ok_or_else(|| {
        let text = format!(
            "no such source; name one with --source: {}",
            known.join(", ")
        );
        Failure::new(USAGE_WRONG, text)
    })
}

/// The relay as seen from this machine.
fn url(server: &Server, source: &str) -> String {
    let scheme = if server.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let address = from_here(server.listen);
    format!("{scheme}://{address}{}/{source}", server.path)
}

/// The source's first credential, as the vendor would send it.
fn login(source: &Source, url: &mut String) -> Result<Login, Failure> {
    Ok(match &source.auth {
        SourceAuth::None => Login::None,
        SourceAuth::Bearer(secrets) => secrets
            .first()
            .cloned()
            .map_or(Login::None, |secret| Login::Scheme("Bearer", secret)),
        SourceAuth::Header { name, values } => match values.first().cloned() {
            Some(value) => {
                let name = HeaderName::try_from(name.as_str())
                    .map_err(|error| Failure::new(CONFIG_INVALID, error))?;
                Login::Header { name, value }
            }
            None => Login::None,
        },
        SourceAuth::Capability(secrets) => {
            if let Some(secret) = secrets.first() {
                url.push('/');
                url.push_str(secret.value().expose_secret());
            }
            Login::None
        }
    })
}
