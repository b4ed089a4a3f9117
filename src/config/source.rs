//! `[sources.NAME]`: who may send, and what is kept of a request.
//!
//! Reads every key before it judges, so that one mistake does not make others look unknown.

use crate::settings::{Preset, Server, Severity, Source, SourceAuth};

use super::names::{header_name, is_credential, is_framing};
use super::problems::shown;
use super::rules::rules;
use super::secrets::{self, Rule};
use super::sections::is_loopback;
use super::table::Table;

/// Headers kept with each event: they are stored beside every payload.
const KEEP_HEADERS_MAX: usize = 32;
/// Words of a vendor with a severity of one's own.
const SEVERITIES_MAX: usize = 64;
const SEVERITIES: [(&str, Severity); 5] = [
    ("informational", Severity::Informational),
    ("low", Severity::Low),
    ("medium", Severity::Medium),
    ("high", Severity::High),
    ("critical", Severity::Critical),
];
/// The ways of proving oneself, as the keys that an operator chooses from.
const METHODS: &str = "bearer_token_file, bearer_token_env, capability_file, capability_env, \
                       header with value_file or value_env, or none = true";

/// Reads one source; none if how it authenticates cannot be told, which is then reported.
pub(super) fn source(name: &str, table: &Table<'_>, server: &Server) -> Option<Source> {
    let preset = table.one_of("preset", Some("generic"), &Preset::ALL);
    let open = table.flag("allow_unauthenticated", false);
    let allow_addresses = table.networks("allow_addresses");
    let auth = if table.has("auth") {
        table.section("auth", auth)
    } else {
        table.problem(
            "auth",
            "missing",
            format!("write auth = {{ ... }} with {METHODS}"),
        );
        None
    };
    if matches!(auth, Some(SourceAuth::None)) {
        check_open(table, open, allow_addresses.is_empty(), server);
    } else if open && auth.is_some() {
        let text = "has no effect, since auth names a secret";
        table.warning("allow_unauthenticated", text);
    }
    let auth_header = match &auth {
        Some(SourceAuth::Header { name, .. }) => Some(name.as_str()),
        _ => None,
    };
    let conventions = preset.unwrap_or(Preset::Generic);
    let keep_headers = keep_headers(table, auth_header, conventions);
    let delivery_id_header = delivery_id_header(table, auth_header, conventions);
    let rules = rules(table);
    let severities = severities(table, preset);
    Some(Source {
        name: name.to_owned(),
        preset: conventions,
        auth: auth?,
        allow_addresses,
        keep_headers,
        delivery_id_header,
        rules,
        severities,
    })
}

/// The table of the vendor's words; only a preset reads any.
fn severities(table: &Table<'_>, preset: Option<Preset>) -> Vec<(String, Severity)> {
    let texts = table.texts("severities");
    if texts.len() > SEVERITIES_MAX {
        let what = format!("has {} entries", texts.len());
        let remedy = format!("keep at most {SEVERITIES_MAX}");
        table.problem("severities", what, remedy);
    }
    if !texts.is_empty() && preset == Some(Preset::Generic) {
        let what = "is set although the preset generic reads no severity";
        table.problem("severities", what, "remove it, or set preset");
    }
    let mut severities = Vec::new();
    for (word, text) in texts {
        let known = SEVERITIES.iter().find(|(name, _)| *name == text);
        match known {
            Some((_, level)) => severities.push((word, *level)),
            None => {
                let words: Vec<_> = SEVERITIES.iter().map(|(name, _)| *name).collect();
                let remedy = format!("write one of {}", words.join(", "));
                let at = format!("severities.{}", shown(&word));
                table.problem(&at, "is not a severity", remedy);
            }
        }
    }
    severities
}

fn check_open(table: &Table<'_>, open: bool, from_anywhere: bool, server: &Server) {
    if !open {
        table.problem(
            "auth",
            "none lets anybody send",
            format!("name a secret ({METHODS}), or set allow_unauthenticated = true beside auth"),
        );
        return;
    }
    if from_anywhere && !is_loopback(server.listen.ip()) {
        table.problem(
            "allow_addresses",
            "missing for a source without authentication while server.listen is off loopback",
            "list the addresses that may send, or name a secret in auth",
        );
    }
    let text = "the source is open: whoever reaches the listener can send events";
    table.warning("allow_unauthenticated", text);
}

fn auth(table: &Table<'_>) -> Option<SourceAuth> {
    let bearer = secrets::several(table, "bearer_token", Rule::BEARER_IN);
    let capability = secrets::several(table, "capability", Rule::CAPABILITY);
    let values = secrets::several(table, "value", Rule::HEADER_IN);
    let header = header(table, "header");
    let none = table.flag("none", false);

    let by_bearer = secrets::named(table, "bearer_token");
    let by_capability = secrets::named(table, "capability");
    let by_header = table.has("header") || secrets::named(table, "value");
    match (by_bearer, by_capability, by_header, none) {
        (true, false, false, false) => some(bearer).map(SourceAuth::Bearer),
        (false, true, false, false) => some(capability).map(SourceAuth::Capability),
        (false, false, true, false) => {
            pair(table);
            Some(SourceAuth::Header {
                name: header?,
                values: some(values)?,
            })
        }
        (false, false, false, true) => Some(SourceAuth::None),
        (false, false, false, false) => {
            table.problem("", "names no way to authenticate", format!("set {METHODS}"));
            None
        }
        _ => {
            let what = "names more than one way to authenticate";
            table.problem("", what, format!("keep one of {METHODS}"));
            None
        }
    }
}

/// Reports a header without its value, or a value without its header.
pub(super) fn pair(table: &Table<'_>) {
    if !table.has("header") {
        let what = "missing beside value_file or value_env";
        table.problem("header", what, "name the header that carries the secret");
    } else if !secrets::named(table, "value") {
        let what = "stands without value_file or value_env";
        table.problem(
            "header",
            what,
            "set one of them to where the header's value is kept",
        );
    }
}

/// The name of a header that carries a secret, in lower case.
pub(super) fn header(table: &Table<'_>, key: &str) -> Option<String> {
    let text = table.string(key, None)?;
    let name = header_name(&text);
    if name.is_none() {
        table.problem(
            key,
            "is not the name of a header",
            "write such as \"X-Api-Key\"",
        );
    }
    if name.as_deref().is_some_and(is_framing) {
        let what = "is a header that HTTP itself uses";
        table.problem(key, what, "name another, such as \"X-Api-Key\"");
        return None;
    }
    name
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// The headers that the preset reads come first, so that no limit leaves them out.
fn keep_headers(table: &Table<'_>, auth_header: Option<&str>, preset: Preset) -> Vec<String> {
    let key = "keep_headers";
    let texts = table.list(key, Some("[]")).unwrap_or_default();
    if texts.len() > KEEP_HEADERS_MAX {
        let what = format!("has {} headers", texts.len());
        table.problem(key, what, format!("keep at most {KEEP_HEADERS_MAX}"));
    }
    let mut kept = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match header_name(text) {
            Some(name) if is_credential(&name) || Some(name.as_str()) == auth_header => {
                let what = format!("{name} carries credentials, which are never stored");
                table.problem(key, what, "remove it from the list");
            }
            Some(name) if kept.contains(&name) => {
                table.problem(key, format!("has {name} twice"), "remove one of them");
            }
            Some(name) => kept.push(name),
            None => {
                // Not repeated: a whole header line may have been pasted.
                let what = format!("entry {} is not the name of a header", index + 1);
                table.problem(key, what, "write such as \"X-Request-Id\"");
            }
        }
    }
    let own = preset.headers().iter().copied();
    let own = own.filter(|name| Some(*name) != auth_header);
    let mut all: Vec<String> = own.map(str::to_owned).collect();
    kept.retain(|name| !all.contains(name));
    all.append(&mut kept);
    all
}

fn delivery_id_header(
    table: &Table<'_>,
    auth_header: Option<&str>,
    preset: Preset,
) -> Option<String> {
    let key = "delivery_id_header";
    let Some(name) = header(table, key) else {
        let own = preset.delivery_id_header().filter(|_| !table.has(key));
        let own = own.filter(|name| Some(*name) != auth_header);
        return own.map(str::to_owned);
    };
    if is_credential(&name) || Some(name.as_str()) == auth_header {
        let what = "carries credentials, not a delivery's id";
        table.problem(
            key,
            what,
            "name the header that differs from delivery to delivery",
        );
    }
    Some(name)
}
