//! What each kind of destination needs: its address and its own keys. Logins are in `login`,
//! Splunk's keys in `splunk`, Elasticsearch's in `elastic`.
//!
//! Reads every key before it gives up, so that one mistake does not make others look unknown.

use std::time::Duration;

use http::HeaderValue;

use crate::settings::{Auth, Compress, File, Framing, Http};

use super::endpoint::{Shape, endpoint};
use super::http::{framing, terms};
use super::login;
use super::names::{header_name, is_framing, secret_like};
use super::problems::shown;
use super::table::Table;

/// Constant fields or headers of a destination.
const CONSTANTS_MAX: usize = 32;

const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// `kind = "http"`.
pub(super) fn http(table: &Table<'_>) -> Option<Http> {
    let auth = login::http(table);
    let login = !matches!(auth, Some(Auth::None));
    let endpoint = endpoint(table, login, &Shape::HTTP);
    let envelope = table.flag("envelope", false);
    let framing = framing(table, envelope);
    let headers = constant_headers(table, &framing);
    let terms = terms(table, &headers);
    let http = Http {
        endpoint: endpoint?,
        framing,
        auth: auth?,
        envelope,
        headers,
        terms,
    };
    login::check_signed(table, &http);
    Some(http)
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
