//! What each kind of destination needs: its address and its own keys. Logins are in `login`,
//! Splunk's keys in `splunk`.
//!
//! Reads every key before it gives up, so that one mistake does not make others look unknown.

use std::time::Duration;

use http::HeaderValue;

use crate::settings::{Auth, Compress, Elasticsearch, File, Framing, Http};

use super::endpoint::{Shape, endpoint};
use super::login;
use super::names::{header_name, is_framing, secret_like};
use super::problems::shown;
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
    let auth = login::elasticsearch(table);
    let login = !matches!(auth, Some(Auth::None));
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
    let auth = login::http(table);
    let login = !matches!(auth, Some(Auth::None));
    let endpoint = endpoint(table, login, &Shape::HTTP);
    let framings = [
        ("array", Framing::Array),
        ("ndjson", Framing::Ndjson),
        ("single", Framing::Single),
    ];
    let framing = table.one_of("framing", Some("array"), &framings);
    let envelope = table.flag("envelope", false);
    let headers = constant_headers(table);
    Some(Http {
        endpoint: endpoint?,
        framing: framing.unwrap_or(Framing::Array),
        auth: auth?,
        envelope,
        headers,
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

/// The texts of a table of constants, within their number.
pub(super) fn constants(table: &Table<'_>, key: &str) -> Vec<(String, String)> {
    let texts = table.texts(key);
    if texts.len() > CONSTANTS_MAX {
        let what = format!("has {} entries", texts.len());
        table.problem(key, what, format!("keep at most {CONSTANTS_MAX}"));
    }
    texts
}

fn constant_headers(table: &Table<'_>) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
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
        } else if is_framing(&name) {
            table.problem(
                &at,
                "is a header that the relay or HTTP itself sets",
                "remove it",
            );
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
