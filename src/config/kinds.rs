//! What each kind of destination needs: its address and its own keys. Logins are in `login`,
//! Splunk's keys in `splunk`, Elasticsearch's in `elastic`.
//!
//! Reads every key before it gives up, so that one mistake does not make others look unknown.

use std::time::Duration;

use crate::settings::{Auth, Compress, File, Http, HttpNames};

use super::endpoint::{Shape, endpoint};
use super::file_path::file_path;
use super::http::{framing, terms};
use super::http_names;
use super::login;
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
    let (headers, following) = http_names::headers(table, &framing, envelope, auth.as_ref());
    let names = HttpNames {
        path: http_names::path(table),
        headers: following,
    };
    let taken = headers.iter().map(|(name, _)| name.as_str());
    let taken: Vec<_> = taken
        .chain(names.headers.iter().map(|(name, _)| name.as_str()))
        .collect();
    let otherwise = |name: &str| http_names::set_otherwise(&framing, envelope, auth.as_ref(), name);
    let terms = terms(table, &taken, otherwise);
    let http = Http {
        endpoint: endpoint?,
        framing,
        auth: auth?,
        envelope,
        headers,
        names,
        terms,
    };
    login::check_signed(table, &http);
    Some(http)
}

/// `kind = "file"`.
pub(super) fn file(table: &Table<'_>) -> Option<File> {
    let path = file_path(table);
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
        path: path.as_ref()?.0.clone(),
        names: path?.1,
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
