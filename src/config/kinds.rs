//! What each kind of destination needs: its address, its login, its own keys. Splunk's are in
//! `splunk`.
//!
//! Reads every key before it gives up, so that one mistake does not make others look unknown.

use std::time::Duration;

use http::HeaderValue;

use crate::settings::{Compress, Elasticsearch, ElasticsearchAuth, File, Framing, Http, HttpAuth};

use super::endpoint::{Shape, endpoint};
use super::http::{framing, terms};
use super::names::{header_name, is_framing, secret_like};
use super::problems::shown;
use super::secrets::{self, Rule};
use super::source::{header, pair};
use super::table::Table;

/// Constant fields or headers of a destination.
const CONSTANTS_MAX: usize = 32;
/// Bytes of an index's or data stream's name, and of each part of the latter.
const INDEX_BYTES_MAX: usize = 255;
const INDEX_PART_BYTES_MAX: usize = 100;

const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// `kind = "elasticsearch"`.
pub(super) fn elasticsearch(table: &Table<'_>) -> Option<Elasticsearch> {
    let auth = elasticsearch_auth(table);
    let login = !matches!(auth, Some(ElasticsearchAuth::None));
    let endpoint = endpoint(table, login, &Shape::ELASTICSEARCH);
    let target = target(table);
    let pipeline = table.string("pipeline", None);
    Some(Elasticsearch {
        endpoint: endpoint?,
        target: target?,
        auth: auth?,
        pipeline,
    })
}

/// `kind = "http"`.
pub(super) fn http(table: &Table<'_>) -> Option<Http> {
    let auth = http_auth(table);
    let login = !matches!(auth, Some(HttpAuth::None));
    let endpoint = endpoint(table, login, &Shape::HTTP);
    let envelope = table.flag("envelope", false);
    let framing = framing(table, envelope);
    let headers = constant_headers(table, &framing);
    let terms = terms(table, &headers);
    Some(Http {
        endpoint: endpoint?,
        framing,
        auth: auth?,
        envelope,
        headers,
        terms,
    })
}

/// `kind = "file"`.
pub(super) fn file(table: &Table<'_>) -> Option<File> {
    let path = table.path("path", None);
    if !table.has("path") {
        table.problem("path", "missing", "name the file to write");
    }
    if path
        .as_ref()
        .is_some_and(|path| path.file_name().is_none() || path.is_dir())
    {
        table.problem(
            "path",
            "is a directory",
            "name a file in it, such as events.jsonl",
        );
    }
    let minute = 60 * SECOND;
    let compressions = [("none", Compress::None), ("gzip", Compress::Gzip)];
    let compress = table.one_of("compress", Some("none"), &compressions);
    Some(File {
        rotate_bytes: table.size("rotate_size", 100 * MIB, 64 * 1024..=TIB),
        rotate_age: table.optional_duration("rotate_age", minute..=3650 * 24 * 60 * minute),
        keep_files: table.optional_count("keep_files", 1..=100_000),
        compress: compress.unwrap_or(Compress::None),
        min_free_bytes: table.size("min_free_space", 64 * MIB, 0..=TIB),
        envelope: table.flag("envelope", false),
        path: path?,
    })
}

fn target(table: &Table<'_>) -> Option<String> {
    let index = table.string("index", None);
    let data_stream = table.string("data_stream", None);
    match (table.has("index"), table.has("data_stream")) {
        (true, true) => table.problem("index", "stands beside data_stream", "keep one of them"),
        (false, false) => {
            let remedy = "set it to such as \"logs-siem_relay.webhook-default\", or set index";
            table.problem("data_stream", "missing", remedy);
        }
        _ => {}
    }
    if index.as_deref().is_some_and(|name| !is_index(name)) {
        table.problem(
            "index",
            "is not the name of an index",
            "use lower case, without \\ / * ? \" < > | , # : or spaces, not beginning with - _ +, \
             255 bytes at most",
        );
    }
    let parts = |name: &str| {
        let mut parts = name.split('-');
        parts.clone().count() == 3
            && parts.all(|part| !part.is_empty() && part.len() <= INDEX_PART_BYTES_MAX)
    };
    if data_stream
        .as_deref()
        .is_some_and(|name| !is_index(name) || !parts(name))
    {
        table.problem(
            "data_stream",
            "is not the name of a data stream",
            "write type-dataset-namespace in lower case, without \\ / * ? \" < > | , # : or \
             spaces, each part without a dash and 100 bytes at most",
        );
    }
    data_stream.or(index)
}

/// Elasticsearch's rules for names of indices ("Create index" in its reference).
fn is_index(name: &str) -> bool {
    let refused = |c: char| "\\/*?\"<>|,#:".contains(c) || c.is_whitespace() || c.is_uppercase();
    name.len() <= INDEX_BYTES_MAX
        && !name.starts_with(['-', '_', '+'])
        && !name.contains(refused)
        && name != "."
        && name != ".."
}

fn elasticsearch_auth(table: &Table<'_>) -> Option<ElasticsearchAuth> {
    let api_key = secrets::one(table, "api_key", Rule::API_KEY);
    let bearer = secrets::one(table, "bearer_token", Rule::BEARER_OUT);
    let basic = basic(table);
    let by = [
        secrets::named(table, "api_key"),
        secrets::named(table, "bearer_token"),
        table.has("user") || secrets::named(table, "password"),
    ];
    match by {
        [false, false, false] => Some(ElasticsearchAuth::None),
        [true, false, false] => api_key.map(ElasticsearchAuth::ApiKey),
        [false, true, false] => bearer.map(ElasticsearchAuth::Bearer),
        [false, false, true] => {
            basic.map(|(user, password)| ElasticsearchAuth::Basic { user, password })
        }
        _ => {
            let remedy = "keep one of api_key_*, bearer_token_*, or user with password_*";
            table.problem("", "names more than one login", remedy);
            None
        }
    }
}

fn http_auth(table: &Table<'_>) -> Option<HttpAuth> {
    let bearer = secrets::one(table, "bearer_token", Rule::BEARER_OUT);
    let basic = basic(table);
    let name = header(table, "header");
    let value = secrets::one(table, "value", Rule::HEADER_OUT);
    let by = [
        secrets::named(table, "bearer_token"),
        table.has("user") || secrets::named(table, "password"),
        table.has("header") || secrets::named(table, "value"),
    ];
    match by {
        [false, false, false] => Some(HttpAuth::None),
        [true, false, false] => bearer.map(HttpAuth::Bearer),
        [false, true, false] => basic.map(|(user, password)| HttpAuth::Basic { user, password }),
        [false, false, true] => {
            pair(table);
            Some(HttpAuth::Header {
                name: name?,
                value: value?,
            })
        }
        _ => {
            let remedy = "keep one of bearer_token_*, user with password_*, or header with value_*";
            table.problem("", "names more than one login", remedy);
            None
        }
    }
}

fn basic(table: &Table<'_>) -> Option<(String, crate::secret::Secret)> {
    let user = table.string("user", None);
    let password = secrets::one(table, "password", Rule::PASSWORD);
    match (table.has("user"), secrets::named(table, "password")) {
        (true, false) => {
            let remedy = "set it to a file with the password, or set password_env";
            table.problem("password_file", "missing beside user", remedy);
        }
        (false, true) => {
            let what = "missing beside the password";
            table.problem("user", what, "name the user");
        }
        _ => {}
    }
    if user.as_deref().is_some_and(|user| user.contains(':')) {
        let what = "has a colon, which ends the name in basic authentication";
        table.problem("user", what, "use a user without one");
    }
    Some((user?, password?))
}

/// The texts of a table of constants, within their number.
pub(super) fn constants(table: &Table<'_>, key: &str) -> Vec<(String, String)> {
    let texts = table.texts(key);
    if texts.len() > CONSTANTS_MAX {
        let what = format!("has {} entries", texts.len());
        table.problem(key, what, format!("keep at most {CONSTANTS_MAX}"));
    }
    texts
}

fn constant_headers(table: &Table<'_>, framing: &Framing) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    // Their types and headers are those of the standard.
    let cloud_events = matches!(framing, Framing::CloudEvents(_));
    for (text, value) in constants(table, "headers") {
        let at = format!("headers.{}", shown(&text));
        let Some(name) = header_name(&text) else {
            table.problem(
                &at,
                "is not the name of a header",
                "write such as \"X-Tenant\"",
            );
            continue;
        };
        if secret_like(&name) {
            let what = "sounds like a credential, which is not written into the configuration";
            table.problem(&at, what, "use header with value_file or value_env");
        } else if is_framing(&name) && (cloud_events || name != "content-type") {
            table.problem(
                &at,
                "is a header that the relay or HTTP itself sets",
                "remove it",
            );
        } else if cloud_events && name.starts_with("ce-") {
            let what = "is an attribute of a CloudEvent, which the relay sets";
            table.problem(&at, what, "remove it");
        } else if HeaderValue::from_str(&value).is_err() {
            let what = "has a value that a header cannot have";
            table.problem(&at, what, "keep visible ASCII characters");
        } else if headers.iter().any(|(other, _)| *other == name) {
            table.problem(&at, "is there twice", "remove one of them");
        }
        headers.push((name, value));
    }
    headers
}
